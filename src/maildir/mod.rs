//! Maildirs: where folders are, how they and their files are named; and how messages are
//! stored (staged, then committed), listed and moved from folder to folder.
//!
//! Errors are a [`crate::outcome::Failure`] with its path; no failure loses anything that
//! existed before.

pub(crate) mod amount;
pub mod directories;
pub mod entry;
pub mod folder;
pub mod mover;
pub mod mutf7;
pub mod name;
pub mod recover;
pub mod resume;
pub mod sharing;

pub(crate) mod quota;

mod cross_device;
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
pub use store::{EarlierArrival, Maildir};
