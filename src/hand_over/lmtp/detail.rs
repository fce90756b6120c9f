//! Folder, flags and keywords of a copy, passed to a store in the detail of its
//! recipient: `"user+mf:ID:LETTERS:KEYWORDS:FOLDER"@domain`. The script in
//! examples/dovecot is the other side.
//!
//! What a recipient cannot hold, such as a name beyond ASCII, is in a header
//! `X-Mfilter-ID: KEYWORDS (FOLDER)` that the script removes again; FOLDER is `=` then.
//! Nobody can predict ID, so no sender can write that header.

use crate::flags::Flags;
use crate::message::HeaderEdit;
use crate::message::address::Address;
use crate::plan::Folder;

use super::super::address::LmtpAddress;

/// Longer local parts are not made; in bytes. RFC 5321 §4.5.3.1.1 allows 64, servers
/// accept more.
const LONGEST_LOCAL: usize = 200;

/// The keyword for the `P` of a Maildir: "passed" is `$Forwarded` in IMAP (RFC 9051
/// §2.3.2).
const FORWARDED: &str = "$Forwarded";

/// What is said about a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyAddress {
    /// Forward-path, without brackets.
    pub recipient: String,
    /// What the recipient could not hold.
    pub header: Option<HeaderEdit>,
}

/// Says where a copy goes and which flags it has.
pub fn copy_address(
    mailbox: &Address,
    id: &str,
    folder: &Folder,
    flags: &Flags,
    store: &LmtpAddress,
) -> CopyAddress {
    let letters = flags.letters.replace('P', "");
    let mut keywords = flags.keywords.clone();
    if flags.letters.contains('P') && !flags.has_keyword(FORWARDED) {
        keywords.push(FORWARDED.into());
    }
    let (keywords, folder) = (keywords.join(" "), name(folder, store));
    let recipient = |keywords: &str, folder: &str| {
        let Address { local, domain, .. } = mailbox;
        let delimiter = store.delimiter;
        let local = format!("{local}{delimiter}mf:{id}:{letters}:{keywords}:{folder}");
        let is_long = local.len() > LONGEST_LOCAL;
        let local = local.replace('\\', "\\\\").replace('"', "\\\"");
        let at = if domain.is_empty() { "" } else { "@" };
        (is_long, format!("\"{local}\"{at}{domain}"))
    };
    let (is_long, short) = recipient(&keywords, &folder);
    if !is_long && is_plain(&keywords) && is_plain(&folder) {
        return CopyAddress { recipient: short, header: None };
    }
    let header = HeaderEdit::Add { name: header_name(id), value: format!("{keywords} ({folder})") };
    CopyAddress { recipient: recipient("", "=").1, header: Some(header) }
}

/// The name of the header of a copy that says more.
fn header_name(id: &str) -> String {
    format!("X-Mfilter-{id}")
}

/// A folder's name in the store; empty for the inbox.
fn name(folder: &Folder, store: &LmtpAddress) -> String {
    match folder.parts.as_slice() {
        [] => String::new(),
        [inbox] if inbox.eq_ignore_ascii_case("INBOX") => String::new(),
        parts => {
            let name = parts.join(&store.separator.to_string());
            let below_inbox = parts.first().is_some_and(|part| part.eq_ignore_ascii_case("INBOX"));
            if below_inbox { name } else { format!("{}{name}", store.prefix) }
        }
    }
}

/// Whether a text is literal in a quoted local part and between the colons.
fn is_plain(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/$!#&'+ ".contains(&byte);
    text.bytes().all(is_plain)
        && !text.starts_with(' ')
        && !text.ends_with(' ')
        && !text.contains("  ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::path;

    fn address(mailbox: &str, folder: &str, letters: &str, keywords: &[&str]) -> (String, String) {
        let folder = Folder::named(folder);
        let keywords = keywords.iter().map(|keyword| keyword.to_string()).collect();
        let flags = Flags { letters: letters.into(), keywords };
        let store: LmtpAddress = "lmtp:unix:/x,separator=.,prefix=Mail.".parse().unwrap();
        let address = copy_address(&path::address(mailbox), "0a1b", &folder, &flags, &store);
        let header = match address.header {
            Some(HeaderEdit::Add { name, value }) => format!("{name}: {value}"),
            _ => String::new(),
        };
        (address.recipient, header)
    }

    #[test]
    fn a_recipient_reports_what_it_has() {
        for (mailbox, folder, letters, keywords, wanted) in [
            ("a@b", "", "", &[][..], "\"a+mf:0a1b:::\"@b"),
            ("a@b", "inbox", "FS", &[], "\"a+mf:0a1b:FS::\"@b"),
            ("a", "A/B c", "S", &["$Work", "x"], "\"a+mf:0a1b:S:$Work x:Mail.A.B c\""),
            ("a@b", "INBOX/A", "", &[], "\"a+mf:0a1b:::INBOX.A\"@b"),
            ("a@b", "A", "PS", &[], "\"a+mf:0a1b:S:$Forwarded:Mail.A\"@b"),
            ("a@b", "", "P", &["$forwarded"], "\"a+mf:0a1b::$forwarded:\"@b"),
            ("\"q\\\"\\\\ @\"@b", "", "", &[], "\"q\\\"\\\\ @+mf:0a1b:::\"@b"),
        ] {
            let (recipient, header) = address(mailbox, folder, letters, keywords);
            assert_eq!((recipient.as_str(), header.as_str()), (wanted, ""), "{folder}");
        }
    }

    #[test]
    fn what_it_does_not_contain_is_in_the_header() {
        let long = "x".repeat(200);
        for (folder, keywords, value) in [
            ("迷惑/メール", &["$Work"][..], "$Work (Mail.迷惑.メール)"),
            ("=", &[], " (Mail.=)"),
            ("A:B", &[], " (Mail.A:B)"),
            ("A", &["a:b", "c"], "a:b c (Mail.A)"),
            ("A\"\\", &[], " (Mail.A\"\\)"),
            ("A  B ", &[], " (Mail.A  B )"),
            (&long, &[], &format!(" (Mail.{long})")),
        ] {
            let (recipient, header) = address("a@b", folder, "S", keywords);
            assert_eq!(recipient, "\"a+mf:0a1b:S::=\"@b");
            assert_eq!(header, format!("X-Mfilter-0a1b: {value}"));
        }
    }
}
