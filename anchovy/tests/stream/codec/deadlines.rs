//! The deadlines for the rest of a frame.

use super::*;

const TIMEOUT: Duration = Duration::from_secs(30);

fn policy() -> ReadPolicy {
    ReadPolicy { frame_timeout: Some(TIMEOUT), ..ReadPolicy::default() }
}

/// Sends these bytes, and checks that they do not complete a frame.
async fn send_part(near: &mut Texting, far: &StdUnixStream, bytes: &[u8]) {
    foreign_send(far, bytes, &[]).unwrap();
    drive_io().await;
    assert!(now(near.next()).await.is_none());
}

#[test]
fn later_bytes_do_not_extend_the_timeout_of_a_frame() {
    run(async {
        tokio::time::pause();
        let (mut near, far) = receiver(policy());
        let frame = bytes_of(b"late", 0);
        send_part(&mut near, &far, &frame[..1]).await;
        for byte in &frame[1..6] {
            tokio::time::advance(TIMEOUT / 6).await;
            send_part(&mut near, &far, &[*byte]).await;
        }
        tokio::time::advance(TIMEOUT / 6).await;
        ends_with(&mut near, ReceiveError::FrameOverdue { bytes: 6 }, &[]).await;
    });
}

#[test]
fn a_complete_frame_restarts_the_timeout_for_the_next() {
    run(async {
        tokio::time::pause();
        let (mut near, far) = receiver(policy());
        let frame = bytes_of(b"in time", 0);
        send_part(&mut near, &far, &frame[..1]).await;
        for _ in 0..3 {
            tokio::time::advance(TIMEOUT / 2).await;
            // The rest of one, and the beginning of the next.
            foreign_send(&far, &[&frame[1..], &frame[..1]].concat(), &[]).unwrap();
            drive_io().await;
            assert_eq!(near.next().await.unwrap().unwrap().payload, "in time");
            assert!(now(near.next()).await.is_none());
        }
        tokio::time::advance(TIMEOUT).await;
        ends_with(&mut near, ReceiveError::FrameOverdue { bytes: 1 }, &[]).await;
    });
}

#[test]
fn between_frames_a_connection_may_wait_forever() {
    run(async {
        tokio::time::pause();
        let (mut near, far) = receiver(policy());
        for _ in 0..3 {
            assert!(now(near.next()).await.is_none());
            tokio::time::advance(10 * TIMEOUT).await;
            send_part(&mut near, &far, &bytes_of(b"whole", 0)[..3]).await;
            tokio::time::advance(TIMEOUT / 2).await;
            foreign_send(&far, &bytes_of(b"whole", 0)[3..], &[]).unwrap();
            assert!(near.next().await.unwrap().is_ok());
        }
    });
}

#[test]
fn a_frame_that_arrived_before_its_deadline_can_be_read_after_it() {
    run(async {
        tokio::time::pause();
        let (mut near, far) = receiver(policy());
        let frame = bytes_of(b"in time", 0);
        send_part(&mut near, &far, &frame[..6]).await;
        foreign_send(&far, &frame[6..], &[]).unwrap();
        drive_io().await;
        tokio::time::advance(2 * TIMEOUT).await;
        assert_eq!(near.next().await.unwrap().unwrap().payload, "in time");
    });
}

#[test]
fn an_overdue_frame_wakes_the_task_that_waits_for_it() {
    run(async {
        tokio::time::pause();
        for of_fds in [None, Some(2 * TIMEOUT)] {
            let (mut near, far) = receiver(ReadPolicy { fd_timeout: of_fds, ..policy() });
            let pipes = send_pipes(&far, &bytes_of(b"late", 1)[..3], 1);
            // The paused clock advances when no task can run.
            let begin = tokio::time::Instant::now();
            ends_with(&mut near, ReceiveError::FrameOverdue { bytes: 3 }, &pipes).await;
            assert_eq!(begin.elapsed().as_secs(), 30);
        }
        let (mut near, far) = receiver(ReadPolicy { fd_timeout: Some(TIMEOUT / 2), ..policy() });
        let pipes = send_pipes(&far, &bytes_of(b"late", 1)[..3], 1);
        ends_with(&mut near, ReceiveError::FdsOverdue { waiting: 1 }, &pipes).await;
    });
}

