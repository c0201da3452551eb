//! Invariants of the two state machines of the handshake. proptest generates lines, bytes and
//! descriptors, and splits them into receives.

use std::fmt::Debug;
use std::ops::Range;

use anchovy_dbus::HandshakeLimits;
use anchovy_dbus::auth::{ClientAuth, Login};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use crate::auth_machines::*;
use crate::harness::*;

/// Tests a property. If it fails, the panic contains the smallest input for which it fails.
pub(crate) fn property<S: Strategy>(
    strategy: S,
    test: impl Fn(S::Value) -> Result<(), TestCaseError>,
) where
    S::Value: Debug,
{
    let config = Config { cases: 2000, failure_persistence: None, ..Config::default() };
    // The seed is fixed, so that all runs are the same.
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    guarded(|| {
        if let Err(error) = runner.run(&strategy, test) {
            panic!("{error}");
        }
    });
}

/// Valid and invalid lines of a client, and bytes that are not lines.
fn client_bytes() -> impl Strategy<Value = Vec<u8>> {
    let line = select(vec![
        "AUTH EXTERNAL 31303030\r\n",
        "AUTH EXTERNAL\r\n",
        "AUTH ANONYMOUS 6162\r\n",
        "AUTH\r\n",
        "AUTH EXTERNAL 30\r\n",
        "DATA\r\n",
        "DATA 31303030\r\n",
        "NEGOTIATE_UNIX_FD\r\n",
        "CANCEL\r\n",
        "ERROR x\r\n",
        "BEGIN\r\n",
        "BEGIN \r\n",
        "HELLO\r\n",
        "\r\n",
        "AUTH EXTERNAL 31303030\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\nl\x01\x02\x03",
    ]);
    let line = line.prop_map(|line: &str| line.as_bytes().to_vec());
    let piece = prop_oneof![9 => line, 1 => vec(any::<u8>(), 0..12)];
    (prop_oneof![19 => Just(vec![0]), 1 => vec(any::<u8>(), 0..2)], vec(piece, 0..12))
        .prop_map(|(first, pieces)| [first, pieces.concat()].concat())
}

