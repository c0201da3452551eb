//! Messages between two of our own ends.

use anchovy_dbus::auth::Login;
use anchovy_dbus::{Client, Message};

use crate::harness::*;

#[test]
fn a_call_and_its_answer_cross_with_their_descriptors() {
    run(async {
        let (mut client, mut server) = pair().await;
        let fds = memfds(3);
        let expected = identities(&fds);
        let call = Message::method_call("/", "Take").fds(fds).build().unwrap();
        let serial = client.send(call).await.unwrap();

        let mut call = server.receive().await.unwrap().unwrap();
        assert_eq!(call.header().member(), Some("Take"));
        assert_eq!(identities(call.fds()), expected);
        let fds = call.take_fds();
        server.send(Message::method_return(&call).fds(fds).build().unwrap()).await.unwrap();

        let answer = client.receive().await.unwrap().unwrap();
        assert_eq!(answer.header().reply_serial(), Some(serial));
        assert_eq!(identities(answer.fds()), expected);
    });
}

#[test]
fn every_login_works_at_once_and_step_by_step() {
    run(async {
        let uid = rustix::process::geteuid().as_raw();
        for login in [Login::External, Login::ExternalUid(uid), Login::Anonymous] {
            for client in [Client::new(), Client::new().stepwise()] {
                let (client, server) = pair_of(&client.login(login), &server().anonymous()).await;
                assert_eq!((client.guid(), server.guid()), (guid(), guid()));
                assert!(client.unix_fds() && server.unix_fds());
            }
        }
    });
}
