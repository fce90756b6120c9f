//! The thin binary.
#![forbid(unsafe_code)]

fn main() {}
