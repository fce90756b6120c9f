//! Whether a pattern captures the same with the first match, which ours take, as with the
//! longest one, which POSIX takes (as glibc does it, not the standard), or with the
//! shortest one, which procmail takes before `\/`.

use std::collections::HashSet;

use regex_automata::hybrid::dfa::DFA;
use regex_automata::nfa::thompson;
use regex_automata::util::{start, syntax};
use regex_automata::{Anchored, MatchKind};
use regex_syntax::hir::{Hir, HirKind};

/// A pattern for which more states would have to be examined is treated as one that
/// differs.
const MOST_STATES: usize = 200;

/// The steps for examining them.
pub(super) const LONGEST_STEPS: usize = 5000;

/// Whether the first match of a pattern of ours is always the longest, and its groups
/// then contain the same.
pub(super) fn is_longest_first(pattern: &str, case: bool) -> bool {
    let Ok(hir) = regex_syntax::parse(pattern) else { return false };
    repeats_alike(&hir) && (ends_greedily(&hir) || ends_alike(pattern, case).unwrap_or(false))
}

/// How many characters each match has, if that is plain to see. It is the same whether case
/// counts or not.
fn characters(hir: &Hir) -> Option<usize> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Some(0),
        HirKind::Literal(literal) => Some(std::str::from_utf8(&literal.0).ok()?.chars().count()),
        HirKind::Class(_) => Some(1),
        HirKind::Capture(capture) => characters(&capture.sub),
        HirKind::Concat(parts) => parts.iter().map(characters).sum(),
        HirKind::Repetition(_) | HirKind::Alternation(_) => None,
    }
}

/// Whether each match has the same number of characters, but for a repetition at the end
/// that takes all it can.
fn ends_greedily(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Capture(capture) => ends_greedily(&capture.sub),
        HirKind::Repetition(repetition) => {
            repetition.greedy && characters(&repetition.sub).is_some()
        }
        HirKind::Concat(parts) => parts.split_last().is_some_and(|(last, before)| {
            before.iter().all(|part| characters(part).is_some()) && ends_greedily(last)
        }),
        _ => characters(hir).is_some(),
    }
}

/// False for a repeated group that may be empty or contains groups: glibc captures
/// something else for it.
fn repeats_alike(hir: &Hir) -> bool {
    let mut open = vec![hir];
    while let Some(hir) = open.pop() {
        match hir.kind() {
            HirKind::Repetition(repetition) => {
                let sub = &*repetition.sub;
                let groups = sub.properties().explicit_captures_len();
                let is_group = matches!(sub.kind(), HirKind::Capture(_));
                let plain = groups == 1 && is_group && sub.properties().minimum_len() > Some(0);
                if repetition.max != Some(1) && groups > 0 && !plain {
                    return false;
                }
                open.push(sub);
            }
            HirKind::Capture(capture) => open.push(&capture.sub),
            HirKind::Concat(parts) | HirKind::Alternation(parts) => open.extend(parts),
            _ => {}
        }
    }
    true
}

/// Whether the first match ends where the longest does, for every text: both are followed
/// through all states that they can reach. None if that is impossible.
fn ends_alike(pattern: &str, case: bool) -> Option<bool> {
    let first = automaton(pattern, case, MatchKind::LeftmostFirst)?;
    let longest = automaton(pattern, case, MatchKind::All)?;
    let (mut of_first, mut of_longest) = (first.create_cache(), longest.create_cache());
    let mut open = Vec::new();
    for from in beginnings() {
        let one = first.start_state(&mut of_first, &from).ok()?;
        open.push((one, longest.start_state(&mut of_longest, &from).ok()?));
    }
    let mut known = HashSet::new();
    while let Some((one, other)) = open.pop() {
        if one.is_match() != other.is_match() {
            return Some(false);
        }
        if other.is_dead() || !known.insert((one, other)) {
            continue;
        }
        if known.len() > MOST_STATES {
            return None;
        }
        let classes = longest.byte_classes().representatives(0..=u8::MAX);
        for byte in classes.filter_map(|unit| unit.as_u8()) {
            let next = first.next_state(&mut of_first, one, byte).ok()?;
            open.push((next, longest.next_state(&mut of_longest, other, byte).ok()?));
        }
        let end = first.next_eoi_state(&mut of_first, one).ok()?;
        open.push((end, longest.next_eoi_state(&mut of_longest, other).ok()?));
    }
    Some(true)
}

