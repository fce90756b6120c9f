//! Which of several headers a test means, `:index` of RFC 5260 §6, and how many there are,
//! `:count` of RFC 5231. A rule of ours means all headers of a name, and can keep the
//! topmost.

use super::arguments::Arguments;
use super::compare::{ComparisonKind, MatchType, Matching};
use super::context::Lowering;
use super::regex::Relation;
use super::script::is_name;
use crate::import::ir::{Cond, Effect, header};

/// Headers that occur once in a message, RFC 5322 §3.6.
const ONCE: [&str; 11] = [
    "from",
    "sender",
    "reply-to",
    "to",
    "cc",
    "bcc",
    "message-id",
    "in-reply-to",
    "references",
    "subject",
    "date",
];

/// Which of several headers is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occurrence {
    /// Any of them.
    Any,
    /// The topmost.
    First,
    /// Another one.
    Other,
}

impl Occurrence {
    pub(super) fn of(arguments: &Arguments<'_>) -> Result<Occurrence, String> {
        match (arguments.number("index"), arguments.has("last")) {
            (None, false) if !arguments.has("index") => Ok(Occurrence::Any),
            (Some(1), false) => Ok(Occurrence::First),
            (Some(1..), _) => Ok(Occurrence::Other),
            _ => Err("`:index` needs a number from 1, and `:last` an `:index`".into()),
        }
    }

    /// Why it cannot be expressed.
    pub(super) fn unsayable<T>() -> Result<T, String> {
        Err("of several headers, all or the topmost can be tested, and no other (`:index`)".into())
    }
}

impl Lowering<'_> {
    /// Whether headers occur once, as they must; then any of them is the one that is
    /// meant, whatever its number.
    pub(super) fn stand_once(&mut self, names: &[String]) -> bool {
        let once = |name: &String| ONCE.iter().any(|once| name.eq_ignore_ascii_case(once));
        let one = matches!(names, [name] if once(name));
        if one {
            self.approximately("the header is assumed to occur once (`:index`)");
        }
        one
    }

    /// A test of the topmost header of a name, which is kept at the start.
    pub(super) fn topmost(
        &mut self,
        names: &[String],
        how: Matching,
        keys: &[String],
        captures: bool,
    ) -> Result<Cond, String> {
        // Of several names, headers are numbered as they are named.
        let [name] = names else { return Occurrence::unsayable() };
        if !is_name(name) {
            return Ok(Cond::Never);
        }
        let field = header(name);
        let template = format!("{{{field}}}");
        let variable = self.names.of(&format!("{template}:first-{}", name.to_ascii_lowercase()));
        let is_it = |effect: &Effect| matches!(effect, Effect::Let(known, _) if *known == variable);
        if !self.draft.prelude.iter().any(is_it) {
            self.draft.prelude.push(Effect::Let(variable.clone(), template));
        }
        let mut tests = vec![self.compare(
            std::slice::from_ref(&variable),
            ComparisonKind::Text,
            how,
            keys,
            captures,
        )?];
        // An empty one is not a value here.
        let fits = |key: &String| match how.kind {
            MatchType::Regex => how.captured("", key).is_ok_and(|found| found.is_some()),
            _ => how.fits("", key) == Some(true),
        };
        if keys.iter().any(fits) {
            tests.push(Cond::not(Cond::Word(format!("has {variable}"))));
        }
        Ok(Cond::all([Cond::texts(field, "like", ["*"]), Cond::any(tests)]))
    }

    /// How many headers or addresses there are: whether there is any, and how many
    /// recipients.
    pub(super) fn counted_headers(
        &mut self,
        names: &[String],
        relation: Relation,
        keys: &[String],
        addresses: bool,
    ) -> Result<Cond, String> {
        const WHY: &str = "values are not counted (`:count`)";
        let [key] = keys else { return Err(WHY.into()) };
        let there = || {
            let names = names.iter().filter(|name| is_name(name));
            Cond::any(names.map(|name| Cond::texts(header(name), "like", ["*"])))
        };
        let number = key.trim_start_matches('0');
        match (relation, number) {
            (Relation::GreaterOrEqual, "1") | (Relation::Greater | Relation::NotEqual, "") => {
                return Ok(there());
            }
            (Relation::Less, "1") | (Relation::LessOrEqual | Relation::Equal, "") => {
                return Ok(Cond::not(there()));
            }
            (Relation::GreaterOrEqual, "") => return Ok(Cond::Always),
            _ => {}
        }
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
        let has = |wanted: &str| names.iter().any(|name| name.eq_ignore_ascii_case(wanted));
        let of_recipients = |name: &String| {
            ["to", "cc", "bcc"].iter().any(|known| name.eq_ignore_ascii_case(known))
        };
        let recipients = has("to") && has("cc") && names.iter().all(of_recipients);
        if !(addresses && recipients && is_number && number.len() < 10) {
            return Err(WHY.into());
        }
        self.approximately("all recipients that To, Cc and Bcc name are counted");
        let test = |operator| Cond::plain("recipients", operator, number);
        Ok(match relation {
            Relation::Greater => test(">"),
            Relation::GreaterOrEqual => test(">="),
            Relation::Less => test("<"),
            Relation::LessOrEqual => test("<="),
            Relation::Equal => test("="),
            Relation::NotEqual => Cond::not(test("=")),
        })
    }
}
