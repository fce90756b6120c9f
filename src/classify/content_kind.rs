//! `encrypted`, `signed`: what kind of content a message has, by its media types
//! and, for OpenPGP in plain text, by its armour.
//!
//! RFC 1847 (multipart/signed, multipart/encrypted), RFC 3156 (PGP/MIME), RFC
//! 8551 (S/MIME), RFC 9580 §6.2 (armour).

use super::input::{body_opening, is_within_message, unread};
use super::{Classifier, Finding, Mail};
use crate::message::Text;
use crate::message::html::Event;
use crate::message::mime::Part;
use crate::message::parameter::Parameters;

/// How much of the body is searched for armour, bytes.
const ARMOUR_LIMIT: usize = 64 << 10;

/// S/MIME or OpenPGP encryption.
pub const ENCRYPTED: Classifier =
    Classifier { name: "encrypted", absent: "no S/MIME or OpenPGP encryption", find: encrypted };

/// S/MIME or OpenPGP signature.
pub const SIGNED: Classifier =
    Classifier { name: "signed", absent: "no S/MIME or OpenPGP signature", find: signed };

/// An archive that needs a password.
pub const PASSWORD_PROTECTED: Classifier = Classifier {
    name: "password-protected",
    absent: "no attached archive that needs a password",
    find: password_protected,
};

fn encrypted(mail: &Mail<'_>) -> Finding {
    let content_type = mail.message.head().content_type();
    match content_type.value.as_str() {
        "multipart/encrypted" => return Ok(Some("multipart/encrypted".to_owned())),
        "multipart/mixed" | "multipart/signed" => {
            // A list wraps the message to add a footer. Exchange turns PGP/MIME
            // into two attachments: the first says what the other one is. An
            // encrypted part may be signed as a whole.
            let found = part(mail, |part| {
                matches!(
                    part.media_type.as_str(),
                    "multipart/encrypted" | "application/pgp-encrypted"
                )
            })?;
            if found.is_some() {
                return Ok(found);
            }
        }
        _ => {}
    }
    if let Some(why) = smime(mail, &content_type, Smime::Enveloped)? {
        return Ok(Some(why));
    }
    armour(mail, &content_type, "-----BEGIN PGP MESSAGE-----")
}

fn signed(mail: &Mail<'_>) -> Finding {
    let content_type = mail.message.head().content_type();
    match content_type.value.as_str() {
        "multipart/signed" => {
            return Ok(Some(match content_type.get("protocol") {
                Some(protocol) => format!("multipart/signed; protocol={protocol}"),
                None => "multipart/signed".to_owned(),
            }));
        }
        // A list that adds a footer wraps the signed part.
        "multipart/mixed" => {
            let found = part(mail, |part| part.media_type == "multipart/signed")?;
            if found.is_some() {
                return Ok(found);
            }
        }
        _ => {}
    }
    if let Some(why) = smime(mail, &content_type, Smime::Signed)? {
        return Ok(Some(why));
    }
    armour(mail, &content_type, "-----BEGIN PGP SIGNED MESSAGE-----")
}

fn password_protected(mail: &Mail<'_>) -> Finding {
    let archives = mail.message.archives().map_err(unread)?;
    let Some((at, _)) = archives.iter().find(|(_, archive)| archive.is_locked) else {
        return Ok(None);
    };
    let attachments = mail.message.attachments().map_err(unread)?;
    let name = attachments.get(*at).and_then(|attachment| attachment.names.first());
    let name = name.map_or("an archive without a name", Text::text);
    Ok(Some(format!("{name} needs a password")))
}

/// The content of an S/MIME part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Smime {
    /// CMS EnvelopedData or AuthEnvelopedData, RFC 5652 §6, RFC 5083.
    Enveloped,
    /// CMS SignedData, RFC 5652 §5, certificates alone included; or a detached signature.
    Signed,
    /// CMS CompressedData, RFC 3274.
    Compressed,
}

