//! The command line: what was asked for, and one file for each command.
//!
//! Delivery is told apart from the other commands before anything can fail,
//! because a mistake there must end as 75, which defers, and never as one of
//! the codes on which an MTA bounces mail.

mod args;
mod check;
mod check_sieve;
mod completions;
mod current_rules;
mod deliver;
mod fmt;
mod history;
mod import;
mod import_mail;
mod import_judge;
mod import_try;
mod inspect;
mod isp_filter;
mod judge;
mod learn;
mod managesieve;
mod output;
mod progress;
mod state;
mod stats;
mod sort;
mod start;
mod test;
mod trust;
mod undo;
mod watch;
mod why;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use jiff::Timestamp;

use crate::deliver::context::{DeliveryContext, PROGRAM_TIMEOUT, SENDMAIL, environment};
use crate::log::Log;
use crate::mailbox::sent::Sent;
use crate::maildir::Location;
use crate::maildir::sharing::Sharing;
use crate::message::Message;
use crate::outcome::Outcome;
use crate::plan::Folder;
use crate::rules::check::resolve;
use crate::rules::program::{self, Program};
use crate::state::StateDir;
use crate::user::User;
use crate::world::World;
use args::{Args, Command};

/// Runs one call of the program.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    start::start();
    // An MTA never hands a terminal over; a person there wants to be told.
    if args::is_delivery(&arguments) && !std::io::stdin().is_terminal() {
        std::panic::set_hook(Box::new(|_| {}));
        let outcome = guarded(|| deliver::run(arguments));
        outcome.tell();
        return ExitCode::from(outcome.exit_code());
    }
    if let Some(word) = args::unknown_command(&arguments) {
        output::error(&word);
        return ExitCode::from(2);
    }
    let args = match Args::try_parse_from(arguments) {
        Ok(args) if args.command.is_none() && !args.test => {
            output::is_written(Args::command().print_help());
            return ended(2);
        }
        Ok(args) => args,
        Err(error) => {
            let printed = error.print().and_then(|()| std::io::stdout().flush());
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            if asked {
                output::is_written(printed);
            }
            return ended(if asked { 0 } else { 2 });
        }
    };
    let result = match &args.command {
        Some(Command::Check(call)) => check::run(call),
        Some(Command::Inspect(call)) => inspect::run(call),
        Some(Command::IspFilter(call)) => isp_filter::run(call),
        Some(Command::Judge(call)) => judge::run(call),
        Some(Command::Fmt(call)) => fmt::run(call),
        Some(Command::Sort(call)) if call.undo => undo::run(call),
        Some(Command::Sort(call)) => sort::run(call),
        Some(Command::Watch(call)) => watch::run(call),
        Some(Command::Learn(call)) => learn::run(call),
        Some(Command::Managesieve(call)) => managesieve::run(call),
        Some(Command::State(call)) => state::run(call),
        Some(Command::Stats(call)) => stats::run(call),
        Some(Command::Why(call)) => why::run(call),
        Some(Command::History(call)) => history::run(call),
        Some(Command::Import(action)) => import::run(action),
        Some(Command::Version) => {
            output::print(&Args::command().render_version());
            Ok(CommandOutcome::Fine)
        }
        Some(Command::Completions(call)) => completions::run(call),
        None => test::run(&args),
    };
    match result {
        Ok(CommandOutcome::Fine) => ended(0),
        Ok(CommandOutcome::Found) => ended(1),
        Err(why) => {
            output::error(&why);
            ended(2)
        }
    }
}

/// The exit code of a command that came to its end: another one if what it
/// printed was not written.
fn ended(code: u8) -> ExitCode {
    match output::failure() {
        Some(why) => {
            output::error(&why);
            ExitCode::from(2)
        }
        None => ExitCode::from(code),
    }
}

/// What a command other than delivery came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CommandOutcome {
    /// Nothing wrong: exit 0.
    Fine,
    /// A mistake, an unformatted file, a failed `expect`: exit 1.
    Found,
}

