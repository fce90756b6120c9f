//! `pipe "program" "argument" …`: passes the message to a program, and stops rule
//! processing; a failure defers.

use serde::{Deserialize, Serialize};

use super::{Act, Action, ActionReader, ActionWord, ArgumentError, Planner, shown};
use crate::plan::StepKind;
use crate::rules::template::Template;

pub(super) const PIPE: ActionWord =
    ActionWord::new("pipe", "`pipe \"program\" \"argument\" …`", read);

/// `pipe`, checked.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct PipeAction {
    /// The program, without inserts, and its arguments.
    pub words: Vec<Template>,
}

fn read(reader: &mut ActionReader<'_, '_, '_>) -> Result<Action, ArgumentError> {
    Ok(Action::PipeAction(PipeAction { words: reader.program()? }))
}

impl Act for PipeAction {
    fn plan(&self, planner: &mut dyn Planner) {
        let argv = planner.argv(&self.words);
        planner.push(StepKind::Pipe { argv });
    }

    fn phrase(&self) -> String {
        format!("gives it to the program {}", self.words.first().map(shown).unwrap_or_default())
    }

    fn ends(&self) -> bool {
        true
    }
}
