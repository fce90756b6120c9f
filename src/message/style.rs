//! Whether a style makes an element's text visible (CSS 2.2), limited to the ways
//! in which mail hides text.

use std::borrow::Cow;

/// How styles affect a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// The element and everything in it is removed.
    pub is_gone: bool,
    /// A `display` says that it is not removed.
    is_there: bool,
    /// The letters have zero size; those of inner elements may have a size again.
    no_size: Option<bool>,
    /// The element is not drawn; inner elements may be drawn again.
    not_drawn: Option<bool>,
}

impl Style {
    /// Whether the text is invisible.
    pub fn is_hidden(self) -> bool {
        self.is_gone || self.no_size == Some(true) || self.not_drawn == Some(true)
    }

    /// The style of an inner element.
    pub fn inherited(self, inner: Style) -> Style {
        Style {
            is_gone: self.is_gone || inner.is_gone,
            is_there: false,
            no_size: inner.no_size.or(self.no_size),
            not_drawn: inner.not_drawn.or(self.not_drawn),
        }
    }

    /// Combines this style, of an element's own attribute, with that of a style
    /// sheet, over which it takes precedence.
    pub fn over(self, sheet: Style) -> Style {
        Style {
            is_gone: self.is_gone || sheet.is_gone && !self.is_there,
            is_there: self.is_there,
            no_size: self.no_size.or(sheet.no_size),
            not_drawn: self.not_drawn.or(sheet.not_drawn),
        }
    }

    /// Combines two styles of style sheets; if they differ, the text is visible.
    pub fn and(self, other: Style) -> Style {
        let is_there = self.is_there || other.is_there;
        let both = |one: Option<bool>, other: Option<bool>| match (one, other) {
            (Some(one), Some(other)) => Some(one && other),
            (one, other) => one.or(other),
        };
        Style {
            is_gone: (self.is_gone || other.is_gone) && !is_there,
            is_there,
            no_size: both(self.no_size, other.no_size),
            not_drawn: both(self.not_drawn, other.not_drawn),
        }
    }

    /// Adds the declarations of a `style` attribute.
    pub fn add(&mut self, style: &str) {
        let (mut is_flat, mut is_clipped) = (false, false);
        // Of several declarations the last one counts (CSS 2.2 §6.4.1).
        let (mut display, mut is_clear) = (None::<(bool, bool)>, false);
        for declaration in without_comments(style).split(';') {
            let Some((property, value)) = declaration.split_once(':') else { continue };
            let property = property.trim().as_bytes();
            let (value, important) = value.split_once('!').unwrap_or((value, ""));
            let value = value.trim();
            let is = |name: &str| property.eq_ignore_ascii_case(name.as_bytes());
            let says = |word: &str| value.eq_ignore_ascii_case(word);
            // Most properties are about something else.
            match property.len() {
                4 if is("font") => {
                    if let Some(size) = value.split_ascii_whitespace().find_map(font_size) {
                        self.no_size = Some(size);
                    }
                }
                5 if is("width") => is_flat |= is_nothing(value),
                6 if is("height") => is_flat |= is_nothing(value),
                7 if is("display") => {
                    let important = !important.is_empty();
                    if display.is_none_or(|(_, before)| important || !before) {
                        display = Some((says("none"), important));
                    }
                }
                7 if is("opacity") => is_clear = is_nothing(value),
                8 if is("overflow") => is_clipped = says("hidden"),
                9 if is("font-size") => match is_nothing(value) {
                    true => self.no_size = Some(true),
                    // A share of zero is zero.
                    false if value.ends_with('%') || is_em(value) => {}
                    false if says("inherit") => {}
                    false => self.no_size = Some(false),
                },
                9 if is("max-width") => is_flat |= is_nothing(value),
                10 if is("max-height") => is_flat |= is_nothing(value),
                10 if is("visibility") => {
                    self.not_drawn = Some(says("hidden") || says("collapse"));
                }
                _ => {}
            }
        }
        let removed = display.map(|(none, _)| none);
        self.is_there |= removed == Some(false);
        self.is_gone |= removed == Some(true) || is_clear || is_flat && is_clipped;
    }
}

/// Declarations without comments (CSS 2.2 §4.1.9); an unclosed one extends to the end.
fn without_comments(style: &str) -> Cow<'_, str> {
    if !style.contains("/*") {
        return Cow::Borrowed(style);
    }
    let mut kept = String::with_capacity(style.len());
    let mut rest = style;
    while let Some((before, comment)) = rest.split_once("/*") {
        kept.push_str(before);
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    kept.push_str(rest);
    Cow::Owned(kept)
}

/// Whether the size in a `font` is zero: `0/0 a`; `None` if the word is not a size.
fn font_size(word: &str) -> Option<bool> {
    let size = word.split('/').next().unwrap_or_default();
    let is_size = size.ends_with(|c: char| c.is_ascii_alphabetic() || c == '%') || word != size;
    (size.starts_with(|c: char| c.is_ascii_digit()) && (is_size || size == "0"))
        .then(|| is_nothing(size))
}

/// `0`, `0px`, `0.0em`, `.01px`: too small to be seen.
fn is_nothing(value: &str) -> bool {
    let end = value.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(value.len());
    let (number, unit) = value.split_at(end);
    let known = unit.is_empty() || unit == "%" || unit.bytes().all(|b| b.is_ascii_alphabetic());
    known && number.parse::<f64>().is_ok_and(|number| number < 0.05)
}

/// A size relative to that of the surrounding element: `1em`, `2ex`, not `1rem`.
fn is_em(value: &str) -> bool {
    let unit = value.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    unit.eq_ignore_ascii_case("em") || unit.eq_ignore_ascii_case("ex")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_hidden(style: &str) -> bool {
        let mut all = Style::default();
        all.add(style);
        all.is_hidden()
    }

    #[test]
    fn what_hides_and_what_does_not() {
        for style in [
            "display:none",
            "color:red; DISPLAY : None !important",
            "visibility: hidden",
            "font-size:0",
            "font-size:0px;line-height:0",
            "font:0/0 a",
            "opacity:0",
            "max-height:0; overflow:hidden",
            "/* a */display:/**/none /* unclosed",
            "display:block;display:none",
            "display:none !important;display:block",
        ] {
            assert!(is_hidden(style), "{style}");
        }
        for style in [
            "display:block",
            "display:none;display:block",
            "display:none;display:block !important;display:none",
            "opacity:0;opacity:1",
            "font-size:10px",
            "font-size:0.8em",
            "font: 400 12px/1.5 Arial",
            "opacity:0.5",
            "height:0",
            "overflow:hidden",
            "max-height:100px;overflow:hidden",
            "line-height:0",
            "/* display:none; */ color:red",
            "",
            ":;::",
        ] {
            assert!(!is_hidden(style), "{style}");
        }
    }

    #[test]
    fn a_size_within_nothing_is_a_size_again() {
        let style = |text: &str| {
            let mut style = Style::default();
            style.add(text);
            style
        };
        let nothing = style("font-size:0");
        assert!(!nothing.inherited(style("font-size:13px")).is_hidden());
        assert!(nothing.inherited(style("font-size:100%")).is_hidden());
        assert!(style("display:none").inherited(style("font-size:13px")).is_hidden());
    }
}
