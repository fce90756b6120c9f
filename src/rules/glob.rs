//! The globs of `like` and of lists: `*`, `?`, `[a-z]`, `[!a-z]`, and a
//! backslash before a character that stands for itself.
//!
//! Only the last star is ever retried, so the work is at most the length of the
//! text times that of the glob.

/// One part of a glob.
#[derive(Clone, Copy)]
enum GlobToken<'g> {
    Star,
    One,
    Class { negated: bool, members: &'g str },
    Literal(char),
}

/// Whether the whole of `text` matches `glob`. Both are compared as they are:
/// fold them first.
pub fn matches(glob: &str, text: &str) -> bool {
    let (mut glob_at, mut text_at) = (0, 0);
    // After the last star, and where in the text it was last tried.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        let letter = text.get(text_at..).and_then(|rest| rest.chars().next());
        match (next(glob, glob_at), letter) {
            (None, None) => return true,
            (Some((GlobToken::Star, length)), _) => {
                glob_at += length;
                retry = Some((glob_at, text_at));
                continue;
            }
            (Some((token, length)), Some(letter)) if fits(token, letter) => {
                glob_at += length;
                text_at += letter.len_utf8();
                continue;
            }
            _ => {}
        }
        let Some((star, tried)) = retry else { return false };
        let Some(skipped) = text.get(tried..).and_then(|rest| rest.chars().next()) else {
            return false;
        };
        let tried = tried + skipped.len_utf8();
        retry = Some((star, tried));
        (glob_at, text_at) = (star, tried);
    }
}

/// Whether a text contains something that has a special meaning in a glob.
pub fn is_glob(text: &str) -> bool {
    text.contains(['*', '?'])
}

fn next(glob: &str, at: usize) -> Option<(GlobToken<'_>, usize)> {
    let rest = glob.get(at..)?;
    let mut letters = rest.chars();
    let first = letters.next()?;
    let token = match first {
        '*' => GlobToken::Star,
        '?' => GlobToken::One,
        '[' => match class(rest) {
            Some(found) => return Some(found),
            None => GlobToken::Literal('['),
        },
        '\\' => match letters.next() {
            Some(letter) => return Some((GlobToken::Literal(letter), 1 + letter.len_utf8())),
            None => GlobToken::Literal('\\'),
        },
        letter => GlobToken::Literal(letter),
    };
    Some((token, first.len_utf8()))
}

/// A class at the start of `rest`; `None` if it is never closed. A `]` in first
/// position is a member.
fn class(rest: &str) -> Option<(GlobToken<'_>, usize)> {
    let inner = rest.strip_prefix('[')?;
    let members = inner.strip_prefix('!').unwrap_or(inner);
    let first = members.chars().next()?.len_utf8();
    let end = first + members.get(first..)?.find(']')?;
    let start = rest.len() - members.len();
    let token = GlobToken::Class { negated: start == 2, members: members.get(..end)? };
    Some((token, start + end + 1))
}

fn fits(token: GlobToken<'_>, letter: char) -> bool {
    match token {
        GlobToken::Star => false,
        GlobToken::One => true,
        GlobToken::Literal(expected) => expected == letter,
        GlobToken::Class { negated, members } => {
            let mut found = false;
            let mut rest = members.chars();
            while let Some(from) = rest.next() {
                let mut ahead = rest.clone();
                match (ahead.next(), ahead.next()) {
                    (Some('-'), Some(to)) => {
                        found |= (from..=to).contains(&letter);
                        rest = ahead;
                    }
                    _ => found |= from == letter,
                }
            }
            found != negated
        }
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn the_whole_text_must_fit() {
        for (glob, text, want) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*.exe", "virus.exe", true),
            ("*.exe", "virus.exe.txt", false),
            ("a?c", "a大c", true),
            ("a?c", "ac", false),
            ("*a*b*c*", "xxaxxbxxcxx", true),
            ("*a*b*c*", "xxaxxcxxbxx", false),
            ("請求書*", "請求書 12月.pdf", true),
        ] {
            assert_eq!(matches(glob, text), want, "{glob} {text}");
        }
    }

    #[test]
    fn classes() {
        for (glob, text, want) in [
            ("[a-c]x", "bx", true),
            ("[a-c]x", "dx", false),
            ("[a-c]x", "-x", false),
            ("[!a-c]x", "dx", true),
            ("[!a-c]x", "ax", false),
            ("[]]", "]", true),
            ("[!]]", "]", false),
            ("[a-]", "-", true),
            ("[*]", "*", true),
            ("[*]", "a", false),
            ("[a", "[a", true),
            ("[", "[", true),
            ("[ぁ-ん]", "の", true),
            ("v[i1]agra", "v1agra", true),
        ] {
            assert_eq!(matches(glob, text), want, "{glob} {text}");
        }
    }

    #[test]
    fn a_backslash_takes_the_meaning_away() {
        assert!(matches(r"\*", "*"));
        assert!(!matches(r"\*", "a"));
        assert!(matches(r"\\", r"\"));
        assert!(matches(r"a\", r"a\"));
    }

    #[test]
    fn many_stars_do_not_take_forever() {
        let glob = "*a".repeat(2_000) + "b";
        let text = "a".repeat(20_000);
        assert!(!matches(&glob, &text));
    }
}
