//! Tests that mount file systems or run Postfix, which only root can; without
//! root each says that it was skipped.

#[path = "../support/mod.rs"]
mod support;

mod disk;
mod file_systems;
mod lmtp;
mod postfix;
mod postfix_isp;
mod power;
mod servers;
