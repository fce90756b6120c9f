//! What has to be done, step by step, as data: what can be written into the home, what
//! only the user or root can do, and what has to wait for another step.

#![allow(missing_docs, reason = "each variant's line explains its fields")]

use std::path::{Path, PathBuf};

use super::look::{DovecotStore, Fetcher, MailServer, SetupFindings, UNIT, UserFile};
use crate::syntax::quote;

/// The first rules for a user who has none.
const FIRST_RULES: &str = include_str!("../../examples/first.mailrules");
/// The user unit that files what a syncing program brings.
const WATCH_UNIT: &str = include_str!("../../examples/systemd/mfilter-watch.service");
/// How the program is written in it.
const UNIT_PROGRAM: &str = "ExecStart=/usr/bin/mfilter ";

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupStep {
    /// What it is about, in one line.
    pub title: String,
    /// Why, or why not; one sentence each.
    pub reasons: Vec<String>,
    /// What has to be done.
    pub action: SetupAction,
}

/// What has to be done in a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetupAction {
    /// Nothing.
    Done,
    /// A file to write, in place of the content `before`.
    Write { path: PathBuf, before: Option<String>, text: String },
    /// Lines that have to be typed or written by hand.
    ByHand(Vec<String>),
}

/// How mail gets to mfilter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MailRoute<'f> {
    /// A mail server calls it.
    Server(&'f MailServer),
    /// It watches a Maildir that another program syncs.
    Watch,
    /// A program that fetches mail calls it.
    Fetch(Fetcher, &'static str),
    /// Nothing was found that delivers or fetches mail.
    None,
}

/// Where the mail is, or should be.
enum MailHome {
    /// In a Maildir, with the settings that say so; none for `~/Maildir`.
    Maildir { path: String, settings: String },
    /// Not yet in a Maildir, and what the administrator has to do about it.
    NotYet { reason: String, lines: Vec<String> },
}

/// All steps, in order.
pub fn steps(found: &SetupFindings) -> Vec<SetupStep> {
    let (way, place) = (way(found), place(found));
    let mut steps = Vec::new();
    if let MailHome::NotYet { reason, lines } = &place {
        steps.push(SetupStep {
            title: "Have Dovecot keep mail in Maildirs".into(),
            reasons: vec![
                "Until then your mail reader does not show what mfilter delivers.".into(),
                reason.clone(),
            ],
            action: SetupAction::ByHand(lines.clone()),
        });
    }
    let (rules, are_ready) = rules(found, &place);
    steps.push(rules);
    let says_where = matches!(&found.rules, UserFile::Text(text)
        if text.lines().any(|line| line.trim_start().starts_with("set maildir")));
    let waits = match (&place, are_ready) {
        // A user who has set where the mail is knows better.
        (MailHome::NotYet { .. }, true) if says_where => None,
        (MailHome::NotYet { .. }, _) => Some("Dovecot has to keep mail in Maildirs first"),
        (_, false) => Some("the rules come first"),
        _ => None,
    };
    steps.extend(delivery(found, way, waits));
    steps.extend(old_mail(found));
    steps.push(SetupStep {
        title: "Try it".into(),
        reasons: vec!["Send yourself a message; then ask why it is where it is.".into()],
        action: SetupAction::ByHand(vec![
            "mfilter check".into(),
            "mfilter --test MESSAGE".into(),
            "mfilter why MESSAGE".into(),
        ]),
    });
    steps
}

fn way(found: &SetupFindings) -> MailRoute<'_> {
    let syncs =
        |(fetcher, _): &&(Fetcher, &str)| matches!(fetcher, Fetcher::Mbsync | Fetcher::OfflineImap);
    if found.fetchers.iter().any(|each| syncs(&each)) {
        return MailRoute::Watch;
    }
    match (&found.server, found.fetchers.first()) {
        (Some(MailServer::SendOnly(_)) | None, Some((fetcher, name))) => {
            MailRoute::Fetch(*fetcher, name)
        }
        (Some(MailServer::SendOnly(_)) | None, None) => MailRoute::None,
        (Some(server), _) => MailRoute::Server(server),
    }
}

