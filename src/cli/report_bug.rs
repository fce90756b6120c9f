//! `mfilter report-bug`: what a report needs, with nothing private in it: versions, the
//! machine's mail setup, and a message reduced to its structure.

use std::path::{Path, PathBuf};

use super::setup::table;
use super::{CommandOutcome, output};
use crate::file;
use crate::language::Language;
use crate::page;
use crate::setup::survey::{SetupFindings, UserFile, survey};
use crate::text::{counted, escape, escape_lines};
use crate::user::User;

/// `mfilter report-bug`
#[derive(clap::Args, Debug)]
pub(super) struct ReportBugArgs {
    /// A message that shows the mistake; only its structure is printed
    #[arg(value_name = "MESSAGE")]
    pub(super) message: Option<PathBuf>,
}

/// How much of a message is included, bytes.
const MESSAGE_MAX: u64 = 256 << 10;
/// Fields whose values say how a message is built but nothing about people.
const PLAIN_FIELDS: [&str; 8] = [
    "mime-version",
    "content-transfer-encoding",
    "auto-submitted",
    "precedence",
    "list-unsubscribe-post",
    "x-spam-flag",
    "x-spam",
    "importance",
];

pub(super) fn run(call: &ReportBugArgs) -> Result<CommandOutcome, String> {
    let user = User::of_process();
    let home = user.home().unwrap_or(Path::new("/")).to_owned();
    let system = rustix::system::uname();
    let mut text = format!(
        "mfilter {} ({}-{})\n{} {} {}\n\n",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        std::env::consts::OS,
        system.sysname().to_string_lossy(),
        system.release().to_string_lossy(),
        system.machine().to_string_lossy(),
    );
    let mut found = survey(&user, &home, "mfilter".into());
    // Only how many there are, not their names.
    for (number, path) in found.mboxes.iter_mut().enumerate() {
        *path = format!("MBOX{}", number + 1).into();
    }
    let seen = table(&found, Language::English, None);
    text.push_str(&without_names(&seen, &user));
    text.push_str(&rules_in_numbers(&found));
    let lines = text.lines().map(|line| escape(&output::with_tilde(line)) + "\n");
    let mut text: String = lines.collect();
    if let Some(path) = &call.message {
        let bytes = file::read(path, MESSAGE_MAX)
            .map_err(|error| format!("{}: {}", path.display(), crate::source::reason(&error)))?;
        text.push_str("\nThe message, with letters and digits replaced:\n\n");
        text.push_str(&escape_lines(&String::from_utf8_lossy(&scrubbed(&bytes))));
    }
    output::print(&(text + "\n"));
    // What is above is to be copied, so it is not wrapped.
    for line in [
        "Read this before you send it, say what you expected and what happened instead, and \
         send both to",
        concat!(env!("CARGO_PKG_REPOSITORY"), "/issues"),
        "or, if it is about security, as SECURITY.md says.",
    ] {
        output::print(&page::hanging("", &output::say(line), output::columns()));
    }
    Ok(CommandOutcome::Fine)
}

/// A text without the user's name, which occurs in paths.
fn without_names(text: &str, user: &User) -> String {
    let names = ["LOGNAME", "USER"].into_iter().filter_map(|name| user.variable(name));
    let names = names.filter_map(|name| name.into_string().ok()).filter(|name| !name.is_empty());
    names.fold(text.to_owned(), |text, name| text.replace(&format!("/{name}"), "/USER"))
}

/// The size of the rules, not their content.
fn rules_in_numbers(found: &SetupFindings) -> String {
    match &found.rules {
        UserFile::Missing => "  rules         none\n".into(),
        UserFile::Strange(why) => format!("  rules         ~/.mailrules {why}\n"),
        UserFile::Text(text) => {
            format!("  rules         ~/.mailrules, {}\n", counted(text.lines().count(), "line"))
        }
    }
}

