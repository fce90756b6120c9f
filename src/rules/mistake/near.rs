//! Names that are nearly the same, to a program or to a reader.

/// How two names differ that look the same to a reader.
pub fn difference(one: &str, other: &str) -> &'static str {
    if one.to_lowercase() == other.to_lowercase() { "by case" } else { "by width or spelling" }
}

/// The known name nearest to a misspelt one; `None` if none is near. Names longer
/// than any known one are not compared, so the work is limited.
pub fn nearest(name: &str, known: impl IntoIterator<Item = impl AsRef<str>>) -> Option<String> {
    let length = name.chars().count();
    if length > 48 {
        return None;
    }
    let allowed = (length / 3).max(1);
    let lower = name.to_lowercase();
    known
        .into_iter()
        .filter(|known| known.as_ref().chars().count().abs_diff(length) <= allowed)
        .map(|known| (strsim::osa_distance(&lower, known.as_ref()), known))
        .filter(|(distance, known)| *distance <= allowed && *distance < known.as_ref().len())
        .min_by_key(|(distance, known)| {
            let starts_alike = known.as_ref().chars().next() == lower.chars().next();
            (*distance, !starts_alike)
        })
        .map(|(_, known)| known.as_ref().to_owned())
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_nearest_name_is_near() {
        let known = ["subject", "from", "to", "recipients", "cc"];
        assert_eq!(nearest("subjekt", known).as_deref(), Some("subject"));
        assert_eq!(nearest("Form", known).as_deref(), Some("from"));
        assert_eq!(nearest("sonnday", ["monday", "sunday"]).as_deref(), Some("sunday"));
        assert_eq!(nearest("x", known), None);
        assert_eq!(nearest("entirely-else", known), None);
        assert_eq!(nearest(&"a".repeat(100_000), known), None);
    }
}
