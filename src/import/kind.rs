//! What kind of file it is, so that a wrong one is reported and not half read.

use crate::ascii_case;

/// What a file is instead of the rules that were asked for, in words; none if nothing
/// indicates that it is not `wanted`: `sieve`, `procmail`, `maildrop`.
pub fn other_than(wanted: &str, bytes: &[u8]) -> Option<&'static str> {
    if let Some(binary) = binary(bytes) {
        return Some(binary);
    }
    let found = rules(bytes)?;
    (found.0 != wanted).then_some(found.1)
}

/// What a file is that holds mail in place of rules, in words.
pub fn mail(bytes: &[u8]) -> Option<&'static str> {
    rules(bytes).filter(|(kind, _)| matches!(*kind, "message" | "mbox")).map(|(_, what)| what)
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

const SIEVE: &str = "a Sieve script: `mfilter import sieve` is for it";

/// Judges by the first lines that mean anything: the kind, and its name for people.
fn rules(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    let start = bytes.get(..bytes.len().min(64 << 10)).unwrap_or(bytes);
    let text = String::from_utf8_lossy(start);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let begins = |word: &str| ascii_case::starts_with(text, word);
    if let Some(line) = text.strip_prefix("#!").and_then(|rest| rest.lines().next())
        && !["maildrop", "procmail", "sieve", "mfilter"].iter().any(|name| line.contains(name))
    {
        return Some(("script", "a program"));
    }
    if begins("<?xml") || begins("<feed") || begins("<!doctype") || begins("<html") {
        let gmail = text.contains("mail:filters") || text.contains("schemas.google.com");
        return Some(if gmail {
            ("gmail", "Gmail's export of filters: `mfilter import gmail` is for it")
        } else {
            ("xml", "an XML or HTML document")
        });
    }
    if begins("version=\"") && text.contains("logging=\"") {
        return Some((
            "thunderbird",
            "Thunderbird's filters: `mfilter import thunderbird` is for it",
        ));
    }
    if begins("from ") && text.lines().nth(1).is_some_and(|line| line.contains(':')) {
        return Some(("mbox", "an mbox with mail, and no rules"));
    }
    let mut votes = [("sieve", 0), ("procmail", 0), ("maildrop", 0), ("mailrules", 0)];
    let mut vote = |name: &str| {
        if let Some(entry) = votes.iter_mut().find(|(known, _)| *known == name) {
            entry.1 += 1;
        }
    };
    let mut headers = 0;
    for (number, line) in text.lines().enumerate().take(400) {
        let line = line.trim();
        let word = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next();
        let word = word.unwrap_or_default();
        let lower = word.to_ascii_lowercase();
        if matches!(lower.as_str(), "received" | "return-path" | "delivered-to" | "mime-version")
            && line.get(word.len()..).is_some_and(|rest| rest.starts_with(": "))
            && number < 20
        {
            headers += 1;
        }
        match lower.as_str() {
            // Nothing else begins like this.
            "require" if line.contains(['"', '[']) => return Some(("sieve", SIEVE)),
            "fileinto" | "redirect" | "keep" | "stop" | "discard" if line.ends_with(';') => {
                vote("sieve");
            }
            // Sieve has no parentheses there.
            "if" | "elsif" if opens(line, word) => vote("maildrop"),
            "elsif" => vote("sieve"),
            "if" if line.contains("=~") => vote("maildrop"),
            "if" if line.contains(" :") || line.contains("(:") || line.ends_with('{') => {
                vote("sieve")
            }
            // `LOGFILE=$HOME/log` belongs to procmail.
            "to" | "cc" | "xfilter" | "import" | "logfile"
                if word == lower && line.contains(['"', '$', '|']) && !assigns(line, word) =>
            {
                vote("maildrop");
            }
            "when" | "otherwise" if line.contains("->") || line.ends_with('{') => vote("mailrules"),
            "set" if !line.ends_with(';') && !line.contains('=') => vote("mailrules"),
            _ => {}
        }
        let recipe = line.strip_prefix(":0");
        if recipe.is_some_and(|rest| {
            rest.chars().all(|c| {
                " \tABCDEHDabcefhirwW:.-_/0123456789$".contains(c) || c.is_ascii_alphanumeric()
            })
        }) {
            vote("procmail");
        }
        if line.starts_with("* ^") || line.starts_with("* !") || line.starts_with("* < ") {
            vote("procmail");
        }
    }
    if headers >= 2 && votes.iter().all(|(_, count)| *count == 0) {
        return Some(("message", "a message, not rules"));
    }
    let (name, count) = votes.iter().max_by_key(|(_, count)| *count)?;
    // Sure with two votes, or with one and none for another language.
    let alone = votes.iter().filter(|(_, count)| *count > 0).count() == 1;
    let sure = *count >= 2 || *count == 1 && alone;
    sure.then_some(match *name {
        "sieve" => ("sieve", SIEVE),
        "procmail" => ("procmail", "a procmailrc: `mfilter import procmail` is for it"),
        "maildrop" => ("maildrop", "a maildrop filter: `mfilter import maildrop` is for it"),
        _ => ("mailrules", "a file of mailrules already"),
    })
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
