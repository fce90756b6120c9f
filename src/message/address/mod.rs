//! Addresses of RFC 5322 §3.4: how they are compared, displayed and taken apart.

mod parse;

use std::borrow::Cow;

use super::{domain, fold};

pub use self::parse::{LIST_LIMIT, parse_list, parse_within};

/// The longest address, bytes: a local part of 64, the `@`, a domain of 255 (RFC
/// 5321 §4.5.3.1). Real senders do not respect the 64, so only the whole and the
/// domain are checked.
const LONGEST: usize = 320;

/// The longest domain, bytes.
const LONGEST_DOMAIN: usize = 255;

/// One mailbox of an address header.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Address {
    /// Display name or comment, decoded and normalized; never empty.
    pub name: Option<String>,
    /// Local part without quoting; empty for `<>` and for a name alone.
    pub local: String,
    /// As written; empty for a local part alone.
    pub domain: String,
}

impl Address {
    /// `local@domain`, or only the local part, or nothing. Not quoted: it is for
    /// comparing and displaying, not for writing into a header.
    pub fn address(&self) -> String {
        if self.domain.is_empty() {
            return self.local.clone();
        }
        format!("{}@{}", self.local, self.domain)
    }

    /// `Name <address>`, or whichever of the two exists.
    pub fn display(&self) -> String {
        match &self.name {
            Some(name) if self.local.is_empty() && self.domain.is_empty() => name.clone(),
            Some(name) => format!("{name} <{}>", self.address()),
            None => self.address(),
        }
    }

    /// The address for comparing: case-folded, the domain canonical.
    pub fn canonical(&self) -> String {
        let local = fold::fold(&self.local);
        if self.domain.is_empty() {
            return local.into_owned();
        }
        format!("{local}@{}", domain::canonical(&self.domain))
    }
}

/// Whether a local part and a domain are longer than an address can be.
pub fn is_too_long(local: &str, domain: &str) -> bool {
    domain.len() > LONGEST_DOMAIN || local.len() + 1 + domain.len() > LONGEST
}

/// An address in the form of [`Address::canonical`], from one that a person wrote
/// into a rule or a list; also accepts `@domain` and a local part alone.
pub fn canonical(address: &str) -> Cow<'_, str> {
    match address.rsplit_once('@') {
        Some((local, domain)) => {
            Cow::Owned(format!("{}@{}", fold::fold(local), domain::canonical(domain)))
        }
        None => fold::fold(address),
    }
}

/// Splits `user+detail` at the first of the `delimiters` (RFC 5233 §2); a
/// leading delimiter belongs to the base.
pub fn split_detail<'a>(local: &'a str, delimiters: &str) -> (&'a str, Option<&'a str>) {
    let delimiter = |at: &(usize, char)| at.0 > 0 && delimiters.contains(at.1);
    match local.char_indices().find(delimiter) {
        Some((at, delimiter)) => (&local[..at], Some(&local[at + delimiter.len_utf8()..])),
        None => (local, None),
    }
}

#[cfg(test)]
mod tests;
