//! `set NAME VALUE`

use super::test::is_header_name;
use super::{Checker, LONGEST_MEMORY};
use crate::classify::received::relays::is_relay;
use crate::diagnostic::Severity;
use crate::rules::actions::is_address;
use crate::rules::confined::DECIDED_BY_SITE;
use crate::rules::mistake::{ConfinedMistake, SettingMistake, WordKind};
use crate::rules::program::{FolderNames, Layout, LogSetting, OverQuota, Settings};
use crate::source::{Span, Spanned};
use crate::syntax::ast::{SpannedText, ValueKind, ValueNode};

/// The longest `program-timeout`, seconds: MTAs do not wait longer.
const LONGEST_PROGRAM: u64 = 4 * 60;

/// The words that may follow `set`.
pub fn setting_names() -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().map(|setting| setting.name)
}

/// A word after `set`.
struct Setting {
    name: &'static str,
    /// What the value must be, for people.
    expected: &'static str,
    /// Takes the value; the error is the place of what it cannot be.
    take: fn(&mut Checker<'_, '_>, &ValueNode) -> Result<(), Span>,
}

/// Every setting.
const SETTINGS: &[Setting] = &[
    Setting {
        name: "maildir",
        expected: "a path, for example `\"~/Maildir\"`",
        take: |checker, value| {
            let path = path_in(value)?;
            checker.program.settings.maildir = Some(path.to_owned());
            checker.shell_path(path, value.span, Severity::Error);
            Ok(())
        },
    },
    Setting {
        name: "layout",
        expected: "`maildir++` or `fs`",
        take: |checker, value| {
            let layouts = [("maildir++", Layout::MaildirPlusPlus), ("fs", Layout::Fs)];
            checker.program.settings.layout = choice(value, &layouts)?;
            Ok(())
        },
    },
    Setting {
        name: "folder-names",
        expected: "`mutf7` or `utf8`",
        take: |checker, value| {
            let encodings = [("mutf7", FolderNames::Mutf7), ("utf8", FolderNames::Utf8)];
            checker.program.settings.folder_names = Some(choice(value, &encodings)?);
            Ok(())
        },
    },
    Setting {
        name: "folder-prefix",
        expected: "what folder names begin with, for example `\"INBOX/\"`, or `\"\"`",
        take: |checker, value| {
            checker.program.settings.folder_prefix = Some(text_where(value, is_prefix)?);
            Ok(())
        },
    },
    Setting {
        name: "inbox",
        expected: "a folder, for example `\"INBOX\"`",
        take: |checker, value| {
            let folder = text_in(value)?.to_owned();
            checker.inbox = Some(Spanned { value: folder, span: value.span });
            Ok(())
        },
    },
    Setting {
        name: "subscribe",
        expected: "`on` or `off`",
        take: |checker, value| {
            checker.program.settings.subscribe = Some(choice(value, ON_OR_OFF)?);
            Ok(())
        },
    },
    Setting {
        name: "remake-folders",
        expected: "`on` or `off`",
        take: |checker, value| {
            checker.program.settings.remake_folders = Some(choice(value, ON_OR_OFF)?);
            Ok(())
        },
    },
    Setting {
        name: "over-quota",
        expected: "`temporary` or `permanent`",
        take: |checker, value| {
            let failures =
                [("temporary", OverQuota::Temporary), ("permanent", OverQuota::Permanent)];
            checker.program.settings.over_quota = Some(choice(value, &failures)?);
            Ok(())
        },
    },
    Setting {
        name: "trash",
        expected: SPECIAL_FOLDER,
        take: |checker, value| checker.special_folder(value, |settings| &mut settings.trash),
    },
    Setting {
        name: "junk",
        expected: SPECIAL_FOLDER,
        take: |checker, value| checker.special_folder(value, |settings| &mut settings.junk),
    },
    Setting {
        name: "drafts",
        expected: SPECIAL_FOLDER,
        take: |checker, value| checker.special_folder(value, |settings| &mut settings.drafts),
    },
    Setting {
        name: "shared",
        expected: "`on` or `off`",
        take: |checker, value| {
            checker.program.settings.shared = choice(value, ON_OR_OFF)?;
            Ok(())
        },
    },
    Setting {
        name: "me",
        expected: "your addresses, for example `[\"taro@example.jp\"]`",
        take: |checker, value| checker.set_me(value),
    },
    Setting {
        name: "delimiter",
        expected: "the separator of name and detail, for example `\"+\"`",
        take: |checker, value| {
            checker.program.settings.delimiter = Some(text_where(value, is_delimiter)?);
            Ok(())
        },
    },
    Setting {
        name: "timezone",
        expected: "the name of a zone, for example `\"Asia/Tokyo\"`",
        take: |checker, value| {
            let zone = text_where(value, is_zone)?;
            checker.program.settings.timezone = Some(zone.clone());
            checker.timezone = Some(Spanned { value: zone, span: value.span });
            Ok(())
        },
    },
    Setting {
        name: "log",
        expected: "a file in quotes, `syslog` or `off`",
        take: |checker, value| checker.set_log(value),
    },
    Setting {
        name: "trust",
        expected: "ids of servers, for example `[\"mx.example.jp\"]`",
        take: |checker, value| {
            checker.program.settings.trust = texts_where(value, |id| !id.is_empty())?;
            Ok(())
        },
    },
    Setting {
        name: "relays",
        expected: "addresses, networks and names, for example `[\"192.0.2.0/24\", \".mx.example.jp\"]`",
        take: |checker, value| {
            checker.program.settings.relays = texts_where(value, is_relay)?;
            Ok(())
        },
    },
    Setting {
        name: "spam-score-header",
        expected: "the name of a header in quotes",
        take: |checker, value| {
            let header = text_where(value, is_header_name)?;
            checker.program.settings.spam_score_header = Some(header);
            Ok(())
        },
    },
    Setting {
        name: "duplicates-for",
        expected: "a duration, for example `28d`, at most `52w`",
        take: |checker, value| {
            checker.program.settings.duplicates_for = Some(duration(value, LONGEST_MEMORY)?);
            Ok(())
        },
    },
    Setting {
        name: "sendmail",
        expected: "a program by its path, for example `\"/usr/sbin/sendmail\"`",
        take: |checker, value| {
            let program = Some(path_in(value)?).filter(|path| path.starts_with('/'));
            checker.program.settings.sendmail = Some(program.ok_or(value.span)?.to_owned());
            Ok(())
        },
    },
    Setting {
        name: "program-timeout",
        expected: "a duration, for example `60s`, at most `4m`",
        take: |checker, value| {
            checker.program.settings.program_timeout = Some(duration(value, LONGEST_PROGRAM)?);
            Ok(())
        },
    },
    Setting {
        name: "forward-sender",
        expected: "an address, for example `\"taro+{sender}@example.jp\"`",
        take: |checker, value| {
            checker.program.settings.forward_sender = Some(text_where(value, is_forward_sender)?);
            Ok(())
        },
    },
];

