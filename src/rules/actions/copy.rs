//! `copy "A/B" [as FLAG …]`: stores one more copy of the message, whatever else
//! happens to it.

use serde::{Deserialize, Serialize};

use super::{Act, Action, ActionReader, ActionWord, ArgumentError, Planner, marked, shown};
use crate::plan::DeliveryWord;
use crate::rules::template::{FlagsTemplate, Template};

pub(super) const COPY: ActionWord =
    ActionWord::new("copy", "`copy \"A/B\" [as FLAG …]`", read).with_flags();

/// `copy`, checked.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct CopyAction {
    /// The folder's name; `None` for the inbox.
    pub name: Option<Template>,
    /// The flags after `as`.
    pub flags: FlagsTemplate,
}

fn read(reader: &mut ActionReader<'_, '_, '_>) -> Result<Action, ArgumentError> {
    let (name, flags) = reader.folder_and_flags()?;
    Ok(Action::CopyAction(CopyAction { name, flags }))
}

impl Act for CopyAction {
    fn plan(&self, planner: &mut dyn Planner) {
        planner.deliver(DeliveryWord::Copy, self.name.as_ref(), &self.flags);
    }

    fn phrase(&self) -> String {
        let what = match &self.name {
            Some(name) => format!("puts a copy into the folder \"{}\"", shown(name)),
            None => "puts a copy into the inbox".into(),
        };
        marked(what, &self.flags)
    }
}
