//! Delivery: the message on standard input goes where the rules say.
//!
//! Whatever goes wrong here, the message is stored or the MTA tries again.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use clap::Parser;

use super::args::DeliveryArgs;
use super::output;
use super::site::Filter;
use crate::deliver::log::Entry;
use crate::deliver::{deliver, notice};
use crate::evaluate::{Detail, evaluate_from};
use crate::explain;
use crate::load;
use crate::message::Message;
use crate::message::content::Deadline;
use crate::outcome::Outcome;
use crate::state::StateDir;

/// All of a message must be there within this time, so that an MTA's own
/// deadline never strikes: what it kills, it may bounce. OpenSMTPD waits
/// 300 s, Postfix 1000 s.
const PATIENCE: Duration = Duration::from_secs(240);

pub(super) fn run(arguments: Vec<OsString>) -> Outcome {
    attempt(arguments).unwrap_or_else(|why| Outcome::deferred(format!("mfilter: {why}")))
}

fn attempt(arguments: Vec<OsString>) -> Result<Outcome, String> {
    let started = Instant::now();
    let args = DeliveryArgs::try_parse_from(arguments).map_err(|error| {
        // The first line says it; the rest is for people at a terminal.
        let text = error.to_string();
        text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
    })?;
    let home = super::home();
    let world = super::world(&args.delivery, None, home.clone());
    let state = StateDir::find();
    let rules = match &args.delivery.rules {
        Some(path) => Some(path.clone()),
        None => load::default_rules(home.as_deref()).ok(),
    };
    let asked = args.delivery.rules.is_some();
    let in_force = match &rules {
        Some(path) => load::in_force(path, asked, home.as_deref(), state.as_ref()),
        None => load::none(),
    };
    let site = super::site::load(args.delivery.site.as_deref());
    let program = in_force.compiled.program().ok_or("the rules cannot be laid out")?;
    let location = super::location(&args.delivery, program, &world)?;
    let message =
        read(started + PATIENCE).map_err(|error| format!("the message cannot be read: {error}"))?;
    let filter = Filter::new(site.compiled.as_ref(), program);
    let (begun, message) = filter.begin(message, &world, Detail::Plan);
    let evaluation = evaluate_from(begun, program, &message, &world, Detail::Plan);
    let report = deliver(&evaluation.plan, &message, &location);
    let files = filter.files();
    let sender = world.envelope_sender(&message);
    let ids = message.texts("Message-ID");
    let entry = Entry {
        plan: &evaluation.plan,
        report: &report,
        files: &files,
        message_id: ids.first().map_or("", |id| id.text()),
        envelope_from: sender.as_deref(),
        duration: started.elapsed(),
    };
    // A log that cannot be written must not change how the delivery ends.
    let log = super::log(program, &world, state.as_ref());
    let _ = log.write(&entry);
    if let Some(note) = &site.note {
        let _ = log.note(note);
    }
    if let Some(told) = &in_force.notice {
        notice::tell(told, &location, state.as_ref(), &world);
    }
    if args.delivery.verbose > 0 {
        for step in &evaluation.plan.steps {
            output::error(&explain::escape(&explain::sentence(&step.kind)));
        }
    }
    Ok(report.outcome)
}

/// The message on standard input, which is read without std's own buffer:
/// waiting for more must not overlook what lies there.
fn read(deadline: Instant) -> io::Result<Message> {
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    Message::read(Box::new(Deadline::new(input, deadline)), &std::env::temp_dir())
}