/// What the value of `trash`, `junk` and `drafts` must be.
const SPECIAL_FOLDER: &str = "a folder, for example `\"Deleted Items\"`";

const ON_OR_OFF: &[(&str, bool)] = &[("on", true), ("off", false)];

impl Checker<'_, '_> {
    pub(super) fn set(&mut self, span: Span, name: &SpannedText, value: &ValueNode) {
        let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name.value) else {
            self.unknown(WordKind::Setting, &name.value, name.span);
            return;
        };
        self.site_setting(name);
        if self.context.confinement.is_some() && DECIDED_BY_SITE.contains(&name.value.as_str()) {
            let mistake = ConfinedMistake::Setting { name: name.value.clone() };
            self.report(span, mistake);
            return;
        }
        if self.statements.has_rules() {
            self.report(span, SettingMistake::TooLate { name: name.value.clone() });
        }
        if let Some(at) = self.settings.insert(name.value.clone(), span) {
            self.report(span, SettingMistake::Twice { name: name.value.clone(), at });
            self.settings.insert(name.value.clone(), at);
            return;
        }
        if let Err(span) = (setting.take)(self, value) {
            let Setting { name, expected, .. } = *setting;
            self.report(span, SettingMistake::BadValue { name, expected });
        }
    }

    fn special_folder(
        &mut self,
        value: &ValueNode,
        setting: fn(&mut Settings) -> &mut Option<String>,
    ) -> Result<(), Span> {
        if let Some(folder) = self.plain_folder(text_in(value)?, value.span) {
            *setting(&mut self.program.settings) = Some(folder);
        }
        Ok(())
    }

    fn set_me(&mut self, value: &ValueNode) -> Result<(), Span> {
        let elements = match &value.kind {
            ValueKind::Set(elements) => elements.as_slice(),
            ValueKind::Text(_) => std::slice::from_ref(value),
            _ => return Err(value.span),
        };
        let entries = self.list_entries(elements);
        self.program.settings.me = entries.iter().map(|entry| entry.value.clone()).collect();
        self.list_of_me(value.span, entries);
        Ok(())
    }

    fn set_log(&mut self, value: &ValueNode) -> Result<(), Span> {
        let words = [("syslog", LogSetting::Syslog), ("off", LogSetting::Off)];
        self.program.settings.log = match choice(value, &words) {
            Ok(setting) => setting,
            Err(_) => {
                let path = path_in(value)?;
                self.shell_path(path, value.span, Severity::Error);
                LogSetting::File(path.to_owned())
            }
        };
        Ok(())
    }
}

