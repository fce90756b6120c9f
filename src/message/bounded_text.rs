//! Bounded text: what it costs, and the longest piece of it that a budget allows.
//!
//! Normalizing, folding and searching cost per character, and a character beyond
//! ASCII costs many times as much as an ASCII one. So the unit is one byte of
//! ASCII, and each other character counts as eight. Both input and output count:
//! one character can become eighteen, and eighteen one.

use std::iter::once;

use unicode_normalization::char::canonical_combining_class;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use super::fold;

/// What a character beyond ASCII costs, units.
const FOREIGN: usize = 8;

/// Text is passed from one form to the next in pieces of about this many bytes.
const PIECE: usize = 64 << 10;

/// How many characters to go back for a place where a text may be cut.
const LOOK_BACK: usize = 1000;

/// What a text costs, units.
pub fn cost(text: &str) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    let (ascii, foreign) = text.bytes().fold((0, 0), |(ascii, foreign), byte| {
        (ascii + usize::from(byte < 0x80), foreign + usize::from(byte >= 0xc0))
    });
    ascii + foreign * FOREIGN
}

/// The longest beginning of a text that costs at most this many units.
pub fn affordable(text: &str, units: usize) -> &str {
    if cost(text) <= units {
        return text;
    }
    let mut left = units;
    let end = text.char_indices().find(|(_, char)| {
        let cost = if char.is_ascii() { 1 } else { FOREIGN };
        let pays = cost <= left;
        left -= cost.min(left);
        !pays
    });
    text.get(..end.map_or(text.len(), |(at, _)| at)).unwrap_or_default()
}

/// What may still be spent.
#[derive(Debug)]
pub struct Budget {
    left: usize,
    cut: bool,
}

impl Budget {
    /// A budget of that many units.
    pub fn new(units: usize) -> Budget {
        Budget { left: units, cut: false }
    }

    /// Units that are left.
    pub fn left(&self) -> usize {
        self.left
    }

    /// Spends the units if that many are left; otherwise nothing more can be spent.
    pub fn spend(&mut self, units: usize) -> bool {
        match self.left.checked_sub(units) {
            Some(left) if !self.is_spent() => {
                self.left = left;
                true
            }
            _ => {
                self.left = 0;
                self.cut = true;
                false
            }
        }
    }

    /// Records that something was left out.
    pub fn cut(&mut self) {
        self.cut = true;
    }

    /// Whether something was left out.
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// Whether something was left out and nothing more can be spent.
    pub fn is_spent(&self) -> bool {
        self.cut && self.left == 0
    }
}

/// Builds one text: normalizes the input and keeps it up to a limit.
#[derive(Debug)]
pub struct Gatherer {
    /// Input that is not normalized yet.
    pending: String,
    text: String,
    /// Units.
    limit: usize,
    /// The cost of the input, units.
    read: usize,
    /// The cost of `text`, units.
    written: usize,
    cut: bool,
}

impl Gatherer {
    /// For at most `limit` units of input and of output.
    pub fn new(limit: usize) -> Gatherer {
        let (pending, text) = (String::new(), String::new());
        Gatherer { pending, text, limit, read: 0, written: 0, cut: false }
    }

    /// Appends text; returns whether there is room for more.
    pub fn push(&mut self, text: &str) -> bool {
        let mut rest = text;
        while !rest.is_empty() && !self.cut {
            let room = PIECE.saturating_sub(self.pending.len());
            let (piece, after) = rest.split_at(floor(rest, room.max(4)));
            let left = self.limit - self.read;
            let costs = cost(piece);
            let (accepted, costs) = match costs <= left {
                true => (piece, costs),
                false => {
                    let accepted = affordable(piece, left);
                    (accepted, cost(accepted))
                }
            };
            self.read += costs;
            self.pending.push_str(accepted);
            rest = after;
            if accepted.len() < piece.len() {
                self.flush(true);
                self.cut = true;
            } else if self.pending.len() >= PIECE {
                self.flush(false);
            }
        }
        !self.cut
    }

    /// Normalizes what is pending; unless it is the last, only up to a place
    /// where nothing that follows can change what comes before.
    fn flush(&mut self, last: bool) {
        let end = self.pending.len();
        let end = if last { end } else { seam(&self.pending, end.saturating_sub(1)) };
        let (piece, rest) = self.pending.split_at(end);
        let before = self.text.len();
        append(&mut self.text, &fold::normalize(piece));
        // A blank at the seam may have been removed.
        let new = self.text.get(before.min(self.text.len())..).unwrap_or_default();
        let accepted = affordable(new, self.limit - self.written);
        self.written += cost(accepted);
        if accepted.len() < new.len() {
            self.cut = true;
            self.text.truncate(before + accepted.len());
        }
        let rest = rest.len();
        self.pending.drain(..self.pending.len() - rest);
    }

