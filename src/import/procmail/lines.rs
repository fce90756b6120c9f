//! The recipe of procmailex(5) and many others that gives mutt the length of messages:
//!
//! ```text
//! :0 Bfh
//! * -1^0
//! * 1^1 ^.*$
//! | formail -A "Lines: $="
//! ```
//!
//! The weights count the line ends of the body; there must be some.

use super::action::{ProcmailResult, on_half};
use super::read::{Recipe, RecipeAction};
use crate::import::ir::{Effect, literal};
use crate::import::shell::{is_program, shell_words, unquoted};

/// Whether a recipe is that one, perhaps with other conditions.
pub(super) fn counts_lines(recipe: &Recipe) -> bool {
    let RecipeAction::Pipe(command) = &recipe.action else { return false };
    let has = |flag: char| recipe.flags.contains(flag);
    let counted = |wanted: fn(&str) -> bool| {
        recipe.conditions.iter().filter(|text| wanted(text)).count() == 1
    };
    let is_weight = |text: &&String| text.split_whitespace().next().is_some_and(is_weight);
    has('f')
        && has('h')
        && has('B')
        && !has('b')
        && !has('H')
        && option(command).is_some()
        && counted(is_first)
        && counted(is_each)
        && recipe.conditions.iter().filter(is_weight).count() == 2
}

/// The other conditions.
pub(super) fn without_count(conditions: &[String]) -> Vec<String> {
    conditions.iter().filter(|text| !is_first(text) && !is_each(text)).cloned().collect()
}

/// What it does.
pub(super) fn adds_lines(command: &str) -> ProcmailResult {
    let option = option(command).unwrap_or("-A");
    let count = "n=$(sed '1,/^$/d' \"$m\" | wc -l)";
    let add = format!("formail -f {option} \"Lines: $((n))\"");
    let script =
        on_half("header", &format!("{count}; if [ \"$n\" -gt 0 ]; then {add}; else cat; fi"), true);
    let words = vec!["/bin/sh".into(), "-c".into(), literal(&script)];
    let done = ProcmailResult::going_on(vec![Effect::Program("filter", words)]);
    ProcmailResult { edited: vec!["*".into()], ..done }
}

fn is_first(condition: &str) -> bool {
    condition == "-1^0"
}

fn is_each(condition: &str) -> bool {
    condition.split_whitespace().eq(["1^1", "^.*$"])
}

fn is_weight(word: &str) -> bool {
    word.split_once('^').is_some_and(|(weight, _)| weight.parse::<f64>().is_ok())
}

/// The option of `formail -A "Lines: $="`.
fn option(command: &str) -> Option<&'static str> {
    let words: Vec<String> = shell_words(command).iter().map(|word| unquoted(word)).collect();
    let [program, option, value] = words.as_slice() else { return None };
    let known = ["-A", "-a", "-I", "-i"].into_iter().find(|known| known == option)?;
    (is_program(program, "formail") && value == "Lines: $=").then_some(known)
}
