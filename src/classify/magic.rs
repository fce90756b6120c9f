//! What type a file has by its first bytes, whatever its name is.
//!
//! `attachment.type` is the declared type and the ones found here. A type for
//! which more than one name is in use has them all: the registered one (IANA
//! Media Types) first, then those of file(1) and of browsers.

use crate::message::attachment::Attachment;
use crate::message::{BodyError, Message};

/// How many bytes of a file are enough: an ISO image is recognizable at 32 KB.
const ENOUGH: usize = 0x8800;

/// Where ISO 9660 (§8) and UDF volumes have the name of their first descriptor.
const VOLUME: usize = 0x8001;

/// A mark at a certain place in a file.
struct MagicMark {
    at: usize,
    bytes: &'static [u8],
    types: &'static [&'static str],
}

const fn mark(bytes: &'static [u8], types: &'static [&'static str]) -> MagicMark {
    MagicMark { at: 0, bytes, types }
}

const PROGRAM: &[&str] = &[
    "application/vnd.microsoft.portable-executable",
    "application/x-dosexec",
    "application/x-msdownload",
];
const ZIP: &[&str] = &["application/zip", "application/x-zip-compressed"];
const OLE: &[&str] = &["application/x-ole-storage", "application/x-cfb"];
const HTML: &[&str] = &["text/html"];
const SVG: &[&str] = &["image/svg+xml"];
const SCRIPT: &[&str] = &["text/x-shellscript", "text/x-script"];
const ISO: &[&str] = &["application/x-iso9660-image", "application/vnd.efi.iso"];
const RAR: &[&str] = &["application/vnd.rar", "application/x-rar-compressed", "application/x-rar"];
const MACH: &[&str] = &["application/x-mach-binary"];

static MARKS: &[MagicMark] = &[
    mark(b"MZ", PROGRAM),
    mark(b"\x7fELF", &["application/x-elf", "application/x-executable"]),
    mark(b"\xfe\xed\xfa\xce", MACH),
    mark(b"\xfe\xed\xfa\xcf", MACH),
    mark(b"\xce\xfa\xed\xfe", MACH),
    mark(b"\xcf\xfa\xed\xfe", MACH),
    mark(b"Rar!\x1a\x07", RAR),
    mark(b"7z\xbc\xaf\x27\x1c", &["application/x-7z-compressed"]),
    mark(b"\x1f\x8b", &["application/gzip", "application/x-gzip"]),
    mark(b"BZh", &["application/x-bzip2"]),
    mark(b"\xfd7zXZ\0", &["application/x-xz"]),
    mark(b"\x28\xb5\x2f\xfd", &["application/zstd"]),
    mark(b"MSCF\0\0\0\0", &["application/vnd.ms-cab-compressed"]),
    // ARJ, LHA, ACE: what virus senders used before
    mark(b"\x60\xea", &["application/x-arj"]),
    MagicMark {
        at: 2,
        bytes: b"-lh",
        types: &["application/x-lzh-compressed", "application/x-lha"],
    },
    MagicMark { at: 7, bytes: b"**ACE**", types: &["application/x-ace-compressed"] },
    mark(b"%PDF-", &["application/pdf"]),
    // Word accepts less than the five letters that the specification requires.
    mark(b"{\\rt", &["application/rtf", "text/rtf"]),
    mark(b"MSWIM\0\0\0", &["application/x-ms-wim"]),
    mark(b"ALZ\x01", &["application/x-alz-compressed"]),
    mark(b"EGGA", &["application/x-egg"]),
    // A fixed-size disk has its footer at the end, other kinds here too.
    mark(b"conectix", &["application/x-vhd", "application/x-virtualbox-vhd"]),
    mark(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OLE),
    // MS-SHLLINK §2.1: size of the header and its class id
    mark(
        b"L\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0F",
        &["application/x-ms-shortcut", "application/x-ms-lnk"],
    ),
    // OneNote, MS-ONESTORE §2.3.1
    mark(
        b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3",
        &["application/onenote"],
    ),
    // Compiled HTML help
    mark(b"ITSF", &["application/vnd.ms-htmlhelp"]),
    mark(b"vhdxfile", &["application/x-vhdx"]),
    mark(b"\x89PNG\r\n\x1a\n", &["image/png"]),
    mark(b"\xff\xd8\xff", &["image/jpeg"]),
    mark(b"GIF87a", &["image/gif"]),
    mark(b"GIF89a", &["image/gif"]),
    mark(b"II*\0", &["image/tiff"]),
    mark(b"MM\0*", &["image/tiff"]),
    mark(b"BM", &["image/bmp"]),
    MagicMark { at: 8, bytes: b"WEBP", types: &["image/webp"] },
    mark(b"#!", SCRIPT),
    mark(b"<?php", &["application/x-php", "text/x-php"]),
    mark(b"BEGIN:VCALENDAR", &["text/calendar"]),
    mark(b"BEGIN:VCARD", &["text/vcard"]),
    MagicMark { at: VOLUME, bytes: b"CD001", types: ISO },
    MagicMark { at: VOLUME, bytes: b"BEA01", types: ISO },
    MagicMark { at: 257, bytes: b"ustar", types: &["application/x-tar"] },
];

/// The types that the members of a zip file indicate.
static MEMBER_MARKS: &[(&[u8], &[&str])] = &[
    (b"word/vbaProject.bin", &["application/vnd.ms-word.document.macroenabled.12"]),
    (b"xl/vbaProject.bin", &["application/vnd.ms-excel.sheet.macroenabled.12"]),
    (b"ppt/vbaProject.bin", &["application/vnd.ms-powerpoint.presentation.macroenabled.12"]),
    (b"word/", &["application/vnd.openxmlformats-officedocument.wordprocessingml.document"]),
    (b"xl/", &["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"]),
    (b"ppt/", &["application/vnd.openxmlformats-officedocument.presentationml.presentation"]),
    (b"META-INF/MANIFEST.MF", &["application/java-archive"]),
    (b"AndroidManifest.xml", &["application/vnd.android.package-archive"]),
];

/// How HTML begins: WHATWG MIME Sniffing §7.1.
static HTML_STARTS: &[&str] = &[
    "<!doctype html",
    "<html",
    "<head",
    "<script",
    "<iframe",
    "<body",
    "<title",
    "<style",
    "<svg",
    "<meta",
    "<table",
    "<div",
    "<font",
    "<br",
    "<!--",
];

/// The types of a file that begins with these bytes, registered name first; empty
/// if nothing shows a type.
pub fn types(bytes: &[u8]) -> Vec<&'static str> {
    // A marker of spanned archives, APPNOTE.TXT §8.5.4, which a single file may have too.
    let zipped = bytes.strip_prefix(b"PK00").unwrap_or(bytes);
    if zipped.starts_with(b"PK\x03\x04") {
        return zip(zipped);
    }
    let found = MARKS.iter().find(|mark| {
        bytes.get(mark.at..).is_some_and(|rest| rest.starts_with(mark.bytes))
            && is_sure(mark, bytes)
    });
    match found {
        Some(mark) => mark.types.to_vec(),
        None if bytes.starts_with(b"PK\x05\x06") => ZIP.to_vec(),
        None if is_pdf(bytes) => vec!["application/pdf"],
        None if is_web_archive(bytes) => vec!["multipart/related", "application/x-mimearchive"],
        None if is_shortcut(bytes) => vec!["application/internet-shortcut"],
        None if is_word_xml(bytes) => vec!["application/vnd.ms-wordml", "application/msword"],
        None if is_svg(bytes) => [SVG, if is_html(bytes) { HTML } else { &[] }].concat(),
        None if is_java(bytes) => vec!["application/java-vm"],
        None if is_html(bytes) => HTML.to_vec(),
        None => Vec::new(),
    }
}