    /// What the text has cost, units.
    pub fn cost(&self) -> usize {
        self.read.max(self.written)
    }

    /// The text, normalized, and whether it was cut.
    pub fn finish(mut self) -> (String, bool) {
        if !self.cut {
            self.flush(true);
        }
        self.text.shrink_to_fit();
        (self.text, self.cut)
    }
}

/// A text in pieces, cut where nothing that follows can change what comes before.
pub fn pieces(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
        let piece = rest.get(..seam(rest, PIECE)).unwrap_or(rest);
        at += piece.len();
        Some((at - piece.len(), piece))
    })
}

/// Appends a piece; a run of white space that was cut becomes one run again.
pub fn append(text: &mut String, piece: &str) {
    let blank = |char| char == ' ' || char == '\n';
    let mut piece = piece;
    if piece.starts_with(blank) && text.ends_with(blank) {
        if piece.starts_with('\n') {
            text.pop();
        } else {
            piece = piece.get(1..).unwrap_or_default();
        }
    }
    text.push_str(piece);
}

/// A place at or before `at` where a text may be cut, if there is one nearby.
fn seam(text: &str, at: usize) -> usize {
    if at >= text.len() {
        return text.len();
    }
    let end = floor(text, at);
    let near = text.get(..end).unwrap_or_default().char_indices().rev();
    // Not after white space either: its result depends on both sides.
    let before = |start| text.get(..start).and_then(|text| text.chars().next_back());
    near.take(LOOK_BACK)
        .find_map(|(start, char)| {
            let follows = before(start).is_some_and(|before| !before.is_whitespace());
            (follows && begins_anew(char)).then_some(start)
        })
        .unwrap_or(if end > 0 { end } else { text.len() })
}

/// Whether the character combines with nothing before it, neither with a letter
/// nor with a run of white space.
fn begins_anew(char: char) -> bool {
    once(char).nfkd().next().is_some_and(|first| {
        !first.is_whitespace()
            && canonical_combining_class(first) == 0
            && is_nfc_quick(once(first)) == IsNormalized::Yes
    })
}

/// The end of the last character that ends at or before `at`.
pub fn floor(text: &str, at: usize) -> usize {
    if at >= text.len() {
        return text.len();
    }
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// The first bytes of a value, at most `limit`, and whether it has more; never
/// cut within a character of UTF-8.
pub fn prefix(value: &[u8], limit: usize) -> (&[u8], bool) {
    let Some(start) = value.get(..limit).filter(|start| start.len() < value.len()) else {
        return (value, false);
    };
    let end = (start.len().saturating_sub(3)..=start.len())
        .rev()
        .find(|at| value.get(*at).is_none_or(|byte| byte & 0xc0 != 0x80));
    (value.get(..end.unwrap_or(start.len())).unwrap_or(start), true)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn characters_beyond_ascii_cost_more() {
        assert_eq!((cost("abc"), cost("aé"), cost("日本\u{1f600}")), (3, 9, 24));
        assert_eq!((affordable("aéb", 9), affordable("aéb", 8)), ("aé", "a"));
        assert_eq!(prefix("aé".as_bytes(), 2), (b"a".as_slice(), true));
        assert_eq!(prefix(b"ab", 2), (b"ab".as_slice(), false));
        assert_eq!(prefix(b"ab", 0), (b"".as_slice(), true));
    }

    #[test]
    fn both_input_and_result_count() {
        let gathered = |text: &str, limit| {
            let mut gatherer = Gatherer::new(limit);
            gatherer.push(text);
            gatherer.push("!");
            gatherer.finish()
        };
        // One character becomes eighteen.
        let (text, cut) = gathered(&"\u{fdfa}".repeat(10), 100);
        assert_eq!((cost(&text) <= 100, cut), (true, true));
        // Two become one.
        let (text, cut) = gathered(&"e\u{301}".repeat(10), 60);
        assert_eq!((text.as_str(), cut), ("éééééée", true));
        assert_eq!(gathered("abc", 4), ("abc!".into(), false));
        assert_eq!(gathered("abc", 3), ("abc".into(), true));
    }

    proptest! {
        #[test]
        fn no_more_is_kept_than_the_limit(text in "[aé\u{301}ﷺｶﾞ \n]{0,60}", limit in 0_usize..300) {
            let mut gatherer = Gatherer::new(limit);
            let more = gatherer.push(&text);
            prop_assert!(gatherer.cost() <= limit);
            let (accepted, cut) = gatherer.finish();
            prop_assert!(cost(&accepted) <= limit);
            prop_assert!(more || cut);
            if !cut {
                prop_assert_eq!(accepted, fold::normalize(&text).into_owned());
            }
            prop_assert!(text.starts_with(affordable(&text, limit)));
        }
    }
}
