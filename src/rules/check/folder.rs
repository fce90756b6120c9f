//! Folder names: fixed text in the rules cannot leave the Maildir, and can be
//! created in the layout that is set. `evaluate` cleans inserted text.

use super::Checker;
use crate::diagnostic::Severity;
use crate::message::fold;
use crate::rules::folder_name::{after_prefix, is_taken};
use crate::rules::mistake::{BadFolder, BadPath, PlaceMistake, RuleErrorKind};
use crate::rules::program::Layout;
use crate::rules::template::{Template, TemplatePart};
use crate::source::{Span, Spanned};

/// How many bytes a folder's name may have: the limit for file names less what is
/// added around it.
const LONGEST: usize = 240;

impl Checker<'_, '_> {
    /// The folder of an action: its parts without a leading `INBOX/`, which IMAP
    /// servers may put before it; the inner `None` for the inbox itself. The
    /// outer `None` means a mistake.
    pub(super) fn folder(&mut self, text: &str, span: Span) -> Option<Option<Template>> {
        let mut template = self.string_with_inserts(text, 0, span, true)?;
        let literal = match template.parts.as_slice() {
            [TemplatePart::Text(text)] => Some(text.clone()),
            _ => None,
        };
        if literal.as_deref().is_some_and(|name| name.eq_ignore_ascii_case("INBOX")) {
            return Some(None);
        }
        // In the fs layout `INBOX/` is below the inbox's directory, and site
        // rules know neither layout nor prefix.
        let settings = &self.program.settings;
        let rest = match template.parts.first() {
            Some(TemplatePart::Text(first)) => {
                after_prefix(first, settings.folder_prefix.as_deref(), settings.layout)
                    .map(str::to_owned)
            }
            _ => None,
        };
        if !self.site
            && let (Some(rest), Some(TemplatePart::Text(first))) =
                (rest, template.parts.first_mut())
        {
            *first = rest;
        }
        if let Some(why) = bad_folder(&template, text, self.program.settings.layout) {
            self.report(span, RuleErrorKind::BadFolder(why));
            return None;
        }
        if let Some(suggestion) = without_dollars(text).filter(|_| !self.in_script) {
            self.report(span, PlaceMistake::FolderCapture { name: text.to_owned(), suggestion });
        }
        template.parts.retain(|part| !matches!(part, TemplatePart::Text(text) if text.is_empty()));
        let is_literal = matches!(template.parts.as_slice(), [TemplatePart::Text(_)]);
        if let Some(TemplatePart::Text(name)) = template.parts.first() {
            let name = name.clone();
            self.odd_folder(&name, is_literal, span);
            if is_literal {
                self.spelling(&name, span);
            }
        }
        Some(Some(template))
    }

