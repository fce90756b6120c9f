//! Proton's `expire "day" "14"`: a message is deleted some time after it came. Here it
//! gets a keyword that tells so, and a rule has `mfilter sort --all` put it into the trash.

use super::arguments::Arguments;
use super::context::Lowering;
use super::parse::Node;
use super::script::duration;
use crate::import::ir::{Cond, Effect, Mark, Unit};
use crate::source::Span;

/// Proton's longest, seconds; and how long what a rule may say.
const LONGEST: u64 = 730 * 86_400;

/// More deliveries than these stay in their place, and what they store does not expire.
const MOST_COPIED: usize = 16;

impl Lowering<'_> {
    /// The mark of a message that expires.
    pub(super) fn expire(&mut self, arguments: &Arguments<'_>) -> Result<Effect, String> {
        arguments.unknown(&[])?;
        self.spend(self.findings.len() * 10)?;
        let seconds = match arguments.string(0)? {
            "day" | "days" => 86_400,
            "hour" | "hours" => 3600,
            "minute" | "minutes" => 60,
            other => return Err(format!("`{other}` is no unit of time")),
        };
        let count: u64 = match arguments.string(1) {
            Ok(text) => text.trim().parse().map_err(|_| format!("`{text}` is no number"))?,
            Err(_) => arguments.number_at(1)?,
        };
        let seconds = count.checked_mul(seconds).filter(|all| (1..=LONGEST).contains(all));
        let seconds = seconds.ok_or("it expires at a time that cannot be")?;
        if !self.state.stored.is_empty() {
            self.approximately("what was stored before does not expire");
        }
        self.expiries.insert(seconds);
        let how_long = duration(seconds);
        self.approximately(&format!(
            "it is put into Trash, not deleted, {how_long} after it came, and only when \
             `mfilter sort --all` runs: have it run each day"
        ));
        Ok(Effect::Mark(vec![Mark::Keyword(keyword(seconds))]))
    }
}

fn keyword(seconds: u64) -> String {
    format!("expires-{}", duration(seconds))
}

/// The rule by which `mfilter sort` finds what has expired: no message has the keyword
/// when it comes.
pub(super) fn rule(seconds: u64) -> Unit {
    let mut unit = Unit { count: 0, ..Unit::new(Span::default()) };
    let old = Cond::plain("arrived.age", ">", duration(seconds));
    unit.condition = Cond::all([Cond::texts("keyword", "is", [keyword(seconds)]), old]);
    unit.effects.push(Effect::Folder("Trash".into(), Vec::new()));
    unit.falls_through = false;
    unit
}

/// Has what only tells when a message expires stand before its deliveries, since here a
/// delivery takes the keywords that are set by then: `fileinto "A"; if … { expire … }`.
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

fn has_expire(node: &Node) -> bool {
    let block = node.block.as_deref().unwrap_or_default();
    node.name == "expire" || block.iter().any(has_expire)
}

/// Whether the script ends behind a branch, whatever it does.
fn ends_by_itself(node: &Node) -> bool {
    let block = node.block.as_deref().unwrap_or_default();
    let last = block.iter().rfind(|inner| !inner.name.is_empty());
    node.broken.is_none()
        && !asks_for_flags(node)
        && last.is_some_and(|last| last.name == "stop")
        && block.iter().all(|inner| inner.broken.is_none())
}

/// Without the comments, which stand there once.
fn copied(nodes: &[Node]) -> impl Iterator<Item = Node> + '_ {
    nodes.iter().map(|node| Node { comments: Vec::new(), ..node.clone() })
}

/// Whether a branch does no more than that, or ends the script.
fn only_expires(node: &Node) -> bool {
    let fits = |inner: &Node| {
        inner.broken.is_none()
            && (matches!(inner.name.as_str(), "expire" | "stop" | "")
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
