#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| livecosmos_fuzz::csv::check(input));
