//! `fileinto "A/B" [as FLAG …]`: puts the message into a folder, and continues;
//! at the end of the rules, the message does not go to the inbox as well (RFC
//! 5228 §4.1, §2.10.2).

use serde::{Deserialize, Serialize};

use super::{Act, Action, ActionReader, ActionWord, ArgumentError, Planner, marked, shown};
use crate::plan::DeliveryWord;
use crate::rules::template::{FlagsTemplate, Template};

pub(super) const FILEINTO: ActionWord =
    ActionWord::new("fileinto", "`fileinto \"A/B\" [as FLAG …]`", read).with_flags();

/// `fileinto`, checked.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct FileIntoAction {
    /// The folder's name; `None` for the inbox.
    pub name: Option<Template>,
    /// The flags after `as`.
    pub flags: FlagsTemplate,
}

fn read(reader: &mut ActionReader<'_, '_, '_>) -> Result<Action, ArgumentError> {
    let (name, flags) = reader.folder_and_flags()?;
    Ok(Action::FileIntoAction(FileIntoAction { name, flags }))
}

impl Act for FileIntoAction {
    fn plan(&self, planner: &mut dyn Planner) {
        planner.deliver(DeliveryWord::FileInto, self.name.as_ref(), &self.flags);
    }

    fn phrase(&self) -> String {
        let what = match &self.name {
            Some(name) => format!("puts it into the folder \"{}\"", shown(name)),
            None => "puts it into the inbox".into(),
        };
        marked(what, &self.flags)
    }
}
