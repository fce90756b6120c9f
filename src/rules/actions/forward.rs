//! `forward "address" …`: sends the message on, and stops rule processing; `forward copy
//! "address" …`: sends a copy.

use serde::{Deserialize, Serialize};

use super::{Act, Action, ActionReader, ActionWord, ArgumentError, Planner, is_word, shown};
use crate::rules::template::Template;

pub(super) const FORWARD: ActionWord =
    ActionWord::new("forward", "`forward \"address\" …`, or `forward copy \"address\" …`", read);

/// `forward` or `forward copy`, checked.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct ForwardAction {
    /// Whether the run continues after it.
    pub copy: bool,
    /// The addresses, at least one.
    pub to: Vec<Template>,
}

fn read(reader: &mut ActionReader<'_, '_, '_>) -> Result<Action, ArgumentError> {
    let copy = is_word(reader.action.arguments.first(), "copy");
    let to = reader.texts_from(usize::from(copy))?;
    if to.is_empty() {
        return Err(ArgumentError::WrongArguments);
    }
    Ok(Action::ForwardAction(ForwardAction { copy, to: reader.targets(&to)? }))
}

impl Act for ForwardAction {
    fn plan(&self, planner: &mut dyn Planner) {
        planner.forward(self.copy, &self.to);
    }

    fn phrase(&self) -> String {
        let to: Vec<String> = self.to.iter().map(shown).collect();
        match self.copy {
            true => format!("sends a copy to {}", to.join(", ")),
            false => format!("sends it on to {}", to.join(", ")),
        }
    }

    fn ends(&self) -> bool {
        !self.copy
    }
}
