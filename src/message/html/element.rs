//! What the elements of HTML do to text: which are open, where an end tag is missing,
//! and what separates their text from that around them.

use crate::ascii_case;
use crate::message::style::Style;

/// How many open elements are tracked at a time.
const OPEN_LIMIT: usize = 256;

/// How far up the search for an end tag's element goes.
const END_LIMIT: usize = 64;

/// What must come before the next text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Gap {
    #[default]
    None,
    /// The source has a line break: a blank, or nothing in scripts without blanks.
    Wrap,
    Blank,
    Line,
}

/// Elements whose text is not shown.
pub(super) const NOT_SHOWN: [&str; 7] =
    ["script", "style", "title", "iframe", "noembed", "noframes", "template"];

/// Elements without an end tag, HTML §13.1.2.
pub(super) const VOID: [&str; 14] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source",
    "track", "wbr",
];

/// What separates the text of an element, or after it, from what comes before.
pub(super) fn gap_at(element: &[u8]) -> Gap {
    match element {
        b"address" | b"article" | b"aside" | b"blockquote" | b"body" | b"br" | b"button"
        | b"caption" | b"center" | b"dd" | b"details" | b"dialog" | b"dir" | b"div" | b"dl"
        | b"dt" | b"fieldset" | b"figcaption" | b"figure" | b"footer" | b"form" | b"h1" | b"h2"
        | b"h3" | b"h4" | b"h5" | b"h6" | b"header" | b"hr" | b"html" | b"legend" | b"li"
        | b"listing" | b"main" | b"menu" | b"nav" | b"ol" | b"option" | b"p" | b"plaintext"
        | b"pre" | b"section" | b"select" | b"summary" | b"table" | b"tbody" | b"textarea"
        | b"tfoot" | b"thead" | b"tr" | b"ul" | b"xmp" => Gap::Line,
        b"td" | b"th" | b"input" | b"object" | b"video" | b"audio" => Gap::Blank,
        _ => Gap::None,
    }
}

/// The hash of an element's or an attribute's name.
pub(super) type Name = u32;

pub(super) const fn name_of(name: &[u8]) -> Name {
    ascii_case::hash(name)
}

const P: Name = name_of(b"p");
const LI: Name = name_of(b"li");
const TD: Name = name_of(b"td");
const TH: Name = name_of(b"th");
const TR: Name = name_of(b"tr");
const TABLE: Name = name_of(b"table");
const ROWS: [Name; 3] = [name_of(b"tbody"), name_of(b"thead"), name_of(b"tfoot")];
const ITEMS: [Name; 2] = [name_of(b"dt"), name_of(b"dd")];
const CONTAINERS: [Name; 8] = [
    TABLE,
    name_of(b"ul"),
    name_of(b"ol"),
    name_of(b"dl"),
    name_of(b"div"),
    TD,
    TH,
    name_of(b"button"),
];

struct OpenElement {
    name: Name,
    style: Style,
}

/// The elements that are open, up to a limit.
#[derive(Default)]
pub(super) struct OpenElements(Vec<OpenElement>);

impl OpenElements {
    /// The style of the text that comes next.
    pub(super) fn style(&self) -> Style {
        self.0.last().map_or(Style::default(), |open| open.style)
    }

    pub(super) fn push(&mut self, element: &str, style: Style) {
        if self.0.len() < OPEN_LIMIT {
            self.0.push(OpenElement { name: name_of(element.as_bytes()), style });
        }
    }

    /// Ends elements whose end tag may be omitted when another begins, HTML §13.1.2.4.
    pub(super) fn end_implied(&mut self, element: &str) {
        let (ended, containers): (&[Name], &[Name]) = match element {
            "li" => (&[LI], &CONTAINERS),
            "td" | "th" => (&[TD, TH], &CONTAINERS),
            // Cells and whatever is in them end with their row.
            "tr" => (&[TR], &[TABLE]),
            "tbody" | "thead" | "tfoot" => (&ROWS, &[TABLE]),
            "dt" | "dd" => (&ITEMS, &CONTAINERS),
            _ if gap_at(element.as_bytes()) == Gap::Line && element != "br" => (&[P], &CONTAINERS),
            _ => return,
        };
        let is_place =
            |open: &OpenElement| ended.contains(&open.name) || containers.contains(&open.name);
        let mut near = self.0.iter().rev().take(END_LIMIT);
        let after = near.position(is_place);
        if let Some(at) = after.map(|after| self.0.len() - after - 1)
            && self.0.get(at).is_some_and(|open| ended.contains(&open.name))
        {
            self.0.truncate(at);
        }
    }

    /// Ends an element and those within it; the style of what ends.
    pub(super) fn end(&mut self, element: &[u8]) -> Style {
        let name = name_of(element);
        let mut near = self.0.iter().rev().take(END_LIMIT);
        let Some(after) = near.position(|open| open.name == name) else { return self.style() };
        let at = self.0.len() - after - 1;
        let style = self.0.get(at).map_or(Style::default(), |open| open.style);
        self.0.truncate(at);
        style
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gone() -> Style {
        let mut style = Style::default();
        style.add("display:none");
        style
    }

    #[test]
    fn what_another_element_ends() {
        for (open, next, ends) in [
            (&["p"][..], "p", true),
            (&["p"], "div", true),
            (&["p"], "b", false),
            (&["p", "div"], "p", false),
            (&["li", "b"], "li", true),
            (&["li", "ul"], "li", false),
            (&["tr", "td", "div"], "tr", true),
            (&["tr", "td", "table"], "tr", false),
            (&["thead", "tr", "th"], "tbody", true),
            (&["dt"], "dd", true),
        ] {
            let mut elements = OpenElements::default();
            open.iter().for_each(|element| elements.push(element, gone()));
            elements.end_implied(next);
            assert_eq!(elements.style() == Style::default(), ends, "{next} within {open:?}");
        }
    }

    #[test]
    fn an_end_tag_ends_what_is_within() {
        let mut elements = OpenElements::default();
        elements.push("div", gone());
        elements.push("b", Style::default());
        assert_eq!(elements.end(b"i"), Style::default(), "it is not open");
        assert_eq!(elements.end(b"div"), gone());
        assert_eq!(elements.style(), Style::default());
    }
}
