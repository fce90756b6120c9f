//! Bytes of a rule file to text. Only UTF-8 is accepted; the encoding that it may
//! be in instead is a hint.

use encoding_rs::{EUC_JP, Encoding, SHIFT_JIS};

use crate::diagnostic::{Diagnostic, Severity};
use crate::source::Span;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The text of a rule file, with its byte-order mark if there is one.
///
/// # Errors
/// The bytes are not UTF-8.
pub fn decode(bytes: &[u8]) -> Result<String, NotUtf8> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_string()),
        Err(error) => {
            let offset = error.valid_up_to();
            let before = &bytes[..offset];
            let line = memchr::memchr_iter(b'\n', before).count() + 1;
            Err(NotUtf8 { offset, line, looks_like: guess(bytes) })
        }
    }
}

/// The bytes of a rule file are not text in UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotUtf8 {
    /// The first byte that is not UTF-8.
    pub offset: usize,
    /// Its line, from 1.
    pub line: usize,
    /// The encoding that it may be in instead, by the name that iconv uses.
    pub looks_like: Option<&'static str>,
}

impl NotUtf8 {
    /// A substitute for the text (invalid bytes replaced by U+FFFD), and the
    /// mistake to show beside it, as file `file`.
    pub fn explain(&self, file: u32, bytes: &[u8]) -> (String, Diagnostic) {
        let text = String::from_utf8_lossy(bytes).into_owned();
        // A `SourceFile` has no byte-order mark.
        let mark = if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        let start = u32::try_from(self.offset.saturating_sub(mark)).unwrap_or(u32::MAX);
        let end = start.saturating_add('\u{fffd}'.len_utf8() as u32);
        let hint = match self.looks_like {
            Some(name) => {
                format!("it looks like {name}; `iconv -f {name} -t UTF-8` converts it")
            }
            None => String::from("save the file as UTF-8"),
        };
        let byte = bytes.get(self.offset).copied().unwrap_or_default();
        let diagnostic = Diagnostic {
            severity: Severity::Error,
            code: "not-utf8",
            message: format!("this file is not UTF-8: byte 0x{byte:02x} is not valid here"),
            span: Span { file, start, end },
            label: String::new(),
            related: Vec::new(),
            hint: Some(hint),
            fix: None,
        };
        (text, diagnostic)
    }
}

fn guess(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Some("UTF-16");
    }
    let reads = |encoding: &'static Encoding| {
        encoding.decode_without_bom_handling_and_without_replacement(bytes).is_some()
    };
    // EUC-JP first: its two-byte characters are mostly half-width kana in Shift_JIS.
    if reads(EUC_JP) {
        return Some("EUC-JP");
    }
    if reads(SHIFT_JIS) {
        return Some("SHIFT_JIS");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{SourceFile, Sources};

    #[test]
    fn a_shift_jis_file_is_reported_by_line_and_name() {
        let (mut bytes, _, _) = SHIFT_JIS.encode("迷惑メールを別の箱に入れる");
        bytes.to_mut().splice(..0, *b"stop\n# ");
        let error = decode(&bytes).expect_err("this is no UTF-8");
        assert_eq!((error.offset, error.line), (7, 2));
        assert_eq!(error.looks_like, Some("SHIFT_JIS"));
        let (bytes, _, _) = EUC_JP.encode("迷惑メール");
        assert_eq!(decode(&bytes).map_err(|error| error.looks_like), Err(Some("EUC-JP")));
    }

    #[test]
    fn the_place_fits_the_shown_text_even_after_a_byte_order_mark() {
        let bytes = b"\xef\xbb\xbf# \xff\nstop";
        let error = decode(bytes).expect_err("this is no UTF-8");
        let (text, diagnostic) = error.explain(0, bytes);
        let mut sources = Sources::default();
        sources.add(SourceFile::new("rules", text));
        assert_eq!(sources.text(diagnostic.span), "\u{fffd}");
    }
}
