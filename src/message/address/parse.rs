//! Address headers (RFC 5322 §3.4) as real mail has them, read as a list of mailboxes.
//!
//! We tried mail-parser's reader first. It is fast, but takes the quoted local
//! part of `"a b"@example.jp`, and a local part alone, for a name; it keeps the
//! `>` of `a@b>`; and it decodes each encoded word separately, so that a split
//! character is lost. So we have our own reader: one pass produces pieces, and
//! each element's pieces form a mailbox.

use std::borrow::Cow;

use super::{Address, is_too_long};
use crate::ascii_case;
use crate::message::bounded_text::{self, Budget};
use crate::message::encoded_word::{self, EncodedWord};
use crate::message::{charset, head, unfold};

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
pub(super) const MAILBOX: usize = 256;

/// How much is read of one header, bytes.
pub(super) const RAW_LIMIT: usize = 256 << 10;

/// How much is read of a display name, bytes.
const NAME_LIMIT: usize = 4 << 10;

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
    let (raw, cut) = bounded_text::prefix(raw, RAW_LIMIT);
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
    /// A comma can belong to a name, or separate mailboxes.
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
        if ascii_case::starts_with(&spec.text, SCHEME)
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
            raw.truncate(bounded_text::floor(&raw, NAME_LIMIT));
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
    /// The pieces can be a local part without a domain.
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
