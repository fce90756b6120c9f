//! Paths of mail, as in procmail and maildrop, as folders of ours.

use super::Options;
use super::ir::{Draft, Effect, Unit, literal, quote};
use super::levels::with_levels;
use crate::ascii_case;
use crate::user::SPOOL_DIRECTORIES;

/// Where mail is stored, from the home, as templates: `~/Maildir/`.
pub(super) struct MailPlaces {
    /// Where relative paths start.
    pub(super) start: String,
    /// The directory that contains the folders.
    pub(super) maildir: String,
    /// Where mail goes that no rule takes.
    pub(super) inbox: String,
    /// The Maildir that the user names, if any.
    pub(super) named: Option<String>,
    /// Values that are one level of a name.
    pub(super) one_level: Vec<String>,
}

/// Directories that people keep mail in.
const MAIL_DIRECTORIES: [&str; 8] = [
    "~/Maildir/",
    "~/Mail/",
    "~/mail/",
    "~/.maildir/",
    "~/.mail/",
    "~/.Mail/",
    "~/.Maildir/",
    "~/",
];

/// What becomes of a dot in a folder's name.
const DOTS: &str =
    "a dot in the name of a folder becomes `-`, since maildir++ separates levels by it";

/// Names folders as their layout allows it; notes if one is changed.
pub(super) fn name_in_layout(effects: &mut [Effect], options: &Options, draft: &mut Draft) {
    if options.layout.as_deref() == Some("fs") {
        return;
    }
    for effect in effects {
        let (Effect::Folder(name, _) | Effect::Copy(name, _) | Effect::FileInto(name, _)) = effect
        else {
            continue;
        };
        if without_inserts(name).contains('.') {
            draft.note(DOTS);
            *name = replaced_outside(name, '.', "-");
        }
    }
}

/// Notes what becomes of values that no folder can be named after.
pub(super) fn note_values(draft: &mut Draft) {
    let mut names = Vec::new();
    draft.units.iter().for_each(|unit| names_with_values(unit, &mut names));
    let is_path = |name: &String| name.contains(":levels}");
    let (as_path, as_level) = (names.iter().any(is_path), !names.iter().all(is_path));
    if as_path {
        draft.note(
            "of several blanks in a value that names a folder one is kept; where it makes a name \
             that no folder can have, such as one with an empty level, the message is in the inbox",
        );
    }
    if as_level {
        draft.note(
            "a value that is one level of a folder's name becomes one that a folder can have: of \
             several blanks one is kept, a dot or slash is `_`, an empty value `unknown`, and \
             `INBOX` is `_INBOX`",
        );
    }
}

/// The names of folders in a unit that contain a value, except a time.
fn names_with_values(unit: &Unit, names: &mut Vec<String>) {
    for effect in &unit.effects {
        match effect {
            Effect::Folder(name, _) | Effect::Copy(name, _) | Effect::FileInto(name, _) => {
                let inserted = characters(name).into_iter().filter(|(_, inserted)| *inserted);
                let values: String = inserted.map(|(c, _)| c).collect();
                if values.split_inclusive('}').any(|value| !value.starts_with("{now")) {
                    names.push(name.clone());
                }
            }
            Effect::Rule(unit) => names_with_values(unit, names),
            _ => {}
        }
    }
}

impl MailPlaces {
    /// The folder that a path stands for, as a template; none for the inbox.
    ///
    /// # Errors
    /// Why it is not a folder.
    pub(super) fn folder(
        &self,
        written: &str,
        draft: &mut Draft,
    ) -> Result<Option<String>, String> {
        let whole = trimmed(&self.path_from_home(written));
        // The system's mailbox is where mail goes that no rule takes.
        let is_spool = whole.rsplit_once('/').is_some_and(|(directory, name)| {
            !name.is_empty() && SPOOL_DIRECTORIES.contains(&directory)
        });
        let inbox = trimmed(&self.path_from_home(&self.inbox));
        let named = self.named.as_deref().map(|named| trimmed(&self.path_from_home(named)));
        if whole == inbox || is_spool || named.as_ref() == Some(&whole) {
            return Ok(None);
        }
        let below = self.below_maildir(&whole, &inbox, named.as_deref()).ok_or_else(|| {
            format!("`{whole}` is outside the Maildir: `--maildir` says where that is")
        })?;
        let directory = trimmed(whole.strip_suffix(below).unwrap_or(&whole));
        // What is put into `new` of a Maildir is mail in it.
        if below == "new" && directory.to_ascii_lowercase().ends_with("maildir") {
            return Ok(None);
        }
        let below = match below.strip_suffix("/new") {
            Some(maildir) if maildir.starts_with('.') => maildir,
            _ => below,
        };
        // In a Maildir `.A.B` is a folder within a folder.
        let name = match below.strip_prefix('.') {
            Some(name) => with_levels(&replaced_outside(name, '.', "/"), &self.one_level),
            None => {
                note_other_store(written.ends_with('/'), &directory, draft);
                let name = below.trim_start_matches("./");
                if without_inserts(name).contains('.') {
                    draft.note(DOTS);
                }
                replaced_outside(name, '.', "-")
            }
        };
        let name = name.trim_matches('/').to_owned();
        let is_bad = name.is_empty()
            || name.split('/').any(|part| part.trim().is_empty() || part == "..")
            || name.contains(['$', '~', '`']);
        if is_bad {
            return Err(format!("`{whole}` is not a folder"));
        }
        if ascii_case::starts_with(&name, "INBOX/") {
            keep_prefix(draft);
        }
        Ok(Some(name))
    }

