//! A rule file cut into tokens, before pest sees it.
//!
//! pest stops at the first mistake and nests as deep as its input does; the
//! tokens show where statements begin and end, how deep they nest, and what is at
//! the place of a mistake. Strings, patterns and comments are recognized here, so
//! nothing inside them counts. Scanning never fails.

use unicode_normalization::char::is_combining_mark;

use super::ast::Comment;
use crate::source::Span;
use crate::text::is_invisible;

/// One token, without the blanks around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyntaxToken {
    /// What it is.
    pub kind: TokenShape,
    /// The first byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
    /// How many bytes of blanks come before it, if it is the first on its line.
    pub indent: Option<u32>,
}

/// The kinds of token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenShape {
    /// `from`, `from.domain`
    Word,
    /// `.domain` after a text
    Part,
    /// Begins like a number: `5`, `20K`, `2026-12-24`
    Quantity,
    /// `"…"`
    Text,
    /// `/…/`
    Pattern,
    /// `{`
    OpenBlock,
    /// `}`
    CloseBlock,
    /// `[`
    OpenSet,
    /// `]`
    CloseSet,
    /// `(`
    OpenParen,
    /// `)`
    CloseParen,
    /// `,`
    Comma,
    /// `->`
    Arrow,
    /// `..`
    Dots,
    /// `=`, `<`, …: every run of such signs, including those that are not operators
    Signs,
    /// Not a token of the language, whatever is around it.
    Fault(ScanFault),
}

/// What is wrong, wherever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanFault {
    /// `"` without an end on its line.
    UnclosedText,
    /// `"""` without an end.
    UnclosedLongText,
    /// `/` without an end on its line.
    UnclosedPattern,
    /// `//` and the rest of the line, which is a comment elsewhere.
    EmptyPattern,
    /// `'`
    SingleQuote,
    /// `“`, `「` and similar quotes.
    CurlyQuote,
    /// A character from a Japanese input method or a word processor that looks like
    /// one of the language; `narrow` says which.
    LookAlike,
    /// An invisible character.
    Invisible,
    /// Any other character without a meaning.
    Stray,
}

/// A scanned text.
pub struct Scan {
    /// In order.
    pub tokens: Vec<SyntaxToken>,
    /// In order.
    pub comments: Vec<Comment>,
}

/// The character that a look-alike was meant to be.
pub(super) fn narrow(c: char) -> Option<&'static str> {
    const ASCII: &str = "!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~";
    if let '\u{ff01}'..='\u{ff5e}' = c {
        let at = c as usize - 0xff01;
        return ASCII.get(at..=at);
    }
    Some(match c {
        '\u{3000}' | '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' => " ",
        '、' | '､' => ",",
        '→' | '⇒' | '➔' => "->",
        '−' | '‐' | '‑' | '–' | '—' => "-",
        '≤' | '≦' => "<=",
        '≥' | '≧' => ">=",
        '〔' | '【' => "[",
        '〕' | '】' => "]",
        '…' | '‥' => "..",
        _ => return None,
    })
}

/// Quotes of word processors and input methods.
pub(super) fn is_curly_quote(c: char) -> bool {
    matches!(
        c,
        '“' | '”'
            | '„'
            | '‟'
            | '‘'
            | '’'
            | '‚'
            | '«'
            | '»'
            | '「'
            | '」'
            | '『'
            | '』'
            | '＂'
            | '〝'
            | '〟'
            | '｢'
            | '｣'
            | '′'
            | '″'
    )
}

fn is_letter(c: char) -> bool {
    c.is_alphabetic() && !('\u{ff01}'..='\u{ff5e}').contains(&c)
}

fn is_word_rest(c: char) -> bool {
    c == '_'
        || is_letter(c)
        || (c.is_numeric() && !('\u{ff01}'..='\u{ff5e}').contains(&c))
        || is_combining_mark(c)
}

