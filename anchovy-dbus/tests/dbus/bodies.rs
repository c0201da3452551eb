//! Bodies as values: what is encoded and decoded, with descriptors, in either byte order.

use std::collections::HashMap;
use std::io;
use std::num::NonZeroU32;
use std::os::fd::{AsRawFd, OwnedFd};

use anchovy_dbus::{BodyError, ByteOrder, FieldError, Message, MessageBuilder, MessageError};
use proptest::prelude::*;
use zbus::wire::DynamicType;
use zbus::{Fd, OwnedVariant, Type, Variant};

use crate::harness::*;

const ORDERS: [ByteOrder; 2] = [ByteOrder::Little, ByteOrder::Big];

fn call<'a>() -> MessageBuilder<'a> {
    Message::method_call("/", "Take")
}

/// The number in this byte order.
fn number(order: ByteOrder, number: u32) -> [u8; 4] {
    match order {
        ByteOrder::Little => number.to_le_bytes(),
        ByteOrder::Big => number.to_be_bytes(),
    }
}

/// Sends a value through a message, and checks its signature.
#[track_caller]
fn passes<T>(value: &T, signature: &str)
where
    T: serde::Serialize + serde::de::DeserializeOwned + Type + Sync + PartialEq + std::fmt::Debug,
{
    for order in ORDERS {
        let built = call().byte_order(order).body_of(value).serial(NonZeroU32::MIN).build();
        let bytes = built.expect("a message").to_bytes().expect("a serial");
        let message = Message::from_bytes(bytes, Vec::new()).expect("a valid message");
        assert_eq!(message.header().signature(), signature);
        assert_eq!(&message.body_as::<T>().expect("the value"), value, "{order:?}");
    }
}

#[test]
fn values_pass_in_either_byte_order() {
    passes(&(), "");
    passes(&7_u32, "u");
    passes(&"text".to_owned(), "s");
    passes(&("text".to_owned(), -7_i64, true), "sxb");
    passes(&("one".to_owned(),), "s");
    passes(&((1_u8, 2_u64),), "(yt)");
    passes(&vec!["a".to_owned(), "b".to_owned()], "as");
    passes(&HashMap::from([("a".to_owned(), 1_u16)]), "a{sq}");
    passes(&OwnedVariant::try_from(Variant::from(7_u32)).expect("no descriptor"), "v");
    passes(&(1_u8, vec![(2_u8, "x".to_owned())], 0.5_f64), "ya(ys)d");
}

/// Checks that the body of a value is the same whether the byte order is set before or after it.
#[track_caller]
fn is_the_same_before_and_after<T: serde::Serialize + DynamicType + ?Sized>(value: &T) {
    for order in ORDERS {
        let before = call().byte_order(order).body_of(value).build().expect("a message");
        let after = call().body_of(value).byte_order(order).build().expect("a message");
        assert_eq!(before.header().byte_order(), order);
        assert_eq!(after.header().byte_order(), order);
        assert_eq!(before.header().signature(), after.header().signature());
        assert_eq!(before.body(), after.body(), "{order:?} {}", before.header().signature());
    }
}

#[test]
fn a_body_is_in_the_byte_order_that_is_set_before_or_after_it() {
    is_the_same_before_and_after(&());
    is_the_same_before_and_after(&(1_u8, true, -2_i16, 3_u16, -4_i32, 5_u32, -6_i64, 7_u64, 0.5));
    is_the_same_before_and_after(&("text", vec!["a", "", "long"], 7_u16));
    is_the_same_before_and_after(&(1_u8, Vec::<u64>::new(), Vec::<(u8, u8)>::new(), 7_u16));
    is_the_same_before_and_after(&(1_u8, vec![(1_u8, 2_u64, "x")], vec![vec![1_u16, 2], vec![]]));
    is_the_same_before_and_after(&HashMap::from([("key", Variant::from((1_u8, vec![2_u64])))]));
    let nested = Variant::from(vec![Variant::from(7_u32), Variant::from("x")]);
    is_the_same_before_and_after(&(zbus::signature!("a{sv}"), nested, 9_u64));
    guarded(|| is_the_same_before_and_after(&(1_u8, Fd::from(memfd()), Fd::from(memfd()))));
}

#[test]
fn a_text_without_a_size_is_a_body() {
    let message = call().body_of("text").build().expect("a message");
    assert_eq!(message.body_as::<String>().expect("a text"), "text");
}

#[test]
fn the_last_body_that_is_set_counts() {
    let message = call().body_of("text").body("u", vec![0; 4]).build().expect("a message");
    assert_eq!(message.header().signature(), "u");
    let message = call().body("u", vec![0; 4]).body_of("text").build().expect("a message");
    assert_eq!(message.header().signature(), "s");
}

