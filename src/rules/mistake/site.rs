//! What is wrong with categories, labels and the switch.

#![allow(missing_docs, reason = "each variant's line explains its fields")]

use super::{Wording, error, warning};
use crate::source::Span;

/// What is wrong with categories, labels and the switch.
#[derive(Debug, Clone, PartialEq)]
pub enum SiteMistake {
    /// A rule of site rules that belongs to no category.
    OutsideCategory { what: &'static str },
    /// A category in a user's rules.
    CategoryOfUser,
    /// A category in a group or in another one.
    CategoryInGroup,
    /// Two with the same name.
    CategoryTwice { name: String, at: Span },
    /// A name that a category cannot have.
    BadName { name: String },
    /// A setting that only the user may set.
    Setting { name: String },
    /// `isp-filter` or `isp-label` where it would depend on a condition.
    InGroup { what: &'static str },
    /// A label without a text.
    EmptyLabel,
    /// The same switched twice.
    SwitchTwice { at: Span },
    /// `isp-filter default` in a user's rules.
    DefaultOfUser,
    /// `isp-filter on` in site rules.
    SwitchOfSite,
    /// A category that the site rules do not have.
    UnknownCategory { name: String, near: Option<String>, known: Vec<String> },
    /// A category that cannot be switched off.
    Mandatory { name: String },
}

impl SiteMistake {
    pub(super) fn wording(self) -> Wording {
        match self {
            SiteMistake::OutsideCategory { what } => error(
                "outside-category",
                format!("this {what} belongs to no category"),
                "could not be switched off",
            )
            .or_hint(Some("site rules must be inside `category \"NAME\" { … }`")),
            SiteMistake::CategoryOfUser => error(
                "category-of-user",
                String::from("only the provider's site rules have categories"),
                "not allowed here",
            )
            .or_hint(Some("group rules of your own with `rule \"NAME\" otherwise { … }`")),
            SiteMistake::CategoryInGroup => error(
                "category-in-group",
                String::from("a category inside a group"),
                "not allowed here",
            )
            .or_hint(Some("move it outside of all groups")),
            SiteMistake::CategoryTwice { name, at } => {
                error("category-twice", format!("there are two categories `{name}`"), "again")
                    .with(at, "here first")
                    .or_hint(Some("put the rules of both into one"))
            }
            SiteMistake::BadName { name } => error(
                "bad-category",
                format!("`{name}` is not a valid category name"),
                "invalid name",
            )
            .or_hint(Some(
                "users write it after `isp-filter`: up to 60 characters without `,` and \
                 quotes, not `on`, `off` or `default`",
            )),
            SiteMistake::Setting { name } => error(
                "setting-of-user",
                format!("`set {name}` is for users' rules"),
                "not in site rules",
            )
            .or_hint(Some(
                "where a user's mail is stored must not depend on the site rules; use `--maildir`",
            )),
            SiteMistake::InGroup { what } => {
                error("in-group", format!("`{what}` inside a group"), "not allowed here")
                    .or_hint(Some("it applies to all mail; move it outside of all groups"))
            }
            SiteMistake::EmptyLabel => error("empty-label", String::from("empty label"), "nothing")
                .or_hint(Some("`isp-label subject \"[SPAM]\"`, for example")),
            SiteMistake::SwitchTwice { at } => {
                error("switched-twice", String::from("switched twice"), "again")
                    .with(at, "switched here first")
                    .or_hint(Some("keep one of them"))
            }
            SiteMistake::DefaultOfUser => error(
                "default-of-user",
                String::from("the default is decided by the provider, in the site rules"),
                "not in users' rules",
            )
            .or_hint(Some("your own choice is `isp-filter on` or `isp-filter off`")),
            SiteMistake::SwitchOfSite => error(
                "switch-of-site",
                String::from("the switch is the user's"),
                "not in site rules",
            )
            .or_hint(Some("for users who have not chosen, write `isp-filter default off`")),
            SiteMistake::UnknownCategory { name, near, known } => {
                let all: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
                let message = format!("the provider's filter has no category `{name}`");
                warning("unknown-category", message, "unknown")
                    .or_near(near)
                    .or_hint(Some(format!("it has {}", all.join(", "))))
            }
            SiteMistake::Mandatory { name } => {
                let message = format!("the category `{name}` is mandatory");
                warning("mandatory-category", message, "it stays on")
            }
        }
    }
}
