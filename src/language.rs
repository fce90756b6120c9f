//! The language for messages to people, by the locale of the process. English if the
//! locale says nothing else.

/// A language in which there are texts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Language {
    /// The language of all texts.
    #[default]
    English,
    /// The language of some texts.
    Japanese,
}

impl Language {
    /// The language of messages in the locale (POSIX, "Internationalization Variables").
    pub fn of_locale() -> Language {
        Language::of(|name| std::env::var(name).ok())
    }

    /// The same with these variables.
    fn of(variable: impl Fn(&str) -> Option<String>) -> Language {
        let values = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().filter_map(variable);
        let locale = values.into_iter().find(|value| !value.is_empty()).unwrap_or_default();
        let (locale, _) = locale.split_once('@').unwrap_or((&locale, ""));
        let (name, charset) = locale.split_once('.').unwrap_or((locale, "UTF-8"));
        let is_japanese = name.split('_').next() == Some("ja");
        // Our texts are UTF-8, and would not be read on a terminal of another charset.
        let is_read = charset.eq_ignore_ascii_case("UTF-8") || charset.eq_ignore_ascii_case("utf8");
        if is_japanese && is_read { Language::Japanese } else { Language::English }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_with_a_value_says_the_language() {
        for (all, messages, lang, language) in [
            ("", "", "ja_JP.UTF-8", Language::Japanese),
            ("", "", "ja_JP.utf8@cjknarrow", Language::Japanese),
            ("", "", "ja_JP", Language::Japanese),
            ("", "", "ja", Language::Japanese),
            ("", "ja_JP.UTF-8", "C", Language::Japanese),
            ("ja_JP.UTF-8", "C", "C", Language::Japanese),
            ("C", "ja_JP.UTF-8", "ja_JP.UTF-8", Language::English),
            ("", "C.UTF-8", "ja_JP.UTF-8", Language::English),
            ("", "", "ja_JP.eucJP", Language::English),
            ("", "", "jam_JM.UTF-8", Language::English),
            ("", "", "", Language::English),
        ] {
            let variable = |name: &str| match name {
                "LC_ALL" => Some(all.to_owned()),
                "LC_MESSAGES" => Some(messages.to_owned()),
                "LANG" => Some(lang.to_owned()),
                _ => None,
            };
            assert_eq!(Language::of(variable), language, "{all:?} {messages:?} {lang:?}");
        }
        assert_eq!(Language::of(|_| None), Language::English);
    }
}
