//! Each argument as it is written and read, each way in which it can be wrong, and bytes from nobody.

use std::fs::File;
use std::os::fd::OwnedFd;

use bytes::{Bytes, BytesMut};
use interop_tests::guarded;
use proptest::prelude::*;

use super::message::FEW;
use super::*;

fn id(number: u32) -> ObjectId {
    ObjectId::new(number).expect("not 0")
}

fn build() -> MessageBuilder {
    Message::build(id(7), 3)
}

/// The arguments of a message that is built so.
fn written(builder: MessageBuilder) -> Vec<u8> {
    builder.finish().expect("a good message").arguments().to_vec()
}

fn received(arguments: &[u8]) -> Message {
    Message::received(id(7), 3, Body::of(Bytes::copy_from_slice(arguments)), Vec::new())
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// A length, and bytes.
fn sized(length: u32, bytes: &[u8]) -> Vec<u8> {
    [&length.to_ne_bytes(), bytes].concat()
}

fn null() -> OwnedFd {
    File::open("/dev/null").expect("there is one").into()
}

/// What reading from these arguments fails with.
fn fault<T: std::fmt::Debug>(
    arguments: &[u8],
    read: impl FnOnce(&mut Arguments<'_>) -> Result<T, WireError>,
) -> WireFault {
    let mut message = received(arguments);
    let error = read(&mut message.read()).expect_err("a fault");
    assert_eq!((error.object, error.opcode), (7, 3));
    error.fault
}

#[test]
fn the_display_and_the_servers_first_object_have_their_numbers() {
    assert_eq!(ObjectId::DISPLAY.get(), 1);
    assert_eq!(ObjectId::FIRST_OF_SERVER.get(), 0xff00_0000);
    assert_eq!(ObjectId::new(0), None);
    assert!(!id(0xfeff_ffff).is_of_server());
    assert!(id(0xff00_0000).is_of_server() && id(u32::MAX).is_of_server());
    assert_eq!((format!("{}", id(9)), format!("{:?}", id(9))), ("9".into(), "@9".into()));
    assert_eq!(format!("{:>3}", id(9)), "  9");
}

#[test]
fn a_fixed_is_in_steps_of_a_256th() {
    assert_eq!(Fixed::from_f64(1.5).to_bits(), 0x180);
    assert_eq!(Fixed::from_f64(-0.5).to_bits(), -128);
    assert_eq!(Fixed::from_f64(1.0 / 512.0).to_bits(), 1);
    assert_eq!(Fixed::from_f64(0.9 / 512.0).to_bits(), 0);
    assert_eq!(Fixed::from(i16::MIN).to_bits(), i32::from(i16::MIN) * 256);
    assert_eq!(f64::from(Fixed::from_bits(i32::MIN)), -8_388_608.0);
}

#[test]
fn a_number_that_is_no_fixed_is_the_nearest_one() {
    assert_eq!(Fixed::from_f64(1e300).to_bits(), i32::MAX);
    assert_eq!(Fixed::from_f64(f64::NEG_INFINITY).to_bits(), i32::MIN);
    assert_eq!(Fixed::from_f64(f64::NAN).to_bits(), 0);
}

#[test]
fn numbers_and_objects_are_one_word() {
    assert_eq!(written(build().uint(0x0102_0304)), words(&[0x0102_0304]));
    assert_eq!(written(build().int(-2)), words(&[0xffff_fffe]));
    assert_eq!(written(build().fixed(Fixed::from(-1))), words(&[0xffff_ff00]));
    assert_eq!(written(build().object(id(5)).object(None)), words(&[5, 0]));
    assert_eq!(written(build().new_id(id(6))), words(&[6]));
}

#[test]
fn a_string_has_its_nul_and_is_padded_with_zeros() {
    for (text, bytes) in [
        ("", &[1, 0, 0, 0, 0][..]),
        ("a", &[2, b'a', 0, 0, 0]),
        ("ab", &[3, b'a', b'b', 0, 0]),
        ("abc", &[4, b'a', b'b', b'c', 0]),
        ("abcd", &[5, b'a', b'b', b'c', b'd', 0, 0, 0, 0]),
    ] {
        let expected = sized(u32::from(bytes[0]), &bytes[1..]);
        assert_eq!(written(build().string(text)), expected, "{text}");
    }
    assert_eq!(written(build().null_string()), words(&[0]));
}

#[test]
fn an_array_is_padded_with_zeros() {
    for length in 0..9u8 {
        let bytes: Vec<u8> = (1..=length).collect();
        let mut expected = sized(u32::from(length), &bytes);
        expected.resize(4 + usize::from(length).next_multiple_of(4), 0);
        assert_eq!(written(build().array(&bytes)), expected, "{length}");
    }
}

#[test]
fn few_arguments_hold_no_buffer_that_others_are_in() {
    for (bytes, few) in [(0, true), (FEW, true), (FEW + 4, false)] {
        let mut buffer = BytesMut::from(&vec![7; bytes + 4][..]);
        let body = Body::split_off(&mut buffer, bytes);
        assert_eq!((body.bytes(), &buffer[..]), (&vec![7; bytes][..], &[7; 4][..]), "{bytes}");
        assert_eq!(matches!(body, Body::Few { .. }), few, "{bytes}");
    }
}

#[test]
fn arguments_in_place_need_no_more_room_than_others() {
    // Where words are smaller, one of them tells the two apart.
    assert!(size_of::<Body>() <= size_of::<Bytes>().max(FEW + 4));
}

#[test]
fn an_untyped_new_id_is_an_interface_a_version_and_a_number() {
    let expected = [sized(3, b"wl\0\0"), words(&[4, 5])].concat();
    assert_eq!(written(build().untyped_new_id("wl", 4, id(5))), expected);
}

#[test]
fn a_message_begins_with_its_object_its_length_and_its_opcode() {
    guarded(|| {
        let mut bytes = BytesMut::new();
        build().uint(9).fd(null()).finish().expect("good").encode(&mut bytes);
        assert_eq!(bytes, words(&[7, 12 << 16 | 3, 9]));
        let found = header(&bytes, 4096).expect("good").expect("whole");
        assert_eq!(found, Header { object: id(7), opcode: 3, length: 12 });
    });
}

#[test]
fn what_was_written_is_read() {
    guarded(|| {
        let mut message = build()
            .int(i32::MIN)
            .uint(u32::MAX)
            .fixed(Fixed::from_bits(-1))
            .object(None)
            .object(id(5))
            .new_id(id(6))
            .string("text")
            .null_string()
            .array(b"array")
            .untyped_new_id("wl_shm", 2, id(8))
            .fd(null())
            .finish()
            .expect("good");
        let mut arguments = message.read();
        assert_eq!(arguments.int(), Ok(i32::MIN));
        assert_eq!(arguments.uint(), Ok(u32::MAX));
        assert_eq!(arguments.fixed(), Ok(Fixed::from_bits(-1)));
        assert_eq!(arguments.optional_object(), Ok(None));
        assert_eq!(arguments.object(), Ok(id(5)));
        assert_eq!(arguments.new_id(), Ok(id(6)));
        assert_eq!(arguments.string(), Ok(c"text"));
        assert_eq!(arguments.optional_string(), Ok(None));
        assert_eq!(arguments.array(), Ok(&b"array"[..]));
        assert_eq!(arguments.untyped_new_id(), Ok((c"wl_shm", 2, id(8))));
        assert!(arguments.fd().is_ok());
        assert_eq!(arguments.finish(), Ok(()));
    });
}

#[test]
fn descriptors_are_read_in_order() {
    guarded(|| {
        use std::os::fd::AsRawFd;
        let (first, second) = (null(), null());
        let numbers = [first.as_raw_fd(), second.as_raw_fd()];
        let mut message = build().fd(first).fd(second).finish().expect("good");
        let mut arguments = message.read();
        let read = [arguments.fd(), arguments.fd()].map(|fd| fd.expect("there").as_raw_fd());
        assert_eq!(read, numbers);
    });
}

#[test]
fn an_argument_that_ends_early_is_a_fault_and_is_not_read() {
    for left in 0..4 {
        let early = WireFault::EndsEarly { needed: 4, left };
        let bytes = &[0; 3][..left];
        assert_eq!(fault(bytes, |arguments| arguments.int()), early);
        assert_eq!(fault(bytes, |arguments| arguments.uint()), early);
        assert_eq!(fault(bytes, |arguments| arguments.fixed()), early);
        assert_eq!(fault(bytes, |arguments| arguments.object()), early);
        assert_eq!(fault(bytes, |arguments| arguments.optional_object()), early);
        assert_eq!(fault(bytes, |arguments| arguments.new_id()), early);
        assert_eq!(fault(bytes, |arguments| arguments.string().map(drop)), early);
        assert_eq!(fault(bytes, |arguments| arguments.array().map(drop)), early);
    }
    let bytes = sized(5, &[0; 4]);
    let early = WireFault::EndsEarly { needed: 8, left: 4 };
    assert_eq!(fault(&bytes, |arguments| arguments.array().map(drop)), early);
    let mut message = received(&bytes);
    let mut arguments = message.read();
    assert!(arguments.array().is_err());
    assert_eq!((arguments.uint(), arguments.uint()), (Ok(5), Ok(0)));
}

#[test]
fn a_length_beyond_all_memory_is_a_fault() {
    for length in [u32::MAX, u32::MAX - 3, 0x8000_0000] {
        let needed = u64::from(length).next_multiple_of(4);
        let early = WireFault::EndsEarly { needed, left: 4 };
        let bytes = sized(length, &[0; 4]);
        assert_eq!(fault(&bytes, |arguments| arguments.array().map(drop)), early);
        assert_eq!(fault(&bytes, |arguments| arguments.string().map(drop)), early);
    }
}

#[test]
fn an_object_that_is_null_is_a_fault_where_it_may_not_be() {
    assert_eq!(fault(&words(&[0]), |arguments| arguments.object()), WireFault::NullObject);
    assert_eq!(fault(&words(&[0]), |arguments| arguments.new_id()), WireFault::NullObject);
    let bytes = [sized(1, &[0; 4]), words(&[1, 0])].concat();
    let read = |arguments: &mut Arguments<'_>| arguments.untyped_new_id().map(drop);
    assert_eq!(fault(&bytes, read), WireFault::NullObject);
}

#[test]
fn a_string_ends_with_its_only_nul() {
    let string = |bytes: &[u8]| fault(bytes, |arguments| arguments.string().map(drop));
    assert_eq!(string(&sized(0, &[])), WireFault::NullString);
    assert_eq!(string(&sized(3, b"abcd")), WireFault::StringWithoutNul);
    // The NUL is padding.
    assert_eq!(string(&sized(3, b"abc\0")), WireFault::StringWithoutNul);
    assert_eq!(string(&sized(4, b"a\0b\0")), WireFault::StringWithNul);
    assert_eq!(string(&sized(2, b"\0\0\0\0")), WireFault::StringWithNul);
    let optional = |bytes: &[u8]| fault(bytes, |arguments| arguments.optional_string().map(drop));
    assert_eq!(optional(&sized(3, b"abcd")), WireFault::StringWithoutNul);
}

#[test]
fn padding_may_be_anything() {
    let mut message = received(&sized(2, b"a\0xy"));
    assert_eq!(message.read().string(), Ok(c"a"));
    let mut message = received(&sized(1, b"axyz"));
    assert_eq!(message.read().array(), Ok(&b"a"[..]));
}

#[test]
fn behind_an_argument_that_is_wrong_the_next_is_read() {
    let mut message = received(&[sized(4, b"a\0b\0"), words(&[0, 9])].concat());
    let mut arguments = message.read();
    assert!(arguments.string().is_err());
    assert!(arguments.object().is_err());
    assert_eq!(arguments.uint(), Ok(9));
}

#[test]
fn a_descriptor_that_is_not_there_is_a_fault() {
    assert_eq!(fault(&[], |arguments| arguments.fd().map(drop)), WireFault::NoFd);
}

#[test]
fn what_is_left_behind_the_last_argument_is_a_fault() {
    guarded(|| {
        let mut message = received(&[0; 8]);
        let mut arguments = message.read();
        arguments.uint().expect("a word");
        let error = arguments.finish().expect_err("a word more");
        assert_eq!(
            error,
            WireError { object: 7, opcode: 3, fault: WireFault::BytesLeft { bytes: 4 } }
        );
        let mut message = build().fd(null()).fd(null()).finish().expect("good");
        let error = message.read().finish().expect_err("two descriptors");
        assert_eq!(error.fault, WireFault::FdsLeft { count: 2 });
    });
}

#[test]
fn a_message_without_its_descriptors_is_told_from_a_whole_one() {
    guarded(|| {
        let mut message = build().fd(null()).fd(null()).finish().expect("good");
        assert_eq!(message.check_fds(), Ok(()));
        drop(message.read().fd());
        let fault = WireFault::FdsTaken { declared: 2, present: 1 };
        assert_eq!(message.check_fds(), Err(WireError { object: 7, opcode: 3, fault }));
        assert_eq!(message.take_fds().len(), 1);
        assert!(message.fds().is_empty());
    });
}

#[test]
fn a_string_with_a_nul_is_not_built_and_its_descriptors_come_back() {
    guarded(|| {
        let error = build().fd(null()).string("a\0b").finish().expect_err("a NUL");
        let fault = WireFault::StringWithNul;
        assert_eq!(error.error, WireError { object: 7, opcode: 3, fault });
        assert_eq!(error.fds.len(), 1);
        // The first fault is told, not that it is too long as well.
        let error = build().string("\0").array(&[0; 1 << 17]).finish().expect_err("a NUL");
        assert_eq!(error.error.fault, WireFault::StringWithNul);
    });
}

#[test]
fn a_message_that_is_not_built_is_told_by_its_fault_and_is_bad_input() {
    use std::io;

    let error = build().string("a\0b").finish().expect_err("a NUL");
    let fault = error.error;
    assert_eq!(error.to_string(), fault.to_string());
    let error = io::Error::from(error);
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert_eq!(error.into_inner().and_then(|inner| inner.downcast().ok()), Some(Box::new(fault)));
}

#[test]
fn a_message_is_as_long_as_a_header_can_tell_and_no_longer() {
    let longest = build().array(&[0; LONGEST - HEADER - 4]).finish().expect("just so long");
    assert_eq!(longest.length(), 65532);
    let mut bytes = BytesMut::new();
    longest.encode(&mut bytes);
    let found = header(&bytes, LONGEST).expect("good").expect("whole");
    assert_eq!((found.length, found.opcode), (65532, 3));

    let too_long = |length| WireFault::TooLong { length, limit: LONGEST };
    let error = build().array(&[0; LONGEST - HEADER - 3]).finish().expect_err("too long");
    assert_eq!(error.error.fault, too_long(65536));
    let error = build().string([b'a'; LONGEST]).array(&[0; 1 << 17]).finish();
    let length = 8 + 4 + 65536 + 4 + (1 << 17);
    assert_eq!(error.expect_err("too long").error.fault, too_long(length));
}

#[test]
fn an_argument_that_is_too_long_for_any_message_is_not_copied() {
    let array = vec![0; 1 << 20];
    let measured = allocation_counter::measure(|| {
        assert!(build().array(&array).finish().is_err());
    });
    assert_eq!(measured.bytes_total, 0);
}

#[test]
fn a_message_is_shown_by_its_header_and_its_descriptors() {
    guarded(|| {
        let message = build().string("a secret").fd(null()).finish().expect("good");
        let fds = format!("{:?}", message.fds());
        let expected = format!("Message {{ object: @7, opcode: 3, length: 24, fds: {fds} }}");
        assert_eq!(format!("{message:?}"), expected);
    });
}

#[test]
fn a_header_is_read_when_it_is_whole() {
    let bytes = words(&[7, 12 << 16 | 3]);
    for end in 0..8 {
        assert_eq!(header(&bytes[..end], 4096), Ok(None));
    }
    assert!(header(&bytes, 4096).expect("good").is_some());
}

#[test]
fn a_header_that_tells_no_length_is_a_fault() {
    let told = |length: u32, limit| {
        let error = header(&words(&[7, length << 16 | 3]), limit).expect_err("a fault");
        assert_eq!((error.object, error.opcode), (7, 3));
        error.fault
    };
    for length in [0, 4, 7] {
        let fault = WireFault::TooShort { length: length as usize };
        assert_eq!(told(length, 4096), fault);
    }
    for length in [9, 10, 11, 13, 65535] {
        let fault = WireFault::Unaligned { length: length as usize };
        assert_eq!(told(length, 4096), fault);
    }
    assert_eq!(told(4100, 4096), WireFault::TooLong { length: 4100, limit: 4096 });
    assert!(header(&words(&[7, 4096 << 16]), 4096).is_ok());
    assert!(header(&words(&[7, 8 << 16]), 4096).is_ok());
    assert!(header(&words(&[7, 65532 << 16]), usize::MAX).is_ok());
    let error = header(&words(&[0, 12 << 16 | 3]), 4096).expect_err("no object");
    assert_eq!(error, WireError { object: 0, opcode: 3, fault: WireFault::NullObject });
}

#[test]
fn a_message_is_read_as_a_plain_one_without_being_changed() {
    guarded(|| {
        let message = build().uint(4).finish().expect("good");
        assert_eq!(message.read_plain(|arguments| arguments.uint()), Ok(4));
        assert_eq!(message.read_plain(|arguments| arguments.uint()), Ok(4));
        let error = message.read_plain(|_| Ok(())).expect_err("a word more");
        assert_eq!(error.fault, WireFault::BytesLeft { bytes: 4 });
        let message = build().fd(null()).finish().expect("good");
        let error = message.read_plain(|_| Ok(())).expect_err("a descriptor");
        assert_eq!(error.fault, WireFault::FdsLeft { count: 1 });
        assert!(message.is(id(7), 3) && !message.is(id(7), 2) && !message.is(id(8), 3));
    });
}

/// An argument of each type.
#[derive(Clone, Debug)]
enum Argument {
    Int(i32),
    Uint(u32),
    Fixed(i32),
    Object(u32),
    NewId(u32),
    Untyped(Vec<u8>, u32, u32),
    Text(Option<Vec<u8>>),
    Array(Vec<u8>),
    Fd,
}

fn argument() -> impl Strategy<Value = Argument> {
    let text = || prop::collection::vec(1u8.., 0..20);
    prop_oneof![
        any::<i32>().prop_map(Argument::Int),
        any::<u32>().prop_map(Argument::Uint),
        any::<i32>().prop_map(Argument::Fixed),
        any::<u32>().prop_map(Argument::Object),
        (1u32..).prop_map(Argument::NewId),
        (text(), any::<u32>(), 1u32..)
            .prop_map(|(text, version, id)| { Argument::Untyped(text, version, id) }),
        prop::option::of(text()).prop_map(Argument::Text),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Argument::Array),
        Just(Argument::Fd),
    ]
}

#[test]
fn whatever_is_written_is_read() {
    guarded(|| {
        proptest!(|(all in prop::collection::vec(argument(), 0..12))| {
        let mut builder = build();
        for argument in &all {
            builder = match argument {
                Argument::Int(number) => builder.int(*number),
                Argument::Uint(number) => builder.uint(*number),
                Argument::Fixed(bits) => builder.fixed(Fixed::from_bits(*bits)),
                Argument::Object(number) => builder.object(ObjectId::new(*number)),
                Argument::NewId(number) => builder.new_id(id(*number)),
                Argument::Untyped(text, version, number) => {
                    let text = String::from_utf8_lossy(text);
                    builder.untyped_new_id(&text, *version, id(*number))
                }
                Argument::Text(Some(text)) => builder.string(text),
                Argument::Text(None) => builder.null_string(),
                Argument::Array(bytes) => builder.array(bytes),
                Argument::Fd => builder.fd(null()),
            };
        }
        let mut message = builder.finish().expect("a good message");
        let mut bytes = BytesMut::new();
        message.encode(&mut bytes);
        prop_assert_eq!(bytes.len() % 4, 0);
        prop_assert_eq!(bytes.len(), message.length());
        let Header { object, opcode, length } = header(&bytes, LONGEST).unwrap().unwrap();
        prop_assert_eq!(length, bytes.len());

        let arguments = bytes.freeze().slice(HEADER..);
        let mut message = Message::received(object, opcode, Body::of(arguments), message.take_fds());
        let mut arguments = message.read();
        for argument in all {
            match argument {
                Argument::Int(number) => prop_assert_eq!(arguments.int(), Ok(number)),
                Argument::Uint(number) => prop_assert_eq!(arguments.uint(), Ok(number)),
                Argument::Fixed(bits) => {
                    prop_assert_eq!(arguments.fixed(), Ok(Fixed::from_bits(bits)));
                }
                Argument::Object(number) => {
                    prop_assert_eq!(arguments.optional_object(), Ok(ObjectId::new(number)));
                }
                Argument::NewId(number) => prop_assert_eq!(arguments.new_id(), Ok(id(number))),
                Argument::Untyped(text, version, number) => {
                    let (read, its_version, its_id) = arguments.untyped_new_id().unwrap();
                    let text = String::from_utf8_lossy(&text);
                    prop_assert_eq!(read.to_bytes(), text.as_bytes());
                    prop_assert_eq!((its_version, its_id), (version, id(number)));
                }
                Argument::Text(text) => {
                    let read = arguments.optional_string().unwrap();
                    prop_assert_eq!(read.map(|text| text.to_bytes().to_vec()), text);
                }
                Argument::Array(bytes) => prop_assert_eq!(arguments.array(), Ok(&bytes[..])),
                Argument::Fd => prop_assert!(arguments.fd().is_ok()),
            }
        }
        prop_assert_eq!(arguments.finish(), Ok(()));
        });
    });
}

proptest! {
    /// No bytes panic, and what is read never grows: each step takes something, or is an error.
    #[test]
    fn arbitrary_bytes_are_read_or_are_faults(
        bytes in prop::collection::vec(prop_oneof![Just(0u8), 0u8..12, any::<u8>()], 0..64),
        steps in prop::collection::vec(0..8u8, 0..16),
    ) {
        let _ = header(&bytes, 4096);
        let mut message = received(&bytes);
        let mut arguments = message.read();
        for step in steps {
            let before = arguments.bytes.len();
            let done = match step {
                0 => arguments.int().is_ok(),
                1 => arguments.object().is_ok(),
                2 => arguments.optional_object().is_ok(),
                3 => arguments.string().is_ok(),
                4 => arguments.optional_string().is_ok(),
                5 => arguments.array().is_ok(),
                6 => arguments.untyped_new_id().is_ok(),
                _ => arguments.fd().is_ok(),
            };
            prop_assert!(arguments.bytes.len() <= before);
            prop_assert!(!done || arguments.bytes.len() < before);
        }
        let left = arguments.bytes.len();
        prop_assert_eq!(arguments.finish().is_ok(), left == 0);
    }
}
