//! Words and comments of structured headers (RFC 5322 §3.2.2).

/// A piece of a structured header's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A run without blanks, comments and semicolons; or one semicolon. A
    /// quoted string is part of its word, quotes and all.
    Word(&'a str),
    /// The text between the outer parentheses, as written.
    Comment(&'a str),
}

/// Splits an unfolded value. A comment that is never closed reaches to the end.
pub fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ')');
        let (piece, length) = match rest.as_bytes().first()? {
            b'(' => {
                let (comment, length) = comment(rest);
                (Piece::Comment(comment), length)
            }
            b';' => (Piece::Word(&rest[..1]), 1),
            _ => {
                let length = word_length(rest);
                (Piece::Word(&rest[..length]), length)
            }
        };
        rest = &rest[length..];
        Some(piece)
    })
}

/// The content of the comment that `text` starts with, and its whole length.
fn comment(text: &str) -> (&str, usize) {
    match closed_comment(text) {
        Some(length) => (&text[1..length - 1], length),
        None => (&text[1..], text.len()),
    }
}

/// The length of the comment that `text` starts with, with its parentheses;
/// `None` if it is not closed.
pub fn closed_comment(text: &str) -> Option<usize> {
    let (mut depth, mut escaped) = (0_usize, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return Some(at + 1);
        }
    }
    None
}

fn word_length(text: &str) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b' ' | b'\t' | b'\r' | b'\n' | b'(' | b')' | b';' => return at,
            _ => {}
        }
    }
    text.len()
}
