//! mfilter: a mail delivery filter. The library does the work, the binary is only a few
//! lines; `docs/ARCHITECTURE.md` is the map.
//!
//! Processing goes in one direction: rules are parsed (`syntax`) and checked (`rules`)
//! into a `Program`; `evaluate` turns it and the message into a `Plan`; `report` shows
//! the plan or `deliver` carries it out.

#![forbid(unsafe_code)]

pub mod ascii_case;
pub mod text;
pub mod spelling;
pub mod page;
pub mod language;
pub mod translation;
pub mod file;
pub mod platform;
pub mod zone;
pub mod source;
pub mod user;
pub mod outcome;
pub mod diagnostic;
pub mod flags;
pub mod syntax;
pub mod message;
pub mod contacts;
pub mod classify;
pub mod plan;
pub mod rules;
pub mod state;
pub mod maildir;
pub mod hand_over;
pub mod world;
pub mod evaluate;
pub mod import;
pub mod load;
pub mod report;
pub mod deliver;
pub mod log;
pub mod mailbox;
pub mod mda;
pub mod mistakes;
pub mod managesieve;
pub mod lmtp;
pub mod lsp;
pub mod setup;
pub mod cli;

#[cfg(test)]
mod testing;
