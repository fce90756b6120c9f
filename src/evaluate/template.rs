//! Fills in `{…}`, and cleans text from the message for its destination: it
//! cannot leave the Maildir, add folder levels, or start a new line.

use super::Evaluator;
use super::condition::Conditions;
use super::values::{formatted_date, formatted_now};
use crate::message::encoded_word;
use crate::message::unfold::unfold;
use crate::plan::Folder;
use crate::rules::folder_name::{behind_prefix, is_taken};
use crate::rules::program::{Field, Layout};
use crate::rules::template::{Insert, Template, TemplatePart};
use crate::text::is_invisible;

/// How many bytes a folder's name may have: the limit for file names less what
/// Maildir and Dovecot add.
const LONGEST_NAME: usize = 240;
/// The longest argument, bytes; Linux allows 128 KB for one.
const LONGEST_ARGUMENT: usize = 64 << 10;
/// Replaces an empty insert.
const UNKNOWN: &str = "unknown";

impl Evaluator<'_> {
    /// One line of text, for a header, a log or a refusal.
    pub(super) fn line(&self, template: &Template) -> String {
        let mut line = String::new();
        for part in template.parts.iter() {
            line.push_str(&self.header_as_written(part).unwrap_or_else(|| self.part(part)));
        }
        line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
    }

    /// Text of several lines; `longest` limits each inserted value, in characters.
    pub(super) fn lines(&self, template: &Template, longest: usize) -> String {
        let mut lines = String::new();
        for part in &template.parts {
            match part {
                TemplatePart::Text(text) => lines.push_str(text),
                insert => lines.extend(self.part(insert).chars().take(longest)),
            }
        }
        let shown = |c: char| if c.is_control() && !matches!(c, '\n' | '\t') { ' ' } else { c };
        lines.chars().map(shown).collect()
    }

    /// An argument of a program: one line, and not an option unless the rule
    /// itself writes one. If an inserted value would make it begin with `-`, a
    /// `_` is put before it. It is cut to `room` bytes.
    pub(super) fn argument(&self, template: &Template, room: usize) -> String {
        let mut text = self.line(template);
        let literal = matches!(
            template
                .parts
                .iter()
                .find(|part| { !matches!(part, TemplatePart::Text(text) if text.is_empty()) }),
            Some(TemplatePart::Text(_))
        );
        if text.starts_with('-') && !literal {
            text.insert(0, '_');
        }
        let room = room.min(LONGEST_ARGUMENT);
        if text.len() > room {
            let end = (0..=room).rev().find(|end| text.is_char_boundary(*end));
            text.truncate(end.unwrap_or(0));
        }
        text
    }

    /// The decoded text of a header, with the letters that the sender wrote: only
    /// text that is compared has to be normalised.
    fn header_as_written(&self, part: &TemplatePart) -> Option<String> {
        let TemplatePart::Insert(Insert::Field(field), case) = part else { return None };
        let field = self.conditions.program.fields.get(*field as usize)?;
        let Field::Header(name) = field else { return None };
        let head = self.conditions.message.head();
        let value = unfold(head.first(name)?);
        let text = encoded_word::decode(&value, head.declared_charset());
        Some(case.of(text.trim().to_owned()))
    }

    /// A folder; each insert is at most one level of its path.
    pub(super) fn folder(&self, template: &Template) -> Folder {
        let own = &self.conditions.program.settings;
        let settings = self.site_of.map_or(own, |rules| &rules.user.settings);
        let (layout, prefix) = (settings.layout, settings.folder_prefix.as_deref());
        // A script's folder names belong to its own namespace.
        let prefix = if self.progress.script.is_some() { Some("") } else { prefix };
        // Site rules are checked without knowing the user's settings.
        let unchecked = self.site_of.is_some() && prefix.is_some_and(|prefix| !prefix.is_empty());
        let mut parts = vec![String::new()];
        for (at, part) in template.parts.iter().enumerate() {
            match part {
                TemplatePart::Text(text) => {
                    let first = at == 0 && unchecked;
                    let behind = behind_prefix(text, prefix, layout).filter(|_| first);
                    let text = behind.unwrap_or(text);
                    for (number, piece) in text.split('/').enumerate() {
                        if number > 0 {
                            parts.push(String::new());
                        }
                        if let Some(last) = parts.last_mut() {
                            last.push_str(piece);
                        }
                    }
                }
                insert => {
                    let clean = clean(&self.part(insert), layout);
                    if let Some(last) = parts.last_mut() {
                        last.push_str(&clean);
                    }
                }
            }
        }
        let inserted = template.parts.iter().any(|part| !matches!(part, TemplatePart::Text(_)));
        // The fixed text of the rules is the inbox, or a folder below it.
        let written = match template.parts.first() {
            Some(TemplatePart::Text(text)) => {
                text.split_once('/').is_some_and(|(first, _)| first.eq_ignore_ascii_case("INBOX"))
            }
            _ => false,
        };
        let is_inbox = !inserted && is_inbox(&parts);
        if is_inbox || written && layout == Layout::MaildirPlusPlus && prefix.is_none() {
            parts.remove(0);
        }
        let below_inbox = written && (layout == Layout::Fs || prefix.is_some());
        if inserted { settle(parts, layout, below_inbox) } else { Folder { parts } }
    }

    fn part(&self, part: &TemplatePart) -> String {
        match part {
            TemplatePart::Text(text) => text.clone(),
            TemplatePart::Insert(insert, case) => case.of(match insert {
                Insert::Group(number) => {
                    let number = *number as usize;
                    self.captured(|captures| captures.group(number))
                }
                Insert::Capture(name) => self.captured(|captures| captures.named(name)),
                other => self.conditions.inserted(other),
            }),
        }
    }

    /// A capture of the innermost rule that has such a capture.
    fn captured<'a>(
        &'a self,
        of: impl Fn(&'a super::condition::Captures) -> Option<&'a str>,
    ) -> String {
        let mut around = self.progress.open.iter().rev();
        around.find_map(|open| of(&open.captures)).unwrap_or_default().to_owned()
    }
}

