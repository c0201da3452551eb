//! Real messages of real programs, as they were seen between them, byte by byte.

use std::fs::File;
use std::os::fd::OwnedFd;

use anchovy_dbus::{Message, MessageType};
use bytes::Bytes;

/// What was seen, and what another reader found in it.
struct Vector {
    of: &'static str,
    says: &'static str,
    body: usize,
    bytes: &'static str,
}

const VECTORS: &[Vector] = &[
    Vector {
        of: "GDBus says hello",
        says: "call 1 flags 0 PATH=/org/freedesktop/DBus INTERFACE=org.freedesktop.DBus \
               MEMBER=Hello DESTINATION=org.freedesktop.DBus",
        body: 0,
        bytes: "6c01000100000000010000006e00000001016f00150000002f6f72672f66726565646573\
                6b746f702f4442757300000002017300140000006f72672e667265656465736b746f702e\
                444275730000000006017300140000006f72672e667265656465736b746f702e44427573\
                00000000030173000500000048656c6c6f000000",
    },
    Vector {
        of: "libdbus says hello",
        says: "call 1 flags 0 PATH=/org/freedesktop/DBus INTERFACE=org.freedesktop.DBus \
               MEMBER=Hello DESTINATION=org.freedesktop.DBus",
        body: 0,
        bytes: "6c01000100000000010000006e00000001016f00150000002f6f72672f66726565646573\
                6b746f702f4442757300000006017300140000006f72672e667265656465736b746f702e\
                444275730000000002017300140000006f72672e667265656465736b746f702e44427573\
                00000000030173000500000048656c6c6f000000",
    },
    Vector {
        of: "sd-bus says hello",
        says: "call 1 flags 0 PATH=/org/freedesktop/DBus INTERFACE=org.freedesktop.DBus \
               MEMBER=Hello DESTINATION=org.freedesktop.DBus",
        body: 0,
        bytes: "6c01000100000000010000006d00000001016f00150000002f6f72672f66726565646573\
                6b746f702f44427573000000030173000500000048656c6c6f0000000201730014000000\
                6f72672e667265656465736b746f702e444275730000000006017300140000006f72672e\
                667265656465736b746f702e4442757300000000",
    },
    Vector {
        of: "zbus says hello",
        says: "call 1 flags 0 PATH=/org/freedesktop/DBus INTERFACE=org.freedesktop.DBus \
               MEMBER=Hello DESTINATION=org.freedesktop.DBus",
        body: 0,
        bytes: "6c01000100000000010000006d00000001016f00150000002f6f72672f66726565646573\
                6b746f702f4442757300000002017300140000006f72672e667265656465736b746f702e\
                4442757300000000030173000500000048656c6c6f00000006017300140000006f72672e\
                667265656465736b746f702e4442757300000000",
    },
    Vector {
        of: "dbus-daemon answers hello",
        says: "return 1 flags 1 REPLY_SERIAL=1 DESTINATION=:1.0 \
               SENDER=org.freedesktop.DBus SIGNATURE=s",
        body: 9,
        bytes: "6c02010109000000010000003d00000006017300040000003a312e300000000005017500\
                01000000080167000173000007017300140000006f72672e667265656465736b746f702e\
                4442757300000000040000003a312e3000",
    },
    Vector {
        of: "dbus-daemon tells who has a name",
        says: "signal 2 flags 1 PATH=/org/freedesktop/DBus \
               INTERFACE=org.freedesktop.DBus MEMBER=NameAcquired DESTINATION=:1.0 \
               SENDER=org.freedesktop.DBus SIGNATURE=s",
        body: 9,
        bytes: "6c04010109000000020000008d00000001016f00150000002f6f72672f66726565646573\
                6b746f702f4442757300000002017300140000006f72672e667265656465736b746f702e\
                4442757300000000030173000c0000004e616d6541637175697265640000000006017300\
                040000003a312e3000000000080167000173000007017300140000006f72672e66726565\
                6465736b746f702e4442757300000000040000003a312e3000",
    },
    Vector {
        of: "dbus-send calls",
        says: "call 2 flags 0 PATH=/ INTERFACE=org.freedesktop.DBus MEMBER=GetId \
               DESTINATION=org.freedesktop.DBus",
        body: 0,
        bytes: "6c01000100000000020000005d00000001016f00010000002f0000000000000002017300\
                140000006f72672e667265656465736b746f702e44427573000000000301730005000000\
                476574496400000006017300140000006f72672e667265656465736b746f702e44427573\
                00000000",
    },
    Vector {
        of: "python-dbus sends a descriptor",
        says: "call 3 flags 0 PATH=/o INTERFACE=t.Fd MEMBER=Take DESTINATION=:1.0 \
               SIGNATURE=sh UNIX_FDS=1",
        body: 16,
        bytes: "6c01000110000000030000005000000001016f00020000002f6f00000000000006017300\
                040000003a312e30000000000201730004000000742e4664000000000301730004000000\
                54616b6500000000080167000273680009017500010000000500000068656c6c6f000000\
                00000000",
    },
    Vector {
        of: "a service returns a descriptor",
        says: "return 4 flags 1 REPLY_SERIAL=4 DESTINATION=:1.1 SENDER=:1.0 \
               SIGNATURE=hh UNIX_FDS=2",
        body: 8,
        bytes: "6c02010108000000040000003500000006017300040000003a312e310000000005017500\
                040000000901750002000000080167000268680007017300040000003a312e3000000000\
                0000000001000000",
    },
    Vector {
        of: "GDBus sends a descriptor",
        says: "call 3 flags 0 PATH=/o INTERFACE=t.Fd MEMBER=Take DESTINATION=t.Fd \
               SIGNATURE=sh UNIX_FDS=1",
        body: 16,
        bytes: "6c01000110000000030000005000000001016f00020000002f6f00000000000002017300\
                04000000742e4664000000000601730004000000742e4664000000000801670002736800\
                030173000400000054616b650000000009017500010000000500000068656c6c6f000000\
                00000000",
    },
    Vector {
        of: "zbus sends a descriptor",
        says: "call 2 flags 0 PATH=/x INTERFACE=a.b MEMBER=WithFd DESTINATION=t.Fd \
               SIGNATURE=ah UNIX_FDS=2",
        body: 12,
        bytes: "6c0100010c000000020000005000000001016f00020000002f7800000000000002017300\
                03000000612e620000000000030173000600000057697468466400000601730004000000\
                742e46640000000008016700026168000901750002000000080000000000000001000000",
    },
    Vector {
        of: "zbus sends a descriptor with others",
        says: "call 2 flags 0 PATH=/x INTERFACE=a.b MEMBER=WithFd DESTINATION=t.Fd \
               SIGNATURE=h UNIX_FDS=1",
        body: 4,
        bytes: "6c01000104000000020000005000000001016f00020000002f7800000000000002017300\
                03000000612e620000000000030173000600000057697468466400000601730004000000\
                742e4664000000000801670001680000090175000100000000000000",
    },
    Vector {
        of: "a service answers with an error",
        says: "error 8 flags 1 ERROR_NAME=org.freedesktop.DBus.Error.UnknownMethod \
               REPLY_SERIAL=2 DESTINATION=:1.4 SIGNATURE=s",
        body: 74,
        bytes: "6c0301014a000000080000005700000006017300040000003a312e340000000004017300\
                280000006f72672e667265656465736b746f702e444275732e4572726f722e556e6b6e6f\
                776e4d6574686f6400000000000000000501750002000000080167000173000045000000\
                4d6574686f642022576974684664222077697468207369676e6174757265202261682220\
                6f6e20696e746572666163652022612e622220646f65736e27742065786973740a00",
    },
    Vector {
        of: "dbus-daemon answers with an error",
        says: "error 8 flags 1 ERROR_NAME=org.freedesktop.DBus.Error.UnknownMethod \
               REPLY_SERIAL=2 DESTINATION=:1.4 SENDER=:1.0 SIGNATURE=s",
        body: 74,
        bytes: "6c0301014a000000080000006500000006017300040000003a312e340000000004017300\
                280000006f72672e667265656465736b746f702e444275732e4572726f722e556e6b6e6f\
                776e4d6574686f6400000000000000000501750002000000080167000173000007017300\
                040000003a312e3000000000450000004d6574686f642022576974684664222077697468\
                207369676e61747572652022616822206f6e20696e746572666163652022612e62222064\
                6f65736e27742065786973740a00",
    },
    Vector {
        of: "busctl calls",
        says: "call 2 flags 4 PATH=/o INTERFACE=t.Fd MEMBER=Give DESTINATION=t.Fd \
               SIGNATURE=s",
        body: 6,
        bytes: "6c01040106000000020000004700000001016f00020000002f6f00000000000003017300\
                0400000047697665000000000201730004000000742e4664000000000601730004000000\
                742e4664000000000801670001730000010000007800",
    },
];

