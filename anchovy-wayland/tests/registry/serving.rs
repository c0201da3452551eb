//! The globals and registries of a compositor, and the requests that it rejects.

use anchovy_wayland::{
    AddError, Answer, Bind, BindError, CreateError, DisplayError, Globals, MAX_REGISTRIES, Message,
    MessageBuilder, ObjectId, Registries, Registry, RegistryUpdate,
};

use crate::harness::*;

fn some_globals() -> Globals {
    let mut globals = Globals::new();
    globals.add("wl_compositor", 6).unwrap();
    globals.add("wl_shm", 2).unwrap();
    globals
}

fn get_registry(number: u32) -> Message {
    Message::builder(ObjectId::DISPLAY, 1).new_id(id(number)).build().unwrap()
}

fn sync(number: u32) -> Message {
    Message::builder(ObjectId::DISPLAY, 0).new_id(id(number)).build().unwrap()
}

fn events(answer: Result<Answer, DisplayError>) -> Vec<Message> {
    let Ok(Answer::Events(events)) = answer else { panic!("{answer:?}") };
    events
}

/// A client with a registry that is object 2.
fn registries(globals: &Globals) -> Registries {
    let mut registries = Registries::new();
    registries.answer(globals, &get_registry(2)).unwrap();
    registries
}

fn refused(request: MessageBuilder) -> (u32, u32, String) {
    let globals = some_globals();
    let request = request.build().unwrap();
    let DisplayError { object, code, text, .. } =
        registries(&globals).answer(&globals, &request).unwrap_err();
    (object, code, text)
}

fn bind(name: u32, interface: &str, version: u32) -> MessageBuilder {
    Message::builder(id(2), 0).uint(name).untyped_new_id(interface, version, id(5))
}

#[test]
fn a_new_registry_gets_all_globals_in_order_of_name() {
    let globals = some_globals();
    let sent = events(Registries::new().answer(&globals, &get_registry(2)));
    let expected = [global(2, 1, "wl_compositor", 6), global(2, 2, "wl_shm", 2)];
    assert_eq!(all_parts(&sent), all_parts(&expected));
}

#[test]
fn a_callback_is_done_before_its_id_is_freed() {
    let sent = events(Registries::new().answer(&some_globals(), &sync(3)));
    assert_eq!(all_parts(&sent), all_parts(&[done(3), delete_id(3)]));
}

#[test]
fn each_registry_gets_events_for_added_and_removed_globals() {
    let mut globals = some_globals();
    let mut registries = registries(&globals);
    registries.answer(&globals, &get_registry(7)).unwrap();
    assert_eq!(registries.ids(), [id(2), id(7)]);

    let name = globals.add("wl_output", 4).unwrap().name;
    let sent = registries.added(&globals, name);
    let expected = [global(2, 3, "wl_output", 4), global(7, 3, "wl_output", 4)];
    assert_eq!(all_parts(&sent), all_parts(&expected));
    assert!(registries.added(&globals, 99).is_empty());
    let expected = [global_remove(2, 3), global_remove(7, 3)];
    assert_eq!(all_parts(&registries.removed(name)), all_parts(&expected));

    assert!(registries.forget(id(2)));
    assert!(!registries.forget(id(2)));
    assert_eq!(all_parts(&registries.removed(name)), all_parts(&[global_remove(7, 3)]));
}

#[test]
fn a_withdrawn_global_can_be_bound_until_it_is_removed() {
    let mut globals = some_globals();
    let mut registries = registries(&globals);
    assert!(globals.withdraw(2));
    assert!(!globals.withdraw(2));
    assert!(!globals.withdraw(99));
    let sent = events(registries.answer(&globals, &get_registry(7)));
    assert_eq!(all_parts(&sent), all_parts(&[global(7, 1, "wl_compositor", 6)]));

    let request = bind(2, "wl_shm", 1).build().unwrap();
    assert!(matches!(registries.answer(&globals, &request), Ok(Answer::Bind(_))));
    assert_eq!(globals.remove(2).unwrap().interface, "wl_shm");
    let error = registries.answer(&globals, &request).unwrap_err();
    assert_eq!(error.text, "invalid global wl_shm (2)");
    assert!(globals.get(2).is_none() && globals.remove(2).is_none());
}

