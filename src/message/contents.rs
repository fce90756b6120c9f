//! What a message contains: its attachments and archives, and messages that are
//! encoded within it, which are inspected as far as the limits allow.

use super::archive::{self, Archive};
use super::attachment::{self, Attachment, AttachmentPlace};
use super::mime::Part;
use super::transfer::{self, Encoding};
use super::{BodyError, Message, get};

/// How many bytes of all archives are read.
const ARCHIVES_LIMIT: usize = 8 << 20;

/// How many times the size of the body may be hashed for the attachments of a
/// message in all; only messages within messages need more than once.
const HASH_ROUNDS: u64 = 4;

/// How many bytes of all messages encoded within one are decoded.
const WITHIN_LIMIT: usize = 4 << 20;

/// How deep such messages are inspected, levels.
const WITHIN_DEPTH: u8 = 3;

impl Message {
    /// Forwarded messages whose part is encoded, which RFC 2046 §5.2.1 forbids
    /// and gateways do: decoded as far as the limits allow.
    pub(super) fn within(&self) -> Result<&[Message], BodyError> {
        get(&self.within, || {
            let mut left = WITHIN_LIMIT;
            let mut all = Vec::new();
            let encoded = |part: &&Part| part.is_message() && part.encoding != Encoding::Identity;
            for part in self.parts()?.iter().filter(encoded) {
                if self.depth >= WITHIN_DEPTH || left == 0 {
                    self.leave_out("not all encoded messages were inspected".to_owned());
                    break;
                }
                let bytes = self.part_bytes(part, left)?;
                left -= bytes.len().min(left);
                let mut message = Message::from_bytes(bytes);
                message.depth = self.depth + 1;
                all.push(message);
            }
            Ok(all)
        })
        .map(Vec::as_slice)
    }

    /// The attachments, in the order of the parts; then those of messages that
    /// are encoded within this one.
    ///
    /// # Errors
    /// The body cannot be read.
    pub fn attachments(&self) -> Result<&[Attachment], BodyError> {
        let (parts, within) = (self.parts()?, self.within()?);
        for message in within {
            message.attachments()?;
        }
        Ok(self.attachments.get_or_init(|| {
            let (mut all, cut) = attachment::of(parts);
            for (number, message) in within.iter().enumerate() {
                let inner = message.attachments().unwrap_or_default().iter().enumerate();
                all.extend(inner.map(|(at, attachment)| Attachment {
                    place: AttachmentPlace::Within(number, at),
                    ..attachment.clone()
                }));
            }
            if cut {
                self.leave_out("only 2 MB of the names of attachments were looked at".to_owned());
            }
            all
        }))
    }

    /// What each attachment that is an archive tells about its contents, with the
    /// attachment's index. Reads the first bytes of all attachments, and 8 MB of
    /// all archives together.
    ///
    /// # Errors
    /// The body cannot be read.
    pub fn archives(&self) -> Result<&[(usize, Archive)], BodyError> {
        get(&self.archives, || {
            let mut left = ARCHIVES_LIMIT;
            let mut all = Vec::new();
            for (at, attachment) in self.attachments()?.iter().enumerate() {
                let is_archive = archive::is_archive(&self.attachment_bytes(attachment, 8)?);
                if !is_archive && !attachment.is_called_zip() {
                    continue;
                }
                let bytes = self.attachment_bytes(attachment, left)?;
                left -= bytes.len().min(left);
                all.push((at, archive::read(&bytes)));
                if left == 0 {
                    self.leave_out("only 8 MB of archives were looked at".to_owned());
                    break;
                }
            }
            Ok(all)
        })
        .map(Vec::as_slice)
    }

    /// The decoded size of each attachment, bytes. Reads all of them.
    ///
    /// # Errors
    /// The body cannot be read.
    pub fn attachment_sizes(&self) -> Result<&[u64], BodyError> {
        get(&self.sizes, || {
            self.attached_parts()?
                .map(|part| match part.encoding {
                    Encoding::Identity => Ok(part.range.end - part.range.start),
                    encoding => Ok(transfer::size(self.raw(part)?, encoding)?),
                })
                .chain(self.within()?.iter().flat_map(|message| {
                    let sizes = message.attachment_sizes().unwrap_or_default();
                    sizes.iter().map(|size| Ok(*size))
                }))
                .collect()
        })
        .map(Vec::as_slice)
    }

    /// SHA-256 of each attachment's decoded content, lower-case hexadecimal.
    /// Reads all of them. `None` for attachments nested so deep that hashing all
    /// of them would take too long.
    ///
    /// # Errors
    /// The body cannot be read.
    pub fn attachment_hashes(&self) -> Result<&[Option<String>], BodyError> {
        get(&self.hashes, || {
            let mut left = self.content.body_size()?.saturating_mul(HASH_ROUNDS);
            self.attached_parts()?
                .map(|part| {
                    let size = part.range.end - part.range.start;
                    if size > left {
                        return Ok(None);
                    }
                    left -= size;
                    Ok(Some(transfer::sha256(self.raw(part)?, part.encoding)?))
                })
                .chain(self.within()?.iter().flat_map(|message| {
                    let hashes = message.attachment_hashes().unwrap_or_default();
                    hashes.iter().map(|hash| Ok(hash.clone()))
                }))
                .collect()
        })
        .map(Vec::as_slice)
    }

