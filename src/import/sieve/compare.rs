//! Match types and comparators (RFC 5228 §2.7, 5231, the regex draft) as tests of ours;
//! and their result where both sides are known.

use std::collections::HashSet;

use regex_automata::meta::Regex;
use regex_automata::util::syntax::Config;

use super::arguments::Arguments;
use super::context::Lowering;
use super::posix::regex;
use super::regex::{
    Glob, PATTERN_STEPS, Relation, as_group, casemap_literal, compare_numbers, glob, glob_pattern,
    is_cased_beyond_ascii, number_pattern, on_address, our_glob,
};
use crate::import::ir::{Cond, Operand, Test, glob_literal, pattern_literal};
use crate::import::match_length::{LONGEST_STEPS, is_longest_first};
use crate::import::perl;
use crate::message::fold;
use crate::rules::pattern::{self, Engine};

const READ_AS_IN_PERL: &str =
    "a group with `(?` is read as in Perl, and Dovecot refuses the script";

/// How values are compared with keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MatchType {
    Is,
    Contains,
    Matches,
    Regex,
    Value(Relation),
    Count(Relation),
    List,
}

/// By which comparator, RFC 4790.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Collation {
    Casemap,
    Unicode,
    Octet,
    Numeric,
}

/// Which part of an address, RFC 5228 §2.7.4, 5233.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SieveAddressPart {
    All,
    Local,
    Domain,
    User,
    Detail,
}

/// What a test says about how it compares.
#[derive(Debug, Clone, Copy)]
pub(super) struct Matching {
    pub(super) kind: MatchType,
    pub(super) collation: Collation,
    pub(super) part: SieveAddressPart,
}

/// What a test takes a field for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ComparisonKind {
    /// One line of text.
    Text,
    /// The text parts of the message.
    Body,
    /// An address; patterns see it with its name.
    Address,
    /// The same, but the local part is meant.
    Local,
    /// A domain.
    Domain,
}

/// Reads match type, comparator and part; `more` are the other tags that the test may
/// have.
pub(super) fn matching(arguments: &Arguments<'_>, more: &[&str]) -> Result<Matching, String> {
    let mut found = Matching {
        kind: MatchType::Is,
        collation: Collation::Casemap,
        part: SieveAddressPart::All,
    };
    for tag in arguments.tags() {
        match tag {
            other if more.contains(&other) => {}
            "is" => found.kind = MatchType::Is,
            "contains" => found.kind = MatchType::Contains,
            "matches" => found.kind = MatchType::Matches,
            "regex" => found.kind = MatchType::Regex,
            "list" => found.kind = MatchType::List,
            "value" | "count" => {
                let relation = Relation::of(arguments.text(tag).unwrap_or_default())?;
                let count = tag == "count";
                found.kind =
                    if count { MatchType::Count(relation) } else { MatchType::Value(relation) };
            }
            "comparator" => {
                found.collation = match arguments.text(tag).unwrap_or_default() {
                    "i;ascii-casemap" => Collation::Casemap,
                    "i;unicode-casemap" => Collation::Unicode,
                    "i;octet" => Collation::Octet,
                    "i;ascii-numeric" => Collation::Numeric,
                    other => return Err(format!("the comparator `{other}` is not known")),
                };
            }
            "all" => found.part = SieveAddressPart::All,
            "localpart" => found.part = SieveAddressPart::Local,
            "domain" => found.part = SieveAddressPart::Domain,
            "user" => found.part = SieveAddressPart::User,
            "detail" => found.part = SieveAddressPart::Detail,
            "mime" | "anychild" => {
                return Err("headers of the parts of a message cannot be tested".into());
            }
            other => return Err(format!("the argument `:{other}` has no counterpart")),
        }
    }
    Ok(found)
}

impl Matching {
    /// Whether values are compared as texts, not as numbers.
    pub(super) fn is_text(&self) -> bool {
        self.collation != Collation::Numeric
    }

    /// The result for a known value and key; none if it cannot be decided here.
    pub(super) fn fits(&self, value: &str, key: &str) -> Option<bool> {
        let fold = |text: &str| match self.collation {
            Collation::Octet => text.to_owned(),
            _ => text.to_ascii_lowercase(),
        };
        let (value_folded, key_folded) = (fold(value), fold(key));
        Some(match (self.kind, self.collation) {
            (MatchType::Is, Collation::Numeric) => compare_numbers(value, key).is_eq(),
            (MatchType::Is, _) => value_folded == key_folded,
            (MatchType::Contains, _) => value_folded.contains(&key_folded),
            (MatchType::Matches, _) => {
                crate::rules::glob::matches(&our_glob(&glob(&key_folded)), &value_folded)
            }
            (MatchType::Value(relation), Collation::Numeric) => {
                relation.holds(compare_numbers(value, key))
            }
            (MatchType::Value(relation), _) => relation.holds(value_folded.cmp(&key_folded)),
            (MatchType::Regex | MatchType::Count(_) | MatchType::List, _) => return None,
        })
    }
}

