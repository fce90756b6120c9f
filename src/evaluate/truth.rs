//! Three-valued logic (Kleene's): what cannot be evaluated is neither true nor
//! false, so that no rule drops mail because of something unknown.

/// Whether a condition holds; an error says why that cannot be determined.
pub(super) type Truth = Result<bool, String>;

/// `and`: false if one is false, otherwise unknown if one is unknown. The rest is
/// not evaluated once one is false.
pub(super) fn all(truths: impl Iterator<Item = Truth>) -> Truth {
    first_of(false, truths)
}

/// `or`: true if one is true, otherwise unknown if one is unknown. The rest is
/// not evaluated once one is true.
pub(super) fn any(truths: impl Iterator<Item = Truth>) -> Truth {
    first_of(true, truths)
}

/// `not`: unknown stays unknown.
pub(super) fn not(truth: Truth) -> Truth {
    truth.map(|holds| !holds)
}

fn first_of(decisive: bool, truths: impl Iterator<Item = Truth>) -> Truth {
    let mut result = Ok(!decisive);
    for truth in truths {
        match truth {
            Ok(holds) if holds == decisive => return truth,
            Ok(_) => {}
            unknown => result = unknown,
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `T`, `F` or `?`.
    fn truth(letter: char) -> Truth {
        match letter {
            'T' => Ok(true),
            'F' => Ok(false),
            _ => Err("unknown".into()),
        }
    }

    fn letter(truth: Truth) -> char {
        match truth {
            Ok(true) => 'T',
            Ok(false) => 'F',
            Err(_) => '?',
        }
    }

    #[test]
    fn truth_tables() {
        for (a, b, both, either) in [
            ('T', 'T', 'T', 'T'),
            ('T', 'F', 'F', 'T'),
            ('T', '?', '?', 'T'),
            ('F', 'T', 'F', 'T'),
            ('F', 'F', 'F', 'F'),
            ('F', '?', 'F', '?'),
            ('?', 'T', '?', 'T'),
            ('?', 'F', 'F', '?'),
            ('?', '?', '?', '?'),
        ] {
            let pair = || [truth(a), truth(b)].into_iter();
            assert_eq!(letter(all(pair())), both, "{a} and {b}");
            assert_eq!(letter(any(pair())), either, "{a} or {b}");
        }
        for (of, negated) in [('T', 'F'), ('F', 'T'), ('?', '?')] {
            assert_eq!(letter(not(truth(of))), negated, "not {of}");
        }
    }

    #[test]
    fn three_operands() {
        for (of, both, either) in [
            ("?TT", '?', 'T'),
            ("T?T", '?', 'T'),
            ("TT?", '?', 'T'),
            ("?TF", 'F', 'T'),
            ("?FF", 'F', '?'),
            ("FF?", 'F', '?'),
            ("", 'T', 'F'),
        ] {
            assert_eq!(letter(all(of.chars().map(truth))), both, "all of {of}");
            assert_eq!(letter(any(of.chars().map(truth))), either, "any of {of}");
        }
    }

    #[test]
    fn nothing_is_evaluated_after_the_decision() {
        let panics = || std::iter::once_with(|| unreachable!("evaluated"));
        assert_eq!(all([Ok(false)].into_iter().chain(panics())), Ok(false));
        assert_eq!(any([Ok(true)].into_iter().chain(panics())), Ok(true));
    }
}
