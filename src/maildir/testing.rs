//! Maildirs and flags for the tests of this room.

use std::path::Path;

use super::Location;
use crate::flags::Flags;
use crate::plan::Folder;
use crate::rules::program::Layout;

pub(super) fn flags(letters: &str, keywords: &[&str]) -> Flags {
    Flags {
        letters: letters.into(),
        keywords: keywords.iter().map(|keyword| keyword.to_string()).collect(),
    }
}

/// A folder by its levels with `/` between them, `INBOX` as it stands; the inbox for none.
pub(super) fn folder(name: &str) -> Folder {
    Folder { parts: name.split('/').filter(|p| !p.is_empty()).map(str::to_string).collect() }
}

pub(super) fn plus(home: &Path) -> Location {
    Location::new(home.join("Maildir"), Layout::MaildirPlusPlus, None)
}

pub(super) fn fs_layout(home: &Path) -> Location {
    Location::new(home.join("Maildir"), Layout::Fs, None)
}