/// The values of a part that match one of the keys.
pub(super) fn fitting(
    values: impl Iterator<Item = String>,
    how: Matching,
    keys: &[String],
) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    for value in values {
        let mut fits = false;
        for key in keys {
            fits |= how.fits(&value, key).ok_or("a part of a date is compared by `:regex`")?;
        }
        if fits {
            found.push(value);
        }
    }
    Ok(found)
}

impl Matching {
    /// Whether the case of some letter of a key counts that our plain tests ignore: that
    /// of letters beyond ASCII, unless a comparator says otherwise (RFC 4790 §9.2).
    fn minds_case(&self, key: &str) -> bool {
        match self.collation {
            Collation::Octet => key.chars().any(char::is_alphabetic),
            Collation::Casemap => key.chars().any(is_cased_beyond_ascii),
            Collation::Unicode | Collation::Numeric => false,
        }
    }

    /// What `:matches` and `:regex` capture of a known value: the whole match first. None
    /// if the key does not match.
    pub(super) fn captured(&self, value: &str, key: &str) -> Result<Option<Vec<String>>, String> {
        let pattern = match self.kind {
            MatchType::Matches => glob_pattern(&glob(key)),
            _ => regex(key, false)?.pattern,
        };
        let case = Config::new().case_insensitive(self.collation != Collation::Octet);
        let pattern = Regex::builder().syntax(case).build(&pattern);
        let pattern = pattern.map_err(|_| "a regular expression that is not known here")?;
        let mut captures = pattern.create_captures();
        pattern.captures(value, &mut captures);
        if !captures.is_match() {
            return Ok(None);
        }
        let text = |group: usize| {
            let span = captures.get_group(group)?;
            value.get(span.range()).map(str::to_owned)
        };
        let groups = 0..captures.group_len();
        Ok(Some(groups.map(|group| text(group).unwrap_or_default()).collect()))
    }
}

/// Per field that a test asks for.
const STEPS_PER_FIELD: usize = 20;

