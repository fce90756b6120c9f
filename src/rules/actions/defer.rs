//! `defer "4.3.0 text"`: lets the mail server try again later, and stops rule processing.

use serde::{Deserialize, Serialize};

use super::{Act, Action, ActionReader, ActionWord, ArgumentError, Planner};
use crate::plan::StepKind;
use crate::rules::template::Template;

pub(super) const DEFER: ActionWord = ActionWord::new("defer", "`defer \"4.3.0 text\"`", read);

/// `defer`, checked.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct DeferAction {
    /// `4.x.x`, RFC 3463.
    pub status: String,
    /// The rest of the string.
    pub text: Template,
}

fn read(reader: &mut ActionReader<'_, '_, '_>) -> Result<Action, ArgumentError> {
    let (status, text) = reader.refusal('4')?;
    Ok(Action::DeferAction(DeferAction { status, text }))
}

impl Act for DeferAction {
    fn plan(&self, planner: &mut dyn Planner) {
        let (status, text) = (self.status.clone(), planner.line(&self.text));
        planner.push(StepKind::Defer { status, text });
    }

    fn phrase(&self) -> String {
        "lets the sender's server try again later".into()
    }

    fn ends(&self) -> bool {
        true
    }
}