fn is_sign(c: char) -> bool {
    matches!(c, '=' | '<' | '>' | '!' | '&' | '|' | ':' | '~' | '-' | '+' | '*' | '%' | '^' | '?')
}

/// Cuts a text into tokens.
pub fn scan(file: u32, text: &str) -> Scan {
    let mut tokens = Vec::new();
    let mut comments = Vec::new();
    let mut line = Some(0);
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        if matches!(c, ' ' | '\t' | '\r' | '\n' | '\u{c}') {
            at += 1;
            if c == '\n' {
                line = Some(at);
            }
            continue;
        }
        if c == '#' {
            let comment = line_of(rest);
            let span = Span { file, start: at as u32, end: (at + comment.len()) as u32 };
            comments.push(Comment { text: comment.to_string(), span });
            at += comment.len();
            continue;
        }
        let after_text =
            |before: &SyntaxToken| before.kind == TokenShape::Text && before.end == at as u32;
        let (kind, length) = match rest.strip_prefix('.') {
            Some(part) if part.starts_with(is_letter) && tokens.last().is_some_and(after_text) => {
                (TokenShape::Part, 1 + word(part))
            }
            _ => token(rest, c),
        };
        let end = at + length.max(c.len_utf8());
        let indent = line.take().map(|line| (at - line) as u32);
        tokens.push(SyntaxToken { kind, start: at as u32, end: end as u32, indent });
        at = end;
    }
    Scan { tokens, comments }
}

/// The rest of the line, without a CR at its end.
fn line_of(rest: &str) -> &str {
    let line = memchr::memchr(b'\n', rest.as_bytes()).map_or(rest, |end| &rest[..end]);
    line.strip_suffix('\r').unwrap_or(line)
}

/// The shape and the length of the token at the start of `rest`.
fn token(rest: &str, first: char) -> (TokenShape, usize) {
    let second = rest[first.len_utf8()..].chars().next();
    match first {
        '"' if rest.starts_with(LONG_QUOTE) => match closed_long(rest) {
            Some(length) => (TokenShape::Text, length),
            None => (TokenShape::Fault(ScanFault::UnclosedLongText), rest.trim_end().len()),
        },
        '"' => match closed(rest, b'"') {
            Some(length) => (TokenShape::Text, length),
            None => (TokenShape::Fault(ScanFault::UnclosedText), line_of(rest).trim_end().len()),
        },
        '/' if second == Some('/') => {
            (TokenShape::Fault(ScanFault::EmptyPattern), line_of(rest).trim_end().len())
        }
        '/' => match closed(rest, b'/') {
            Some(length) => {
                let flags = run(&rest[length..], is_word_rest);
                (TokenShape::Pattern, length + flags)
            }
            None => (TokenShape::Fault(ScanFault::UnclosedPattern), line_of(rest).trim_end().len()),
        },
        '{' => (TokenShape::OpenBlock, 1),
        '}' => (TokenShape::CloseBlock, 1),
        '[' => (TokenShape::OpenSet, 1),
        ']' => (TokenShape::CloseSet, 1),
        '(' => (TokenShape::OpenParen, 1),
        ')' => (TokenShape::CloseParen, 1),
        ',' => (TokenShape::Comma, 1),
        '\'' => (TokenShape::Fault(ScanFault::SingleQuote), 1),
        '-' if second == Some('>') => (TokenShape::Arrow, 2),
        '.' if second == Some('.') => (TokenShape::Dots, 2),
        _ if first.is_ascii_digit() => (TokenShape::Quantity, quantity(rest, 0)),
        '+' | '-' if second.is_some_and(|c| c.is_ascii_digit()) => {
            (TokenShape::Quantity, quantity(rest, 1))
        }
        _ if is_letter(first) => (TokenShape::Word, word(rest)),
        _ if is_sign(first) => (TokenShape::Signs, signs(rest)),
        _ if is_curly_quote(first) => {
            (TokenShape::Fault(ScanFault::CurlyQuote), run(rest, is_curly_quote))
        }
        _ if narrow(first).is_some() => (
            TokenShape::Fault(ScanFault::LookAlike),
            run(rest, |c| !is_curly_quote(c) && narrow(c).is_some()),
        ),
        _ if is_invisible(first) => {
            (TokenShape::Fault(ScanFault::Invisible), run(rest, is_invisible_in_line))
        }
        _ => (TokenShape::Fault(ScanFault::Stray), first.len_utf8()),
    }
}

