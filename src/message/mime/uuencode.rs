//! The lines of a file that uuencode(1), which is older than MIME, put into text.

use crate::message::{encoded_word, file_name};

/// The name in `begin 644 NAME`.
pub(super) fn name(line: &[u8]) -> Option<String> {
    let (mode, name) = line.strip_prefix(b"begin ")?.split_at_checked(3)?;
    let name = name.strip_prefix(b" ").or_else(|| name.get(1..)?.strip_prefix(b" "))?;
    mode.iter().all(|byte| (b'0'..=b'7').contains(byte)).then_some(())?;
    let name = file_name::clean_name(&encoded_word::decode(name, None));
    (!name.is_empty()).then_some(name)
}

/// Whether a line has uuencoded bytes: its first character is their number.
pub(super) fn is_data(line: &[u8]) -> bool {
    let Some((length, text)) = line.split_first() else { return false };
    let bytes = usize::from(length.wrapping_sub(b' ') & 63);
    let size = bytes.div_ceil(3) * 4;
    // Blanks at the end, which stand for zeros, get lost on the way; only a full line
    // tells without them. Some writers add one character.
    (b' '..=b'`').contains(length)
        && text.len() <= size + 1
        && (text.len() + 2 >= size || *length == b'M')
        && text.iter().all(|byte| (b' '..=b'`').contains(byte))
}
