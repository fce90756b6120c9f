//! The bytes after DATA (RFC 5321 §4.1.1.4, §4.5.2): stuffed dots are removed, and each
//! CR LF becomes LF, as in files.
//!
//! A lone CR or LF is kept and does not end a line, so `\n.\n`, `\n.\r\n` and `\r\n.\n`
//! are never the end: a second message smuggled in after one of them stays part of the
//! first.

use memchr::memchr;

/// Where in a line the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum DataState {
    /// After CR LF, or at the very start.
    #[default]
    Start,
    /// After the dot at the start.
    Dot,
    /// After the dot and a CR.
    DotCr,
    /// Within the line.
    Text,
    /// After a CR within the line.
    Cr,
}

/// Reads what follows DATA.
#[derive(Debug, Clone, Default)]
pub struct DataDecoder {
    place: DataState,
}

impl DataDecoder {
    /// Decodes some bytes and returns how many were used: all of them, unless the message
    /// has ended. The second value says whether it has.
    pub fn decode(&mut self, input: &[u8], output: &mut Vec<u8>) -> (usize, bool) {
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            match (self.place, byte) {
                (DataState::Start, b'.') => self.place = DataState::Dot,
                (DataState::Dot, b'\r') => self.place = DataState::DotCr,
                (DataState::DotCr, b'\n') => {
                    self.place = DataState::Start;
                    return (at + 1, true);
                }
                (DataState::DotCr, _) => {
                    output.push(b'\r');
                    self.place = DataState::Text;
                    continue;
                }
                (DataState::Cr, b'\n') => {
                    output.push(b'\n');
                    self.place = DataState::Start;
                }
                (DataState::Cr, b'\r') => output.push(b'\r'),
                (DataState::Cr, _) => {
                    output.push(b'\r');
                    self.place = DataState::Text;
                    continue;
                }
                (DataState::Start | DataState::Text, b'\r') => self.place = DataState::Cr,
                (DataState::Start | DataState::Dot | DataState::Text, _) => {
                    let rest = input.get(at..).unwrap_or_default();
                    let text = memchr(b'\r', rest).unwrap_or(rest.len());
                    output.extend_from_slice(rest.get(..text).unwrap_or_default());
                    self.place = DataState::Text;
                    at += text;
                    continue;
                }
            }
            at += 1;
        }
        (at, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The message, and what follows it, decoded in chunks of this size.
    fn decode(input: &[u8], size: usize) -> Option<(Vec<u8>, Vec<u8>)> {
        let (mut decoder, mut output, mut used) = (DataDecoder::default(), Vec::new(), 0);
        for chunk in input.chunks(size) {
            let (count, ended) = decoder.decode(chunk, &mut output);
            used += count;
            if ended {
                return Some((output, input[used..].to_vec()));
            }
            assert_eq!(count, chunk.len());
        }
        None
    }

    #[test]
    fn only_a_line_of_one_dot_is_the_end() {
        for (input, wanted) in [
            ("a\r\n.\r\nREST", Some(("a\n", "REST"))),
            (".\r\n", Some(("", ""))),
            ("..\r\n.\r\n", Some((".\n", ""))),
            (".a\r\n...b\r\n.\r\n", Some(("a\n..b\n", ""))),
            ("a\n.\nb\r\n.\r\n", Some(("a\n.\nb\n", ""))),
            ("a\n.\r\nb\r\n.\r\n", Some(("a\n.\nb\n", ""))),
            ("a\r\n.\nb\r\n.\r\n", Some(("a\n\nb\n", ""))),
            ("a\r.\rb\r\n.\r\n", Some(("a\r.\rb\n", ""))),
            ("a\r.\r\nb\r\n.\r\n", Some(("a\r.\nb\n", ""))),
            ("a\r\n.\rb\r\n.\r\n", Some(("a\n\rb\n", ""))),
            ("a\r\n.\r\r\n.\r\n", Some(("a\n\r\n", ""))),
            ("a\r\r\n.\r\n", Some(("a\r\n", ""))),
            ("a\0b\r\n.\r\n", Some(("a\0b\n", ""))),
            ("\r\n.\r\n", Some(("\n", ""))),
            ("a\n\n.\r\nb\r\n.", None),
            ("a\r\n.\r", None),
        ] {
            for size in 1..8 {
                let found = decode(input.as_bytes(), size);
                let wanted = wanted.map(|(a, b)| (a.as_bytes().to_vec(), b.as_bytes().to_vec()));
                assert_eq!(found, wanted, "{input:?} in chunks of {size}");
            }
        }
    }

    proptest::proptest! {
        /// Whatever a client sends according to the rules comes out as it was meant.
        #[test]
        fn what_was_stuffed_is_what_was_meant(
            lines in proptest::collection::vec("[.a\\r\\n]{0,4}", 0..8),
            size in 1usize..9,
        ) {
            // Lines that contain no CR LF themselves.
            let lines: Vec<String> = lines
                .into_iter()
                .filter(|line| !line.contains("\r\n") && !line.ends_with('\r'))
                .collect();
            let mut wire = String::new();
            for line in &lines {
                wire.push_str(if line.starts_with('.') { "." } else { "" });
                wire.push_str(line);
                wire.push_str("\r\n");
            }
            wire.push_str(".\r\nQUIT\r\n");
            let meant: String = lines.iter().map(|line| format!("{line}\n")).collect();
            let found = decode(wire.as_bytes(), size);
            proptest::prop_assert_eq!(found, Some((meant.into_bytes(), b"QUIT\r\n".to_vec())));
        }
    }
}
