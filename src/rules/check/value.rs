//! Values: the texts, days, results and networks that a field is compared with, in the
//! field's form.

use std::net::IpAddr;

use super::Checker;
use super::test::TestedField;
use crate::classify::resembles;
use crate::message::{address, domain, fold};
use crate::rules::field::{FieldKind, WEEKDAYS};
use crate::rules::glob;
use crate::rules::mistake::{LogicMistake, TestMistake, WordKind};
use crate::rules::program::{AddressPart, ConditionKind, Field, Needle, Network, TextOperator};
use crate::source::{Span, Spanned};
use crate::syntax::ast::{ValueKind, ValueNode};
use crate::syntax::quote;

/// The results of a method of authentication, RFC 8601 §2.7.
pub const RESULTS: &[&str] =
    &["pass", "fail", "softfail", "neutral", "none", "policy", "temperror", "permerror"];

/// The sign in an address, also in full width, in which it means the same.
const AT: [char; 2] = ['@', '＠'];

impl Checker<'_, '_> {
    /// The elements of a set, or a single value.
    pub(super) fn elements<'v>(&mut self, value: &'v ValueNode) -> &'v [ValueNode] {
        match &value.kind {
            ValueKind::Set(elements) => {
                if elements.is_empty() {
                    self.empty_set(value.span);
                }
                elements
            }
            _ => std::slice::from_ref(value),
        }
    }

    pub(super) fn empty_set(&mut self, span: Span) {
        self.never_holds(span, "there is nothing in the set", None);
    }

    pub(super) fn never_holds(&mut self, span: Span, why: &str, hint: Option<String>) {
        self.report(span, LogicMistake::NeverHolds { why: why.to_owned(), hint });
    }

    /// A value as the user wrote it.
    pub(super) fn written(&self, value: &ValueNode) -> String {
        self.sources.text(value.span).to_owned()
    }

    pub(super) fn wrong_value(
        &mut self,
        expected: &'static str,
        value: &ValueNode,
        hint: Option<String>,
    ) {
        let found = kind_name(&value.kind);
        self.report(value.span, TestMistake::WrongValue { expected, found, hint });
    }

    /// A test with `is`, `contains`, `starts`, `ends`, `like` or `resembles`.
    pub(super) fn text(
        &mut self,
        tested: &TestedField,
        operator: TextOperator,
        value: &ValueNode,
    ) -> Option<ConditionKind> {
        let elements = self.elements(value);
        let mut needles = Vec::with_capacity(elements.len());
        let mut fine = true;
        for element in elements {
            let ValueKind::Text(text) = &element.kind else {
                let hint = match &element.kind {
                    ValueKind::Pattern { .. } => {
                        Some(format!("`{} matches {}`", tested.name, self.written(element)))
                    }
                    ValueKind::Name(name) if name == "me" || self.names.contains_key(name) => {
                        let set = if name == "me" && !self.names.contains_key(name) {
                            " (and `set me [\"…\"]` at the top)"
                        } else {
                            ""
                        };
                        Some(format!("`{} in {name}`, if the list is meant{set}", tested.name))
                    }
                    _ => Some(format!("put it in quotes: `\"{}\"`", self.written(element))),
                };
                self.wrong_value("a quoted string", element, hint);
                fine = false;
                continue;
            };
            self.judge_text(tested, operator, text, element.span);
            if operator == TextOperator::Resembles && resembles::SimilarWord::new(text).is_none() {
                let hint = Some(String::from("`subject resembles \"viagra\"`, for example"));
                self.wrong_value("a word with letters", element, hint);
                fine = false;
            }
            needles.push(Needle { folded: needle(tested.kind, operator, text) });
        }
        fine.then(|| ConditionKind::Text {
            field: self.field(tested.field.clone()),
            operator,
            needles,
        })
    }

    /// Reports texts that are in every value, or in none.
    fn judge_text(&mut self, tested: &TestedField, operator: TextOperator, text: &str, span: Span) {
        let part =
            matches!(operator, TextOperator::Contains | TextOperator::Starts | TextOperator::Ends);
        if part && fold::fold(text).is_empty() {
            self.report(span, LogicMistake::AlwaysHolds { field: tested.name.clone() });
            return;
        }
        if part && text.len() > 1 && fold::fold(text) == " " {
            let why =
                "white space of any length counts as one space, which nearly every text contains";
            self.report(span, LogicMistake::Unlikely { why: why.into(), hint: None });
            return;
        }
        self.judge_stars(tested, operator, text, span);
        if tested.field == Field::ListId && text.contains(['<', '>']) {
            let bare = text.trim_end_matches('>').rsplit('<').next().unwrap_or_default();
            let hint = format!("without them: `\"{bare}\"`");
            self.never_holds(span, "`list-id` has no angle brackets", Some(hint));
            return;
        }
        if let Some(bare) = without_blank_ends(operator, text)
            && is_trimmed(tested)
        {
            let why = "values have no white space at their beginning or end";
            self.never_holds(span, why, Some(format!("without it: `{}`", quote(bare))));
            return;
        }
        let from_the_start = operator == TextOperator::Starts
            || operator == TextOperator::Like && glob::is_glob(text);
        let has_at = text.contains(AT);
        if from_the_start && tested.kind == FieldKind::Address && text.starts_with(AT) {
            let hint = format!("for the part after the `@`: `{}.domain is …`", tested.name);
            self.never_holds(span, "an address has a part before the `@`", Some(hint));
            return;
        }
        if operator != TextOperator::Is || text.is_empty() {
            return;
        }
        match (&tested.field, tested.kind) {
            (_, FieldKind::Address) if has_at && text.contains(['<', '>']) => {
                let bare = text.trim_end_matches('>').rsplit('<').next().unwrap_or_default();
                let why = "an address is compared without the name and the angle brackets";
                self.never_holds(span, why, Some(format!("`{} is {}`", tested.name, quote(bare))));
            }
            (_, FieldKind::Address) if !has_at => {
                let hint = match text {
                    "<>" => format!("the null sender: `{} is \"\"`", tested.name),
                    _ if text.contains('.') => {
                        format!("for the part after the `@`: `{}.domain is …`", tested.name)
                    }
                    _ => format!("for the part before the `@`: `{}.local is …`", tested.name),
                };
                self.never_holds(span, "an address has an `@`", Some(hint));
            }
            (_, FieldKind::Address) if text.starts_with(AT) => {
                let hint = format!(
                    "for every address of that domain: `{}.domain is \"{}\"`",
                    tested.name,
                    text.trim_start_matches(AT)
                );
                self.never_holds(span, "an address has a part before the `@`", Some(hint));
            }
            (_, FieldKind::Domain) if has_at => {
                let domain = text.rsplit(AT).next().unwrap_or_default();
                let hint = format!("`{} is {}`", tested.name, quote(domain));
                self.never_holds(span, "a domain has no `@`", Some(hint));
            }
            (Field::Header(name), _)
                if name.eq_ignore_ascii_case("Message-ID") && !text.starts_with('<') =>
            {
                let why = "a Message-ID is compared with its angle brackets".to_owned();
                let hint = Some(format!("`{} is {}`", tested.name, quote(&format!("<{text}>"))));
                self.report(span, LogicMistake::Unlikely { why, hint });
            }
            (Field::AttachmentSha256, _)
                if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) =>
            {
                self.never_holds(span, "a SHA-256 is 64 hexadecimal digits", None);
            }
            (Field::AttachmentType, _) if !text.contains('/') => {
                let hint = format!("`{} like \"*/{text}\"`, for example", tested.name);
                self.never_holds(span, "a media type has a `/`", Some(hint));
            }
            _ => {}
        }
    }

    /// Reports wildcards that stand for themselves, and `like` without any.
    pub(super) fn judge_stars(
        &mut self,
        tested: &TestedField,
        operator: TextOperator,
        text: &str,
        span: Span,
    ) {
        let name = &tested.name;
        let inner = text.trim_matches('*');
        let (before, after) = (text.starts_with('*'), text.ends_with('*'));
        let operator_is = |of: &[TextOperator]| of.contains(&operator);
        let (why, hint) = match operator {
            TextOperator::Like if inner.is_empty() && text.len() > 1 => (
                "`*` matches any text, so this is true for every value".to_owned(),
                format!("for literal stars: `{name} starts \"{text}\"`"),
            ),
            TextOperator::Like if !text.is_empty() && !glob::is_glob(text) => (
                "without `*` or `?`, `like` compares the whole value, as `is` does".to_owned(),
                format!("`{name} like \"*{text}*\"` for a part, or `{name} is \"{text}\"`"),
            ),
            TextOperator::Like | TextOperator::Resembles => return,
            // Hardly any address has a star.
            _ if inner.contains('*')
                && matches!(tested.kind, FieldKind::Address | FieldKind::Domain) =>
            {
                let open = |is_open| if is_open { "*" } else { "" };
                let first =
                    open(before || operator_is(&[TextOperator::Contains, TextOperator::Ends]));
                let last =
                    open(after || operator_is(&[TextOperator::Contains, TextOperator::Starts]));
                let why = "`*` is literal here; only `like` has wildcards".to_owned();
                (why, format!("`{name} like {}`", quote(&format!("{first}{inner}{last}"))))
            }
            _ if inner.is_empty() || !(before || after) => return,
            _ => {
                let word = match (before, after) {
                    (true, true) => "contains",
                    (true, false) => "ends",
                    _ => "starts",
                };
                let why = "`*` is literal here; only `like` has wildcards".to_owned();
                (why, format!("`{name} {word} \"{inner}\"`"))
            }
        };
        self.report(span, LogicMistake::Unlikely { why, hint: Some(hint) });
    }

    /// Entries of a set that domains are compared with.
    pub(super) fn canonical_domain(&self, entry: &mut Spanned<String>) {
        if !entry.value.contains(['@', '/']) {
            entry.value = domain::canonical(&entry.value).into_owned();
        }
    }

    /// Days of the week, as text.
    pub(super) fn weekdays(
        &mut self,
        tested: &TestedField,
        value: &ValueNode,
    ) -> Option<ConditionKind> {
        let mut days: Vec<usize> = Vec::new();
        let mut fine = true;
        for element in self.elements(value) {
            let found = match &element.kind {
                ValueKind::Range(from, to) => self.weekday(from).zip(self.weekday(to)),
                _ => self.weekday(element).map(|day| (day, day)),
            };
            let Some((from, to)) = found else {
                fine = false;
                continue;
            };
            let last = if to < from { to + 7 } else { to };
            days.extend((from..=last).map(|day| day % 7));
        }
        days.sort_unstable();
        days.dedup();
        let names = days.into_iter().filter_map(|day| WEEKDAYS.get(day));
        let needles = names.map(|name| Needle { folded: (*name).to_owned() }).collect();
        fine.then(|| ConditionKind::Text {
            field: self.field(tested.field.clone()),
            operator: TextOperator::Is,
            needles,
        })
    }

    fn weekday(&mut self, value: &ValueNode) -> Option<usize> {
        let (ValueKind::Text(text) | ValueKind::Name(text)) = &value.kind else {
            let hint = Some(String::from("`monday` to `sunday`"));
            self.wrong_value("a day of the week", value, hint);
            return None;
        };
        let folded = fold::fold(text);
        let day = WEEKDAYS.iter().position(|day| {
            *day == folded || folded.len() >= 3 && folded.len() <= 5 && day.starts_with(&*folded)
        });
        if day.is_none() {
            self.unknown(WordKind::Weekday, text, value.span);
        }
        day
    }

    /// Words of RFC 8601 §2.7, bare or in quotes.
    pub(super) fn results(
        &mut self,
        tested: &TestedField,
        value: &ValueNode,
    ) -> Option<ConditionKind> {
        let mut needles = Vec::new();
        let mut fine = true;
        for element in self.elements(value) {
            let (ValueKind::Text(word) | ValueKind::Name(word)) = &element.kind else {
                let hint = Some(format!("`{} is pass`, for example", tested.name));
                self.wrong_value("a result", element, hint);
                fine = false;
                continue;
            };
            let folded = fold::fold(word).into_owned();
            if RESULTS.contains(&folded.as_str()) {
                needles.push(Needle { folded });
            } else {
                self.unknown(WordKind::Result, word, element.span);
                fine = false;
            }
        }
        fine.then(|| ConditionKind::Text {
            field: self.field(tested.field.clone()),
            operator: TextOperator::Is,
            needles,
        })
    }

    /// Addresses and networks (`192.0.2.0/24`).
    pub(super) fn networks(
        &mut self,
        tested: &TestedField,
        value: &ValueNode,
    ) -> Option<ConditionKind> {
        let mut networks = Vec::new();
        let mut fine = true;
        for element in self.elements(value) {
            let network = match &element.kind {
                ValueKind::Text(text) => network(text),
                _ => None,
            };
            match network {
                Some(network) => networks.push(network),
                None => {
                    let hint = Some(String::from("`\"192.0.2.7\"`, `\"192.0.2.0/24\"`"));
                    self.wrong_value("an IP address or a network in quotes", element, hint);
                    fine = false;
                }
            }
        }
        fine.then(|| ConditionKind::Network { field: self.field(tested.field.clone()), networks })
    }
}

