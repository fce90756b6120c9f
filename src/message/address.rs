//! Addresses of RFC 5322 §3.4, as real mail has them.
//!
//! We tried mail-parser's reader first. It is fast, but takes the quoted local
//! part of `"a b"@example.jp`, and a local part alone, for a name; it keeps the
//! `>` of `a@b>`; and it decodes each encoded word separately, so that a split
//! character is lost. So we have our own reader: one pass produces pieces, and
//! each element's pieces form a mailbox.

use std::borrow::Cow;

use crate::message::encoded_word::{self, EncodedWord};
use crate::message::gather::{self, Budget};
use crate::message::{charset, domain, fold, head, unfold};

/// The most words of a name; more are left out, so that a header of blanks and
/// letters does not cost many times its size.
const MOST_PIECES: usize = 2000;

/// How many words a name with unquoted commas may have.
const MOST_NAMES: usize = 50;

/// What the mailboxes of one header, or of all headers of one name, may cost
/// together: about three thousand mailboxes. A mailbox costs `MAILBOX` plus two
/// per byte.
pub const LIST_LIMIT: usize = 1 << 20;

/// The minimum cost of a mailbox, since several copies of it are made.
const MAILBOX: usize = 256;

/// How much is read of one header, bytes.
const RAW_LIMIT: usize = 256 << 10;

/// How much is read of a display name, bytes.
const NAME_LIMIT: usize = 4 << 10;

/// The longest address, bytes: a local part of 64, the `@`, a domain of 255 (RFC
/// 5321 §4.5.3.1). Real senders do not respect the 64, so only the whole and the
/// domain are checked.
const LONGEST: usize = 320;

/// The longest domain, bytes.
const LONGEST_DOMAIN: usize = 255;

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

/// Reads an address header's value: RFC 5322 §3.4 with groups, comments and the
/// obsolete syntax of §4.4, raw UTF-8 (RFC 6532), encoded words (RFC 2047). A
/// name without an address and the null address `<>` are mailboxes with empty
/// parts; a group without members produces nothing. Text that is longer than an
/// address can be is not an address: only its name is kept. Never fails; what
/// costs more than [`LIST_LIMIT`] is left out.
pub fn parse_list(raw: &[u8]) -> Vec<Address> {
    parse_within(raw, &mut Budget::new(LIST_LIMIT))
}

/// The same, as far as the budget allows. No mailbox is cut: one that does not
/// fit is left out as a whole.
pub fn parse_within(raw: &[u8], budget: &mut Budget) -> Vec<Address> {
    let (raw, cut) = gather::prefix(raw, RAW_LIMIT);
    if cut {
        budget.cut();
    }
    let unfolded = unfold::unfold(raw);
    let text = charset::guess(&unfolded, None);
    let mut parser = Parser {
        text: &text,
        at: 0,
        gap: false,
        quotes: true,
        comments: true,
        cut,
        budget,
        pieces: Vec::new(),
        angle: None,
        found: Vec::new(),
    };
    parser.list();
    parser.found
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TokenKind {
    Atom,
    Encoded,
    Quoted,
    Comment,
    /// It may belong to a name, or separate mailboxes.
    Comma,
}

/// A piece of an element.
#[derive(Debug)]
struct AddressPiece<'a> {
    kind: TokenKind,
    /// Without quotes and parentheses.
    text: Cow<'a, str>,
    /// White space comes before it.
    gap: bool,
}

/// An addr-spec, unquoted, and where its `@` is.
#[derive(Debug, Default)]
struct Spec {
    text: String,
    at: Option<usize>,
}

impl Spec {
    fn push(&mut self, text: &str, kind: TokenKind) {
        if kind == TokenKind::Atom
            && let Some(at) = text.rfind('@')
        {
            self.at = Some(self.text.len() + at);
        }
        self.text.push_str(text);
    }

    fn split(mut self) -> (String, String) {
        let Some(at) = self.at else { return (self.text, String::new()) };
        let domain = self.text.split_off(at + 1);
        self.text.truncate(at);
        (self.text, domain)
    }
}