/// A codec that removes each byte when it arrives, and returns a frame for every tenth byte.
#[derive(Debug)]
struct Tens(u32);

impl Decoder for Tens {
    type Item = ();
    type Error = io::Error;

    fn decode(
        &mut self,
        bytes: &mut BytesMut,
        _: &mut ReceivedFds<'_>,
    ) -> Result<Option<()>, ReceiveError<io::Error>> {
        while self.0 < 10 && !bytes.is_empty() {
            bytes.advance(1);
            self.0 += 1;
        }
        let is_whole = self.0 == 10;
        self.0 %= 10;
        Ok(is_whole.then_some(()))
    }
}

#[test]
fn bytes_that_a_decoder_has_taken_count_as_those_of_a_frame() {
    run(async {
        tokio::time::pause();
        for through_parts in [false, true] {
            let (stream, far) = with_foreign::<DBUS_SCM_RIGHTS>();
            let mut near = Framed::with_policies(stream, Tens(0), policy(), WritePolicy::default());
            foreign_send(&far, &[0; 13], &[]).unwrap();
            near.next().await.unwrap().unwrap();
            assert!(now(near.next()).await.is_none());
            assert!(near.read_buffer().is_empty());
            tokio::time::advance(TIMEOUT / 2).await;
            if through_parts {
                near = Framed::from_parts(near.into_parts());
            }
            let begin = tokio::time::Instant::now();
            let error = near.next().await.unwrap().unwrap_err();
            assert!(matches!(error, ReceiveError::FrameOverdue { bytes: 3 }), "{error:?}");
            assert_eq!(begin.elapsed().as_secs(), 15);
            drop(far);
        }
        let (stream, far) = with_foreign::<DBUS_SCM_RIGHTS>();
        let mut near = Framed::with_policies(stream, Tens(0), policy(), WritePolicy::default());
        foreign_send(&far, &[0; 10], &[]).unwrap();
        near.next().await.unwrap().unwrap();
        assert!(now(near.next()).await.is_none());
        tokio::time::advance(2 * TIMEOUT).await;
        assert!(now(near.next()).await.is_none(), "all of them were of a whole frame");
    });
}

#[test]
fn a_stream_that_is_paused_keeps_the_time_of_its_frame() {
    run(async {
        tokio::time::pause();
        let (mut near, far) = receiver(policy());
        send_part(&mut near, &far, &bytes_of(b"late", 0)[..6]).await;
        tokio::time::advance(TIMEOUT / 2).await;
        let begin = tokio::time::Instant::now();
        let error = poll_fn(|cx| near.poll_paused(cx)).await.unwrap().unwrap_err();
        assert!(matches!(error, ReceiveError::FrameOverdue { bytes: 6 }), "{error:?}");
        assert_eq!(begin.elapsed().as_secs(), 15);
        assert!(near.next().await.is_none());
    });
}

#[test]
fn parts_keep_the_time_that_has_passed() {
    run(async {
        tokio::time::pause();
        for of_frames in [false, true] {
            let policy = ReadPolicy {
                fd_timeout: (!of_frames).then_some(TIMEOUT),
                frame_timeout: of_frames.then_some(TIMEOUT),
                ..ReadPolicy::default()
            };
            let (mut near, far) = receiver(policy);
            let pipes = send_pipes(&far, &bytes_of(b"late", 1)[..3], 1);
            drive_io().await;
            assert!(now(near.next()).await.is_none());
            tokio::time::advance(TIMEOUT / 2).await;
            let mut near = Framed::from_parts(near.into_parts());
            assert!(now(near.next()).await.is_none());
            tokio::time::advance(TIMEOUT / 2).await;
            let expected = if of_frames {
                ReceiveError::FrameOverdue { bytes: 3 }
            } else {
                ReceiveError::FdsOverdue { waiting: 1 }
            };
            ends_with(&mut near, expected, &pipes).await;
        }
    });
}

#[test]
fn an_infinite_timeout_is_no_deadline() {
    run(async {
        tokio::time::pause();
        let frame_timeout = Some(Duration::MAX);
        let (mut near, far) = receiver(ReadPolicy { frame_timeout, ..ReadPolicy::default() });
        send_part(&mut near, &far, &bytes_of(b"late", 0)[..6]).await;
        tokio::time::advance(1000 * TIMEOUT).await;
        assert!(now(near.next()).await.is_none());
    });
}
