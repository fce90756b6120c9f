//! What is wrong with a command line. clap reports it in English; this file translates it
//! into the language of the locale, line by line.

use std::ffi::OsString;

use clap::Error;
use clap::error::ErrorKind;

use super::commands::Command;
use crate::language::Language;
use crate::spelling::nearest;
use crate::translation::translated;

/// The labels at the start of clap's lines.
const LABELS: [&str; 3] = ["error:", "tip:", "Usage:"];

/// What is wrong, in a language other than English. `None` for English, and if help or
/// the version was asked for.
pub(super) fn mistake(error: &Error, language: Language) -> Option<String> {
    use ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion};
    let is_help = matches!(
        error.kind(),
        DisplayHelp | DisplayVersion | DisplayHelpOnMissingArgumentOrSubcommand
    );
    if is_help || language == Language::English {
        return None;
    }
    let text = error.render().to_string();
    Some(text.lines().map(|line| in_language(line, language) + "\n").collect())
}

fn in_language(line: &str, language: Language) -> String {
    let text = line.trim_start();
    let (indent, _) = line.split_at(line.len() - text.len());
    for label in LABELS {
        if let Some(rest) = text.strip_prefix(label) {
            let [label, rest] = [label, rest.trim_start()].map(|text| translated(text, language));
            return format!("{indent}{label} {rest}");
        }
    }
    format!("{indent}{}", translated(text, language))
}

/// What is wrong with a first word that is not a command.
pub(super) fn unknown_command(arguments: &[OsString]) -> Option<String> {
    let word = arguments.get(1)?.to_str()?;
    let names = Command::NAMES;
    let tests = arguments.iter().any(|argument| argument == "--test");
    if word.is_empty() || word.starts_with('-') || tests || word == "help" || names.contains(&word)
    {
        return None;
    }
    let meant = match nearest(word, names) {
        _ if word == "test" => String::from("did you mean `mfilter --test`?"),
        Some(near) => format!("did you mean `mfilter {near}`?"),
        None => format!("the commands are {}", names.join(", ")),
    };
    Some(format!("there is no command `{word}`; {meant}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::args::Args;
    use super::*;

    #[test]
    fn each_line_of_a_mistake_is_translated() {
        let calls: [&[&str]; 10] = [
            &["sort", "--mooved"],
            &["sort", "--dry-rn"],
            &["stats", "more"],
            &["why"],
            &["learn", "--undo=yes"],
            &["import"],
            &["import", "sieve", "a", "--separator"],
            &["completions", "tcl"],
            &["completions", "bsh"],
            &["history", "--diff", "1", "--diff", "2"],
        ];
        for call in calls {
            let arguments = ["mfilter"].iter().chain(call);
            let error = Args::try_parse_from(arguments).err().unwrap_or_else(|| panic!("{call:?}"));
            assert_eq!(mistake(&error, Language::English), None);
            let text = mistake(&error, Language::Japanese);
            assert_eq!(text.is_none(), *call == ["import"], "its help: {call:?}");
            let text = text.unwrap_or_default();
            for line in text.lines() {
                let is_name = line.trim_start().starts_with(['<', '-', 'm']);
                assert!(is_name || line.is_empty() || !line.is_ascii(), "{call:?}: {line}");
            }
        }
    }
}
