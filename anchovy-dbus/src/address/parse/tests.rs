//! Texts that are addresses, and texts that are not.

use std::path::PathBuf;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{RngSeed, TestRunner};

use super::super::escape::is_plain;
use super::*;
use crate::guid::GuidError;

const GUID: &str = "0123456789abcdef0123456789abcdef";

fn read(text: &str) -> Address {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refusal(text: &str) -> AddressError {
    text.parse::<Addresses>().expect_err(text)
}

#[test]
fn each_way_to_name_a_unix_socket_is_read_and_written() {
    let cases = [
        ("unix:path=/run/bus", Address::path("/run/bus")),
        ("unix:abstract=/tmp/bus", Address::abstract_name("/tmp/bus")),
        ("unix:dir=/tmp", Address::dir("/tmp")),
        ("unix:tmpdir=/tmp", Address::tmpdir("/tmp")),
        ("unix:runtime=yes", Ok(Address::runtime())),
    ];
    for (text, address) in cases {
        assert_eq!(Ok(read(text)), address);
        assert_eq!(read(text).to_string(), text);
    }
}

#[test]
fn a_guid_may_stand_anywhere_and_is_written_last() {
    let guid = GUID.parse().unwrap();
    let address = Address::path("/run/bus").unwrap().with_guid(guid);
    let text = format!("unix:path=/run/bus,guid={GUID}");

    assert_eq!(read(&text), address);
    assert_eq!(read(&format!("unix:guid={GUID},path=/run/bus")), address);
    assert_eq!(address.guid(), Some(guid));
    assert_eq!(address.to_string(), text);
}

#[test]
fn a_guid_may_belong_to_any_transport() {
    for text in [format!("tcp:host=a,guid={GUID}"), format!("autolaunch:guid={GUID}")] {
        assert_eq!(read(&text).guid(), Some(GUID.parse().unwrap()));
        assert_eq!(read(&text).to_string(), text);
    }
}

#[test]
fn an_invalid_guid_is_refused_with_its_position() {
    let error = GuidError::Length { length: 4 };
    let refused = refusal("unix:path=/a;unix:path=/b,guid=0123");
    assert_eq!(refused, AddressError::BadGuid { position: 31, error });
    assert!(std::error::Error::source(&refused).is_some());
}

#[test]
fn values_are_bytes() {
    let address = read("unix:path=/%ff%C3%b6,guid=%3012345678%39abcdef0123456789abcdef");
    assert_eq!(address.transport(), &Transport::Path(path_of(b"/\xff\xc3\xb6".to_vec())));
    assert_eq!(address.guid(), Some(GUID.parse().unwrap()));
}

#[test]
fn an_abstract_name_may_have_nul_bytes() {
    let address = read("unix:abstract=a%00b");
    assert_eq!(address.transport(), &Transport::Abstract(b"a\0b".to_vec()));
}

#[test]
fn a_path_may_not_have_nul_bytes() {
    for key in ["path", "dir", "tmpdir"] {
        let refused = refusal(&format!("unix:{key}=/a%00b"));
        assert_eq!(refused, AddressError::NulByte { key: key.into() });
    }
    let built = Address::path("/a\0b");
    assert_eq!(built, Err(AddressError::NulByte { key: "path".into() }));
}

#[test]
fn runtime_is_yes_and_nothing_else() {
    assert_eq!(read("unix:runtime=%79es"), Address::runtime());
    for value in ["no", "Yes", "yesyes", "1"] {
        let refused = refusal(&format!("unix:runtime={value}"));
        assert_eq!(refused, AddressError::BadRuntime { position: 13 });
    }
}

#[test]
fn a_unix_socket_is_named_once() {
    assert_eq!(refusal("unix:"), AddressError::NoSocket { position: 0 });
    let guid_only = refusal(&format!("tcp:;unix:guid={GUID}"));
    assert_eq!(guid_only, AddressError::NoSocket { position: 5 });

    for key in ["abstract", "dir", "tmpdir"] {
        let refused = refusal(&format!("unix:path=/a,{key}=/b"));
        assert_eq!(refused, AddressError::TwoSockets { position: 13, key: key.into() });
    }
    let refused = refusal("unix:runtime=yes,path=/a");
    assert_eq!(refused, AddressError::TwoSockets { position: 17, key: "path".into() });
}

#[test]
fn a_key_that_a_unix_socket_does_not_have_is_named() {
    let refused = refusal("unix:path=/a,uid=0");
    assert_eq!(refused, AddressError::UnknownKey { position: 13, key: "uid".into() });
    assert!(refused.to_string().contains("uid"), "{refused}");
    let refused = refusal("unix:Path=/a");
    assert_eq!(refused, AddressError::UnknownKey { position: 5, key: "Path".into() });
}

#[test]
fn a_key_occurs_once_in_every_transport() {
    let refused = refusal("unix:path=/a,path=/a");
    assert_eq!(refused, AddressError::DuplicateKey { position: 13, key: "path".into() });
    let refused = refusal("tcp:host=a,port=1,host=b");
    assert_eq!(refused, AddressError::DuplicateKey { position: 18, key: "host".into() });
    let refused = refusal(&format!("tcp:guid={GUID},guid={GUID}"));
    assert_eq!(refused, AddressError::DuplicateKey { position: 42, key: "guid".into() });
}

#[test]
fn other_transports_are_read_whole_and_in_order() {
    let address = read("nonce-tcp:host=localhost,port=1,noncefile=/a%2cb");
    let Transport::Other(other) = address.transport() else { panic!("{address:?}") };
    let pairs: Vec<_> = other.pairs().collect();

    assert_eq!(other.name(), "nonce-tcp");
    let expected: [(&str, &[u8]); 3] =
        [("host", b"localhost"), ("port", b"1"), ("noncefile", b"/a,b")];
    assert_eq!(pairs, expected);
    assert_eq!(other.value("port"), Some(&b"1"[..]));
    assert_eq!(other.value("family"), None);
    assert_eq!(address.to_string(), "nonce-tcp:host=localhost,port=1,noncefile=/a%2cb");
}

#[test]
fn a_transport_may_have_no_keys() {
    for text in ["autolaunch:", "systemd:"] {
        let address = read(text);
        let Transport::Other(other) = address.transport() else { panic!("{address:?}") };
        assert_eq!(other.pairs().len(), 0);
        assert_eq!(address.to_string(), text);
    }
}

#[test]
fn a_name_that_begins_with_unix_is_another_transport() {
    for name in ["Unix", "unix-", "unixexec"] {
        let address = read(&format!("{name}:path=/a"));
        assert!(matches!(address.transport(), Transport::Other(_)), "{address:?}");
    }
}

#[test]
fn a_list_keeps_its_order() {
    let list: Addresses = "unix:path=/a;tcp:host=b;unix:abstract=c".parse().unwrap();
    let texts: Vec<_> = list.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["unix:path=/a", "tcp:host=b", "unix:abstract=c"]);
    assert_eq!(list.to_string(), texts.join(";"));
}

