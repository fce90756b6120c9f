//! The command line: what was asked for, and one file for each command.
//!
//! Delivery is distinguished from the other commands before anything can fail, because a
//! mistake there must end as 75, which defers, and never as one of the codes for which an
//! MTA bounces mail.

mod args;
mod check;
mod check_sieve;
mod commands;
mod completions;
mod current_rules;
mod deliver;
mod explain;
mod expire;
mod fmt;
mod for_user;
mod help;
mod history;
mod import;
mod import_judge;
mod import_mail;
mod import_try;
mod inspect;
mod interrupt;
mod isp_filter;
mod judge;
mod learn;
mod learner;
mod lmtp;
mod lsp;
mod managesieve;
mod move_lock;
mod output;
mod progress;
mod report_bug;
mod screener;
mod setup;
mod sort;
mod start;
mod state;
mod stats;
mod suggest;
mod test;
mod trust;
mod undo;
mod usage;
mod version;
mod watch;
mod why;

use std::ffi::OsString;
use std::io::{IsTerminal, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use crate::language::Language;
use crate::mailbox::renamed_folders;
use crate::maildir::{Location, Place};
use crate::mda::{delivery_context, guarded, location, log, sent_mail, with_mail};
use crate::plan::Folder;
use crate::rules::program::Program;
use crate::source::ReadError;
use crate::state::StateDir;
use crate::user::User;
use crate::world::World;
use args::Args;

/// Where existing mail is filed. Folders that a mail reader has renamed are looked for,
/// so that the rules do not create them again.
///
/// # Errors
/// The home is not known.
fn filing_location(
    maildir: Option<&Path>,
    program: &Program,
    world: &World,
) -> Result<Location, String> {
    let mut location = location(maildir, program, world)?;
    if program.settings.remake_folders == Some(false) {
        let log = log(program, world, StateDir::of(&world.user).as_ref());
        location.renamed = renamed_folders::find_vanished(&location, program, &log);
    }
    Ok(location)
}

/// Runs the program once.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    start::start();
    // An MTA never passes a terminal; a person at one needs an explanation.
    if args::is_delivery(&arguments) && !std::io::stdin().is_terminal() {
        std::panic::set_hook(Box::new(|_| {}));
        let outcome = guarded(|| deliver::run(arguments));
        outcome.tell();
        return ExitCode::from(outcome.exit_code());
    }
    if let Some(role) = lmtp::role(&arguments) {
        return lmtp::play(role);
    }
    if let Some(word) = usage::unknown_command(&arguments) {
        output::error(&word);
        return ExitCode::from(2);
    }
    let args = match Args::try_parse_from(&arguments) {
        Ok(args) if args.command.is_none() && !args.test => {
            output::is_written(help::command().print_help());
            return exit_code(2);
        }
        Ok(args) => args,
        Err(error) => {
            let error = help::translated_error(error, &arguments);
            if let Some(text) = usage::mistake(&error, Language::of_locale()) {
                output::to_stderr(&text);
                return exit_code(2);
            }
            let printed = error.print().and_then(|()| std::io::stdout().flush());
            let is_requested =
                matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            if is_requested {
                output::is_written(printed);
            }
            return exit_code(if is_requested { 0 } else { 2 });
        }
    };
    let result = match &args.command {
        Some(command) => command.run(),
        None => test::run(&args),
    };
    match result {
        Ok(CommandOutcome::Fine) => exit_code(0),
        Ok(CommandOutcome::Found) => exit_code(1),
        Err(CommandError::Mistakes(rendered)) => {
            output::print(&rendered);
            exit_code(1)
        }
        Err(CommandError::Failed(why)) => {
            output::error(&why);
            exit_code(2)
        }
    }
}

/// The folders with these names, each once.
fn named_places(location: &Location, names: &[String]) -> Result<Vec<Place>, String> {
    let mut places: Vec<Place> = Vec::new();
    for name in names {
        let place = location.own_place(&Folder::named(name));
        let place = place.ok_or_else(|| format!("the name of the folder `{name}` is too long"))?;
        if !places.iter().any(|known| known.is(&place)) {
            places.push(place);
        }
    }
    Ok(places)
}

/// Reads standard input, of at most `limit` bytes.
fn read_standard_input(limit: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().take(limit + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("standard input: {error}"))?;
    match bytes.len() as u64 > limit {
        true => Err(format!("standard input: {}", ReadError::TooLarge(limit))),
        false => Ok(bytes),
    }
}

/// The directory of what mfilter remembers about a user.
fn state_of(user: &User) -> Result<StateDir, String> {
    StateDir::of(user).ok_or_else(|| "no home directory is known: set HOME".into())
}

/// The exit code of a command that has finished: a different one if its output could not
/// be written.
fn exit_code(code: u8) -> ExitCode {
    match output::failure() {
        Some(why) => {
            output::error(&why);
            ExitCode::from(2)
        }
        None => ExitCode::from(code),
    }
}

/// The result of a command other than delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CommandOutcome {
    /// Nothing is wrong: exit 0.
    Fine,
    /// A mistake, an unformatted file, a failed `expect`: exit 1.
    Found,
}

impl CommandOutcome {
    /// `Found` if there is something that the caller should look at.
    fn found_if(found: bool) -> CommandOutcome {
        if found { CommandOutcome::Found } else { CommandOutcome::Fine }
    }
}

/// Why a command did nothing.
#[derive(Debug)]
enum CommandError {
    /// The rules have mistakes, drawn as `check` shows them: exit 1.
    Mistakes(String),
    /// Anything else, in a sentence: exit 2.
    Failed(String),
}

impl CommandError {
    /// The error, after a note on what the mistakes have prevented.
    fn preventing(self, note: &str) -> CommandError {
        if let CommandError::Mistakes(_) = self {
            output::error(note);
        }
        self
    }
}

impl From<String> for CommandError {
    fn from(why: String) -> CommandError {
        CommandError::Failed(why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Outcome;

    #[test]
    fn a_panic_defers() {
        let outcome = guarded(|| panic!("a mistake of ours"));
        assert_eq!(outcome.exit_code(), 75);
        assert_eq!(guarded(|| Outcome::Delivered).exit_code(), 0);
        // This needs panics that unwind, in every profile.
        let manifest = include_str!("../../Cargo.toml");
        assert!(!manifest.contains("panic = "), "no profile may abort");
    }
}
