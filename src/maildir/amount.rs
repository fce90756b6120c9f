//! How much mail there is, for a quota.

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
