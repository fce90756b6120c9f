//! `reply "file" [every 7d]`: answers the message, each sender once in a while.

use serde::{Deserialize, Serialize};

use super::{Act, Action, ActionReader, ActionWord, Planner, ArgumentError, is_word};
use crate::syntax::ast::ValueKind;

pub(super) const REPLY: ActionWord =
    ActionWord::new("reply", "`reply \"file\"`, or `reply \"file\" every 7d`", read);

const HOUR: u64 = 3600;
const YEAR: u64 = 52 * 7 * 24 * HOUR;
/// How often a sender is answered, if nothing else is said: RFC 5230 §4.1.
const EVERY: u64 = 7 * 24 * HOUR;

/// `reply`, checked.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct ReplyAction {
    /// The text's file, as written.
    pub file: String,
    /// Seconds.
    pub every: u64,
}

fn read(reader: &mut ActionReader<'_, '_, '_>) -> Result<Action, ArgumentError> {
    let (file, every) = match reader.action.arguments.as_slice() {
        [file] => (file, None),
        [file, word, every] if is_word(Some(word), "every") => (file, Some(every)),
        _ => return Err(ArgumentError::WrongArguments),
    };
    let ValueKind::Text(path) = &file.kind else { return Err(ArgumentError::WrongArguments) };
    let every = match every.map(|every| (&every.kind, every)) {
        None => EVERY,
        Some((ValueKind::Duration(seconds @ HOUR..=YEAR), _)) => *seconds,
        Some((_, value)) => return reader.wrong_value("a duration of `1h` to `52w`", value, None),
    };
    if path.trim().is_empty() || path.contains(char::is_control) {
        return Err(ArgumentError::WrongArguments);
    }
    reader.reply_file(path, file.span);
    Ok(Action::ReplyAction(ReplyAction { file: path.clone(), every }))
}

impl Act for ReplyAction {
    fn plan(&self, planner: &mut dyn Planner) {
        planner.reply(&self.file, self.every);
    }

    fn phrase(&self) -> String {
        format!("answers with the text in {}", self.file)
    }
}