/// Whether the first match of a pattern of ours is always the shortest.
pub(super) fn is_shortest_first(pattern: &str, case: bool) -> bool {
    let is_plain = regex_syntax::parse(pattern).is_ok_and(|hir| characters(&hir).is_some());
    is_plain || ends_at_once(pattern, case).unwrap_or(false)
}

/// Whether no preferred match is still possible where a match has ended. None if that is
/// unknown.
fn ends_at_once(pattern: &str, case: bool) -> Option<bool> {
    let first = automaton(pattern, case, MatchKind::LeftmostFirst)?;
    let mut cache = first.create_cache();
    let starts = beginnings().map(|from| first.start_state(&mut cache, &from).ok());
    let mut open: Vec<_> = starts.collect::<Option<_>>()?;
    let mut known = HashSet::new();
    while let Some(state) = open.pop() {
        if state.is_dead() || !known.insert(state) {
            continue;
        }
        if known.len() > MOST_STATES {
            return None;
        }
        for byte in first.byte_classes().representatives(0..=u8::MAX).filter_map(|u| u.as_u8()) {
            let next = first.next_state(&mut cache, state, byte).ok()?;
            // A match is reported one byte late: a state that goes on was preferred to
            // it.
            if state.is_match() && !next.is_dead() {
                return Some(false);
            }
            open.push(next);
        }
    }
    Some(true)
}

/// The automaton of a pattern, whose states can be visited one by one; none if it would be
/// too large.
pub(super) fn automaton(pattern: &str, case: bool, kind: MatchKind) -> Option<DFA> {
    let config = DFA::config().match_kind(kind).minimum_cache_clear_count(Some(0));
    let signs = syntax::Config::new().case_insensitive(!case);
    let mut builder = DFA::builder();
    builder.configure(config).syntax(signs).thompson(thompson::Config::new());
    builder.build(pattern).ok()
}

/// At the start of a text, and after something.
fn beginnings() -> impl Iterator<Item = start::Config> {
    let before = [None, Some(b' '), Some(b'a')].into_iter();
    before.map(|byte| start::Config::new().anchored(Anchored::Yes).look_behind(byte))
}

#[cfg(test)]
mod tests {
    use super::{is_longest_first, is_shortest_first};

    #[test]
    fn patterns_whose_shortest_match_is_another_are_known() {
        for (pattern, same) in [
            ("", true),
            ("x.*?", true),
            ("^(?:Re|Fwd): ?", false),
            ("^(?:Re|Fwd): ??", true),
            ("(?:ab|a)", false),
            ("(?:a|ab)", true),
            ("<.*?@", true),
            ("(?:x|xa)(?:b|)", false),
        ] {
            assert_eq!(is_shortest_first(pattern, false), same, "{pattern}");
        }
    }

    #[test]
    fn patterns_whose_longest_match_is_another_are_known() {
        for (pattern, same) in [
            ("(re|fwd): (.*)", true),
            ("^[a-f]x|y+|[0-9]", true),
            ("(.*)-([0-9]+)", true),
            ("([a-z]+) ?", true),
            ("(a|ab)(c|bcd)?", false),
            ("(x*|y)", false),
            ("(|a)", false),
            // Also without alternatives.
            ("(a*)(ab)?", false),
            ("(a*)(ab)?$", true),
            ("^aa*(ab?)?", false),
            // In repeated groups, other captures are kept.
            ("(ab)*$", true),
            ("(b?)*$", false),
            ("((a)|b)*$", false),
            // That needs no search.
            ("<([^.]*)", true),
            ("k[a-f]([0-9]{2})", true),
            ("k[a-f]*?", false),
            ("k+(?:ab)*", true),
            ("k+(?:ka)*", false),
        ] {
            assert_eq!(is_longest_first(pattern, false), same, "{pattern}");
        }
    }
}
