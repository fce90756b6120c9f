//! `mark FLAG …`, `unmark FLAG …`: sets the flags of all copies that are stored
//! afterwards.

use serde::{Deserialize, Serialize};

use super::{Act, Action, ActionReader, ActionWord, ArgumentError, Planner, shown_flags};
use crate::rules::template::FlagsTemplate;

pub(super) const MARK: ActionWord = ActionWord::new("mark", "`mark FLAG …`", read);
pub(super) const UNMARK: ActionWord = ActionWord::new("unmark", "`unmark FLAG …`", read);

/// `mark` or `unmark`, checked.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct MarkAction {
    /// Whether the action is `mark` rather than `unmark`.
    pub add: bool,
    /// The flags, at least one.
    pub flags: FlagsTemplate,
}

fn read(reader: &mut ActionReader<'_, '_, '_>) -> Result<Action, ArgumentError> {
    if reader.action.arguments.is_empty() {
        return Err(ArgumentError::WrongArguments);
    }
    let flags = reader.flags_among(&reader.action.arguments)?;
    Ok(Action::MarkAction(MarkAction { add: reader.word.name == MARK.name, flags }))
}

impl Act for MarkAction {
    fn plan(&self, planner: &mut dyn Planner) {
        let flags = planner.flags(&self.flags);
        let marks = planner.marks();
        let marks = if self.add { marks.and(&flags) } else { marks.without(&flags) };
        planner.set_marks(marks);
    }

    fn phrase(&self) -> String {
        let flags = shown_flags(&self.flags);
        if self.add { format!("marks it {flags}") } else { format!("removes the mark {flags}") }
    }

    fn changes_tests(&self) -> bool {
        true
    }

    fn is_logged(&self) -> bool {
        false
    }

    fn done(&self) -> Option<String> {
        let inserted = self.flags.inserted.iter().map(super::shown);
        let words: Vec<String> = self.flags.known.words().into_iter().chain(inserted).collect();
        let word = if self.add { MARK.name } else { UNMARK.name };
        Some(format!("{word} {}", words.join(" ")))
    }
}