impl Conditions<'_> {
    /// The value of an insert that is not a capture; empty if there is none.
    pub(super) fn inserted(&self, insert: &Insert) -> String {
        match insert {
            Insert::Field(field) => self
                .field(*field)
                .ok()
                .and_then(|values| values.iter().next().map(|value| value.inserted()))
                .unwrap_or_default(),
            Insert::Date(format) => formatted_date(self, format),
            Insert::Now(format) => formatted_now(self, format),
            Insert::Group(_) | Insert::Capture(_) => String::new(),
        }
    }
}

fn is_inbox(parts: &[String]) -> bool {
    matches!(parts, [only] if only.eq_ignore_ascii_case("INBOX"))
}

/// Text from a message as one level of a folder's path, or as a piece of it.
fn clean(value: &str, layout: Layout) -> String {
    let separates = |c: char| c == '/' || (c == '.' && layout == Layout::MaildirPlusPlus);
    let text: String = value
        .chars()
        .take(LONGEST_NAME)
        .map(|c| match c {
            c if is_invisible(c) || separates(c) => '_',
            c => c,
        })
        .collect();
    let text = text.trim();
    if text.is_empty() { UNKNOWN.into() } else { text.to_owned() }
}

/// Turns levels with inserted text into names that can be created on any disk.
fn settle(parts: Vec<String>, layout: Layout, below_inbox: bool) -> Folder {
    let mut parts: Vec<String> = parts.into_iter().map(|part| reserved(part, layout)).collect();
    if let Some(first) =
        parts.first_mut().filter(|first| !below_inbox && first.eq_ignore_ascii_case("INBOX"))
    {
        first.insert(0, '_');
    }
    loop {
        let sizes: Vec<usize> = parts.iter().map(|part| bytes_on_disk(part) + 1).collect();
        let size = match layout {
            Layout::MaildirPlusPlus => sizes.iter().sum(),
            Layout::Fs => sizes.iter().copied().max().unwrap_or(0),
        };
        let longest = sizes.iter().enumerate().max_by_key(|(_, size)| **size).map(|(at, _)| at);
        match longest.and_then(|at| parts.get_mut(at)) {
            Some(part) if size > LONGEST_NAME => part.pop(),
            _ => break,
        };
    }
    Folder { parts }
}

/// Names that mean something else to a file system, a Maildir or Dovecot.
fn reserved(part: String, layout: Layout) -> String {
    let trimmed = part.trim_end();
    let taken = matches!(trimmed, "" | "." | "..")
        || trimmed.starts_with('~')
        || (layout == Layout::Fs && (trimmed.starts_with('.') || is_taken(trimmed)));
    if taken { format!("_{trimmed}") } else { trimmed.to_owned() }
}

/// The most bytes that a level can take in modified UTF-7 and in UTF-8.
fn bytes_on_disk(part: &str) -> usize {
    part.chars().map(|c| if c.is_ascii() && c != '&' { 1 } else { 3 * c.len_utf16() + 2 }).sum()
}
