//! Whether a pattern may begin with the blank after the colon of a header. Our values
//! begin after it.

use std::collections::HashSet;

use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::util::start;
use regex_automata::{Anchored, MatchKind};

/// A pattern for which more states would have to be examined is treated as one that may.
const MOST_STATES: usize = 200;

/// Whether a pattern matches some text that begins with the blank, from there on; also
/// true if it can match nothing at all there.
pub(super) fn may_take_blank(pattern: &str, case: bool) -> bool {
    !begins_with_a_sign(pattern) && takes(pattern, case).unwrap_or(true)
}

/// Whether there is a text that a pattern matches only with the blank before it;
/// `anywhere` if it may also match further into the text.
pub(super) fn needs_blank(pattern: &str, case: bool, anywhere: bool) -> bool {
    !begins_with_a_sign(pattern) && needs(pattern, case, anywhere).unwrap_or(true)
}

/// Whether a pattern plainly begins with a letter, a digit or an escaped sign. Most do, and
/// need no automaton.
fn begins_with_a_sign(pattern: &str) -> bool {
    let mut bytes = pattern.bytes();
    let first = bytes.next().unwrap_or_default();
    let is_sign = match first {
        b'\\' => {
            bytes.next().is_some_and(|byte| byte.is_ascii_punctuation() && !b"<>".contains(&byte))
        }
        byte => byte.is_ascii_alphanumeric(),
    };
    let is_once = !bytes.next().is_some_and(|byte| b"*?{".contains(&byte));
    is_sign && is_once && !pattern.contains('|')
}

/// Whether a pattern may match at the start of a text that begins like this.
pub(super) fn may_begin(pattern: &str, text: &str, case: bool) -> bool {
    begins(pattern, text, case).unwrap_or(true)
}

fn begins(pattern: &str, text: &str, case: bool) -> Option<bool> {
    let dfa = automaton(pattern, case)?;
    let mut cache = dfa.create_cache();
    let start = start::Config::new().anchored(Anchored::Yes);
    let mut state = dfa.start_state(&mut cache, &start).ok()?;
    for byte in text.bytes() {
        state = dfa.next_state(&mut cache, state, byte).ok()?;
        if state.is_match() {
            return Some(true);
        }
    }
    Some(!state.is_dead())
}

fn takes(pattern: &str, case: bool) -> Option<bool> {
    let (dfa, mut cache, from) = after_blank(pattern, case)?;
    let mut open = vec![from];
    let mut known = HashSet::new();
    while let Some(state) = open.pop() {
        if state.is_dead() || !known.insert(state) {
            continue;
        }
        if state.is_match() || known.len() > MOST_STATES {
            return Some(true);
        }
        open.extend(following(&dfa, &mut cache, state)?.into_iter().map(|(_, next)| next));
    }
    Some(false)
}

fn needs(pattern: &str, case: bool, anywhere: bool) -> Option<bool> {
    let (with, mut of_with, from) = after_blank(pattern, case)?;
    // A match is reported one byte late: this one is of nothing.
    if from.is_match() {
        return Some(false);
    }
    let without = automaton(pattern, case)?;
    let mut of_without = without.create_cache();
    let anchored = if anywhere { Anchored::No } else { Anchored::Yes };
    let start = start::Config::new().anchored(anchored);
    let mut open = vec![(from, without.start_state(&mut of_without, &start).ok()?)];
    let mut known = HashSet::new();
    while let Some((one, other)) = open.pop() {
        // What matches without it, matches.
        if other.is_match() || one.is_dead() || !known.insert((one, other)) {
            continue;
        }
        if one.is_match() || known.len() > MOST_STATES {
            return Some(true);
        }
        let next = following(&with, &mut of_with, one)?;
        for (byte, next) in next {
            let beside = match byte {
                Some(byte) => without.next_state(&mut of_without, other, byte),
                None => without.next_eoi_state(&mut of_without, other),
            };
            open.push((next, beside.ok()?));
        }
    }
    Some(false)
}

/// An automaton that has read the blank.
fn after_blank(pattern: &str, case: bool) -> Option<(DFA, Cache, LazyStateID)> {
    let dfa = automaton(pattern, case)?;
    let mut cache = dfa.create_cache();
    let start = start::Config::new().anchored(Anchored::Yes).look_behind(Some(b':'));
    let start = dfa.start_state(&mut cache, &start).ok()?;
    let from = dfa.next_state(&mut cache, start, b' ').ok()?;
    Some((dfa, cache, from))
}

/// The states after one, each with the byte that leads there; none for the end of the
/// text.
fn following(
    dfa: &DFA,
    cache: &mut Cache,
    state: LazyStateID,
) -> Option<Vec<(Option<u8>, LazyStateID)>> {
    let mut all = Vec::new();
    let bytes = (0..=0x7f).filter(|byte| *byte != b'\n');
    for byte in bytes.chain([0xc3, 0xa4]) {
        all.push((Some(byte), dfa.next_state(cache, state, byte).ok()?));
    }
    all.push((None, dfa.next_eoi_state(cache, state).ok()?));
    Some(all)
}

fn automaton(pattern: &str, case: bool) -> Option<DFA> {
    super::match_length::automaton(pattern, case, MatchKind::All)
}

#[cfg(test)]
mod tests {
    use super::{may_begin, may_take_blank, needs_blank};

    #[test]
    fn what_may_begin_like_a_text_is_known() {
        for (pattern, begins) in [
            ("^from", true),
            ("^from:", false),
            ("^.*x", true),
            ("^(?:to|f)r", true),
            ("^t", false),
        ] {
            assert_eq!(may_begin(pattern, "From ", false), begins, "{pattern}");
        }
        assert!(!may_begin("^from", "From ", true));
    }

    #[test]
    fn what_may_begin_with_a_blank_is_known() {
        for (pattern, takes, anchored, anywhere) in [
            ("foo", false, false, false),
            ("(?:.*)", true, false, false),
            (".+", true, true, true),
            ("[^a]x", true, true, true),
            ("[^a]*x", true, false, false),
            (" foo", true, true, true),
            ("(?:a| b)", true, true, true),
            ("a*$", false, false, false),
            ("a?", true, false, false),
            ("\\bx", true, true, true),
        ] {
            assert_eq!(may_take_blank(pattern, false), takes, "{pattern}");
            assert_eq!(needs_blank(pattern, false, false), anchored, "{pattern}");
            assert_eq!(needs_blank(pattern, false, true), anywhere, "{pattern}");
        }
    }
}
