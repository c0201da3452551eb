//! Objects that a client creates while too many descriptors are in flight.

use std::os::fd::OwnedFd;

use anchovy_wayland::{
    Connection, CreateError, Limits, Message, MessageBuilder, ObjectId, SendErrorKind,
};

use crate::harness::*;

/// A request with 8 descriptors.
fn with_fds(new_id: ObjectId, file: &OwnedFd) -> MessageBuilder {
    let request = Message::builder(id(77), 0).new_id(new_id);
    (0..8).fold(request, |request, _| request.fd(file.try_clone().unwrap()))
}

fn plain(new_id: ObjectId) -> MessageBuilder {
    Message::builder(id(77), 0).new_id(new_id)
}

/// Creates objects until the kernel refuses the descriptors of one; returns how many it has created,
/// and the error.
async fn fill(near: &mut Connection, file: &OwnedFd) -> (u32, CreateError) {
    for created in 0..64 {
        if let Err(error) = near.create("wl_shm_pool", |id| with_fds(id, file)).await {
            return (created, error);
        }
    }
    panic!("the limit of the kernel is reached");
}

/// The ids of the objects that the requests in the socket create, in order.
fn new_ids(far: &Foreign) -> Vec<u32> {
    let mut ids = Vec::new();
    while rustix::io::ioctl_fionread(&far.0).unwrap() > 0 {
        let (bytes, ..) = foreign_receive(&far.0, 2048);
        let requests = bytes.chunks(12);
        ids.extend(requests.map(|bytes| u32::from_ne_bytes(bytes[8..].try_into().unwrap())));
    }
    ids
}

#[test]
fn a_create_with_refused_descriptors_returns_its_request_and_frees_its_id() {
    without_privileges(async {
        let (mut near, far) = client().await;
        let limit = Lowered::descriptors(64);
        let file = memfd();
        let (created, error) = fill(&mut near, &file).await;
        let CreateError::Send(error) = error else { panic!("{error:?}") };
        assert!(matches!(error.kind, SendErrorKind::TooManyFdsInFlight { count: 8 }), "{error:?}");
        let request = error.unsent.expect("the request comes back");
        assert_eq!(identities(request.fds()), [identity(&file); 8]);
        drop(request);
        // The id is given to the next one, so the compositor sees no gap.
        let next = near.create("wl_surface", plain).await.unwrap();
        assert_eq!(next.get(), 2 + created);
        drop(limit);
        assert_eq!(new_ids(&far), (2..=2 + created).collect::<Vec<_>>());
    });
}

#[test]
fn a_refused_request_of_a_client_stays_first_in_the_queue() {
    without_privileges(async {
        let (mut near, far) = client().await;
        let limit = Lowered::descriptors(64);
        let file = memfd();
        let (created, _) = fill(&mut near, &file).await;
        let fed = near.feed_create("wl_shm_pool", |id| with_fds(id, &file)).await.unwrap();
        assert_eq!(fed.get(), 2 + created);
        // It is not this request that is refused, so the object is created, after the other one.
        let next = near.create("wl_surface", plain).await.unwrap();
        assert_eq!(next.get(), 3 + created);
        for _ in 0..2 {
            let error = near.flush().await.unwrap_err();
            assert!(matches!(error.kind, SendErrorKind::TooManyFdsInFlight { count: 8 }));
            assert!(error.unsent.is_none(), "it is in the queue");
        }
        let mut ids = new_ids(&far);
        drop(limit);
        near.flush().await.unwrap();
        ids.extend(new_ids(&far));
        assert_eq!(ids, (2..=3 + created).collect::<Vec<_>>());
    });
}

#[test]
fn a_feed_without_room_returns_its_own_message() {
    without_privileges(async {
        let limits = Limits { max_buffered_fds: 8, ..Limits::client() };
        let (mut near, far) = client_with(limits).await;
        let limit = Lowered::descriptors(64);
        let file = memfd();
        let (created, _) = fill(&mut near, &file).await;
        near.feed_create("wl_shm_pool", |id| with_fds(id, &file)).await.unwrap();
        let error = near.feed(other(1)).await.unwrap_err();
        assert!(matches!(error.kind, SendErrorKind::TooManyFdsInFlight { count: 8 }), "{error:?}");
        assert_eq!(parts(&error.unsent.expect("it was not taken")), parts(&other(1)));
        // A create that gets no room creates nothing.
        let error = near.feed_create("wl_surface", plain).await.unwrap_err();
        assert!(matches!(error, CreateError::Send(_)), "{error:?}");
        let mut ids = new_ids(&far);
        drop(limit);
        near.flush().await.unwrap();
        ids.extend(new_ids(&far));
        assert_eq!(ids, (2..=2 + created).collect::<Vec<_>>());
    });
}
