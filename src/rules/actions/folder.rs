//! `folder "A/B" [as FLAG …]`: puts the message into a folder, and stops rule processing.

use serde::{Deserialize, Serialize};

use super::{
    Act, Action, ActionReader, ActionWord, ArgumentError, InboxAction, Planner, marked, shown,
};
use crate::plan::DeliveryWord;
use crate::rules::template::{FlagsTemplate, Template};

pub(super) const FOLDER: ActionWord =
    ActionWord::new("folder", "`folder \"A/B\" [as FLAG …]`", read).with_flags();

/// `folder`, checked.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct FolderAction {
    /// The folder's name.
    pub name: Template,
    /// The flags after `as`.
    pub flags: FlagsTemplate,
}

fn read(reader: &mut ActionReader<'_, '_, '_>) -> Result<Action, ArgumentError> {
    let (name, flags) = reader.folder_and_flags()?;
    Ok(match name {
        Some(name) => Action::FolderAction(FolderAction { name, flags }),
        None => Action::InboxAction(InboxAction { flags, unless_filed: false }),
    })
}

impl Act for FolderAction {
    fn plan(&self, planner: &mut dyn Planner) {
        planner.deliver(DeliveryWord::Folder, Some(&self.name), &self.flags);
    }

    fn phrase(&self) -> String {
        marked(format!("puts it into the folder \"{}\"", shown(&self.name)), &self.flags)
    }

    fn ends(&self) -> bool {
        true
    }
}
