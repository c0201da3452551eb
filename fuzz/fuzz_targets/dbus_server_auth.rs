#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| anchovy_fuzz::dbus_server_auth::target(data));