fn place(found: &SetupFindings) -> MailHome {
    if let Some((path, inbox)) = &found.synced {
        return maildir(path, true, inbox.as_deref().unwrap_or_default());
    }
    match &found.dovecot {
        Some(DovecotStore::Maildir { path, is_fs, inbox }) => {
            // The values of other Dovecot variables (`%u`) are not known here.
            if path.contains('%') || path.contains('$') || path.is_empty() {
                return MailHome::NotYet {
                    reason: format!("Dovecot keeps mail in `{path}`: write that path, as it is for you, into the rules."),
                    lines: vec![format!("set maildir \"…\"    # in ~/.mailrules, for {path}")],
                };
            }
            subscribed(maildir(path, *is_fs, inbox))
        }
        Some(DovecotStore::Other { driver, is_new }) => MailHome::NotYet {
            reason: format!("Dovecot keeps mail as {driver}, and mfilter delivers only to Maildirs. As root:"),
            lines: match is_new {
                false => vec![
                    "echo 'mail_location = maildir:~/Maildir' > /etc/dovecot/conf.d/99-maildir.conf".into(),
                    "doveadm reload".into(),
                ],
                true => vec![
                    "printf 'mail_driver = maildir\\nmail_path = ~/Maildir\\nmail_inbox_path = ~/Maildir\\n' > /etc/dovecot/conf.d/99-maildir.conf".into(),
                    "doveadm reload".into(),
                ],
            },
        },
        store => match found.maildirs.first() {
            Some((name, is_fs)) => maildir(&format!("~/{name}"), *is_fs, ""),
            None if *store == Some(DovecotStore::Unknown) => MailHome::NotYet {
                reason: "Dovecot is here, and you may not read where it keeps mail.".into(),
                lines: vec!["doveconf -h mail_location    # as root; then set it".into()],
            },
            None => maildir("~/Maildir", false, ""),
        },
    }
}

/// Dovecot's list of subscriptions begins with the first one, so it is begun here, and
/// mail readers show the folders that rules make.
fn subscribed(place: MailHome) -> MailHome {
    match place {
        MailHome::Maildir { path, settings } => {
            MailHome::Maildir { path, settings: settings + "set subscribe on\n" }
        }
        not_yet => not_yet,
    }
}

/// A Maildir whose inbox is the directory `inbox`, or the Maildir itself if that is
/// empty.
fn maildir(path: &str, is_fs: bool, inbox: &str) -> MailHome {
    let inbox = match inbox.strip_prefix(path).map(|below| below.strip_prefix('/')) {
        _ if inbox.is_empty() || inbox == path => None,
        Some(Some(folder)) if is_fs => Some(folder.to_owned()),
        _ => {
            let (reason, line) = if is_fs {
                let line = format!("{path}/INBOX    # set the inbox to this, and move it there");
                (format!("The inbox, `{inbox}`, is not within `{path}`, where folders are."), line)
            } else {
                let line = format!("{path}    # set the inbox to this, and move its mail there");
                (format!("The inbox, `{inbox}`, is not the Maildir itself, `{path}`."), line)
            };
            return MailHome::NotYet { reason, lines: vec![line] };
        }
    };
    let mut settings = String::new();
    if path != "~/Maildir" {
        settings.push_str(&format!("set maildir {}\n", quote(path)));
    }
    if is_fs {
        settings.push_str("set layout fs\n");
    }
    if let Some(inbox) = inbox {
        settings.push_str(&format!("set inbox {}\n", quote(&inbox)));
    }
    MailHome::Maildir { path: path.to_owned(), settings }
}

