//! Whatever is asked for or arrives: what is built is read back the same, and no bytes panic.

use std::num::NonZeroU32;

use anchovy_dbus::{ByteOrder, Flags, Message, MessageType};
use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::raw::{Raw, UNKNOWN};

/// The same cases each time, so that a failure is one for everybody.
pub(crate) fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 512,
        rng_seed: RngSeed::Fixed(0x00d_b05),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// All that a message can have; what its type demands is there.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    order: ByteOrder,
    message_type: MessageType,
    flags: u8,
    serial: NonZeroU32,
    path: Option<String>,
    interface: Option<String>,
    member: Option<String>,
    error_name: Option<String>,
    destination: Option<String>,
    sender: Option<String>,
    reply_serial: Option<NonZeroU32>,
    body: Option<(String, Vec<u8>)>,
}

impl Wish {
    pub(crate) fn build(&self) -> Message {
        let mut builder = Message::builder(self.message_type)
            .byte_order(self.order)
            .flags(Flags::from_bits_retain(self.flags))
            .serial(self.serial);
        if let Some(path) = &self.path {
            builder = builder.path(path);
        }
        if let Some(interface) = &self.interface {
            builder = builder.interface(interface);
        }
        if let Some(member) = &self.member {
            builder = builder.member(member);
        }
        if let Some(error_name) = &self.error_name {
            builder = builder.error_name(error_name);
        }
        if let Some(destination) = &self.destination {
            builder = builder.destination(destination);
        }
        if let Some(sender) = &self.sender {
            builder = builder.sender(sender);
        }
        if let Some(reply_serial) = self.reply_serial {
            builder = builder.reply_serial(reply_serial);
        }
        if let Some((signature, body)) = &self.body {
            builder = builder.body(signature, body.clone());
        }
        builder.build().expect("all is valid")
    }

    /// Checks the message against its description.
    fn check(&self, message: &Message) {
        let header = message.header();
        assert_eq!(header.byte_order(), self.order);
        assert_eq!(header.message_type(), self.message_type);
        assert_eq!(header.flags().bits(), self.flags);
        assert_eq!(header.serial(), Some(self.serial));
        assert_eq!(header.path(), self.path.as_deref());
        assert_eq!(header.interface(), self.interface.as_deref());
        assert_eq!(header.member(), self.member.as_deref());
        assert_eq!(header.error_name(), self.error_name.as_deref());
        assert_eq!(header.destination(), self.destination.as_deref());
        assert_eq!(header.sender(), self.sender.as_deref());
        assert_eq!(header.reply_serial(), self.reply_serial);
        let (signature, body) = self.body.clone().unwrap_or_default();
        assert_eq!(header.signature(), signature);
        assert_eq!(message.body(), &body[..]);
    }
}

fn path() -> impl Strategy<Value = String> {
    prop_oneof![Just("/".to_owned()), "(/[A-Za-z0-9_]{1,9}){1,5}"]
}

fn interface() -> impl Strategy<Value = String> {
    "[A-Za-z_][A-Za-z0-9_]{0,9}([.][A-Za-z_][A-Za-z0-9_]{0,9}){1,4}"
}

fn member() -> impl Strategy<Value = String> {
    "[A-Za-z_][A-Za-z0-9_]{0,20}"
}

fn unique_name() -> impl Strategy<Value = String> {
    ":[A-Za-z0-9_-]{1,5}([.][A-Za-z0-9_-]{1,5}){1,3}"
}

fn bus_name() -> impl Strategy<Value = String> {
    prop_oneof![unique_name(), "[A-Za-z_-][A-Za-z0-9_-]{0,9}([.][A-Za-z_-][A-Za-z0-9_-]{0,9}){1,4}"]
}

fn signature() -> impl Strategy<Value = String> {
    let basic = "[ybnqiuxtdsogh]";
    let one = prop_oneof![basic, Just("v".to_owned())].prop_recursive(6, 24, 4, move |inner| {
        prop_oneof![
            inner.clone().prop_map(|element| format!("a{element}")),
            vec(inner.clone(), 1..4).prop_map(|fields| format!("({})", fields.concat())),
            (basic, inner).prop_map(|(key, value)| format!("a{{{key}{value}}}")),
        ]
    });
    vec(one, 1..4).prop_map(|types| types.concat())
}

pub(crate) fn wish() -> impl Strategy<Value = Wish> {
    let serial = || (1..=u32::MAX).prop_map(|serial| NonZeroU32::new(serial).expect("not 0"));
    let order = prop_oneof![Just(ByteOrder::Little), Just(ByteOrder::Big)];
    let fixed = (order, 1..6_u8, any::<u8>(), serial());
    let texts = (
        path(),
        interface(),
        member(),
        interface(),
        option::of(bus_name()),
        option::of(unique_name()),
        serial(),
    );
    let body = option::of((signature(), vec(any::<u8>(), 1..40)));
    (fixed, texts, body, any::<[bool; 5]>()).prop_map(|(fixed, texts, body, chosen)| {
        let (order, message_type, flags, serial) = fixed;
        let (path, interface, member, error_name, destination, sender, reply_serial) = texts;
        let message_type = MessageType::from_code(message_type);
        let call = message_type == MessageType::MethodCall;
        let signal = message_type == MessageType::Signal;
        let error = message_type == MessageType::Error;
        let answer = error || message_type == MessageType::MethodReturn;
        Wish {
            order,
            message_type,
            flags,
            serial,
            path: (chosen[0] || call || signal).then_some(path),
            interface: (chosen[1] || signal).then_some(interface),
            member: (chosen[2] || call || signal).then_some(member),
            error_name: (chosen[3] || error).then_some(error_name),
            destination,
            sender,
            reply_serial: (chosen[4] || answer).then_some(reply_serial),
            body,
        }
    })
}

/// What is not refused can be asked anything, and is written as it came.
fn look(bytes: Bytes) {
    if let Ok(message) = Message::from_bytes(bytes.clone(), Vec::new()) {
        let _ = format!("{message:?}");
        assert_eq!(message.to_bytes().expect("a received message has a serial"), bytes);
        message.rebuild().build().expect("what is taken can be built");
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_built_is_read_back_the_same(wish in wish()) {
        let built = wish.build();
        wish.check(&built);
        let bytes = built.to_bytes().expect("it has a serial");
        let read = Message::from_bytes(bytes.clone(), Vec::new()).expect("it is valid");
        wish.check(&read);
        prop_assert_eq!(read.to_bytes().expect("it has a serial"), bytes);
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..200)) {
        look(bytes.into());
    }

    #[test]
    fn no_fields_panic(fields in vec(any::<u8>(), 0..200), message_type in 1..6_u8) {
        for order in crate::raw::ORDERS {
            let raw = Raw::new(order, message_type).bytes(&fields);
            look(raw.finish());
        }
    }

    #[test]
    fn no_value_of_an_unknown_field_panics(
        signature in signature(),
        value in vec(prop_oneof![3 => 0..12_u8, 1 => any::<u8>()], 0..100),
    ) {
        for order in crate::raw::ORDERS {
            look(Raw::call(order).field(UNKNOWN, &signature).bytes(&value).finish());
        }
    }

    #[test]
    fn no_changed_message_panics(
        wish in wish(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = wish.build().to_bytes().expect("it has a serial").to_vec();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        look(bytes.into());
    }

    #[test]
    fn no_part_of_a_message_is_a_message(wish in wish()) {
        let bytes = wish.build().to_bytes().expect("it has a serial");
        for length in 0..bytes.len() {
            prop_assert!(Message::from_bytes(bytes.slice(..length), Vec::new()).is_err());
        }
    }
}
