use interop_tests::run;

use crate::connection::Connection;
use crate::create_error::CreateError;
use crate::limits::Limits;
use crate::roundtrip_error::RoundtripError;
use crate::wire::message::Message;
use crate::wire::message_builder::MessageBuilder;
use crate::wire::object_id::ObjectId;

/// A client that has only the ids below `end`.
fn client(end: u32) -> (Connection, tokio::net::UnixStream) {
    let (near, far) = tokio::net::UnixStream::pair().expect("a pair");
    let client = Connection::client(near, Limits::client()).expect("a connection");
    client.objects().end_at(end);
    (client, far)
}

fn create_surface(id: ObjectId) -> MessageBuilder {
    Message::builder(ObjectId::DISPLAY, 7).new_id(id)
}

#[test]
fn a_registry_without_two_free_ids_sends_nothing() {
    run(async {
        for end in [2, 3] {
            let (mut client, _far) = client(end);
            let error = client.registry().await.expect_err("there are not enough ids");
            assert!(matches!(error, RoundtripError::NoIds), "{error:?}");
            assert_eq!(client.write.unsent_bytes(), 0);
            client.objects().end_at(9);
            let created = client.feed_create("wl_surface", create_surface).await;
            assert_eq!(created.expect("an id").get(), 2);
        }
    });
}

#[test]
fn a_roundtrip_without_a_free_id_sends_nothing() {
    run(async {
        let (mut client, _far) = client(2);
        let error = client.roundtrip().await.expect_err("there is no id");
        assert!(matches!(error, RoundtripError::NoIds), "{error:?}");
        assert_eq!(client.into_parts().write_buffer.len(), 0);
    });
}

#[test]
fn a_create_without_a_free_id_sends_nothing() {
    run(async {
        let (mut client, _far) = client(3);
        client.feed_create("wl_surface", create_surface).await.expect("one id");
        let create = client.feed_create("wl_surface", |_| panic!("there is no id to build with"));
        let error = create.await.expect_err("there is no id");
        assert!(matches!(error, CreateError::NoIds), "{error:?}");
        assert_eq!(client.into_parts().write_buffer.len(), 12);
    });
}

#[test]
fn the_futures_of_a_client_are_send() {
    fn check<F: Future + Send>(_: F) {}

    run(async {
        let (mut client, _far) = client(9);
        check(client.create("wl_surface", create_surface));
        check(client.feed_create("wl_surface", create_surface));
        check(client.roundtrip());
        check(client.registry());
        check(client.receive());
        let registry = crate::registry::Registry::new(ObjectId::DISPLAY);
        check(client.bind(&registry, "wl_shm", 1..=1));
        check(Connection::connect());
    });
}
