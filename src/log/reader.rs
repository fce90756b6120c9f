//! Reading the log back. A line that is not one of ours is skipped and counted.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use jiff::Timestamp;

use super::line::VALUE_MAX;
use crate::file;
use crate::maildir::entry::key_of;
use crate::maildir::name::split_info;

/// The longest line, bytes; a longer one is damaged.
const LINE_MAX: u64 = 64 << 10;

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written.
    pub time: Timestamp,
    /// What happened: `delivered`, `discarded` …
    pub word: String,
    /// Names and values in their order, values unescaped.
    pub fields: Vec<(String, String)>,
}

impl LogLine {
    /// Parses a line, given without its line end.
    pub fn parse(text: &str) -> Option<LogLine> {
        let (time, rest) = text.split_once(' ')?;
        let time = time.parse().ok()?;
        let (word, mut rest) = rest.split_once(' ').unwrap_or((rest, ""));
        if word.is_empty() || !word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') {
            return None;
        }
        let mut fields = Vec::new();
        while !rest.is_empty() {
            let (name, after) = rest.split_once('=')?;
            let (value, after) = value(after)?;
            if name.is_empty() || name.contains([' ', '"']) {
                return None;
            }
            fields.push((name.to_owned(), value));
            rest = match after {
                "" => "",
                more => more.strip_prefix(' ')?,
            };
        }
        Some(LogLine { time, word: word.to_owned(), fields })
    }

    /// A value by its name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// How long it took, milliseconds.
    pub fn ms(&self) -> Option<f64> {
        self.get("ms")?.parse().ok().filter(|ms: &f64| ms.is_finite() && *ms >= 0.0)
    }

    /// When the message was received, milliseconds since 1970.
    pub fn began(&self) -> i64 {
        self.time.as_millisecond().saturating_sub(self.ms().unwrap_or(0.0).ceil() as i64)
    }

    /// Whether it is about the message with this Message-ID, which is not empty.
    pub fn is_about(&self, id: &str) -> bool {
        !id.is_empty() && self.get("id").is_some_and(|known| is_value(known, id))
    }

    /// Whether it is about the file of this name; flags are not compared.
    pub fn is_of_file(&self, name: &str) -> bool {
        self.get("file").is_some_and(|known| base(known) == base(name))
    }
}

/// The part of a file's name in a Maildir that never changes.
pub fn base(name: &str) -> String {
    key_of(split_info(name).map_or(name, |(base, _)| base))
}

/// Whether a logged value is this one; long values are cut in the log.
fn is_value(logged: &str, value: &str) -> bool {
    match logged.strip_suffix('…') {
        Some(start) if value.len() >= VALUE_MAX / 6 => value.starts_with(start),
        _ => logged == value,
    }
}

/// A JSON string or a number at the start of a text, and what follows it.
fn value(text: &str) -> Option<(String, &str)> {
    if !text.starts_with('"') {
        let end = text.find(' ').unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return value.parse::<f64>().ok().map(|_| (value.to_owned(), rest));
    }
    let mut escaped = false;
    let end = text.bytes().enumerate().skip(1).find_map(|(at, byte)| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends.then_some(at)
    })?;
    let (value, rest) = text.split_at(end + 1);
    Some((serde_json::from_str(value).ok()?, rest))
}

/// What was read of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LineCounts {
    /// Good lines.
    pub lines: usize,
    /// Lines that are not ours.
    pub damaged: usize,
}

/// Reads all lines of these files, one after the other; a file that does not exist has
/// none.
///
/// # Errors
/// A file cannot be read.
pub fn read(
    files: &[impl AsRef<Path>],
    mut each: impl FnMut(LogLine),
) -> Result<LineCounts, (std::path::PathBuf, io::Error)> {
    let mut seen = LineCounts::default();
    for path in files {
        let path = path.as_ref();
        match read_file(path, 0, &mut seen, &mut each) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err((path.to_owned(), error));
            }
            _ => {}
        }
    }
    Ok(seen)
}

/// Reads the lines of one file from byte `from` on. Returns the offset up to which it has
/// been read: the end of the last complete line.
///
/// # Errors
/// The file cannot be read.
pub fn read_from(path: &Path, from: u64, mut each: impl FnMut(LogLine)) -> io::Result<u64> {
    read_file(path, from, &mut LineCounts::default(), &mut each)
}

