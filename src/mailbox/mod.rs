//! Mail that is there: walking message files, mboxes, Maildirs and folders of
//! messages, read-only.
//!
//! [`leads`] finds messages and opens none, [`walk()`] opens them one after the
//! other, and [`each`] does so on all cores, with what comes of it in the
//! walk's order. What cannot be read, is no message or has vanished since it
//! was listed is an item of its own, and the walk goes on.

pub mod eyes;
pub mod incoming;
pub mod judge;
pub mod known;
pub mod learn;
pub mod moves;
pub mod refile;
pub mod search;
pub mod sent;
pub mod sort;
pub mod special;
pub mod store_check;
pub mod undo;

mod copies;
mod lead;
mod mbox;
mod parallel;
mod walk;

use lead::open_found;

pub use copies::Copies;
pub use lead::Lead;
pub use parallel::{Turn, each, in_order};
pub use walk::{Found, Walk, count, folder_in, leads, leads_in, walk};
