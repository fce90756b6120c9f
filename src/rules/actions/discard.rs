//! `discard ["why"]`: drops the message, and stops rule processing.

use serde::{Deserialize, Serialize};

use super::{Act, Action, ActionReader, ActionWord, ArgumentError, Planner};
use crate::plan::StepKind;
use crate::rules::template::Template;

pub(super) const DISCARD: ActionWord =
    ActionWord::new("discard", "`discard`, or `discard \"why\"`", read);

/// `discard`, checked.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct DiscardAction {
    /// The reason, for the log.
    pub why: Option<Template>,
}

fn read(reader: &mut ActionReader<'_, '_, '_>) -> Result<Action, ArgumentError> {
    let why = match reader.texts()?.as_slice() {
        [] => None,
        [why] => Some(reader.template(why)?),
        _ => return Err(ArgumentError::WrongArguments),
    };
    Ok(Action::DiscardAction(DiscardAction { why }))
}

impl Act for DiscardAction {
    fn plan(&self, planner: &mut dyn Planner) {
        let why = self.why.as_ref().map(|why| planner.line(why));
        planner.push(StepKind::Discard { why });
    }

    fn phrase(&self) -> String {
        "drops it".into()
    }

    fn ends(&self) -> bool {
        true
    }
}