#[test]
fn a_name_is_never_reused() {
    let mut globals = some_globals();
    globals.remove(2);
    assert_eq!(globals.add("wl_shm", 2).unwrap().name, 3);
}

#[test]
fn a_global_that_cannot_be_announced_or_bound_is_not_added() {
    let mut globals = Globals::new();
    let version = AddError::Version { interface: "wl_shm".to_owned() };
    assert_eq!(globals.add("wl_shm", 0).unwrap_err(), version);
    for interface in ["", "wl\0shm", &"a".repeat(4096 - 8 - 12)] {
        let error = globals.add(interface, 1).unwrap_err();
        assert_eq!(error, AddError::Interface { interface: interface.to_owned() });
    }
    assert_eq!(globals.add(&"a".repeat(4096 - 8 - 12 - 1), 1).unwrap().name, 1);
    assert_eq!(globals.iter().count(), 1);
}

#[test]
fn a_valid_bind_is_returned_to_the_caller() {
    let globals = some_globals();
    for version in 1..=2 {
        let request = bind(2, "wl_shm", version).build().unwrap();
        let answer = registries(&globals).answer(&globals, &request);
        let Ok(Answer::Bind(Bind { name, interface, version: granted, id: new, .. })) = answer
        else {
            panic!("{answer:?}")
        };
        assert_eq!((name, &interface[..], granted, new), (2, "wl_shm", version, id(5)));
    }
}

#[test]
fn a_wrong_bind_has_the_error_of_libwayland() {
    let invalid = |text: &str| (2, 0, text.to_owned());
    assert_eq!(refused(bind(9, "wl_shm", 1)), invalid("invalid global wl_shm (9)"));
    let text = "invalid interface for global 2: have wl_foo, wanted wl_shm";
    assert_eq!(refused(bind(2, "wl_foo", 1)), invalid(text));
    let text = "invalid version for global wl_shm (2): 0 is not a valid version";
    assert_eq!(refused(bind(2, "wl_shm", 0)), invalid(text));
    let text = "invalid version for global wl_shm (2): have 2, wanted 3";
    assert_eq!(refused(bind(2, "wl_shm", 3)), invalid(text));
}

#[test]
fn a_malformed_request_has_the_error_of_libwayland() {
    let bound = "invalid arguments for wl_registry#2.bind";
    let synced = "invalid arguments for wl_display#1.sync";
    let got = "invalid arguments for wl_display#1.get_registry";
    let build = Message::builder;
    let requests = [
        (build(id(2), 0).uint(2), bound),
        (build(id(2), 0).uint(2).null_string().uint(1).uint(5), bound),
        (build(id(2), 0).uint(2).string("wl_shm").uint(1).uint(0), bound),
        (bind(2, "wl_shm", 1).uint(0), bound),
        (build(id(2), 0).uint(2).untyped_new_id("wl_shm", 1, id(1)), bound),
        (build(id(2), 0).uint(2).untyped_new_id("wl_shm", 1, id(2)), bound),
        (build(id(1), 0), synced),
        (build(id(1), 0).uint(0), synced),
        (build(id(1), 0).uint(1), synced),
        (build(id(1), 0).uint(2), synced),
        (build(id(1), 0).new_id(ObjectId::FIRST_OF_SERVER), synced),
        (build(id(1), 0).uint(3).uint(3), synced),
        (build(id(1), 1), got),
        (build(id(1), 1).uint(2), got),
        (build(id(1), 1).new_id(ObjectId::FIRST_OF_SERVER), got),
        (build(id(1), 9), "invalid method 9, object wl_display#1"),
        (build(id(2), 1), "invalid method 1, object wl_registry#2"),
    ];
    for (request, text) in requests {
        assert_eq!(refused(request), (1, 1, text.to_owned()));
    }
}

