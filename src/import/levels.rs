//! Values from the message in the name of a Maildir's folder: on disk, `.Lists.a.b` is
//! `Lists/a/b`, so each dot in a value begins a level, as each slash does.

use std::collections::BTreeSet;

use regex_syntax::hir::{Class, Hir, HirKind};

use super::ir::{Cond, Effect, Operand, Test, Unit};
use crate::source::{Sources, Span};

/// The form in which a value is inserted as a path.
const LEVELS: &str = ":levels}";

/// The name of a folder as it is on disk.
const DOT_BEFORE: &str = "^(?:\\./)?\\.(?P<folder>[^./].*?)/*$";

/// The template with its values inserted as paths, except times and those that are one level.
/// A value that is also put in another case has two forms until [`settle`].
pub(super) fn with_levels(template: &str, one_level: &[String]) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((text, after)) = rest.split_once(['{', '}']) {
        let sign = rest.get(text.len()..text.len() + 1).unwrap_or_default();
        out.push_str(text);
        out.push_str(sign);
        rest = after;
        // `{{` and `}}` are braces.
        if let Some(after) = rest.strip_prefix(sign) {
            out.push_str(sign);
            rest = after;
            continue;
        }
        let Some((value, after)) = rest.split_once('}').filter(|_| sign == "{") else { continue };
        out.push_str(value);
        let is_plain = value.contains('%') || one_level.iter().any(|name| name == value);
        out.push_str(if is_plain { "}" } else { LEVELS });
        rest = after;
    }
    out.push_str(rest);
    out
}

/// What the named groups of patterns may capture.
#[derive(Default, Clone)]
struct GroupContents {
    all: BTreeSet<String>,
    /// A dot may be in it.
    dotted: BTreeSet<String>,
    /// It may be nothing.
    empty: BTreeSet<String>,
}

/// What a delivery amounts to whose whole name is the value of a variable: on disk, the name
/// of a Maildir's folder begins with a dot, as in `.Lists.a`, and that of another Maildir or
/// an mbox does not. If the rules give a variable the value `Inbox`, that is the inbox. None
/// if the name is not such.
pub(super) fn of_either_name(
    delivery: &Effect,
    span: Span,
    sources: &Sources,
) -> Option<Vec<Effect>> {
    let (Effect::Folder(name, marks) | Effect::Copy(name, marks)) = delivery else { return None };
    let variable = name.strip_prefix('{')?.strip_suffix('}')?;
    let variable = variable.strip_suffix(":levels").unwrap_or(variable);
    let is_variable = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if !variable.chars().all(is_variable) {
        return None;
    }
    let folder = "{folder:levels}".to_owned();
    let values = vec![Operand::Pattern(DOT_BEFORE.into(), false)];
    let test = Test { fields: vec![variable.to_owned()], operator: "matches", values };
    let dotted = Cond::Test(test);
    let is_set = sources.files().iter().any(|file| sets_inbox(&file.text));
    let inbox = is_set.then(|| Cond::texts(variable.to_owned(), "is", ["INBOX"]));
    let part = |condition, effect| Effect::Rule(Unit::part(span, condition, vec![effect]));
    let mut effects = Vec::new();
    match delivery {
        Effect::Copy(..) => {
            effects.push(part(dotted.clone(), Effect::Copy(folder, marks.clone())));
            let to_inbox = Effect::Copy("INBOX".into(), marks.clone());
            effects.extend(inbox.clone().map(|inbox| part(inbox, to_inbox)));
            let named = Cond::any([dotted].into_iter().chain(inbox));
            effects.push(part(Cond::not(named), delivery.clone()));
        }
        _ => {
            effects.push(part(dotted, Effect::Folder(folder, marks.clone())));
            effects.extend(inbox.map(|inbox| part(inbox, Effect::Inbox(marks.clone()))));
            effects.push(delivery.clone());
        }
    }
    Some(effects)
}

/// Whether a line gives a variable the value `Inbox`.
fn sets_inbox(text: &str) -> bool {
    let values = text.lines().filter_map(|line| line.split_once('='));
    values.into_iter().any(|(_, value)| {
        let value = value.trim_matches([' ', '\t', '"', '\'', ';', '}']);
        value.eq_ignore_ascii_case("INBOX")
    })
}

/// Leaves this form out where what a pattern of the condition captures can have no dot in it.
/// Where an empty value would be the whole name, it stays: an empty path is the inbox.
pub(super) fn without_needless_levels(condition: &Cond, effects: &mut [Effect]) {
    let mut captures = GroupContents::default();
    captures.of_condition(condition);
    leave_out(&captures, effects);
}

/// Keeps a value in another case in a variable where it is inserted as a path: a template has
/// one form for each value.
pub(super) fn settle(effects: &mut Vec<Effect>) {
    for effect in std::mem::take(effects) {
        effects.extend(match effect {
            Effect::Folder(name, marks) => settled(name, |name| Effect::Folder(name, marks)),
            Effect::Copy(name, marks) => settled(name, |name| Effect::Copy(name, marks)),
            Effect::Rule(mut unit) => {
                settle(&mut unit.effects);
                vec![Effect::Rule(unit)]
            }
            other => vec![other],
        });
    }
}

fn settled(mut name: String, delivery: impl FnOnce(String) -> Effect) -> Vec<Effect> {
    let mut effects = Vec::new();
    for case in ["lower", "upper"] {
        let forms = format!(":{case}{LEVELS}");
        while let Some((before, after)) = name.split_once(&forms) {
            let Some((before, value)) = before.rsplit_once('{') else { break };
            let kept = format!("in-{case}-case");
            effects.push(Effect::Let(kept.clone(), format!("{{{value}:{case}}}")));
            name = format!("{before}{{{kept}{LEVELS}{after}");
        }
    }
    effects.push(delivery(name));
    effects
}

