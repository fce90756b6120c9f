//! Which of the text that a border prints among its results the sender chose.
//!
//! A border that prints a signature's `i=`, a local part or a HELO unchanged lets
//! the sender write results: `header.i=a;dkim=pass header.d=bank.example`. The
//! header alone does not show this, but the message does: it has the same texts.
//! If one of them can be read as more than a value, a header is read up to the
//! place where such a text occurs, and no further. It is read on only if the
//! border has evidently quoted the text, so that all of it was read as one value.

mod collect;

use super::domain_of;
use super::grammar::{MethodResult, ResultsHeader};
use super::signature::Signature;
use crate::ascii_case::starts_with;
use crate::message::domain;

/// Where in the message a text of the sender's comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TextOrigin {
    Signature,
    Chain,
    EnvelopeSender,
    Helo,
    From,
}

impl TextOrigin {
    const ALL: [TextOrigin; 5] = [
        TextOrigin::Signature,
        TextOrigin::Chain,
        TextOrigin::EnvelopeSender,
        TextOrigin::Helo,
        TextOrigin::From,
    ];

    fn name(self) -> &'static str {
        match self {
            TextOrigin::Signature => "a DKIM-Signature",
            TextOrigin::Chain => "the ARC chain",
            TextOrigin::EnvelopeSender => "the envelope sender",
            TextOrigin::Helo => "the HELO",
            TextOrigin::From => "the From header",
        }
    }

    /// Where the text of a property comes from.
    fn of(method: &str, property: &str) -> Option<TextOrigin> {
        let (ptype, name) = property.split_once('.')?;
        match (method, ptype, name) {
            ("arc", ..) => Some(TextOrigin::Chain),
            (_, "smtp", "mailfrom" | "mail" | "envelope-from") => Some(TextOrigin::EnvelopeSender),
            (_, "smtp", "helo" | "ehlo") => Some(TextOrigin::Helo),
            (_, "header", "from" | "sender" | "resent-from") => Some(TextOrigin::From),
            (_, "header", _) => Some(TextOrigin::Signature),
            _ => None,
        }
    }
}

/// The texts of one origin.
#[derive(Debug, Default)]
struct Texts {
    /// Texts that can only be read as one value.
    plain: Vec<String>,
    ambiguous: Vec<String>,
    /// There are more texts than were read.
    incomplete: bool,
}

impl Texts {
    fn add(&mut self, text: String, ambiguous: bool) {
        match ambiguous {
            true => self.ambiguous.push(text),
            false => self.plain.push(text),
        }
    }

    /// Whether none of them can be read as more than one value.
    fn are_plain(&self) -> bool {
        self.ambiguous.is_empty() && !self.incomplete
    }

    /// Whether a value that was read is one of the texts in full, not the
    /// beginning of an ambiguous one.
    fn hold(&self, value: &str) -> bool {
        let is = |text: &String| text.eq_ignore_ascii_case(value);
        !self.incomplete
            && !self.ambiguous.iter().any(|text| !is(text) && starts_with(text, value))
            && (self.plain.iter().any(is) || self.ambiguous.iter().any(is))
    }
}

/// The texts of one message that its sender chose.
#[derive(Debug, Default)]
pub struct SenderText {
    signatures: Vec<Signature>,
    texts: [Texts; TextOrigin::ALL.len()],
}

impl SenderText {
    /// Removes from a header a text of the sender's that could be read as
    /// results, and everything after it. Returns why.
    pub fn cut(&self, header: &mut ResultsHeader) -> Option<String> {
        for at in 0..header.results.len() {
            let Some((properties, origin)) = self.place_in(&header.results[at]) else { continue };
            let result = &mut header.results[at];
            let place = match result.properties.get(properties) {
                Some((name, _)) => format!("`{name}`"),
                None => "a comment".to_owned(),
            };
            result.properties.truncate(properties);
            result.flaw = Some("it contains text that the sender chose");
            result.cut = true;
            header.results.truncate(at + 1);
            return Some(format!(
                "read up to {place} only: the sender could have written what follows, {} contains text that can be read as results",
                origin.name()
            ));
        }
        None
    }

    /// The number of properties of a result before such a text, and its origin.
    fn place_in(&self, result: &MethodResult) -> Option<(usize, TextOrigin)> {
        for at in 0..=result.properties.len() {
            let comments = result.comments.iter().filter(|(place, _)| *place == at);
            for (_, comment) in comments {
                if let Some(origin) = self.in_comment(&result.method, comment) {
                    return Some((at, origin));
                }
            }
            if let Some((name, value)) = result.properties.get(at)
                && let Some(origin) = self.in_property(result, name, value)
            {
                return Some((at, origin));
            }
        }
        None
    }

