//! Tests that watch the system calls of a delivery, or make them fail, with
//! strace; where that is not permitted each says that it was skipped.

#[path = "../support/mod.rs"]
mod support;

mod expire_faults;
mod errors_that_pass;
mod faults;
mod import_faults;
mod learn_faults;
mod lmtp_faults;
mod sort_faults;
mod unasked;
mod watch_faults;
