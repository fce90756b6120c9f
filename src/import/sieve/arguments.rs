//! A command's or test's arguments, separated: tags, with what belongs to them, and the
//! rest by position.

use super::parse::{Argument, Node};

/// Tags that are followed by an argument, whatever command they belong to.
const WITH_VALUE: [&str; 26] = [
    "comparator",
    "value",
    "count",
    "index",
    "zone",
    "content",
    "header",
    "uniqueid",
    "handle",
    "seconds",
    "days",
    "subject",
    "from",
    "addresses",
    "flags",
    "list",
    "fcc",
    "specialuse",
    "mailboxid",
    "importance",
    "message",
    "options",
    "bytimerelative",
    "notify",
    "input",
    "output",
];

/// The arguments of a node.
pub(super) struct Arguments<'n> {
    tags: Vec<(&'n str, Option<&'n Argument>)>,
    rest: Vec<&'n Argument>,
}

impl<'n> Arguments<'n> {
    pub(super) fn of(node: &'n Node) -> Arguments<'n> {
        let mut all = Arguments { tags: Vec::new(), rest: Vec::new() };
        let mut each = node.arguments.iter().peekable();
        while let Some(argument) = each.next() {
            match argument {
                Argument::Tag(tag) => {
                    // `:list` is a match type, and `:content` and `:header` take a value.
                    let takes = WITH_VALUE.contains(&tag.as_str()) && tag != "list";
                    let value =
                        each.peek().filter(|next| takes && !matches!(next, Argument::Tag(_)));
                    let value = value.copied();
                    if value.is_some() {
                        each.next();
                    }
                    all.tags.push((tag, value));
                }
                other => all.rest.push(other),
            }
        }
        all
    }

    /// Whether a tag is present.
    pub(super) fn has(&self, tag: &str) -> bool {
        self.tags.iter().any(|(name, _)| *name == tag)
    }

    /// The strings after a tag.
    pub(super) fn tagged(&self, tag: &str) -> Option<&'n [String]> {
        match self.tags.iter().find(|(name, _)| *name == tag)?.1? {
            Argument::Strings(strings) => Some(strings),
            _ => None,
        }
    }

    /// The one string after a tag.
    pub(super) fn text(&self, tag: &str) -> Option<&'n str> {
        self.tagged(tag)?.first().map(String::as_str)
    }

    /// The number after a tag.
    pub(super) fn number(&self, tag: &str) -> Option<u64> {
        match self.tags.iter().find(|(name, _)| *name == tag)?.1? {
            Argument::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// All tags, in order.
    pub(super) fn tags(&self) -> impl Iterator<Item = &'n str> {
        self.tags.iter().map(|(name, _)| *name)
    }

    /// Fails if there is a tag that is not one of these.
    pub(super) fn unknown(&self, known: &[&str]) -> Result<(), String> {
        match self.tags().find(|tag| !known.contains(tag)) {
            Some(tag) => Err(format!("the argument `:{tag}` has no counterpart")),
            None => Ok(()),
        }
    }

    /// The strings at a position.
    pub(super) fn strings(&self, at: usize) -> Result<&'n [String], String> {
        match self.rest.get(at) {
            Some(Argument::Strings(strings)) => Ok(strings),
            Some(_) => Err("a string was expected".into()),
            None => Err("an argument is missing".into()),
        }
    }

    /// The one string at a position.
    pub(super) fn string(&self, at: usize) -> Result<&'n str, String> {
        match self.strings(at)? {
            [one] => Ok(one),
            _ => Err("one string was expected".into()),
        }
    }

    /// How many there are besides the tags.
    pub(super) fn count(&self) -> usize {
        self.rest.len()
    }

    /// The number at a position.
    pub(super) fn number_at(&self, at: usize) -> Result<u64, String> {
        match self.rest.get(at) {
            Some(Argument::Number(number)) => Ok(*number),
            _ => Err("a number was expected".into()),
        }
    }
}
