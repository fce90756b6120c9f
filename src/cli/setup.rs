//! `mfilter setup`: what has to be done so that mfilter delivers here; `--apply` writes
//! what can be written into the home.

use std::path::PathBuf;

use super::{CommandOutcome, output};
use crate::setup::look::{DovecotStore, MailServer, OtherRules, SetupFindings, look};
use crate::setup::steps::{SetupAction, steps};
use crate::setup::write::replace;
use crate::text::escape;
use crate::user::User;

/// `mfilter setup`
#[derive(clap::Args, Debug)]
pub(super) struct SetupArgs {
    /// Write what can be written into the home, with a backup of what is there
    #[arg(long)]
    pub(super) apply: bool,
}

pub(super) fn run(call: &SetupArgs) -> Result<CommandOutcome, String> {
    let user = User::of_process();
    let home = user.home().ok_or("no home directory is known: set HOME")?.to_owned();
    let found = look(&user, &home, program());
    let mut text = seen(&found);
    let (mut failed, mut could_write) = (false, false);
    for (number, step) in steps(&found).into_iter().enumerate() {
        text.push_str(&format!("\n{}. {}\n", number + 1, step.title));
        for reason in &step.reasons {
            text.push_str(&format!("   {reason}\n"));
        }
        match step.action {
            SetupAction::Done => text.push_str("   Nothing to do.\n"),
            SetupAction::ByHand(lines) => {
                text.push('\n');
                text.extend(lines.iter().map(|line| format!("       {line}\n")));
            }
            SetupAction::Write { path, before, text: content } if call.apply => {
                let written = replace(&path, before.as_deref(), &content);
                let what = match &written {
                    Ok(Some(backup)) => format!("Written; the old file is {}.", backup.display()),
                    Ok(None) => "Written.".into(),
                    Err(error) => format!("Not written: {error}"),
                };
                failed |= written.is_err();
                text.push_str(&format!("   {}: {what}\n", path.display()));
            }
            SetupAction::Write { path, text: content, .. } => {
                could_write = true;
                text.push_str(&format!("   `mfilter setup --apply` writes {}", path.display()));
                match content.lines().count() {
                    1 => text.push_str(&format!(":\n\n       {content}")),
                    lines => text.push_str(&format!(" ({lines} lines).\n")),
                }
            }
        }
    }
    if could_write {
        text.push_str("\nNothing was changed.\n");
    }
    let lines = text.lines().map(|line| escape(&output::with_tilde(line)) + "\n");
    output::print(&lines.collect::<String>());
    Ok(if failed { CommandOutcome::Found } else { CommandOutcome::Fine })
}

/// The path with which others should call this program.
fn program() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| "/usr/bin/mfilter".into())
}

/// What was found, in a table.
pub(super) fn seen(found: &SetupFindings) -> String {
    let mut text = String::from("Found:\n");
    let mut line = |what: &str, value: String| text.push_str(&format!("  {what:<14}{value}\n"));
    line(
        "mail server",
        match &found.server {
            Some(MailServer::Postfix { mailbox_command, .. }) if !mailbox_command.is_empty() => {
                format!("Postfix, which calls {mailbox_command}")
            }
            Some(MailServer::SendOnly(name)) => format!("none that delivers ({name} only sends)"),
            Some(server) => server.name().to_owned(),
            None => "none".into(),
        },
    );
    line(
        "IMAP server",
        match &found.dovecot {
            Some(DovecotStore::Maildir { path, is_fs, .. }) => {
                let layout = if *is_fs { ", folders as directories" } else { "" };
                format!("Dovecot, mail in {path}{layout}")
            }
            Some(DovecotStore::Other { driver, .. }) => format!("Dovecot, mail as {driver}"),
            Some(DovecotStore::Unset) => "Dovecot; its settings do not say where mail is".into(),
            Some(DovecotStore::Unknown) => {
                "Dovecot; root can ask where mail is: doveconf -h mail_location".into()
            }
            None => "none".into(),
        },
    );
    let fetchers: Vec<String> =
        found.fetchers.iter().map(|(_, file)| format!("~/{file}")).collect();
    let others: Vec<String> = found.others.iter().map(|(_, file)| format!("~/{file}")).collect();
    let maildirs: Vec<String> =
        found.maildirs.iter().map(|(name, _)| format!("~/{name}")).collect();
    let mboxes: Vec<String> = found.mboxes.iter().map(|path| path.display().to_string()).collect();
    for (what, values) in [
        ("fetched by", fetchers),
        ("other rules", others),
        ("Maildirs", maildirs),
        ("mboxes", mboxes),
    ] {
        if !values.is_empty() {
            line(what, values.join(", "));
        }
    }
    if found.others.iter().any(|(other, _)| *other == OtherRules::Sieve) {
        line("", "(filters of a web mailer can stay: docs/guide/web-mailers.md)".into());
    }
    text
}
