//! `--help` in a language other than English: clap writes its headings in English and
//! breaks lines only at spaces, so the page is built here.

use std::ffi::OsString;
use std::fmt::Write;

use clap::error::ErrorKind;
use clap::{Arg, Command, CommandFactory, Error};
use unicode_width::UnicodeWidthStr;

use super::args::Args;
use super::output;
use crate::language::Language;
use crate::page::{width, wrapped};
use crate::translation::translated;

/// With fewer columns for its text, a list has the text below the name.
const NARROW: usize = 30;

/// The command line, with its help in the language of the locale.
pub(super) fn command() -> Command {
    match Language::of_locale() {
        Language::English => Args::command(),
        language => in_language(Args::command(), language, width(output::columns())),
    }
}

/// The output of clap: help in the language of the locale, everything else in English.
pub(super) fn translated_error(error: Error, arguments: &[OsString]) -> Error {
    use ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand};
    let is_help = matches!(error.kind(), DisplayHelp | DisplayHelpOnMissingArgumentOrSubcommand);
    if !is_help || Language::of_locale() == Language::English {
        return error;
    }
    command().try_get_matches_from(arguments).err().unwrap_or(error)
}

/// The command and its subcommands, with their help on a page of `columns` columns.
fn in_language(mut command: Command, language: Language, columns: usize) -> Command {
    command.build();
    with_page(command, &Page { language, columns })
}

fn with_page(mut command: Command, page: &Page) -> Command {
    let text = page.of(&mut command);
    command.override_help(text).mut_subcommands(|command| with_page(command, page))
}

struct Page {
    language: Language,
    columns: usize,
}

impl Page {
    fn of(&self, command: &mut Command) -> String {
        let usage = command.render_usage().to_string();
        let header = *command.get_styles().get_header();
        let heading = |english| format!("{header}{}{header:#}", self.say(english));
        let mut out = String::new();
        let about = command.get_long_about().or(command.get_about());
        if let Some(about) = about {
            let _ = writeln!(out, "{}\n", self.paragraphs(&about.to_string()));
        }
        let usage = usage.strip_prefix("Usage:").unwrap_or(&usage).trim();
        let indent = self.say("Usage:").width() + 1;
        let usage: Vec<&str> = usage.lines().map(str::trim).collect();
        let usage = usage.join(&format!("\n{:indent$}", ""));
        let _ = writeln!(out, "{} {usage}", heading("Usage:"));
        let commands = command.get_subcommands().filter(|command| !command.is_hide_set());
        let commands = commands.map(|command| {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            (command.get_name().to_owned(), self.say(&about))
        });
        let arguments = |is_option: bool| {
            let all = command.get_arguments().filter(|arg| !arg.is_hide_set());
            let all = all.filter(move |arg| arg.is_positional() != is_option);
            all.map(|arg| (name(arg), self.about(arg))).collect()
        };
        for (english, entries) in [
            ("Commands:", commands.collect()),
            ("Arguments:", arguments(false)),
            ("Options:", arguments(true)),
        ] {
            if !Vec::is_empty(&entries) {
                let _ = write!(out, "\n{}\n{}", heading(english), self.list(command, &entries));
            }
        }
        if let Some(text) = command.get_after_help() {
            let _ = writeln!(out, "\n{}", self.paragraphs(&text.to_string()));
        }
        out
    }

    fn say(&self, text: &str) -> String {
        translated(text, self.language).into_owned()
    }

    fn paragraphs(&self, text: &str) -> String {
        let text = self.say(text);
        let each = text.lines().map(|line| wrapped(line, self.columns));
        each.collect::<Vec<_>>().join("\n")
    }

    /// The description of an argument, with its possible values.
    fn about(&self, arg: &Arg) -> String {
        let text = arg.get_long_help().or(arg.get_help());
        let mut about = self.say(&text.map(ToString::to_string).unwrap_or_default());
        if !arg.get_action().takes_values() {
            return about;
        }
        let values = |values: Vec<&str>| values.join(", ");
        let defaults = arg.get_default_values().iter().filter_map(|value| value.to_str());
        let defaults = values(defaults.collect());
        if !defaults.is_empty() {
            let _ = write!(about, " [{} {defaults}]", self.say("default:"));
        }
        let possible = arg.get_possible_values();
        let possible = values(possible.iter().map(|value| value.get_name()).collect());
        if !possible.is_empty() {
            let _ = write!(about, " [{} {possible}]", self.say("possible values:"));
        }
        about
    }

    /// A list of names, with their descriptions next to or below them.
    fn list(&self, command: &Command, entries: &[(String, String)]) -> String {
        let widest = entries.iter().map(|(name, _)| name.width()).max().unwrap_or_default();
        let is_narrow = self.columns < widest + 4 + NARROW;
        let indent = if is_narrow { 10 } else { widest + 4 };
        let literal = *command.get_styles().get_literal();
        let mut out = String::new();
        for (name, about) in entries {
            let _ = write!(out, "  {literal}{name}{literal:#}");
            let about = wrapped(about, self.columns.saturating_sub(indent));
            let mut gap = indent.saturating_sub(2 + name.width());
            if is_narrow {
                out.push('\n');
                gap = indent;
            }
            for line in about.lines() {
                let _ = writeln!(out, "{:gap$}{line}", "");
                gap = indent;
            }
        }
        out
    }
}

/// The name of an argument: `-f, --sender <ADDR>`
fn name(arg: &Arg) -> String {
    match (arg.get_short(), arg.get_long()) {
        (Some(short), Some(_)) => format!("-{short}, {arg}"),
        (None, Some(_)) => format!("    {arg}"),
        _ => arg.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every text of a command and its subcommands.
    fn texts(command: &Command, all: &mut Vec<String>) {
        let of_command = [
            command.get_about(),
            command.get_long_about(),
            command.get_before_help(),
            command.get_before_long_help(),
            command.get_after_help(),
            command.get_after_long_help(),
        ];
        all.extend(of_command.into_iter().flatten().map(ToString::to_string));
        for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
            let help = [arg.get_help(), arg.get_long_help()];
            all.extend(help.into_iter().flatten().map(ToString::to_string));
            let values = arg.get_possible_values();
            let values = values.iter().filter_map(|value| value.get_help());
            all.extend(values.map(ToString::to_string));
        }
        command.get_subcommands().for_each(|command| texts(command, all));
    }

    #[test]
    fn every_text_of_the_help_is_translated() {
        let mut command = Args::command();
        command.build();
        let mut all = Vec::new();
        texts(&command, &mut all);
        all.sort();
        all.dedup();
        assert!(all.len() > 100, "{}", all.len());
        all.retain(|text| translated(text, Language::Japanese) == text.as_str());
        assert!(all.is_empty(), "po/ja.po lacks:\n{}", all.join("\n"));
    }

    #[test]
    fn no_line_is_wider_than_the_page() {
        for columns in [40, 78] {
            let command = in_language(Args::command(), Language::Japanese, columns);
            let mut commands = vec![command];
            while let Some(mut command) = commands.pop() {
                commands.extend(command.get_subcommands().cloned());
                let help = command.render_long_help().to_string();
                assert!(help.contains("使い方: mfilter"), "{help}");
                for line in help.lines() {
                    // Usage comes from clap, and a name cannot be wrapped.
                    let is_name = line.trim_start().starts_with(['-', '<', '[']);
                    let is_ours = !is_name && !line.starts_with("使い方: ");
                    assert!(!is_ours || line.width() <= columns, "{columns}: {line}");
                    let text = line.trim_start();
                    assert!(!text.starts_with(['、', '。', '」', '）']), "{line}");
                }
            }
        }
    }
}
