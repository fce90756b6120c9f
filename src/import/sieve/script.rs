//! What can be seen in commands without walking through them.

use std::collections::HashSet;

use super::parse::{Argument, Node};
use super::refusals::is_added;
use crate::import::ir::{Cond, Mark};

/// Whether a command does anything.
pub(super) fn is_real(node: &Node) -> bool {
    !matches!(node.name.as_str(), "" | "require")
}

/// How many blocks of actions there are.
pub(super) fn leaves(nodes: &[Node]) -> usize {
    let mut count = 0;
    let mut in_run = false;
    for node in nodes {
        match &node.block {
            Some(_) if is_added(node) => {}
            Some(block) => {
                count += leaves(block).max(1);
                in_run = false;
            }
            None if !is_real(node) => {}
            None if node.name == "set" => {}
            None => {
                count += usize::from(!in_run);
                in_run = true;
            }
        }
    }
    count.max(usize::from(nodes.iter().any(is_real)))
}

/// Whether a block surely ends the script.
pub(super) fn ends(nodes: &[Node]) -> bool {
    nodes.iter().any(|node| matches!(node.name.as_str(), "stop" | "discard" | "reject" | "ereject"))
}

/// Whether `${1}` or similar occurs in it.
pub(super) fn uses_captures(nodes: &[Node]) -> bool {
    uses(nodes, &is_number)
}

/// Whether a test asks for a folder in whose name `${1}` is, and nothing else for that.
pub(super) fn asks_captured_folder(node: &Node) -> bool {
    match node.tests.as_slice() {
        [] => node.name == "mailboxexists" && uses_captures(std::slice::from_ref(node)),
        tests => {
            tests.iter().any(asks_captured_folder)
                && tests.iter().all(|test| {
                    asks_captured_folder(test) || !uses_captures(std::slice::from_ref(test))
                })
        }
    }
}

fn is_number(after: &str) -> bool {
    after.starts_with(|c: char| c.is_ascii_digit())
}

/// Whether something that fits comes after a `${` in a text.
fn in_text(text: &str, fits: &dyn Fn(&str) -> bool) -> bool {
    text.match_indices("${").any(|(at, _)| text.get(at + 2..).is_some_and(fits))
}

/// Whether `${0}` occurs in it.
pub(super) fn uses_whole(nodes: &[Node]) -> bool {
    let is_zero = |after: &str| after.trim_start_matches('0').len() < after.len();
    uses(nodes, &|after| is_zero(after) && after.trim_start_matches('0').starts_with('}'))
}

/// Whether something that fits comes after a `${` in it.
fn uses(nodes: &[Node], fits: &dyn Fn(&str) -> bool) -> bool {
    nodes.iter().any(|node| {
        let in_argument = |argument: &Argument| match argument {
            Argument::Strings(texts) => texts.iter().any(|text| in_text(text, fits)),
            _ => false,
        };
        node.arguments.iter().any(in_argument)
            || uses(&node.tests, fits)
            || node.block.as_deref().is_some_and(|block| uses(block, fits))
    })
}

/// Names of variables that commands set, and whether they set flags.
pub(super) fn changed(nodes: &[Node], names: &mut Vec<String>, flags: &mut bool) {
    for node in nodes {
        let texts: Vec<&String> = node
            .arguments
            .iter()
            .filter_map(|argument| match argument {
                Argument::Strings(texts) => texts.first(),
                _ => None,
            })
            .collect();
        match node.name.as_str() {
            "set" => names.extend(texts.first().map(|name| (*name).clone())),
            "setflag" | "addflag" | "removeflag" if texts.len() > 1 => {
                names.extend(texts.first().map(|name| (*name).clone()));
            }
            "setflag" | "addflag" | "removeflag" => *flags = true,
            _ => {}
        }
        changed(node.block.as_deref().unwrap_or_default(), names, flags);
    }
}

/// Whether its tests ask for headers, or for what depends on them.
pub(super) fn asks_for_header(node: &Node) -> bool {
    const OTHERS: [&str; 10] = [
        "allof",
        "anyof",
        "not",
        "true",
        "false",
        "envelope",
        "string",
        "hasflag",
        "currentdate",
        "environment",
    ];
    node.tests.iter().any(|test| !OTHERS.contains(&test.name.as_str()) || asks_for_header(test))
}

