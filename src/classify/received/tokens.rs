//! The pieces of a Received line, with or without what a sender may quote.
//!
//! Unlike in other structured headers, a quote is an ordinary sign: MTAs quote
//! nothing but the paths after `by`.

/// A piece of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token<'a> {
    /// The first word after `from`: everything up to the next blank.
    Helo(&'a str),
    /// A run without blanks, parentheses and semicolons; after `by`, a path with
    /// everything that it quotes.
    Word(&'a str),
    /// The text between the outer parentheses.
    Comment(&'a str),
    /// `;`
    Semicolon,
}

/// Reads from the line's start. A parenthesis that is not closed is skipped: one
/// that a sender wrote in the HELO must not swallow the MTA's words.
pub fn from_tokens(text: &str) -> impl Iterator<Item = (usize, Token<'_>)> {
    let closed = closing(text);
    let (mut at, mut helo_is_next, mut is_first) = (0, false, true);
    std::iter::from_fn(move || {
        loop {
            at += blank(&text[at..]);
            let rest = &text[at..];
            let start = at;
            let token = match rest.as_bytes().first()? {
                // Without a HELO, a comment with a name and an address comes
                // first; `([127.0.0.1])` may be a HELO.
                b'(' if !helo_is_next || closed[at] >= at + run(rest) => {
                    helo_is_next = false;
                    match closed[at] {
                        0 => {
                            at += 1;
                            continue;
                        }
                        end => {
                            at = end + 1;
                            Token::Comment(&text[start + 1..end])
                        }
                    }
                }
                b')' if !helo_is_next => {
                    at += 1;
                    continue;
                }
                _ if helo_is_next => {
                    helo_is_next = false;
                    at += run(rest);
                    Token::Helo(&text[start..at])
                }
                b';' => {
                    at += 1;
                    Token::Semicolon
                }
                _ => {
                    at += word(rest);
                    helo_is_next = is_first && text[start..at].eq_ignore_ascii_case("from");
                    Token::Word(&text[start..at])
                }
            };
            is_first = false;
            return Some((start, token));
        }
    })
}

/// Reads from `by` on. A comment that is not closed reaches to the end.
pub fn tail_tokens(text: &str) -> impl Iterator<Item = (usize, Token<'_>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            at += blank(&text[at..]);
            let rest = &text[at..];
            let start = at;
            let token = match rest.as_bytes().first()? {
                b')' => {
                    at += 1;
                    continue;
                }
                b'(' => {
                    let end = start + comment(rest);
                    at = (end + 1).min(text.len());
                    Token::Comment(&text[start + 1..end])
                }
                b';' => {
                    at += 1;
                    Token::Semicolon
                }
                b'<' | b'"' => {
                    at += path(rest).unwrap_or_else(|| word(rest));
                    Token::Word(&text[start..at])
                }
                _ => {
                    at += word(rest);
                    Token::Word(&text[start..at])
                }
            };
            return Some((start, token));
        }
    })
}

fn blank(text: &str) -> usize {
    text.len() - text.trim_ascii_start().len()
}

/// The length of everything up to a blank.
fn run(text: &str) -> usize {
    text.find(|c: char| c.is_ascii_whitespace()).unwrap_or(text.len())
}

/// The length of a word, at least one byte.
fn word(text: &str) -> usize {
    let end = text.find(|c: char| c.is_ascii_whitespace() || matches!(c, '(' | ')' | ';'));
    end.unwrap_or(text.len()).max(1)
}

/// For each closed `(`, the place of its `)`; 0 elsewhere.
fn closing(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let (mut closed, mut open, mut at) = (vec![0; bytes.len()], Vec::new(), 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' if !open.is_empty() => at += 1,
            b'(' => open.push(at),
            b')' => {
                if let Some(start) = open.pop() {
                    closed[start] = at;
                }
            }
            _ => at += path_after_blank(text, at),
        }
        at += 1;
    }
    closed
}

/// By how much the path at a place, if there is one, is longer than a byte:
/// `(envelope-from <"a)b"@example.org>)`.
fn path_after_blank(text: &str, at: usize) -> usize {
    let bytes = text.as_bytes();
    let starts = bytes[at] == b'<' && at > 0 && bytes[at - 1].is_ascii_whitespace();
    let length = if starts { path(&text[at..]) } else { None };
    length.map_or(0, |length| length - 1)
}

/// The length of the comment that `text` starts with: up to its `)`, or to the end.
fn comment(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 1,
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => at += path_after_blank(text, at),
        }
        if depth == 0 {
            return at;
        }
        at += 1;
    }
    text.len()
}

/// The length of the path or quoted local part (RFC 5321 §4.1.2) that `text`
/// starts with: `<a@example.org>`, `<"a) by b"@example.org>`, `"a b"@example.jp`.
fn path(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let is_bracketed = bytes.first() == Some(&b'<');
    let mut at = usize::from(is_bracketed);
    if bytes.get(at) == Some(&b'"') {
        at += 1;
        while *bytes.get(at)? != b'"' {
            at += if bytes[at] == b'\\' { 2 } else { 1 };
        }
        at += 1;
    }
    loop {
        match bytes.get(at) {
            Some(b'>') if is_bracketed => return Some(at + 1),
            None | Some(b'(' | b')' | b';') if !is_bracketed => return Some(at),
            Some(byte) if byte.is_ascii_whitespace() => {
                return if is_bracketed { None } else { Some(at) };
            }
            None | Some(b'<' | b'"') => return None,
            Some(_) => at += 1,
        }
    }
}
