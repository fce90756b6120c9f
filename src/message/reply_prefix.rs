//! What mail programs put before the subject of an answer or a forwarded message:
//! `Re:`, `AW:`, `Re[2]:`, `転送:`. The text after it was written by somebody else.

/// The words, by language: en de nl sv/no/da fi fr it es pt pl cs/sk tr hu el ru
/// lv lt id he ar th ja zh ko.
#[rustfmt::skip]
const WORDS: &[&str] = &[
    "re", "fw", "fwd",
    "aw", "wg",
    "antw", "doorst",
    "sv", "vs", "vb", "vl",
    "tr",
    "rif", "r", "i",
    "rv",
    "res", "enc",
    "odp", "pd",
    "ynt", "ilt",
    "vá",
    "απ", "πρθ", "σχετ",
    "отв", "на", "відп",
    "atb", "ats",
    "bls", "trs",
    "השב", "הועבר",
    "رد",
    "ตอบ",
    "返信", "転送",
    "回复", "答复", "转发", "回覆", "轉寄", "回信", "轉發",
    "답장", "전달", "회신",
];
/// The longest of the words, bytes.
const LONGEST: usize = 12;
/// Characters between the word and its colon: `Re[2]`, `Re^3`, `Re (4)`.
const COUNT_LENGTH: usize = 8;

/// The length in bytes of one such prefix, with its colon, that the subject begins with.
pub fn length(subject: &str) -> Option<usize> {
    let end = subject.find(|c: char| !c.is_alphabetic()).filter(|end| *end <= LONGEST)?;
    let (word, rest) = subject.split_at(end);
    WORDS.contains(&word.to_lowercase().as_str()).then_some(())?;
    let counts = |c: char| c.is_ascii_digit() || matches!(c, '[' | ']' | '(' | ')' | '^' | ' ');
    let count = rest.chars().take(COUNT_LENGTH).take_while(|c| counts(*c)).count();
    let colon = rest.get(count..)?.chars().next().filter(|c| matches!(c, ':' | '：'))?;
    Some(end + count + colon.len_utf8())
}

/// Whether the subject is that of an answer or a forwarded message.
pub fn begins(subject: &str) -> bool {
    length(subject).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_word_perhaps_a_count_and_a_colon() {
        let cases = [
            ("Re: hello", Some(3)),
            ("RE[2]: hello", Some(6)),
            ("re :hello", Some(4)),
            ("Fwd:", Some(4)),
            ("AW: Re: hello", Some(3)),
            ("転送：お知らせ", Some(9)),
            ("Отв: привет", Some(7)),
            ("VÁ: ajánlat", Some(4)),
            ("رد: عرض", Some(5)),
            ("Ats: pasiūlymas", Some(4)),
            ("report: hello", None),
            ("Re hello", None),
            ("Re[2]", None),
            (": hello", None),
            ("", None),
        ];
        for (subject, want) in cases {
            assert_eq!(length(subject), want, "{subject}");
        }
    }
}
