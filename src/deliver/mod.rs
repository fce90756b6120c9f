//! Carrying a plan out: the only room that writes mail.
//!
//! All copies are staged first (written and synced in `tmp/`), then all are
//! committed (renamed and the directory synced). A failure while staging
//! leaves nothing behind. A failure while committing takes back what was
//! committed before, so that the MTA's retry does not store it twice; a copy
//! that a mail reader has moved meanwhile stays, and is doubled by the retry.
//!
//! - `reject` and `discard` after copies: the copies are stored, then it is
//!   refused or dropped. If they cannot be stored, the message is deferred.
//! - `defer` after copies: nothing is stored, since every retry would store
//!   the copies again; they are stored when a retry is no longer deferred.
//! - A folder whose name is too long for a file system is the inbox, with a
//!   note: the name comes from the message, and would never fit.

pub mod folder;
pub mod mutf7;
