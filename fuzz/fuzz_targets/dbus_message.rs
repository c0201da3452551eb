#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| anchovy_fuzz::dbus_message::target(data));