fn leave_out(captures: &GroupContents, effects: &mut [Effect]) {
    for effect in effects {
        match effect {
            Effect::Folder(name, _) | Effect::Copy(name, _) => {
                for group in captures.all.difference(&captures.dotted) {
                    for form in ["", ":lower", ":upper"] {
                        let value = format!("{{{group}{form}");
                        let path = format!("{value}{LEVELS}");
                        if *name != path || !captures.empty.contains(group) {
                            *name = name.replace(&path, &format!("{value}}}"));
                        }
                    }
                }
            }
            Effect::Rule(Unit { condition, effects, .. }) => {
                let mut own = GroupContents::default();
                own.of_condition(condition);
                let mut outer = captures.clone();
                outer.all.retain(|group| !own.all.contains(group));
                leave_out(&outer, effects);
            }
            _ => {}
        }
    }
}

impl GroupContents {
    fn of_condition(&mut self, condition: &Cond) {
        match condition {
            Cond::All(parts) | Cond::Any(parts) => {
                parts.iter().for_each(|part| self.of_condition(part));
            }
            Cond::Test(test) => {
                for value in &test.values {
                    if let Operand::Pattern(pattern, _) = value
                        && let Ok(hir) = regex_syntax::parse(pattern)
                    {
                        self.of(&hir, true);
                    }
                }
            }
            Cond::Always | Cond::Never | Cond::Word(_) | Cond::Not(_) => {}
        }
    }

    /// Adds the groups in a pattern; `takes_part` if it is part of every match.
    fn of(&mut self, hir: &Hir, takes_part: bool) {
        match hir.kind() {
            HirKind::Capture(capture) => {
                if let Some(name) = &capture.name {
                    self.all.insert(name.to_string());
                    if may_contain(&capture.sub, '.') {
                        self.dotted.insert(name.to_string());
                    }
                    if !takes_part || capture.sub.properties().minimum_len() == Some(0) {
                        self.empty.insert(name.to_string());
                    }
                }
                self.of(&capture.sub, takes_part);
            }
            HirKind::Repetition(repetition) => {
                self.of(&repetition.sub, takes_part && repetition.min > 0);
            }
            HirKind::Concat(parts) => parts.iter().for_each(|part| self.of(part, takes_part)),
            HirKind::Alternation(parts) => parts.iter().for_each(|part| self.of(part, false)),
            _ => {}
        }
    }
}

/// Whether a match of a pattern may contain an ASCII character.
pub(super) fn may_contain(hir: &Hir, sign: char) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => false,
        HirKind::Literal(literal) => literal.0.contains(&(sign as u8)),
        HirKind::Class(Class::Unicode(class)) => {
            class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&sign))
        }
        HirKind::Class(Class::Bytes(_)) => true,
        HirKind::Repetition(repetition) => may_contain(&repetition.sub, sign),
        HirKind::Capture(capture) => may_contain(&capture.sub, sign),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().any(|part| may_contain(part, sign))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_paths() {
        for (name, want) in [
            ("L/{match}", "L/{match:levels}"),
            ("{a:lower}-{b}", "{a:lower:levels}-{b:levels}"),
            ("{now:%Y}", "{now:%Y}"),
            ("{{x}}{header \"X\"}{one}", "{{x}}{header \"X\":levels}{one}"),
        ] {
            assert_eq!(with_levels(name, &["one".into()]), want);
        }
    }

    #[test]
    fn a_value_has_one_form() {
        let mut effects = vec![Effect::Copy("L/{x:lower:levels}".into(), Vec::new())];
        settle(&mut effects);
        let [Effect::Let(name, value), Effect::Copy(folder, _)] = effects.as_slice() else {
            panic!("{effects:?}")
        };
        assert_eq!((name.as_str(), value.as_str()), ("in-lower-case", "{x:lower}"));
        assert_eq!(folder, "L/{in-lower-case:levels}");
    }

    #[test]
    fn what_has_no_dots_needs_none() {
        let left_in = |name: &str, patterns: &[&str]| {
            let tests = patterns.iter().map(|pattern| {
                let values = vec![Operand::Pattern((*pattern).into(), false)];
                Cond::Test(Test { fields: vec!["subject".into()], operator: "matches", values })
            });
            let mut effects = [Effect::Folder(name.into(), Vec::new())];
            without_needless_levels(&Cond::all(tests), &mut effects);
            matches!(&effects, [Effect::Folder(name, _)] if name.ends_with("{match}"))
        };
        let left = |patterns: &[&str]| left_in("L/{match:levels}", patterns);
        assert!(left(&["<(?P<match>[^./]+)"]));
        assert!(left(&["(?P<match>[a-z]+)", "x"]));
        for dotted in ["(?P<match>.+)", "(?P<match>[^a]+)", "(?P<match>a|b\\.)"] {
            assert!(!left(&[dotted]), "{dotted}");
        }
        for empty in ["(?P<match>[a-z]*)", "(?P<match>a)?b", "x|(?P<match>a)"] {
            assert!(left(&[empty]), "{empty}");
            assert!(!left_in("{match:levels}", &[empty]), "{empty}");
        }
        assert!(!left(&["(?P<match>a)", "(?P<match>.)"]));
    }
}