/// Valid and invalid lines of a server, and bytes that are not lines.
fn server_bytes() -> impl Strategy<Value = Vec<u8>> {
    let line = select(vec![
        OK,
        "DATA\r\n",
        "DATA \r\n",
        "DATA 6162\r\n",
        "REJECTED EXTERNAL\r\n",
        "REJECTED\r\n",
        "ERROR x\r\n",
        "AGREE_UNIX_FD\r\n",
        "HELLO\r\n",
        "\r\n",
        "l\x01\x02\x03",
        "DATA\r\nOK 0123456789abcdef0123456789abcdef\r\nAGREE_UNIX_FD\r\n",
        "OK 0123456789abcdef0123456789abcdef\r\nAGREE_UNIX_FD\r\n",
    ]);
    let line = line.prop_map(|line: &str| line.as_bytes().to_vec());
    let piece = prop_oneof![9 => line, 1 => vec(any::<u8>(), 0..12)];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// Limits that are reached soon.
fn tight_limits() -> impl Strategy<Value = HandshakeLimits> {
    (0..64_usize, 0..200_usize, 0..5_usize, 0..5_usize).prop_map(
        |(max_line_bytes, max_bytes, max_rejects, max_errors)| HandshakeLimits {
            max_line_bytes,
            max_bytes,
            max_rejects,
            max_errors,
            ..limits()
        },
    )
}

pub(crate) fn any_limits() -> impl Strategy<Value = HandshakeLimits> {
    prop_oneof![Just(limits()), tight_limits()]
}

fn manners() -> impl Strategy<Value = Manner> {
    let login = select(vec![Login::External, Login::ExternalUid(UID), Login::Anonymous]);
    (any::<bool>(), login, any::<bool>()).prop_map(|(pipelined, login, unix_fds)| {
        if pipelined {
            Manner::Pipelined { login, unix_fds }
        } else {
            Manner::Stepwise { login, unix_fds }
        }
    })
}

/// The length of each receive, and the number of descriptors that arrive with it.
fn cuts(most_fds: usize) -> impl Strategy<Value = Vec<(usize, usize)>> {
    vec((1..24_usize, prop_oneof![4 => Just(0), 1 => 0..=most_fds]), 1..60)
}

/// Splits bytes into receives. The last receive returns the rest.
fn cut(bytes: &[u8], cuts: &[(usize, usize)]) -> Vec<Received> {
    let (mut rest, mut received) = (bytes, Vec::new());
    for &(length, fds) in cuts {
        if rest.is_empty() {
            break;
        }
        let (piece, trailing) = rest.split_at(length.min(rest.len()));
        received.push((piece.to_vec(), fds));
        rest = trailing;
    }
    if !rest.is_empty() {
        received.push((rest.to_vec(), 0));
    }
    received
}

/// Returns the part of a story that does not depend on how the bytes are split. After a failure, the
/// rest is such a part.
fn outcome(story: Story) -> Story {
    let is_closed = matches!(story.end, End::Closed(_));
    Story { rest: if is_closed { (Vec::new(), Vec::new()) } else { story.rest }, ..story }
}

/// Checks the story of a handshake in which descriptors arrive with some receives. `plain` is the story
/// of the same bytes without descriptors.
fn with_fds(
    plain: &Story,
    received: &[Received],
    total: usize,
    story: &Story,
) -> Result<(), TestCaseError> {
    let handshake = total - plain.rest.0.len();
    let mut start = 0;
    let mut sets: Vec<(Range<usize>, usize)> = Vec::new();
    for (bytes, fds) in received {
        if *fds > 0 {
            sets.push((start..start + bytes.len(), *fds));
        }
        start += bytes.len();
    }
    if plain.end != End::Begun {
        // Another error may occur before that of the descriptors.
        let fine = sets.is_empty() && *story == *plain;
        prop_assert!(fine || matches!(story.end, End::Closed(_)));
        return Ok(());
    }
    let early = sets.iter().any(|(range, _)| range.end <= handshake);
    if early || (!sets.is_empty() && !plain.unix_fds) {
        prop_assert!(matches!(&story.end, End::Closed(error) if error.starts_with("Descriptors")));
        return Ok(());
    }
    prop_assert_eq!(&story.end, &End::Begun);
    prop_assert_eq!(&story.said, &plain.said);
    prop_assert_eq!(&story.rest.0, &plain.rest.0);
    let relative = |offset: usize| offset.saturating_sub(handshake);
    let expected: Vec<_> = sets
        .into_iter()
        .map(|(range, fds)| (relative(range.start)..relative(range.end), fds))
        .collect();
    prop_assert_eq!(&story.rest.1, &expected);
    Ok(())
}

#[test]
fn a_server_does_the_same_however_the_bytes_are_cut_up() {
    property((any_limits(), client_bytes(), cuts(0)), |(limits, bytes, cuts)| {
        let at_once = serve(server_auth(&limits), &[(bytes.clone(), 0)]);
        let cut_up = serve(server_auth(&limits), &cut(&bytes, &cuts));
        prop_assert_eq!(outcome(at_once), outcome(cut_up));
        Ok(())
    });
}

#[test]
fn a_client_does_the_same_however_the_bytes_are_cut_up() {
    property(
        (any_limits(), manners(), server_bytes(), cuts(0)),
        |(limits, manner, bytes, cuts)| {
            let auth = || ClientAuth::new(limits.clone());
            let at_once = ask(auth(), manner, &[(bytes.clone(), 0)]);
            let cut_up = ask(auth(), manner, &cut(&bytes, &cuts));
            prop_assert_eq!(outcome(at_once), outcome(cut_up));
            Ok(())
        },
    );
}

#[test]
fn a_server_keeps_descriptors_with_the_range_of_their_bytes() {
    property((client_bytes(), cuts(3)), |(bytes, cuts)| {
        let plain = serve(server_auth(&limits()), &[(bytes.clone(), 0)]);
        let received = cut(&bytes, &cuts);
        let story = serve(server_auth(&limits()), &received);
        with_fds(&plain, &received, bytes.len(), &story)
    });
}

#[test]
fn descriptors_after_a_handshake_are_kept_in_every_split() {
    let bytes = vec(any::<u8>(), 0..40);
    property((bytes, 0..80_usize, cuts(3)), |(trailing, plain_until, cuts)| {
        let mut bytes = b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n".to_vec();
        bytes.extend_from_slice(&trailing);
        let plain = serve(server_auth(&limits()), &[(bytes.clone(), 0)]);
        let mut received = cut(&bytes, &cuts);
        let mut start = 0;
        for (bytes, fds) in &mut received {
            // Receives before `plain_until` have no descriptors, so that often no descriptor arrives
            // with bytes of the handshake.
            if start < plain_until {
                *fds = 0;
            }
            start += bytes.len();
        }
        let story = serve(server_auth(&limits()), &received);
        with_fds(&plain, &received, bytes.len(), &story)
    });
}

#[test]
fn a_client_keeps_descriptors_with_the_range_of_their_bytes() {
    property((any::<bool>(), vec(any::<u8>(), 0..40), 0..80_usize, cuts(3)), |input| {
        let (pipelined, trailing, plain_until, cuts) = input;
        let (login, unix_fds) = (Login::External, true);
        let manner = match pipelined {
            true => Manner::Pipelined { login, unix_fds },
            false => Manner::Stepwise { login, unix_fds },
        };
        let mut bytes = format!("DATA\r\n{OK}AGREE_UNIX_FD\r\n").into_bytes();
        bytes.extend_from_slice(&trailing);
        let plain = ask(ClientAuth::new(limits()), manner, &[(bytes.clone(), 0)]);
        prop_assert_eq!(&plain.end, &End::Begun);
        let mut received = cut(&bytes, &cuts);
        let mut start = 0;
        for (bytes, fds) in &mut received {
            if start < plain_until {
                *fds = 0;
            }
            start += bytes.len();
        }
        let story = ask(ClientAuth::new(limits()), manner, &received);
        with_fds(&plain, &received, bytes.len(), &story)
    });
}

#[test]
fn no_bytes_and_no_descriptors_make_a_server_panic_or_say_half_a_line() {
    // `serve` asserts that the output consists of whole lines.
    property((any_limits(), vec(any::<u8>(), 0..300), cuts(2)), |(limits, bytes, cuts)| {
        serve(server_auth(&limits), &cut(&bytes, &cuts));
        let behind_nul = [b"\0", &bytes[..]].concat();
        serve(server_auth(&limits), &cut(&behind_nul, &cuts));
        Ok(())
    });
}

#[test]
fn no_bytes_and_no_descriptors_make_a_client_panic_or_say_half_a_line() {
    let bytes = prop_oneof![vec(any::<u8>(), 0..300), server_bytes()];
    property((any_limits(), manners(), bytes, cuts(2)), |(limits, manner, bytes, cuts)| {
        ask(ClientAuth::new(limits), manner, &cut(&bytes, &cuts));
        Ok(())
    });
}

#[test]
fn a_good_handshake_always_ends_with_begin_whatever_was_tried_before() {
    let try_first = select(vec![
        "AUTH\r\n",
        "AUTH EXTERNAL 30\r\n",
        "AUTH EXTERNAL\r\nCANCEL\r\n",
        "AUTH EXTERNAL 31303030\r\nNEGOTIATE_UNIX_FD\r\nCANCEL\r\n",
        "HELLO\r\n",
        "ERROR\r\n",
    ]);
    let login = select(vec![
        "AUTH EXTERNAL 31303030\r\n",
        "AUTH EXTERNAL\r\nDATA\r\n",
        "AUTH EXTERNAL\r\nDATA 31303030\r\n",
        "AUTH ANONYMOUS\r\n",
    ]);
    let input = (vec(try_first, 0..5), login, 0..3_usize, vec(any::<u8>(), 0..30), cuts(0));
    property(input, |(tried, login, negotiations, trailing, cuts)| {
        let negotiate = "NEGOTIATE_UNIX_FD\r\n".repeat(negotiations);
        let lines = format!("\0{}{login}{negotiate}BEGIN\r\n", tried.concat());
        let bytes = [lines.as_bytes(), &trailing].concat();
        let story = serve(server_auth(&limits()), &cut(&bytes, &cuts));
        prop_assert_eq!(story.end, End::Begun);
        prop_assert_eq!(story.unix_fds, negotiations > 0);
        prop_assert_eq!(story.rest, (trailing, Vec::new()));
        Ok(())
    });
}

#[test]
fn our_two_machines_always_come_to_terms_whatever_is_cut() {
    property((manners(), any::<bool>(), cuts(0)), |(manner, offers_fds, cuts)| {
        let mut server = server_auth(&limits());
        server.set_unix_fds(offers_fds);
        let (Manner::Pipelined { unix_fds, .. } | Manner::Stepwise { unix_fds, .. }) = manner;
        // The client sends the same lines however the replies are split.
        let data = matches!(
            manner,
            Manner::Pipelined { login: Login::External, .. }
                | Manner::Stepwise { login: Login::External, .. }
        );
        let mut answers = if data { "DATA\r\n".to_owned() } else { String::new() };
        answers += OK;
        if unix_fds {
            answers += if offers_fds {
                "AGREE_UNIX_FD\r\n"
            } else {
                "ERROR descriptors do not pass here\r\n"
            };
        }
        let asked = ask(ClientAuth::new(limits()), manner, &cut(answers.as_bytes(), &cuts));
        prop_assert_eq!(&asked.end, &End::Begun);
        let served = serve(server, &cut(asked.said.as_bytes(), &cuts));
        prop_assert_eq!(&served.end, &End::Begun);
        prop_assert_eq!(&served.said, &answers);
        prop_assert_eq!(served.unix_fds, unix_fds && offers_fds);
        prop_assert_eq!(asked.unix_fds, unix_fds && offers_fds);
        Ok(())
    });
}
