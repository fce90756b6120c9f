//! Collects from a message the texts that its sender chose and a border may print.

use super::{SenderText, TextOrigin, Texts};
use crate::classify::Mail;
use crate::classify::authentication::domain_of;
use crate::classify::authentication::signature::{Signature, is_ambiguous};
use crate::classify::received;
use crate::message::cfws::{Piece, pieces};
use crate::message::head::Head;
use crate::message::unfold::unfold;

/// Further signatures are not read; what borders print then is not relied on.
const MOST_SIGNATURES: usize = 100;

/// Further addresses of From are not read.
const MOST_ADDRESSES: usize = 1000;

/// How much is read of what follows an `@`, in characters.
const LONGEST_ADDRESS: usize = 1000;

/// The longest header that is read, in bytes. Longer ones are ambiguous.
const LONGEST_HEADER: usize = 64 << 10;

impl SenderText {
    /// Collects the texts.
    pub fn of(mail: &Mail<'_>) -> SenderText {
        let head = mail.message.head();
        let mut found = SenderText::default();
        found.signatures = found.add_signatures(head, "dkim-signature", TextOrigin::Signature);
        found.add_signatures(head, "arc-seal", TextOrigin::Chain);
        found.add_signatures(head, "arc-message-signature", TextOrigin::Chain);
        if let Some(sender) = &mail.envelope_sender {
            found.add_envelope_sender(sender);
        }
        // Borders print one of any length.
        found.texts(TextOrigin::EnvelopeSender).incomplete |= mail.has_long_sender;
        found.add_helo(mail);
        for value in head.values("from").take(MOST_SIGNATURES) {
            found.add_from(&text_of(value));
            found.texts(TextOrigin::From).incomplete |= value.len() > LONGEST_HEADER;
        }
        found
    }

    fn texts(&mut self, origin: TextOrigin) -> &mut Texts {
        &mut self.texts[origin as usize]
    }

    fn add_signatures(&mut self, head: &Head, name: &str, origin: TextOrigin) -> Vec<Signature> {
        let mut values = head.values(name);
        let texts = self.texts(origin);
        let mut signatures = Vec::new();
        for value in values.by_ref().take(MOST_SIGNATURES) {
            if value.len() > LONGEST_HEADER {
                texts.incomplete = true;
                continue;
            }
            let signature = Signature::parse(&text_of(value));
            for text in &signature.ambiguous {
                texts.add(text.clone(), true);
            }
            texts.add(signature.identity.clone(), false);
            if !signature.encoded_identity.is_empty() {
                texts.add(signature.encoded_identity.clone(), false);
            }
            texts.add(signature.domain.clone(), false);
            signatures.push(signature);
        }
        texts.incomplete |= values.next().is_some();
        signatures
    }

    /// Adds the address with and without the quotes of RFC 5321 §4.1.2.
    fn add_envelope_sender(&mut self, sender: &str) {
        let texts = self.texts(TextOrigin::EnvelopeSender);
        let bare = unquoted(sender);
        let ambiguous = is_ambiguous(&bare) || bare.matches('@').count() > 1;
        if bare != sender {
            texts.add(sender.to_owned(), ambiguous);
        }
        texts.add(bare, ambiguous);
        if let Some(domain) = domain_of(sender) {
            texts.add(domain, false);
        }
    }

    fn add_helo(&mut self, mail: &Mail<'_>) {
        let plain = |text: &str| {
            text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:[]".contains(c) || !c.is_ascii())
        };
        let texts = self.texts(TextOrigin::Helo);
        if let Some(helo) = (mail.variable)("CLIENT_HELO") {
            let ambiguous = !plain(&helo);
            texts.add(helo, ambiguous);
        }
        let head = mail.message.head();
        let border = mail.trace_lines().border_start;
        for line in head.named("received").take(MOST_SIGNATURES) {
            // Whoever handed over to our own machines is checked alike: it costs
            // nothing, and the border may be another than we think.
            if border.is_none_or(|border| line.range.start > border) {
                break;
            }
            // If a HELO contains the words of other clauses (`by x;spf=pass`), or
            // a parenthesis that begins or ends a comment, nobody knows where it
            // ends.
            let text = text_of(line.value);
            texts.incomplete |= received::parse(line.value).ambiguous || has_odd_parenthesis(&text);
            let (words, comments) = from_clause(&text);
            texts.add(words.join(" "), !words.iter().all(|word| plain(word)));
            for helo in comments.iter().filter_map(|comment| helo_in_comment(comment)) {
                texts.add(helo.to_owned(), !plain(helo));
            }
        }
    }

