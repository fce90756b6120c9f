//! `reject` in a script that may also deliver the message. For Pigeonhole that is a mistake
//! when it happens: it does neither, and the message goes to the inbox. So what delivers
//! or refuses is given a condition of its own: that nothing after it is in conflict with
//! it. A script
//!
//! ```sieve
//! if TEST { reject "no"; }
//! if OTHER { fileinto "x"; }
//! ```
//!
//! is read as if it were
//!
//! ```sieve
//! if TEST { if OTHER { IN_CONFLICT } reject "no"; }
//! if OTHER { fileinto "x"; }
//! ```

use super::parse::{Argument, Node};
use crate::source::Span;

/// A command that no script can have: the message goes to the inbox, and the script ends.
pub(super) const IN_CONFLICT: &str = "kept-in-conflict";

/// How many tests may be added.
const MOST_TESTS: usize = 4000;

/// What is in conflict with a command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ConflictKind {
    /// What delivers or answers: a refusal is.
    Delivery,
    /// A refusal: everything is, another refusal, too.
    Refusal,
}

/// Whether something happens.
#[derive(Debug, Clone)]
enum Occurs {
    Never,
    Always,
    If(Node),
}

/// The script with these conditions; none if that is not needed, or cannot be said.
pub(super) fn without_conflicts(nodes: &[Node]) -> Option<Vec<Node>> {
    if !has_refusal(nodes) {
        return None;
    }
    let mut room = MOST_TESTS;
    guarded(nodes, &[], &mut room)
}

fn has_refusal(nodes: &[Node]) -> bool {
    nodes.iter().any(|node| sort_of(node) == Some(ConflictKind::Refusal))
        || nodes.iter().any(|node| has_refusal(node.block.as_deref().unwrap_or_default()))
}

fn sort_of(node: &Node) -> Option<ConflictKind> {
    match node.name.as_str() {
        "reject" | "ereject" => Some(ConflictKind::Refusal),
        "fileinto" | "keep" | "redirect" | "vacation" => Some(ConflictKind::Delivery),
        _ => None,
    }
}

/// Commands with these conditions; `after` is what follows the block that they are in,
/// from the inside out.
fn guarded(nodes: &[Node], after: &[&[Node]], room: &mut usize) -> Option<Vec<Node>> {
    let mut out: Vec<Node> = Vec::new();
    // Where the commands begin that stand together; only the first of them that delivers or
    // refuses needs a condition, which the others are after.
    let (mut start, mut is_guarded) = (0, false);
    for (at, node) in nodes.iter().enumerate() {
        if node.broken.is_some() {
            return None;
        }
        let stands_alone = node.block.is_some() || matches!(node.name.as_str(), "" | "require");
        // The branches after it are not reached from here.
        let is_branch = |node: &&Node| matches!(node.name.as_str(), "elsif" | "else");
        let rest = nodes.get(at + 1..).unwrap_or_default();
        let skipped = match node.block {
            Some(_) => rest.iter().take_while(is_branch).count(),
            None => 0,
        };
        let rest = rest.get(skipped..).unwrap_or_default();
        let rest: Vec<&[Node]> = std::iter::once(rest).chain(after.iter().copied()).collect();
        if let Some(sort) = sort_of(node).filter(|_| !is_guarded) {
            is_guarded = true;
            let test = match conflict(&rest, sort, node.span, room)? {
                Occurs::Never => None,
                Occurs::Always => Some(Node::new("true", node.span)),
                Occurs::If(test) => Some(test),
            };
            let guard = test.map(|test| Node {
                block: Some(vec![Node::new(IN_CONFLICT, node.span)]),
                ..made("if", node.span, vec![test])
            });
            out.splice(start..start, guard);
        }
        out.push(match &node.block {
            Some(block) => Node { block: Some(guarded(block, &rest, room)?), ..node.clone() },
            None => node.clone(),
        });
        if stands_alone {
            (start, is_guarded) = (out.len(), false);
        }
    }
    Some(out)
}

/// Whether something after a command is in conflict with it.
fn conflict(rest: &[&[Node]], sort: ConflictKind, span: Span, room: &mut usize) -> Option<Occurs> {
    let mut parts = Vec::new();
    // Where it has not ended before.
    let mut open = Occurs::Always;
    for nodes in rest {
        let (occurs, ends) = outcome(nodes, sort, span, room)?;
        parts.push(both(open.clone(), occurs, span));
        open = both(open, not(ends, span), span);
        if matches!(open, Occurs::Never) {
            break;
        }
    }
    Some(any(parts, span))
}

