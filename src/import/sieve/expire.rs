//! Proton's `expire "day" "14"`: a message is deleted some time after it came. Here it
//! gets a keyword that says so, and an `expire` of ours deletes the messages that have
//! it. `unexpire` removes the keyword; `hasexpiration` and `expiration` ask which one it
//! has.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::act::SieveAct;
use super::arguments::Arguments;
use super::compare::{MatchType, matching};
use super::context::Lowering;
use super::parse::Node;
use super::script::{duration, has_expire, is_set};
use crate::import::ir::{Cond, Effect, KeywordExpiry, Mark};

/// Proton's longest time, in seconds, and so the longest in a rule.
const LONGEST: u64 = 730 * 86_400;

/// If there are more deliveries than this, they stay in place, and what they store does
/// not expire.
const MOST_COPIED: usize = 16;

impl Lowering<'_> {
    /// Has the message expire that long after it came; replaces an earlier time.
    pub(super) fn expire(
        &mut self,
        arguments: &Arguments<'_>,
        acts: &mut Vec<SieveAct>,
    ) -> Result<(), String> {
        arguments.unknown(&[])?;
        self.spend(self.findings.len() * 10)?;
        let unit = seconds_of(arguments.string(0)?)?;
        let count: u64 = match arguments.strings(1) {
            Ok(texts) => {
                let texts = self.constants(texts)?;
                let text = texts.first().map_or("", |text| text.trim());
                text.parse().map_err(|_| format!("`{text}` is not a number"))?
            }
            Err(_) => arguments.number_at(1)?,
        };
        let seconds = count.checked_mul(unit).filter(|all| (1..=LONGEST).contains(all));
        let seconds =
            seconds.ok_or("Proton lets a message expire within two years, and not at once")?;
        if !self.state.stored.is_empty() {
            self.approximately("what was stored before does not expire");
        }
        if self.options.included.is_some() || self.options.category.is_some() {
            return Err("mail expires by the user's own rules alone".into());
        }
        self.expiries.insert(seconds);
        self.draft.note(
            "mail that expires is deleted by `mfilter watch`, or by `mfilter expire` from a \
             timer; its time counts from when it came here or was last changed, and drafts stay",
        );
        self.expires_after(Some(seconds), acts);
        Ok(())
    }

    /// The message does not expire.
    pub(super) fn unexpire(
        &mut self,
        arguments: &Arguments<'_>,
        acts: &mut Vec<SieveAct>,
    ) -> Result<(), String> {
        arguments.unknown(&[])?;
        let expires = self.state.expiry.iter().any(Option::is_some);
        if expires && !self.state.stored.is_empty() {
            self.approximately("what was stored before expires all the same");
        }
        self.expires_after(None, acts);
        Ok(())
    }

    /// The expiry is about the message, wherever it was or will be stored, so it comes
    /// before what stores it here.
    fn expires_after(&mut self, seconds: Option<u64>, acts: &mut Vec<SieveAct>) {
        let before = std::mem::take(&mut self.state.expiry);
        let gone: Vec<Mark> =
            before.iter().filter(|known| **known != seconds).flatten().copied().map(mark).collect();
        self.state.expiry = Rc::new(BTreeSet::from([seconds]));
        self.state.expiry_lost = None;
        let stores = |act: &SieveAct| matches!(act, SieveAct::Store { .. });
        let at = acts.iter().position(stores).unwrap_or(acts.len());
        let unmark = (!gone.is_empty()).then_some(Effect::Unmark(gone));
        let mark = seconds.map(|seconds| Effect::Mark(vec![mark(seconds)]));
        acts.splice(at..at, unmark.into_iter().chain(mark).map(SieveAct::Change));
    }

    /// `hasexpiration`
    pub(super) fn has_expiration(&mut self, arguments: &Arguments<'_>) -> Result<Cond, String> {
        arguments.unknown(&[])?;
        self.expiration(|_| Ok(true))
    }

    /// `expiration :value "ge" "day" "7"`
    pub(super) fn expiration_test(&mut self, arguments: &Arguments<'_>) -> Result<Cond, String> {
        let how = matching(arguments, &[])?;
        let name = arguments.string(0)?;
        let unit = seconds_of(name)?;
        let keys = self.constants(arguments.strings(1)?)?;
        if let MatchType::Regex | MatchType::Count(_) | MatchType::List = how.kind {
            return Err("`expiration` is compared by `:is`, `:contains`, `:matches` and \
                 `:value` alone"
                .into());
        }
        self.expiration(|seconds| {
            if !seconds.is_multiple_of(unit) {
                let how_long = duration(seconds);
                return Err(format!("how many `{name}` Proton counts in {how_long} is not known"));
            }
            let count = (seconds / unit).to_string();
            Ok(keys.iter().any(|key| how.fits(&count, key) == Some(true)))
        })
    }

    /// Whether the message expires at this point, after a time that fits.
    fn expiration(&mut self, fits: impl Fn(u64) -> Result<bool, String>) -> Result<Cond, String> {
        if let Some(why) = &self.state.expiry_lost {
            return Err(why.clone());
        }
        self.draft.note(
            "a message expires where the script says so: none comes with an expiration, as one \
             of another user of Proton may",
        );
        let known = self.state.expiry.clone();
        self.spend(known.len() * 10)?;
        let mut tests = Vec::new();
        let mut all = true;
        for seconds in known.iter() {
            match seconds {
                Some(seconds) if fits(*seconds)? => tests.push(is_set(&mark(*seconds))),
                _ => all = false,
            }
        }
        if all {
            return Ok(Cond::Always);
        }
        self.stateful |= !tests.is_empty();
        Ok(Cond::any(tests))
    }
}