/// Whether the message itself, or a part of it, is S/MIME of the wanted kind. If
/// a gateway that does not know S/MIME rewrote the part, its name shows it.
fn smime(mail: &Mail<'_>, content_type: &Parameters, wanted: Smime) -> Finding {
    let media_type = content_type.value.as_str();
    let is_smime = media_type.contains("pkcs7") || media_type == "application/octet-stream";
    if !is_smime && !matches!(media_type, "multipart/mixed" | "multipart/signed") {
        return Ok(None);
    }
    let smime_type = content_type.get("smime-type").unwrap_or_default();
    if media_type.ends_with("pkcs7-mime")
        && let Some(kind) = by_smime_type(smime_type)
    {
        let why = || format!("{media_type}; smime-type={smime_type}");
        return Ok((kind == wanted).then(why));
    }
    let parts = mail.message.parts().map_err(unread)?;
    for part in parts.iter().filter(|part| !is_within_message(parts, part)) {
        let name = part.name.as_deref().unwrap_or_default().to_ascii_lowercase();
        let kind = match part.media_type.as_str() {
            "application/pkcs7-signature" | "application/x-pkcs7-signature" => Smime::Signed,
            "application/octet-stream" if name == "smime.p7s" => Smime::Signed,
            "application/pkcs7-mime" | "application/x-pkcs7-mime" => by_content(mail, part)?,
            "application/octet-stream" if name == "smime.p7m" => by_content(mail, part)?,
            _ => continue,
        };
        if kind == wanted {
            return Ok(Some(format!("a part is {}", part.media_type)));
        }
    }
    Ok(None)
}

/// By `smime-type`, RFC 8551 §3.2.2; `None` if it is missing or unknown.
fn by_smime_type(smime_type: &str) -> Option<Smime> {
    let is = |word: &str| smime_type.eq_ignore_ascii_case(word);
    let signed = is("signed-data") || is("certs-only");
    let enveloped = is("enveloped-data") || is("authEnveloped-data");
    let compressed = is("compressed-data").then_some(Smime::Compressed);
    signed.then_some(Smime::Signed).or(enveloped.then_some(Smime::Enveloped)).or(compressed)
}

/// By the object identifier with which CMS begins: signed-data is
/// 1.2.840.113549.1.7.2 (RFC 5652 §5.1), compressed-data 1.2.840.113549.1.9.16.1.9.
/// Anything else hides its content.
fn by_content(mail: &Mail<'_>, part: &Part) -> Result<Smime, String> {
    /// The identifier comes after a tag and a length of up to six bytes.
    const OPENING: usize = 32;
    const SIGNED_DATA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02";
    const COMPRESSED_DATA: &[u8] = b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x09";
    let opening = mail.message.part_bytes(part, OPENING).map_err(unread)?;
    let is = |kind| memchr::memmem::find(&opening, kind).is_some();
    Ok(if is(SIGNED_DATA) {
        Smime::Signed
    } else if is(COMPRESSED_DATA) {
        Smime::Compressed
    } else {
        Smime::Enveloped
    })
}

fn part(mail: &Mail<'_>, wanted: impl Fn(&Part) -> bool) -> Finding {
    let parts = mail.message.parts().map_err(unread)?;
    let found = parts.iter().find(|part| wanted(part) && !is_within_message(parts, part));
    Ok(found.map(|part| format!("a part is {}", part.media_type)))
}

