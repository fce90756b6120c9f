//! `resembles`: finds a word however it is disguised.
//!
//! Text and word are folded to a *skeleton*: case, width and accents are dropped,
//! and look-alikes of other scripts (the confusables of Unicode TR39 that spam
//! uses) and digits or signs that stand for letters become those letters. What
//! separates letters is left out. The skeletons may then differ by one edit (a
//! letter swapped with the next, doubled, missing, or another) per four letters
//! of the word.
//!
//! So that words are not found across the boundary of two others, a match begins
//! and ends where a word of the text does, and pieces are joined with care.
//! Across a blank they are joined only if each is a single letter (`v i a g r
//! a`). Across `-` and similar signs they are joined with edits if each is a
//! single letter, otherwise without (`via-gra`). For a pattern of several words
//! they are joined across anything. In scripts without blanks between words, a
//! match may begin and end anywhere.
//!
//! At each place of the text, no more is read than the word's length, so time is
//! linear in the text.

use unicode_normalization::char::decompose_canonical;

use crate::message::fold::is_of_script_without_blanks;

/// The most edits, however long the word is.
const MOST_EDITS: usize = 8;

/// The longest word, in letters; the rest of it is ignored.
const LONGEST_WORD: usize = 200;

/// How many separators may stand in a row between two letters.
const LONGEST_GAP: usize = 3;

/// A word to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimilarWord {
    skeleton: Vec<char>,
    edits: usize,
    /// Whether it consists of several words.
    phrase: bool,
}

/// What a character is to a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LetterKind {
    /// Part of a word.
    Letter(char),
    /// A word of its own: a letter of a script without blanks, or a sign that may
    /// stand for a letter.
    Own(char),
    /// `-`, `.`, `*` …
    Separator,
    Blank,
}

/// How two pieces are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Join {
    /// Nothing is between them.
    Glued,
    Separator,
    Blank,
}

impl SimilarWord {
    /// `None` if the word has no letter.
    pub fn new(word: &str) -> Option<SimilarWord> {
        let folded = crate::message::fold::fold(word);
        let kinds: Vec<LetterKind> = folded.trim().chars().map(kind).collect();
        let letters = kinds.iter().filter_map(|kind| match kind {
            LetterKind::Letter(letter) | LetterKind::Own(letter) => Some(*letter),
            _ => None,
        });
        let skeleton: Vec<char> = letters.take(LONGEST_WORD).collect();
        let edits = (skeleton.len() / 4).min(MOST_EDITS);
        let phrase = kinds.contains(&LetterKind::Blank);
        (!skeleton.is_empty()).then_some(SimilarWord { skeleton, edits, phrase })
    }

    /// The first place in a text that resembles the word. The text is folded (see
    /// [`crate::message::fold::fold`]).
    pub fn find<'t>(&self, folded: &'t str) -> Option<&'t str> {
        let mut rows = Rows::new(self);
        let mut in_word = false;
        for (start, char) in folded.char_indices() {
            let kind = kind(char);
            let begins = match kind {
                LetterKind::Letter(_) => !in_word,
                LetterKind::Own(_) => true,
                LetterKind::Separator | LetterKind::Blank => false,
            };
            in_word = matches!(kind, LetterKind::Letter(_));
            if begins && let Some(length) = rows.match_at(folded.get(start..)?) {
                return folded.get(start..start + length);
            }
        }
        None
    }
}

/// Rows of the table of optimal string alignment distances (Damerau and
/// Levenshtein); only a band around the diagonal is filled in.
struct Rows<'w> {
    word: &'w SimilarWord,
    /// The row of the letter before the last one, of the last one, of this one.
    rows: [Vec<u8>; 3],
}

