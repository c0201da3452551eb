//! Ids as text.

use anchovy::exchange::FdId;

use crate::harness::*;

#[test]
fn ids_count_up_from_0_in_each_direction() {
    run(async {
        let (near, far) = pair();
        let ids = near.send_all(memfds(3));
        let texts: Vec<_> = ids.iter().map(FdId::to_string).collect();
        let (first, nonce) = texts[0].split_once('-').unwrap();
        assert_eq!((first, nonce.len()), ("0", 16));
        assert_eq!(texts[1..], [format!("1-{nonce}"), format!("2-{nonce}")]);

        let answer = far.fds.send(memfd()).unwrap().to_string();
        assert!(answer.starts_with("0-") && answer != texts[0], "{answer}");
    });
}

#[test]
fn every_connection_has_numbers_of_its_own() {
    run(async {
        let ids: std::collections::HashSet<_> =
            (0..50).map(|_| pair().0.fds.send(memfd()).unwrap()).collect();
        assert_eq!(ids.len(), 50);
    });
}

#[test]
fn the_text_of_an_id_is_parsed_to_the_same_id() {
    for text in
        ["0-0000000000000000", "18446744073709551615-ffffffffffffffff", "7-00ff00ff00ff00ff"]
    {
        assert_eq!(text.parse::<FdId>().unwrap().to_string(), text);
    }
}

#[test]
fn other_texts_of_the_same_numbers_are_refused() {
    for text in [
        "",
        "-",
        "3",
        "3-",
        "-0123456789abcdef",
        "+3-0123456789abcdef",
        "03-0123456789abcdef",
        " 3-0123456789abcdef",
        "3-0123456789ABCDEF",
        "3-123456789abcdef",
        "3-00123456789abcdef",
        "3-+123456789abcdef",
        "3-0123456789abcdef ",
        "3-0123456789abcdef-",
        "3--123456789abcdef",
        "٣-0123456789abcdef",
        "18446744073709551616-0123456789abcdef",
    ] {
        let error = text.parse::<FdId>().unwrap_err();
        assert!(error.to_string().starts_with(&format!("{text:?} is no")), "{error}");
    }
}

#[test]
fn the_error_of_a_long_text_is_short() {
    let error = "é".repeat(1 << 20).parse::<FdId>().unwrap_err();
    assert!(error.to_string().len() < 300, "{error}");
}

#[cfg(feature = "serde")]
#[test]
fn an_id_is_a_string_in_json() {
    let id = foreign_id(7);
    let json = serde_json::to_string(&[id]).unwrap();
    assert_eq!(json, "[\"7-0123456789abcdef\"]");
    assert_eq!(serde_json::from_str::<[FdId; 1]>(&json).unwrap(), [id]);
    let error = serde_json::from_str::<FdId>("\"seven\"").unwrap_err();
    assert!(error.to_string().contains("\"seven\" is no descriptor id"), "{error}");
}
