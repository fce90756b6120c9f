//! Delivery: the message on standard input goes where the rules say.
//!
//! Whatever goes wrong here, the message is stored or the MTA tries again.

use std::ffi::OsString;
use std::time::Instant;

use clap::Parser;

use super::args::DeliveryArgs;
use super::input::Stdin;
use crate::deliver::{self, Target, log, notice};
use crate::evaluate::{Detail, evaluate};
use crate::load;
use crate::message::Message;
use crate::outcome::{Failure, Outcome};
use crate::state::StateDir;

pub(super) fn run(arguments: Vec<OsString>) -> Outcome {
    match attempt(arguments) {
        Ok(outcome) => outcome,
        Err(why) => Outcome::deferred(format!("mfilter: {why}")),
    }
}

fn attempt(arguments: Vec<OsString>) -> Result<Outcome, String> {
    let started = Instant::now();
    let args = DeliveryArgs::try_parse_from(arguments).map_err(|error| {
        // Only the first line: the rest is for people at a terminal.
        error.to_string().lines().next().unwrap_or_default().to_owned()
    })?;
    let home = super::home();
    let world = super::world(&args.delivery, None, home.clone());
    let state = StateDir::find();
    let rules = match &args.delivery.rules {
        Some(path) => Some(path.clone()),
        None => load::default_rules(home.as_deref()).ok(),
    };
    let in_force = match &rules {
        Some(path) => {
            let asked = args.delivery.rules.is_some();
            load::in_force(path, asked, home.as_deref(), state.as_ref())
        }
        None => load::none(),
    };
    let program = in_force.compiled.program().ok_or("the rules cannot be laid out")?;
    let target = Target::new(super::maildir(&args.delivery, program, &world)?, &program.settings);
    let message = Message::read(Box::new(Stdin::new()), target.spool())
        .map_err(|error| Failure::new("reading the message", None, error).to_string())?;
    let evaluation = evaluate(program, &message, &world, Detail::Plan);
    let delivery = deliver::deliver(&evaluation.plan, &message, &target);
    log::write(&delivery, started);
    if let Some(told) = &in_force.notice {
        notice::tell(told, &target, state.as_ref());
    }
    Ok(delivery.outcome)
}