impl Lowering<'_> {
    /// A test of fields of one sort; `captures` if what the wildcards match is used.
    pub(super) fn compare(
        &mut self,
        fields: &[String],
        sort: ComparisonKind,
        how: Matching,
        keys: &[String],
        captures: bool,
    ) -> Result<Cond, String> {
        // Each value of each field is compared with each key.
        self.spend(fields.len().saturating_mul(keys.len() + STEPS_PER_FIELD))?;
        let mut parts: Vec<(&'static str, Vec<Operand>)> = Vec::new();
        let mut known = HashSet::new();
        for key in keys {
            let Some((operator, operand)) = self.test_of(sort, how, key, captures)? else {
                continue;
            };
            if !known.insert((operator, operand.clone())) {
                continue;
            }
            match parts.iter_mut().find(|(known, _)| *known == operator) {
                Some((_, operands)) => operands.push(operand),
                None => parts.push((operator, vec![operand])),
            }
        }
        let mut tests = Vec::new();
        for (operator, values) in parts {
            if !fields.is_empty() {
                tests.push(Cond::Test(Test { fields: fields.to_vec(), operator, values }));
            }
        }
        Ok(Cond::any(tests))
    }

    /// The operator and the value for one key; none if no text can match it.
    fn test_of(
        &mut self,
        sort: ComparisonKind,
        how: Matching,
        key: &str,
        captures: bool,
    ) -> Result<Option<(&'static str, Operand)>, String> {
        let octet = how.collation == Collation::Octet;
        if how.collation == Collation::Numeric || how.minds_case(key) || captures {
            // It becomes a pattern.
            self.spend(PATTERN_STEPS / 4 + key.len())?;
        }
        if how.collation == Collation::Numeric {
            let relation = match how.kind {
                MatchType::Is => Relation::Equal,
                MatchType::Value(relation) => relation,
                _ => return Err("i;ascii-numeric compares whole numbers only".into()),
            };
            if matches!(
                sort,
                ComparisonKind::Address | ComparisonKind::Local | ComparisonKind::Body
            ) {
                return Err("only headers are compared as numbers".into());
            }
            let pattern = number_pattern(relation, key);
            return Ok(pattern.map(|pattern| ("matches", Operand::Pattern(pattern, false))));
        }
        match how.kind {
            MatchType::Regex => return self.regex_test(sort, key, octet, captures).map(Some),
            MatchType::Matches => {
                let parts = glob(key);
                for part in &parts {
                    if let Glob::Text(text) = part {
                        self.judge_text(text, how.collation)?;
                    }
                }
                let beyond = how.minds_case(key);
                let wild = parts.iter().any(|part| !matches!(part, Glob::Text(_)));
                if beyond || captures && (wild || self.whole) {
                    let mut pattern = glob_pattern(&parts);
                    if captures && self.whole {
                        pattern = as_group(&pattern, true, true);
                    }
                    return self.pattern_on(sort, &pattern, true, true, octet).map(Some);
                }
                return Ok(Some(glob_test(sort, &parts)));
            }
            // Every address has a local part.
            MatchType::Value(Relation::Equal) | MatchType::Is
                if sort == ComparisonKind::Local && key.is_empty() =>
            {
                return Ok(None);
            }
            MatchType::Value(Relation::Equal) | MatchType::Is => {
                self.judge_text(key, how.collation)?;
                if sort == ComparisonKind::Body {
                    self.approximately("a body is compared without its final line end");
                }
                if how.minds_case(key) {
                    let pattern = format!("^{}$", casemap_literal(key));
                    return self.pattern_on(sort, &pattern, true, true, octet).map(Some);
                }
                return Ok(Some(is_test(sort, key)));
            }
            MatchType::Contains => {}
            MatchType::Value(_) => {
                return Err("texts are not compared by their order here".into());
            }
            MatchType::Count(_) => return Err("values are not counted (`:count`)".into()),
            MatchType::List => return Err("lists are for addresses and headers".into()),
        }
        self.judge_text(key, how.collation)?;
        if how.minds_case(key) {
            let pattern = casemap_literal(key);
            return self.pattern_on(sort, &pattern, false, false, octet).map(Some);
        }
        let parts = [Glob::Star, Glob::Text(key.to_owned()), Glob::Star];
        Ok(Some(glob_test(sort, if key.is_empty() { &parts[..1] } else { &parts })))
    }

    /// Finds text that cannot match here as it does in Sieve: our values have single
    /// blanks, and letters in one normal form.
    fn judge_text(&mut self, text: &str, collation: Collation) -> Result<(), String> {
        let blank = |c: char| c.is_whitespace();
        if text.chars().any(|c| blank(c) && c != ' ') || text.contains("  ") {
            return Err("white space of any kind and length is one blank here".into());
        }
        if text.chars().any(char::is_control) {
            return Err("a control character in a text".into());
        }
        if collation != Collation::Unicode && fold::normalize(text) != text {
            self.approximately("the width and form of letters beyond ASCII do not count here");
        }
        Ok(())
    }

    /// Whether a pattern of ours captures what POSIX would.
    pub(super) fn captures_as_posix(&mut self, pattern: &str, case: bool) -> Result<bool, String> {
        self.spend(LONGEST_STEPS)?;
        Ok(is_longest_first(pattern, case))
    }

    fn regex_test(
        &mut self,
        sort: ComparisonKind,
        key: &str,
        case: bool,
        captures: bool,
    ) -> Result<(&'static str, Operand), String> {
        let address = matches!(sort, ComparisonKind::Address | ComparisonKind::Local);
        if is_perl(key) {
            let line = matches!(sort, ComparisonKind::Text | ComparisonKind::Domain);
            let why = "a group with `(?` in a regular expression";
            // That is how it is compared anyway.
            let rest = key.strip_prefix("(?i)").filter(|rest| !case && means_the_same(rest));
            if let Some(rest) = rest.filter(|_| captures || !line) {
                self.remark(READ_AS_IN_PERL);
                return self.regex_test(sort, rest, case, captures);
            }
            if captures || !line {
                return Err(why.into());
            }
            let (pattern, _) = perl::translate(key, None).map_err(|_| why)?;
            self.spend(PATTERN_STEPS + 2 * key.len() + pattern::list_cost(&pattern) / 64)?;
            if pattern::build(&pattern, case, Engine::Full).is_err() {
                return Err("a regular expression that is not known here".into());
            }
            self.remark(READ_AS_IN_PERL);
            return Ok(("matches", Operand::Pattern(pattern, case)));
        }
        let mut found = regex(key, address)?;
        if captures && !self.captures_as_posix(&found.pattern, case)? {
            self.approximately("the first text that fits is captured, not the longest");
        }
        if captures && self.whole {
            let (start, end) = (found.start && !found.branches, found.end && !found.branches);
            found.pattern = as_group(&found.pattern, start, end);
        }
        self.spend(PATTERN_STEPS + 2 * key.len() + pattern::list_cost(&found.pattern) / 64)?;
        if pattern::build(&found.pattern, case, Engine::Full).is_err() {
            return Err("a regular expression that is not known here".into());
        }
        if !address {
            return Ok(("matches", Operand::Pattern(found.pattern, case)));
        }
        if found.branches && (found.start || found.end) {
            return Err("alternatives with anchors in a regular expression for addresses".into());
        }
        self.pattern_on(sort, &found.pattern, found.start, found.end, case)
    }

    /// A pattern with its anchors, on a field of that sort.
    fn pattern_on(
        &mut self,
        sort: ComparisonKind,
        pattern: &str,
        start: bool,
        end: bool,
        case: bool,
    ) -> Result<(&'static str, Operand), String> {
        let pattern = match sort {
            ComparisonKind::Text | ComparisonKind::Domain | ComparisonKind::Body => {
                pattern.to_owned()
            }
            ComparisonKind::Address | ComparisonKind::Local => {
                let inner = pattern.strip_prefix("(?s)").unwrap_or(pattern);
                let inner = if start { inner.strip_prefix('^').unwrap_or(inner) } else { inner };
                let inner = if end { inner.strip_suffix('$').unwrap_or(inner) } else { inner };
                let inner = inner.replace("(.*?)", "([^<>]*?)").replace("(.)", "([^<>])");
                on_address(&inner, start, end, if sort == ComparisonKind::Local { "@" } else { "" })
            }
        };
        Ok(("matches", Operand::Pattern(pattern, case)))
    }
}

