//! `set`, RFC 5229: constants are known from then on, the rest is kept by `let`.

use std::rc::Rc;

use super::act::SieveAct;
use super::action::when;
use super::arguments::Arguments;
use super::context::Lowering;
use super::variables::{KnownValue, VariablePiece, modify};
use crate::import::ir::{Cond, Effect, literal};

impl Lowering<'_> {
    /// `set`, RFC 5229 §4
    pub(super) fn set(
        &mut self,
        arguments: &Arguments<'_>,
        acts: &mut Vec<SieveAct>,
    ) -> Result<(), String> {
        let name = arguments.string(0)?;
        let expansion = self.expand(arguments.string(1)?)?;
        // The order in which they are applied, RFC 5229 §4.1.
        let rank = |modifier: &str| {
            Ok(match modifier {
                "lower" | "upper" => 0,
                "lowerfirst" | "upperfirst" => 1,
                "quotewildcard" => 2,
                "length" => 3,
                other => return Err(format!("the modifier `:{other}` of `set` is not known")),
            })
        };
        let mut modifiers = arguments
            .tags()
            .map(|tag| rank(tag).map(|rank| (rank, tag)))
            .collect::<Result<Vec<_>, String>>()?;
        modifiers.sort_unstable();
        let key = self.key(name);
        let changing = self.is_changing(name) || self.shares_variables();
        if let Some(text) = expansion.constant() {
            let mut text = text.to_owned();
            for (_, modifier) in &modifiers {
                text = modify(modifier, &text).unwrap_or(text);
            }
            if changing {
                let ours = self.our_name(&key);
                acts.push(SieveAct::Other(Effect::Let(ours, literal(&text))));
            }
            Rc::make_mut(&mut self.state.variables).insert(key, KnownValue::Text(text));
            return Ok(());
        }
        let (whole, rest) = match modifiers.as_slice() {
            [(_, whole @ ("lower" | "upper")), rest @ ..] => (Some(*whole), rest),
            rest => (None, rest),
        };
        let change = whole.map(|whole| format!(":{whole}")).unwrap_or_default();
        let change = change.as_str();
        let first = match rest {
            [] => None,
            [(_, "lowerfirst")] => Some(("[A-Z]", "lower")),
            [(_, "upperfirst")] => Some(("[a-z]", "upper")),
            [.., (_, other)] => {
                return Err(format!("`:{other}` of a value from the message cannot be said here"));
            }
        };
        let known = match (expansion.variable(), change) {
            (Some(other), "") => self.state.variables.get(other).cloned(),
            _ => None,
        };
        let template = self.template(&expansion, change);
        let ours = self.our_name(&key);
        acts.push(SieveAct::Other(Effect::Let(ours.clone(), template)));
        if let Some((letter, case)) = first {
            let test = Cond::matches(vec![ours.clone()], format!("^({letter})(.*)$"), true);
            let change = Effect::Let(ours, format!("{{1:{case}}}{{2}}"));
            acts.push(SieveAct::Other(when(test, change)));
        }
        let dates = |piece: &VariablePiece| match piece {
            VariablePiece::Date(_) => true,
            VariablePiece::Text(text) => !text.contains(['/', '.']),
            VariablePiece::Group(group) => self.state.one_level.contains(group),
            VariablePiece::Variable(key) => {
                self.state.variables.get(key).is_some_and(KnownValue::is_one_level)
            }
        };
        let one_level = expansion.0.iter().all(dates);
        let known = known.unwrap_or(match one_level {
            true if expansion.0.iter().all(|piece| self.is_word(piece)) => KnownValue::Word,
            true => KnownValue::OneLevel,
            false => KnownValue::Runtime,
        });
        Rc::make_mut(&mut self.state.variables).insert(key, known);
        Ok(())
    }
}