    /// Reports names that mean something to other programs, but nothing here.
    fn odd_folder(&mut self, name: &str, is_literal: bool, span: Span) {
        let first = name.split('/').next().unwrap_or_default();
        let variable = first
            .strip_prefix('$')
            .filter(|word| word.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_'));
        let mistake = if variable.is_some_and(|word| !word.is_empty()) {
            let below = name.split_once('/').map(|(_, below)| below.to_owned());
            PlaceMistake::FolderVariable { name: name.to_owned(), suggestion: below }
        } else if is_literal && name.split('/').any(|part| part.trim() != part) {
            let parts: Vec<&str> = name.split('/').map(str::trim).collect();
            PlaceMistake::FolderBlank { name: name.to_owned(), suggestion: parts.join("/") }
        } else if self.program.settings.layout == Layout::Fs
            && let Some(below) = below_inbox_by_dots(name)
        {
            PlaceMistake::FolderOfInbox { name: name.to_owned(), suggestion: below }
        } else {
            return;
        };
        self.report(span, mistake);
    }

    /// Checks for a path in which a shell or a mail server would substitute something.
    pub(super) fn shell_path(&mut self, text: &str, span: Span, severity: Severity) {
        if let Some(suggestion) = suggest_path(text) {
            let text = text.to_owned();
            self.report(span, PlaceMistake::ShellPath { text, suggestion, severity });
        }
    }

    /// Checks `set inbox "…"` when all settings are known. In maildir++ `INBOX`
    /// is the Maildir itself, and other folders may be named as if below it.
    pub(super) fn judge_inbox(&mut self) {
        let Some(Spanned { value, span }) = self.inbox.take() else { return };
        let layout = self.program.settings.layout;
        if layout == Layout::MaildirPlusPlus && value.eq_ignore_ascii_case("INBOX") {
            self.program.settings.inbox = Some(String::new());
            return;
        }
        let prefix = self.program.settings.folder_prefix.as_deref();
        let name = after_prefix(&value, prefix, layout).unwrap_or(&value);
        let template = Template { parts: vec![TemplatePart::Text(name.to_owned())] };
        match bad_folder(&template, &value, layout) {
            Some(why) => self.report(span, RuleErrorKind::BadFolder(why)),
            None => self.program.settings.inbox = Some(name.to_owned()),
        }
    }

    /// Two folders that differ only in case are two to a file system and one to a reader.
    fn spelling(&mut self, name: &str, span: Span) {
        let folded = fold::fold(name).into_owned();
        match self.folders.get(&folded) {
            Some((other, _)) if other == name => {}
            Some((other, at)) => {
                let mistake = RuleErrorKind::FolderCase {
                    name: name.to_owned(),
                    other: other.clone(),
                    at: *at,
                };
                self.report(span, mistake);
            }
            None => {
                self.folders.insert(folded, (name.to_owned(), span));
            }
        }
    }
}

/// The path that was meant by one with `$HOME`, `%h`, `~other` or Dovecot's
/// `maildir:`; `None` if it means what it says.
fn suggest_path(text: &str) -> Option<String> {
    let (format, path) = match text.split_once(':') {
        Some(("maildir" | "mbox" | "sdbox" | "mdbox", path)) => {
            (true, path.split(':').next().unwrap_or_default())
        }
        _ => (false, text),
    };
    let homes = ["$HOME", "${HOME}", "%h", "%{home}", "~"];
    let below = |home: &&str| {
        let rest = path.strip_prefix(home)?;
        if rest.is_empty() { Some("Maildir") } else { rest.strip_prefix('/') }
    };
    if let Some(below) = homes.iter().find_map(below) {
        let put_in = |part: &str| part.len() > 1 && part.starts_with('$') || part.contains('%');
        let plain = path.starts_with("~/") && !below.split('/').any(put_in);
        return (format || !plain).then(|| format!("~/{below}"));
    }
    if let Some(other) = path.strip_prefix('~') {
        return Some(format!("/home/{other}"));
    }
    let put_in = path.split('/').any(|part| {
        part.starts_with("$") && part.len() > 1
            || part.contains("%{")
            || matches!(part, "%u" | "%n" | "%d" | "%h")
    });
    if put_in {
        return Some(String::from("~/Maildir"));
    }
    format.then(|| path.to_owned())
}

/// The rest of `INBOX.Rest`, with slashes between its levels.
fn below_inbox_by_dots(name: &str) -> Option<String> {
    let (first, rest) = name.split_once('.')?;
    (first.eq_ignore_ascii_case("INBOX") && !rest.is_empty()).then(|| rest.replace('.', "/"))
}

/// The folder with `{1}` in place of `$1` and `${1}`, if it has any.
fn without_dollars(name: &str) -> Option<String> {
    let mut suggestion = String::new();
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('$') {
        let braced = after.strip_prefix('{').is_some_and(|it| it.starts_with(digit));
        let digits = after.len() - after.trim_start_matches(digit).len();
        let (number, after) = after.split_at(digits);
        suggestion += before;
        match number {
            "" => suggestion += if braced { "" } else { "$" },
            number => suggestion += &format!("{{{number}}}"),
        }
        rest = after;
    }
    suggestion += rest;
    (suggestion != name).then_some(suggestion)
}

fn digit(letter: char) -> bool {
    letter.is_ascii_digit()
}

/// The folder that was probably meant by a path; `None` for the inbox. It is what
/// follows the last part that has a usual name of Maildirs, otherwise only the
/// last part.
fn suggest_folder(written: &str, layout: Layout) -> Option<String> {
    const MAILDIRS: [&str; 6] = ["maildir", ".maildir", "mail", ".mail", "mailbox", "inbox"];
    let is_part = |part: &&str| !matches!(part.trim(), "" | "." | ".." | "cur" | "new" | "tmp");
    let mut parts: Vec<&str> = written.split('/').filter(is_part).collect();
    let is_path = written.starts_with(['/', '~']);
    let is_maildir = |part: &&str| MAILDIRS.contains(&part.to_ascii_lowercase().as_str());
    match parts.iter().rposition(is_maildir) {
        Some(at) => drop(parts.drain(..=at)),
        None if is_path && !parts.is_empty() => drop(parts.drain(..parts.len() - 1)),
        None => {}
    }
    parts.retain(|part| !part.starts_with('~'));
    let nested = |part: &str| {
        let below = below_inbox_by_dots(part);
        let part = below.as_deref().unwrap_or(part);
        let by_dots = part.starts_with('.') || layout == Layout::MaildirPlusPlus;
        let mut is_insert = false;
        let letters = part.trim_start_matches('.').chars().map(|letter| {
            is_insert = letter == '{' || is_insert && letter != '}';
            if letter == '.' && by_dots && !is_insert { '/' } else { letter }
        });
        letters.collect::<String>()
    };
    let parts: Vec<String> = parts.into_iter().map(nested).collect();
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// Why no folder can have that name, judging by its fixed text.
fn bad_folder(template: &Template, written: &str, layout: Layout) -> Option<BadFolder> {
    // An insert is a part of a name that is never empty: one sign represents it.
    const INSERT: char = '\u{fffc}';
    let name: String = template
        .parts
        .iter()
        .map(|part| match part {
            TemplatePart::Text(text) => text.replace(INSERT, "?"),
            _ => INSERT.to_string(),
        })
        .collect();
    if name.is_empty() {
        return Some(BadFolder::Empty);
    }
    if name == "/dev/null" {
        return Some(BadFolder::Nowhere);
    }
    let path = |why| Some(BadFolder::Path { why, suggestion: suggest_folder(written, layout) });
    if name.starts_with(['/', '~']) {
        return path(BadPath::Absolute);
    }
    if name.contains(char::is_control) {
        return Some(BadFolder::Control);
    }
    let parts = || name.split('/');
    if parts().any(|part| matches!(part.trim(), "." | "..")) {
        return path(BadPath::Climbs);
    }
    if parts().any(|part| part.trim().is_empty()) {
        return path(BadPath::EmptyPart);
    }
    match layout {
        Layout::MaildirPlusPlus => {
            if name.contains('.') {
                let nested = below_inbox_by_dots(&name).unwrap_or_else(|| name.replace('.', "/"));
                let parts: Vec<&str> = nested.split('/').filter(|part| !part.is_empty()).collect();
                return Some(BadFolder::Dot(parts.join("/").replace(INSERT, "…")));
            }
            (name.len() > LONGEST).then_some(BadFolder::TooLong)
        }
        Layout::Fs => {
            if parts().any(|part| part.starts_with('.')) {
                return Some(BadFolder::Hidden(suggest_folder(written, layout)));
            }
            if let Some(part) = parts().find(|part| is_taken(part)) {
                return Some(BadFolder::Reserved(part.to_owned()));
            }
            parts().any(|part| part.len() > LONGEST).then_some(BadFolder::TooLong)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_as_paths() {
        use Layout::{Fs, MaildirPlusPlus};
        for (written, layout, suggestion) in [
            ("~/Mail/x", MaildirPlusPlus, Some("x")),
            ("/home/u/Mail/lists/rust", MaildirPlusPlus, Some("lists/rust")),
            ("~/Maildir/.Lists.Rust/", MaildirPlusPlus, Some("Lists/Rust")),
            ("~/Maildir/.Lists.Rust/new", Fs, Some("Lists/Rust")),
            ("INBOX.Lists.rust/", MaildirPlusPlus, Some("Lists/rust")),
            ("INBOX.Lists.rust/", Fs, Some("Lists/rust")),
            ("~/Maildir/rust.v2/", Fs, Some("rust.v2")),
            ("/srv/archive", Fs, Some("archive")),
            ("/srv/Maildir/{from.domain}", MaildirPlusPlus, Some("{from.domain}")),
            ("$HOME/Mail/lists/", MaildirPlusPlus, Some("lists")),
            ("a//b", MaildirPlusPlus, Some("a/b")),
            ("../x", MaildirPlusPlus, Some("x")),
            ("./a/../b/", Fs, Some("a/b")),
            ("~", Fs, None),
            ("~taro", Fs, None),
            ("/", MaildirPlusPlus, None),
            ("~/Maildir/", MaildirPlusPlus, None),
            ("/var/mail", Fs, None),
        ] {
            assert_eq!(suggest_folder(written, layout).as_deref(), suggestion, "{written}");
        }
    }

    #[test]
    fn captures_of_other_programs() {
        for (name, suggestion) in [
            ("$2", Some("{2}")),
            ("${2}", Some("{2}")),
            ("Lists/$1-${12}", Some("Lists/{1}-{12}")),
            ("a$", None),
            ("$b/${c}", None),
            ("{1}", None),
        ] {
            assert_eq!(without_dollars(name).as_deref(), suggestion, "{name}");
        }
    }

    #[test]
    fn paths_of_other_programs() {
        for (text, suggestion) in [
            ("$HOME/Maildir", "~/Maildir"),
            ("${HOME}/.mail", "~/.mail"),
            ("%h/Mail", "~/Mail"),
            ("~", "~/Maildir"),
            ("$HOME", "~/Maildir"),
            ("~taro/Maildir", "/home/taro/Maildir"),
            ("maildir:~/Maildir", "~/Maildir"),
            ("maildir:/srv/mail:LAYOUT=fs", "/srv/mail"),
            ("maildir:%h/Maildir:INBOX=%h/in", "~/Maildir"),
            ("/var/mail/%u", "~/Maildir"),
            ("$MAILDIR/x", "~/Maildir"),
            ("~/$USER/x", "~/$USER/x"),
        ] {
            assert_eq!(suggest_path(text).as_deref(), Some(suggestion), "{text}");
        }
        for text in ["~/Maildir", "Maildir", "/srv/mail/taro", "a:b", "100%", "~/a$b", "$"] {
            assert_eq!(suggest_path(text), None, "{text}");
        }
    }
}