    fn attached_parts(&self) -> Result<impl Iterator<Item = &Part>, BodyError> {
        let parts = self.parts()?;
        Ok(self.attachments()?.iter().filter_map(|attachment| match attachment.place {
            AttachmentPlace::Part(at) => parts.get(at),
            AttachmentPlace::Within(..) => None,
        }))
    }

    /// The first `limit` bytes of an attachment's decoded content.
    ///
    /// # Errors
    /// The body cannot be read.
    pub fn attachment_bytes(&self, of: &Attachment, limit: usize) -> Result<Vec<u8>, BodyError> {
        match of.place {
            AttachmentPlace::Part(at) => match self.parts()?.get(at) {
                Some(part) => self.part_bytes(part, limit),
                None => Ok(Vec::new()),
            },
            AttachmentPlace::Within(message, at) => match self.within()?.get(message) {
                Some(message) => match message.attachments()?.get(at) {
                    Some(inner) => message.attachment_bytes(inner, limit),
                    None => Ok(Vec::new()),
                },
                None => Ok(Vec::new()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Text;
    use super::*;

    const MIXED: &str = "Subject: x\nMIME-Version: 1.0\n\
        Content-Type: multipart/mixed; boundary=m\n\n\
        --m\nContent-Type: text/plain; charset=ISO-2022-JP\n\n\x1b$BLBOG\x1b(B\n\
        --m\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n\
        <p>Caf=C3=A9 <b>Noir\n\
        --m\nContent-Type: application/zip\nContent-Transfer-Encoding: base64\n\
        Content-Disposition: attachment; filename=\"Spiel.exe\"\n\naGVsbG8=\n\
        --m\nContent-Type: message/rfc822\n\nSubject: y\n\ninside\n--m--\n";

    fn names(message: &str) -> Vec<String> {
        let message = Message::from_bytes(message.into());
        let attachments = message.attachments().unwrap();
        let names = attachments.iter().flat_map(|attachment| &attachment.names);
        names.map(|name| name.text().to_owned()).collect()
    }

    #[test]
    fn an_encoded_message_is_looked_into() {
        let inner = "From: x@y.example\nContent-Type: multipart/mixed; boundary=i\n\n--i\n\n\
            secret word\n--i\nContent-Type: a/b; name=\"a.txt\"\nContent-Disposition: \
            attachment; filename=\"b.exe\"\n\nMZ12\n--i--\n";
        let mut text = String::new();
        for depth in 0..5 {
            let content = if depth == 0 { inner } else { &text };
            let encoded = data_encoding::BASE64.encode(content.as_bytes());
            text = format!(
                "From: a@b.example\nContent-Type: message/rfc822\n\
                 Content-Transfer-Encoding: base64\n\n{encoded}\n"
            );
            let message = Message::from_bytes(text.clone().into_bytes());
            let texts = message.body_texts().unwrap();
            let seen = texts.iter().any(|text| text.text().contains("secret word"));
            assert_eq!(seen, depth < 3, "{depth}");
            assert_eq!(message.limits().is_empty(), seen);
            let attachments = message.attachments().unwrap();
            assert_eq!(message.attachment_sizes().unwrap().len(), attachments.len());
            assert_eq!(message.attachment_hashes().unwrap().len(), attachments.len());
            if seen {
                let last = attachments.last().unwrap();
                let names: Vec<_> = last.names.iter().map(Text::text).collect();
                assert_eq!(names, ["b.exe", "a.txt"]);
                assert_eq!(message.attachment_bytes(last, 2).unwrap(), b"MZ");
                assert_eq!(message.attachment_sizes().unwrap().last(), Some(&4));
            }
        }
    }

    #[test]
    fn a_name_is_found_however_it_is_written() {
        for (header, want) in [
            (
                "Content-Type: a/b; name=x.exe\nContent-Disposition: attachment; filename=\"\"",
                vec!["x.exe"],
            ),
            (
                "Content-Type: a/b; name=x.exe\nContent-Disposition: x; filename=y.txt",
                vec!["y.txt", "x.exe"],
            ),
            ("Content-Disposition: attachment (c); filename (c) = (c) \"x.exe\"", vec!["x.exe"]),
            ("Content-Disposition: attachment; filename=(1).exe", vec!["(1).exe"]),
            ("Content-Disposition: filename=\"x;y.exe\"", vec!["x;y.exe"]),
            ("Content-Type: a/b (c) ; name (c) = (c) x.exe (c)", vec!["x.exe"]),
            ("Content-Type: a/b; name=x (1)", vec!["x (1)"]),
            ("Content-Type: a/b; name=x (1).exe", vec!["x (1).exe"]),
            ("Content-Type: a/b; name=\"x.exe. \"", vec!["x.exe"]),
            (
                "Content-Disposition: =?utf-8?q?attachment=3b_filename=3dx=2e?=\n =?utf-8?q?exe?=",
                vec!["x.exe"],
            ),
        ] {
            assert_eq!(names(&format!("{header}\n\nx")), want, "{header}");
        }
    }

    #[test]
    fn wrapped_messages_are_looked_into() {
        let inner = "Subject: y\nContent-Type: multipart/mixed; boundary=i\n\n--i\n\nsecret word\n\
             --i\nContent-Type: a/b; name=x.exe\n\nMZ\n--i--\n";
        let wrap = |inner: &str| {
            let inner = data_encoding::BASE64.encode(inner.as_bytes());
            format!("Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n{inner}\n")
        };
        let message = wrap(&wrap(inner));
        assert_eq!(names(&message), ["x.exe"]);
        let message = Message::from_bytes(message.into());
        assert_eq!(message.body_texts().unwrap()[0].text(), "secret word");
        assert_eq!(message.attachment_sizes().unwrap().last(), Some(&2));
    }

    #[test]
    fn files_in_running_text_are_attachments() {
        let text = "Hello\n\nbegin 644 cat.txt\n#0V%T\n`\nend\n\nbegin 644 of a letter\nnot one\n";
        assert_eq!(names(&format!("Subject: x\n\n{text}")), ["cat.txt"]);
        let message = Message::from_bytes(format!("Subject: x\n\n{text}").into());
        assert_eq!(message.attachment_sizes().unwrap(), [3]);
        assert_eq!(names(&format!("Content-Type: text/html\n\n{text}--b\n")), ["cat.txt"]);
        // Blanks are zeros, and at the end of a line they get lost.
        for line in [format!("M35H{}", " ".repeat(57)), "M35H".to_owned()] {
            let text = format!("Subject: x\n\nbegin 644 x.exe\n{line}\n`\nend\n");
            assert_eq!(names(&text), ["x.exe"], "{line}");
        }
    }

    #[test]
    fn a_zip_file_may_begin_with_something_else() {
        let mut bytes = b"junk PK\x03\x04".to_vec();
        bytes.resize(31, 0);
        bytes.extend(b"\x05\0\0\0x.exe");
        let content = data_encoding::BASE64.encode(&bytes);
        for (header, found) in [
            ("application/octet-stream; name=a.ZIP", true),
            ("application/zip", true),
            ("image/png; name=a.png", false),
        ] {
            let header = format!("Content-Type: {header}\nContent-Transfer-Encoding: base64\n\n");
            let message = Message::from_bytes(format!("{header}{content}\n").into());
            assert_eq!(!message.archives().unwrap().is_empty(), found, "{header}");
        }
    }

    #[test]
    fn empty_lines_around_a_text_are_no_part_of_it() {
        for body in ["x", "\n\n  x\n\n", "x \r\n"] {
            let message = Message::from_bytes(format!("Subject: s\n\n{body}").into());
            assert_eq!(message.body_texts().unwrap()[0].text(), "x", "{body:?}");
        }
    }

    #[test]
    fn texts_and_attachments() {
        let message = Message::from_bytes(MIXED.into());
        let texts: Vec<&str> = message.body_texts().unwrap().iter().map(Text::text).collect();
        assert_eq!(texts, ["迷惑", "Café Noir", "inside"]);
        let attachments = message.attachments().unwrap();
        assert_eq!(attachments.len(), 2);
        assert_eq!(attachments[0].names[0].folded(), "spiel.exe");
        assert_eq!(attachments[0].media_type.text(), "application/zip");
        assert!(attachments[1].names.is_empty());
        assert_eq!(attachments[1].media_type.text(), "message/rfc822");
        assert_eq!(message.attachment_sizes().unwrap(), [5, 18]);
        assert_eq!(
            message.attachment_hashes().unwrap()[0].as_deref(),
            Some("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")
        );
        assert_eq!(message.charsets().unwrap(), ["iso-2022-jp", "utf-8"]);
        assert_eq!(message.attachment_bytes(&attachments[0], 3).unwrap(), b"hel");
        assert!(message.limits().is_empty());
    }

    #[test]
    fn messages_in_messages_end() {
        let nested = "Content-Type: message/rfc822\n\n".repeat(20_000);
        let message = Message::from_bytes(nested.into());
        assert!(message.attachments().unwrap().len() < 60);
        assert!(message.attachment_hashes().unwrap().contains(&None));
        assert_eq!(message.limits().len(), 2);
        message.body_texts().unwrap();
    }
}
