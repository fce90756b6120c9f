//! `set NAME VALUE`

use super::test::is_header_name;
use super::{Checker, LONGEST_MEMORY};
use crate::classify::received::relays::is_relay;
use crate::rules::actions::is_address;
use crate::rules::confined::SITE_SETTINGS;
use crate::rules::mistake::{ConfinedMistake, RuleErrorKind, WordKind};
use crate::rules::program::{FolderNames, Layout, LogSetting, OverQuota};
use crate::source::{Span, Spanned};
use crate::syntax::ast::{SpannedText, ValueKind, ValueNode};

/// Every setting.
#[rustfmt::skip]
pub const SETTINGS: &[&str] = &[
    "maildir", "layout", "folder-names", "folder-prefix", "inbox", "subscribe", "remake-folders", "over-quota",
    "trash", "junk", "drafts", "shared", "me", "delimiter", "timezone", "log", "trust", "relays",
    "spam-score-header",
    "duplicates-for", "sendmail", "program-timeout", "forward-sender",
];

/// Whether a text can be a folder prefix: empty, or names of folders, each followed by
/// a slash.
fn is_prefix(text: &str) -> bool {
    let parts = text.strip_suffix('/').map(|parts| parts.split('/'));
    let is_name = |part: &str| !matches!(part.trim(), "" | "." | "..");
    text.is_empty()
        || !text.contains(char::is_control) && parts.is_some_and(|mut parts| parts.all(is_name))
}

/// The longest `program-timeout`, seconds: MTAs do not wait longer.
const LONGEST_PROGRAM: u64 = 4 * 60;

impl Checker<'_, '_> {
    pub(super) fn set(&mut self, span: Span, name: &SpannedText, value: &ValueNode) {
        if !SETTINGS.contains(&name.value.as_str()) {
            self.unknown(WordKind::Setting, &name.value, name.span);
            return;
        }
        self.site_setting(name);
        if self.context.confinement.is_some() && SITE_SETTINGS.contains(&name.value.as_str()) {
            let mistake = ConfinedMistake::Setting { name: name.value.clone() };
            self.report(span, mistake);
            return;
        }
        if self.statements.has_rules() {
            self.report(span, RuleErrorKind::SettingTooLate { name: name.value.clone() });
        }
        if let Some(at) = self.settings.insert(name.value.clone(), span) {
            self.report(span, RuleErrorKind::SettingTwice { name: name.value.clone(), at });
            self.settings.insert(name.value.clone(), at);
            return;
        }
        self.set_value(&name.value, value);
    }

