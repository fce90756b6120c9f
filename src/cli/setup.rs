//! `mfilter setup`: what has to be done so that mfilter delivers here; `--apply` writes
//! what can be written into the home.

use std::path::PathBuf;

use unicode_width::UnicodeWidthStr;

use super::output::say;
use super::{CommandOutcome, output};
use crate::language::Language;
use crate::page;
use crate::setup::steps::{SetupAction, SetupStep, steps};
use crate::setup::survey::{
    DovecotStore, MailServer, MaildirFound, OtherRules, SetupFindings, survey,
};
use crate::setup::write::replace;
use crate::source::reason;
use crate::text::escape;
use crate::translation::translated;
use crate::user::User;

/// `mfilter setup`
#[derive(clap::Args, Debug)]
pub(super) struct SetupArgs {
    /// Write what can be written into the home, with a backup of what is there
    #[arg(long)]
    pub(super) apply: bool,
}

/// What has become of the steps so far.
#[derive(Default)]
struct SetupProgress {
    failed: bool,
    written: bool,
    /// Whether a step cannot be done before another one.
    waits: bool,
    /// Whether `--apply` would write something.
    could_write: bool,
}

pub(super) fn run(call: &SetupArgs) -> Result<CommandOutcome, String> {
    let user = User::of_process();
    let home = user.home().ok_or("no home directory is known: set HOME")?.to_owned();
    let found = survey(&user, &home, program());
    let mut text = table(&found, Language::of_locale(), output::columns());
    let mut progress = SetupProgress::default();
    for (number, step) in steps(&found).into_iter().enumerate() {
        text.push_str(&format!("\n{}. {}\n", number + 1, say(&step.title)));
        text.push_str(&step_text(step, call.apply, &mut progress));
    }
    if progress.could_write {
        text.push_str(&format!("\n{}\n", say("Nothing was changed.")));
    }
    if call.apply && progress.waits && !progress.written {
        progress.failed = true;
        let why = "Nothing was written: do the steps above by hand, then run \
                   `mfilter setup --apply` again.";
        text.push_str(&format!("\n{}", page::hanging("", &say(why), output::columns())));
    }
    let lines = text.lines().map(|line| escape(line) + "\n");
    output::print(&lines.collect::<String>());
    Ok(CommandOutcome::found_if(progress.failed))
}

/// The text of a step below its title; with `apply`, its file is written.
fn step_text(step: SetupStep, apply: bool, progress: &mut SetupProgress) -> String {
    let mut sentences = step.reasons;
    let mut code = Vec::new();
    match step.action {
        SetupAction::Done => sentences.push("Nothing to do.".into()),
        SetupAction::ByHand(lines) => code = lines,
        SetupAction::NotYet => {
            progress.waits = true;
            code.push("mfilter setup".into());
        }
        SetupAction::Write { path, before, text } if apply => {
            let written = replace(&path, before.as_deref(), &text);
            progress.failed |= written.is_err();
            progress.written |= written.is_ok();
            let path = path.display();
            sentences.push(match &written {
                Ok(Some(backup)) => {
                    format!("{path} is written; the old file is {}.", backup.display())
                }
                Ok(None) => format!("{path} is written."),
                Err(error) => format!("{path} cannot be written: {}", reason(error)),
            });
        }
        SetupAction::Write { path, text, .. } => {
            progress.could_write = true;
            let path = path.display();
            match text.lines().count() {
                1 => {
                    sentences.push(format!("`mfilter setup --apply` writes this to {path}:"));
                    code.push(text.trim_end().to_owned());
                }
                lines => sentences
                    .push(format!("`mfilter setup --apply` writes {path} ({lines} lines).")),
            }
        }
    }
    let columns = output::columns();
    let mut text = String::new();
    for sentence in sentences {
        text.push_str(&page::hanging("   ", &output::with_tilde(&say(&sentence)), columns));
    }
    if !code.is_empty() {
        text.push('\n');
    }
    text.extend(code.iter().map(|line| format!("       {}\n", output::with_tilde(line))));
    text
}

/// The path with which others should call this program.
fn program() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| "/usr/bin/mfilter".into())
}

/// What was found, as a table.
pub(super) fn table(found: &SetupFindings, language: Language, columns: Option<usize>) -> String {
    let rows = rows(found);
    let rows: Vec<_> = rows
        .iter()
        .map(|(what, value)| (translated(what, language), translated(value, language)))
        .collect();
    let wide = rows.iter().map(|(what, _)| what.width()).max().unwrap_or(0) + 3;
    let mut text = format!("{}\n", translated("Found:", language));
    for (what, value) in &rows {
        let before = format!("  {what}{}", " ".repeat(wide - what.width()));
        text.push_str(&page::hanging(&before, &output::with_tilde(value), columns));
    }
    text
}

/// What was found: what it is, and its value.
fn rows(found: &SetupFindings) -> Vec<(&'static str, String)> {
    let server = match &found.server {
        Some(MailServer::Postfix { mailbox_command, .. }) if !mailbox_command.is_empty() => {
            format!("Postfix, which calls {mailbox_command}")
        }
        Some(MailServer::SendOnly(name)) => format!("none that delivers ({name} only sends)"),
        Some(server) => server.name().to_owned(),
        None => "none".into(),
    };
    let dovecot = match &found.dovecot {
        Some(DovecotStore::Maildir(MaildirFound { path, is_fs: true, .. })) => {
            format!("Dovecot, mail in {path}, folders as directories")
        }
        Some(DovecotStore::Maildir(MaildirFound { path, .. })) => {
            format!("Dovecot, mail in {path}")
        }
        Some(DovecotStore::Other { driver, .. }) => format!("Dovecot, mail as {driver}"),
        Some(DovecotStore::Unset) => "Dovecot; its settings do not say where mail is".into(),
        Some(DovecotStore::Unknown) => "Dovecot; only root can ask it where mail is".into(),
        None => "none".into(),
    };
    let mut rows = vec![("mail server", server), ("IMAP server", dovecot)];
    let in_home = |name: &str| format!("~/{name}");
    let mboxes = found.mboxes.iter().map(|path| path.display().to_string());
    for (what, values) in [
        ("fetched by", joined(found.fetchers.iter().map(|(_, file)| in_home(file)))),
        ("other rules", joined(found.others.iter().map(|(_, file)| in_home(file)))),
        ("Maildirs", joined(found.maildirs.iter().map(|maildir| maildir.path.clone()))),
        ("mboxes", joined(mboxes)),
    ] {
        if !values.is_empty() {
            rows.push((what, values));
        }
    }
    if found.others.iter().any(|(other, _)| *other == OtherRules::Sieve) {
        rows.push(("", "(filters of a web mailer can stay: docs/guide/web-mailers.md)".into()));
    }
    rows
}

fn joined(values: impl Iterator<Item = String>) -> String {
    values.collect::<Vec<_>>().join(", ")
}
