//! What patterns have captured.

use crate::rules::pattern::Search;

/// What the patterns of one rule's condition captured.
#[derive(Debug, Clone, Default)]
pub(super) struct Captures {
    found: Vec<PatternMatch>,
}

/// The groups of one match.
#[derive(Debug, Clone)]
struct PatternMatch {
    groups: Vec<Option<String>>,
    names: Vec<(String, usize)>,
}

impl PatternMatch {
    fn by(search: &Search, text: &str) -> Option<PatternMatch> {
        let mut captures = search.regex.create_captures();
        search.regex.captures(search.input(text), &mut captures);
        let names = captures.group_info().pattern_names(captures.pattern()?);
        let names = names.enumerate().filter_map(|(at, name)| Some((name?.to_owned(), at)));
        let groups = captures.iter().map(|group| Some(text.get(group?.range())?.to_owned()));
        Some(PatternMatch { groups: groups.collect(), names: names.collect() })
    }
}

impl Captures {
    /// Adds the groups of a match; returns whether there is one.
    pub(super) fn add(&mut self, search: &Search, text: &str) -> bool {
        let found = PatternMatch::by(search, text);
        let is_match = found.is_some();
        self.found.extend(found);
        is_match
    }

    /// `{1}`: from the last pattern that has such a group.
    pub(super) fn group(&self, number: usize) -> Option<&str> {
        self.found.iter().rev().find_map(|found| found.groups.get(number)?.as_deref())
    }

    /// `{name}`
    pub(super) fn named(&self, name: &str) -> Option<&str> {
        self.found.iter().rev().find_map(|found| {
            let (_, group) = found.names.iter().find(|(known, _)| known == name)?;
            found.groups.get(*group)?.as_deref()
        })
    }
}