    fn set_value(&mut self, name: &str, value: &ValueNode) {
        let text = match &value.kind {
            ValueKind::Text(text) => Some(text.as_str()),
            _ => None,
        };
        let word = match &value.kind {
            ValueKind::Text(word) | ValueKind::Name(word) => Some(word.as_str()),
            _ => None,
        };
        let settings = &mut self.program.settings;
        let path = |text: &&str| !text.trim().is_empty() && !text.contains(char::is_control);
        let expected = match (name, text, word) {
            ("maildir", Some(text), _) if path(&text) => {
                settings.maildir = Some(text.to_owned());
                self.shell_path(text, value.span, true);
                return;
            }
            ("maildir", ..) => "a path, for example `\"~/Maildir\"`",
            ("layout", _, Some("maildir++")) => return,
            ("layout", _, Some("fs")) => {
                settings.layout = Layout::Fs;
                return;
            }
            ("layout", ..) => "`maildir++` or `fs`",
            ("folder-names", _, Some("mutf7")) => {
                settings.folder_names = Some(FolderNames::Mutf7);
                return;
            }
            ("folder-names", _, Some("utf8")) => {
                settings.folder_names = Some(FolderNames::Utf8);
                return;
            }
            ("folder-names", ..) => "`mutf7` or `utf8`",
            ("folder-prefix", Some(text), _) if is_prefix(text) => {
                settings.folder_prefix = Some(text.to_owned());
                return;
            }
            ("folder-prefix", ..) => {
                "what folder names begin with, for example `\"INBOX/\"`, or `\"\"`"
            }
            ("inbox", Some(text), _) => {
                self.inbox = Some(Spanned { value: text.to_owned(), span: value.span });
                return;
            }
            ("inbox", ..) => "a folder, for example `\"INBOX\"`",
            ("trash" | "junk" | "drafts", Some(text), _) => {
                if let Some(folder) = self.plain_folder(text, value.span) {
                    let settings = &mut self.program.settings;
                    let setting = match name {
                        "trash" => &mut settings.trash,
                        "junk" => &mut settings.junk,
                        _ => &mut settings.drafts,
                    };
                    *setting = Some(folder);
                }
                return;
            }
            ("trash" | "junk" | "drafts", ..) => "a folder, for example `\"Deleted Items\"`",
            ("shared" | "subscribe" | "remake-folders", _, Some(word @ ("on" | "off"))) => {
                let on = word == "on";
                match name {
                    "shared" => settings.shared = on,
                    "subscribe" => settings.subscribe = Some(on),
                    _ => settings.remake_folders = Some(on),
                }
                return;
            }
            ("shared" | "subscribe" | "remake-folders", ..) => "`on` or `off`",
            ("over-quota", _, Some("temporary")) => {
                settings.over_quota = Some(OverQuota::Temporary);
                return;
            }
            ("over-quota", _, Some("permanent")) => {
                settings.over_quota = Some(OverQuota::Permanent);
                return;
            }
            ("over-quota", ..) => "`temporary` or `permanent`",
            ("me", ..) => {
                self.set_me(value);
                return;
            }
            ("delimiter", Some(text), _) if is_delimiter(text) => {
                settings.delimiter = Some(text.to_owned());
                return;
            }
            ("delimiter", ..) => "the separator of name and detail, for example `\"+\"`",
            ("trust", ..) => {
                let ids = elements_of(value).iter().map(|element| match &element.kind {
                    ValueKind::Text(id) if !id.trim().is_empty() => Some(id.trim().to_owned()),
                    _ => None,
                });
                match ids.collect() {
                    Some(ids) => {
                        settings.trust = ids;
                        return;
                    }
                    None => "ids of servers, for example `[\"mx.example.jp\"]`",
                }
            }
            ("relays", ..) => {
                let relays = elements_of(value);
                let wrong = relays.iter().find(|element| match &element.kind {
                    ValueKind::Text(text) => !is_relay(text),
                    _ => true,
                });
                if let Some(wrong) = wrong {
                    let expected = "addresses, networks and names, for example `[\"192.0.2.0/24\", \".mx.example.jp\"]`";
                    let name = name.to_owned();
                    self.report(wrong.span, RuleErrorKind::BadSetting { name, expected });
                    return;
                }
                settings.relays = relays.iter().filter_map(text_of).collect();
                return;
            }
            ("spam-score-header", Some(text), _) if is_header_name(text) => {
                settings.spam_score_header = Some(text.to_owned());
                return;
            }
            ("spam-score-header", ..) => "the name of a header in quotes",
            ("timezone", Some(text), _) if is_zone(text) => {
                settings.timezone = Some(text.to_owned());
                self.timezone = Some(Spanned { value: text.to_owned(), span: value.span });
                return;
            }
            ("timezone", ..) => "the name of a zone, for example `\"Asia/Tokyo\"`",
            ("log", _, Some("syslog")) => {
                settings.log = LogSetting::Syslog;
                return;
            }
            ("log", _, Some("off")) => {
                settings.log = LogSetting::Off;
                return;
            }
            ("log", Some(text), _) if path(&text) => {
                settings.log = LogSetting::File(text.to_owned());
                self.shell_path(text, value.span, true);
                return;
            }
            ("log", ..) => "a file in quotes, `syslog` or `off`",
            ("duplicates-for", ..) => match value.kind {
                ValueKind::Duration(seconds @ 1..=LONGEST_MEMORY) => {
                    settings.duplicates_for = Some(seconds);
                    return;
                }
                _ => "a duration, for example `28d`, at most `52w`",
            },
            ("program-timeout", ..) => match value.kind {
                ValueKind::Duration(seconds @ 1..=LONGEST_PROGRAM) => {
                    settings.program_timeout = Some(seconds);
                    return;
                }
                _ => "a duration, for example `60s`, at most `4m`",
            },
            ("sendmail", Some(text), _) if path(&text) && text.starts_with('/') => {
                settings.sendmail = Some(text.to_owned());
                return;
            }
            ("sendmail", ..) => "a program by its path, for example `\"/usr/sbin/sendmail\"`",
            ("forward-sender", Some(text), _) if is_forward_sender(text) => {
                settings.forward_sender = Some(text.to_owned());
                return;
            }
            _ => "an address, for example `\"taro+{sender}@example.jp\"`",
        };
        self.report(value.span, RuleErrorKind::BadSetting { name: name.to_owned(), expected });
    }

    fn set_me(&mut self, value: &ValueNode) {
        let elements = match &value.kind {
            ValueKind::Set(elements) => elements.as_slice(),
            ValueKind::Text(_) => std::slice::from_ref(value),
            _ => {
                let expected = "your addresses, for example `[\"taro@example.jp\"]`";
                self.report(
                    value.span,
                    RuleErrorKind::BadSetting { name: String::from("me"), expected },
                );
                return;
            }
        };
        let entries = self.list_entries(elements);
        self.program.settings.me = entries.iter().map(|entry| entry.value.clone()).collect();
        self.list_of_me(value.span, entries);
    }
}

/// The elements of a set, or a single value.
fn elements_of(value: &ValueNode) -> &[ValueNode] {
    match &value.kind {
        ValueKind::Set(elements) => elements,
        _ => std::slice::from_ref(value),
    }
}

fn text_of(value: &ValueNode) -> Option<String> {
    match &value.kind {
        ValueKind::Text(text) => Some(text.trim().to_owned()),
        _ => None,
    }
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
