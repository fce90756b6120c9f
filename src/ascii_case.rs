//! Beginnings, ends and hashes of texts where the case of ASCII letters does not count, as
//! in most words of mail protocols.

/// The rest of a text that begins with `prefix`.
pub fn strip_prefix<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// The beginning of a text that ends with `suffix`.
pub fn strip_suffix<'t>(text: &'t str, suffix: &str) -> Option<&'t str> {
    let (rest, end) = text.split_at_checked(text.len().checked_sub(suffix.len())?)?;
    end.eq_ignore_ascii_case(suffix).then_some(rest)
}

/// Whether a text begins with `prefix`.
pub fn starts_with(text: &str, prefix: &str) -> bool {
    strip_prefix(text, prefix).is_some()
}

/// FNV-1a of a name: short, and good enough to sort and compare words of ours.
pub const fn hash(name: &[u8]) -> u32 {
    let mut hash: u32 = 0x811c_9dc5;
    let mut at = 0;
    while at < name.len() {
        hash = (hash ^ name[at].to_ascii_lowercase() as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_counts_only_beyond_ascii() {
        assert_eq!(strip_prefix("MailTo:a", "mailto:"), Some("a"));
        assert_eq!(strip_prefix("mail", "mailto:"), None);
        assert_eq!(strip_prefix("Éa", "é"), None);
        assert_eq!(strip_prefix("日本", "x"), None, "not within a letter");
        assert_eq!(strip_suffix("a-Request", "-REQUEST"), Some("a"));
        assert_eq!(strip_suffix("日", "a"), None);
        assert_eq!(hash(b"Subject"), hash(b"sUBJECT"));
        assert_ne!(hash(b"to"), hash(b"cc"));
        assert!(starts_with("WWW.example", "www.") && !starts_with("ww", "www."));
    }
}
