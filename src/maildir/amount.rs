//! How much mail there is, for a quota.

use crate::rules::program::Layout;

use super::location::Place;

/// An amount of mail that is stored, added or removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Amount {
    pub(crate) bytes: i64,
    pub(crate) messages: i64,
}

impl Amount {
    /// The sum of both.
    pub(crate) fn plus(self, other: Amount) -> Amount {
        Amount {
            bytes: self.bytes.saturating_add(other.bytes),
            messages: self.messages.saturating_add(other.messages),
        }
    }

    /// The amount that cancels it.
    pub(crate) fn negative(self) -> Amount {
        Amount { bytes: -self.bytes, messages: -self.messages }
    }
}

/// Whether messages in a folder count towards the quota: those in the trash do not.
pub(super) fn counts(layout: Layout, place: &Place) -> bool {
    let trash = match layout {
        Layout::MaildirPlusPlus => ".Trash",
        Layout::Fs => "Trash",
    };
    place.directories().first().is_none_or(|first| first != trash)
}
