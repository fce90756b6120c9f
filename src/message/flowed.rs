//! Lines that a mailer wrapped and marked as such: `format=flowed` (RFC 3676).

use std::borrow::Cow;

use super::fold::is_cjk;

/// How the lines of a text part must be read (RFC 3676 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flow {
    /// As they are.
    #[default]
    Fixed,
    /// A line that ends in a blank continues in the next.
    Flowed,
    /// The same, and the blank is not part of the text (`delsp=yes`).
    DeleteSpace,
}

impl Flow {
    /// From the values of the parameters `format` and `delsp`.
    pub fn new(format: Option<&str>, delsp: Option<&str>) -> Flow {
        let is = |value: Option<&str>, word| {
            value.is_some_and(|value| value.trim().eq_ignore_ascii_case(word))
        };
        match (is(format, "flowed"), is(delsp, "yes")) {
            (false, _) => Flow::Fixed,
            (true, false) => Flow::Flowed,
            (true, true) => Flow::DeleteSpace,
        }
    }
}

/// The text with each paragraph on one line, quoted ones too.
pub fn unwrap(text: &str, flow: Flow) -> Cow<'_, str> {
    if flow == Flow::Fixed {
        return Cow::Borrowed(text);
    }
    let mut joined = String::with_capacity(text.len());
    // The quote depth of the line before, if that line continues.
    let mut open = None;
    for (at, line) in text.split_inclusive('\n').enumerate() {
        let line = line.trim_end_matches(['\r', '\n']);
        let content = line.trim_start_matches('>');
        let depth = line.len() - content.len();
        let content = content.strip_prefix(' ').unwrap_or(content);
        let is_signature = content == "-- ";
        if open != Some(depth) || is_signature {
            if at > 0 {
                joined.push('\n');
            }
            joined.push_str(line.get(..depth).unwrap_or_default());
            if depth > 0 {
                joined.push(' ');
            }
        }
        open = (content.ends_with(' ') && !is_signature).then_some(depth);
        let without_space = match (open, flow) {
            (Some(_), Flow::DeleteSpace) => content.strip_suffix(' '),
            _ => None,
        };
        joined.push_str(without_space.unwrap_or(content));
        // A blank within Japanese or Chinese was put there by the mailer, without saying so:
        // the break, which disappears in such text, stands for it.
        let unspaced = |content: &str| content.chars().next_back().is_some_and(is_cjk);
        if open.is_some()
            && without_space.is_none()
            && content.strip_suffix(' ').is_some_and(unspaced)
        {
            joined.push('\n');
        }
    }
    if text.ends_with('\n') {
        joined.push('\n');
    }
    Cow::Owned(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_are_joined() {
        for (text, flow, want) in [
            ("a \r\nb\r\nc\r\n", Flow::Flowed, "a b\nc\n"),
            ("a \nb", Flow::DeleteSpace, "ab"),
            ("a \nb", Flow::Fixed, "a \nb"),
            ("> a \n> b\n>> c \n> d", Flow::Flowed, "> a b\n>> c \n> d"),
            ("a \n-- \nb", Flow::Flowed, "a \n-- \nb"),
            (" >stuffed \nx", Flow::Flowed, ">stuffed x"),
            ("\n\na", Flow::Flowed, "\n\na"),
            ("重要な \nお知らせ", Flow::Flowed, "重要な \nお知らせ"),
        ] {
            assert_eq!(unwrap(text, flow), want, "{text:?}");
        }
    }

    #[test]
    fn flow_of_parameters() {
        assert_eq!(Flow::new(Some("Flowed"), Some("YES")), Flow::DeleteSpace);
        assert_eq!(Flow::new(Some("flowed"), None), Flow::Flowed);
        assert_eq!(Flow::new(None, Some("yes")), Flow::Fixed);
    }
}
