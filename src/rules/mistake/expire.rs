//! What is wrong with `expire`.

#![allow(missing_docs, reason = "each variant's line explains its fields")]

use super::{Wording, error, warning};

/// What is wrong with `expire`.
#[derive(Debug, Clone, PartialEq)]
pub enum ExpireMistake {
    /// In a group.
    InGroup,
    /// Neither `folder "NAME"` nor `delete`.
    End,
    /// `expire "A" after 1d -> folder "A"`
    SameFolder,
    /// `delete` for a folder that is neither the trash nor junk.
    Deletes { folder: String },
}

impl ExpireMistake {
    pub(super) fn wording(self) -> Wording {
        match self {
            ExpireMistake::InGroup => error(
                "expire-in-group",
                String::from("`expire` inside a group"),
                "not allowed here",
            )
            .or_hint(Some(
                "it does not depend on an arriving message; move it outside of all rules",
            )),
            ExpireMistake::End => error(
                "expire-action",
                String::from("old mail goes to a folder or is deleted"),
                "neither of these",
            )
            .or_hint(Some("`-> folder \"Trash\"`, or in the trash and in junk `-> delete`")),
            ExpireMistake::SameFolder => error(
                "expire-same-folder",
                String::from("mail does not go from a folder to the same one"),
                "never happens",
            ),
            ExpireMistake::Deletes { folder } => warning(
                "expire-deletes",
                format!("nothing is deleted: `{folder}` is neither the trash nor junk"),
                "left alone",
            )
            .or_hint(Some(
                "move it to the trash, `-> folder \"Trash\"`; or write it twice if you mean it, \
                 `-> delete, delete`",
            )),
        }
    }
}
