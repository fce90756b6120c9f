//! Delivery: the message on standard input goes where the rules say.
//!
//! Whatever goes wrong here, the message is stored or the MTA tries again.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant, SystemTime};

use clap::Parser;

use super::args::{Delivery, DeliveryArgs};
use super::output;
use crate::deliver::filter::Programs;
use crate::deliver::{deliver, notice};
use crate::evaluate::{self, Detail};
use crate::load;
use crate::log::LogEntry;
use crate::message::Message;
use crate::message::content::Deadline;
use crate::outcome::Outcome;
use crate::rules::rule_set::RuleSet;
use crate::state::lock_file::LockFile;
use crate::state::{StateDir, list_index, seen};
use crate::user::User;
use crate::world::World;

/// All of a message must be there within this time, so that an MTA's own
/// deadline never strikes: what it kills, it may bounce. OpenSMTPD waits
/// 300 s, Postfix 1000 s.
const PATIENCE: Duration = Duration::from_secs(240);

pub(super) fn run(arguments: Vec<OsString>) -> Outcome {
    attempt(arguments).unwrap_or_else(|why| Outcome::deferred(format!("mfilter: {why}")))
}

fn attempt(arguments: Vec<OsString>) -> Result<Outcome, String> {
    let (started, began) = (Instant::now(), SystemTime::now());
    let args = match Delivery::plain(&arguments) {
        Some(delivery) => delivery,
        None => parse(arguments)?,
    };
    refuse_to_be_another_user(&args.recipient)?;
    let user = User::of_process();
    let mut world = super::world(&args, None, user.clone());
    let state = StateDir::of(&user);
    let file = load::rules_file(args.files.rules.as_deref(), &user).ok();
    let asked = args.files.rules.is_some();
    let load = {
        let (file, user) = (file.clone(), user.clone());
        move |proof| match &file {
            Some(path) => load::in_force(path, asked, &user, proof),
            None => Ok(load::none()),
        }
    };
    let in_force = load(load::Proof::AsMet)?;
    // Rules that a call names and that never were are the caller's mistake.
    let missing = |notice: &&load::Notice| notice.trouble == load::Trouble::Missing;
    if asked
        && let Some(notice) = in_force.notice.as_ref().filter(missing)
        && !notice.last_good
    {
        return Err(notice.text.trim_end().to_owned());
    }
    let site = load::site::in_force(args.files.site.as_deref());
    if let (true, Some(why)) = (site.not_now, &site.note) {
        return Err(why.clone());
    }
    let (mut rules, note) = load::rule_set(in_force.compiled, site.compiled, &user);
    rules.reload = Some(Box::new(move || Some(load(load::Proof::Whole).ok()?.compiled)));
    let program = &rules.user;
    let mut location = super::location(&args, program, &world)?;
    if let Some(word) = rules.site.as_ref().and_then(|site| site.settings.over_quota) {
        location.over_quota = word;
    }
    if program.asks_for_sent_mail {
        world.sent = Some(Box::new(super::sent(program, &location, &world, true)));
    }
    let deadline = started + PATIENCE;
    let message = read(deadline).map_err(|error| format!("the message cannot be read: {error}"))?;
    if message.is_empty().unwrap_or(false) {
        // A closed descriptor, or a caller that has lost its file.
        return Err("standard input is empty, which is no message".into());
    }
    let _claim = match claim(&rules, &message, state.as_ref(), deadline) {
        Ok(claim) => claim,
        Err(outcome) => return Ok(outcome),
    };
    let reach = super::reach(program, &message, &world, deadline);
    let mut filters = Programs::new(&reach);
    let run = evaluate::run(&rules, message, &world, Detail::Plan, &mut filters);
    if let Some(why) = trouble(&run, &world) {
        return Err(why);
    }
    let plan = &run.evaluation.plan;
    let mut report = deliver(plan, &run.messages(), &location, &reach);
    report.notes.splice(0..0, filters.notes);
    report.notes.extend(world.unread().map(|why| format!("{why}; rules that ask it did not hold")));
    // From here on the message is delivered, and nothing may change that: not
    // a log that cannot be written, not even a panic.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        let ids = run.message.texts("Message-ID");
        let remarks = site.note.iter().chain(&note).chain(&in_force.remark);
        let remarks = remarks.map(String::as_str).chain(world.no_zone());
        let remarks: Vec<&str> = remarks.collect();
        let entry = LogEntry {
            plan,
            report: &report,
            files: &rules.files(),
            message_id: ids.first().map_or("", |id| id.text()),
            envelope_from: reach.sender.as_deref(),
            envelope_to: &reach.recipients,
            was: None,
            remarks: &remarks,
            duration: Some(started.elapsed()),
        };
        let _ = super::log(program, &world, state.as_ref()).write(&entry);
        for (path, list) in world.lists() {
            let _ = list_index::make(&world.user, &path, &list, began);
        }
        for told in in_force.notice.iter().chain(&in_force.script_notice) {
            let is_told = notice::tell(told, &location, state.as_ref(), &world);
            if let Some(line) = told.line.as_ref().filter(|_| is_told) {
                let _ = super::log(program, &world, state.as_ref()).note(line);
            }
        }
        if args.verbose > 0 {
            for step in &plan.steps {
                output::error(&crate::text::shown_sentence(&step.kind.sentence()));
            }
        }
    }));
    Ok(report.outcome)
}