/// A message with its letters and digits replaced by others: lengths, field names, MIME
/// structure, charsets and encodings are kept.
fn scrubbed(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let (mut in_head, mut is_plain) = (true, false);
    let boundaries = boundaries(bytes);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let content = line.strip_suffix(b"\n").unwrap_or(line);
        let content = content.strip_suffix(b"\r").unwrap_or(content);
        if content.is_empty() {
            // A part has a header of its own, whose fields are treated as fields.
            in_head = false;
        }
        // A boundary begins the header of a part; a signature's `-- ` does not.
        let following = content.strip_prefix(b"--");
        // One boundary may be the beginning of another: the longest counts.
        let following = following.and_then(|rest| {
            boundaries.iter().filter_map(|it| rest.strip_prefix(*it)).min_by_key(|it| it.len())
        });
        if let Some(following) = following {
            // What follows the last boundary belongs to no part.
            in_head = !following.starts_with(b"--");
            scrub(content, &mut out);
        } else if in_head && !content.starts_with(b" ") && !content.starts_with(b"\t") {
            // Nothing in an mbox's `From ` line is a field name.
            let colon = content.iter().position(|byte| *byte == b':').unwrap_or(0);
            let is_name = content[..colon].iter().all(u8::is_ascii_graphic);
            let (name, value) = content.split_at(if is_name { colon } else { 0 });
            let lower = String::from_utf8_lossy(name).to_ascii_lowercase();
            is_plain = PLAIN_FIELDS.contains(&lower.as_str());
            out.extend_from_slice(name);
            match lower.as_str() {
                _ if is_plain => out.extend_from_slice(value),
                "content-type" | "content-disposition" => {
                    let end = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
                    out.extend_from_slice(&value[..end]);
                    parameters(&value[end..], &mut out);
                }
                _ => scrub(value, &mut out),
            }
        } else if in_head && is_plain {
            out.extend_from_slice(content);
        } else if in_head {
            parameters(content, &mut out);
        } else {
            scrub(content, &mut out);
        }
        out.extend_from_slice(&line[content.len()..]);
    }
    out
}

/// All boundaries that the message names, wherever it does so.
fn boundaries(bytes: &[u8]) -> Vec<&[u8]> {
    const NAME: &[u8] = b"boundary=";
    let starts = bytes.windows(NAME.len()).enumerate();
    let starts = starts.filter(|(_, window)| window.eq_ignore_ascii_case(NAME));
    starts
        .filter_map(|(at, _)| {
            let value = bytes.get(at + NAME.len()..)?;
            let value = value.strip_prefix(b"\"").unwrap_or(value);
            let ends = |byte: &u8| matches!(byte, b'"' | b';' | b'\r' | b'\n' | b' ');
            value.split(ends).next().filter(|value| !value.is_empty())
        })
        .collect()
}

/// Scrubs the parameters of a field: the values of charset and format are kept.
fn parameters(text: &[u8], out: &mut Vec<u8>) {
    for part in text.split_inclusive(|byte| *byte == b';') {
        let equals = part.iter().position(|byte| *byte == b'=');
        let name =
            equals.map(|at| String::from_utf8_lossy(&part[..at]).trim().to_ascii_lowercase());
        match (name.as_deref(), equals) {
            (Some("charset" | "format" | "delsp" | "report-type" | "method"), _) => {
                out.extend_from_slice(part);
            }
            (Some("boundary" | "name" | "filename"), Some(at)) => {
                out.extend_from_slice(&part[..=at]);
                scrub(&part[at + 1..], out);
            }
            _ => scrub(part, out),
        }
    }
}