/// Whether commands contain a conflict, and whether the script ends in them.
fn outcome(
    nodes: &[Node],
    sort: ConflictKind,
    span: Span,
    room: &mut usize,
) -> Option<(Occurs, Occurs)> {
    let mut found = Vec::new();
    let mut ended = Vec::new();
    let mut open = Occurs::Always;
    let mut at = 0;
    while let Some(node) = nodes.get(at) {
        at += 1;
        let (occurs, ends) = match node.name.as_str() {
            "stop" => (Occurs::Never, Occurs::Always),
            "if" => {
                let first = at - 1;
                while nodes
                    .get(at)
                    .is_some_and(|node| matches!(node.name.as_str(), "elsif" | "else"))
                {
                    at += 1;
                }
                branches(nodes.get(first..at).unwrap_or_default(), sort, span, room)?
            }
            "" | "require" | "discard" | "set" | "setflag" | "addflag" | "removeflag"
            | "expire" | "unexpire" | "debug_log" => (Occurs::Never, Occurs::Never),
            _ => match (sort_of(node), sort) {
                (Some(ConflictKind::Refusal), _)
                | (Some(ConflictKind::Delivery), ConflictKind::Refusal) => {
                    (Occurs::Always, Occurs::Never)
                }
                (Some(ConflictKind::Delivery), ConflictKind::Delivery) => {
                    (Occurs::Never, Occurs::Never)
                }
                (None, _) => return None,
            },
        };
        found.push(both(open.clone(), occurs, span));
        ended.push(both(open.clone(), ends.clone(), span));
        open = both(open, not(ends, span), span);
        if matches!(open, Occurs::Never) {
            break;
        }
    }
    Some((any(found, span), any(ended, span)))
}

fn branches(
    chain: &[Node],
    sort: ConflictKind,
    span: Span,
    room: &mut usize,
) -> Option<(Occurs, Occurs)> {
    let (mut found, mut ended) = (Vec::new(), Vec::new());
    let mut open = Occurs::Always;
    for node in chain {
        let test = match (node.name.as_str(), node.tests.as_slice()) {
            ("else", []) => Occurs::Always,
            ("if" | "elsif", [test]) => {
                let size = size_of(test)?;
                *room = room.checked_sub(size)?;
                Occurs::If(test.clone())
            }
            _ => return None,
        };
        let block = node.block.as_deref()?;
        let (occurs, ends) = outcome(block, sort, span, room)?;
        let taken = both(open.clone(), test.clone(), span);
        found.push(both(taken.clone(), occurs, span));
        ended.push(both(taken, ends, span));
        open = both(open, not(test, span), span);
    }
    Some((any(found, span), any(ended, span)))
}

/// How many tests are in one that has the same result wherever it is asked.
fn size_of(test: &Node) -> Option<usize> {
    let has_value = |argument: &Argument| matches!(argument, Argument::Strings(texts) if texts.iter().any(|text| text.contains("${")));
    let is_kept = matches!(
        test.name.as_str(),
        "allof"
            | "anyof"
            | "not"
            | "true"
            | "false"
            | "header"
            | "address"
            | "envelope"
            | "exists"
            | "size"
            | "body"
            | "date"
            | "currentdate"
    );
    if !is_kept || test.broken.is_some() || test.arguments.iter().any(has_value) {
        return None;
    }
    let inner = test.tests.iter().map(size_of).sum::<Option<usize>>()?;
    Some(inner + 1)
}

fn both(one: Occurs, other: Occurs, span: Span) -> Occurs {
    match (one, other) {
        (Occurs::Never, _) | (_, Occurs::Never) => Occurs::Never,
        (Occurs::Always, part) | (part, Occurs::Always) => part,
        (Occurs::If(one), Occurs::If(other)) => Occurs::If(made("allof", span, vec![one, other])),
    }
}

fn any(parts: Vec<Occurs>, span: Span) -> Occurs {
    let mut tests = Vec::new();
    for part in parts {
        match part {
            Occurs::Never => {}
            Occurs::Always => return Occurs::Always,
            Occurs::If(test) => tests.push(test),
        }
    }
    match tests.len() {
        0 => Occurs::Never,
        1 => Occurs::If(tests.remove(0)),
        _ => Occurs::If(made("anyof", span, tests)),
    }
}

fn not(of: Occurs, span: Span) -> Occurs {
    match of {
        Occurs::Never => Occurs::Always,
        Occurs::Always => Occurs::Never,
        Occurs::If(test) => Occurs::If(made("not", span, vec![test])),
    }
}

fn made(name: &str, span: Span, tests: Vec<Node>) -> Node {
    Node { tests, ..Node::new(name, span) }
}

/// Whether a branch was added here.
pub(super) fn is_added(node: &Node) -> bool {
    matches!(node.block.as_deref(), Some([only]) if only.name == IN_CONFLICT)
}