fn bytes(vector: &Vector) -> Bytes {
    let digit = |digit: u8| char::from(digit).to_digit(16).expect("a digit") as u8;
    vector.bytes.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// A message with as many descriptors as it wants.
fn read(bytes: Bytes) -> Message {
    let null = || OwnedFd::from(File::open("/dev/null").expect("a file"));
    let refused = match Message::from_bytes(bytes.clone(), Vec::new()) {
        Ok(message) => return message,
        Err(refused) => refused.error,
    };
    let anchovy_dbus::MessageError::FdCount { declared, .. } = refused else { panic!("{refused}") };
    let fds = (0..declared).map(|_| null()).collect();
    Message::from_bytes(bytes, fds).expect("a message")
}

fn says(message: &Message) -> String {
    let header = message.header();
    let kind = match header.message_type() {
        MessageType::MethodCall => "call",
        MessageType::MethodReturn => "return",
        MessageType::Error => "error",
        MessageType::Signal => "signal",
        MessageType::Unknown(_) => "unknown",
    };
    let serial = header.serial().expect("it was received");
    let mut says = format!("{kind} {serial} flags {}", header.flags().bits());
    let text = |text: Option<&str>| text.map(str::to_owned);
    let fields = [
        ("PATH", text(header.path())),
        ("INTERFACE", text(header.interface())),
        ("MEMBER", text(header.member())),
        ("ERROR_NAME", text(header.error_name())),
        ("REPLY_SERIAL", header.reply_serial().map(|serial| serial.to_string())),
        ("DESTINATION", text(header.destination())),
        ("SENDER", text(header.sender())),
        ("SIGNATURE", text(Some(header.signature()).filter(|signature| !signature.is_empty()))),
        ("UNIX_FDS", Some(header.unix_fds().to_string()).filter(|count| count != "0")),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            says += &format!(" {name}={value}");
        }
    }
    says
}

