//! What is wrong with `on moved` and with lists made from mail or from address books.

#![allow(missing_docs, reason = "each variant's line explains its fields")]

use super::{Wording, error, warning};

/// What is wrong with `on moved` and with lists made from mail or from address books.
#[derive(Debug, Clone, PartialEq)]
pub enum LearnMistake {
    /// In site rules.
    OfSite { what: &'static str },
    /// `on moved` in a group.
    InGroup,
    /// An action that a move cannot have.
    NotOnMove { action: String },
    /// `add to to NAME`
    NotTheSender { field: String },
    /// A folder with an insert.
    Inserts,
    /// `on moved to "A" to "B"`
    EndTwice { way: &'static str },
    /// `on moved from "A" to "A"`
    NoMove,
    /// `add from to NAME`, and the list is made from mail or from an address book.
    MadeListEdited { name: String },
    /// Address books that cannot be read.
    CardsUnreadable { path: String, reason: String },
    /// Damaged cards.
    BrokenCards { count: usize, place: String, why: String },
    /// A folder of sent mail that does not exist.
    NoSentFolder { folder: String },
}

impl LearnMistake {
    pub(super) fn wording(self) -> Wording {
        match self {
            LearnMistake::OfSite { what } => {
                error("learn-of-site", format!("{what} is for users' rules"), "not allowed here")
                    .or_hint(Some("site rules do not read users' mail"))
            }
            LearnMistake::InGroup => error(
                "moved-in-group",
                String::from("`on moved` inside a group"),
                "not allowed here",
            )
            .or_hint(Some(
                "it does not depend on an arriving message; move it outside of all rules",
            )),
            LearnMistake::NotOnMove { action } => error(
                "not-on-move",
                format!("`{action}` cannot be done when a message is moved"),
                "not here",
            )
            .or_hint(Some(
                "a move edits lists: `add from to NAME`, `remove from from NAME`; or it is \
                 noted with `log`",
            )),
            LearnMistake::NotTheSender { field } => error(
                "not-the-sender",
                format!("`{field}` is not learned from a moved message"),
                "expected `from`, `from.domain`, `list-id` or `thread`",
            )
            .or_hint(Some("`add from to NAME`, `add thread to NAME`, for example")),
            LearnMistake::EndTwice { way } => error(
                "end-twice",
                format!("`{way}` is given twice"),
                "one folder of each is enough",
            )
            .or_hint(Some("`on moved from \"A\" to \"B\" -> ACTION, ACTION`")),
            LearnMistake::NoMove => error(
                "no-move",
                String::from("nothing is moved from a folder to the same one"),
                "never happens",
            ),
            LearnMistake::Inserts => error(
                "folder-inserts",
                String::from("this folder name may not contain inserted values"),
                "expected one folder",
            )
            .or_hint(Some("name each folder in a statement of its own")),
            LearnMistake::CardsUnreadable { path, reason } => warning(
                "cards-unreadable",
                format!("cannot read the address book `{path}`: {reason}"),
                "no such address book",
            )
            .or_hint(Some("rules that use this list are skipped until it can be read")),
            LearnMistake::BrokenCards { count, place, why } => {
                let message = match count.saturating_sub(1) {
                    0 => format!("`{place}`: {why}"),
                    more => format!("`{place}`: {why} (and {more} more)"),
                };
                warning("broken-cards", message, "skipped")
                    .or_hint(Some("the other cards are used"))
            }
            LearnMistake::MadeListEdited { name } => error(
                "made-list-edited",
                format!("`{name}` is made from mail or an address book and cannot be edited"),
                "not a list in a file",
            )
            .or_hint(Some("keep a second list for it: `list NAME \"~/.mail/NAME\"`")),
            LearnMistake::NoSentFolder { folder } => warning(
                "no-sent-folder",
                format!("there is no folder `{folder}`"),
                "not there",
            )
            .or_hint(Some(
                "name a folder that exists, such as the one for sent mail; rules that use the list \
                         are skipped until then",
            )),
        }
    }
}
