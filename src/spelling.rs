//! The word that a misspelt one was probably meant to be.

/// Longer words are not compared, so that the work is limited, characters.
const LONGEST: usize = 48;

/// The candidate nearest to a misspelt word; `None` if none is near.
pub fn nearest<T: AsRef<str>>(word: &str, candidates: impl IntoIterator<Item = T>) -> Option<T> {
    let length = word.chars().count();
    if length > LONGEST {
        return None;
    }
    let allowed = (length / 3).max(1);
    let lower = word.to_lowercase();
    candidates
        .into_iter()
        .filter(|known| known.as_ref().chars().count().abs_diff(length) <= allowed)
        .map(|known| (strsim::osa_distance(&lower, known.as_ref()), known))
        .filter(|(distance, known)| {
            *distance <= allowed && *distance < known.as_ref().chars().count()
        })
        .min_by_key(|(distance, known)| {
            let starts_alike = known.as_ref().chars().next() == lower.chars().next();
            (*distance, !starts_alike)
        })
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_nearest_word_is_near() {
        let known = ["subject", "from", "to", "recipients", "cc"];
        assert_eq!(nearest("subjekt", known), Some("subject"));
        assert_eq!(nearest("Form", known), Some("from"));
        assert_eq!(nearest("sonnday", ["monday", "sunday"]), Some("sunday"));
        assert_eq!(nearest("x", known), None);
        assert_eq!(nearest("entirely-else", known), None);
        assert_eq!(nearest(&"a".repeat(100_000), known), None);
    }
}
