//! What the program relies on, whatever its caller left behind: set once,
//! before anything else.
//!
//! Rust's runtime has done its part before `main`: a closed standard
//! descriptor is `/dev/null`, so that no file of ours gets its number, and a
//! closed pipe is an error of the write, not a signal.

use std::sync::Arc;

use rustix::fs::Mode;
use rustix::process::{Resource, getrlimit, umask};
use signal_hook::consts::{SIGCHLD, SIGXFSZ};

/// Sets it. What cannot be set is left as it is.
pub(super) fn start() {
    // What is made for the user is the user's alone, unless a mode is set.
    umask(Mode::RWXG | Mode::RWXO);
    // Where the caller ignores it, the system takes a program's end for itself
    // and nobody learns how it ended. Programs get the system's own handling.
    handle(SIGCHLD);
    // A limit on the size of files (Postfix sets one) is an error of the write
    // that passes it. By default its signal would kill us, behind a delivery
    // perhaps, and an MTA would deliver again.
    if getrlimit(Resource::Fsize).current.is_some() {
        handle(SIGXFSZ);
    }
}

fn handle(signal: i32) {
    let _ = signal_hook::flag::register(signal, Arc::default());
}
