//! `add-header "N" "v"`, `set-header "N" "v"`, `remove-header "N"`: changes the
//! header of the copies that are stored afterwards.

use serde::{Deserialize, Serialize};

use super::{Act, Action, ActionReader, ActionWord, ArgumentError, Planner};
use crate::message::HeaderEdit;
use crate::plan::StepKind;
use crate::rules::template::Template;

pub(super) const ADD: ActionWord =
    ActionWord::new("add-header", "`add-header \"Name\" \"value\"`", read);
pub(super) const SET: ActionWord =
    ActionWord::new("set-header", "`set-header \"Name\" \"value\"`", read);
pub(super) const REMOVE: ActionWord =
    ActionWord::new("remove-header", "`remove-header \"Name\"`", read);

/// `add-header`, `set-header` or `remove-header`, checked.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub enum HeaderAction {
    /// Adds a header of that name.
    Add(String, Template),
    /// Replaces all headers of that name.
    Set(String, Template),
    /// Removes all headers of that name.
    Remove(String),
}

fn read(reader: &mut ActionReader<'_, '_, '_>) -> Result<Action, ArgumentError> {
    let removes = reader.word.name == REMOVE.name;
    let action = match (removes, reader.texts()?.as_slice()) {
        (true, [name]) => HeaderAction::Remove(reader.header_name(name)?),
        (false, [name, value]) => {
            let name = reader.header_name(name);
            let value = reader.template(value);
            if reader.word.name == ADD.name {
                HeaderAction::Add(name?, value?)
            } else {
                HeaderAction::Set(name?, value?)
            }
        }
        _ => return Err(ArgumentError::WrongArguments),
    };
    Ok(Action::HeaderAction(action))
}

impl Act for HeaderAction {
    fn plan(&self, planner: &mut dyn Planner) {
        let edit = match self {
            HeaderAction::Add(name, value) => {
                HeaderEdit::Add { name: name.clone(), value: planner.line(value) }
            }
            HeaderAction::Set(name, value) => {
                HeaderEdit::Set { name: name.clone(), value: planner.line(value) }
            }
            HeaderAction::Remove(name) => HeaderEdit::Remove { name: name.clone() },
        };
        planner.push(StepKind::Edit(edit));
    }

    fn phrase(&self) -> String {
        match self {
            HeaderAction::Add(name, _) => format!("adds a header {name}"),
            HeaderAction::Set(name, _) => format!("sets the header {name}"),
            HeaderAction::Remove(name) => format!("removes the header {name}"),
        }
    }

    fn is_logged(&self) -> bool {
        false
    }
}
