//! The properties of messages by which a user files mail, for `mfilter suggest`.
//!
//! A list or a sender counts only if evidence that a stranger cannot write
//! supports it: a believed result, or the client's name.

use super::condition::Conditions;
use super::with_conditions;
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
    /// Whether the habit may be counted. A rule also matches a list's messages that lack
    /// such a proof.
    pub is_proven: bool,
}

/// What distinguishes a message, each kind at most once.
pub fn habits(program: &CompiledProgram, message: &Message, world: &World) -> Vec<Habit> {
    with_conditions(program, message, world, |conditions| habits_of(&conditions))
}

fn habits_of(conditions: &Conditions<'_>) -> Vec<Habit> {
    let (program, message) = (conditions.program, conditions.message);
    let mut found = Vec::new();
    let mut add = |kind, value: String, is_proven: bool| {
        let is_odd = |letter: char| letter.is_control() || is_invisible(letter);
        if !value.is_empty() && value.len() <= LONGEST && !value.contains(is_odd) {
            found.push(Habit { key: (kind, value), is_proven });
        }
    };
    if let Some(list) = list_address::list_id(message) {
        let is_of_list = |domain: &String| aligned(domain, &list);
        let results = conditions.mail().results();
        let is_proven = results.dkim_domains.iter().any(is_of_list)
            || results.spf == Some(Verdict::Pass) && results.spf_domain.iter().any(is_of_list)
            || client::host(conditions.mail()).iter().any(is_of_list);
        add(HabitKind::ListId, canonical(&list).into_owned(), is_proven);
    }
    let from = message.addresses("from");
    if let [author] = &*from
        && !author.domain.is_empty()
        && verified::find(conditions.mail()).is_some()
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
        detail.filter(|_| conditions.me.is_some_and(|me| me(&plain))).map(str::to_lowercase)
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
        let is_tag = tag.len() <= TAG_LENGTH && tag.chars().any(char::is_alphabetic);
        is_tag.then(|| tag.to_owned())
    });
    if let Some(tag) = tag {
        add(HabitKind::Tag, tag, true);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::testing::{compiled, message};
    use super::*;

    const RULES: &str = "set me [\"taro@example.jp\"]\nset trust [\"mx.example.jp\"]\n";

    /// The conditions that could be proposed for a message, a doubtful one with `?`.
    fn proposed(rules: &str, results: &str, host: &str, head: &str) -> Vec<String> {
        let mail = format!(
            "Authentication-Results: mx.example.jp; {results}\n\
             Received: from out ({host} [192.0.2.1]) by mx.example.jp (Postfix) with ESMTPS id 1; \
             Mon, 1 Jan 2024 00:00:00 +0000\n{head}\n\nhi\n"
        );
        let found = habits(&compiled(rules), &message(&mail), &World::default());
        found
            .into_iter()
            .map(|Habit { key: (kind, value), is_proven }| {
                assert_eq!(kind.condition(&value).split(' ').next(), Some(kind.field()));
                format!("{}{}", kind.condition(&value), if is_proven { "" } else { "?" })
            })
            .collect()
    }

    #[test]
    fn a_sender_counts_if_he_is_verified_and_his_domain_if_it_is_not_everybodys() {
        let habits_of = |results: &str, from: &str| {
            proposed(RULES, results, "out.isp.example", &format!("From: {from}"))
        };
        let pass = |domain: &str| format!("dmarc=pass header.from={domain}");
        assert_eq!(
            habits_of(&pass("shop.example"), "Shop <News@SHOP.example>"),
            ["from is news@shop.example and verified", "from.domain is shop.example and verified"]
        );
        assert_eq!(habits_of("none", "news@shop.example"), Vec::<String>::new());
        assert_eq!(
            habits_of(&pass("gmail.com"), "a@gmail.com"),
            ["from is a@gmail.com and verified"]
        );
        assert_eq!(habits_of(&pass("a.example"), "a@a.example, b@a.example"), Vec::<String>::new());
        assert_eq!(habits_of("none", "nobody"), Vec::<String>::new());
        // A long one is left out, its domain is not.
        let count = |local: usize| {
            habits_of(&pass("a.example"), &format!("{}@a.example", "a".repeat(local))).len()
        };
        let longest = LONGEST - "@a.example".len();
        assert_eq!((count(longest), count(longest + 1)), (2, 1));
    }

    #[test]
    fn a_list_counts_by_what_a_stranger_cannot_write() {
        let habits_of = |results: &str, host: &str, id: &str| {
            let head = format!("DKIM-Signature: d=lists.example\nList-Id: <{id}>");
            proposed(RULES, results, host, &head)
        };
        let (mine, other) = ("out.lists.example", "out.isp.example");
        let id = "users.lists.example";
        let (proven, doubtful) =
            (["list-id is users.lists.example"], ["list-id is users.lists.example?"]);
        assert_eq!(habits_of("none", mine, id), proven);
        assert_eq!(habits_of("none", other, id), doubtful);
        assert_eq!(habits_of("dkim=pass header.d=lists.example", other, id), proven);
        assert_eq!(habits_of("spf=pass smtp.mailfrom=a@lists.example", other, id), proven);
        assert_eq!(habits_of("spf=fail smtp.mailfrom=a@lists.example", other, id), doubtful);
        assert_eq!(habits_of("spf=pass smtp.mailfrom=a@isp.example", other, id), doubtful);
    }

    #[test]
    fn a_detail_counts_if_the_address_is_the_users() {
        let habits_of = |rules: &str, to: &str| {
            proposed(rules, "none", "out.isp.example", &format!("To: {to}"))
        };
        assert_eq!(habits_of(RULES, "x@y.example, Taro+Shop@example.jp"), ["to.detail is shop"]);
        assert_eq!(habits_of(RULES, "jiro+shop@example.jp, taro@example.jp"), Vec::<String>::new());
        assert_eq!(habits_of(RULES, "taro-shop@example.jp"), Vec::<String>::new());
        let other = format!("{RULES}set delimiter \"-\"\n");
        assert_eq!(habits_of(&other, "taro-shop@example.jp"), ["to.detail is shop"]);
        assert_eq!(
            habits_of("set delimiter \"+\"\n", "taro+shop@example.jp"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_tag_is_short_and_at_the_start_of_the_subject() {
        let habits_of = |subject: &str| {
            proposed(RULES, "none", "out.isp.example", &format!("Subject: {subject}"))
        };
        let none = Vec::<String>::new();
        assert_eq!(habits_of("[Users] hello [x]"), ["subject contains [users]"]);
        assert_eq!(habits_of("Re: ] Fwd: x [a] b"), none, "too late");
        assert_eq!(habits_of("Re: Re: Re: [a] b"), ["subject contains [a]"]);
        assert_eq!(habits_of("Re: Re: Re: x[a] b"), none);
        assert_eq!(habits_of("[123] b"), none);
        assert_eq!(habits_of("[a b"), none);
        assert_eq!(habits_of("a]"), none);
        let long = "a".repeat(TAG_LENGTH - 2);
        assert_eq!(habits_of(&format!("[{long}] b")).len(), 1);
        assert_eq!(habits_of(&format!("[{long}a] b")), none);
    }
}
