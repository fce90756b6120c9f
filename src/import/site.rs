//! Rules that run before the users' own, converted into a category of site rules.
//!
//! There the run goes on after the category, with the users' rules, unless the category
//! has taken the message. So what ended the foreign rules without taking the message must
//! not end the run: a text that is kept (`let`) records that they are over, and
//! everything after it is done only if that is not set. What was filed without ending the
//! run ends it where the foreign rules are over.

use super::ir::{Cond, Effect, Unit};
use crate::source::Span;

/// Names of the texts that are kept.
pub(super) struct SiteNames {
    /// The message was filed.
    pub(super) filed: String,
    /// The foreign rules are over.
    pub(super) over: String,
}

/// The units as they are written in a category.
pub(super) fn in_category(units: Vec<Unit>, names: &SiteNames) -> Vec<Unit> {
    let files =
        units.iter().any(|unit| holds(unit, &|effect| matches!(effect, Effect::FileInto(..))));
    let work = SiteRewrite { names, files };
    let (mut effects, _) = work.list(units.into_iter().map(Effect::Rule).collect());
    if files {
        effects.push(work.end_if_filed());
    }
    let unit = |effect| match effect {
        Effect::Rule(unit) => unit,
        other => of_none(Cond::Always, vec![other]),
    };
    effects.into_iter().map(unit).collect()
}

struct SiteRewrite<'n> {
    names: &'n SiteNames,
    /// Something is filed without ending the run.
    files: bool,
}

impl SiteRewrite<'_> {
    /// What is done, in order; and whether the rules may be over after it.
    fn list(&self, effects: Vec<Effect>) -> (Vec<Effect>, bool) {
        let mut done = Vec::new();
        let mut effects = effects.into_iter();
        while let Some(effect) = effects.next() {
            match effect {
                Effect::Stop => {
                    if self.files {
                        done.push(self.end_if_filed());
                    }
                    done.push(Effect::Let(self.names.over.clone(), "yes".into()));
                    // Nothing after it is reached.
                    return (done, true);
                }
                Effect::FileInto(..) => {
                    done.push(effect);
                    done.push(Effect::Let(self.names.filed.clone(), "yes".into()));
                }
                Effect::Rule(mut unit) => {
                    let (inner, may_be_over) = self.list(std::mem::take(&mut unit.effects));
                    unit.effects = inner;
                    done.push(Effect::Rule(unit));
                    if may_be_over {
                        let (rest, _) = self.list(effects.collect());
                        if !rest.is_empty() {
                            let name = &self.names.over;
                            let condition = Cond::Word(format!("not has {name}"));
                            done.push(Effect::Rule(of_none(condition, rest)));
                        }
                        return (done, true);
                    }
                }
                other => done.push(other),
            }
        }
        (done, false)
    }

    fn end_if_filed(&self) -> Effect {
        let condition = Cond::Word(format!("has {}", self.names.filed));
        Effect::Rule(of_none(condition, vec![Effect::Stop]))
    }
}

/// A unit that stands for no foreign unit.
fn of_none(condition: Cond, effects: Vec<Effect>) -> Unit {
    Unit::part(Span::default(), condition, effects)
}

fn holds(unit: &Unit, test: &dyn Fn(&Effect) -> bool) -> bool {
    unit.effects.iter().any(|effect| match effect {
        Effect::Rule(inner) => holds(inner, test),
        other => test(other),
    })
}
