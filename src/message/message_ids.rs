//! Message-IDs in headers that refer to messages (RFC 5322 §3.6.4).

/// The Message-IDs in a text: `<` … `>` without blanks or control characters.
pub fn message_ids(text: &str) -> Vec<String> {
    let pieces = text.split('<').skip(1).filter_map(|piece| piece.split_once('>'));
    let sound = |id: &&str| {
        !id.is_empty() && id.len() < 250 && id.bytes().all(|byte| byte.is_ascii_graphic())
    };
    pieces.map(|(id, _)| id).filter(sound).map(|id| format!("<{id}>")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_ids_are_taken_whole_or_not() {
        assert_eq!(message_ids("<a@b> x <c d> <e@f>"), ["<a@b>", "<e@f>"]);
        assert_eq!(message_ids("a@b"), Vec::<String>::new());
    }
}
