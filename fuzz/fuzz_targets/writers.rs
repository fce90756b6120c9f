//! A sender's text, in each place of a border's output that a sender controls, changes no
//! result except to "not believed".

#![no_main]

#[path = "../../tests/support/printed.rs"]
mod printed;

use libfuzzer_sys::fuzz_target;
use printed::{Chosen, believed};

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.splitn(5, '\u{1}').map(str::to_owned);
    let mut part = || parts.next().unwrap_or_default();
    let chosen =
        Chosen { local: part(), helo: part(), identity: part(), name: part(), below: part() };
    if let Some(wrong) = believed(&chosen) {
        panic!("{wrong}");
    }
});