/// What is written otherwise than MTAs are told to.
fn parse(arguments: Vec<OsString>) -> Result<Delivery, String> {
    let args = DeliveryArgs::try_parse_from(arguments).map_err(|error| {
        // The first line says it; the rest is for people at a terminal.
        let text = error.to_string();
        text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
    })?;
    Ok(args.delivery)
}

/// Why the plan is not to be believed: the message itself or a list could not
/// be read at this moment. A rule that asks for it did not fire, and what came
/// behind it, `discard` perhaps, did.
fn trouble(run: &evaluate::Run, world: &World) -> Option<String> {
    if run.damaged {
        return Some("what was kept of the rules is damaged".into());
    }
    let unread = run.messages().into_iter().find_map(Message::failure);
    let unread = unread.map(|why| format!("the message cannot be read: {why}"));
    unread.or_else(|| world.trouble().map(str::to_owned))
}

/// Where rules ask for `duplicate`: the right to be at this message alone, so
/// that of two at the same moment the second one sees that there was a first.
/// Where that cannot be had, mail flows on.
fn claim(
    rules: &RuleSet,
    message: &Message,
    state: Option<&StateDir>,
    deadline: Instant,
) -> Result<Option<LockFile>, Outcome> {
    let Some(state) = state.filter(|_| rules.asks_for_duplicates()) else { return Ok(None) };
    let Ok(key) = seen::key(message) else { return Ok(None) };
    match seen::claim(state, key, deadline) {
        Ok(Some(claim)) => Ok(Some(claim)),
        Ok(None) => Err(Outcome::deferred("another process is delivering this message")),
        Err(_) => Ok(None),
    }
}

/// sendmail's `local_procmail` starts the program as root, with `-d USER`, and
/// expects it to become that user. We never do: his mail would land in root's.
fn refuse_to_be_another_user(recipients: &[String]) -> Result<(), String> {
    let user = recipients.iter().find(|to| !to.contains('@') && *to != "root");
    match user {
        Some(user) if rustix::process::geteuid().is_root() => {
            Err(format!("started as root for `{user}`; it must be started as that user"))
        }
        _ => Ok(()),
    }
}

fn read(deadline: Instant) -> io::Result<Message> {
    Message::read(Box::new(Deadline::new(Stdin, deadline)), &std::env::temp_dir())
}

/// Standard input without std's own buffer: waiting for more must not overlook
/// what lies there.
struct Stdin;

impl AsFd for Stdin {
    fn as_fd(&self) -> BorrowedFd<'_> {
        rustix::stdio::stdin()
    }
}

impl Read for Stdin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(self.as_fd(), buffer)?)
    }
}
