//! What a walk over a large mailbox takes, by the memory of all children of the
//! process: so it runs in one of its own.

#[path = "../support/mod.rs"]
mod support;

mod large;