struct Parser<'a, 'b> {
    text: &'a str,
    at: usize,
    gap: bool,
    /// Off once an unclosed one has been found: no later one can be closed, and
    /// searching again would take quadratic time.
    quotes: bool,
    /// The same for comments.
    comments: bool,
    /// The text ends before the header does.
    cut: bool,
    budget: &'b mut Budget,
    pieces: Vec<AddressPiece<'a>>,
    /// The content of `<…>`, and the number of pieces before it.
    angle: Option<(Spec, usize)>,
    found: Vec<Address>,
}

impl<'a> Parser<'a, '_> {
    fn list(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' => self.skip(),
                b',' if self.is_name_so_far() => {
                    self.piece(TokenKind::Comma, Cow::Borrowed(","));
                    self.skip();
                }
                b',' | b';' => {
                    self.skip();
                    self.end_element();
                }
                b':' => {
                    self.skip();
                    let name_only = !self.pieces.iter().any(|piece| piece.text.contains('@'));
                    if self.angle.is_none() && name_only {
                        self.pieces.clear();
                    }
                }
                b'<' => {
                    if self.angle.is_some() {
                        self.end_element();
                    }
                    self.angle();
                }
                b'>' | b')' => self.skip(),
                _ => match self.quoted().or_else(|| self.comment()).or_else(|| self.encoded()) {
                    Some((kind, text)) => self.piece(kind, text),
                    None => self.atom(),
                },
            }
        }
        if !self.cut {
            self.end_element();
        }
    }

    /// Stops reading and drops the current element: anything further that looks
    /// like an address may be part of a name.
    fn stop(&mut self) {
        self.at = self.text.len();
        self.cut = true;
    }

    /// Whether nothing in the element looks like an address so far: `Example,
    /// Inc. <a@b>` is one mailbox, though its name should be quoted.
    fn is_name_so_far(&self) -> bool {
        self.angle.is_none()
            && !self.pieces.is_empty()
            && self.pieces.len() < MOST_NAMES
            && !self.pieces.iter().any(|piece| piece.text.contains('@'))
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip(&mut self) {
        self.at += 1;
        self.gap = true;
    }

    fn piece(&mut self, kind: TokenKind, text: Cow<'a, str>) {
        let count = self.pieces.len();
        if count < MOST_PIECES || text.contains('@') {
            self.pieces.push(AddressPiece { kind, text, gap: self.gap });
        }
        self.gap = false;
    }

    /// A quoted string, RFC 5322 §3.2.4.
    fn quoted(&mut self) -> Option<(TokenKind, Cow<'a, str>)> {
        if !self.quotes || self.peek() != Some(b'"') {
            return None;
        }
        let start = self.at + 1;
        match enclosed(&self.text[start..], None, b'"') {
            Some(length) => {
                self.at = start + length + 1;
                Some((TokenKind::Quoted, unescaped(&self.text[start..start + length])))
            }
            None => {
                self.quotes = false;
                if self.cut {
                    self.stop();
                }
                None
            }
        }
    }

    /// A comment, RFC 5322 §3.2.2.
    fn comment(&mut self) -> Option<(TokenKind, Cow<'a, str>)> {
        if !self.comments || self.peek() != Some(b'(') {
            return None;
        }
        let start = self.at + 1;
        match enclosed(&self.text[start..], Some(b'('), b')') {
            Some(length) => {
                self.at = start + length + 1;
                Some((TokenKind::Comment, unescaped(&self.text[start..start + length])))
            }
            None => {
                self.comments = false;
                if self.cut {
                    self.stop();
                }
                None
            }
        }
    }

    /// An encoded word, whose text may contain anything.
    fn encoded(&mut self) -> Option<(TokenKind, Cow<'a, str>)> {
        let word = EncodedWord::at(self.text.as_bytes(), self.at)?;
        let text = self.text.get(self.at..word.end)?;
        self.at = word.end;
        Some((TokenKind::Encoded, Cow::Borrowed(text)))
    }

    /// Up to white space or a special character. An unclosed quote or parenthesis
    /// is skipped.
    fn atom(&mut self) {
        let bytes = self.text.as_bytes();
        let start = self.at;
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b' ' | b'\t' | b',' | b';' | b':' | b'<' | b'>' | b'(' | b')' | b'"' => break,
                b'=' if self.at > start && EncodedWord::at(bytes, self.at).is_some() => break,
                b'[' if self.at > start && bytes[self.at - 1] == b'@' => self.literal(),
                b'\\' => self.at = next_char(self.text, self.at + 1),
                _ => self.at += 1,
            }
        }
        if self.at == start {
            return self.skip();
        }
        self.piece(TokenKind::Atom, Cow::Borrowed(&self.text[start..self.at]));
    }

    /// RFC 5322 §3.4.1: the colons of `[IPv6:…]` do not start a group.
    fn literal(&mut self) {
        let inside = |byte: &u8| byte.is_ascii_graphic() && !b"<>,;\"()@[]".contains(byte);
        let bytes = &self.text.as_bytes()[self.at + 1..];
        let length = bytes.iter().take_while(|byte| inside(byte)).count();
        self.at += if bytes.get(length) == Some(&b']') { length + 2 } else { 1 };
    }

    /// `<addr-spec>`, with an obsolete route before it (RFC 5322 §4.4). A missing
    /// `>` is assumed at the end of the element or before the next `<`.
    fn angle(&mut self) {
        self.skip();
        let mut spec = Spec::default();
        while let Some(byte) = self.peek() {
            let route = spec.at == Some(0) || spec.text.starts_with('@');
            match byte {
                b' ' | b'\t' => self.at += 1,
                b'>' => {
                    self.at += 1;
                    break;
                }
                b':' if route => {
                    spec = Spec::default();
                    self.at += 1;
                }
                b',' if route => self.at += 1,
                b';' if spec.at.is_none() && spec.text.ends_with(':') => {
                    // `<undisclosed-recipients:;@host>`, a group: nobody
                    self.at += self.text[self.at..].find('>').map_or(1, |end| end + 1);
                    self.gap = true;
                    return;
                }
                b'<' | b',' | b';' => break,
                _ => match self.quoted().or_else(|| self.comment()) {
                    Some((TokenKind::Quoted, text)) => spec.push(&text, TokenKind::Quoted),
                    Some(_) => {}
                    None => {
                        let next = next_char(self.text, self.at);
                        spec.push(&self.text[self.at..next], TokenKind::Atom);
                        self.at = next;
                    }
                },
            }
        }
        self.gap = true;
        // `<mailto:user@host>`
        const SCHEME: &str = "mailto:";
        if spec.text.get(..SCHEME.len()).is_some_and(|it| it.eq_ignore_ascii_case(SCHEME))
            && let Some(at) = spec.at.and_then(|at| at.checked_sub(SCHEME.len()))
        {
            spec = Spec { text: spec.text.split_off(SCHEME.len()), at: Some(at) };
        }
        self.angle = Some((spec, self.pieces.len()));
    }

    fn end_element(&mut self) {
        let pieces = std::mem::take(&mut self.pieces);
        match self.angle.take() {
            Some((spec, _)) if spec.at.is_none() && commas(&pieces) => {
                // `root, <postmaster>`: each is only a local part.
                let last = pieces.iter().rposition(|piece| piece.kind == TokenKind::Comma);
                let (names, name) = pieces.split_at(last.map_or(0, |at| at + 1));
                self.bare_list(names);
                let name = self.phrase(name);
                self.found(name, spec);
            }
            Some((spec, before)) => {
                let (before, after) = pieces.split_at(before.min(pieces.len()));
                let name = self.phrase(before).or_else(|| self.phrase(after));
                self.found(name, spec);
            }
            None => self.bare_list(&pieces),
        }
    }

    /// Elements that are separated by commas after all.
    fn bare_list(&mut self, pieces: &[AddressPiece<'a>]) {
        for element in pieces.split(|piece| piece.kind == TokenKind::Comma) {
            self.bare(element);
        }
    }

    /// Adds a mailbox. If its address is too long to be one, or has no local
    /// part, only the name is kept.
    fn found(&mut self, name: Option<String>, spec: Spec) {
        let (mut local, mut domain) = spec.split();
        let is_host = local.is_empty() && !domain.is_empty();
        if is_host || is_too_long(&local, &domain) {
            if name.is_none() {
                return;
            }
            (local, domain) = (String::new(), String::new());
        }
        let bytes = local.len() + domain.len() + name.as_ref().map_or(0, String::len);
        if self.budget.spend(MAILBOX + 2 * bytes) {
            self.found.push(Address { name, local, domain });
        } else {
            self.stop();
        }
    }

    /// An element without `<…>`: `a@b`, `a@b (Name)`, `Name a@b`, `a@b c@d`,
    /// `root`, or only a name.
    fn bare(&mut self, pieces: &[AddressPiece<'a>]) {
        let words = if self.budget.is_spent() { Vec::new() } else { words(pieces) };
        let last_address = words.iter().rposition(|word| word.spec.at.is_some());
        let count = words.len();
        let mut named = 0;
        for (number, word) in words.into_iter().enumerate() {
            let lone = count == 1 && word.is_local_part;
            if word.spec.at.is_none() && !lone {
                continue;
            }
            if self.budget.is_spent() {
                return;
            }
            let after = &pieces[word.end..];
            let comments = match last_address {
                Some(last) if number < last => {
                    after.iter().take_while(|piece| piece.kind == TokenKind::Comment).count()
                }
                _ => after.len(),
            };
            let before = self.phrase(&pieces[named..word.start]);
            let name = before.or_else(|| self.phrase(&after[..comments]));
            named = word.end + comments;
            self.found(name, word.spec);
        }
        let only_comments = pieces.iter().all(|piece| piece.kind == TokenKind::Comment);
        if named == 0
            && !only_comments
            && let Some(name) = self.phrase(pieces)
        {
            self.found(Some(name), Spec::default());
        }
    }

    /// A display name, decoded; if there are only comments, their text.
    fn phrase(&mut self, pieces: &[AddressPiece<'_>]) -> Option<String> {
        let only_comments = pieces.iter().all(|piece| piece.kind == TokenKind::Comment);
        let mut raw = String::new();
        for piece in pieces {
            if !raw.is_empty() && (piece.gap || only_comments) {
                raw.push(' ');
            }
            if piece.kind == TokenKind::Comment && !only_comments {
                raw.extend(["(", &piece.text, ")"]);
            } else {
                raw.push_str(&piece.text);
            }
        }
        if raw.len() > NAME_LIMIT {
            raw.truncate(gather::floor(&raw, NAME_LIMIT));
            self.budget.cut();
        }
        let raw = raw.trim_end_matches([',', ' ']);
        let name = head::one_line(&encoded_word::decode_text(raw));
        (!name.is_empty()).then_some(name)
    }
}

fn commas(pieces: &[AddressPiece<'_>]) -> bool {
    pieces.iter().any(|piece| piece.kind == TokenKind::Comma)
}

/// Pieces that form one address, as in `"a b"@example.jp` and the obsolete `a . b
/// @ example . jp`.
struct JoinedPieces {
    spec: Spec,
    start: usize,
    end: usize,
    /// It can be a local part without a domain.
    is_local_part: bool,
}

fn words(pieces: &[AddressPiece<'_>]) -> Vec<JoinedPieces> {
    let mut words: Vec<JoinedPieces> = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        if piece.kind == TokenKind::Comment {
            continue;
        }
        let atom = piece.kind == TokenKind::Atom;
        let is_local_part = atom || (piece.kind == TokenKind::Quoted && !piece.text.contains(' '));
        let joins = words.last().is_some_and(|word| {
            let before = &pieces[word.end - 1];
            let adjacent = at == word.end && !piece.gap;
            let opens = before.kind == TokenKind::Atom
                && (before.text.ends_with('@') || before.text == ".");
            adjacent || opens || (atom && piece.text.starts_with(['@', '.']))
        });
        match words.last_mut().filter(|_| joins) {
            Some(word) => {
                word.spec.push(&piece.text, piece.kind);
                word.end = at + 1;
                word.is_local_part &= is_local_part;
            }
            None => {
                let mut spec = Spec::default();
                spec.push(&piece.text, piece.kind);
                words.push(JoinedPieces { spec, start: at, end: at + 1, is_local_part });
            }
        }
    }
    words
}

/// The length up to the `close` that is not escaped and, if `open` can nest, does
/// not belong to an inner pair.
fn enclosed(text: &str, open: Option<u8>, close: u8) -> Option<usize> {
    let mut depth = 0_usize;
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        if byte == b'\\' {
            bytes.next();
        } else if byte == close {
            if depth == 0 {
                return Some(at);
            }
            depth -= 1;
        } else if Some(byte) == open {
            depth += 1;
        }
    }
    None
}

/// Removes the backslashes of quoted pairs (RFC 5322 §3.2.1).
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.push(if c == '\\' { chars.next().unwrap_or(c) } else { c });
    }
    Cow::Owned(plain)
}