#[test]
fn one_semicolon_may_end_a_list_and_is_not_written() {
    let list: Addresses = "unix:path=/a;unix:path=/b;".parse().unwrap();
    assert_eq!(list.to_string(), "unix:path=/a;unix:path=/b");
}

#[test]
fn an_empty_address_is_refused_anywhere() {
    assert_eq!(refusal(""), AddressError::Empty);
    assert_eq!("".parse::<Address>(), Err(AddressError::Empty));
    for (text, position) in
        [(";", 0), (";unix:path=/a", 0), ("unix:path=/a;;unix:path=/b", 13), ("unix:path=/a;;", 13)]
    {
        assert_eq!(refusal(text), AddressError::EmptyAddress { position }, "{text}");
    }
}

#[test]
fn one_address_is_no_list() {
    let refused = "unix:path=/a;unix:path=/b".parse::<Address>();
    assert_eq!(refused, Err(AddressError::SeveralAddresses { position: 12 }));
    let refused = "unix:path=/a;".parse::<Address>();
    assert_eq!(refused, Err(AddressError::SeveralAddresses { position: 12 }));
}

#[test]
fn a_name_needs_a_colon_after_it() {
    assert_eq!(refusal("unix"), AddressError::MissingColon { position: 0 });
    assert_eq!(refusal("/run/bus"), AddressError::MissingColon { position: 0 });
    assert_eq!(refusal("tcp:;unix"), AddressError::MissingColon { position: 5 });
}

#[test]
fn names_of_transports_and_keys_are_not_empty() {
    assert_eq!(refusal(":path=/a"), AddressError::EmptyName { position: 0 });
    assert_eq!(refusal("unix:=/a"), AddressError::EmptyName { position: 5 });
    assert_eq!(refusal("unix:path=/a,"), AddressError::EmptyName { position: 13 });
    assert_eq!(refusal("unix:,path=/a"), AddressError::EmptyName { position: 5 });
}

#[test]
fn names_are_plain_and_never_escaped() {
    for (text, position, byte) in [
        ("un ix:path=/a", 2, b' '),
        ("u%6eix:path=/a", 1, b'%'),
        ("a=b:c=d", 1, b'='),
        ("unix:pa%74h=/a", 7, b'%'),
        ("unix:path:=/a", 9, b':'),
        ("tcp:\u{f6}=/a", 4, 0xc3),
    ] {
        assert_eq!(refusal(text), AddressError::BadName { position, byte }, "{text}");
    }
}