    /// Adds what a border could take for the domain of each address.
    fn add_from(&mut self, text: &str) {
        let texts = self.texts(TextOrigin::From);
        let mut signs = text.match_indices('@');
        for (at, _) in signs.by_ref().take(MOST_ADDRESSES) {
            let rest = &text[at + 1..];
            let long = rest.char_indices().nth(LONGEST_ADDRESS).map_or(rest.len(), |char| char.0);
            let rest = &rest[..long];
            let end = rest.find([' ', '\t', '\r', '\n', '>', ',', '"']).unwrap_or(rest.len());
            let (name, following) = rest.split_at(end);
            let goes_on = pieces(following).find_map(|piece| match piece {
                Piece::Word(word) => Some(word.starts_with('.')),
                Piece::Comment(_) => None,
            });
            let ambiguous = name.trim_end_matches(';').contains([';', '(', ')', '=', '\\', '<']);
            texts.add(name.to_owned(), ambiguous || goes_on == Some(true));
        }
        texts.incomplete |= signs.next().is_some();
    }
}

fn text_of(value: &[u8]) -> String {
    let value = &value[..value.len().min(LONGEST_HEADER)];
    String::from_utf8_lossy(&unfold(value)).into_owned()
}

/// The local part without the quotes of RFC 5321 §4.1.2.
fn unquoted(address: &str) -> String {
    match address.rsplit_once('@') {
        Some((local, domain)) if local.len() > 1 && local.starts_with('"') => {
            let inside = local.trim_matches('"');
            let mut text = String::with_capacity(inside.len());
            let mut chars = inside.chars();
            while let Some(char) = chars.next() {
                text.push(if char == '\\' { chars.next().unwrap_or(char) } else { char });
            }
            format!("{text}@{domain}")
        }
        _ => address.to_owned(),
    }
}

/// Whether the parentheses do not balance, or one may be escaped.
fn has_odd_parenthesis(text: &str) -> bool {
    let mut depth = 0_usize;
    for byte in text.bytes() {
        match byte {
            b'(' => depth += 1,
            b')' if depth > 0 => depth -= 1,
            b')' | b'\\' => return true,
            _ => {}
        }
    }
    depth > 0
}

/// The words and the comments of a Received line's `from` clause. A HELO may have
/// made more than one word of it.
fn from_clause(text: &str) -> (Vec<&str>, Vec<&str>) {
    let (mut words, mut comments) = (Vec::new(), Vec::new());
    let mut pieces = pieces(text);
    match pieces.next() {
        Some(Piece::Word(word)) if word.eq_ignore_ascii_case("from") => {}
        _ => return (words, comments),
    }
    for piece in pieces {
        match piece {
            Piece::Word(word) => {
                let ends = ["by", "via", "with"].iter().any(|end| word.eq_ignore_ascii_case(end));
                if ends && !words.is_empty() {
                    break;
                }
                words.push(word);
            }
            Piece::Comment(comment) => comments.push(comment),
        }
    }
    (words, comments)
}

/// `(HELO name)`, `([192.0.2.1] helo=name)`
fn helo_in_comment(comment: &str) -> Option<&str> {
    let start = comment.get(..5).is_some_and(|start| {
        start.eq_ignore_ascii_case("helo ") || start.eq_ignore_ascii_case("ehlo ")
    });
    match start {
        true => comment.get(5..).map(str::trim),
        false => comment.split_once("helo=").map(|(_, helo)| helo.trim()),
    }
}