/// Letters become `x`, digits `9`, other characters one of the same length; the syntax of
/// encoded words and of quoted-printable is kept.
fn scrub(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    // In ISO-2022-JP (RFC 1468) ASCII's bytes are parts of other characters, too.
    let mut is_ascii = true;
    while let Some(&byte) = rest.first() {
        if let Some(sequence) = escape_sequence(rest) {
            is_ascii = matches!(sequence, b"\x1b(B" | b"\x1b(J");
            out.extend_from_slice(sequence);
            rest = &rest[sequence.len()..];
            continue;
        }
        if !is_ascii {
            // A pair of these is a character, too.
            out.push(if byte.is_ascii_graphic() { b'0' } else { byte });
            rest = &rest[1..];
            continue;
        }
        // `=?charset?B?`
        if rest.starts_with(b"=?")
            && let Some(charset) = rest[2..].iter().position(|byte| *byte == b'?')
            && rest.get(charset + 4) == Some(&b'?')
            && rest[2..charset + 2]
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"*_-".contains(byte))
            && charset < 40
        {
            let (head, following) = rest.split_at(charset + 5);
            out.extend_from_slice(head);
            rest = following;
            continue;
        }
        let is_hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
        if byte == b'=' && is_hex(rest.get(1)) && is_hex(rest.get(2)) {
            out.extend_from_slice(b"=41");
            rest = &rest[3..];
            continue;
        }
        out.push(match byte {
            b'a'..=b'z' => b'x',
            b'A'..=b'Z' => b'X',
            b'0'..=b'9' => b'9',
            // The first byte of UTF-8 gives the length: U+00D0, U+3410, U+10410.
            0x80..=0xbf => 0x90,
            0xc2..=0xdf => 0xc3,
            0xe0..=0xef => 0xe3,
            0xf0..=0xf4 => 0xf0,
            byte => byte,
        });
        rest = &rest[1..];
    }
}

/// An escape sequence at the start that chooses a character set (ISO/IEC 2022): `$B`,
/// `$(D`, `(B`.
fn escape_sequence(text: &[u8]) -> Option<&[u8]> {
    let rest = text.strip_prefix(b"\x1b")?;
    let before_the_last = rest.iter().take_while(|byte| (0x20..=0x2f).contains(*byte)).count();
    let is_one = (1..=3).contains(&before_the_last);
    let last = rest.get(before_the_last).filter(|last| is_one && last.is_ascii_graphic());
    last.and_then(|_| text.get(..before_the_last + 2))
}

#[cfg(test)]
mod tests {
    use super::scrubbed;

    #[test]
    fn japanese_in_seven_bits_is_scrubbed_as_well() {
        let secret = b"$3$s$K$A$O!#";
        let message = [b"Subject: x\n\nHi \x1b$B", &secret[..], b"\x1b(B taro.\n"].concat();
        let expected = b"Subject: x\n\nXx \x1b$B000000000000\x1b(B xxxx.\n";
        assert_eq!(scrubbed(&message), expected);
        // Not an escape sequence, so nothing is preserved.
        let strange = b"Subject: x\n\n\x1b$$$$secret\n";
        assert_eq!(scrubbed(strange), b"Subject: x\n\n\x1b$$$$xxxxxx\n");
    }

    #[test]
    fn only_the_structure_of_a_message_is_left() {
        let message = "Return-Path: <hanako@example.jp>\r\n\
                       Subject: =?UTF-8?B?5aSn5LqL?= secret 42\n\
                       Content-Type: multipart/mixed; charset=\"utf-8\";\n boundary=\"Hanako1\"\n\
                       Auto-Submitted: auto-replied\n\n\
                       --Hanako1\nContent-Type: text/plain; name=\"secret.txt\"\n\
                       Content-Transfer-Encoding: quoted-printable\n\n\
                       Geheim=C3=A9 秘密 123\n-- \nHanako: 😀\n=?my secret? B?\n\
                       --Hanako1--\nDear Hanako: secret\n";
        let message = format!("From hanako@example.jp Mon Nov 27 10:00:00 2026\n{message}");
        let scrubbed = String::from_utf8(scrubbed(message.as_bytes())).unwrap();
        for secret in ["hanako", "Hanako", "example", "secret", "5aSn", "42", "Geheim", "秘", "C3"]
        {
            assert!(!scrubbed.contains(secret), "{secret}: {scrubbed}");
        }
        for is_plain in [
            "Return-Path: <xxxxxx@xxxxxxx.xx>\r\n",
            "Subject: =?UTF-8?B?",
            "Content-Type: multipart/mixed; charset=\"utf-8\";\n boundary=\"Xxxxxx9\"\n",
            "Auto-Submitted: auto-replied\n",
            "--Xxxxxx9\nContent-Type: text/plain; name=\"xxxxxx.xxx\"\n",
            "Content-Transfer-Encoding: quoted-printable\n",
            "Xxxxxx=41=41 ",
        ] {
            assert!(scrubbed.contains(is_plain), "{is_plain}: {scrubbed}");
        }
        assert_eq!(scrubbed.len(), message.len());
    }
}