/// Whether a pattern means the same in Perl's expressions and in POSIX's.
fn means_the_same(pattern: &str) -> bool {
    let repeats = |c: char| "?+*}".contains(c);
    let pairs = pattern.chars().zip(pattern.chars().skip(1));
    !pattern.starts_with(repeats)
        && pairs.into_iter().all(|(c, next)| match c {
            '\\' => next.is_ascii_punctuation(),
            '(' | '|' => !repeats(next),
            _ => !(repeats(c) && repeats(next)),
        })
}

/// Whether a regular expression is one of Perl's and none of POSIX: a group begins with
/// `(?`.
fn is_perl(pattern: &str) -> bool {
    let escaped = |at: usize| {
        let before = pattern.get(..at).unwrap_or_default();
        let backslashes = before.len() - before.trim_end_matches('\\').len();
        backslashes % 2 == 1
    };
    pattern.match_indices("(?").any(|(at, _)| !escaped(at))
}

/// A glob as the simplest test that expresses it.
fn glob_test(sort: ComparisonKind, parts: &[Glob]) -> (&'static str, Operand) {
    if sort == ComparisonKind::Local {
        return ("like", Operand::Text(format!("{}@*", our_glob(parts))));
    }
    let stars = |text: &str| text.starts_with('*') || text.ends_with('*') || text == " ";
    match parts {
        [] => is_test(sort, ""),
        [Glob::Text(text)] => is_test(sort, text),
        // A name is not part of the address.
        [Glob::Star, Glob::Text(text), Glob::Star]
            if sort != ComparisonKind::Address && !stars(text) =>
        {
            ("contains", Operand::Text(text.clone()))
        }
        [Glob::Text(text), Glob::Star] if !stars(text) => ("starts", Operand::Text(text.clone())),
        [Glob::Star, Glob::Text(text)] if !stars(text) && sort != ComparisonKind::Body => {
            ("ends", Operand::Text(text.clone()))
        }
        _ => ("like", Operand::Text(our_glob(parts))),
    }
}

fn is_test(sort: ComparisonKind, key: &str) -> (&'static str, Operand) {
    match sort {
        ComparisonKind::Local => ("like", Operand::Text(format!("{}@*", glob_literal(key)))),
        // `check` takes these for slips, so they are expressed differently.
        ComparisonKind::Address if !key.contains('@') && !key.is_empty() => {
            let pattern = on_address(&pattern_literal(key), true, true, "");
            ("matches", Operand::Pattern(pattern, false))
        }
        ComparisonKind::Domain if key.contains('@') => {
            ("matches", Operand::Pattern(format!("^{}$", pattern_literal(key)), false))
        }
        _ if key.starts_with('*') || key.ends_with('*') => {
            ("like", Operand::Text(glob_literal(key)))
        }
        _ => ("is", Operand::Text(key.to_owned())),
    }
}
