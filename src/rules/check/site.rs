//! What only site rules have and what only users' rules have: categories, labels,
//! the switch.

use super::Checker;
use super::test::is_header_name;
use crate::diagnostic::Diagnostic;
use crate::message::fold::fold;
use crate::rules::mistake::{RuleErrorKind, SiteMistake, TestMistake};
use crate::rules::program::{self, Category, Label, LabelKind, SwitchWord};
use crate::rules::switch::same;
use crate::source::Span;
use crate::spelling::nearest;
use crate::syntax::ast::{Choice, SpannedText, StatementNode, StatementNodeKind};

/// What `set` may set in site rules: what their own tests need. Everything else
/// determines how the user's mail is stored, which must not depend on a site file
/// that may be broken tomorrow.
const SITE_SETTINGS: &[&str] = &[
    "me",
    "delimiter",
    "timezone",
    "trust",
    "relays",
    "spam-score-header",
    "duplicates-for",
    "forward-sender",
    "over-quota",
];

/// The longest name of a category, characters.
const LONGEST: usize = 60;

impl Checker<'_, '_> {
    /// Whether site rules may have a setting that users' rules may have.
    pub(super) fn site_setting(&mut self, name: &SpannedText) {
        if self.site && !SITE_SETTINGS.contains(&name.value.as_str()) {
            self.report(name.span, SiteMistake::Setting { name: name.value.clone() });
        }
    }

    /// Checks that a rule or action of site rules is in a category.
    pub(super) fn in_category(&mut self, what: &'static str, span: Span) {
        if self.site && self.category.is_none() {
            self.report(span, SiteMistake::OutsideCategory { what });
        }
    }

    /// Keeps a category of site rules that can be switched off for
    /// [`Checker::optional_categories`]; one in a wrong place is left to be
    /// reported there.
    pub(super) fn put_off(&mut self, category: &StatementNode) -> bool {
        let is_placed = self.site && self.category.is_none() && !self.statements.in_group();
        if is_placed {
            self.begin();
            self.optional.push(category.clone());
        }
        is_placed
    }

    /// Puts the categories that can be switched off after all mandatory ones,
    /// wherever they were written: none of them may keep a message from the
    /// mandatory ones.
    pub(super) fn optional_categories(&mut self) {
        for statement in std::mem::take(&mut self.optional) {
            if let StatementNodeKind::Category { name, mandatory, statements } = &statement.kind {
                self.category(statement.span, name, *mandatory, statements);
            }
        }
    }

    pub(super) fn category(
        &mut self,
        span: Span,
        name: &SpannedText,
        mandatory: bool,
        statements: &[StatementNode],
    ) {
        let head = self.head(span, Some(name), None);
        if !self.site {
            self.report(head, SiteMistake::CategoryOfUser);
        } else if self.statements.in_group() || self.category.is_some() {
            self.report(head, SiteMistake::CategoryInGroup);
        }
        let text = name.value.trim();
        let is_reserved = ["on", "off", "default"].iter().any(|word| same(word, text));
        let sign = |c: char| c.is_control() || matches!(c, ',' | '"');
        let long = text.chars().count() > LONGEST;
        if text.is_empty() || text != name.value || is_reserved || long || text.contains(sign) {
            self.report(name.span, SiteMistake::BadName { name: name.value.clone() });
        }
        let before = self.program.categories.iter().find(|category| same(&category.name, text));
        if let Some(at) = before.map(|category| category.span) {
            let name_text = name.value.clone();
            // Mandatory ones are read first, though they may come later in the file.
            let is_after = (at.file, at.start) > (head.file, head.start);
            let (at, again) = if is_after { (head, at) } else { (at, name.span) };
            self.report(again, SiteMistake::CategoryTwice { name: name_text, at });
        }
        let index = self.program.categories.len() as u32;
        self.program.categories.push(Category { name: name.value.clone(), mandatory, span: head });
        let at = self.program.statements.len();
        self.push(head, program::StatementKind::Category { category: index, end: 0 });
        let before = self.reach("category", head, None);
        let outer = self.category.replace(index);
        if mandatory && self.site && outer.is_none() && !self.statements.in_group() {
            self.block_for_all(head, statements);
        } else {
            // It may be switched off: whatever it does, what follows is reachable.
            self.block(statements);
        }
        self.category = outer;
        self.statements.dead = before;
        self.end_group(at);
    }

    pub(super) fn isp_label(&mut self, span: Span, kind: &SpannedText, text: &SpannedText) {
        if self.statements.in_group_but_for(self.category.is_some()) {
            self.report(span, SiteMistake::InGroup { what: "isp-label" });
        }
        let header = kind.value == "header";
        let written = text.value.trim();
        if header && !is_header_name(written.strip_suffix('*').unwrap_or(written)) {
            self.report(text.span, TestMistake::BadHeaderName { name: text.value.clone() });
            return;
        }
        if fold(written).is_empty() || written.contains(char::is_control) {
            self.report(text.span, SiteMistake::EmptyLabel);
            return;
        }
        let kind = if header { LabelKind::Header } else { LabelKind::Subject };
        let label = Label { kind, text: written.to_owned(), category: self.category };
        self.program.settings.labels.push(label);
    }

    pub(super) fn isp_filter(&mut self, span: Span, choices: &[Choice]) {
        if self.statements.in_group() || self.category.is_some() {
            self.report(span, SiteMistake::InGroup { what: "isp-filter" });
        }
        for choice in choices {
            let name = choice.category.as_ref();
            let place = name.map_or(choice.on.span, |name| name.span);
            let default = name.is_some_and(|name| name.value == "default");
            if default != self.site {
                let mistake =
                    if default { SiteMistake::DefaultOfUser } else { SiteMistake::SwitchOfSite };
                self.report(place, mistake);
                continue;
            }
            let key = name.map(|name| fold(&name.value).into_owned()).unwrap_or_default();
            if let Some(at) = self.switched.get(&key) {
                let mistake = SiteMistake::SwitchTwice { at: *at };
                self.report(place, mistake);
                continue;
            }
            self.switched.insert(key, place);
            if default {
                self.program.settings.isp_default = Some(choice.on.value);
            } else {
                let line = self.sources.line(place);
                let category = name.map(|name| name.value.clone());
                let word = SwitchWord { category, on: choice.on.value, span: place, line };
                self.program.settings.isp_filter.push(word);
            }
        }
    }
}

/// What is wrong with a user's switch, according to the site rules: categories
/// that do not exist, and those that cannot be switched off. `names` are the
/// names of the categories, and whether they are mandatory.
pub fn judge_switch(words: &[SwitchWord], names: &[(String, bool)]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for word in words {
        let Some(category) = &word.category else { continue };
        let mistake = match names.iter().find(|(name, _)| same(name, category)) {
            Some((name, true)) if !word.on => SiteMistake::Mandatory { name: name.clone() },
            Some(_) => continue,
            None => SiteMistake::UnknownCategory {
                name: category.clone(),
                near: nearest(category, names.iter().map(|(name, _)| name)).cloned(),
                known: names.iter().map(|(name, _)| name.clone()).collect(),
            },
        };
        found.push(RuleErrorKind::Site(mistake).at(word.span));
    }
    found
}
