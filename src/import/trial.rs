//! What foreign rules do with a message, according to the program that they were written
//! for: they are rewritten so that it delivers nothing, and writes a line for each
//! delivery instead.

use std::path::{Path, PathBuf};

use super::IncludeLoader;
use super::folder::MailPlaces;
use super::ir::{Draft, literal};
use super::shell::{is_program, shell_words};

/// How such a line begins.
pub(super) const MARK: &str = "mfilter-trial:";
/// What separates its parts: kind, start, Maildir, inbox, flags, target.
pub(super) const PART: char = '\t';

/// How many files may include each other.
const MAX_INCLUDES: usize = 16;

/// Rules that are being rewritten.
pub(super) struct TrialWriter<'a> {
    pub(super) text: String,
    load: IncludeLoader<'a>,
    /// The files being written, each included by the one before it; the first is the
    /// user's.
    around: Vec<PathBuf>,
}

impl<'a> TrialWriter<'a> {
    pub(super) fn new(path: &Path, load: IncludeLoader<'a>) -> TrialWriter<'a> {
        TrialWriter { text: String::new(), load, around: vec![path.to_owned()] }
    }

    /// Begins an included file, whose path is below that of the user's file. None if it
    /// cannot be read, or includes itself.
    pub(super) fn enter(&mut self, below: &str) -> Option<(PathBuf, Vec<u8>)> {
        let base = self.around.first().and_then(|path| path.parent()).unwrap_or(Path::new(""));
        let path = base.join(below);
        if self.around.contains(&path) || self.around.len() > MAX_INCLUDES {
            return None;
        }
        let bytes = (self.load)(&path).ok()?;
        self.around.push(path.clone());
        Some((path, bytes))
    }

    /// Ends an included file.
    pub(super) fn leave(&mut self) {
        self.around.pop();
    }
}

/// Whether a command runs this program and nothing else.
pub(super) fn runs_only(command: &str, program: &str) -> bool {
    let words = shell_words(command);
    words.first().is_some_and(|word| is_program(word, program))
        && !command.contains(['|', ';', '>', '<', '`', '&'])
}

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrialStep {
    /// Into a folder, none for the inbox, with these flags.
    Stored(Option<String>, String),
    /// To these addresses.
    Forwarded(Vec<String>),
    /// To a program.
    Program,
    /// Nowhere, with this exit status.
    Left(i32),
    /// Somewhere that is not a folder.
    Elsewhere(String),
}

/// The steps in the program's output; none if it did not finish.
pub fn steps(output: &str) -> Option<Vec<TrialStep>> {
    let marked: Vec<&str> =
        output.lines().filter_map(|line| line.trim_start().strip_prefix(MARK)).collect();
    let is_whole = marked.last().is_some_and(|line| !line.starts_with("cc"));
    is_whole.then(|| marked.iter().filter_map(|line| step(line)).collect())
}

fn step(line: &str) -> Option<TrialStep> {
    let mut parts = line.splitn(6, PART);
    let mut next = || parts.next().map(str::trim);
    let (kind, start, maildir, inbox, flags, target) =
        (next()?, next()?, next()?, next()?, next()?, next()?);
    if kind == "exit" {
        return Some(TrialStep::Left(target.parse().unwrap_or(0)));
    }
    if let Some(to) = target.strip_prefix('!') {
        let to = to.split([' ', ',']).filter(|address| !address.is_empty());
        return Some(TrialStep::Forwarded(to.map(str::to_ascii_lowercase).collect()));
    }
    if target.starts_with('|') {
        return Some(TrialStep::Program);
    }
    if target == "/dev/null" {
        return (kind == "to").then_some(TrialStep::Left(0));
    }
    let places = MailPlaces {
        start: start.into(),
        maildir: maildir.into(),
        inbox: inbox.into(),
        named: None,
        one_level: Vec::new(),
    };
    Some(match places.folder(&literal(target), &mut Draft::default()) {
        Ok(folder) => {
            let folder = folder.map(|name| name.replace("{{", "{").replace("}}", "}"));
            TrialStep::Stored(folder, flags.to_owned())
        }
        Err(_) => TrialStep::Elsewhere(target.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        let line = |kind: &str, target: &str| {
            format!("{MARK}{kind}\t~\t~/Maildir\t~/Maildir/\tS\t{target}\n")
        };
        for (kind, target, want) in [
            ("to", "~/Maildir/", TrialStep::Stored(None, "S".into())),
            ("cc", "~/Maildir/", TrialStep::Program),
            ("to", "~/Maildir/.A.B/", TrialStep::Stored(Some("A/B".into()), "S".into())),
            ("to", "! A@b c@d", TrialStep::Forwarded(vec!["a@b".into(), "c@d".into()])),
            ("to", "|x", TrialStep::Program),
            ("exit", "77", TrialStep::Left(77)),
            ("to", "/dev/null", TrialStep::Left(0)),
            ("to", "/etc/x", TrialStep::Elsewhere("/etc/x".into())),
        ] {
            let text = format!("x\n{}", line(kind, target));
            let want = (kind != "cc").then_some(want.clone());
            assert_eq!(steps(&text).map(|steps| steps[0].clone()), want);
        }
        assert_eq!(steps("nothing\n"), None);
        let both = line("cc", "~/Maildir/.A") + &line("to", "~/Maildir/");
        assert_eq!(steps(&both).map(|steps| steps.len()), Some(2));
    }
}