    /// The rest of a path after the Maildir, or after a directory whose folders become
    /// folders of it.
    fn below_maildir<'p>(
        &self,
        whole: &'p str,
        inbox: &str,
        named: Option<&str>,
    ) -> Option<&'p str> {
        let below = |directory: &str| whole.strip_prefix(directory)?.strip_prefix('/');
        let maildir = trimmed(&self.path_from_home(&self.maildir));
        let in_inbox = below(inbox).filter(|name| !self.inbox.is_empty() && name.starts_with('.'));
        let mut in_home =
            MAIL_DIRECTORIES.iter().filter_map(|base| Some((*base, whole.strip_prefix(base)?)));
        // From the home, `Maildir/.A/` and `Mail/A/` are folders of what is there.
        let is_folder = |(base, name): &(&str, &str)| *base != "~/" || name.starts_with('.');
        named
            .and_then(below)
            .or(in_inbox)
            .or_else(|| match maildir == "~" {
                true => in_home.clone().find(is_folder).map(|(_, name)| name),
                false => None,
            })
            .or_else(|| below(&maildir))
            .or_else(|| in_home.next().map(|(_, name)| name))
    }

    /// The folder in the Maildir that a path names, if it is one beside the inbox.
    pub(super) fn folder_at(&self, path: &str) -> Option<String> {
        let last = path.trim_end_matches('/').rsplit('/').next()?;
        // Other paths may be anything.
        let is_folder = last.starts_with('.') && last.len() > 1;
        let folder = || self.folder(&literal(path), &mut Draft::default()).ok()?;
        is_folder.then(folder)?
    }

    /// A path from the home.
    fn path_from_home(&self, path: &str) -> String {
        let mut path = match path.starts_with(['/', '~']) {
            true => path.to_owned(),
            false => format!("{}/{path}", self.start.trim_end_matches('/')),
        };
        while path.contains("//") {
            path = path.replace("//", "/");
        }
        // `/home/taro/` is the home of whoever has these rules.
        let mut parts = path.splitn(4, '/');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(""), Some("home" | "users" | "usr2" | "Users"), Some(_), Some(rest)) => {
                format!("~/{rest}")
            }
            _ => path.replace("~/./", "~/"),
        }
    }
}

/// Notes that a folder which is not one of the Maildir becomes one.
fn note_other_store(is_maildir: bool, directory: &str, draft: &mut Draft) {
    if is_maildir && directory != "~" {
        draft.note(format!(
            "Maildirs below `{directory}` become folders of the Maildir; if all folders are \
             such, `set maildir \"{directory}\"` and `set layout fs` leave them where they are"
        ));
    } else if is_maildir {
        draft.note("Maildirs in the home become folders of the Maildir");
    } else {
        draft.note("mbox and MH folders become folders of the Maildir");
    }
}

/// `INBOX/A` is a name as it is on disk.
pub(super) fn keep_prefix(draft: &mut Draft) {
    let prefix = ("folder-prefix".to_owned(), quote(""));
    if !draft.settings.contains(&prefix) {
        draft.settings.push(prefix);
    }
}

fn trimmed(mut path: &str) -> String {
    while let Some(shorter) = path.strip_suffix("/.").or_else(|| path.strip_suffix('/')) {
        path = shorter;
    }
    path.to_owned()
}

/// A template without the inserted values.
fn without_inserts(template: &str) -> String {
    characters(template).into_iter().filter(|(_, inserted)| !inserted).map(|(c, _)| c).collect()
}

/// Replaces a character in the text itself, not in inserted values.
pub(super) fn replaced_outside(template: &str, from: char, to: &str) -> String {
    let mut text = String::new();
    for (c, inserted) in characters(template) {
        match c == from && !inserted {
            true => text.push_str(to),
            false => text.push(c),
        }
    }
    text
}

/// The characters of a template, each with whether it belongs to an inserted value. `{{` and
/// `}}` are braces.
fn characters(template: &str) -> Vec<(char, bool)> {
    let mut found = Vec::with_capacity(template.len());
    let mut is_inserted = false;
    let mut rest = template.chars().peekable();
    while let Some(c) = rest.next() {
        let is_brace = !is_inserted && matches!(c, '{' | '}') && rest.next_if_eq(&c).is_some();
        if is_brace {
            found.extend([(c, false); 2]);
            continue;
        }
        found.push((c, is_inserted || c == '{'));
        is_inserted = c == '{' || is_inserted && c != '}';
    }
    found
}