impl<'w> Rows<'w> {
    fn new(word: &'w SimilarWord) -> Rows<'w> {
        let row = vec![0; word.skeleton.len() + 1];
        Rows { word, rows: [row.clone(), row.clone(), row] }
    }

    /// The length of the match that `text` begins with, in bytes.
    fn match_at(&mut self, text: &str) -> Option<usize> {
        let far = self.far();
        for (at, cell) in self.rows[1].iter_mut().enumerate() {
            *cell = if at <= self.word.edits { at as u8 } else { far };
        }
        self.rows[0].fill(far);
        let (mut letters, mut last) = (0, '\0');
        let (mut piece_length, mut single, mut joined) = (0, true, None);
        let mut rest = text;
        loop {
            let mut chars = rest.chars();
            let char = chars.next()?;
            let (LetterKind::Letter(letter) | LetterKind::Own(letter)) = kind(char) else {
                return None;
            };
            letters += 1;
            piece_length += 1;
            if !self.add(letters, letter, last) {
                return None;
            }
            last = letter;
            rest = chars.as_str();
            let Some((join, after)) = next_piece(rest, kind(char)) else {
                single &= piece_length == 1;
                return self.is_match(single, joined).then_some(text.len() - rest.len());
            };
            let Some(join) = join else { continue };
            single &= piece_length == 1;
            if self.is_match(single, joined) {
                return Some(text.len() - rest.len());
            }
            piece_length = 0;
            if join != Join::Glued {
                joined = joined.filter(|join| *join == Join::Blank).or(Some(join));
            }
            if !single && joined == Some(Join::Blank) && !self.word.phrase {
                return None;
            }
            rest = after;
        }
    }

    /// Whether what has been read, in whole pieces, is close enough.
    fn is_match(&self, single: bool, joined: Option<Join>) -> bool {
        let edits = match joined {
            _ if self.word.phrase || single => self.word.edits,
            None | Some(Join::Glued) => self.word.edits,
            Some(Join::Separator) => 0,
            Some(Join::Blank) => return false,
        };
        self.rows[1].last().is_some_and(|distance| usize::from(*distance) <= edits)
    }

    /// More than any distance that counts.
    fn far(&self) -> u8 {
        self.word.edits as u8 + 1
    }

    /// Reads one more letter, the `count`th. `false` if nothing can match any more.
    fn add(&mut self, count: usize, letter: char, last: char) -> bool {
        let (far, edits, length) = (self.far(), self.word.edits, self.word.skeleton.len());
        let [before, above, row] = &mut self.rows;
        let from = count.saturating_sub(edits);
        if from > length {
            return false;
        }
        let to = (count + edits).min(length);
        row[from.saturating_sub(1)] = far;
        let mut nearest = far;
        for at in from..=to {
            let cell = if at == 0 {
                count as u8
            } else {
                let wanted = self.word.skeleton[at - 1];
                let same = above[at - 1] + u8::from(wanted != letter);
                let mut cell = same.min(row[at - 1] + 1).min(above[at] + 1);
                if at > 1 && wanted == last && self.word.skeleton[at - 2] == letter {
                    cell = cell.min(before[at - 2] + 1);
                }
                cell.min(far)
            };
            row[at] = cell;
            nearest = nearest.min(cell);
        }
        if to < length {
            row[to + 1] = far;
            row[length] = far;
        }
        self.rows.rotate_left(1);
        nearest < far
    }
}

/// The words of a folded text as they look, whatever script and signs they are
/// written in: `Hаnako Yаmаda` with Cyrillic letters and `HANAKO-YAMADA` are the
/// same.
pub fn words_as_seen(folded: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for char in folded.chars() {
        match (kind(char), words.last_mut()) {
            (LetterKind::Letter(letter) | LetterKind::Own(letter), Some(word)) => word.push(letter),
            _ => words.push(String::new()),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// What a domain, in its canonical form, looks like: its letters as they appear,
/// other signs unchanged.
pub fn domain_as_seen(domain: &str) -> String {
    let seen = domain.chars().map(|char| match kind(char) {
        LetterKind::Letter(letter) | LetterKind::Own(letter) => letter,
        _ => char,
    });
    seen.collect::<String>().replace("rn", "m").replace("vv", "w")
}

/// How what follows a letter is joined to it, and where it continues. There is no
/// join within a word, and `None` at the end of what can be joined.
fn next_piece(rest: &str, before: LetterKind) -> Option<(Option<Join>, &str)> {
    let mut join = Join::Glued;
    for (count, (at, char)) in rest.char_indices().enumerate() {
        let kind = kind(char);
        match kind {
            LetterKind::Letter(_) | LetterKind::Own(_) => {
                let within = at == 0
                    && matches!((before, kind), (LetterKind::Letter(_), LetterKind::Letter(_)));
                return Some(((!within).then_some(join), &rest[at..]));
            }
            _ if count == LONGEST_GAP => return None,
            LetterKind::Blank => join = Join::Blank,
            LetterKind::Separator if join != Join::Blank => join = Join::Separator,
            LetterKind::Separator => {}
        }
    }
    None
}

fn kind(char: char) -> LetterKind {
    if char.is_ascii() {
        return match char {
            'a'..='z' | 'A'..='Z' => LetterKind::Letter(letter(char.to_ascii_lowercase())),
            '0'..='9' => LetterKind::Letter(digit(char)),
            '@' => LetterKind::Own('a'),
            '$' => LetterKind::Own('s'),
            '!' | '|' => LetterKind::Own('i'),
            '+' => LetterKind::Own('t'),
            ' ' | '\t' | '\n' | '\r' => LetterKind::Blank,
            _ => LetterKind::Separator,
        };
    }
    if let Some(letter) = enclosed(char) {
        return LetterKind::Letter(self::letter(letter));
    }
    let mut base = '\0';
    decompose_canonical(char, |part| {
        if base == '\0' {
            base = part;
        }
    });
    match look_alike(base) {
        _ if base.is_whitespace() => LetterKind::Blank,
        Some(sign) if "€£¥¢".contains(base) => LetterKind::Own(sign),
        Some(latin) if latin.is_ascii() => LetterKind::Letter(latin),
        Some(other) => LetterKind::Own(other),
        None if base.is_ascii() => kind(base),
        None if !base.is_alphanumeric() => LetterKind::Separator,
        None if is_of_script_without_blanks(base) => LetterKind::Own(base),
        None => LetterKind::Letter(base),
    }
}

/// `l`, `i`, `1`, `|` and `!` are one stroke.
fn letter(letter: char) -> char {
    if letter == 'l' { 'i' } else { letter }
}

fn digit(digit: char) -> char {
    match digit {
        '0' => 'o',
        '1' => 'i',
        '3' => 'e',
        '4' => 'a',
        '5' => 's',
        '7' => 't',
        '8' => 'b',
        '9' => 'g',
        other => other,
    }
}

/// The letter in a circle or a square that NFKC does not decompose, or one of the
/// letters that form a flag.
fn enclosed(char: char) -> Option<char> {
    let first = match char {
        // NEGATIVE CIRCLED, NEGATIVE SQUARED, REGIONAL INDICATOR SYMBOL
        '\u{1f150}'..='\u{1f169}' => 0x1f150,
        '\u{1f170}'..='\u{1f189}' => 0x1f170,
        '\u{1f1e6}'..='\u{1f1ff}' => 0x1f1e6,
        _ => return None,
    };
    char::from_u32(u32::from(char) - first + u32::from('a'))
}

/// The letter that a character, in lower case and without accents, looks like in
/// either case.
fn look_alike(char: char) -> Option<char> {
    let alike = match char {
        // Cyrillic
        'а' => 'a',
        'в' | 'ь' | 'ъ' | 'б' => 'b',
        'с' => 'c',
        'ԁ' => 'd',
        'е' | 'э' | 'є' => 'e',
        'г' | 'ґ' => 'r',
        'һ' | 'н' => 'h',
        'і' | 'ӏ' | 'ı' => 'i',
        'ј' => 'j',
        'к' => 'k',
        'м' => 'm',
        'п' | 'и' => 'n',
        'о' => 'o',
        'р' => 'p',
        'ԛ' => 'q',
        'ѕ' => 's',
        'т' => 't',
        'ц' => 'u',
        'ѵ' => 'v',
        'ԝ' | 'ш' | 'щ' => 'w',
        'х' | 'ж' => 'x',
        'у' | 'ү' => 'y',
        'з' => 'e',
        'я' => 'r',
        // Greek
        'α' => 'a',
        'β' => 'b',
        'ϲ' => 'c',
        'δ' => 'd',
        'ε' => 'e',
        'η' => 'n',
        'ι' => 'i',
        'κ' => 'k',
        'μ' => 'm',
        'ν' => 'v',
        'ο' | 'σ' => 'o',
        'ρ' => 'p',
        'τ' => 't',
        'υ' => 'u',
        'χ' => 'x',
        'γ' => 'y',
        'ζ' => 'z',
        'ω' => 'w',
        // Latin letters that do not decompose
        'ø' => 'o',
        'đ' | 'ð' => 'd',
        'ħ' => 'h',
        'ł' => 'i',
        'ŧ' => 't',
        'æ' | 'ɑ' => 'a',
        'œ' => 'o',
        'ß' => 'b',
        'þ' => 'p',
        'ɡ' => 'g',
        'ɩ' => 'i',
        // signs
        '€' => 'e',
        '£' => 'i',
        '¥' => 'y',
        '¢' => 'c',
        // Kanji and kana
        '二' => 'ニ',
        '口' => 'ロ',
        '力' => 'カ',
        '工' => 'エ',
        '卜' => 'ト',
        '八' => 'ハ',
        '夕' => 'タ',
        'へ' => 'ヘ',
        'り' => 'リ',
        '一' => 'ー',
        _ => return None,
    };
    Some(alike)
}

#[cfg(test)]
mod tests {

    use proptest::prelude::*;

    use super::*;
    use crate::message::fold::fold;
    use crate::testing::linear;

    #[track_caller]
    fn found(word: &str, text: &str) -> Option<String> {
        let text = fold(text).into_owned();
        SimilarWord::new(word).expect("it has letters").find(&text).map(str::to_owned)
    }

    #[test]
    fn disguises() {
        for disguise in [
            "Viagra",
            "V1agra",
            "V-i-a-g-r-a",
            "v i a g r a",
            "V.I.A.G.R.A.",
            "vi@gra",
            "v!agra",
            "VIAGRRA",
            "Vaigra",
            "Vigra",
            "vìägrá",
            "Ｖｉａｇｒａ",
            "Vіаgrа",
            "νιαgrα",
            "V|agra!",
            "via-gra",
            "Via_Gra",
            "v*i*a*g*r*a",
            "vi\u{ad}ag\u{200b}ra",
            "V1@gr4",
            "\\/iagra",
            "v--i--a--g--r--a",
            "🅥🅘🅐🅖🅡🅐",
            "🆅🅸🅰🅶🆁🅰",
            "🇻🇮🇦🇬🇷🇦",
            "🅅🄸🄰🄶🅁🄰",
            "via‐gra",
            "viɑgra",
            "vlagra",
        ] {
            for text in
                [disguise.to_owned(), format!("cheap {disguise} today"), format!("({disguise})")]
            {
                assert!(found("viagra", &text).is_some(), "{text}");
            }
        }
    }

    #[test]
    fn other_words() {
        for text in [
            "via grand hotel",
            "a diagram of it",
            "via",
            "vinegar",
            "niagara",
            "agra",
            "v i a",
            "",
            "vi----agra",
            "via gra",
            "viagrafoo",
            "the via-grand road",
            "v i agra",
        ] {
            assert_eq!(found("viagra", text), None, "{text}");
        }
        // No edit for three letters, one for four.
        assert_eq!(found("sex", "set six s-x"), None);
        assert!(found("sex", "$3x!").is_some());
        assert!(found("free", "fre").is_some());
        assert_eq!(found("start", "state-of-the-art"), None);
        assert_eq!(found("class", "cl ass"), None);
    }

    #[test]
    fn edits_grow_with_the_word() {
        assert!(found("paypal", "mail@paypa1.com").is_some());
        assert!(found("microsoft", "rnicrosoft").is_some());
        assert!(found("microsoft", "micorsfot").is_some());
        assert_eq!(found("microsoft", "macrosofa it"), Some("macrosofa".to_owned()));
        assert_eq!(found("microsoft", "macrosora"), None);
        assert_eq!(found("abcdefgh", "abdcehgf"), None);
    }

    #[test]
    fn several_words() {
        assert!(found("get rich quick", "G3t  r1ch-quikc now").is_some());
        assert_eq!(found("get rich quick", "get it quickly"), None);
    }

    #[test]
    fn scripts_without_blanks() {
        for text in
            ["格安バイアグラ通販", "バ・イ・ア・グ・ラ", "ﾊﾞｲｱｸﾞﾗ", "バイアグうう", "バ イ ア グ ラ"]
        {
            assert!(found("バイアグラ", text).is_some(), "{text}");
        }
        assert_eq!(found("バイアグラ", "バイオリン"), None);
        assert!(found("カード", "力一ド").is_some());
        assert!(found("出会い", "無料の出会い系").is_some());
        assert_eq!(found("出会い", "出会う"), None);
    }

    #[test]
    fn nothing_to_look_for() {
        for word in ["", " ", "--", "・"] {
            assert_eq!(SimilarWord::new(word), None);
        }
    }

    #[test]
    fn linear_in_the_text() {
        let long = "ab".repeat(300);
        let nearly = "バババババババババババババババババババババババババババババババババババ口";
        for (word, repeated) in
            [(&*long, "ab"), (&long, "a b "), (&long, "a-"), (&long, "バ"), (nearly, "バ")]
        {
            let word = SimilarWord::new(word).expect("it has letters");
            linear(
                |times| repeated.repeat(500 * times),
                |text| {
                    word.find(text);
                },
            );
        }
    }

    /// The textbook's full table.
    fn distance(one: &[char], other: &[char]) -> usize {
        let mut table = vec![vec![0; other.len() + 1]; one.len() + 1];
        for i in 0..=one.len() {
            for j in 0..=other.len() {
                table[i][j] = match (i, j) {
                    (0, _) => j,
                    (_, 0) => i,
                    _ => {
                        let differ = usize::from(one[i - 1] != other[j - 1]);
                        let mut cell = (table[i - 1][j] + 1)
                            .min(table[i][j - 1] + 1)
                            .min(table[i - 1][j - 1] + differ);
                        if i > 1
                            && j > 1
                            && one[i - 1] == other[j - 2]
                            && one[i - 2] == other[j - 1]
                        {
                            cell = cell.min(table[i - 2][j - 2] + 1);
                        }
                        cell
                    }
                };
            }
        }
        table[one.len()][other.len()]
    }

    proptest! {
        #[test]
        fn as_the_textbook_has_it(word in "[abc]{1,14}", text in "[abc]{1,14}") {
            let (one, other): (Vec<char>, Vec<char>) = (word.chars().collect(), text.chars().collect());
            let near = distance(&one, &other) <= one.len() / 4;
            let found = SimilarWord::new(&word).expect("it has letters").find(&text);
            prop_assert_eq!(found.is_some(), near);
        }

        #[test]
        fn any_text(word in any::<String>(), text in any::<String>()) {
            if let Some(word) = SimilarWord::new(&word) {
                word.find(&text);
            }
        }

        #[test]
        fn a_word_resembles_itself(word in "[a-zA-Z0-9а-яα-ω]{1,20}", before in "[a-z ,.]{0,10}") {
            let text = fold(&format!("{before} {word}.")).into_owned();
            prop_assert!(SimilarWord::new(&word).expect("it has letters").find(&text).is_some());
        }
    }
}
