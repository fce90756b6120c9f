//! `duplicate`: whether this message, or one with the same value, was delivered before.

use super::condition::Conditions;
use super::truth::Truth;
use crate::rules::program::{Condition, DuplicateKey};
use crate::rules::template::{Insert, TemplatePart};
use crate::state::duplicates;
use crate::state::slots::Key;
use crate::world::DuplicateStatus;

/// Why `duplicate` cannot be decided for existing mail.
pub(super) const NOT_REMEMBERED: &str = "for existing mail only the Message-ID is compared";

impl Conditions<'_> {
    /// The truth of a `duplicate`; `before` is what is remembered of the same value, `None`
    /// if the message has no such value.
    pub(super) fn duplicate(
        &self,
        condition: &Condition,
        before: Result<Option<DuplicateStatus>, String>,
    ) -> Truth {
        let truth = match &before {
            Ok(before) => Ok(before.is_some_and(|before| before.is_duplicate())),
            Err(why) => Err(why.clone()),
        };
        self.record(condition, &truth, || match before {
            Ok(Some(DuplicateStatus::Ago(ago))) => format!("delivered {} ago", duration(ago)),
            Ok(Some(DuplicateStatus::Never)) => {
                "not delivered before, as far as mfilter remembers".into()
            }
            Ok(Some(DuplicateStatus::First)) => "the first one of these messages".into(),
            Ok(Some(DuplicateStatus::Again)) => "one of these messages came before it".into(),
            Ok(None) => "it has no such value".into(),
            Err(why) => why,
        });
        truth
    }

    /// Whether this message was delivered before, within this many seconds.
    pub(super) fn delivered_before(&self, within: u64) -> Result<DuplicateStatus, String> {
        match self.world.before.get() {
            Some(DuplicateStatus::Ago(ago)) if ago > within => Ok(DuplicateStatus::Never),
            Some(DuplicateStatus::Again) if within != self.within() => Err(NOT_REMEMBERED.into()),
            Some(before) => Ok(before),
            None => self.key().map(|key| self.was_delivered(key, within)),
        }
    }

    /// Whether the message with this key was delivered before. One that comes back from
    /// where it was forwarded to counts only if it was kept here, too: otherwise nobody
    /// would have it.
    fn was_delivered(&self, key: Key, within: u64) -> DuplicateStatus {
        match self.world.delivered_before(key, within) {
            DuplicateStatus::Ago(_) if self.is_back() => {
                self.world.delivered_before(duplicates::kept_key(key), within)
            }
            before => before,
        }
    }

    /// Whether a message with the same value was delivered before; `None` if this
    /// one has no value, as otherwise all messages without it would be duplicates
    /// of each other. This one is remembered too, unless the time counts from the
    /// `first` and it is not the first.
    pub(super) fn delivered_like_it(
        &self,
        of: &DuplicateKey,
        within: u64,
        first: bool,
    ) -> Result<Option<DuplicateStatus>, String> {
        let mut pieces: Vec<String> = vec![of.written.clone()];
        for part in &of.template.parts {
            let TemplatePart::Insert(insert, form) = part else { continue };
            if let Insert::Field(field) = insert {
                // Two values that cannot be determined are not equal.
                self.field(*field)?;
            }
            pieces.push(form.of(self.inserted(insert)));
        }
        if pieces.len() > 1 && pieces.iter().skip(1).all(|value| value.trim().is_empty()) {
            return Ok(None);
        }
        let bytes: Vec<&[u8]> = pieces.iter().map(String::as_bytes).collect();
        let key = Key::of(&bytes);
        let before = match self.world.before.get() {
            Some(_) => Err(NOT_REMEMBERED.into()),
            None => Ok(self.was_delivered(key, within)),
        };
        let mut duplicate_keys = self.duplicate_keys.borrow_mut();
        let renews = !first || !before.as_ref().is_ok_and(DuplicateStatus::is_duplicate);
        if renews && !duplicate_keys.contains(&key) {
            duplicate_keys.push(key);
        }
        before.map(Some)
    }

    /// The key of the message, as it came, for `duplicate`.
    pub(super) fn key(&self) -> Result<Key, String> {
        let key = || duplicates::key(self.message).map_err(|error| error.to_string());
        self.key.get_or_init(key).clone()
    }

    /// The longest time for which any `duplicate` remembers something, seconds.
    pub(super) fn remember_for(&self) -> u64 {
        self.within().max(self.program.longest_within)
    }

    /// `set duplicates-for`, seconds.
    pub(super) fn within(&self) -> u64 {
        let set = self.program.settings.duplicates_for.as_ref();
        set.map_or(duplicates::REMEMBER_FOR.as_secs(), |seconds| *seconds)
    }
}

/// Seconds in the largest unit of which there is at least one.
fn duration(seconds: u64) -> String {
    let units = [(24 * 3600, "d"), (3600, "h"), (60, "m")];
    let unit = units.iter().find(|(length, _)| seconds >= *length);
    unit.map_or(format!("{seconds}s"), |(length, name)| format!("{}{name}", seconds / length))
}
