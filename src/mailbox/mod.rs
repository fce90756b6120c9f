//! Existing mail: walking message files, mboxes, Maildirs and folders of messages,
//! read-only.
//!
//! [`message_sources`] finds messages without opening them, and [`walk_in_order`] opens
//! them on all cores, with the results in the walk's order. What cannot be read, is not a
//! message or has vanished since it was listed is an item of its own, and the walk
//! continues.

pub mod arrivals;
pub mod correspondents;
pub mod dir_watcher;
pub mod expire;
pub mod incoming;
pub mod judge;
pub mod learn;
pub mod mbox_lock;
pub mod metadata;
pub mod moves;
pub mod old_mail;
pub mod recognition;
pub mod refile;
pub mod renamed_folders;
pub mod search;
pub mod sort;
pub mod special_use;
pub mod store_check;
pub mod suggest;
pub mod undo;

mod copies;
mod directory_files;
mod dovecot_conf;
mod from_line;
mod marks;
mod mbox;
mod message_source;
mod mh;
mod parallel;
mod walk;

use message_source::open_found;

pub use copies::Copies;
pub use message_source::{MboxPart, MessageSource};
pub use parallel::{Turn, in_order, walk_in_order};
pub use walk::{Walk, count, folder_in, message_sources, message_sources_in};
