//! Numbers in the values of headers.

/// The first number in a text, with its sign and decimals.
pub fn first_number(text: &str) -> Option<f64> {
    let digit = text.find(|c: char| c.is_ascii_digit())?;
    // `-.5`, but not `No.5`.
    let before = text[..digit].strip_suffix('.');
    let start = before.filter(|text| !text.ends_with(|c: char| c.is_alphanumeric() || c == '.'));
    let start = start.map_or(digit, str::len);
    let digits = &text[start..];
    let mut seen_dot = false;
    let end = digits
        .char_indices()
        .find(|(_, c)| match c {
            '.' => std::mem::replace(&mut seen_dot, true),
            c => !c.is_ascii_digit(),
        })
        .map_or(digits.len(), |(at, _)| at);
    let number: f64 = digits[..end].parse().ok()?;
    let negative = text[..start].ends_with(['-', '\u{2212}']);
    Some(if negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    use super::first_number;

    #[test]
    fn the_first_number_of_a_text_has_its_sign_and_decimals() {
        for (text, number) in [
            ("Yes, score=5.25 required=4", Some(5.25)),
            ("-2.5", Some(-2.5)),
            ("score=.5", Some(0.5)),
            ("-.5", Some(-0.5)),
            ("No.5", Some(5.0)),
            ("...5", Some(5.0)),
            ("a 3. b", Some(3.0)),
            ("1.2.3", Some(1.2)),
            ("12", Some(12.0)),
            ("none", None),
            ("", None),
        ] {
            assert_eq!(first_number(text), number, "{text}");
        }
    }
}