/// The step for the rules, and whether there will be rules after it.
fn rules(found: &SetupFindings, place: &MailHome) -> (SetupStep, bool) {
    let path = found.home.join(".mailrules");
    let step = |title: &str, reasons: Vec<String>, action| SetupStep {
        title: title.into(),
        reasons,
        action,
    };
    match (&found.rules, found.others.first(), place) {
        (UserFile::Text(_), ..) => {
            let reason = "~/.mailrules exists and is kept.".into();
            (step("Rules", vec![reason], SetupAction::Done), true)
        }
        (UserFile::Strange(why), ..) => {
            let reason = format!("~/.mailrules {why}; it is left alone.");
            (
                step("Rules", vec![reason], SetupAction::ByHand(vec!["ls -l ~/.mailrules".into()])),
                false,
            )
        }
        (UserFile::Missing, Some((other, file)), _) => {
            let word = other.word();
            let lines = vec![
                format!("mfilter import {word} ~/{file} -o ~/.mailrules"),
                "mfilter check".into(),
                format!("mfilter import {word} ~/{file} --try ~/Maildir | less"),
                "mfilter setup".into(),
            ];
            let reasons = vec![
                format!(
                    "~/{file} is translated into rules, and old mail shows where these differ."
                ),
                "What could not be translated is in them as a comment: read it.".into(),
            ];
            (step("Translate your rules", reasons, SetupAction::ByHand(lines)), false)
        }
        (UserFile::Missing, None, MailHome::NotYet { .. }) => {
            let reason = "Rules are written once Dovecot keeps mail in Maildirs.".into();
            (step("Rules", vec![reason], SetupAction::ByHand(vec!["mfilter setup".into()])), false)
        }
        (UserFile::Missing, None, MailHome::Maildir { path: maildir, settings }) => {
            let text = match settings.is_empty() {
                true => FIRST_RULES.to_owned(),
                false => format!("# Where your mail is.\n{settings}\n{FIRST_RULES}"),
            };
            let reasons = vec![
                format!("A first set, to make your own; mail goes to {maildir}."),
                "Mail that no rule matches goes to the inbox.".into(),
            ];
            (step("Rules", reasons, SetupAction::Write { path, before: None, text }), true)
        }
    }
}

/// The steps that get mail to mfilter.
fn delivery(found: &SetupFindings, way: MailRoute<'_>, waits: Option<&str>) -> Vec<SetupStep> {
    if let Some(waits) = waits {
        return vec![SetupStep {
            title: "Switch delivery to mfilter".into(),
            reasons: vec![format!("Not yet: {waits}.")],
            action: SetupAction::ByHand(vec!["mfilter setup".into()]),
        }];
    }
    match way {
        MailRoute::Server(server) => vec![by_server(found, server)],
        MailRoute::Watch => by_watch(found),
        MailRoute::Fetch(fetcher, file) => vec![by_fetcher(found, fetcher, file)],
        MailRoute::None => vec![SetupStep {
            title: "Bring mail here".into(),
            reasons: vec![
                "No mail server, mbsync, OfflineIMAP, fetchmail, getmail or mpop was found.".into(),
                "docs/guide/without-a-mail-server.md has whole files for each.".into(),
            ],
            action: SetupAction::ByHand(vec!["mfilter setup".into()]),
        }],
    }
}

/// A line for `.forward`, or for the file that the server uses instead.
fn forward_line(found: &SetupFindings, server: &MailServer) -> Option<String> {
    let program = plain(&found.program)?;
    Some(match server {
        MailServer::OpenSmtpd => format!("\"|test -x {program} || exit 75; exec {program}\"\n"),
        MailServer::Sendmail => {
            let home = plain(&found.home)?;
            format!("\"|test -x {program} || exit 75; HOME={home} exec {program}\"\n")
        }
        MailServer::Qmail => format!("|{program}\n"),
        MailServer::Courier => format!("| {program}\n"),
        _ => format!("\"|{program}\"\n"),
    })
}