#[test]
fn descriptors_of_a_value_are_duplicated_and_the_value_keeps_its_own() {
    guarded(|| {
        let (one, two) = (memfd(), memfd());
        let value = (Fd::from(&one), "text", Fd::from(&two));
        let message = call().body_of(&value).build().expect("a message");
        assert_eq!(message.header().signature(), "hsh");
        assert_eq!(identities(message.fds()), identities([&one, &two]));
        for (duplicate, original) in message.fds().iter().zip([&one, &two]) {
            assert_ne!(duplicate.as_raw_fd(), original.as_raw_fd());
            let flags = rustix::io::fcntl_getfd(duplicate).expect("an open descriptor");
            assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        }
        // It counts them from 0.
        let order = ByteOrder::NATIVE;
        assert_eq!(message.body()[..4], number(order, 0));
        assert_eq!(message.body()[16..], number(order, 1));
    });
}

#[test]
fn descriptors_of_a_value_keep_the_order_of_the_builder_calls() {
    guarded(|| {
        for order in ORDERS {
            let (before, own, after) = (memfds(3), memfds(2), memfd());
            let mut expected = identities(&before);
            expected.extend(identities(&own));
            expected.push(identity(&after));
            let value = vec![Fd::from(&own[0]), Fd::from(&own[1])];
            let message = call()
                .fds(before)
                .body_of(&(1_u8, value))
                .byte_order(order)
                .fd(after)
                .build()
                .expect("a message");
            assert_eq!(identities(message.fds()), expected);
            assert_eq!(message.header().unix_fds(), 6);
            let (_, received) = message.body_as::<(u8, Vec<zbus::OwnedFd>)>().expect("the value");
            assert_eq!(identities(&received), identities(&own));
        }
    });
}

/// Each of these has its descriptor at another place, and another alignment.
#[test]
fn a_descriptor_after_others_has_its_index_wherever_it_is() {
    guarded(|| {
        for count in 0..5 {
            let own = memfd();
            let expected = identity(&own);
            let check = |builder: MessageBuilder<'_>, signature: &str| {
                let message = builder.build().expect("a message");
                assert_eq!(message.header().signature(), signature);
                assert_eq!(message.fds().len(), count + 1);
                assert_eq!(identity(&message.fds()[count]), expected);
                message
            };
            let fd = || Fd::from(&own);
            let with = || call().fds(memfds(count));
            let value = check(with().body_of(&fd()), "h");
            assert_eq!(identity(value.body_as::<zbus::OwnedFd>().unwrap()), expected);
            let value = (7_u64, (fd(),));
            let value = check(with().body_of(&value), "t(h)");
            let (seven, (fd,)) = value.body_as::<(u64, (zbus::OwnedFd,))>().unwrap();
            assert_eq!((seven, identity(fd)), (7, expected));
            let value = Variant::from(Fd::from(&own));
            let value = check(with().body_of(&value), "v");
            let value = value.body_as::<OwnedVariant>().unwrap();
            let Variant::Fd(fd) = &*value else { panic!("{value:?}") };
            assert_eq!(identity(fd), expected);
        }
    });
}

#[test]
fn a_value_without_arguments_leaves_descriptors_as_they_are() {
    guarded(|| {
        let fds = memfds(2);
        let expected = identities(&fds);
        let message = call().fds(fds).body_of(&()).build().expect("a message");
        assert_eq!((message.header().signature(), message.body().len()), ("", 0));
        assert_eq!(identities(message.fds()), expected);
    });
}

#[test]
fn decoded_descriptors_are_duplicates_of_those_that_the_message_keeps() {
    guarded(|| {
        let fd = memfd();
        let expected = identity(&fd);
        let mut message = call().body_of(&Fd::from(fd)).build().expect("a message");
        let first = message.body_as::<zbus::OwnedFd>().expect("a descriptor");
        let second = message.body_as::<zbus::OwnedFd>().expect("a descriptor");
        assert_eq!((identity(&first), identity(&second)), (expected, expected));
        let flags = rustix::io::fcntl_getfd(&first).expect("an open descriptor");
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        let kept = message.take_fds();
        assert_eq!(identities(&kept), [expected]);
        // Without them, there is nothing to decode.
        let error = message.body_as::<zbus::OwnedFd>().unwrap_err();
        assert!(matches!(error, BodyError::Decode { .. }), "{error:?}");
        drop(OwnedFd::from(first));
    });
}

#[test]
fn an_index_out_of_range_is_an_error() {
    guarded(|| {
        for order in ORDERS {
            for (index, is_valid) in [(0, true), (1, false), (u32::MAX, false)] {
                let body = number(order, index).to_vec();
                let message = call().byte_order(order).body("h", body).fd(memfd()).build();
                let outcome = message.expect("a message").body_as::<zbus::OwnedFd>();
                assert_eq!(outcome.is_ok(), is_valid, "{index}: {outcome:?}");
            }
        }
    });
}

#[test]
fn a_body_of_another_signature_is_an_error_that_names_both() {
    let message = call().body_of(&("text", 7_u32)).build().expect("a message");
    let error = message.body_as::<(u32, String)>().unwrap_err();
    assert_eq!(error.to_string(), "the body has the signature \"su\", expected \"us\"");
    assert!(matches!(error, BodyError::Signature { .. }));
    // A struct is one argument.
    assert!(message.body_as::<((String, u32),)>().is_err());
    let message = call().body_of(&(("text", 7_u32),)).build().expect("a message");
    assert!(message.body_as::<(String, u32)>().is_err());
    assert!(message.body_as::<()>().is_err());
}

