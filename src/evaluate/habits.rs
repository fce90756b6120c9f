//! The properties of messages by which a user files mail, for `mfilter suggest`.
//!
//! A list or a sender counts only if evidence that a stranger cannot write
//! supports it: a believed result, or the client's name.

use super::Detail;
use super::condition::Conditions;
use super::mail_context::MailContext;
use crate::classify::authentication::Verdict;
use crate::classify::people::is_of_provider;
use crate::classify::{client, list_address, verified};
use crate::message::Message;
use crate::message::address::{Address, split_detail};
use crate::message::domain::{aligned, canonical};
use crate::rules::compiled::CompiledProgram;
use crate::text::is_invisible;
use crate::world::World;

/// Longer values are ignored, bytes.
const LONGEST: usize = 200;
/// How far from the subject's start a `[tag]` may begin, and how long it may be, bytes.
const TAG_START: usize = 12;
const TAG_LENGTH: usize = 40;

/// What distinguishes a message, in the order in which rules are proposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HabitKind {
    /// The list's identifier.
    ListId,
    /// The author.
    From,
    /// The author's domain.
    FromDomain,
    /// The detail of the user's own address.
    Detail,
    /// `[tag]` in the subject.
    Tag,
}

impl HabitKind {
    /// The condition of a rule, with the value as written there.
    pub fn condition(self, value: &str) -> String {
        match self {
            HabitKind::ListId => format!("list-id is {value}"),
            HabitKind::From => format!("from is {value} and verified"),
            HabitKind::FromDomain => format!("from.domain is {value} and verified"),
            HabitKind::Detail => format!("to.detail is {value}"),
            HabitKind::Tag => format!("subject contains {value}"),
        }
    }

    /// The field.
    pub fn field(self) -> &'static str {
        match self {
            HabitKind::ListId => "list-id",
            HabitKind::From => "from",
            HabitKind::FromDomain => "from.domain",
            HabitKind::Detail => "to.detail",
            HabitKind::Tag => "subject",
        }
    }
}

/// A kind, with a message's value.
pub type HabitKey = (HabitKind, String);

/// A message's key, and whether it is proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Habit {
    /// The kind, with the message's value.
    pub key: HabitKey,
    /// Whether it may be counted. A rule also matches a list's messages that lack
    /// such a proof.
    pub is_proven: bool,
}

/// What distinguishes a message, each kind at most once.
pub fn habits(program: &CompiledProgram, message: &Message, world: &World) -> Vec<Habit> {
    let context = MailContext::new(program, world);
    let variable = |name: &str| context.variable(name);
    let people = || context.people();
    let on = Conditions::new(program, message, world, &variable, None, &people, Detail::Plan);
    let mut found = Vec::new();
    let mut add = |kind, value: String, is_proven: bool| {
        let odd = |letter: char| letter.is_control() || is_invisible(letter);
        if !value.is_empty() && value.len() <= LONGEST && !value.contains(odd) {
            found.push(Habit { key: (kind, value), is_proven });
        }
    };
    if let Some(list) = list_address::list_id(message) {
        let speaks = |domain: &String| aligned(domain, &list);
        let results = on.mail().results();
        let is_proven = results.dkim_domains.iter().any(speaks)
            || results.spf == Some(Verdict::Pass) && results.spf_domain.iter().any(speaks)
            || client::host(on.mail()).iter().any(speaks);
        add(HabitKind::ListId, canonical(&list).into_owned(), is_proven);
    }
    let from = message.addresses("from");
    if let [author] = &*from
        && !author.domain.is_empty()
        && verified::find(on.mail()).is_some()
    {
        add(HabitKind::From, author.canonical(), true);
        let domain = canonical(&author.domain);
        if !is_of_provider(&domain) {
            add(HabitKind::FromDomain, domain.into_owned(), true);
        }
    }
    let delimiter = program.settings.delimiter.as_deref().unwrap_or("+");
    let to = message.addresses("to");
    let detail = |address: &Address| {
        let (local, detail) = split_detail(&address.local, delimiter);
        let plain = Address { local: local.to_owned(), ..address.clone() };
        detail.filter(|_| context.knows_me() && context.is_me(&plain)).map(str::to_lowercase)
    };
    if let Some(detail) = to.iter().take(20).find_map(detail) {
        add(HabitKind::Detail, detail, true);
    }
    let subjects = message.texts("Subject");
    let tag = subjects.first().and_then(|text| {
        let text = text.folded();
        let start = text.find('[').filter(|at| *at <= TAG_START)?;
        let end = start + text.get(start..)?.find(']')?;
        let tag = text.get(start..=end)?;
        let fine = tag.len() <= TAG_LENGTH && tag.chars().any(char::is_alphabetic);
        fine.then(|| tag.to_owned())
    });
    if let Some(tag) = tag {
        add(HabitKind::Tag, tag, true);
    }
    found
}