fn read_file(
    path: &Path,
    from: u64,
    seen: &mut LineCounts,
    each: &mut dyn FnMut(LogLine),
) -> io::Result<u64> {
    let mut reader = BufReader::new(file::open(path, file::READ)?);
    reader.seek(SeekFrom::Start(from))?;
    let (mut at, mut end) = (from, from);
    let mut bytes = Vec::new();
    let mut too_long = false;
    loop {
        bytes.clear();
        let read = (&mut reader).take(LINE_MAX).read_until(b'\n', &mut bytes)?;
        if read == 0 {
            return Ok(end);
        }
        at += read as u64;
        let whole = bytes.ends_with(b"\n");
        if whole {
            end = at;
        }
        // The rest of a line that is too long is not a line of its own.
        let rest = std::mem::replace(&mut too_long, !whole && bytes.len() as u64 == LINE_MAX);
        if rest {
            continue;
        }
        let text = std::str::from_utf8(&bytes).ok().filter(|_| whole);
        match text.and_then(|text| LogLine::parse(text.trim_end_matches(['\n', '\r']))) {
            Some(line) => {
                seen.lines += 1;
                each(line);
            }
            None => seen.damaged += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;
    use crate::log::line::field;

    proptest! {
        #[test]
        fn what_was_written_comes_back(values in prop::collection::vec("(?s).{0,80}", 0..5)) {
            let mut text = String::from("2026-01-02T03:04:05.678Z delivered");
            for (number, value) in values.iter().enumerate() {
                field(&mut text, &format!("f{number}"), value);
            }
            prop_assert!(!text.contains(char::is_control));
            let line = LogLine::parse(&text).expect("one of ours");
            prop_assert_eq!(line.fields.len(), values.len());
            for (number, value) in values.iter().enumerate() {
                prop_assert_eq!(line.get(&format!("f{number}")), Some(value.as_str()));
            }
        }

        #[test]
        fn no_text_makes_it_stumble(text in "[ =\"\\\\a-c0-9.:TZ-]{0,60}") {
            let _ = LogLine::parse(&text);
            let _ = LogLine::parse(&format!("2026-01-02T03:04:05Z note {text}"));
        }
    }

    #[test]
    fn values_come_back_as_they_were() {
        let text = r#"2026-01-02T03:04:05.678Z delivered folder="A/迷惑" file="1.x,S=2:2,S" text="a\"b\\\u000a=\u202e" rule="~/r:3" id="<1@a>" from="" ms=3.1"#;
        let line = LogLine::parse(text).unwrap();
        assert_eq!(
            (line.word.as_str(), line.get("from"), line.ms()),
            ("delivered", Some(""), Some(3.1))
        );
        assert_eq!(line.get("text"), Some("a\"b\\\n=\u{202e}"));
        assert!(line.is_about("<1@a>") && !line.is_about("<2@a>") && !line.is_about(""));
        assert!(
            line.is_of_file("1.x,S=2")
                && line.is_of_file("1.x,S=2,U=7:2,")
                && line.is_of_file("1.x,a=O,u=1:2,R")
                && !line.is_of_file("1.y,S=2")
        );
        assert_eq!(line.began(), line.time.as_millisecond() - 4);
    }

    #[test]
    fn lines_that_are_not_ours_are_skipped_and_counted() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("log");
        let good = "2026-01-02T03:04:05Z note text=\"x\"\n";
        let bad = [
            "\n",
            "nonsense\n",
            "2026-01-02T03:04:05Z \n",
            "2026-01-02T03:04:05Z note text=\"x\n",
            "2026-01-02T03:04:05Z note text=x\n",
            "2026-01-02T03:04:05Z note text=\"x\"y=\"z\"\n",
            "2026-01-02T03:04:05Z note text=\"\\q\"\n",
        ];
        let mut text = good.to_owned() + &bad.concat();
        text += &"x".repeat(3 * LINE_MAX as usize);
        text += "\n";
        text += good;
        let mut bytes = text.into_bytes();
        bytes.extend(b"2026-01-02T03:04:05Z note text=\"\xff\"\n2026-01-02T03:04:05Z no");
        fs::write(&path, bytes).unwrap();
        let mut lines = 0;
        let seen = read(&[home.path().join("log.1"), path], |_| lines += 1).unwrap();
        assert_eq!((seen.lines, lines, seen.damaged), (2, 2, bad.len() + 3));
        assert!(read(&[home.path()], |_| ()).is_err());
    }

    #[test]
    fn a_long_value_is_known_by_its_start() {
        let long = "x".repeat(2000);
        let line = format!("2026-01-02T03:04:05Z note id=\"{}…\"", &long[..998]);
        assert!(LogLine::parse(&line).unwrap().is_about(&long));
        assert!(!LogLine::parse("2026-01-02T03:04:05Z note id=\"x…\"").unwrap().is_about("xy"));
    }
}
