//! `reject "5.7.1 text"`: refuses the message, so that its sender is informed,
//! and ends the run. If nobody would be informed, the message is dropped instead.

use serde::{Deserialize, Serialize};

use super::{Act, Action, ActionReader, ActionWord, ArgumentError, Planner};
use crate::plan::StepKind;
use crate::rules::template::Template;

pub(super) const REJECT: ActionWord = ActionWord::new("reject", "`reject \"5.7.1 text\"`", read);

/// `reject`, checked.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct RejectAction {
    /// `5.x.x`, RFC 3463.
    pub status: String,
    /// The rest of the string.
    pub text: Template,
}

fn read(reader: &mut ActionReader<'_, '_, '_>) -> Result<Action, ArgumentError> {
    let (status, text) = reader.refusal('5')?;
    Ok(Action::RejectAction(RejectAction { status, text }))
}

impl Act for RejectAction {
    fn plan(&self, planner: &mut dyn Planner) {
        let step = match planner.no_refusal() {
            Some(why) => StepKind::Discard { why: Some(why) },
            None => {
                StepKind::Reject { status: self.status.clone(), text: planner.line(&self.text) }
            }
        };
        planner.push(step);
    }

    fn phrase(&self) -> String {
        "refuses it and tells the sender".into()
    }

    fn ends(&self) -> bool {
        true
    }
}
