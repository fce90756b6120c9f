//! JIS X 0213:2004, for which encoding_rs has no table: the characters that JIS X
//! 0208 has not, in the encodings of its Annex (ISO-2022-JP-2004, EUC-JIS-2004,
//! Shift_JIS-2004). All others are read as EUC-JP and Shift_JIS.

use std::sync::OnceLock;

use encoding_rs::{EUC_JP, Encoding, SHIFT_JIS};

/// Rows and cells are 1 to 94.
const CELLS: usize = 94;

/// `plane row cell characters…`, one run a line.
const RUNS: &str = include_str!("jisx0213.txt");

/// The character of a plane (1, 2), row and cell; `None` if JIS X 0208 has it, or
/// nobody.
pub fn character(plane: u8, row: u8, cell: u8) -> Option<char> {
    static TABLE: OnceLock<Vec<char>> = OnceLock::new();
    let found = TABLE.get_or_init(table).get(place(plane, row, cell)?).copied();
    found.filter(|found| *found != '\0')
}

fn place(plane: u8, row: u8, cell: u8) -> Option<usize> {
    let within = |value: u8, most: usize| {
        (1..=most).contains(&usize::from(value)).then(|| usize::from(value) - 1)
    };
    Some((within(plane, 2)? * CELLS + within(row, CELLS)?) * CELLS + within(cell, CELLS)?)
}

fn table() -> Vec<char> {
    let mut table = vec!['\0'; 2 * CELLS * CELLS];
    for line in RUNS.lines() {
        let mut fields = line.splitn(4, ' ');
        let mut number = || fields.next().and_then(|field| field.parse::<u8>().ok());
        let (Some(plane), Some(row), Some(cell)) = (number(), number(), number()) else { continue };
        let Some(start) = place(plane, row, cell) else { continue };
        let cells = table.iter_mut().skip(start);
        fields.next().unwrap_or_default().chars().zip(cells).for_each(|(c, at)| *at = c);
    }
    table
}

/// Decodes EUC-JIS-2004: plane 2 follows a single shift three, 0x8f.
pub fn decode_euc(bytes: &[u8]) -> String {
    decode(bytes, EUC_JP, |bytes| match bytes {
        [0x8f, row @ 0xa1..=0xfe, cell @ 0xa1..=0xfe, ..] => {
            (3, character(2, row - 0xa0, cell - 0xa0))
        }
        [0x8f, _, _, ..] => (3, None),
        [row @ 0xa1..=0xfe, cell @ 0xa1..=0xfe, ..] => (2, character(1, row - 0xa0, cell - 0xa0)),
        [0x8e, _, ..] => (2, None),
        _ => (1, None),
    })
}

/// Decodes Shift_JIS-2004: plane 2 is where Shift_JIS has user-defined characters.
pub fn decode_shift_jis(bytes: &[u8]) -> String {
    decode(bytes, SHIFT_JIS, |bytes| match bytes {
        [lead @ (0x81..=0x9f | 0xe0..=0xfc), trail @ (0x40..=0x7e | 0x80..=0xfc), ..] => {
            let is_second = *trail >= 0x9f;
            let cell = match trail {
                0x9f.. => trail - 0x9e,
                0x80.. => trail - 0x40,
                _ => trail - 0x3f,
            };
            let odd = match lead {
                0x81..=0x9f => (lead - 0x81) * 2 + 1,
                _ => (lead - 0xc1) * 2 + 1,
            };
            // Rows 1, 8, 3, 4, 5, 12 to 15 and 78 to 94 of plane 2.
            let (plane, row) = match (lead, is_second) {
                (0xf0, false) => (2, 1),
                (0xf0, true) => (2, 8),
                (0xf1, _) => (2, 3 + u8::from(is_second)),
                (0xf2, false) => (2, 5),
                (0xf2, true) => (2, 12),
                (0xf3, _) => (2, 13 + u8::from(is_second)),
                (0xf4, false) => (2, 15),
                (0xf4, true) => (2, 78),
                (0xf5.., _) => (2, 79 + (lead - 0xf5) * 2 + u8::from(is_second)),
                _ => (1, odd + u8::from(is_second)),
            };
            (2, character(plane, row, cell))
        }
        _ => (1, None),
    })
}

/// `next` says how many bytes the next character has, and which it is if `basis`
/// does not know it.
fn decode(
    bytes: &[u8],
    basis: &'static Encoding,
    next: impl Fn(&[u8]) -> (usize, Option<char>),
) -> String {
    let mut text = String::with_capacity(bytes.len());
    let (mut from, mut at) = (0, 0);
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let (length, found) = next(rest);
        if let Some(found) = found {
            text.push_str(&basis.decode_without_bom_handling(&bytes[from..at]).0);
            text.push(found);
            from = at + length;
        }
        at += length;
    }
    text.push_str(&basis.decode_without_bom_handling(bytes.get(from..).unwrap_or_default()).0);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_planes() {
        assert_eq!(character(1, 47, 52), Some('𠮟'));
        assert_eq!(character(1, 6, 78), Some('ㇰ'));
        assert_eq!(character(1, 13, 1), Some('①'));
        assert_eq!(character(2, 1, 1), Some('𠂉'));
        assert_eq!(character(2, 94, 86), Some('𪚲'));
        assert_eq!(character(1, 16, 1), None);
        assert_eq!(character(3, 1, 1), None);
        assert_eq!(character(1, 0, 95), None);
    }

    #[test]
    fn the_two_eight_bit_forms() {
        assert_eq!(decode_euc(b"a\xcf\xd4\xa4\xeb\x8f\xa1\xa1\x8e\xb1."), "a𠮟る𠂉ｱ.");
        assert_eq!(decode_shift_jis(b"a\x98\x73\x82\xe9\xf0\x40\xfc\xf4\xb1."), "a𠮟る𠂉𪚲ｱ.");
        assert_eq!(decode_euc(b"\xcf"), "\u{fffd}");
        assert_eq!(decode_shift_jis(b"\xf0"), "\u{fffd}");
    }
}
