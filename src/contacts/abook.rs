//! abook's file, `~/.abook/addressbook`: sections `[NUMBER]`, each with `name=`
//! and `email=`, the addresses separated by commas.

use std::path::Path;

use super::{AddressBook, addresses};

/// Whether the bytes are such a file: the first line with content begins a section.
pub(super) fn is_abook(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines.find(|line| !line.is_empty() && !line.starts_with(b"#")).is_some_and(|line| {
        line.strip_prefix(b"[")
            .and_then(|rest| rest.strip_suffix(b"]"))
            .is_some_and(|name| name == b"format" || name.iter().all(u8::is_ascii_digit))
    })
}

pub(super) fn read(bytes: &[u8], path: &Path, book: &mut AddressBook) {
    let text = String::from_utf8_lossy(bytes);
    let mut name = String::new();
    // The name may come after the addresses.
    let mut open: Vec<String> = Vec::new();
    let close = |name: &mut String, open: &mut Vec<String>, book: &mut AddressBook| {
        open.drain(..).for_each(|address| book.add(&address, name));
        name.clear();
    };
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.starts_with('[') {
            close(&mut name, &mut open, book);
        } else if let Some(value) = line.strip_prefix("name=") {
            name = value.to_owned();
        } else if let Some(value) = line.strip_prefix("email=") {
            for address in value.split(',').filter(|address| !address.trim().is_empty()) {
                match addresses(address) {
                    Some(found) => open.extend(found),
                    None => book.problem(
                        path,
                        number,
                        format!("`{}` is not an address", address.trim()),
                    ),
                }
            }
        }
    }
    close(&mut name, &mut open, book);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contacts::Contact;

    #[test]
    fn sections_are_people() {
        let text = "# abook addressbook file\n\n[format]\nprogram=abook\nversion=0.6.1\n\n\
                    [0]\nname=Hanako Yamada\nemail=Hanako@Example.JP,h@work.example\n\n\
                    [1]\nemail=x\nname=Nobody\n\n[2]\nemail=jiro@example.jp\nname=Jiro\n";
        assert!(is_abook(text.as_bytes()) && !is_abook(b"BEGIN:VCARD\n") && !is_abook(b""));
        let mut book = AddressBook::default();
        read(text.as_bytes(), Path::new("/a"), &mut book);
        let contact =
            |address: &str, name: &str| Contact { address: address.into(), name: name.into() };
        assert_eq!(
            book.contacts,
            [
                contact("hanako@example.jp", "Hanako Yamada"),
                contact("h@work.example", "Hanako Yamada"),
                contact("jiro@example.jp", "Jiro"),
            ]
        );
        assert_eq!(book.problems[0].to_string(), "/a:12: `x` is not an address");
    }
}