    fn in_property(&self, result: &MethodResult, name: &str, value: &str) -> Option<TextOrigin> {
        let begins = |origin: &TextOrigin| {
            let texts = &self.texts[*origin as usize];
            texts.ambiguous.iter().any(|text| is_beginning(value, text))
        };
        // Cisco's gateways write it of a message that is not signed.
        let nothing = self.signatures.is_empty() && result.result == "none" && value == "none";
        match TextOrigin::of(&result.method, name) {
            Some(TextOrigin::Signature) if name != "header.i" && name != "header.d" => {
                TextOrigin::ALL.into_iter().find(begins)
            }
            Some(origin) => {
                let texts = &self.texts[origin as usize];
                let ambiguous = !texts.are_plain() && !texts.hold(value);
                let unknown = name == "header.i"
                    && origin == TextOrigin::Signature
                    && !value.starts_with('@')
                    && !nothing
                    && !texts.hold(value);
                (ambiguous || unknown).then_some(origin)
            }
            None => TextOrigin::ALL.into_iter().find(begins),
        }
    }

    /// Comments name the envelope sender and the HELO (`domain of a@b
    /// designates`), and who sealed a chain. A text that a comment does not hold
    /// in full has ended that comment.
    fn in_comment(&self, method: &str, comment: &str) -> Option<TextOrigin> {
        let named: &[TextOrigin] = match method {
            "dkim" | "dmarc" => &[],
            "arc" => &[TextOrigin::Chain],
            _ => &[TextOrigin::EnvelopeSender, TextOrigin::Helo],
        };
        let ends = |origin: &TextOrigin| {
            let texts = &self.texts[*origin as usize];
            texts.incomplete
                || texts
                    .ambiguous
                    .iter()
                    .any(|text| text.contains(['(', ')', '\\']) && !comment.contains(text.as_str()))
        };
        let begins = |origin: &TextOrigin| {
            let texts = &self.texts[*origin as usize];
            texts.ambiguous.iter().any(|text| {
                let beginning = text.split(['(', ')', '\\']).next().unwrap_or_default();
                beginning.len() >= 3
                    && beginning.len() < text.len()
                    && comment.contains(beginning)
                    && !comment.contains(text.as_str())
            })
        };
        named.iter().copied().find(ends).or_else(|| TextOrigin::ALL.into_iter().find(begins))
    }

    /// Names a text that could have misled a border that extracts others' results
    /// from a header, or domains from an address: what it concludes from them is
    /// no better than they are.
    pub fn misleads(&self) -> Option<&'static str> {
        let misleading = |origin: &TextOrigin| !self.texts[*origin as usize].are_plain();
        let origins =
            [TextOrigin::Signature, TextOrigin::EnvelopeSender, TextOrigin::Helo, TextOrigin::From];
        origins.into_iter().find(misleading).map(TextOrigin::name)
    }

    /// Everything that a border could take for a domain of From.
    pub fn from_domains(&self) -> impl Iterator<Item = &str> {
        self.texts[TextOrigin::From as usize].plain.iter().map(String::as_str)
    }

    /// Checks that the envelope sender and the HELO in a `Received-SPF` line are
    /// complete.
    ///
    /// # Errors
    /// Why one of them is not, in words.
    pub fn check_complete(
        &self,
        sender: Option<&str>,
        helo: Option<&str>,
    ) -> Result<(), &'static str> {
        let whole = |origin: TextOrigin, value: Option<&str>| {
            let texts = &self.texts[origin as usize];
            texts.are_plain() || value.is_some_and(|value| texts.hold(value))
        };
        match (whole(TextOrigin::EnvelopeSender, sender), whole(TextOrigin::Helo, helo)) {
            (true, true) => Ok(()),
            (false, _) => {
                Err("the envelope sender contains text that can be read as more than one value")
            }
            (_, false) => Err("the HELO contains text that can be read as more than one value"),
        }
    }

    /// The domain of the signature that a result is about: `header.d` equals its
    /// `d=`, or else `header.i` is within it, and `header.b` is the beginning of
    /// its `b=`. `None` if the message has no such signature.
    pub fn signer(&self, result: &MethodResult) -> Option<&str> {
        let identity = match result.property("header.i") {
            Some(identity) => Some(domain_of(identity)?),
            None => None,
        };
        let signer = result.property("header.d").map(domain::canonical);
        let data = result.property("header.b");
        let fits = |signature: &&Signature| {
            let domain = signature.domain.as_str();
            let within = |name: &str| {
                let sub = name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
                name == domain || sub
            };
            !domain.is_empty()
                && signer.as_deref().is_none_or(|signer| signer == domain)
                && identity.as_deref().is_none_or(within)
                && data.is_none_or(|data| signature.data.starts_with(data))
        };
        let found = self.signatures.iter().filter(fits).map(|signature| signature.domain.as_str());
        // The longest is the closest to `header.i`.
        found.max_by_key(|domain| domain.len())
    }
}

/// Whether a value of the border's own is the beginning of an ambiguous text;
/// with one or two letters that may be chance.
fn is_beginning(value: &str, text: &str) -> bool {
    value.len() >= 3 && value.len() < text.len() && starts_with(text, value)
}

#[cfg(test)]
mod tests;