/// An address, or a network in CIDR form (RFC 4632, RFC 4291 §2.3).
fn network(text: &str) -> Option<Network> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix.parse::<u32>().ok()?)),
        None => (text, None),
    };
    let (bits, longest) = match address.parse().ok()? {
        IpAddr::V4(address) => (address.to_ipv6_mapped(), 32_u32),
        IpAddr::V6(address) => (address, 128),
    };
    let free = longest.checked_sub(prefix.unwrap_or(longest))?;
    let mask = u128::MAX.checked_shl(free).unwrap_or(0);
    let bits = bits.to_bits();
    let (first, last) = (bits & mask, bits | !mask);
    Some(Network { first: first.to_be_bytes(), last: last.to_be_bytes() })
}

/// A text in the form in which the field's values are compared.
fn needle(kind: FieldKind, operator: TextOperator, text: &str) -> String {
    let folded = fold::fold(text);
    let punycode = folded.contains("xn--");
    match (kind, operator) {
        (FieldKind::Domain, TextOperator::Is) => domain::canonical(text).into_owned(),
        (FieldKind::Address, TextOperator::Is | TextOperator::Ends) => {
            address::canonical(text).into_owned()
        }
        (FieldKind::Domain, _) if punycode => domain::canonical(text).into_owned(),
        (FieldKind::Address, TextOperator::Starts | TextOperator::Like) if punycode => {
            address::canonical(text).into_owned()
        }
        _ => folded.into_owned(),
    }
}