/// Whether the first text, decoded, has this line outside of quoted text.
fn armour(mail: &Mail<'_>, content_type: &Parameters, line: &str) -> Finding {
    let is_line = |written: &[u8]| written.trim_ascii_end() == line.as_bytes();
    let has_line = |text: &[u8]| text.split(|byte| *byte == b'\n').any(is_line);
    // `application/pgp; x-action=encrypt` came before PGP/MIME.
    let plain = matches!(content_type.value.as_str(), "" | "text/plain" | "application/pgp");
    let encoded = mail.message.head().first("content-transfer-encoding").is_some();
    let found = if plain && !encoded {
        has_line(&body_opening(mail.message, ARMOUR_LIMIT)?)
    } else if plain || content_type.value.starts_with("multipart/") {
        let parts = mail.message.parts().map_err(unread)?;
        match parts.iter().find(|part| part.is_text() && part.media_type == "text/plain") {
            Some(part) => has_line(&mail.message.part_bytes(part, ARMOUR_LIMIT).map_err(unread)?),
            None => in_html(mail, line)?,
        }
    } else if content_type.value == "text/html" {
        in_html(mail, line)?
    } else {
        false
    };
    Ok(found.then(|| format!("the line `{line}`")))
}

/// Whether the first text has this line as it is displayed, for messages without
/// a plain text: webmailers put armour into `<pre>`.
fn in_html(mail: &Mail<'_>, line: &str) -> Result<bool, String> {
    let (mut text, mut part) = (String::new(), None);
    let mut take = |at, event: Event<'_>| {
        if let Event::Text(piece) = event {
            if *part.get_or_insert(at) != at {
                return false;
            }
            text.push_str(piece);
        }
        text.len() < ARMOUR_LIMIT
    };
    mail.message.read_texts(ARMOUR_LIMIT, &mut take).map_err(unread)?;
    Ok(text.lines().any(|written| written.trim_end() == line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::testing::{evidence, finds, message};

    #[test]
    fn encryption() {
        let pgp = message(
            "Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=b\n\n",
        );
        assert!(finds(&ENCRYPTED, &pgp) && !finds(&SIGNED, &pgp));
        let smime = message("Content-Type: application/pkcs7-mime; smime-type=enveloped-data\n\n");
        assert!(finds(&ENCRYPTED, &smime) && !finds(&SIGNED, &smime));
        assert!(finds(&ENCRYPTED, &message("Subject: x\n\n-----BEGIN PGP MESSAGE-----\nabc\n")));
        assert!(!finds(&ENCRYPTED, &message("Subject: x\n\n> -----BEGIN PGP MESSAGE-----\n")));
        let armour = "-----BEGIN PGP MESSAGE-----";
        let base64 = "LS0tLS1CRUdJTiBQR1AgTUVTU0FHRS0tLS0tCg==";
        let mixed = "Content-Type: multipart/mixed; boundary=b\n\n--b\n";
        for encrypted in [
            format!("{mixed}\n{armour}\n--b\n\nfooter\n--b--\n"),
            format!("Content-Transfer-Encoding: base64\n\n{base64}\n"),
            format!("Content-Type: application/pgp; x-action=encrypt\n\n{armour}\n"),
            format!("{mixed}Content-Type: application/pgp-encrypted\n\nVersion: 1\n--b--\n"),
            format!("{mixed}Content-Type: multipart/encrypted; boundary=i\n\n--i--\n--b--\n"),
            "Content-Type: application/octet-stream; name=SMIME.p7m\n\nx\n".to_owned(),
            format!("Content-Type: text/html\n\n<p>Hello</p><pre>\n{armour}\nabc</pre>\n"),
            format!("{mixed}Content-Type: text/html\n\n<div>{armour}<br>abc</div>\n--b--\n"),
        ] {
            assert!(finds(&ENCRYPTED, &message(&encrypted)), "{encrypted}");
        }
        let part = |head: &str| format!("{mixed}\nhello\n--b\n{head}\n--b--\n");
        // CMS signed data as a gateway leaves it.
        let cms = "Content-Transfer-Encoding: base64\n\nMIIBAAYJKoZIhvcNAQcCoIIB";
        for (text, is_signed) in [
            (part("Content-Type: application/pkcs7-mime; name=smime.p7m\n\nx"), false),
            (part("Content-Type: application/octet-stream; name=smime.p7m\n\nx"), false),
            (part(&format!("Content-Type: application/x-pkcs7-mime\n{cms}")), true),
            (part(&format!("Content-Type: application/octet-stream; name=smime.p7m\n{cms}")), true),
            (part("Content-Type: application/octet-stream; name=SMIME.P7S\n\nx"), true),
            (part("Content-Type: application/pkcs7-signature; name=smime.p7s\n\nx"), true),
            (format!("Content-Type: application/octet-stream; name=smime.p7m\n{cms}\n"), true),
            (format!("Content-Type: application/pkcs7-mime\n{cms}\n"), true),
        ] {
            let message = message(&text);
            let found = (finds(&SIGNED, &message), finds(&ENCRYPTED, &message));
            assert_eq!(found, (is_signed, !is_signed), "{text}");
        }
        for plain in [
            part("Content-Type: application/octet-stream; name=a.p7m\n\nx"),
            part("Content-Type: application/pdf; name=smime.p7m\n\nx"),
            format!("{mixed}\nhello\n--b\n\n{armour}\n--b--\n"),
            format!("Content-Type: text/html\n\n<p>a line {armour}</p>\n"),
            "Content-Type: application/octet-stream; name=x.p7m.zip\n\nx\n".to_owned(),
        ] {
            assert!(!finds(&ENCRYPTED, &message(&plain)), "{plain}");
        }
    }

    #[test]
    fn what_is_encrypted_and_then_signed() {
        let signed = "Content-Type: multipart/signed; boundary=b\n\n--b\n";
        for inner in [
            "Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\n\nx",
            "Content-Type: multipart/encrypted; boundary=i\n\n--i--",
        ] {
            let message = message(&format!("{signed}{inner}\n--b--\n"));
            assert!(finds(&ENCRYPTED, &message) && finds(&SIGNED, &message), "{inner}");
        }
        let plain = message(&format!("{signed}\nhello\n--b--\n"));
        assert!(!finds(&ENCRYPTED, &plain));
    }

    #[test]
    fn compressed_is_neither() {
        // CMS compressed data
        let cms = "Content-Transfer-Encoding: base64\n\nMIAGCyqGSIb3DQEJEAEJoIA=";
        for kind in ["smime-type=compressed-data", "name=smime.p7z"] {
            let message =
                message(&format!("Content-Type: application/pkcs7-mime; {kind}\n{cms}\n"));
            assert!(!finds(&ENCRYPTED, &message) && !finds(&SIGNED, &message), "{kind}");
        }
    }

    #[test]
    fn archives_that_want_a_password() {
        let zip = |flags: &str| {
            let bytes = format!("PK\x03\x04\x14\0{flags}{}\x01\0\0\0x", "\0".repeat(19));
            let base64 = data_encoding::BASE64.encode(bytes.as_bytes());
            message(&format!(
                "Content-Type: application/zip; name=a.zip\nContent-Transfer-Encoding: base64\n\n{base64}\n"
            ))
        };
        let why = evidence(&PASSWORD_PROTECTED, &zip("\x01"));
        assert_eq!(why.as_deref(), Some("a.zip needs a password"));
        assert!(!finds(&PASSWORD_PROTECTED, &zip("\0")));
    }

    #[test]
    fn signatures() {
        let mime = message(
            "Content-Type: multipart/signed; protocol=\"application/pgp-signature\"; boundary=b\n\n",
        );
        let evidence = evidence(&SIGNED, &mime).unwrap();
        assert_eq!(evidence, "multipart/signed; protocol=application/pgp-signature");
        let opaque = message("Content-Type: application/pkcs7-mime; smime-type=signed-data\n\n");
        assert!(finds(&SIGNED, &opaque) && !finds(&ENCRYPTED, &opaque));
        let footer = "Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: multipart/signed; boundary=i\n\n--i\n\nx\n--i--\n--o--\n";
        assert!(finds(&SIGNED, &message(footer)));
        assert!(!finds(&SIGNED, &message("Content-Type: text/plain\n\nhello\n")));
    }
}
