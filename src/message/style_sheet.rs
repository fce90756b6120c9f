//! What a document's style sheets (`<style>`) hide by a class or an identifier.
//!
//! Only rules with a simple selector are used (`.a`, `#b`, `p.a`), and only those
//! that apply on every screen: not within `@media`. So in doubt, text counts as
//! visible.

use std::collections::HashMap;

use super::style::Style;

/// How much of all sheets together is read, bytes.
const LIMIT: usize = 64 << 10;
/// How many rules are kept at most.
const RULES_LIMIT: usize = 1000;

/// The style sheets so far.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    /// The text so far of a sheet that has not ended.
    pending: String,
    /// How many bytes were read.
    read: usize,
    /// By selector: `.a`, `#b`, `p.a`.
    rules: HashMap<String, Style>,
}

impl Sheet {
    /// Adds text of a sheet.
    pub(super) fn push(&mut self, text: &str) {
        if self.read + text.len() <= LIMIT {
            self.read += text.len();
            self.pending.push_str(text);
        } else {
            // The rest would be parsed from the middle of something.
            self.read = LIMIT;
        }
    }

    /// Ends a sheet.
    pub(super) fn end(&mut self) {
        let text = std::mem::take(&mut self.pending);
        // Most sheets hide nothing.
        if !text.is_empty() {
            self.add(&text);
        }
    }

    /// Whether any rule affects what is visible.
    pub(super) fn hides(&self) -> bool {
        !self.rules.is_empty()
    }

    /// The style of elements of that name with that class (`.`) or identifier (`#`).
    pub(super) fn style(&self, element: &str, sign: char, name: &str) -> Style {
        let style = |element: &str| self.rules.get(&format!("{element}{sign}{name}")).copied();
        match (style(""), style(element)) {
            (Some(all), Some(own)) => own.over(all),
            (all, own) => all.or(own).unwrap_or_default(),
        }
    }

    fn add(&mut self, text: &str) {
        let mut rest = text;
        loop {
            rest = rest.trim_start();
            if let Some(comment) = rest.strip_prefix("/*") {
                rest = comment.split_once("*/").map_or("", |(_, after)| after);
            } else if let Some(after) = ["<!--", "-->"].iter().find_map(|s| rest.strip_prefix(s)) {
                rest = after;
            } else if rest.starts_with('@') {
                rest = after_at_rule(rest);
            } else if let Some((selectors, after)) = rest.split_once('{') {
                let (body, after) = after.split_once('}').unwrap_or((after, ""));
                self.rule(selectors, body);
                rest = after;
            } else {
                return;
            }
        }
    }

    fn rule(&mut self, selectors: &str, body: &str) {
        let mut style = Style::default();
        style.add(body);
        if style == Style::default() {
            return;
        }
        for selector in selectors.split(',').map(str::trim).filter(|text| is_simple(text)) {
            let (element, name) = selector.split_at(selector.find(['.', '#']).unwrap_or(0));
            let key = element.to_ascii_lowercase() + name;
            if let Some(known) = self.rules.get_mut(&key) {
                *known = style.over(*known);
            } else if self.rules.len() < RULES_LIMIT {
                self.rules.insert(key, style);
            }
        }
    }
}

/// `.a`, `#b`, `p.a`
fn is_simple(selector: &str) -> bool {
    let is_name = |text: &str| {
        text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_') || !c.is_ascii())
    };
    let parts = selector.split_once('.').or_else(|| selector.split_once('#'));
    parts.is_some_and(|(element, name)| is_name(element) && !name.is_empty() && is_name(name))
}

/// The text after an at-rule: `@import …;`, `@media … { … }`.
fn after_at_rule(text: &str) -> &str {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b';' => {}
            _ => continue,
        }
        if depth == 0 {
            return text.get(at + 1..).unwrap_or_default();
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(text: &str) -> Sheet {
        let mut sheet = Sheet::default();
        sheet.push(text);
        sheet.end();
        sheet
    }

    #[test]
    fn what_sheets_hide() {
        let known = sheet(
            "@import 'x.css'; @media screen and (max-width:600px) { .a{display:none} .b{} }\n\
             /* .c{display:none} */ <!-- .d, P.e ,#f { color:red; display: none !important }\n\
             .g .h, .i:hover, .j > p, * { display:none } .k{font-size:0px}.k{color:red}\n\
             .l{display:none}.l{display:block} body{display:none} .m{visibility:hidden",
        );
        let is_hidden = |element, sign, name| known.style(element, sign, name).is_hidden();
        for name in ["d", "k", "m"] {
            assert!(is_hidden("b", '.', name), "{name}");
        }
        assert!(is_hidden("p", '.', "e") && !is_hidden("b", '.', "e"));
        assert!(is_hidden("b", '#', "f") && !is_hidden("b", '.', "f"));
        for name in ["a", "b", "c", "g", "h", "i", "j", "l", "z"] {
            assert!(!is_hidden("b", '.', name), "{name}");
        }
    }

    #[test]
    fn sheets_are_bounded() {
        for text in ["@", "@{", ".a{", ".a{display:none}", "/*", ".", "{}", "}", "@media{.a{"] {
            let mut all = Sheet::default();
            (0..20_000).for_each(|_| all.push(text));
            all.end();
            assert!(all.rules.len() <= 1 && all.read <= LIMIT);
        }
        let many: String = (0..5_000).map(|n| format!(".x{n}{{opacity:0}}")).collect();
        assert_eq!(sheet(&many[..LIMIT]).rules.len(), RULES_LIMIT);
        assert!(!sheet(".a{color:red}").hides());
    }
}
