//! Maildirs: where folders lie and how they and their files are named, messages
//! stored (staged, then committed), listed and moved from folder to folder.
//!
//! What fails is a [`crate::outcome::Failure`] with its path; nothing that was there
//! before is lost by it.

pub(crate) mod amount;
pub mod directories;
pub mod folder;
pub mod mover;
pub mod mutf7;
pub mod name;
pub mod recover;
pub mod resume;
pub mod sharing;

pub(crate) mod quota;

mod across;
mod disk;
mod dot_lock;
mod keywords;
mod location;
mod open;
mod staged;
mod store;
mod subscriptions;
#[cfg(test)]
mod testing;

pub(crate) use location::too_long;
pub use location::{Location, Place};
pub use staged::StagedMessage;
pub use store::{Maildir, Past};
