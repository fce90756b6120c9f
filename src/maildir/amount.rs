//! How much mail there is, for a quota.

/// What is stored, or comes and goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Amount {
    pub(crate) bytes: i64,
    pub(crate) messages: i64,
}

impl Amount {
    /// Both together.
    pub(crate) fn plus(self, other: Amount) -> Amount {
        Amount {
            bytes: self.bytes.saturating_add(other.bytes),
            messages: self.messages.saturating_add(other.messages),
        }
    }

    /// What takes it back.
    pub(crate) fn negative(self) -> Amount {
        Amount { bytes: -self.bytes, messages: -self.messages }
    }
}
