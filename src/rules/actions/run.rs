//! `run "program" "argument" …`: passes a copy of the message to a program; a
//! failure is logged.

use serde::{Deserialize, Serialize};

use super::{Act, Action, ActionReader, ActionWord, ArgumentError, Planner, shown};
use crate::plan::StepKind;
use crate::rules::template::Template;

pub(super) const RUN: ActionWord = ActionWord::new("run", "`run \"program\" \"argument\" …`", read);

/// `run`, checked.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct RunAction {
    /// The program, without inserts, and its arguments.
    pub words: Vec<Template>,
}

fn read(reader: &mut ActionReader<'_, '_, '_>) -> Result<Action, ArgumentError> {
    Ok(Action::RunAction(RunAction { words: reader.program()? }))
}

impl Act for RunAction {
    fn plan(&self, planner: &mut dyn Planner) {
        let argv = planner.argv(&self.words);
        planner.push(StepKind::Run { argv });
    }

    fn phrase(&self) -> String {
        format!("gives a copy to the program {}", self.words.first().map(shown).unwrap_or_default())
    }
}