/// The text without the blanks at those ends at which the operator compares it; `None` if
/// there are none, or nothing else.
fn without_blank_ends(operator: TextOperator, text: &str) -> Option<&str> {
    let bare = match operator {
        TextOperator::Is => text.trim(),
        TextOperator::Starts => text.trim_start(),
        TextOperator::Ends => text.trim_end(),
        _ => text,
    };
    (!bare.is_empty() && bare.len() < text.len()).then_some(bare)
}

/// Whether the field's values are read without the blanks around them.
fn is_trimmed(tested: &TestedField) -> bool {
    matches!(tested.field, Field::Header(_) | Field::Body | Field::Address(_, AddressPart::Name))
}

/// What a value is, for people.
fn kind_name(kind: &ValueKind) -> &'static str {
    match kind {
        ValueKind::Text(_) => "a string",
        ValueKind::Pattern { .. } => "a pattern",
        ValueKind::Set(_) => "a set",
        ValueKind::Number(_) => "a number",
        ValueKind::Size(_) => "a size",
        ValueKind::Duration(_) => "a duration",
        ValueKind::Date { .. } => "a date",
        ValueKind::Time { .. } => "a time of day",
        ValueKind::Instant(_) => "an instant",
        ValueKind::Range(..) => "a range",
        ValueKind::Name(_) => "a name",
    }
}