#[test]
fn a_body_that_is_not_what_its_signature_says_is_an_error() {
    for (signature, body) in
        [("s", &b"\xff\xff\xff\xff"[..]), ("s", b"\x01\0\0\0"), ("s", b"\x01\0\0\0\xff\0")]
    {
        let message = call().byte_order(ByteOrder::Little).body(signature, body.to_vec()).build();
        let error = message.expect("a message").body_as::<String>().unwrap_err();
        assert!(matches!(error, BodyError::Decode { .. }), "{error:?}");
    }
}

#[test]
fn a_body_with_more_bytes_than_its_values_is_an_error() {
    let message = call().body("u", vec![0; 5]).build().expect("a message");
    let error = message.body_as::<u32>().unwrap_err();
    assert_eq!(error.to_string(), "the body of signature \"u\" has 5 bytes, its values have 4");
}

/// A value that cannot be encoded.
struct Refuses;

impl serde::Serialize for Refuses {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("not today"))
    }
}

impl Type for Refuses {
    const SIGNATURE: &'static zbus::Signature = &zbus::Signature::Str;
}

#[test]
fn a_value_that_cannot_be_encoded_is_an_error_with_all_descriptors() {
    guarded(|| {
        let fds = memfds(2);
        let (expected, own) = (identities(&fds), memfd());
        let value = (Fd::from(&own), Refuses);
        let refused = call().fds(fds).body_of(&value).build().unwrap_err();
        let MessageError::Body(error) = &refused.error else { panic!("{refused:?}") };
        assert!(matches!(**error, BodyError::Encode { .. }), "{error:?}");
        let text = "cannot encode a body of signature \"hs\": not today";
        assert_eq!(refused.to_string(), text);
        assert_eq!(identities(&refused.fds), expected);
    });
}

#[test]
fn a_value_that_cannot_be_encoded_is_invalid_input() {
    let refused = call().body_of(&Refuses).build().unwrap_err();
    let MessageError::Body(error) = refused.error else { panic!("{refused:?}") };
    assert_eq!(io::Error::from(*error).kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn an_invalid_message_returns_only_the_added_descriptors() {
    guarded(|| {
        let fds = memfds(2);
        let (expected, own) = (identities(&fds), memfd());
        let value = Fd::from(&own);
        let builder = Message::method_call("no/slash", "Take").fds(fds).body_of(&value);
        let refused = builder.build().unwrap_err();
        assert_eq!(
            refused.to_string(),
            "\"no/slash\" is not a valid object path: it must begin with /"
        );
        assert_eq!(identities(&refused.fds), expected);
    });
}

#[test]
fn a_value_with_a_signature_that_is_too_long_is_an_error() {
    struct Long;
    impl serde::Serialize for Long {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serde::Serialize::serialize(&[0_u8; 256].map(u32::from)[..0], serializer)
        }
    }
    impl DynamicType for Long {
        fn signature(&self) -> zbus::Signature {
            let fields = vec![zbus::Signature::U8; 256];
            zbus::Signature::array(zbus::Signature::structure(fields))
        }
    }
    let refused = call().body_of(&Long).build().unwrap_err();
    assert!(
        matches!(
            refused.error,
            MessageError::Field { error: FieldError::Signature(_), .. } | MessageError::Body(_)
        ),
        "{refused:?}"
    );
}

/// Decodes a body of any of these types.
fn decode_all(message: &Message) {
    macro_rules! decode {
        ($($body:ty),*) => { $( let _ = message.body_as::<$body>(); )* };
    }
    decode!((), u8, bool, i16, u32, f64, String, Vec<u8>, Vec<String>, Vec<u64>);
    decode!(zbus::OwnedFd, Vec<zbus::OwnedFd>, zbus::OwnedObjectPath, zbus::Signature);
    decode!(OwnedVariant, Vec<OwnedVariant>, HashMap<String, OwnedVariant>, (String, u32));
    decode!((u8, (u64, Vec<(u8, String)>)), HashMap<u8, HashMap<String, Vec<u8>>>);
}

const SIGNATURES: [&str; 20] = [
    "y",
    "b",
    "n",
    "u",
    "d",
    "s",
    "ay",
    "as",
    "at",
    "h",
    "ah",
    "o",
    "g",
    "v",
    "av",
    "a{sv}",
    "su",
    "y(ta(ys))",
    "a{ya{say}}",
    "(su)",
];

/// Bytes that often are lengths, codes of types and padding.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        4 => Just(0_u8),
        3 => 1..9_u8,
        2 => prop::sample::select(&b"avsuh(){}yigo"[..]),
        1 => any::<u8>(),
    ];
    prop::collection::vec(byte, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_body_of_a_peer_panics(
        signature in prop::sample::select(&SIGNATURES[..]),
        body in bytes(),
        big in any::<bool>(),
    ) {
        let order = if big { ByteOrder::Big } else { ByteOrder::Little };
        let message = call().byte_order(order).body(signature, body).build().expect("a message");
        decode_all(&message);
    }
}