#[test]
fn a_key_has_a_value_and_it_is_not_empty() {
    assert_eq!(refusal("unix:path"), AddressError::MissingValue { position: 5 });
    assert_eq!(refusal("tcp:host=a,port"), AddressError::MissingValue { position: 11 });
    for key in ["path", "abstract", "dir", "tmpdir", "runtime", "guid"] {
        let refused = refusal(&format!("unix:{key}="));
        assert_eq!(refused, AddressError::EmptyValue { key: key.into() });
    }
    for built in [Address::path(""), Address::dir(""), Address::tmpdir("")] {
        assert!(matches!(built, Err(AddressError::EmptyValue { .. })), "{built:?}");
    }
    let built = Address::abstract_name("");
    assert_eq!(built, Err(AddressError::EmptyValue { key: "abstract".into() }));
}

#[test]
fn a_value_without_escapes_is_refused_with_its_position() {
    for (text, position, byte) in [
        ("unix:path=/a b", 12, b' '),
        ("tcp:;unix:path=/a=b", 17, b'='),
        ("unix:path=/a:b", 12, b':'),
        ("tcp:host=\u{f6}", 9, 0xc3),
        ("unix:path=/a\0", 12, 0),
    ] {
        assert_eq!(refusal(text), AddressError::Unescaped { position, byte }, "{text}");
    }
    assert_eq!(refusal("unix:path=/a%2"), AddressError::BadEscape { position: 12 });
    assert_eq!(refusal("tcp:host=%zz"), AddressError::BadEscape { position: 9 });
}

#[test]
fn errors_contain_the_position_and_the_fix() {
    for (text, parts) in [
        ("unix:path=/a;;", ["byte 13", "remove"]),
        ("unix:path=/a b", ["byte 12", "%20"]),
        ("unix:path=/a%", ["byte 12", "%25"]),
        ("unix:path=/a,path=/b", ["byte 13", "remove one"]),
        ("unix:path=/a,dir=/b", ["byte 13", "only one of"]),
        ("unix:", ["byte 0", "add path"]),
        ("unix:path", ["byte 5", "key=value"]),
    ] {
        let said = refusal(text).to_string();
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    }
}

const SEED: u64 = 0x6462_7573;

fn runner() -> TestRunner {
    TestRunner::new(ProptestConfig {
        cases: if cfg!(miri) { 3 } else { 2000 },
        rng_seed: RngSeed::Fixed(SEED),
        failure_persistence: None,
        ..ProptestConfig::default()
    })
}

fn name() -> impl Strategy<Value = String> {
    let plain = (0..=u8::MAX).filter(|&byte| is_plain(byte)).map(char::from);
    prop::collection::vec(select(plain.collect::<Vec<_>>()), 1..6)
        .prop_map(|name| name.into_iter().collect())
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 1..12)
}

fn any_path() -> impl Strategy<Value = PathBuf> {
    prop::collection::vec(1..=u8::MAX, 1..12).prop_map(path_of)
}

fn any_other() -> impl Strategy<Value = Address> {
    let reserved = |key: &String| key != "guid";
    let pairs = prop::collection::btree_map(name().prop_filter("taken", reserved), value(), 0..4);
    (name().prop_filter("taken", |name| name != "unix"), pairs).prop_map(|(name, pairs)| {
        let pairs = pairs.into_iter().collect();
        Address::new(Transport::Other(OtherTransport { name, pairs }))
    })
}

fn any_address() -> impl Strategy<Value = Address> {
    let transport = prop_oneof![
        any_path().prop_map(|path| Address::path(path).unwrap()),
        value().prop_map(|name| Address::abstract_name(name).unwrap()),
        any_path().prop_map(|path| Address::dir(path).unwrap()),
        any_path().prop_map(|path| Address::tmpdir(path).unwrap()),
        Just(Address::runtime()),
        any_other(),
    ];
    let guid = any::<Option<[u8; 16]>>();
    (transport, guid).prop_map(|(address, guid)| match guid {
        Some(bytes) => address.with_guid(Guid::from_bytes(bytes)),
        None => address,
    })
}

#[test]
fn every_list_reads_as_what_was_written() {
    let lists = prop::collection::vec(any_address(), 1..4).prop_map(Addresses);
    runner()
        .run(&lists, |list| {
            let text = list.to_string();
            prop_assert!(text.is_ascii());
            prop_assert_eq!(Addresses::parse(text.as_bytes()), Ok(list), "{}", text);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn any_bytes_are_a_list_or_an_error_and_a_list_is_stable() {
    const PIECES: &[&[u8]] = &[
        b"unix",
        b"tcp",
        b":",
        b";",
        b",",
        b"=",
        b"path",
        b"abstract",
        b"runtime",
        b"yes",
        b"guid",
        GUID.as_bytes(),
        b"%2",
        b"%41",
        b"%00",
        b"/",
        b"a",
        b" ",
        b"\xff",
        b"unix:path=/a",
    ];
    let text = prop::collection::vec(
        prop_oneof![4 => select(PIECES).prop_map(<[u8]>::to_vec), 1 => value()],
        0..12,
    );
    runner()
        .run(&text.prop_map(|pieces| pieces.concat()), |text| {
            match Addresses::parse(&text) {
                Ok(list) => {
                    prop_assert_eq!(list.to_string().parse::<Addresses>(), Ok(list));
                }
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}
