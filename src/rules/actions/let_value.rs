//! `let NAME = "text"`: keeps a text for the rest of the run, for `{NAME}` and for
//! tests on `NAME`.

use serde::{Deserialize, Serialize};

use super::{Act, Action, ActionReader, ActionWord, ArgumentError, Planner, shown};
use crate::rules::template::Template;
use crate::syntax::ast::ValueKind;

pub(super) const LET: ActionWord = ActionWord::new("let", "`let NAME = \"text\"`", read);

/// `let`, checked.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct LetAction {
    /// Index into the program's values.
    pub value: u32,
    /// The value from now on.
    pub text: Template,
}

fn read(reader: &mut ActionReader<'_, '_, '_>) -> Result<Action, ArgumentError> {
    let [name, _] = reader.action.arguments.as_slice() else {
        return Err(ArgumentError::WrongArguments);
    };
    let ValueKind::Name(word) = &name.kind else { return Err(ArgumentError::WrongArguments) };
    let texts = reader.texts_from(1)?;
    let [text] = texts.as_slice() else { return Err(ArgumentError::WrongArguments) };
    // The old value may be used in the new one: `let n = "{n}/a"`.
    let value = reader.value(word, name.span)?;
    Ok(Action::LetAction(LetAction { value, text: reader.template(text)? }))
}

impl Act for LetAction {
    fn plan(&self, planner: &mut dyn Planner) {
        let text = planner.line(&self.text);
        planner.keep(self.value, text);
    }

    fn phrase(&self) -> String {
        format!("keeps the text \"{}\" for later", shown(&self.text))
    }

    fn is_logged(&self) -> bool {
        false
    }

    fn changes_tests(&self) -> bool {
        true
    }
}
