//! Delivery: the message on standard input goes where the rules say.
//!
//! Whatever goes wrong here, either the message is stored or the MTA tries again.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use clap::Parser;

use super::args::{MdaArgs, MdaOptions, RuleOptions};
use super::{output, usage};
use crate::hand_over::MailStore;
use crate::hand_over::address::{LmtpAddress, StoreAddress};
use crate::load::Verification;
use crate::mda::{self, ActiveRules, RemoteStore, RuleFiles};
use crate::message::deadline::Deadline;
use crate::message::{Message, path};
use crate::outcome::Outcome;
use crate::user::User;
use crate::world::World;

/// When the system ends a delivery that a file server does not answer, seconds; all other
/// waiting ends within [`mda::DELIVERY_TIMEOUT`]. Postfix would wait for 1000 s and then
/// bounce the message; after a signal it tries again.
const HANG_TIMEOUT: u32 = 900;

pub(super) fn run(arguments: Vec<OsString>) -> Outcome {
    // Exim, which sets this variable, waits longer, and may bounce after a signal.
    if std::env::var_os("LOCAL_PART").is_none() {
        nix::unistd::alarm::set(HANG_TIMEOUT);
    }
    attempt(arguments).unwrap_or_else(|why| Outcome::deferred(format!("mfilter: {why}")))
}

fn attempt(arguments: Vec<OsString>) -> Result<Outcome, String> {
    let delivery = mda::Delivery::now(None);
    let MdaOptions { delivery: args, store, .. } = match MdaOptions::plain(&arguments) {
        Some(plain) => plain,
        None => parse(arguments)?,
    };
    refuse_to_be_another_user(&args.recipient)?;
    let user = User::of_process();
    let RuleOptions { rules, site } = &args.mailbox.files;
    let files = RuleFiles { rules: rules.as_deref(), site: site.as_deref() };
    let rules = ActiveRules::load(files, &user, Verification::OnRead)?;
    let world = args.world(None, user);
    let remote = match store {
        Some(address) => {
            let mailbox = mailbox(&address, &args.recipient, &world)?;
            let store = MailStore::new(StoreAddress::Lmtp(address));
            Some(RemoteStore { store: Arc::new(store), mailbox })
        }
        None => None,
    };
    let delivery = mda::Delivery { maildir: args.mailbox.maildir, remote, ..delivery };
    let (report, plan) = delivery.deliver(&rules, world, |deadline| {
        Message::read(Box::new(Deadline::new(Stdin, deadline)), &std::env::temp_dir())
    })?;
    if args.verbose > 0 {
        // It is delivered, and nothing must change that.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            for step in &plan.steps {
                output::log_line(&crate::text::shown_sentence(&step.kind.sentence()));
            }
        }));
    }
    Ok(report.outcome)
}

/// The mailbox of another store: the only recipient that the call names, without its
/// detail, or the user. Nothing in the message or in the user's rules decides whose
/// mailbox it is.
fn mailbox(store: &LmtpAddress, recipients: &[String], world: &World) -> Result<String, String> {
    match recipients {
        [] => world.login().ok_or_else(|| "`--store` needs the mailbox: `-d ADDRESS`".into()),
        [one] => Ok(path::without_detail(one, &store.delimiter.to_string())),
        _ => Err("`--store` accepts only one mailbox: one `-d ADDRESS`".into()),
    }
}

/// Parses arguments in a form other than the one documented for MTAs.
fn parse(arguments: Vec<OsString>) -> Result<MdaOptions, String> {
    let args = MdaArgs::try_parse_from(&arguments).map_err(|error| {
        if let Some(why) = usage::unknown_command(&arguments) {
            return why;
        }
        // The first line says what is wrong; the rest is for people at a terminal.
        let text = error.to_string();
        text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
    })?;
    Ok(args.mda)
}

/// sendmail's `local_procmail` starts the program as root, with `-d USER`, and expects it
/// to become that user. We never do: the user's mail would end up in root's mailbox.
fn refuse_to_be_another_user(recipients: &[String]) -> Result<(), String> {
    let user = recipients.iter().find(|to| !to.contains('@') && *to != "root");
    match user {
        Some(user) if rustix::process::geteuid().is_root() => {
            Err(format!("started as root for `{user}`; it must be started as that user"))
        }
        _ => Ok(()),
    }
}

/// Standard input without std's own buffer: waiting for input must not overlook what is
/// in a buffer.
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