fn is_invisible_in_line(c: char) -> bool {
    is_invisible(c) && !matches!(c, '\n' | '\r' | '\t' | '\u{c}')
}

/// The length of a token that begins with a delimiter and ends with the same one
/// on the same line; a backslash escapes the next character.
fn closed(rest: &str, delimiter: u8) -> Option<usize> {
    let bytes = rest.as_bytes();
    let mut at = 1;
    loop {
        at += memchr::memchr3(delimiter, b'\\', b'\n', bytes.get(at..)?)?;
        match bytes[at] {
            b'\n' => return None,
            b'\\' if bytes.get(at + 1).is_none_or(|next| *next == b'\n') => return None,
            b'\\' => at += 2,
            _ => return Some(at + 1),
        }
    }
}

/// The quotes around a string that may contain line breaks.
pub(super) const LONG_QUOTE: &str = "\"\"\"";

/// The length of a string in three quotes.
fn closed_long(rest: &str) -> Option<usize> {
    let bytes = rest.as_bytes();
    let mut at = LONG_QUOTE.len();
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        match bytes.get(at..)? {
            [b'\\', ..] => at += 2,
            [b'"', b'"', b'"', ..] => return Some(at + LONG_QUOTE.len()),
            _ => at += 1,
        }
    }
}

fn run(text: &str, of: impl Fn(char) -> bool) -> usize {
    text.find(|c| !of(c)).unwrap_or(text.len())
}

/// `from.domain`: letters, digits, and `-` and `.` between them.
fn word(rest: &str) -> usize {
    let mut at = run(rest, is_word_rest);
    loop {
        let joint = rest[at..].chars().take_while(|c| *c == '-').count();
        let joint = if joint == 0 && rest[at..].starts_with('.') { 1 } else { joint };
        let more = run(&rest[at + joint..], is_word_rest);
        if joint == 0 || more == 0 {
            return at;
        }
        at += joint + more;
    }
}

/// A sign and what may be part of a number: `20K`, `2026-12-24`, `22:00`, `1.5`.
fn quantity(rest: &str, sign: usize) -> usize {
    let mut at = sign;
    loop {
        at += run(&rest[at..], is_word_rest);
        let mut ahead = rest[at..].chars();
        match (ahead.next(), ahead.next()) {
            (Some('.'), Some('.')) => return at,
            (Some('+'), _) if is_offset(&rest[at..]) => at += 1,
            (Some('.' | ':' | '-'), Some(c)) if is_word_rest(c) => at += 1,
            _ => return at,
        }
    }
}

/// `+09:00`, as after the time of an instant.
fn is_offset(text: &str) -> bool {
    matches!(
        text.as_bytes(),
        [b'+', a, b, b':', c, d, ..] if [a, b, c, d].iter().all(|digit| digit.is_ascii_digit())
    )
}

/// A run of signs, which excludes an arrow and a signed number.
fn signs(rest: &str) -> usize {
    let mut length = 0;
    let bytes = rest.as_bytes();
    while bytes.get(length).is_some_and(|byte| is_sign(*byte as char)) {
        let next = bytes.get(length + 1);
        let ends = match bytes[length] {
            b'-' => next == Some(&b'>') || next.is_some_and(u8::is_ascii_digit),
            b'+' => next.is_some_and(u8::is_ascii_digit),
            _ => false,
        };
        if ends && length > 0 {
            break;
        }
        length += 1;
    }
    length
}
