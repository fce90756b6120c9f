//! What the program relies on, whatever its caller has set: set once, before anything
//! else.
//!
//! Rust's runtime does its part before `main`: it opens a closed standard descriptor as
//! `/dev/null`, so that none of our files gets its number, and makes a closed pipe an
//! error of the write, not a signal.

use std::sync::Arc;

use rustix::fs::Mode;
use rustix::process::{Resource, getrlimit, umask};
use signal_hook::consts::{SIGCHLD, SIGXFSZ};

/// Sets all this. What cannot be set is left as it is.
pub(super) fn start() {
    // What is created for the user is only the user's, unless a mode is set.
    umask(Mode::RWXG | Mode::RWXO);
    // If the caller ignores it, the system reaps ended programs itself and nobody learns
    // how they ended. Programs that we start get the system's default handling.
    handle(SIGCHLD);
    // A limit on the size of files (Postfix sets one) becomes an error of the write that
    // exceeds it. By default its signal would kill us, perhaps after a delivery, and an
    // MTA would deliver again.
    if getrlimit(Resource::Fsize).current.is_some() {
        handle(SIGXFSZ);
    }
}

fn handle(signal: i32) {
    let _ = signal_hook::flag::register(signal, Arc::default());
}
