//! What the labels of charsets stand for: those that encoding_rs knows, and those that
//! mail needs besides.

use encoding_rs::{
    BIG5, EUC_JP, EUC_KR, Encoding, GB18030, GBK, MACINTOSH, SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE,
    WINDOWS_874, WINDOWS_1252,
};

use crate::message::iso2022::Set;

/// What a label stands for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Charset {
    /// No label, one that says nothing, one that nobody knows, or US-ASCII, which
    /// 8-bit bytes prove wrong.
    Unsaid,
    Known(&'static Encoding),
    /// A 7-bit charset with escapes; the set that SO shifts to (RFC 1468, 1557, 1922).
    Iso2022(Set),
    /// JIS X 0213 in the form of EUC-JP.
    EucJis2004,
    /// JIS X 0213 in the form of Shift_JIS.
    ShiftJis2004,
    /// RFC 1843.
    Hz,
    /// RFC 2152.
    Utf7,
    /// RFC 2781, the byte order unspecified.
    Utf16,
    /// The Unicode Standard §3.10, D99 to D101; whether it is little-endian, if
    /// that is specified.
    Utf32(Option<bool>),
    /// The DOS charset for Western Europe.
    Ibm850,
}

/// What a label stands for, however it is written.
pub(super) fn named(label: &str) -> Charset {
    let label = label.trim_matches(|c: char| {
        c.is_ascii_whitespace() || c.is_ascii_control() || "\"'<>();,=".contains(c)
    });
    if label.len() > 60 {
        return Charset::Unsaid;
    }
    let dashed = label.to_ascii_lowercase().replace('_', "-");
    extended(&dashed)
        .or_else(|| Encoding::for_label(label.as_bytes()).map(Charset::Known))
        .or_else(|| Encoding::for_label(dashed.as_bytes()).map(Charset::Known))
        .unwrap_or(Charset::Unsaid)
}

/// The name by which browsers know the charset called `label`. ASCII and Latin-1,
/// which they read as windows-1252, have none.
pub fn standard_name(label: &str) -> Option<&'static str> {
    match named(label) {
        Charset::Known(encoding) if encoding != WINDOWS_1252 || label.contains("1252") => {
            Some(encoding.name())
        }
        Charset::Iso2022(Set::Kana) => Some("iso-2022-jp"),
        _ => None,
    }
}

