//! LMTP replies (RFC 5321 §4.2): a code, and lines.

use std::fmt;
use std::io;

use crate::outcome::is_status;
use crate::text::one_line;

use super::super::StoreRefusal;
use super::super::wire::{REPLY_MAX, TEXT_MAX, Wire, invalid};

/// A reply of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoreReply {
    /// RFC 5321 §4.2: 200 to 599.
    pub(super) code: u16,
    /// `x.y.z` of RFC 2034, if it is present and belongs to the code's class.
    pub(super) status: Option<String>,
    /// All of it, as one harmless line.
    pub(super) text: String,
    /// What comes after the code in each line.
    pub(super) lines: Vec<String>,
}

impl StoreReply {
    /// Reads the next reply: all its lines.
    pub(super) fn read(wire: &mut Wire) -> io::Result<StoreReply> {
        let (mut left, mut code, mut lines) = (REPLY_MAX, None, Vec::new());
        loop {
            let line = wire.line(left)?;
            let rest = left.checked_sub(line.len() + 1);
            left = rest.ok_or_else(|| invalid("a reply without an end"))?;
            let (this, goes_on, words) = parse(&line).ok_or_else(|| {
                let text = one_line(&String::from_utf8_lossy(&line), 80);
                invalid(format!("it said `{text}`, which is not an LMTP reply"))
            })?;
            if *code.get_or_insert(this) != this {
                return Err(invalid("a reply with two codes"));
            }
            lines.push(String::from_utf8_lossy(words).trim().to_owned());
            if !goes_on {
                return Ok(StoreReply::of(this, lines));
            }
        }
    }

    fn of(code: u16, lines: Vec<String>) -> StoreReply {
        let class = char::from_digit(u32::from(code) / 100, 10).unwrap_or('5');
        let status = lines.iter().flat_map(|line| line.split_whitespace()).next();
        let status = status.filter(|status| is_status(status, class)).map(str::to_owned);
        let text = one_line(&format!("{code} {}", lines.join(" ")), TEXT_MAX);
        StoreReply { code, status, text, lines }
    }

    /// Whether it is positive.
    pub(super) fn is_positive(&self) -> bool {
        self.code < 300
    }

    /// Whether it says that a mailbox is full: RFC 3463 x.2.2, or else 552. A 452 alone
    /// may mean the store's disk, and no mail may bounce because of that.
    fn is_full(&self) -> bool {
        match &self.status {
            Some(status) => status.ends_with(".2.2"),
            None => self.code == 552,
        }
    }
}

impl From<StoreReply> for StoreRefusal {
    fn from(reply: StoreReply) -> StoreRefusal {
        let status = match &reply.status {
            Some(status) if is_status(status, '4') => status,
            // Our setup does not match the setup there.
            _ if reply.code >= 500 => "4.3.5",
            _ => "4.3.0",
        };
        StoreRefusal { status: status.into(), is_full: reply.is_full(), text: reply.text }
    }
}

impl fmt::Display for StoreReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The code, whether more lines follow, and the text.
fn parse(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (code, rest) = line.split_at_checked(3)?;
    let code: u16 = std::str::from_utf8(code).ok()?.parse().ok()?;
    let goes_on = match rest.first() {
        None | Some(b' ') => false,
        Some(b'-') => true,
        Some(_) => return None,
    };
    (200..600).contains(&code).then(|| (code, goes_on, rest.get(1..).unwrap_or_default()))
}
