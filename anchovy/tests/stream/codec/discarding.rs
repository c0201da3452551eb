//! A codec that rejects a frame and keeps the stream.

use anchovy::Budget;

use super::*;

/// As [`Texts`], but a payload that begins with an exclamation mark is a bad frame, of which only the
/// length is known. It is returned as an error with the number of descriptors that were closed.
#[derive(Clone, Debug)]
struct Lenient;

impl Decoder for Lenient {
    type Item = Result<Text, usize>;
    type Error = io::Error;

    fn decode(
        &mut self,
        bytes: &mut BytesMut,
        fds: &mut ReceivedFds<'_>,
    ) -> Result<Option<Self::Item>, ReceiveError<io::Error>> {
        let Some((mut header, rest)) = bytes.split_at_checked(HEADER) else { return Ok(None) };
        let length = HEADER + header.get_u32() as usize;
        if bytes.len() < length || rest.first() != Some(&b'!') {
            return Texts.decode(bytes, fds).map(|text| text.map(Ok));
        }
        let closed = fds.discard(length);
        bytes.advance(length);
        Ok(Some(Err(closed)))
    }
}

fn receiver(policy: ReadPolicy) -> (Framed<DBUS_SCM_RIGHTS, Lenient>, StdUnixStream) {
    let (near, far) = with_foreign();
    (Framed::with_policies(near, Lenient, policy, WritePolicy::default()), far)
}

/// The next item is a frame with this payload and these ends of pipes.
async fn expect_frame(
    near: &mut Framed<DBUS_SCM_RIGHTS, Lenient>,
    payload: &str,
    pipes: &[OwnedFd],
) {
    let text = near.next().await.expect("an item").expect("no error").expect("a good frame");
    assert_eq!((&text.payload[..], text.fds.len()), (payload.as_bytes(), pipes.len()));
    assert!(!pipes.iter().any(is_abandoned), "they are in the frame");
    drop(text);
    assert!(pipes.iter().all(is_abandoned), "those of the frame are the ones that were sent");
}

fn policies() -> impl Iterator<Item = ReadPolicy> {
    [Attribution::Range, Attribution::Fifo].into_iter().flat_map(|attribution| {
        [Unclaimed::Error, Unclaimed::Close].map(|unclaimed| ReadPolicy {
            attribution,
            unclaimed,
            ..ReadPolicy::default()
        })
    })
}

#[test]
fn a_rejected_frame_keeps_the_stream_and_loses_its_own_descriptors_only() {
    run(async {
        for policy in policies() {
            // Each frame in a `sendmsg` of its own, and all of them before the first is received.
            let (mut near, far) = receiver(policy);
            let before = send_pipes(&far, &bytes_of(b"before", 2), 2);
            let bad = send_pipes(&far, &bytes_of(b"!bad", 0), 3);
            let after = send_pipes(&far, &bytes_of(b"after", 1), 1);
            expect_frame(&mut near, "before", &before).await;
            assert!(!bad.iter().any(is_abandoned));
            assert_eq!(near.next().await.unwrap().unwrap().unwrap_err(), 3);
            assert!(bad.iter().all(is_abandoned), "they are closed");
            expect_frame(&mut near, "after", &after).await;
            assert_eq!((near.waiting_fds(), near.unclaimed_fds()), (0, 3));
        }
    });
}

#[test]
fn a_rejected_frame_without_descriptors_takes_none_of_the_next_frame() {
    run(async {
        for policy in policies() {
            // One read brings both, with the set of the second.
            let (mut near, far) = receiver(policy);
            foreign_send(&far, &bytes_of(b"!bad", 0), &[]).unwrap();
            let after = send_pipes(&far, &bytes_of(b"after", 2), 2);
            assert_eq!(near.next().await.unwrap().unwrap().unwrap_err(), 0);
            assert_eq!(near.waiting_fds(), 2);
            expect_frame(&mut near, "after", &after).await;
            assert_eq!(near.unclaimed_fds(), 0);
        }
    });
}

#[test]
fn descriptors_of_a_rejected_frame_close_once_their_bytes_are_decoded() {
    run(async {
        for policy in policies() {
            // A bad frame with descriptors begins a `sendmsg`, and a plain one follows in it.
            let (mut near, far) = receiver(policy);
            let plain = bytes_of(b"plain", 0);
            let bad = send_pipes(&far, &[bytes_of(b"!bad", 0), plain].concat(), 2);
            let after = send_pipes(&far, &bytes_of(b"after", 1), 1);
            assert_eq!(near.next().await.unwrap().unwrap().unwrap_err(), 0);
            assert!(!bad.iter().any(is_abandoned), "they may be of the next frame");
            expect_frame(&mut near, "plain", &[]).await;
            assert!(bad.iter().all(is_abandoned));
            expect_frame(&mut near, "after", &after).await;
            assert_eq!(near.unclaimed_fds(), 2);
        }
    });
}

