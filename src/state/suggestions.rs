//! What `suggest` proposed last, and what the user does not want to be proposed.
//!
//! Two files that people can read, too, `suggested` and `never-suggest`: one rule per
//! line with its field, value and folder, separated by tabs.

use std::io;

use super::StateDir;

const LAST: &str = "suggested";
const NEVER: &str = "never-suggest";
/// The longest file, bytes; longer ones are damaged.
const MAX: u64 = 4 << 20;

/// Field, value and folder of a proposed rule.
pub type Suggestion = [String; 3];

/// What was proposed last, in order.
pub fn last(state: &StateDir) -> Vec<Suggestion> {
    read(state, LAST)
}

/// What must not be proposed.
pub fn never(state: &StateDir) -> Vec<Suggestion> {
    read(state, NEVER)
}

/// Keeps what is proposed.
///
/// # Errors
/// The state directory cannot be written.
pub fn keep(state: &StateDir, proposed: &[Suggestion]) -> io::Result<()> {
    write(state, LAST, proposed)
}

/// Records that a rule must not be proposed any more.
///
/// # Errors
/// The state directory cannot be read or written.
pub fn forbid(state: &StateDir, suggestion: &Suggestion) -> io::Result<()> {
    let mut all = lines(&state.read_to_edit(NEVER, MAX)?.unwrap_or_default());
    if !all.contains(suggestion) {
        all.push(suggestion.clone());
    }
    write(state, NEVER, &all)
}

fn read(state: &StateDir, file: &str) -> Vec<Suggestion> {
    lines(&state.read(file, MAX).unwrap_or_default())
}

fn lines(bytes: &[u8]) -> Vec<Suggestion> {
    let text = String::from_utf8_lossy(bytes);
    let line = |line: &str| {
        let parts: Vec<String> = line.split('\t').map(str::to_owned).collect();
        parts.try_into().ok()
    };
    text.lines().filter_map(line).collect()
}

fn write(state: &StateDir, file: &str, all: &[Suggestion]) -> io::Result<()> {
    let text: String = all.iter().map(|suggestion| suggestion.join("\t") + "\n").collect();
    state.replace(file, text.as_bytes())
}