fn seconds_of(unit: &str) -> Result<u64, String> {
    Ok(match unit {
        "day" | "days" => 86_400,
        "hour" | "hours" => 3600,
        "minute" | "minutes" => 60,
        "second" | "seconds" => 1,
        other => {
            let known = "`day`, `hour`, `minute` and `second` are";
            return Err(format!("`{other}` is not known as a unit of time: {known}"));
        }
    })
}

fn mark(seconds: u64) -> Mark {
    Mark::Keyword(keyword(seconds))
}

fn keyword(seconds: u64) -> String {
    format!("expires-{}", duration(seconds))
}

/// The `expire` of ours that deletes what has expired.
pub(super) fn expiry(seconds: u64) -> KeywordExpiry {
    KeywordExpiry { after: duration(seconds), keyword: keyword(seconds) }
}

/// Puts first, before the deliveries, the commands that only say when a message expires:
/// here a delivery has the keywords set by then (`fileinto "A"; if … { expire … }`).
pub(super) fn first(nodes: Vec<Node>) -> Vec<Node> {
    if !nodes.iter().any(has_expire) {
        return nodes;
    }
    let mut out: Vec<Node> = Vec::with_capacity(nodes.len());
    let mut rest = nodes.into_iter().peekable();
    let mut deliveries: Vec<Node> = Vec::new();
    while let Some(mut node) = rest.next() {
        node.block = node.block.map(first);
        if delivers(&node) {
            deliveries.push(node);
            continue;
        }
        if node.name != "if" || deliveries.is_empty() {
            out.append(&mut deliveries);
            out.push(node);
            continue;
        }
        let mut chain = vec![node];
        while let Some(mut node) =
            rest.next_if(|node| matches!(node.name.as_str(), "elsif" | "else"))
        {
            node.block = node.block.map(first);
            chain.push(node);
        }
        let expires = deliveries.len() <= MOST_COPIED && chain.iter().any(has_expire);
        if expires && chain.iter().all(|node| only_expires(node) || ends_by_itself(node)) {
            for node in &mut chain {
                if only_expires(node) {
                    deliver_before_stop(node, &deliveries);
                } else if let Some(block) = node.block.take() {
                    node.block = Some(first(copied(&deliveries).chain(block).collect()));
                }
            }
        } else {
            out.append(&mut deliveries);
        }
        out.append(&mut chain);
    }
    out.append(&mut deliveries);
    out
}

fn delivers(node: &Node) -> bool {
    node.broken.is_none()
        && matches!(
            node.name.as_str(),
            "fileinto" | "keep" | "redirect" | "addflag" | "setflag" | "removeflag"
        )
}

fn asks_for_flags(node: &Node) -> bool {
    node.name == "hasflag" || node.tests.iter().any(asks_for_flags)
}

/// Whether the script ends after a branch, whatever it does.
fn ends_by_itself(node: &Node) -> bool {
    let block = node.block.as_deref().unwrap_or_default();
    let last = block.iter().rfind(|inner| !inner.name.is_empty());
    node.broken.is_none()
        && !asks_for_flags(node)
        && last.is_some_and(|last| last.name == "stop")
        && block.iter().all(|inner| inner.broken.is_none())
}

/// Copies without the comments, which are written once.
fn copied(nodes: &[Node]) -> impl Iterator<Item = Node> + '_ {
    nodes.iter().map(|node| Node { comments: Vec::new(), ..node.clone() })
}

/// Whether a branch only sets the expiry, or ends the script.
fn only_expires(node: &Node) -> bool {
    let fits = |inner: &Node| {
        inner.broken.is_none()
            && (matches!(inner.name.as_str(), "expire" | "unexpire" | "stop" | "")
                || matches!(inner.name.as_str(), "if" | "elsif" | "else") && only_expires(inner))
    };
    node.broken.is_none()
        && !asks_for_flags(node)
        && node.block.as_deref().is_some_and(|block| block.iter().all(fits))
}

fn deliver_before_stop(node: &mut Node, deliveries: &[Node]) {
    let Some(block) = node.block.take() else { return };
    let mut with = Vec::with_capacity(block.len());
    for mut inner in block {
        if inner.name == "stop" {
            with.extend(copied(deliveries));
        }
        deliver_before_stop(&mut inner, deliveries);
        with.push(inner);
    }
    node.block = Some(with);
}
