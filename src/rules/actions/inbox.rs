//! `inbox [as FLAG …]`: puts the message into the inbox, and stops rule processing; `stop`:
//! the same, unless `fileinto` has put it elsewhere.

use serde::{Deserialize, Serialize};

use super::{Act, Action, ActionReader, ActionWord, ArgumentError, Planner, marked};
use crate::plan::DeliveryWord;
use crate::rules::template::FlagsTemplate;

pub(super) const INBOX: ActionWord =
    ActionWord::new("inbox", "`inbox [as FLAG …]`", read).with_flags();
pub(super) const STOP: ActionWord = ActionWord::new("stop", "`stop`", read);

/// `inbox` or `stop`, checked.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Default)]
pub struct InboxAction {
    /// The flags after `as`.
    pub flags: FlagsTemplate,
    /// For `stop`: only if the message has not been filed.
    pub unless_filed: bool,
}

fn read(reader: &mut ActionReader<'_, '_, '_>) -> Result<Action, ArgumentError> {
    let [] = reader.texts()?.as_slice() else { return Err(ArgumentError::WrongArguments) };
    let unless_filed = reader.word.name == STOP.name;
    Ok(Action::InboxAction(InboxAction { flags: reader.flags()?, unless_filed }))
}

impl Act for InboxAction {
    fn plan(&self, planner: &mut dyn Planner) {
        if self.unless_filed && !planner.filed().is_empty() {
            return;
        }
        planner.deliver(DeliveryWord::Inbox, None, &self.flags);
    }

    fn phrase(&self) -> String {
        match self.unless_filed {
            true => "leaves it in the inbox, if nothing put it elsewhere".into(),
            false => marked("puts it into the inbox".into(), &self.flags),
        }
    }

    fn ends(&self) -> bool {
        true
    }
}