#[test]
fn real_messages_say_what_they_were_meant_to() {
    for vector in VECTORS {
        let message = read(bytes(vector));
        assert_eq!(says(&message), vector.says, "{}", vector.of);
        assert_eq!(message.body().len(), vector.body, "{}", vector.of);
    }
}

#[test]
fn recorded_messages_are_written_unchanged() {
    for vector in VECTORS {
        let bytes = bytes(vector);
        assert_eq!(read(bytes.clone()).to_bytes().expect("a serial"), bytes, "{}", vector.of);
    }
}

#[test]
fn real_messages_are_the_same_when_they_are_rebuilt() {
    for vector in VECTORS {
        let mut message = read(bytes(vector));
        let fds = message.take_fds();
        let rebuilt = message.rebuild().fds(fds).build().expect("a message");
        assert_eq!(says(&rebuilt), vector.says, "{}", vector.of);
        assert_eq!(rebuilt.body(), message.body(), "{}", vector.of);
    }
}

#[test]
fn no_part_of_a_real_message_is_a_message() {
    for vector in VECTORS {
        let bytes = bytes(vector);
        for length in 0..bytes.len() {
            let refused = Message::from_bytes(bytes.slice(..length), Vec::new());
            assert!(refused.is_err(), "{} bytes of: {}", length, vector.of);
        }
    }
}

#[test]
fn no_byte_changed_in_a_real_message_panics() {
    for vector in VECTORS {
        let bytes = bytes(vector);
        for place in 0..bytes.len() {
            for byte in [0, 1, 0x7f, 0x80, 0xff, bytes[place] ^ 1, bytes[place].wrapping_add(1)] {
                let mut changed = bytes.to_vec();
                changed[place] = byte;
                if let Ok(message) = Message::from_bytes(changed.into(), Vec::new()) {
                    let _ = format!("{message:?}");
                }
            }
        }
    }
}
