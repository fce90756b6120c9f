//! `mfilter screener`: who waits in the folder for strangers until the user decides.

use std::cmp::Reverse;
use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::json;

use super::args::MailboxOptions;
use super::current_rules::CurrentRules;
use super::progress::ProgressMeter;
use super::{CommandError, CommandOutcome, output};
use crate::evaluate::is_verified;
use crate::mailbox::{self, MessageSource};
use crate::message::Message;
use crate::outcome::Failure;
use crate::plan::Folder;
use crate::rules::compiled::CompiledProgram;
use crate::text::{counted, escape, json_line};
use crate::user::User;
use crate::world::World;

/// `mfilter screener`
#[derive(clap::Args, Debug)]
pub(super) struct ScreenerArgs {
    /// The folder in which strangers wait, named as in the rules
    #[arg(value_name = "FOLDER", default_value = "Screener")]
    pub(super) folder: String,

    #[command(flatten)]
    pub(super) mailbox: MailboxOptions,

    /// One JSON object per sender (JSON Lines)
    #[arg(long)]
    pub(super) json: bool,
}

/// The waiting messages of one sender.
#[derive(Default)]
struct WaitingMail {
    messages: usize,
    verified: usize,
    /// When the newest arrived, seconds since 1970; its arrival, not its Date.
    newest: i64,
    name: String,
    subject: String,
}

/// The waiting messages, by the sender's address.
type WaitingBySender = HashMap<String, WaitingMail>;

pub(super) fn run(call: &ScreenerArgs) -> Result<CommandOutcome, CommandError> {
    let user = User::of_process();
    let rules = CurrentRules::of(&call.mailbox.files, &user)?.rules;
    let program = &rules.user;
    let now = World::default().now();
    let world = || World { now: Some(now), ..World::of(user.clone()) };
    let location = super::location(call.mailbox.maildir.as_deref(), program, &world())?;
    let folder = Folder::named(&call.folder);
    let path = location.folder_path(&folder);
    if !path.is_dir() {
        return Err(
            format!("there is no folder `{}` in {}", call.folder, location.path.display()).into()
        );
    }
    let progress = ProgressMeter::start(std::slice::from_ref(&path), true);
    let mut unread = Vec::new();
    let threads = mailbox::walk_in_order(
        mailbox::message_sources_in([(path, folder.clone())]),
        || (world(), WaitingBySender::new()),
        |(world, waiting), _, batch| {
            let count_source = |item: Result<MessageSource, Failure>| {
                let source = item?;
                // Mail in a subfolder does not belong to this folder.
                if *source.folder == folder && !source.flags.contains('T') {
                    count(waiting, program, &source.open()?, world);
                }
                Ok(())
            };
            batch.into_iter().map(count_source).map(|done| done.err()).collect()
        },
        |(_, waiting)| waiting,
        |failure: Option<Failure>| {
            progress.done(0);
            unread.extend(failure.map(|failure| failure.to_string()));
            true
        },
    );
    progress.end();
    let mut all = WaitingBySender::new();
    for waiting in threads.map_err(|error| format!("cannot start a thread: {error}"))? {
        waiting.into_iter().for_each(|(address, more)| all.entry(address).or_default().add(more));
    }
    let mut all: Vec<(String, WaitingMail)> = all.into_iter().collect();
    all.sort_by(|(one, a), (other, b)| (Reverse(a.newest), one).cmp(&(Reverse(b.newest), other)));
    for (address, waiting) in &all {
        output::print(&if call.json {
            as_json(address, waiting)
        } else {
            as_text(address, waiting)
        });
        output::print("\n");
    }
    if all.is_empty() && !call.json {
        output::error(&format!("nobody waits in `{}`", call.folder));
    }
    unread.iter().for_each(|why| output::error(why));
    Ok(CommandOutcome::found_if(!unread.is_empty()))
}

/// Counts a message for its author.
fn count(all: &mut WaitingBySender, program: &CompiledProgram, message: &Message, world: &World) {
    let from = message.addresses("From");
    let (address, name) = match from.first() {
        Some(author) => (author.canonical(), author.name.clone().unwrap_or_default()),
        None => (String::new(), String::new()),
    };
    let newest = message.arrived(world.now().as_second()).unwrap_or_default();
    let subjects = message.texts("Subject");
    let subject = subjects.first().map(|text| text.text().to_owned()).unwrap_or_default();
    let verified = usize::from(is_verified(program, message, world));
    all.entry(address).or_default().add(WaitingMail {
        messages: 1,
        verified,
        newest,
        name,
        subject,
    });
}

impl WaitingMail {
    fn add(&mut self, more: WaitingMail) {
        let (messages, verified) = (self.messages + more.messages, self.verified + more.verified);
        if self.messages == 0 || more.newest > self.newest {
            *self = more;
        }
        (self.messages, self.verified) = (messages, verified);
    }
}

fn as_text(address: &str, waiting: &WaitingMail) -> String {
    let WaitingMail { messages, verified, .. } = waiting;
    let count = counted(*messages, "message");
    let count = output::say(&count);
    let verified = match verified {
        0 => output::say("not verified").into_owned(),
        all if all == messages => output::say("verified").into_owned(),
        some => output::say(&format!("{some} verified")).into_owned(),
    };
    let address = if address.is_empty() { output::say("(no sender)") } else { address.into() };
    escape(&format!("{address}  {count}, {verified}  {}", waiting.subject))
}

fn as_json(address: &str, waiting: &WaitingMail) -> String {
    let newest = Timestamp::from_second(waiting.newest).unwrap_or_default();
    json_line(&json!({
        "from": address,
        "name": waiting.name,
        "messages": waiting.messages,
        "verified": waiting.verified,
        "newest": newest.to_string(),
        "subject": waiting.subject,
    }))
}
