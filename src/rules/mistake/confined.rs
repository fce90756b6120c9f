//! What the provider does not allow the rules of a confined user.

#![allow(missing_docs, reason = "each variant's line explains its fields")]

use super::{Wording, warning};
use crate::rules::confined::not_allowed;

/// Something that is not allowed and therefore not done.
#[derive(Debug, Clone, PartialEq)]
pub enum ConfinedMistake {
    /// A setting that only the site may set.
    Setting { name: String },
    /// A program that the site does not list.
    Program { name: String, allowed: Vec<String> },
}

impl ConfinedMistake {
    pub(super) fn wording(self) -> Wording {
        match self {
            ConfinedMistake::Setting { name } => warning(
                "set-by-provider",
                format!("`set {name}` is decided by the provider"),
                "has no effect here",
            )
            .or_hint(Some("leave it out: mail is stored where the mail server looks for it")),
            ConfinedMistake::Program { name, allowed } => {
                let hint = match allowed.as_slice() {
                    [] => "rules cannot run programs here; a `pipe` delivers to the inbox instead"
                        .to_owned(),
                    names => format!(
                        "programs they may run, by name only: `{}`; a `pipe` of others delivers to \
                         the inbox instead",
                        names.join("`, `")
                    ),
                };
                warning("program-not-allowed", not_allowed(&name), "not run").or_hint(Some(hint))
            }
        }
    }
}