/// A string.
fn text_in(value: &ValueNode) -> Result<&str, Span> {
    match &value.kind {
        ValueKind::Text(text) => Ok(text),
        _ => Err(value.span),
    }
}

fn text_where(value: &ValueNode, is_valid: impl Fn(&str) -> bool) -> Result<String, Span> {
    let text = text_in(value)?;
    if is_valid(text) { Ok(text.to_owned()) } else { Err(value.span) }
}

/// The strings in a set, or a single one, without blanks around them; all must be valid.
fn texts_where(value: &ValueNode, is_valid: impl Fn(&str) -> bool) -> Result<Vec<String>, Span> {
    let elements = match &value.kind {
        ValueKind::Set(elements) => elements.as_slice(),
        _ => std::slice::from_ref(value),
    };
    let text = |element: &ValueNode| {
        let text = text_in(element)?.trim();
        if is_valid(text) { Ok(text.to_owned()) } else { Err(element.span) }
    };
    elements.iter().map(text).collect()
}

fn path_in(value: &ValueNode) -> Result<&str, Span> {
    let path = text_in(value)?;
    let is_path = !path.trim().is_empty() && !path.contains(char::is_control);
    if is_path { Ok(path) } else { Err(value.span) }
}

/// What one of these words stands for, quoted or not.
fn choice<T: Clone>(value: &ValueNode, words: &[(&str, T)]) -> Result<T, Span> {
    let (ValueKind::Text(word) | ValueKind::Name(word)) = &value.kind else {
        return Err(value.span);
    };
    let chosen = words.iter().find(|(known, _)| known == word);
    chosen.map(|(_, meaning)| meaning.clone()).ok_or(value.span)
}

/// A duration in seconds, from one to `longest`.
fn duration(value: &ValueNode, longest: u64) -> Result<u64, Span> {
    match value.kind {
        ValueKind::Duration(seconds) if (1..=longest).contains(&seconds) => Ok(seconds),
        _ => Err(value.span),
    }
}

/// Whether a text can be a folder prefix: empty, or names of folders, each followed by
/// a slash.
fn is_prefix(text: &str) -> bool {
    let parts = text.strip_suffix('/').map(|parts| parts.split('/'));
    let is_name = |part: &str| !matches!(part.trim(), "" | "." | "..");
    text.is_empty()
        || !text.contains(char::is_control) && parts.is_some_and(|mut parts| parts.all(is_name))
}

/// Whether a text is an address, in which `{sender}` may occur once in place of the
/// sender.
fn is_forward_sender(text: &str) -> bool {
    let plain = text.replacen("{sender}", "x", 1);
    !plain.contains(['{', '}']) && is_address(&plain)
}

/// Whether a text consists of signs that can separate name and detail in a local part.
fn is_delimiter(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_ascii_punctuation() && letter != '@')
}

fn is_zone(text: &str) -> bool {
    let letter = |letter: char| letter.is_ascii_alphanumeric() || "/_+-".contains(letter);
    !text.is_empty() && text.chars().all(letter) && !text.starts_with('/')
}
