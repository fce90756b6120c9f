//! `filter "program" "argument" …`: a program's output replaces the message.

use serde::{Deserialize, Serialize};

use super::{Act, Action, ActionReader, ActionWord, ArgumentError, Planner, shown};
use crate::rules::template::Template;

pub(super) const FILTER: ActionWord =
    ActionWord::new("filter", "`filter \"program\" \"argument\" …`", read);

/// `filter`, checked.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct FilterAction {
    /// The program, without inserts, and its arguments.
    pub words: Vec<Template>,
}

fn read(reader: &mut ActionReader<'_, '_, '_>) -> Result<Action, ArgumentError> {
    Ok(Action::FilterAction(FilterAction { words: reader.program()? }))
}

impl Act for FilterAction {
    /// Plans nothing: a run stops at the action, and its step is planned when the
    /// program has ended.
    fn plan(&self, _: &mut dyn Planner) {}

    fn phrase(&self) -> String {
        let program = self.words.first().map(shown).unwrap_or_default();
        format!("lets the program {program} change it")
    }

    fn changes_tests(&self) -> bool {
        true
    }

    fn is_logged(&self) -> bool {
        false
    }
}