/// A path that no server or shell interprets in another way.
fn plain(path: &Path) -> Option<&str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    path.to_str().filter(|path| path.chars().all(is_plain))
}

fn by_server(found: &SetupFindings, server: &MailServer) -> SetupStep {
    let name = server.forward_file();
    let path = found.home.join(name);
    let title = format!("Have {} call mfilter", server.name());
    let step =
        |reason: String, action| SetupStep { title: title.clone(), reasons: vec![reason], action };
    if let MailServer::Postfix { mailbox_command, reads_forward } = server {
        if mailbox_command.contains("mfilter") && found.forward == UserFile::Missing {
            return step(
                "It does so for everyone, through mailbox_command.".into(),
                SetupAction::Done,
            );
        }
        if !reads_forward {
            let line = format!("postconf -e 'mailbox_command = {}'", found.program.display());
            let reason = "It reads no ~/.forward here (forward_path is empty): root sets this.";
            return step(reason.into(), SetupAction::ByHand(vec![line]));
        }
    }
    let Some(line) = forward_line(found, server) else {
        let reason = format!("`{}` has to be quoted, see mailrules(5).", found.program.display());
        return step(reason, SetupAction::ByHand(vec![format!("$EDITOR ~/{name}")]));
    };
    let by_hand = || SetupAction::ByHand(vec![format!("~/{name}:  {}", line.trim_end())]);
    let mut written = match &found.forward {
        UserFile::Missing => {
            let action = SetupAction::Write { path, before: None, text: line };
            step(
                format!("By a line in ~/{name}; without that file everything is as before."),
                action,
            )
        }
        UserFile::Text(text) if text.contains("mfilter") => {
            step(format!("~/{name} does so already."), SetupAction::Done)
        }
        UserFile::Text(text) if calls_a_filter(text) => {
            let reason = format!("~/{name} calls another filter; a copy of it is kept.");
            step(reason, SetupAction::Write { path, before: Some(text.clone()), text: line })
        }
        UserFile::Text(_) => {
            step(format!("~/{name} does something else and is left alone."), by_hand())
        }
        UserFile::Strange(why) => step(format!("~/{name} {why}; it is left alone."), by_hand()),
    };
    if *server == MailServer::Exim {
        written.reasons.push(
            "Exim's stock transport for it bounces where others wait: see \
             docs/guide/mail-servers.md."
                .into(),
        );
    }
    written
}

/// Whether a `.forward` only calls a filter that mfilter replaces.
fn calls_a_filter(text: &str) -> bool {
    let mut lines =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (Some(line), None) = (lines.next(), lines.next()) else { return false };
    let Some(command) = line.trim_matches('"').trim_start().strip_prefix('|') else { return false };
    // `IFS=' ' && exec /usr/bin/procmail -f- || exit 75 #taro`, as in manuals.
    let command = command.trim_start();
    let command = command.strip_prefix("IFS=' '").unwrap_or(command).trim_start();
    let command = command.strip_prefix("&&").unwrap_or(command).trim_start();
    let command = command.strip_prefix("exec ").unwrap_or(command).trim_start();
    let (command, otherwise) = command.split_once("||").unwrap_or((command, "exit 75"));
    let otherwise = otherwise.split('#').next().unwrap_or_default().trim();
    let program = command.split_whitespace().next().unwrap_or_default();
    let name = program.rsplit('/').next().unwrap_or(program);
    otherwise == "exit 75"
        && !command.contains([',', '|', ';', '&', '<', '>', '`', '$', '(', '\n'])
        && ["procmail", "maildrop", "dovecot-lda", "deliver"].contains(&name)
}

