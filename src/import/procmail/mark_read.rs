//! How people have procmail mark mail as read: a copy is stored in a Maildir, and its file,
//! which LASTFOLDER names, moved to `cur` with flags in its name; at once, or by TRAP when
//! procmail ends.

use std::collections::BTreeMap;

use super::read::{NodeKind, RcNode, Recipe, RecipeAction};
use crate::flags::FLAGS;
use crate::import::ir::{Effect, Mark};
use crate::import::shell::{is_program, shell_words, unquoted};

/// Nodes that together store a message with flags.
#[derive(Debug)]
pub(super) struct MarkedDelivery {
    /// The recipe that they amount to.
    pub(super) recipe: Recipe,
    pub(super) marks: Vec<Mark>,
    /// The flags as letters.
    pub(super) letters: String,
    /// How many nodes they are.
    pub(super) nodes: usize,
}

/// Where a file is moved to.
#[derive(Debug, PartialEq)]
struct MovedFile {
    /// The Maildir, as it is written.
    folder: String,
    /// Letters of flags.
    letters: String,
}

/// The delivery with flags that nodes begin with, if they do.
pub(super) fn marked_delivery(nodes: &[RcNode]) -> Option<MarkedDelivery> {
    let (NodeKind::Recipe(stored), NodeKind::Recipe(moves)) =
        (&nodes.first()?.kind, &nodes.get(1)?.kind)
    else {
        return None;
    };
    let is_copy = matches!(stored.action, RecipeAction::Mailbox(_))
        && stored.flags.contains('c')
        && !stored.flags.contains(['h', 'b', 'f']);
    if !is_copy || !asks_for_file_name(moves) || moves.flags.contains(['c', 'f', 'E', 'e']) {
        return None;
    }
    let (moved, nodes, ends) = match &moves.action {
        RecipeAction::Pipe(command) => (moved(command, "MATCH")?, 2, true),
        RecipeAction::Block(inner) => by_trap(inner, nodes.get(2..)?)?,
        _ => return None,
    };
    let marks = moved.letters.chars().map(|letter| {
        FLAGS.iter().find(|(_, known)| *known == letter).map(|(word, _)| Mark::Flag(word))
    });
    let is_kept = |flag: &char| *flag != 'c' || !ends;
    let recipe = Recipe {
        flags: stored.flags.chars().filter(is_kept).collect(),
        conditions: stored.conditions.clone(),
        action: RecipeAction::Mailbox(format!("\"{}/\"", moved.folder)),
    };
    let marks = marks.collect::<Option<_>>()?;
    Some(MarkedDelivery { recipe, marks, letters: moved.letters, nodes })
}

/// Puts flags on deliveries.
pub(super) fn with_marks(effects: &mut [Effect], marks: &[Mark]) {
    for effect in effects {
        if let Effect::Inbox(all) | Effect::Folder(_, all) | Effect::Copy(_, all) = effect {
            all.extend(marks.iter().cloned());
        }
    }
}

/// `* LASTFOLDER ?? \/[^/]+$` and nothing else.
fn asks_for_file_name(recipe: &Recipe) -> bool {
    let [condition] = recipe.conditions.as_slice() else { return false };
    let Some((name, pattern)) = condition.split_once("??") else { return false };
    let file = pattern.trim().rsplit_once("\\/").map(|(_, file)| file);
    name.trim() == "LASTFOLDER"
        && file.is_some_and(|file| ["[^/]+$", "[^/]*$", "[^/]+^^", "[^/]*^^"].contains(&file))
}

/// `{ tail=$MATCH }`, assignments, and a TRAP that moves the file: where, how many nodes
/// all are, and whether procmail ends there.
fn by_trap(inner: &[RcNode], after: &[RcNode]) -> Option<(MovedFile, usize, bool)> {
    let [RcNode { kind: NodeKind::Assign { name: tail, value: Some(value) }, .. }] = inner else {
        return None;
    };
    if !matches!(unquoted(value).as_str(), "$MATCH" | "${MATCH}") {
        return None;
    }
    let mut known = BTreeMap::new();
    for (at, node) in after.iter().enumerate() {
        let NodeKind::Assign { name, value: Some(value) } = &node.kind else { return None };
        let value = inserted(value.trim_matches('"'), &known);
        if name != "TRAP" {
            known.insert(name.as_str(), value);
            continue;
        }
        let value = value.replace("\\\n", " ").replace("||", ";").replace("&&", ";");
        let all: Option<Vec<MovedFile>> =
            value.split(';').map(|command| moved(command, tail)).collect();
        let all = all?;
        let last = all.iter().rfind(|moved| !moved.letters.is_empty())?;
        if all.iter().any(|other| other.folder != last.folder) {
            return None;
        }
        let next = after.get(at + 1).map(|node| &node.kind);
        let ends = matches!(next, Some(NodeKind::Assign { name, value: None }) if name == "HOST");
        let moved = MovedFile { folder: last.folder.clone(), letters: last.letters.clone() };
        return Some((moved, 3 + at + usize::from(ends), ends));
    }
    None
}

/// A text with these variables inserted.
fn inserted(text: &str, known: &BTreeMap<&str, String>) -> String {
    let mut text = text.to_owned();
    for (name, value) in known {
        let sign = format!("${name}");
        text = text.replace(&format!("${{{name}}}"), value);
        let mut parts = text.split(&sign);
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let is_longer = part.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
            out.push_str(if is_longer { &sign } else { value });
            out.push_str(part);
        }
        text = out;
    }
    text
}

/// `mv "$LASTFOLDER" "$FOLDER/cur/$MATCH:2,S"`
fn moved(command: &str, file: &str) -> Option<MovedFile> {
    let words: Vec<String> =
        shell_words(command.trim()).iter().map(|word| unquoted(word)).collect();
    let quiet = words.iter().position(|word| word.starts_with("2>")).unwrap_or(words.len());
    let (program, arguments) = words.get(..quiet)?.split_first()?;
    let arguments: Vec<&str> =
        arguments.iter().map(String::as_str).filter(|word| !word.starts_with('-')).collect();
    let [from, to] = arguments.as_slice() else { return None };
    let is_file = matches!(*from, "$LASTFOLDER" | "${LASTFOLDER}") || from.contains("cur/");
    let (folder, name) = to.split_once("cur/")?;
    let (name, letters) = name.split_once(":2,")?;
    let is_name = name == format!("${file}") || name == format!("${{{file}}}");
    let is_whole = !folder.is_empty() && !folder.contains(['`', '"', '\'']);
    (is_program(program, "mv") && is_file && is_name && is_whole).then(|| MovedFile {
        folder: folder.trim_end_matches('/').to_owned(),
        letters: letters.to_owned(),
    })
}
