//! The line with which each message of an mbox begins.

/// Whether a line is one: `From `, and a time of day somewhere.
pub(super) fn is_from_line(line: &[u8]) -> bool {
    let time = |at: &[u8]| match at {
        [a, b, b':', c, d] => [a, b, c, d].iter().all(|byte| byte.is_ascii_digit()),
        _ => false,
    };
    line.starts_with(b"From ") && line.windows(5).any(time)
}
