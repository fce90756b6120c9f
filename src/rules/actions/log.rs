//! `log "text"`: writes a line to the log.

use serde::{Deserialize, Serialize};

use super::{Act, Action, ActionReader, ActionWord, ArgumentError, Planner};
use crate::plan::StepKind;
use crate::rules::template::Template;

pub(super) const LOG: ActionWord = ActionWord::new("log", "`log \"text\"`", read).for_moves();

/// `log`, checked.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct LogAction {
    /// The text.
    pub text: Template,
}

fn read(reader: &mut ActionReader<'_, '_, '_>) -> Result<Action, ArgumentError> {
    match reader.texts()?.as_slice() {
        [text] => Ok(Action::LogAction(LogAction { text: reader.template(text)? })),
        _ => Err(ArgumentError::WrongArguments),
    }
}

impl Act for LogAction {
    fn plan(&self, planner: &mut dyn Planner) {
        let text = planner.line(&self.text);
        planner.push(StepKind::Log(text));
    }

    fn phrase(&self) -> String {
        "writes a line into the log".into()
    }
}