/// The world of a delivery or a dry run.
fn world(args: &args::Delivery, now: Option<Timestamp>, user: User) -> World {
    World {
        sender: args.sender.clone(),
        recipients: args.recipient.clone(),
        extension: args.extension.clone(),
        variables: args.define.iter().cloned().collect(),
        now,
        state: StateDir::of(&user),
        user,
        ..World::default()
    }
}

/// Where to deliver: `--maildir`, else `set maildir`, else `~/Maildir`.
fn location(args: &args::Delivery, program: &Program, world: &World) -> Result<Location, String> {
    let settings = &program.settings;
    let path = match &args.maildir {
        Some(path) => path.clone(),
        None => {
            let home = world.user.home();
            let home = home.ok_or("no home directory is known: set HOME, or use --maildir")?;
            let written = settings.maildir.as_deref().unwrap_or("Maildir");
            resolve(written, &home.join(".mailrules"), home)
        }
    };
    let mut location = Location::new(path, settings.layout, settings.folder_names);
    location.home = world.user.home().map(Path::to_owned);
    location.subscribe = settings.subscribe;
    location.over_quota = settings.over_quota.unwrap_or_default();
    location.inbox = match settings.inbox.as_ref() {
        Some(inbox) if inbox.is_empty() => Folder::default(),
        Some(inbox) => Folder { parts: inbox.split('/').map(str::to_owned).collect() },
        None => location.find_inbox(),
    };
    if settings.shared {
        location.sharing = Sharing::Shared;
    }
    Ok(location)
}

/// Whom the user has written to; `writes` where the list of them may be kept.
fn sent(program: &Program, location: &Location, world: &World, writes: bool) -> Sent {
    let me = program.settings.me.clone();
    Sent::new(location, world.state.as_ref(), writes, me)
}

/// What a delivery may use beyond the Maildir, until `deadline`.
fn reach(
    program: &Program,
    message: &Message,
    world: &World,
    deadline: Instant,
) -> DeliveryContext {
    let settings = &program.settings;
    let sender = world.envelope_sender(message);
    let recipients = world.envelope_recipients(message);
    let delimiter = settings.delimiter.as_deref().unwrap_or("+");
    DeliveryContext {
        state: world.state.clone(),
        environment: environment(
            world.user.home(),
            world.login().as_deref(),
            sender.as_deref(),
            &recipients,
            world.extension(delimiter).as_deref(),
        ),
        home: world.user.home().map(Path::to_owned),
        timeout: settings.program_timeout.map_or(PROGRAM_TIMEOUT, Duration::from_secs),
        deadline,
        sendmail: settings.sendmail.as_deref().unwrap_or(SENDMAIL).to_owned(),
        sender,
        recipients,
        now: world.now().as_second(),
    }
}

/// What a delivery comes to, whatever happens in it: a panic would exit with 101,
/// on which MTAs bounce mail.
fn guarded(delivery: impl FnOnce() -> Outcome) -> Outcome {
    let outcome = catch_unwind(AssertUnwindSafe(delivery));
    outcome.unwrap_or_else(|_| Outcome::deferred("mfilter: internal error"))
}

/// Where the log goes.
fn log(program: &Program, world: &World, state: Option<&StateDir>) -> Log {
    match &program.settings.log {
        program::LogSetting::State => state.map_or(Log::Off, |state| Log::State(state.clone())),
        program::LogSetting::File(path) => {
            let rules = program.files.first().map_or("", |file| file.as_str());
            Log::File(world.path(path, rules.as_ref()))
        }
        program::LogSetting::Syslog => Log::Syslog,
        program::LogSetting::Off => Log::Off,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_defers() {
        let outcome = guarded(|| panic!("a mistake of ours"));
        assert_eq!(outcome.exit_code(), 75);
        assert_eq!(guarded(|| Outcome::Delivered).exit_code(), 0);
        // Which needs panics that unwind, in whatever profile.
        let manifest = include_str!("../../Cargo.toml");
        assert!(!manifest.contains("panic = "), "no profile may abort");
    }
}
