//! `add FIELD to NAME`, `remove FIELD from NAME`: edits a list, for each address
//! in a field, for each domain (as `@domain`), or for each other value (as a
//! line).

use serde::{Deserialize, Serialize};

use super::{Act, Action, ActionReader, ActionWord, ArgumentError, Planner, is_word};
use crate::syntax::ast::ValueKind;

pub(super) const ADD_TO: ActionWord =
    ActionWord::new("add", "`add from to NAME`, where NAME is a list", read).for_moves();
pub(super) const REMOVE_FROM: ActionWord =
    ActionWord::new("remove", "`remove from from NAME`, where NAME is a list", read).for_moves();

/// `add` or `remove`, checked.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct EditListAction {
    /// Whether the action is `add` rather than `remove`.
    pub add: bool,
    /// Index into the program's fields: addresses, domains or texts.
    pub field: u32,
    /// Index into the program's lists: one in a file.
    pub list: u32,
}

fn read(reader: &mut ActionReader<'_, '_, '_>) -> Result<Action, ArgumentError> {
    let add = reader.word.name == ADD_TO.name;
    let [field, word, list] = reader.action.arguments.as_slice() else {
        return Err(ArgumentError::WrongArguments);
    };
    let (ValueKind::Name(name), ValueKind::Name(list_name)) = (&field.kind, &list.kind) else {
        return Err(ArgumentError::WrongArguments);
    };
    if !is_word(Some(word), if add { "to" } else { "from" }) {
        return Err(ArgumentError::WrongArguments);
    }
    let field = reader.address_field(name, field);
    let holds_texts = matches!(name.as_str(), "list-id" | "thread");
    let list = reader.list_file(list_name, list.span, add, holds_texts)?;
    Ok(Action::EditListAction(EditListAction { add, field: field?, list }))
}

impl Act for EditListAction {
    fn plan(&self, planner: &mut dyn Planner) {
        planner.edit_list(self.add, self.field, self.list);
    }

    fn phrase(&self) -> String {
        match self.add {
            true => "adds one of its addresses to a list".into(),
            false => "removes one of its addresses from a list".into(),
        }
    }
}
