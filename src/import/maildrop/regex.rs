//! What Perl's regular expressions keep, and the texts that some of them stand for.

use std::collections::HashSet;

use regex_syntax::hir::{Hir, HirKind};

use crate::import::alternatives::{self, plain_text, split_alternatives};
use crate::import::levels::may_contain;
use crate::import::perl::translate;

/// Whether a pattern of ours repeats something that may be empty: Perl captures something
/// else there.
pub(super) fn repeats_nothing(regex: &str) -> bool {
    let Ok(hir) = regex_syntax::parse(regex) else { return true };
    let mut open: Vec<&Hir> = vec![&hir];
    while let Some(hir) = open.pop() {
        match hir.kind() {
            HirKind::Repetition(repetition) => {
                let may_be_empty = repetition.sub.properties().minimum_len() == Some(0);
                if repetition.max != Some(1) && may_be_empty {
                    return true;
                }
                open.push(&repetition.sub);
            }
            HirKind::Capture(capture) => open.push(&capture.sub),
            HirKind::Concat(parts) | HirKind::Alternation(parts) => open.extend(parts),
            _ => {}
        }
    }
    false
}

/// Whether a group of a pattern of ours may contain a quote and does not begin after `<`.
pub(super) fn captures_quotes(regex: &str) -> bool {
    let Ok(hir) = regex_syntax::parse(regex) else { return true };
    let mut open = vec![(&hir, false)];
    while let Some((hir, in_angles)) = open.pop() {
        match hir.kind() {
            HirKind::Capture(capture) if !in_angles && may_contain(&capture.sub, '"') => {
                return true;
            }
            HirKind::Repetition(repetition) => open.push((&repetition.sub, false)),
            HirKind::Alternation(parts) => open.extend(parts.iter().map(|part| (part, false))),
            HirKind::Concat(parts) => {
                let mut after = in_angles;
                for part in parts {
                    open.push((part, after));
                    after = matches!(part.kind(), HirKind::Literal(text) if text.0.ends_with(b"<"));
                }
            }
            _ => {}
        }
    }
    false
}

/// The groups of a pattern that may not take part in a match.
pub(super) fn optional_groups(pattern: &str) -> HashSet<usize> {
    let name = |group: usize| format!("g{group}");
    let mut found = HashSet::new();
    let Ok((regex, _)) = translate(pattern, Some(&name)) else { return found };
    let Ok(hir) = regex_syntax::parse(&regex) else { return found };
    let mut open: Vec<(&Hir, bool)> = vec![(&hir, false)];
    while let Some((hir, optional)) = open.pop() {
        match hir.kind() {
            HirKind::Repetition(repetition) => {
                open.push((&repetition.sub, optional || repetition.min == 0));
            }
            HirKind::Capture(capture) => {
                if optional {
                    found.insert(capture.index as usize);
                }
                open.push((&capture.sub, optional));
            }
            HirKind::Concat(parts) => open.extend(parts.iter().map(|part| (part, optional))),
            HirKind::Alternation(parts) => open.extend(parts.iter().map(|part| (part, true))),
            _ => {}
        }
    }
    found
}

/// The one text that a pattern stands for, if nothing in it has a special meaning.
fn literal_of(pattern: &str) -> Option<(String, bool)> {
    plain_text(pattern, "*+?()|[^${", char::is_control)
}

/// The texts that a pattern stands for, if it stands for texts; and whether a dot in it was
/// taken literally.
pub(super) fn literals(pattern: &str) -> Option<(Vec<String>, bool)> {
    alternatives::literals(pattern, true, literal_of)
}

/// Its alternatives; a backslash in brackets escapes.
pub(super) fn split_top(pattern: &str) -> Option<Vec<&str>> {
    split_alternatives(pattern, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_groups_keep_is_known() {
        let optional = |pattern: &str| {
            let mut found: Vec<usize> = optional_groups(pattern).into_iter().collect();
            found.sort_unstable();
            found
        };
        assert_eq!(optional("(a)(b)?(c|(d))+(e)*(f){1,2}"), [2, 4, 5]);
        assert_eq!(optional("(a)|b"), [1]);
        for (regex, repeats) in
            [("(a*)+", true), ("(?:a|)*b", true), ("(a?){2}", true), ("(a+)*(b*)?c*", false)]
        {
            assert_eq!(repeats_nothing(regex), repeats, "{regex}");
        }
    }

    #[test]
    fn texts_in_patterns() {
        assert_eq!(literals("a\\.b@(c|d)e").unwrap().0, ["a.b@ce", "a.b@de"]);
        assert_eq!(literals("a.b").unwrap(), (vec!["a.b".into()], true));
        assert_eq!(literals("a.*"), None);
    }
}