/// Many a text also begins with a mark of two letters.
fn is_sure(mark: &MagicMark, bytes: &[u8]) -> bool {
    let long = |least: usize| bytes.len() >= least;
    match mark.bytes {
        b"BM" => long(14) && bytes.get(6..10) == Some(&[0; 4]),
        b"MZ" => bytes.get(..64).is_none_or(|head| head.iter().any(|byte| !is_text(*byte))),
        b"\x60\xea" => long(4),
        b"-lh" => bytes.get(6) == Some(&b'-'),
        _ => true,
    }
}

fn is_text(byte: u8) -> bool {
    byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t' | b'\r' | b'\n') || byte >= 0x80
}

/// Zip and the formats based on it: the names of the first members decide.
fn zip(bytes: &[u8]) -> Vec<&'static str> {
    let start = bytes.get(..ENOUGH).unwrap_or(bytes);
    if let Some(kind) = start.get(30..).and_then(|rest| rest.strip_prefix(b"mimetype")) {
        // OpenDocument and EPUB state it themselves, uncompressed.
        for open in [
            "application/vnd.oasis.opendocument.text",
            "application/vnd.oasis.opendocument.spreadsheet",
            "application/vnd.oasis.opendocument.presentation",
            "application/epub+zip",
        ] {
            if kind.starts_with(open.as_bytes()) {
                return [&[open], ZIP].concat();
            }
        }
    }
    // The name follows 2 bytes after its length.
    let named = |name: &[u8]| {
        memchr::memmem::find_iter(start, b"PK\x03\x04")
            .chain(memchr::memmem::find_iter(start, b"PK\x01\x02").map(|at| at + 16))
            .any(|at| start.get(at + 30..).is_some_and(|rest| rest.starts_with(name)))
    };
    let member = MEMBER_MARKS.iter().find(|(name, _)| named(name));
    [member.map_or(&[][..], |(_, types)| types), ZIP].concat()
}

