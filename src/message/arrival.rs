//! When a stored message arrived here.

use super::{Message, date};

/// The earliest time at which mail in a Maildir can have arrived, seconds since
/// 1970: 1990.
const EARLIEST: i64 = 631_152_000;
const DAY: i64 = 24 * 3600;

/// What a message's file tells about when it was stored, seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct StorageTimes {
    /// From its name in a Maildir.
    pub(super) name: Option<i64>,
    /// From the time it was modified.
    pub(super) modified: Option<i64>,
}

impl Message {
    /// Sets the name of the message's file in a Maildir, which begins with the
    /// time of delivery (<https://cr.yp.to/proto/maildir.html>); empty for a
    /// message in an mbox.
    pub fn set_stored_name(&self, name: &str) {
        let modified = self.stored.get().and_then(|stored| stored.modified);
        self.stored.set(Some(StorageTimes { name: time_of_name(name), modified }));
    }

    /// When a stored message arrived here, seconds since 1970: from its name in a
    /// Maildir, otherwise from the topmost Received line (RFC 5321 §4.4), which
    /// our own machine wrote, otherwise from its file. Times more than a day
    /// after `now` or before 1990 are not believed: a machine whose clock was wrong
    /// wrote them. `None` then, and for a message that is only arriving now.
    pub fn arrived(&self, now: i64) -> Option<i64> {
        let stored = self.stored.get()?;
        let name = stored.name.filter(|at| is_sound(*at, now));
        let modified = stored.modified.filter(|at| is_sound(*at, now));
        name.or_else(|| self.received(now)).or(modified)
    }

    /// When it arrived according to the topmost Received line, seconds since
    /// 1970.
    pub fn received(&self, now: i64) -> Option<i64> {
        let line = self.head().values("received").next()?;
        let at = line.iter().rposition(|byte| *byte == b';')?;
        let at = date::parse(line.get(at + 1..)?)?.unix_seconds;
        is_sound(at, now).then_some(at)
    }
}

/// When a message arrived, from the name of its file in a Maildir, which
/// [`Message::arrived`] tries first; seconds since 1970.
pub fn arrived_by_name(name: &str, now: i64) -> Option<i64> {
    time_of_name(name).filter(|at| is_sound(*at, now))
}

fn time_of_name(name: &str) -> Option<i64> {
    let end = name.find(|c: char| !c.is_ascii_digit()).unwrap_or(name.len());
    let (seconds, rest) = name.split_at(end);
    seconds.parse().ok().filter(|_| rest.starts_with(['.', '_']))
}

/// Whether mail can have arrived at this time.
fn is_sound(at: i64, now: i64) -> bool {
    (EARLIEST..=now.saturating_add(DAY)).contains(&at)
}