/// The offset after the character at `at`.
fn next_char(text: &str, at: usize) -> usize {
    let length = text.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    (at + length).min(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `name|local|domain` of each.
    fn read(raw: &str) -> Vec<String> {
        read_bytes(raw.as_bytes())
    }

    fn read_bytes(raw: &[u8]) -> Vec<String> {
        parse_list(raw)
            .into_iter()
            .map(|each| format!("{}|{}|{}", each.name.unwrap_or_default(), each.local, each.domain))
            .collect()
    }

    #[test]
    fn the_examples_of_rfc_5322() {
        assert_eq!(
            read("\"Joe Q. Public\" <john.q.public@example.com>"),
            ["Joe Q. Public|john.q.public|example.com"]
        );
        assert_eq!(
            read("Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>"),
            ["Mary Smith|mary|x.test", "|jdoe|example.org", "Who?|one|y.test"]
        );
        assert_eq!(
            read("<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>"),
            ["|boss|nil.test", "Giant; \"Big\" Box|sysservices|example.net"]
        );
        assert_eq!(
            read("A Group:Ed Jones <joe@a.test>,joe@where.test,John <jdoe@one.test>;, x@y"),
            ["Ed Jones|joe|a.test", "|joe|where.test", "John|jdoe|one.test", "|x|y"]
        );
        assert_eq!(read("Undisclosed recipients:;"), [""; 0]);
        assert_eq!(
            read("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>"),
            ["Pete(A nice ) chap)|pete|silly.test"]
        );
        assert_eq!(
            read("Mary Smith <@node.test,@b.c:mary@example.net>, , jdoe@test  . example"),
            ["Mary Smith|mary|example.net", "|jdoe|test.example"]
        );
        assert_eq!(
            read("Joe Q. Public <john . q @ example.com>"),
            ["Joe Q. Public|john.q|example.com"]
        );
    }

    #[test]
    fn a_name_with_commas_that_should_be_quoted() {
        assert_eq!(read("Example, Inc. <a@b>"), ["Example, Inc.|a|b"]);
        assert_eq!(
            read("Sato, Hanako <h@x>, Suzuki, Ichiro <i@x>, c@x"),
            ["Sato, Hanako|h|x", "Suzuki, Ichiro|i|x", "|c|x"]
        );
        assert_eq!(read("\"A\", =?utf-8?q?B?=, <a@b>"), ["A, B|a|b"]);
        assert_eq!(
            read("a@b, Example"),
            ["|a|b", "Example||"].map(|one| one.replace("Example||", "|Example|"))
        );
        assert_eq!(read("c@d, Example <a@b>"), ["|c|d", "Example|a|b"]);
        assert_eq!(read("root, c@d"), ["|root|", "|c|d"]);
        assert_eq!(read("\"x@y\", <a@b>"), ["|x@y|", "|a|b"]);
        let many = "a,".repeat(1000);
        assert_eq!(read(&many).len(), 1000);
    }

    #[test]
    fn local_parts() {
        assert_eq!(read("\"a b\"@x.jp, <\"a@b,c\"@x.jp>"), ["|a b|x.jp", "|a@b,c|x.jp"]);
        assert_eq!(
            read("MAILER-DAEMON, root (Cron Daemon)"),
            ["|MAILER-DAEMON|", "Cron Daemon|root|"]
        );
        assert_eq!(read("MAILER-DAEMON <>, <>"), ["MAILER-DAEMON||", "||"]);
        assert_eq!(read("a..b.@docomo.ne.jp, <.x@y>"), ["|a..b.|docomo.ne.jp", "|.x|y"]);
        assert_eq!(
            read("a@[IPv6:2001::1], <b@[127.0.0.1]>"),
            ["|a|[IPv6:2001::1]", "|b|[127.0.0.1]"]
        );
        assert_eq!(read("日本@例え.jp"), ["|日本|例え.jp"]);
    }

    #[test]
    fn what_is_longer_than_an_address_can_be_is_none() {
        let local = "a".repeat(320 - 1 - "example.jp".len());
        assert_eq!(read(&format!("{local}@example.jp, b@c")).len(), 2);
        let long = format!("{local}a@example.jp");
        assert_eq!(read(&format!("{long}, b@c")), ["|b|c"]);
        assert_eq!(read(&format!("Name <{long}>, b@c")), ["Name||", "|b|c"]);
        assert_eq!(read(&format!("a@{}", "b".repeat(256))), [""; 0]);
        assert_eq!(read(&"a".repeat(9 << 20)), [""; 0]);
    }

    #[test]
    fn what_is_left_out_makes_no_other_address() {
        let within = |raw: &str| {
            let mut budget = Budget::new(LIST_LIMIT);
            let found = parse_within(raw.as_bytes(), &mut budget);
            (found.iter().map(Address::display).collect::<Vec<_>>(), budget.is_cut())
        };
        let long = "x".repeat(RAW_LIMIT);
        // The inside of a name whose end is beyond the limit.
        for open in ["\"", "(", "<\"", "<(", "b@c (", "\"a\" \"", "<@x:\""] {
            let raw = format!("a@b, {open} boss@corp.example, {long}\") <evil@x.example>");
            assert_eq!(within(&raw), (vec!["a@b".to_owned()], true), "{open}");
        }
        let raw = format!("a@b, {}boss@corp.example.evil.example", " ".repeat(RAW_LIMIT - 22));
        assert_eq!(within(&raw), (vec!["a@b".to_owned()], true));
        let raw = format!("a@b, <boss@corp.example{long}>");
        assert_eq!(within(&raw), (vec!["a@b".to_owned()], true));
        // As many as the limit allows.
        let (found, cut) = within(&"a@b,".repeat(100_000));
        assert_eq!((found.len(), cut), (LIST_LIMIT / (MAILBOX + 4), true));
        let (found, cut) = within(&"a@b ".repeat(60_000));
        assert_eq!((found.len(), cut), (LIST_LIMIT / (MAILBOX + 4), true));
        let (found, cut) = within(&"\u{fdfa} <a@b>,".repeat(20_000));
        assert!(found.len() > 2000 && cut);
        // A complete one after one that is too long.
        assert!(!within("a@b").1);
    }

    #[test]
    fn names_are_decoded_after_the_list_is_split() {
        assert_eq!(read("=?utf-8?B?5pel?= =?utf-8?B?5pysLCA8?= <a@b>"), ["日本, <|a|b"]);
        assert_eq!(read("=?utf-8?Q?Doe, John <x@y>?= <a@b>"), ["Doe, John <x@y>|a|b"]);
        assert_eq!(read("\"=?utf-8?B?5g==?= =?utf-8?B?l6U=?=\" <a@b>"), ["日|a|b"]);
        assert_eq!(read("a@b (=?utf-8?Q?=E6=97=A5?=)"), ["日|a|b"]);
        assert_eq!(read("=?utf-8?Q?root?="), ["root||"]);
        assert_eq!(read_bytes(b"\x1b$B<A!\"\x1b(B <a@b>"), ["質、|a|b"]);
        assert_eq!(read_bytes(b"Jos\xe9 <a@b>"), ["José|a|b"]);
        assert_eq!(read("ＡＢＣ\u{3000}ｶﾞ <a@b>"), ["ABC ガ|a|b"]);
    }

    #[test]
    fn what_mailers_get_wrong_is_read() {
        assert_eq!(read("Foo <a@b, Bar <c@d>"), ["Foo|a|b", "Bar|c|d"]);
        assert_eq!(read("Foo a@b>"), ["Foo|a|b"]);
        assert_eq!(read("Foo Bar a@b"), ["Foo Bar|a|b"]);
        assert_eq!(read("a@b (A) c@d (C)"), ["A|a|b", "C|c|d"]);
        assert_eq!(read("\"Foo <a@b>"), ["Foo|a|b"]);
        assert_eq!(read("Foo (bar <a@b>"), ["Foo bar|a|b"]);
        assert_eq!(read("a@b; c@d;"), ["|a|b", "|c|d"]);
        assert_eq!(read("a@b <a@b>"), ["a@b|a|b"]);
        assert_eq!(read("<a@b> <c@d>"), ["|a|b", "|c|d"]);
        assert_eq!(read("John Doe"), ["John Doe||"]);
        assert_eq!(read("Foo\r\n <a@\r\n b>"), ["Foo|a|b"]);
        assert_eq!(read("<Undisclosed-Recipients:;@mx.example>, a@b"), ["|a|b"]);
        assert_eq!(read("undisclosed-recipients:;@mx.example"), [""; 0]);
        assert_eq!(read("Foo <@b>"), ["Foo||"]);
        assert_eq!(read(" , , (x)"), [""; 0]);
    }

    #[test]
    fn forms_of_an_address() {
        let address = &parse_list("Taro <Taro+X@EXAMPLE.jp.>".as_bytes())[0];
        assert_eq!(address.address(), "Taro+X@EXAMPLE.jp.");
        assert_eq!(address.display(), "Taro <Taro+X@EXAMPLE.jp.>");
        assert_eq!(address.canonical(), "taro+x@example.jp");
        assert_eq!(canonical("Ａ@XN--WGV71A119E.jp"), "a@日本語.jp");
        assert_eq!(canonical("@Example.JP"), "@example.jp");
        assert_eq!(split_detail("taro+x+y", "+"), ("taro", Some("x+y")));
        assert_eq!(split_detail("taro-x", "+-"), ("taro", Some("x")));
        assert_eq!(split_detail("+81", "+"), ("+81", None));
    }

    #[test]
    fn hostile_input_takes_linear_time() {
        let recipients: String =
            (0..100_000).map(|n| format!("\"N {n}\" <n{n}@example.jp>,")).collect();
        assert!((2000..4000).contains(&parse_list(recipients.as_bytes()).len()));
        let nested = format!("{}{} <a@b>", "(".repeat(100_000), ")".repeat(100_000));
        assert_eq!(parse_list(nested.as_bytes())[0].address(), "a@b");
        for piece in [
            "(",
            ")",
            "()",
            "\"",
            "\\",
            "<",
            "<@",
            "=?utf-8?Q?",
            "=?",
            "a@[",
            "[",
            "a ",
            "@ ",
            ":",
            "<\"",
            "\"(",
        ] {
            parse_list(piece.repeat(200_000).as_bytes());
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in any::<Vec<u8>>(), deep in "([a<>@\"(),;:.\\\\\r\n\t \u{1b}é\\[\\]]|=\\?UTF-8\\?B\\?|\\?=){0,40}") {
            parse_list(&bytes);
            for address in parse_list(deep.as_bytes()) {
                let canonical = address.canonical();
                prop_assert!(address.name.as_deref() != Some(""));
                address.display();
                super::canonical(&canonical);
            }
        }

        #[test]
        fn plain_addresses_are_read(name in "[A-Za-z][A-Za-z ]{0,8}[a-z]", local in "[a-z]{1,8}", host in "[a-z]{1,8}\\.jp") {
            let list = format!("{name} <{local}@{host}>, {local}@{host} ({name}), \"{name}\" <{local}@{host}>");
            let expected = Address { name: Some(head::one_line(&name)), local, domain: host };
            prop_assert_eq!(parse_list(list.as_bytes()), vec![expected; 3]);
        }
    }
}