/// Whether the file is a Java class file. A Mach-O "fat" binary begins alike; where a
/// class file has its version, it has its number of architectures, which is small.
fn is_java(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\xca\xfe\xba\xbe") && bytes.get(7).is_some_and(|version| *version >= 45)
}

/// PDF readers accept a file that begins within the first 1,024 bytes (ISO
/// 32000-1, Annex H).
fn is_pdf(bytes: &[u8]) -> bool {
    let start = bytes.get(..1024 + 5).unwrap_or(bytes);
    memchr::memmem::find(start, b"%PDF-").is_some()
}

/// A page with its pictures in one file (RFC 2557), which Office and browsers open.
fn is_web_archive(bytes: &[u8]) -> bool {
    let start = bytes.get(..4096).unwrap_or(bytes).to_ascii_lowercase();
    start.starts_with(b"mime-version:")
        || (start.starts_with(b"from: <saved by") && contains(&start, b"mime-version:"))
}

/// A `.url` file, which opens its address when it is clicked.
fn is_shortcut(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    let word = b"[internetshortcut]";
    bytes.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// A document of Word 2003 as XML, which can hold macros.
fn is_word_xml(bytes: &[u8]) -> bool {
    let start = bytes.get(..4096).unwrap_or(bytes);
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    start.starts_with(b"<?xml")
        && (contains(start, b"progid=\"Word.Document\"")
            || contains(start, b"schemas.microsoft.com/office/word/2003/wordml"))
}

/// A drawing, which a browser opens with the scripts in it.
fn is_svg(bytes: &[u8]) -> bool {
    let start = bytes.get(..4096).unwrap_or(bytes);
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    let is_xml = start.starts_with(b"<?xml") && !contains(start, b"<html");
    start.starts_with(b"<svg") || (is_xml && contains(start, b"<svg"))
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    memchr::memmem::find(text, word).is_some()
}

fn is_html(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    HTML_STARTS.iter().any(|start| {
        let found = bytes.get(..start.len());
        found.is_some_and(|found| found.eq_ignore_ascii_case(start.as_bytes()))
    })
}

/// `attachment.type`: the declared type, then those by its first bytes.
///
/// # Errors
/// The body cannot be read.
pub fn of_attachment(message: &Message, attachment: &Attachment) -> Result<Vec<String>, BodyError> {
    let mut all = vec![attachment.media_type.text().to_owned()];
    for found in types(&message.attachment_bytes(attachment, ENOUGH)?) {
        if all.iter().all(|known| known != found) {
            all.push(found.to_owned());
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn assert_type(bytes: &[u8], expected: Option<&str>) {
        assert_eq!(types(bytes).first().copied(), expected, "{}", bytes.escape_ascii());
    }

    /// An uncompressed member of a zip file, without content.
    fn member(name: &str) -> Vec<u8> {
        let mut bytes = b"PK\x03\x04".to_vec();
        bytes.resize(26, 0);
        bytes.extend([name.len() as u8, 0, 0, 0]);
        bytes.extend(name.as_bytes());
        bytes
    }

    #[test]
    fn first_bytes() {
        for (bytes, expected) in [
            (b"MZ\x90\0\x03\0\0\0".as_slice(), "application/vnd.microsoft.portable-executable"),
            (b"\x7fELF\x02\x01", "application/x-elf"),
            (b"\xcf\xfa\xed\xfe\x07", "application/x-mach-binary"),
            (b"Rar!\x1a\x07\x01\0", "application/vnd.rar"),
            (b"7z\xbc\xaf\x27\x1c\0", "application/x-7z-compressed"),
            (b"\x1f\x8b\x08", "application/gzip"),
            (b"%PDF-1.7", "application/pdf"),
            (b"\r\n%PDF-1.4", "application/pdf"),
            (b"{\\rt1", "application/rtf"),
            (b"PK00PK\x03\x04", "application/zip"),
            (b"[InternetShortcut]\nURL=x", "application/internet-shortcut"),
            (b"MSWIM\0\0\0\xd0", "application/x-ms-wim"),
            (b"ALZ\x01\x0a", "application/x-alz-compressed"),
            (b"EGGA\0\x01", "application/x-egg"),
            (b"conectix\0", "application/x-vhd"),
            (b"MIME-Version: 1.0\nContent-Type: multipart/related", "multipart/related"),
            (
                b"<?xml version=\"1.0\"?><?mso-application progid=\"Word.Document\"?>",
                "application/vnd.ms-wordml",
            ),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0", "application/x-ole-storage"),
            (b"\x89PNG\r\n\x1a\n\0", "image/png"),
            (b"\xff\xd8\xff\xe0", "image/jpeg"),
            (b"GIF89a\x01", "image/gif"),
            (b"MSCF\0\0\0\0\0", "application/vnd.ms-cab-compressed"),
            (b"L\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0F\x9b", "application/x-ms-shortcut"),
            (b"#!/bin/sh\n", "text/x-shellscript"),
            (b"\xef\xbb\xbf\r\n <!DOCTYPE HTML>", "text/html"),
            (b"<Script>", "text/html"),
            (b"<svg onload=x>", "image/svg+xml"),
            (b"<?xml version=\"1.0\"?>\n<!DOCTYPE svg>\n<svg>", "image/svg+xml"),
            (b"\xca\xfe\xba\xbe\0\0\0\x34", "application/java-vm"),
            (b"PK\x05\x06\0\0", "application/zip"),
        ] {
            assert_type(bytes, Some(expected));
        }
        let mut disk = vec![0; VOLUME];
        disk.extend(b"CD001\x01");
        assert_type(&disk, Some("application/x-iso9660-image"));
        for text in [&b"Dear Sir"[..], b"", b"BMW is a car, and a long text", b"PK", b"x<html>"] {
            assert_type(text, None);
        }
        let letter =
            [b"MZ is short for Mark Zbikowski, and this is a text about him.".as_slice(); 2];
        assert_type(&letter.concat(), None);
    }

    #[test]
    fn zip_files_are_known_by_their_members() {
        let word = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
        let docx = [member("[Content_Types].xml"), member("word/document.xml")].concat();
        assert_type(&docx, Some(word));
        assert!(types(&docx).contains(&"application/zip"));
        let docm = [docx, member("word/vbaProject.bin")].concat();
        assert_type(&docm, Some("application/vnd.ms-word.document.macroenabled.12"));
        let sheet = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
        assert_type(&[member("_rels/.rels"), member("xl/workbook.xml")].concat(), Some(sheet));
        assert_type(&member("META-INF/MANIFEST.MF"), Some("application/java-archive"));
        assert_type(&member("password/x"), Some("application/zip"));
        let mut odt = member("mimetype");
        odt.extend(b"application/vnd.oasis.opendocument.text");
        assert_type(&odt, Some("application/vnd.oasis.opendocument.text"));
    }

    #[test]
    fn of_a_message() {
        let message = Message::from_bytes(
            b"Content-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64\n\nTVqQAAMAAAAEAAAA\n"
                .to_vec(),
        );
        let attachments = message.attachments().expect("memory can be read");
        let found = of_attachment(&message, &attachments[0]).expect("memory can be read");
        assert_eq!(
            found[..2],
            ["application/pdf", "application/vnd.microsoft.portable-executable"]
        );
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200), mark in 0..MARKS.len()) {
            types(&bytes);
            types(&[MARKS[mark].bytes, &bytes].concat());
            types(&[&b"PK\x03\x04"[..], &bytes].concat());
        }
    }
}
