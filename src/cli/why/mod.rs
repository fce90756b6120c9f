//! `mfilter why`: finds in the log what became of a message, shows the rule as it was
//! then, and evaluates again.

mod explanation;
mod line;
mod query;

use std::ffi::OsString;

use serde_json::{Value, json};

use super::args::MailboxOptions;
use super::current_rules::{self, CurrentRules};
use super::for_user::ForUser;
use super::output::say;
use super::{CommandOutcome, output};
use crate::log::Log;
use crate::log::reader::LogLine;
use crate::report::log_stats::damaged_lines;
use crate::state::StateDir;
use crate::text::{escape, json_line};
use crate::world::World;
use explanation::LineExplanation;
use line::{describe, line_json};
use query::{Query, lines};

/// `mfilter why`
#[derive(clap::Args, Debug)]
pub(super) struct WhyArgs {
    #[command(flatten)]
    pub(super) for_user: ForUser,

    /// The message's file, or its Message-ID
    #[arg(value_name = "FILE|MESSAGE-ID|SENDER")]
    pub(super) message: OsString,

    #[command(flatten)]
    pub(super) mailbox: MailboxOptions,

    /// One JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// `mfilter why`
pub(super) fn run(call: &WhyArgs) -> Result<CommandOutcome, String> {
    let user = call.for_user.user()?;
    let state = StateDir::of(&user);
    let history = current_rules::history(&call.mailbox.files, state.as_ref(), &user)?;
    let (today, note) = CurrentRules::today(&call.mailbox.files, &user, history.as_ref())?;
    let mut notes: Vec<String> = note.into_iter().map(str::to_owned).collect();
    let maildir = call.mailbox.maildir.as_deref();
    let world = World::of(user.clone());
    let program = &today.rules.user;
    let location = super::location(maildir, program, &world)?;
    let log = super::log(program, &world, state.as_ref());
    let query = Query::of(call)?;
    let (lines, damaged) = lines(&log, |line| query.concerns(line), &mut notes)?;
    if damaged > 0 {
        notes.push(damaged_lines(damaged));
    }
    let decisive = query.decisive(&lines);
    let file = query.find(&lines, &location);
    if lines.is_empty() && file.is_none() {
        notes.iter().for_each(|note| output::error(note));
        return from_sender(&log, &query, call.json);
    }
    if lines.is_empty() {
        notes.push("its delivery is not in the log: judged by the current rules".into());
    }
    let mut answer = LineExplanation {
        query: &query,
        lines: &lines,
        file: file.as_deref(),
        since: None,
        then: None,
        decisive,
        notes,
        location: &location,
        user: &user,
    };
    // Rules that this delivery was the first to check came into force during it.
    let moment = decisive.map(|line| line.time.as_millisecond());
    let then = moment.and_then(|moment| {
        let history = history.as_ref()?;
        let then = history.read(history.at(moment)?)?;
        answer.since = Some((then.since, then.later));
        let site = call.mailbox.files.site.as_deref();
        Some(CurrentRules::new(then.sources, then.compiled, site, &user))
    });
    let then = then.transpose()?;
    if decisive.is_some() && then.is_none() {
        let other = decisive.and_then(|line| other_rules(line, &today)).map(output::with_tilde);
        answer.notes.push(match other {
            Some(other) => format!(
                "it was delivered by the rules {other} (`--rules {other}`): judged by the current \
                 ones"
            ),
            None => "the rules of that time are not known: judged by the current ones".into(),
        });
    }
    answer.then = then.as_ref();
    let text = answer.text(call.json, &today)?;
    if call.json {
        output::print(&text)
    } else {
        output::report(&text)
    };
    Ok(CommandOutcome::Fine)
}

/// The file of the rule that decided, if it is none of the current rules.
fn other_rules<'l>(line: &'l LogLine, today: &CurrentRules) -> Option<&'l str> {
    let (file, _) = line.get("rule")?.rsplit_once(':')?;
    let mut files = today.sources.files().iter();
    let is_known = files.any(|known| known.path.to_string_lossy() == file);
    (!is_known && line.get("category").is_none()).then_some(file)
}

/// Lists the log lines of an envelope sender: whoever misses a message knows its sender,
/// not its Message-ID.
fn from_sender(log: &Log, query: &Query, as_json: bool) -> Result<CommandOutcome, String> {
    let none = || {
        format!(
            "no log entry for {}, neither as a Message-ID nor as an envelope sender; if mfilter \
             was not given that message, the mail server's log has it",
            query.id_or_file()
        )
    };
    let sender = query.id.trim_matches(['<', '>']);
    if query.file.is_some() {
        return Err(none());
    }
    let is_from =
        |line: &LogLine| line.get("from").is_some_and(|from| from.eq_ignore_ascii_case(sender));
    let (lines, _) = lines(log, is_from, &mut Vec::new())?;
    if lines.is_empty() {
        return Err(none());
    }
    if as_json {
        let lines: Vec<Value> = lines.iter().map(line_json).collect();
        output::print(&(json_line(&json!({"sender": sender, "log": lines})) + "\n"));
        return Ok(CommandOutcome::Fine);
    }
    let sender = escape(sender);
    let title = match lines.len() {
        1 => format!("1 log entry from {sender}"),
        many => format!("{many} log entries from {sender}"),
    };
    let mut out = format!("{}\n", say(&title));
    for line in &lines {
        let id = line.get("id").map(|id| format!("  {}", escape(id))).unwrap_or_default();
        out.push_str(&format!("  {}{id}\n", describe(line)));
    }
    out.push_str(&format!("{}\n", say("`mfilter why MESSAGE-ID` explains one of them")));
    output::report(&out);
    Ok(CommandOutcome::Fine)
}