/// The labels that encoding_rs does not know, or treats as a browser must.
fn extended(label: &str) -> Option<Charset> {
    let known = Charset::Known;
    Some(match label {
        "us-ascii" | "ascii" | "usascii" | "csascii" | "ansi-x3.4-1968" | "iso646-us" | "" => {
            Charset::Unsaid
        }
        "utf-7"
        | "utf7"
        | "unicode-1-1-utf-7"
        | "csunicode11utf7"
        | "unicode-2-0-utf-7"
        | "x-unicode-1-1-utf-7"
        | "x-unicode-2-0-utf-7"
        | "cp65000" => Charset::Utf7,
        "utf-16" | "utf16" | "csutf16" | "ucs-2" | "ucs2" | "unicode" | "csunicode"
        | "iso-10646-ucs-2" => Charset::Utf16,
        "utf-32" | "utf32" | "ucs-4" | "ucs4" | "iso-10646-ucs-4" => Charset::Utf32(None),
        "utf-32le" | "utf32le" => Charset::Utf32(Some(true)),
        "utf-32be" | "utf32be" => Charset::Utf32(Some(false)),
        "utf16le" => known(UTF_16LE),
        "utf16be" => known(UTF_16BE),
        "utf" | "utf-8n" | "utf8n" | "utf-8-mac" | "utf8mb4" | "uft-8" | "cp65001" | "65001" => {
            known(UTF_8)
        }
        "cp50220"
        | "cp50221"
        | "cp50222"
        | "50220"
        | "50221"
        | "50222"
        | "jis"
        | "x-jis"
        | "jis7"
        | "jis8"
        | "csjisencoding"
        | "x-windows-50220"
        | "x-windows-50221"
        | "x-windows-50222"
        | "x-windows-iso2022jp"
        | "iso-2202-jp" => Charset::Iso2022(Set::Kana),
        _ if starts(label, &["iso-2022-jp", "iso2022-jp", "iso2022jp", "csiso2022jp"]) => {
            Charset::Iso2022(Set::Kana)
        }
        _ if starts(label, &["iso-2022-kr", "iso2022-kr", "iso2022kr", "csiso2022kr"]) => {
            Charset::Iso2022(Set::Ksc5601)
        }
        _ if starts(label, &["iso-2022-cn", "iso2022-cn", "iso2022cn", "csiso2022cn"]) => {
            Charset::Iso2022(Set::Gb2312)
        }
        "hz-gb-2312" | "hz" | "hzgb2312" => Charset::Hz,
        "cp932" | "cp-932" | "932" | "x-ms-cp932" | "ms-932" | "cswindows31j" | "windows31j"
        | "windows-932" | "shift-jis" | "shiftjis" | "s-jis" | "sjis-win" | "sjis-open"
        | "cp943" | "cp943c" | "ibm943" | "ibm-943" | "x-ibm943" | "x-ibm943c" | "x-shift-jis"
        | "pck" | "x-shiftjis" | "x-pck" | "x-mac-japanese" => known(SHIFT_JIS),
        "shift-jis-2004" | "shift-jisx0213" | "sjis-2004" | "sjisx0213" | "sjis2004" => {
            Charset::ShiftJis2004
        }
        "euc-jisx0213" | "euc-jis-2004" | "euc-jis2004" | "eucjis2004" | "eucjisx0213" => {
            Charset::EucJis2004
        }
        _ if starts(label, &["x-sjis", "sjis"]) => known(SHIFT_JIS),
        "euc" | "ujis" | "cp51932" | "ms51932" | "cp20932" | "x-euc" => known(EUC_JP),
        _ if starts(label, &["eucjp", "euc-jp", "x-eucjp", "x-euc-jp"]) => known(EUC_JP),
        "cp949" | "ms949" | "949" | "uhc" | "x-windows-949" | "cp51949" | "euckr" | "x-euc-kr"
        | "ks-x-1001" | "ksx1001" | "x-mac-korean" => known(EUC_KR),
        _ if starts(label, &["ks-c-5601", "ksc5601", "ksc-5601"]) => known(EUC_KR),
        "cp936" | "ms936" | "936" | "windows-936" | "euc-cn" | "euccn" | "x-euc-cn" | "gb"
        | "gb-2312" | "gb2312-80" | "x-gb2312" | "x-mac-chinesesimp" => known(GBK),
        "gb-18030" | "cp54936" | "gb18030-2000" | "gb18030-2005" => known(GB18030),
        "cp950" | "ms950" | "950" | "windows-950" | "x-windows-950" | "big-5" | "big5-eten"
        | "x-big5" | "cp951" | "x-mac-chinesetrad" => known(BIG5),
        "tis620" | "cp874" | "ms874" | "x-windows-874" | "iso-8859-11-1" => known(WINDOWS_874),
        "ansi-x3.110"
        | "ansi-x3.110-1983"
        | "iso-8859-1-windows-3.1-latin-1"
        | "latin-1"
        | "latin"
        | "ansi"
        | "western"
        | "iso-8859"
        | "8859-1"
        | "iso8859" => known(WINDOWS_1252),
        "mac-roman" | "macroman" | "x-mac" | "x-macroman" => known(MACINTOSH),
        "cp850"
        | "ibm850"
        | "850"
        | "ibm-850"
        | "cspc850multilingual"
        | "cp858"
        | "ibm858"
        | "cp437"
        | "ibm437"
        | "437"
        | "cspc8codepage437" => Charset::Ibm850,
        _ => return windows_page(label).map(known),
    })
}

/// `win-1251`, `windows1251`, `ms1251`, `1251` …
fn windows_page(label: &str) -> Option<&'static Encoding> {
    let page = label.trim_start_matches(|c: char| !c.is_ascii_digit());
    let prefix = &label[..label.len() - page.len()];
    let of_windows = matches!(
        prefix.trim_end_matches('-'),
        "" | "win" | "windows" | "x-windows" | "ms" | "msansi" | "ansi" | "cp" | "x-cp"
    );
    if of_windows && page.len() == 4 && page.starts_with("125") {
        return Encoding::for_label(format!("windows-{page}").as_bytes());
    }
    None
}

fn starts(label: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| label.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::standard_name;

    #[test]
    fn names_that_browsers_use() {
        for (label, name) in [
            ("x-sjis", Some("Shift_JIS")),
            ("windows-31j", Some("Shift_JIS")),
            ("csISO2022JP", Some("iso-2022-jp")),
            ("utf8", Some("UTF-8")),
            ("gb2312", Some("GBK")),
            ("cp1252", Some("windows-1252")),
            ("iso-8859-1", None),
            ("us-ascii", None),
            ("nonsense", None),
        ] {
            assert_eq!(standard_name(label), name, "{label}");
        }
    }
}
