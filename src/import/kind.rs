//! What kind of file it is, so that a wrong one is reported and not half read.

use crate::ascii_case;

/// How much of a file is looked at, bytes.
const BYTES_MAX: usize = 64 << 10;
/// How many of its lines are looked at.
const LINES_MAX: usize = 400;
/// In how many lines the headers of a message are looked for.
const HEADER_LINES: usize = 20;

/// A kind of text file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileKind {
    Sieve,
    Procmail,
    Maildrop,
    Mailrules,
    Gmail,
    Thunderbird,
    Xml,
    Program,
    Mbox,
    Message,
}

impl FileKind {
    /// The word of `mfilter import` for it.
    fn language(self) -> Option<&'static str> {
        match self {
            FileKind::Sieve => Some("sieve"),
            FileKind::Procmail => Some("procmail"),
            FileKind::Maildrop => Some("maildrop"),
            FileKind::Gmail => Some("gmail"),
            FileKind::Thunderbird => Some("thunderbird"),
            _ => None,
        }
    }

    /// What it is, in words.
    fn description(self) -> &'static str {
        match self {
            FileKind::Sieve => "a Sieve script: `mfilter import sieve` is for it",
            FileKind::Procmail => "a procmailrc: `mfilter import procmail` is for it",
            FileKind::Maildrop => "a maildrop filter: `mfilter import maildrop` is for it",
            FileKind::Mailrules => "a file of mailrules already",
            FileKind::Gmail => "Gmail's export of filters: `mfilter import gmail` is for it",
            FileKind::Thunderbird => {
                "Thunderbird's filters: `mfilter import thunderbird` is for it"
            }
            FileKind::Xml => "an XML or HTML document",
            FileKind::Program => "a program",
            FileKind::Mbox => "an mbox with mail, and no rules",
            FileKind::Message => "a message, not rules",
        }
    }
}

/// What a file is instead of the rules that were asked for, in words; none if nothing
/// indicates that it is not `wanted`, a language of `mfilter import`.
pub fn other_than(wanted: &str, bytes: &[u8]) -> Option<&'static str> {
    if let Some(binary) = binary(bytes) {
        return Some(binary);
    }
    let found = text_kind(bytes)?;
    (found.language() != Some(wanted)).then(|| found.description())
}

/// What a file is that holds mail in place of rules, in words.
pub fn mail(bytes: &[u8]) -> Option<&'static str> {
    let found = text_kind(bytes)?;
    matches!(found, FileKind::Message | FileKind::Mbox).then(|| found.description())
}

fn binary(bytes: &[u8]) -> Option<&'static str> {
    const MAGIC: [(&[u8], &str); 8] = [
        (b"\x1f\x8b", "a gzip archive"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b"\x28\xb5\x2f\xfd", "a Zstandard file"),
        (b"\x7fELF", "a program"),
        (b"%PDF-", "a PDF document"),
        (b"SQLite format 3\0", "an SQLite database"),
        (b"\xff\xfe", "a text in UTF-16; convert it to UTF-8"),
        (b"\xfe\xff", "a text in UTF-16; convert it to UTF-8"),
    ];
    let magic = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, what)| *what);
    magic.or_else(|| bytes.contains(&0).then_some("a binary file"))
}

fn text_kind(bytes: &[u8]) -> Option<FileKind> {
    let start = bytes.get(..bytes.len().min(BYTES_MAX)).unwrap_or(bytes);
    let text = String::from_utf8_lossy(start);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    by_beginning(text).or_else(|| by_lines(text))
}

/// The kind of a text that begins as no other one does.
fn by_beginning(text: &str) -> Option<FileKind> {
    let begins = |word: &str| ascii_case::starts_with(text, word);
    let interpreter = text.strip_prefix("#!").and_then(|rest| rest.lines().next());
    if interpreter.is_some_and(|line| {
        !["maildrop", "procmail", "sieve", "mfilter"].iter().any(|name| line.contains(name))
    }) {
        return Some(FileKind::Program);
    }
    if begins("<?xml") || begins("<feed") || begins("<!doctype") || begins("<html") {
        let is_gmail = text.contains("mail:filters") || text.contains("schemas.google.com");
        return Some(if is_gmail { FileKind::Gmail } else { FileKind::Xml });
    }
    if begins("version=\"") && text.contains("logging=\"") {
        return Some(FileKind::Thunderbird);
    }
    let is_mbox = begins("from ") && text.lines().nth(1).is_some_and(|line| line.contains(':'));
    is_mbox.then_some(FileKind::Mbox)
}

/// Judges by the first lines that mean anything: each speaks for one language at most.
fn by_lines(text: &str) -> Option<FileKind> {
    let languages = [FileKind::Sieve, FileKind::Procmail, FileKind::Maildrop, FileKind::Mailrules];
    let mut votes = languages.map(|kind| (kind, 0));
    let mut headers = 0;
    for (number, line) in text.lines().enumerate().take(LINES_MAX) {
        let line = line.trim();
        headers += usize::from(number < HEADER_LINES && is_header_of_mail(line));
        // Nothing else begins like this.
        if first_word(line).eq_ignore_ascii_case("require") && line.contains(['"', '[']) {
            return Some(FileKind::Sieve);
        }
        let language = if is_of_recipe(line) { Some(FileKind::Procmail) } else { by_word(line) };
        if let Some((_, count)) = votes.iter_mut().find(|(kind, _)| Some(*kind) == language) {
            *count += 1;
        }
    }
    let (kind, count) = votes.into_iter().max_by_key(|(_, count)| *count)?;
    if count == 0 {
        return (headers >= 2).then_some(FileKind::Message);
    }
    // Sure with two votes, or with one and none for another language.
    let is_alone = votes.iter().filter(|(_, count)| *count > 0).count() == 1;
    (count >= 2 || is_alone).then_some(kind)
}

