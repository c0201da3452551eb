#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| anchovy_fuzz::exchange_model::target(data));