fn by_watch(found: &SetupFindings) -> Vec<SetupStep> {
    let title = "Have synced mail filed";
    if !found.has_systemd {
        return vec![SetupStep {
            title: title.into(),
            reasons: vec!["There is no systemd here: start it as you start other programs.".into()],
            action: SetupAction::ByHand(vec![format!("{} watch", found.program.display())]),
        }];
    }
    let start = SetupStep {
        title: "Start it".into(),
        reasons: vec!["The second line has it run while you are not logged in, too.".into()],
        action: SetupAction::ByHand(vec![
            "systemctl --user enable --now mfilter-watch".into(),
            "loginctl enable-linger".into(),
        ]),
    };
    let path = found.home.join(UNIT);
    let (reason, action) = match &found.unit {
        UserFile::Text(_) => (format!("~/{UNIT} exists and is kept."), SetupAction::Done),
        UserFile::Strange(why) => {
            let line = format!("{} watch", found.program.display());
            (format!("~/{UNIT} {why}; it is left alone."), SetupAction::ByHand(vec![line]))
        }
        UserFile::Missing => {
            let program = format!("ExecStart={} ", found.program.display());
            let text = WATCH_UNIT.replace(UNIT_PROGRAM, &program);
            let reason = "By a unit of systemd, which runs `mfilter watch`.".into();
            (reason, SetupAction::Write { path, before: None, text })
        }
    };
    vec![SetupStep { title: title.into(), reasons: vec![reason], action }, start]
}

fn by_fetcher(found: &SetupFindings, fetcher: Fetcher, file: &str) -> SetupStep {
    let program = found.program.display();
    let (name, lines) = match fetcher {
        Fetcher::Getmail => (
            "getmail",
            vec![
                "[destination]".into(),
                "type = MDA_external".into(),
                format!("path = {program}"),
                "arguments = (\"-f\", \"%(sender)\")".into(),
            ],
        ),
        Fetcher::Mpop => {
            ("mpop", vec![format!("delivery mda \"{program}\""), "received_header off".into()])
        }
        _ => ("fetchmail", vec![format!("mda \"{program}\"")]),
    };
    SetupStep {
        title: format!("Have {name} call mfilter"),
        reasons: vec![format!("In ~/{file}, for the account; other lines of it stay.")],
        action: SetupAction::ByHand(lines),
    }
}

fn old_mail(found: &SetupFindings) -> Option<SetupStep> {
    let shown = |path: &Path| match path.strip_prefix(&found.home) {
        Ok(rest) => format!("~/{}", rest.display()),
        Err(_) => path.display().to_string(),
    };
    let lines: Vec<String> = found
        .mboxes
        .iter()
        .map(|path| match path.starts_with(&found.home) {
            true => format!("mfilter import mbox {}", shown(path)),
            false => format!("mfilter import mbox {} --folder INBOX", shown(path)),
        })
        .collect();
    (!lines.is_empty()).then(|| SetupStep {
        title: "Old mail".into(),
        reasons: vec![
            "Mboxes are only read; each message comes into the Maildir once.".into(),
            "Do it when new mail arrives there.".into(),
        ],
        action: SetupAction::ByHand(lines),
    })
}

#[cfg(test)]
mod tests {
    use super::calls_a_filter;

    #[test]
    fn only_what_calls_a_filter_and_nothing_else_is_replaced() {
        for text in [
            "|/usr/bin/procmail\n",
            "\"|/usr/bin/procmail\"\n",
            "\"|IFS=' ' && exec /usr/bin/procmail -f- || exit 75 #hana\"\n",
            "# by the handbook\n| /usr/bin/maildrop\n",
        ] {
            assert!(calls_a_filter(text), "{text}");
        }
        for text in [
            "",
            "hana@example.org\n",
            "\\hana, \"|/usr/bin/vacation hana\"\n",
            "\\hana, \"|/usr/bin/procmail\"\n",
            "hana@example.org\n|/usr/bin/procmail\n",
            "|/usr/bin/procmailex\n",
            "/home/hana/procmail\n",
        ] {
            assert!(!calls_a_filter(text), "{text}");
        }
    }
}
