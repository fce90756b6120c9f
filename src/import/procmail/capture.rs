//! Patterns with `\/`: without groups around it, or without it; and whether what they capture
//! may contain a blank. Without quotes, what comes after the blank is another word to procmail.

use std::borrow::Cow;

use regex_syntax::hir::{Class, ClassUnicode, Hir, HirKind};

use super::as_sent::RAW;
use super::read::{NodeKind, RcNode, Recipe, RecipeAction};
use crate::import::alternatives::split_alternatives;
use crate::import::ir::{Cond, Operand};

/// Whether the group `match` of a pattern in a condition may contain a blank. Sets that
/// leave something out, as in `<\/[^>]*`, are for identifiers, which have none; in a
/// subject they may have.
pub(super) fn may_capture_blank(condition: &Cond) -> bool {
    match condition {
        Cond::All(parts) | Cond::Any(parts) => parts.iter().any(may_capture_blank),
        Cond::Test(test) => {
            let is_prose = test
                .fields
                .iter()
                .any(|field| field.to_lowercase().contains("subject") || field == RAW);
            test.values.iter().any(|value| match value {
                Operand::Pattern(pattern, _) => {
                    regex_syntax::parse(pattern).is_ok_and(|hir| in_group(&hir, is_prose))
                }
                _ => false,
            })
        }
        _ => false,
    }
}

fn in_group(hir: &Hir, is_prose: bool) -> bool {
    match hir.kind() {
        HirKind::Capture(capture) if capture.name.as_deref() == Some("match") => {
            has_blank(&capture.sub, is_prose)
        }
        HirKind::Capture(capture) => in_group(&capture.sub, is_prose),
        HirKind::Repetition(repetition) => in_group(&repetition.sub, is_prose),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().any(|part| in_group(part, is_prose))
        }
        _ => false,
    }
}

fn has_blank(hir: &Hir, is_prose: bool) -> bool {
    match hir.kind() {
        HirKind::Literal(literal) => literal.0.contains(&b' '),
        HirKind::Class(Class::Unicode(class)) => {
            // `[^>]` has all letters of all scripts, `[a-z ]` has not.
            let leaves_out =
                contains(class, '\u{3042}') && !(' '..='~').all(|c| contains(class, c));
            contains(class, ' ') && (is_prose || !leaves_out)
        }
        HirKind::Class(Class::Bytes(_)) => true,
        HirKind::Repetition(repetition) => has_blank(&repetition.sub, is_prose),
        HirKind::Capture(capture) => has_blank(&capture.sub, is_prose),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().any(|part| has_blank(part, is_prose))
        }
        HirKind::Empty | HirKind::Look(_) => false,
    }
}

fn contains(class: &ClassUnicode, c: char) -> bool {
    class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&c))
}

/// `(a(b\/c))` as `ab\/c`: groups that contain `\/`, are not alternatives and are not
/// repeated.
pub(super) fn without_groups_around_match(pattern: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(pattern);
    while let Some(next) = without_one_group(&text) {
        text = Cow::Owned(next);
    }
    text
}

fn without_one_group(pattern: &str) -> Option<String> {
    let mut open: Vec<usize> = Vec::new();
    let mut chars = pattern.char_indices();
    let mut around: Option<usize> = None;
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if chars.next()?.1 == '/' && around.is_none() => around = Some(*open.last()?),
            '\\' => {}
            '[' => {
                let mut first = true;
                for (_, c) in chars.by_ref() {
                    if c == ']' && !first {
                        break;
                    }
                    first &= c == '^';
                }
            }
            '(' => open.push(at),
            ')' => {
                let from = open.pop()?;
                if around == Some(from) {
                    let (before, inner) = (pattern.get(..from)?, pattern.get(from + 1..at)?);
                    let after = pattern.get(at + 1..)?;
                    let is_plain = split_alternatives(inner, false)
                        .is_some_and(|parts| parts.len() == 1)
                        && !after.starts_with(['*', '+', '?']);
                    return is_plain.then(|| format!("{before}{inner}{after}"));
                }
            }
            _ => {}
        }
    }
    None
}

/// Conditions in which `\/` captures nothing.
pub(super) fn without_match(conditions: &[String]) -> Vec<String> {
    let is_pattern = |text: &str| !text.trim_start_matches(['!', ' ', '\t']).starts_with('?');
    let plain = |text: &String| match is_pattern(text) && !text.contains("\\\\/") {
        true => text.replace("\\/", ""),
        false => text.clone(),
    };
    conditions.iter().map(plain).collect()
}

/// Whether nodes use what a recipe before them has captured.
pub(super) fn use_match(nodes: &[RcNode]) -> bool {
    nodes.iter().any(|node| match &node.kind {
        NodeKind::Assign { name, value } => {
            matches!(name.as_str(), "INCLUDERC" | "SWITCHRC")
                || value.as_ref().is_some_and(|value| value.contains("MATCH"))
        }
        NodeKind::Recipe(recipe) => {
            let captures = recipe.conditions.iter().any(|text| text.contains("\\/"));
            // What it captures itself, its action uses.
            tests_match(recipe) || !captures && action_uses_match(recipe)
        }
        NodeKind::Unreadable(_) | NodeKind::Comments => false,
    })
}

/// Whether a recipe uses what has been captured.
pub(super) fn uses_match(recipe: &Recipe) -> bool {
    action_uses_match(recipe) || tests_match(recipe)
}

fn action_uses_match(recipe: &Recipe) -> bool {
    match &recipe.action {
        RecipeAction::Block(inner) => use_match(inner),
        RecipeAction::Forward(text) | RecipeAction::Pipe(text) | RecipeAction::Mailbox(text) => {
            text.contains("MATCH")
        }
        RecipeAction::Capture(_, command) => command.contains("MATCH"),
    }
}

fn tests_match(recipe: &Recipe) -> bool {
    recipe.conditions.iter().any(|text| text.contains("MATCH"))
}
