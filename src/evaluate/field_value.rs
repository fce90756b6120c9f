//! The values of a field, in the forms in which they are compared, inserted and shown.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::net::IpAddr;
use std::rc::Rc;

use crate::message::address::Address;
use crate::message::number::first_number;
use crate::message::text::Text;
use crate::rules::address_list::AddressList;
use crate::rules::program::Network;

/// All values of one field, in the order of the message.
pub(super) struct Values<'m>(pub(super) Vec<FieldValue<'m>>);

/// One value.
pub(super) enum FieldValue<'m> {
    /// Text as people read it.
    Text(Cow<'m, Text>),
    /// Text as people read it, as one of the headers with the same name.
    Header(Rc<[Text]>, usize),
    /// A domain in its canonical form.
    Domain(Text),
    /// An address.
    Address(AddressValue),
    /// A number and how people write it.
    Number(f64, String),
}

/// An address in the two forms that are used for comparing.
pub(super) struct AddressValue {
    /// All addresses that were read together, and the index of this one.
    all: Rc<[Address]>,
    at: usize,
    canonical: OnceCell<String>,
    display: OnceCell<Text>,
}

impl<'m> Values<'m> {
    /// A single number.
    pub(super) fn number(number: f64) -> Values<'m> {
        Values(vec![FieldValue::Number(number, format!("{number}"))])
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, FieldValue<'m>> {
        self.0.iter()
    }

    /// The values for the trace of a test that none of them matched.
    pub(super) fn shown(&self) -> String {
        const MOST: usize = 3;
        if self.0.is_empty() {
            return "empty or missing".into();
        }
        let mut shown: Vec<String> = self.iter().take(MOST).map(FieldValue::shown).collect();
        if self.0.len() > MOST {
            shown.push(format!("{} more", self.0.len() - MOST));
        }
        shown.join(", ")
    }
}

impl AddressValue {
    pub(super) fn new(all: &Rc<[Address]>, at: usize) -> AddressValue {
        let (canonical, display) = (OnceCell::new(), OnceCell::new());
        AddressValue { all: Rc::clone(all), at, canonical, display }
    }

    fn address(&self) -> &Address {
        static NONE: Address = Address { name: None, local: String::new(), domain: String::new() };
        self.all.get(self.at).unwrap_or(&NONE)
    }

    fn canonical(&self) -> &str {
        self.canonical.get_or_init(|| self.address().canonical())
    }

    fn display(&self) -> &Text {
        self.display.get_or_init(|| Text::new(&self.address().display()))
    }
}

impl<'m> FieldValue<'m> {
    pub(super) fn text(text: &str) -> FieldValue<'m> {
        FieldValue::Text(Cow::Owned(Text::new(text)))
    }

    /// The text of a value that is nothing but text.
    fn as_text(&self) -> Option<&Text> {
        match self {
            FieldValue::Text(text) => Some(text),
            FieldValue::Header(all, at) => all.get(*at),
            FieldValue::Domain(domain) => Some(domain),
            FieldValue::Address(_) | FieldValue::Number(..) => None,
        }
    }

    /// The folded text, for `is`, `starts`, `ends`, `like`; for an address, without its
    /// display name.
    pub(super) fn exact(&self) -> &str {
        match self {
            FieldValue::Address(of) => of.canonical(),
            FieldValue::Number(_, text) => text,
            _ => self.as_text().map_or("", Text::folded),
        }
    }

    /// The folded text, for `contains`; for an address, with its display name.
    pub(super) fn wide(&self) -> &str {
        match self {
            FieldValue::Address(of) => of.display().folded(),
            _ => self.exact(),
        }
    }

    /// The text in its own case, for patterns; for an address, with its display name.
    pub(super) fn readable(&self) -> &str {
        match self {
            FieldValue::Address(of) => of.display().text(),
            FieldValue::Number(_, text) => text,
            _ => self.as_text().map_or("", Text::text),
        }
    }

    /// The text with ASCII letters in lower case, if that is cheap to get.
    pub(super) fn ascii_lower(&self) -> Option<Cow<'_, str>> {
        match self {
            FieldValue::Address(of) => of.display().ascii_lower(),
            FieldValue::Number(_, text) => Some(Cow::Owned(text.to_ascii_lowercase())),
            _ => self.as_text().and_then(Text::ascii_lower),
        }
    }

    /// What `{field}` inserts; for an address, without its display name.
    pub(super) fn inserted(&self) -> String {
        match self {
            FieldValue::Address(of) => of.address().address(),
            _ => self.readable().to_owned(),
        }
    }

    /// The number, or the first one in the text.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            FieldValue::Number(number, _) => Some(*number),
            _ => first_number(self.readable()),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.exact().trim().is_empty()
    }

    pub(super) fn is_in(&self, list: &AddressList) -> bool {
        match self {
            FieldValue::Address(_) => list.matches(self.exact()),
            FieldValue::Domain(_) => list.matches_domain(self.exact()),
            _ => list.matches_text(self.exact()),
        }
    }

    pub(super) fn is_in_network(&self, networks: &[Network]) -> bool {
        let Ok(address) = self.readable().parse::<IpAddr>() else { return false };
        let bits = match address {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => address.octets(),
        };
        networks.iter().any(|network| (network.first..=network.last).contains(&bits))
    }

    /// The value for the trace: short, and in quotes if it is text.
    pub(super) fn shown(&self) -> String {
        const LONGEST: usize = 60;
        let text = match self {
            FieldValue::Number(_, text) => return text.clone(),
            _ => self.readable(),
        };
        let (text, more) = match text.char_indices().nth(LONGEST) {
            Some((end, _)) => (&text[..end], "…"),
            None => (text, ""),
        };
        format!("\"{}{more}\"", text.replace('\n', " "))
    }
}