/// Whether it may change when a message expires.
pub(super) fn has_expire(node: &Node) -> bool {
    let block = node.block.as_deref().unwrap_or_default();
    matches!(node.name.as_str(), "expire" | "unexpire") || block.iter().any(has_expire)
}

/// Variables whose value depends on the path taken: set in a branch, or twice.
pub(super) fn changing(
    nodes: &[Node],
    in_branch: bool,
    seen: &mut HashSet<String>,
    found: &mut HashSet<String>,
) {
    for node in nodes {
        if matches!(node.name.as_str(), "set" | "setflag" | "addflag" | "removeflag")
            && let Some(Argument::Strings(texts)) =
                node.arguments.iter().find(|argument| matches!(argument, Argument::Strings(_)))
            && let [name] = texts.as_slice()
        {
            let name = name.to_ascii_lowercase();
            if in_branch || !seen.insert(name.clone()) {
                found.insert(name);
            }
        }
        changing(node.block.as_deref().unwrap_or_default(), true, seen, found);
    }
}

pub(super) fn includes(nodes: &[Node]) -> bool {
    nodes.iter().any(|node| node.name == "include" || node.block.as_deref().is_some_and(includes))
}

/// The folders that are named.
pub(super) fn folders(nodes: &[Node], names: &mut Vec<String>) {
    for node in nodes {
        if matches!(node.name.as_str(), "fileinto" | "mailboxexists")
            && let Some(Argument::Strings(texts)) =
                node.arguments.iter().rfind(|argument| matches!(argument, Argument::Strings(_)))
        {
            names.extend(texts.iter().cloned());
        }
        folders(&node.tests, names);
        folders(node.block.as_deref().unwrap_or_default(), names);
    }
}

/// The name that a web mailer gives a rule in a comment: Roundcube, Nextcloud and
/// Open-Xchange, sievelib and Modoboa, Ingo.
pub(super) fn label(comment: &str) -> Option<String> {
    let text = comment.trim_start_matches('#').trim();
    if let Some(inner) = text.strip_prefix("rule:[") {
        return Some(inner.strip_suffix(']').unwrap_or(inner).trim().to_owned())
            .filter(|name| !name.is_empty());
    }
    if let Some((_, name)) = text.split_once("|Rulename:") {
        return Some(name.trim().to_owned()).filter(|name| !name.is_empty());
    }
    const BEGINNINGS: [&str; 6] =
        ["Filter:", "Rule:", "Rule name:", "filter name:", "Name:", "SCRIPTNAME:"];
    let name = BEGINNINGS.iter().find_map(|begin| {
        let start = text.get(..begin.len())?;
        start.eq_ignore_ascii_case(begin).then(|| text.get(begin.len()..))?
    })?;
    // Nextcloud keeps all filters there, as JSON.
    Some(name.trim().to_owned()).filter(|name| !name.is_empty() && !name.starts_with("[{"))
}

/// Whether a test sets what `${1}` means.
pub(super) fn may_capture(node: &Node) -> bool {
    let matches = |argument: &Argument| matches!(argument, Argument::Tag(tag) if tag == "matches" || tag == "regex");
    if node.name == "not" {
        return false;
    }
    node.arguments.iter().any(matches) || node.tests.iter().any(may_capture)
}

/// Whether a test may change what `${1}` means, even by a part that does not hold in the
/// end.
pub(super) fn may_match(node: &Node) -> bool {
    may_capture(node) || node.tests.iter().any(may_match)
}

/// RFC 5322 §3.6.8
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':')
}

/// Seconds as a duration of ours.
pub(super) fn duration(seconds: u64) -> String {
    match seconds {
        _ if seconds.is_multiple_of(86_400) => format!("{}d", seconds / 86_400),
        _ if seconds.is_multiple_of(3600) => format!("{}h", seconds / 3600),
        _ if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

/// Whether a flag was set so far.
pub(super) fn is_set(flag: &Mark) -> Cond {
    match flag {
        Mark::Flag(word) => Cond::Word((*word).to_owned()),
        Mark::Keyword(word) => Cond::texts("keyword", "is", [word.clone()]),
    }
}

/// The part of a test that is evaluated first, whatever the message.
pub(super) fn first_evaluated(test: &Node) -> &Node {
    test.tests.first().map_or(test, first_evaluated)
}