#[test]
fn the_number_of_registries_of_a_client_is_limited() {
    let globals = Globals::new();
    let mut registries = Registries::new();
    for number in 0..MAX_REGISTRIES as u32 {
        registries.answer(&globals, &get_registry(2 + number)).unwrap();
    }
    let next = get_registry(2 + MAX_REGISTRIES as u32);
    let error = registries.answer(&globals, &next).unwrap_err();
    assert_eq!((error.object, error.code), (1, DisplayError::NO_MEMORY));
    assert_eq!(registries.ids().len(), MAX_REGISTRIES);
}

#[test]
fn requests_for_other_objects_are_left_to_the_caller() {
    let globals = some_globals();
    for opcode in 0..3 {
        let request = Message::builder(id(5), opcode).uint(1).build().unwrap();
        let answer = registries(&globals).answer(&globals, &request);
        assert!(matches!(answer, Ok(Answer::Other)), "{answer:?}");
    }
}

#[test]
fn a_client_binds_a_global_of_a_serving_compositor() {
    run(async {
        let (mut client, mut compositor) = pair();
        let mut globals = some_globals();

        let serve = async {
            let mut registries = Registries::new();
            for _ in 0..2 {
                let request = compositor.receive().await.unwrap().unwrap();
                for event in events(registries.answer(&globals, &request)) {
                    compositor.feed(event).await.unwrap();
                }
            }
            compositor.flush().await.unwrap();
            (compositor, registries)
        };
        let (registry, (mut compositor, mut registries)) = tokio::join!(client.registry(), serve);
        let mut registry: Registry = registry.unwrap();
        let known: Vec<_> = registry.globals().to_vec();
        assert_eq!(known, globals.iter().cloned().collect::<Vec<_>>());
        // The id of the callback is free again once its deletion is received.
        assert!(at_once(client.receive()).await.is_none());

        let shm = client.bind(&registry, "wl_shm", 1..=9).await.unwrap();
        assert_eq!((shm.id, shm.version), (id(3), 2));
        let request = compositor.receive().await.unwrap().unwrap();
        let Ok(Answer::Bind(bind)) = registries.answer(&globals, &request) else { panic!() };
        assert_eq!(
            (bind.name, &bind.interface[..], bind.version, bind.id),
            (2, "wl_shm", 2, id(3))
        );

        globals.withdraw(2);
        for event in registries.removed(2) {
            compositor.send(event).await.unwrap();
        }
        let event = client.receive().await.unwrap().unwrap();
        let update = registry.update(&event).unwrap();
        assert!(matches!(update, Some(RegistryUpdate::Removed(global)) if global.name == 2));
        assert!(registry.find("wl_shm").is_none());
    });
}

#[test]
fn a_client_does_not_bind_a_version_that_is_not_offered() {
    let mut registry = Registry::new(id(2));
    registry.update(&global(2, 1, "wl_shm", 2)).unwrap();
    let shm = registry.find("wl_shm").unwrap();
    for wanted in [0, 3, u32::MAX] {
        let error = registry.bind(shm, wanted, id(5)).unwrap_err();
        let interface = "wl_shm".to_owned();
        let BindError::Version { interface: named, wanted: asked, offered: 2 } = error else {
            panic!("{error:?}")
        };
        assert_eq!((named, asked), (interface, wanted..=wanted));
    }
    for version in [1, 2] {
        let request = registry.bind(shm, version, id(5)).unwrap();
        assert_eq!(parts(&request), parts(&bind(1, "wl_shm", version).build().unwrap()));
    }
}

#[test]
fn an_interface_that_cannot_be_sent_is_not_bound() {
    let mut registry = Registry::new(id(2));
    registry.update(&global(2, 1, "wl_shm", 2)).unwrap();
    let mut shm = registry.find("wl_shm").unwrap().clone();
    shm.interface.push('\0');
    let error = registry.bind(&shm, 1, id(5)).unwrap_err();
    assert!(matches!(error, BindError::Create(CreateError::Build(_))), "{error:?}");
}
