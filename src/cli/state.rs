//! `mfilter state`: what is remembered between messages, for people.

use jiff::Timestamp;
use serde::Serialize;

use super::{CommandOutcome, output};
use crate::state::{StateDir, duplicates, journal, replies};
use crate::text::{escape, json_line};
use crate::user::User;

/// `mfilter state`
#[derive(clap::Args, Debug)]
pub(super) struct StateArgs {
    /// One JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// What is remembered.
#[derive(Serialize)]
struct StateSummary {
    directory: String,
    /// Messages that `duplicate` knows.
    seen: Option<RecordSummary>,
    /// Answers that were sent; the times are when one may be sent again.
    replied: Option<RecordSummary>,
    /// Deliveries with a step missing.
    half_done: Vec<UnfinishedDelivery>,
}

#[derive(Serialize)]
struct RecordSummary {
    number: usize,
    first: String,
    last: String,
}

#[derive(Serialize)]
struct UnfinishedDelivery {
    since: String,
    done: Vec<String>,
}

pub(super) fn run(call: &StateArgs) -> Result<CommandOutcome, String> {
    let state = super::state_of(&User::of_process())?;
    let remembered = read(&state);
    if call.json {
        output::print(&(json_line(&remembered) + "\n"));
    } else {
        output::print(&text(&remembered));
    }
    Ok(CommandOutcome::Fine)
}

fn read(state: &StateDir) -> StateSummary {
    let moments = |known: Option<(usize, u32, u32)>| {
        let (number, first, last) = known?;
        Some(RecordSummary { number, first: time(first.into()), last: time(last.into()) })
    };
    let half_done = journal::known(state).into_iter().map(|(at, done)| {
        let since = at.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
        UnfinishedDelivery { since: time(since.try_into().unwrap_or(i64::MAX)), done }
    });
    StateSummary {
        directory: state.path().display().to_string(),
        seen: moments(duplicates::known(state)),
        replied: moments(replies::known(state)),
        half_done: half_done.collect(),
    }
}

fn time(seconds: i64) -> String {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX).to_string()
}

fn text(remembered: &StateSummary) -> String {
    let mut out = format!("{}\n", escape(&output::with_tilde(&remembered.directory)));
    let mut line = |name: &str, text: &str| {
        out.push_str(&format!("  {name:10} {}\n", output::say(text)));
    };
    match &remembered.seen {
        Some(RecordSummary { number, first, last }) => {
            line("seen", &format!("{number} delivered, from {first} to {last}, for `duplicate`"));
        }
        None => line("seen", "nothing, for `duplicate`"),
    }
    match &remembered.replied {
        Some(RecordSummary { number, first, last }) => {
            line("replied", &format!("{number} answered, not again before {first} to {last}"));
        }
        None => line("replied", "nobody yet"),
    }
    if remembered.half_done.is_empty() {
        line("half-done", "no delivery");
    }
    for delivery in &remembered.half_done {
        line("half-done", &format!("since {}; done so far:", delivery.since));
        for step in &delivery.done {
            line("", &escape(step));
        }
    }
    out
}