fn first_word(line: &str) -> &str {
    let is_of_word = |c: char| c.is_ascii_alphanumeric() || c == '-';
    line.split(|c| !is_of_word(c)).next().unwrap_or_default()
}

fn is_header_of_mail(line: &str) -> bool {
    let word = first_word(line);
    ["received", "return-path", "delivered-to", "mime-version"]
        .iter()
        .any(|name| word.eq_ignore_ascii_case(name))
        && line.get(word.len()..).is_some_and(|rest| rest.starts_with(": "))
}

/// Whether it is a line of a recipe of procmail: `:0`, or a condition.
fn is_of_recipe(line: &str) -> bool {
    let is_of_head = |c: char| {
        c.is_ascii_alphanumeric() || matches!(c, ' ' | '\t' | ':' | '.' | '-' | '_' | '/' | '$')
    };
    line.strip_prefix(":0").is_some_and(|rest| rest.chars().all(is_of_head))
        || ["* ^", "* !", "* < "].iter().any(|start| line.starts_with(start))
}

/// The language of a line by its first word.
fn by_word(line: &str) -> Option<FileKind> {
    let word = first_word(line);
    let lower = word.to_ascii_lowercase();
    match lower.as_str() {
        "fileinto" | "redirect" | "keep" | "stop" | "discard" if line.ends_with(';') => {
            Some(FileKind::Sieve)
        }
        // Sieve has no parentheses there.
        "if" | "elsif" if opens(line, word) => Some(FileKind::Maildrop),
        "elsif" => Some(FileKind::Sieve),
        "if" if line.contains("=~") => Some(FileKind::Maildrop),
        "if" if line.contains(" :") || line.contains("(:") || line.ends_with('{') => {
            Some(FileKind::Sieve)
        }
        // `LOGFILE=$HOME/log` belongs to procmail.
        "to" | "cc" | "xfilter" | "import" | "logfile"
            if word == lower && line.contains(['"', '$', '|']) && !assigns(line, word) =>
        {
            Some(FileKind::Maildrop)
        }
        "when" | "otherwise" if line.contains("->") || line.ends_with('{') => {
            Some(FileKind::Mailrules)
        }
        "set" if !line.ends_with(';') && !line.contains('=') => Some(FileKind::Mailrules),
        _ => None,
    }
}

fn opens(line: &str, word: &str) -> bool {
    line.get(word.len()..).is_some_and(|rest| rest.trim_start().starts_with('('))
}

fn assigns(line: &str, word: &str) -> bool {
    line.get(word.len()..).is_some_and(|rest| rest.trim_start().starts_with('='))
}

#[cfg(test)]
mod tests {
    use super::other_than;

    #[test]
    fn the_kind_of_a_wrong_file_is_reported() {
        for (text, word) in [
            (":0:\n* ^From.*x\nfolder\n", "procmailrc"),
            ("if (/^From: x/)\n{\n  to \"Mail/x\"\n}\n", "maildrop"),
            ("when from is \"a@b\" -> inbox\n", "mailrules"),
            ("<?xml version='1.0'?><feed><mail:filters/></feed>", "Gmail"),
            ("From a@b Mon\nSubject: x\n\nhello\n", "mbox"),
            ("Received: by x\nReturn-Path: <a@b>\nSubject: x\n\nhello\n", "message"),
            ("\u{1f}\u{8b}", "binary"),
            ("a\0b", "binary"),
            ("#!/usr/bin/env python3\nimport sys\n", "program"),
            ("version=\"9\"\nlogging=\"no\"\n", "Thunderbird"),
        ] {
            let bytes: Vec<u8> = match text {
                "\u{1f}\u{8b}" => vec![0, 1, 2],
                _ => text.as_bytes().to_vec(),
            };
            let told = other_than("sieve", &bytes).unwrap_or("nothing");
            assert!(told.contains(word), "{text}: {told}");
        }
        let maildrop =
            "if (   /^A:.*b/:h || /^C:.*d/:h )\n{\n A=1\n}\nelsif ( /^B:/:h )\n{\n A=2\n}\n";
        assert_eq!(other_than("maildrop", maildrop.as_bytes()), None);
        let procmail = "MAILDIR=$HOME/.mail/\nLOGFILE=$HOME/log\n";
        assert_eq!(other_than("procmail", procmail.as_bytes()), None);
        for text in [
            "require [\"fileinto\"];\nif header :is \"a\" \"b\" { fileinto \"x\"; }\n",
            "keep;\n",
            "",
            "# only a comment\n",
            "if address :is \"from\" \"a@b\" { discard; }",
        ] {
            assert_eq!(other_than("sieve", text.as_bytes()), None, "{text}");
        }
    }
}
