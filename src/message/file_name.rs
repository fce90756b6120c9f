//! Names of attached files.

use crate::text::is_invisible;

/// A file name without control and format characters, which can make a name that
/// ends in `exe` look like `annexe.txt`. Blanks around it are not part of it, nor are
/// dots at its end, which Windows drops.
pub fn clean_name(name: &str) -> String {
    let visible: String = name.chars().filter(|char| !is_invisible(*char)).collect();
    visible.trim_end_matches(|c: char| c == '.' || c.is_whitespace()).trim_start().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_show_their_true_end() {
        assert_eq!(clean_name("ann\u{202e}txt.exe"), "anntxt.exe");
        assert_eq!(clean_name(" a\u{0}\nb.pdf\u{2069} "), "ab.pdf");
        assert_eq!(clean_name("請求書.pdf"), "請求書.pdf");
        assert_eq!(clean_name("a.exe. . "), "a.exe");
        assert_eq!(clean_name(".."), "");
    }
}
