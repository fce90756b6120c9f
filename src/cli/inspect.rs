//! `mfilter inspect`: what mfilter knows about a message, as a help for writing rules.

use std::path::PathBuf;

use super::args::DeliveryOptions;
use super::output::Output;
use super::progress::ProgressMeter;
use super::{CommandOutcome, output};
use crate::evaluate::{every_field, inspect};
use crate::language::Language;
use crate::load;
use crate::mailbox::{self, MessageSource};
use crate::outcome::Failure;
use crate::report::{self, ReportStyle};
use crate::rules::compiled::CompiledProgram;
use crate::rules::program::Settings;
use crate::user::User;
use crate::world::World;

/// `mfilter inspect`
#[derive(clap::Args, Debug)]
pub(super) struct InspectArgs {
    /// Messages, mboxes, Maildirs or folders of messages [default: standard input]
    #[arg(value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,

    #[command(flatten)]
    pub(super) delivery: DeliveryOptions,

    /// Use this as the current time
    #[arg(long, value_name = "TIME", value_parser = super::args::moment)]
    pub(super) now: Option<jiff::Timestamp>,

    /// One JSON object per message (JSON Lines)
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) fn run(call: &InspectArgs) -> Result<CommandOutcome, String> {
    let user = User::of_process();
    let settings = settings(call, &user)?;
    let program = &CompiledProgram::new(every_field(settings));
    let now = call.now.unwrap_or_else(|| World::default().now());
    let paths = super::test::named_paths(&call.paths);
    let walk = match paths {
        [] => super::test::message_on_stdin()?.into(),
        paths => mailbox::message_sources(paths.iter().cloned()),
    };
    let progress = ProgressMeter::start(paths, false);
    let style =
        ReportStyle { colour: output::colour(), verbose: false, language: Language::of_locale() };
    let inspect_source = |world: &World, source: MessageSource| {
        let message = source.open()?;
        let found = inspect(program, &message, world);
        if let Some(why) = message.failure() {
            let error: std::io::Error = why.into();
            return Err(Failure::new("read", &source.path, error));
        }
        Ok(match call.json {
            true => report::inspection_json(&source.label, &found),
            false => report::inspection(&source.label, &found, style),
        })
    };
    let (mut first, mut finding, mut out) = (true, CommandOutcome::Fine, Output::default());
    let threads = mailbox::walk_in_order(
        walk,
        || call.delivery.world(Some(now), user.clone()),
        |world, _, batch| {
            let results = batch.into_iter().map(|item| match item {
                Ok(source) => (source.number, inspect_source(world, source)),
                Err(failure) => (0, Err(failure)),
            });
            results.collect()
        },
        |_| (),
        |(number, result): (usize, Result<String, Failure>)| {
            progress.done(number);
            match result {
                Ok(text) => {
                    let gap = if std::mem::take(&mut first) || call.json { "" } else { "\n" };
                    out.print(&format!("{gap}{text}"))
                }
                Err(failure) => {
                    finding = CommandOutcome::Found;
                    let goes_on = out.flush();
                    progress.error(&failure.to_string());
                    goes_on
                }
            }
        },
    );
    progress.end();
    out.flush();
    threads.map_err(|error| format!("cannot start a thread: {error}"))?;
    Ok(finding)
}

/// Who the user is and whom they trust, according to the rules; mistakes in the rules
/// must not prevent inspecting a message.
fn settings(call: &InspectArgs, user: &User) -> Result<Settings, String> {
    let rules = call.delivery.mailbox.files.rules.as_deref();
    let Ok(path) = load::rules_file(rules, user) else {
        return Ok(Settings::default());
    };
    match load::check(&path, user) {
        Ok((_, checked)) => Ok(checked.settings),
        Err(error) if rules.is_none() && error.is_missing() => Ok(Settings::default()),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}
