//! Lists: sets in the rules are read when those are checked, files only when all
//! mistakes are wanted.

use std::collections::HashSet;
use std::io::ErrorKind;

use super::{CheckContext, CheckResult, Checker, NameKind, include, programs, sort};
use crate::diagnostic::Severity;
use crate::rules::address_list::AddressList;
use crate::rules::list_entry::{BadEntry, BadEntryReason, judge, judge_patterns, pattern_source};
use crate::rules::mistake::{
    ActionMistake, NameMistake, ReferenceMistake, RuleErrorKind, TestMistake, WordKind,
};
use crate::rules::pattern;
use crate::rules::program::{Entries, List};
use crate::source::{SourceFile, Sources, Span, Spanned};
use crate::syntax::ast::{SpannedText, ValueKind, ValueNode};

/// Reads the lists that the rules name and adds their mistakes, all of them
/// warnings: only for `mfilter check`. The time zone is checked, too.
pub fn check_lists(
    checked: &mut CheckResult,
    sources: &mut Sources,
    context: &mut CheckContext<'_>,
) {
    let mut read = HashSet::new();
    for list in &checked.list_files {
        if !read.insert((&list.path, list.holds_texts)) {
            continue;
        }
        let bytes = match (context.load)(&list.path) {
            Ok(bytes) => bytes,
            Err(error) if list.grows && error.kind() == ErrorKind::NotFound => continue,
            Err(error) => {
                let path = sources.text(list.span).trim_matches('"').to_owned();
                let mistake =
                    ReferenceMistake::ListUnreadable { path, reason: include::reason(&error) };
                checked.diagnostics.push(RuleErrorKind::Reference(mistake).at(list.span));
                continue;
            }
        };
        let text = String::from_utf8_lossy(&bytes);
        let mut bad = AddressList::check_patterns(&text);
        if !list.holds_texts {
            bad.extend(AddressList::parse(&text).bad_entries().iter().cloned());
        }
        if !bad.is_empty() {
            let file = sources.add(SourceFile::new(&list.path, text));
            let text = sources.files().last().map_or("", |file| file.text.as_str());
            checked.diagnostics.extend(entry_diagnostics(bad, file, text));
        }
    }
    for reply in &checked.reply_files {
        if let Err(error) = (context.load)(&reply.path) {
            let path = sources.text(reply.span).trim_matches('"').to_owned();
            let mistake = RuleErrorKind::Action(ActionMistake::ReplyUnreadable {
                path,
                reason: include::reason(&error),
            });
            checked.diagnostics.push(mistake.at(reply.span));
        }
    }
    for program in &checked.programs {
        if let Some(why) = programs::missing(&program.value, context.home) {
            let mistake = ReferenceMistake::ProgramMissing { name: program.value.clone(), why };
            checked.diagnostics.push(RuleErrorKind::Reference(mistake).at(program.span));
        }
    }
    if let Some(zone) = &checked.timezone
        && crate::zone::named(&zone.value).is_none()
    {
        let mistake = ReferenceMistake::UnknownTimezone { name: zone.value.clone() };
        checked.diagnostics.push(RuleErrorKind::Reference(mistake).at(zone.span));
    }
    sort(&mut checked.diagnostics);
}

/// Bad entries of a list file, each at its place in the file.
fn entry_diagnostics(
    mut bad: Vec<BadEntry>,
    file: u32,
    text: &str,
) -> impl Iterator<Item = crate::diagnostic::Diagnostic> {
    bad.sort_by_key(|entry| entry.line);
    let mut lines = (1..).zip(text.split_inclusive('\n'));
    let mut start = 0;
    bad.into_iter().filter_map(move |entry| {
        for (number, line) in lines.by_ref() {
            let at = start;
            start += line.len();
            if number == entry.line {
                let at = (at + line.find(&entry.entry)?) as u32;
                let span = Span { file, start: at, end: at + entry.entry.len() as u32 };
                let reason = entry.reason.to_string();
                let mistake = ReferenceMistake::BadEntry { entry: entry.entry, reason };
                return Some(RuleErrorKind::Reference(mistake).at(span));
            }
        }
        None
    })
}