#[test]
fn claiming_a_part_of_a_set_that_was_given_up_ends_the_stream() {
    run(async {
        for policy in policies() {
            let (mut near, far) = receiver(policy);
            let bytes = [bytes_of(b"!bad", 0), bytes_of(b"good", 1)].concat();
            let pipes = send_pipes(&far, &bytes, 3);
            assert_eq!(near.next().await.unwrap().unwrap().unwrap_err(), 0);
            let error = near.next().await.unwrap().unwrap_err();
            let is_ambiguous =
                matches!(error, ReceiveError::AmbiguousFds { declared: 1, available: 3 });
            assert!(is_ambiguous, "{error:?}");
            assert!(pipes.iter().all(is_abandoned));
            assert!(near.next().await.is_none());
        }
    });
}

#[test]
fn a_rejected_frame_that_arrives_in_parts_loses_all_its_descriptors() {
    run(async {
        for policy in policies() {
            let (mut near, far) = receiver(policy);
            let bad = bytes_of(&[b'!'; 20], 0);
            let mut pipes = send_pipes(&far, &bad[..7], 2);
            drive_io().await;
            assert!(now(near.next()).await.is_none());
            pipes.extend(send_pipes(&far, &bad[7..], 1));
            let after = send_pipes(&far, &bytes_of(b"after", 1), 1);
            assert_eq!(near.next().await.unwrap().unwrap().unwrap_err(), 3);
            assert!(pipes.iter().all(is_abandoned));
            expect_frame(&mut near, "after", &after).await;
        }
    });
}

#[test]
fn our_own_senders_stay_exact_after_rejected_frames() {
    run(async {
        for placement in [Placement::Alone, Placement::FirstByte] {
            for policy in policies() {
                let (near, far) = Dbus::pair().unwrap();
                let mut near = Framed::with_policies(near, Lenient, policy, WritePolicy::default());
                let write = WritePolicy { placement, ..WritePolicy::default() };
                let mut far = Framed::with_policies(far, Texts, ReadPolicy::default(), write);
                for round in 0..50 {
                    far.feed(text("plain", 0)).await.unwrap();
                    far.feed(text("!bad", round % 4)).await.unwrap();
                    let good = text("good", 1 + round % 3);
                    let expected = identities(&good.fds);
                    far.feed(good).await.unwrap();
                    far.feed(text("!bad and plain", 0)).await.unwrap();
                    far.send(text("plain", 0)).await.unwrap();

                    assert_eq!(near.next().await.unwrap().unwrap().unwrap().fds.len(), 0);
                    assert!(near.next().await.unwrap().unwrap().is_err());
                    let good = near.next().await.unwrap().unwrap().unwrap();
                    assert_eq!(identities(&good.fds), expected);
                    assert!(near.next().await.unwrap().unwrap().is_err());
                    assert_eq!(near.next().await.unwrap().unwrap().unwrap().fds.len(), 0);
                }
                assert_eq!(near.waiting_fds(), 0);
            }
        }
    });
}

#[test]
fn discarded_descriptors_are_charged_no_longer() {
    run(async {
        for policy in policies() {
            let budget = Budget::builder().held_fds(100).build();
            let (mut near, far) = with_foreign();
            near.set_account(budget.account(1));
            near.set_read_fd_limit(4).unwrap();
            let policy = ReadPolicy { max_waiting_fds: 10, ..policy };
            let mut near: Framed<DBUS_SCM_RIGHTS, _> =
                Framed::with_policies(near, Lenient, policy, WritePolicy::default());
            let bad = bytes_of(b"!bad", 0);
            let _pipes = send_pipes(&far, &bad[..3], 2);
            drive_io().await;
            assert!(now(near.next()).await.is_none());
            assert!(budget.usage().held_fds >= 2);
            foreign_send(&far, &bad[3..], &[]).unwrap();
            assert_eq!(near.next().await.unwrap().unwrap().unwrap_err(), 2);
            assert_eq!(budget.usage().held_fds, 0);
        }
    });
}
