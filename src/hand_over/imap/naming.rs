//! How a server names folders: by the separator and the prefix that it announces (RFC 2342,
//! RFC 9051 §6.3.9), and in modified UTF-7, which every server knows that supports
//! IMAP4rev1.

use crate::maildir::mutf7;
use crate::plan::Folder;

use super::response::{DataWord, DataWords};

/// The inbox, which has this name in any case (RFC 9051 §5.1).
pub(super) const INBOX: &str = "INBOX";

/// How folders are named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FolderNaming {
    /// Before the name of every folder but the inbox, as the server writes it.
    prefix: String,
    /// Between levels; `None` if there are no levels.
    separator: Option<char>,
}

impl FolderNaming {
    /// From the first personal namespace in a `NAMESPACE` response.
    pub(super) fn of_namespace(data: &[u8]) -> Option<FolderNaming> {
        let mut words = DataWords(data);
        match (words.next()?, words.next()?, words.next()?, words.next()?, words.next()?) {
            (name, DataWord::Open, DataWord::Open, DataWord::Text(prefix), separator)
                if name.is("NAMESPACE") =>
            {
                let prefix = String::from_utf8(prefix).ok().filter(|name| is_plain(name))?;
                Some(FolderNaming { prefix, separator: sign(&separator)? })
            }
            _ => None,
        }
    }

    /// From the response to `LIST "" ""`.
    pub(super) fn of_list(data: &[u8]) -> Option<FolderNaming> {
        let mut words = DataWords(data);
        if !words.next()?.is("LIST") || words.next()? != DataWord::Open {
            return None;
        }
        let mut words = words.skip_while(|word| *word != DataWord::Close).skip(1);
        let separator = sign(&words.next()?)?;
        Some(FolderNaming { prefix: String::new(), separator })
    }

    /// A folder's name.
    pub(super) fn name(&self, folder: &Folder) -> String {
        let is_inbox = |part: &String| part.eq_ignore_ascii_case(INBOX);
        match folder.parts.as_slice() {
            [] => INBOX.into(),
            [only] if is_inbox(only) => INBOX.into(),
            [first, rest @ ..] if is_inbox(first) => {
                format!("{INBOX}{}{}", self.separator.unwrap_or('/'), self.levels(rest))
            }
            parts => format!("{}{}", self.prefix, self.levels(parts)),
        }
    }

    fn levels(&self, parts: &[String]) -> String {
        let parts: Vec<String> = parts.iter().map(|part| mutf7::encode(part)).collect();
        parts.join(&self.separator.unwrap_or('/').to_string())
    }
}

/// A separator: one character, or `NIL`.
#[allow(clippy::option_option, reason = "none is a separator, too")]
fn sign(word: &DataWord<'_>) -> Option<Option<char>> {
    match word {
        DataWord::Text(text) => match text.as_slice() {
            [sign] if sign.is_ascii_graphic() => Some(Some(char::from(*sign))),
            _ => None,
        },
        word => word.is("NIL").then_some(None),
    }
}

/// Whether a name is printable ASCII, as modified UTF-7 is.
fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// A name as it is written in a command: visible ASCII only.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_server() {
        let folder = |name: &str| {
            let parts = name.split('/').filter(|part| !part.is_empty());
            Folder { parts: parts.map(str::to_owned).collect() }
        };
        let plain = FolderNaming::of_namespace(b"NAMESPACE ((\"\" \"/\")) NIL NIL").unwrap();
        let below = b"NAMESPACE ((\"INBOX.\" \".\" X (y))(\"#mh/\" \"/\")) ((\"~\" \"/\")) NIL";
        let below = FolderNaming::of_namespace(below).unwrap();
        let flat = FolderNaming::of_list(b"LIST (\\Noselect) NIL \"\"").unwrap();
        let list = FolderNaming::of_list(b"list (\\Noselect) \".\" {0}\r\n").unwrap();
        for (naming, name, wanted) in [
            (&plain, "", "INBOX"),
            (&plain, "Inbox", "INBOX"),
            (&plain, "inbox/A", "INBOX/A"),
            (&plain, "A/迷惑", "A/&j,dg0Q-"),
            (&below, "A/B c", "INBOX.A.B c"),
            (&below, "INBOX/A", "INBOX.A"),
            (&below, "", "INBOX"),
            (&flat, "A/B", "A/B"),
            (&list, "A/B", "A.B"),
            (&plain, "a\r\n\"\\", "a&AA0ACg-\"\\"),
        ] {
            assert_eq!(naming.name(&folder(name)), wanted);
        }
        assert_eq!(quoted("a\"\\"), "\"a\\\"\\\\\"");
        for wrong in [
            "NAMESPACE NIL NIL NIL",
            "NAMESPACE ((\"\" \"ab\")) NIL NIL",
            "NAMESPACE ((\"\"",
            "NAMESPACE ((\"a\rb\" \"/\")) NIL NIL",
            "LIST (\\Noselect) \"/\" \"\"",
            "",
        ] {
            assert_eq!(FolderNaming::of_namespace(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(FolderNaming::of_list(b"LIST (\\Noselect"), None);
        assert_eq!(FolderNaming::of_list(b"LSUB () \"/\" \"\""), None);
    }
}