impl Checker<'_, '_> {
    /// `list NAME …`
    pub(super) fn list(&mut self, name: &SpannedText, value: &ValueNode) {
        if name.value == "me" {
            self.report(name.span, NameMistake::MeIsASetting);
            return;
        }
        let list = Some(name.value.clone());
        let index = match &value.kind {
            ValueKind::Text(file) => {
                self.shell_path(file, value.span, Severity::Warning);
                let index = self.add_list(list, value.span, Entries::File(file.clone()));
                self.list_files.push((index, value.span));
                index
            }
            ValueKind::Set(elements) => {
                let entries = self.list_entries(elements);
                self.inline_list(list, value.span, entries)
            }
            _ => {
                self.wrong_value("a file or a set of addresses", value, None);
                self.declare(name, NameKind::Broken);
                return;
            }
        };
        self.declare(name, NameKind::List(index));
    }

    /// `set me [...]` makes a list as well.
    pub(super) fn list_of_me(&mut self, span: Span, entries: Vec<Spanned<String>>) {
        let index = self.inline_list(Some(String::from("me")), span, entries);
        self.names.insert(String::from("me"), (NameKind::List(index), span));
    }

    /// The elements of a set of addresses, each as in a list file's line.
    pub(super) fn list_entries(&mut self, elements: &[ValueNode]) -> Vec<Spanned<String>> {
        let mut entries = Vec::with_capacity(elements.len());
        for element in elements {
            let entry = match &element.kind {
                ValueKind::Text(text) => text.trim().to_owned(),
                ValueKind::Pattern { source, case_sensitive } => {
                    if *case_sensitive {
                        let reason = String::from("case does not count in a set of addresses");
                        self.report(element.span, TestMistake::BadPattern { reason });
                        continue;
                    }
                    format!("/{source}/")
                }
                _ => {
                    self.wrong_value("a quoted string", element, None);
                    continue;
                }
            };
            if let Some(Err(error)) = pattern_source(&entry).map(|text| pattern::check(text, false))
            {
                self.report(element.span, TestMistake::BadPattern { reason: error.reason });
            }
            entries.push(Spanned { value: entry, span: element.span });
        }
        entries
    }

    /// `in NAME`
    pub(super) fn named_list(&mut self, name: &str, span: Span) -> Option<u32> {
        match self.names.get(name) {
            Some((NameKind::List(list), _)) => Some(*list),
            Some((NameKind::Broken, _)) => None,
            Some((declared, _)) => {
                let what = declared.name();
                self.report(span, NameMistake::NotAList { name: name.to_owned(), what });
                None
            }
            None => {
                self.missing(WordKind::List, name, span);
                None
            }
        }
    }

    /// Adds a list whose entries are in the rules, and returns its number; a set that is
    /// written in a test has no name.
    pub(super) fn inline_list(
        &mut self,
        name: Option<String>,
        span: Span,
        entries: Vec<Spanned<String>>,
    ) -> u32 {
        let plain = entries.iter().map(|entry| entry.value.clone()).collect();
        let index = self.add_list(name, span, Entries::Inline(plain));
        self.entries.push((index, entries));
        index
    }

    /// Adds a list, and returns its number.
    pub(super) fn add_list(&mut self, name: Option<String>, span: Span, entries: Entries) -> u32 {
        self.program.lists.push(List { name, span, entries, grows: false });
        self.program.lists.len() as u32 - 1
    }

    /// Reports an entry that no address can match.
    pub(super) fn bad_entry(&mut self, span: Span, entry: &str, reason: &BadEntryReason) {
        let (entry, reason) = (entry.to_owned(), reason.to_string());
        self.report(span, ReferenceMistake::BadEntry { entry, reason });
    }

    /// Reports entries that no address can match, in lists that no text is compared with.
    pub(super) fn judge_entries(&mut self) {
        for (list, entries) in std::mem::take(&mut self.entries) {
            let texts = (0..).zip(entries.iter().map(|entry| entry.value.as_str()));
            for bad in judge_patterns(texts) {
                let entry = entries.get(bad.line as usize);
                if let (BadEntryReason::ManyPatterns, Some(entry)) = (&bad.reason, entry) {
                    self.bad_entry(entry.span, &bad.entry, &bad.reason);
                }
            }
            if self.text_lists.contains(&list) {
                continue;
            }
            for entry in entries {
                if let Some(reason) = judge(&entry.value) {
                    self.bad_entry(entry.span, &entry.value, &reason);
                }
            }
        }
    }
}
