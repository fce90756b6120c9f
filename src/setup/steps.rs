//! What has to be done, step by step, as data: what can be written into the home, what
//! only the user or root can do, and what has to wait for another step.

#![allow(missing_docs, reason = "each variant's line explains its fields")]

use std::path::{Path, PathBuf};

use super::survey::{
    DovecotStore, Fetcher, MailServer, MaildirFound, SetupFindings, UNIT, UserFile,
};
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
    /// Why, why not, or how; one sentence each.
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
    /// Nothing until the steps before it are done; then `mfilter setup` again.
    NotYet,
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
    /// Not yet where mfilter could deliver, and what has to be done about it.
    NotYet { title: &'static str, reasons: Vec<String>, lines: Vec<String> },
}

/// Why a step cannot be done yet.
const AFTER_FIRST: &str = "Not yet: step 1 comes first.";

/// All steps, in order.
pub fn steps(found: &SetupFindings) -> Vec<SetupStep> {
    let (route, place) = (mail_route(found), mail_home(found));
    let mut steps = Vec::new();
    if let MailHome::NotYet { title, reasons, lines } = &place {
        let why = "Until then your mail reader would not show what mfilter delivers.";
        steps.push(SetupStep {
            title: (*title).into(),
            reasons: [&[why.to_owned()], reasons.as_slice()].concat(),
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
        (MailHome::NotYet { .. }, _) => Some(AFTER_FIRST),
        (_, false) => Some("Not yet: the rules come first."),
        _ => None,
    };
    let sends = matches!(route, MailRoute::Server(_));
    steps.extend(delivery(found, route, waits));
    steps.extend(old_mail(found));
    // Debian's users have no `sendmail` in their path.
    let send_test =
        sends.then(|| r#"echo "Subject: hello" | /usr/sbin/sendmail "$USER""#.to_owned());
    let commands = ["mfilter check", "mfilter --test MESSAGE", "mfilter why MESSAGE"];
    steps.push(SetupStep {
        title: "Try it".into(),
        reasons: vec![
            "Send yourself a message; then ask why it is where it is.".into(),
            "MESSAGE is its file; for `mfilter why`, its Message-ID will do.".into(),
        ],
        action: SetupAction::ByHand(
            send_test.into_iter().chain(commands.map(str::to_owned)).collect(),
        ),
    });
    steps
}

fn mail_route(found: &SetupFindings) -> MailRoute<'_> {
    let syncs =
        |(fetcher, _): &&(Fetcher, &str)| matches!(fetcher, Fetcher::Mbsync | Fetcher::OfflineImap);
    if found.fetchers.iter().any(|fetcher| syncs(&fetcher)) {
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

const WHERE: &str = "Say where your mail is";
const SET_MAILDIR: &str = "Write the path of your Maildir into ~/.mailrules, as in:";

fn mail_home(found: &SetupFindings) -> MailHome {
    if let Some(synced) = &found.synced {
        return maildir(synced);
    }
    match &found.dovecot {
        Some(DovecotStore::Maildir(store)) => {
            let path = &store.path;
            // The values of other Dovecot variables (`%u`) are not known here.
            if path.contains('%') || path.contains('$') || path.is_empty() {
                return MailHome::NotYet {
                    title: WHERE,
                    reasons: vec![
                        format!("Dovecot keeps mail in `{path}`, whose variables only it knows."),
                        SET_MAILDIR.into(),
                    ],
                    lines: vec!["set maildir \"…\"".into()],
                };
            }
            subscribed(maildir(store))
        }
        Some(DovecotStore::Other { driver, is_new }) => MailHome::NotYet {
            title: "Have Dovecot keep mail in Maildirs",
            reasons: vec![
                format!("Dovecot keeps mail as {driver}, and mfilter delivers only to Maildirs."),
                "Run this as root:".into(),
            ],
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
            // Dovecot reads modified UTF-7 unless its settings say otherwise.
            Some(there) if store.is_some() => {
                maildir(&MaildirFound { utf8_names: false, ..there.clone() })
            }
            Some(there) => maildir(there),
            None if *store == Some(DovecotStore::Unknown) => MailHome::NotYet {
                title: WHERE,
                reasons: vec![
                    "Only root can ask Dovecot where it keeps mail: `doveconf -n`.".into(),
                    SET_MAILDIR.into(),
                ],
                lines: vec!["set maildir \"…\"".into()],
            },
            None => maildir(&MaildirFound { path: "~/Maildir".into(), ..Default::default() }),
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

/// A Maildir, if its inbox is where mfilter can deliver.
fn maildir(found: &MaildirFound) -> MailHome {
    let MaildirFound { path, is_fs, inbox, utf8_names } = found;
    let (is_fs, inbox) = (*is_fs, inbox.as_str());
    let inbox = match inbox.strip_prefix(path).map(|below| below.strip_prefix('/')) {
        _ if inbox.is_empty() || inbox == path => None,
        Some(Some(folder)) if is_fs => Some(folder.to_owned()),
        _ => {
            let (reason, place) = if is_fs {
                let reason =
                    format!("The inbox `{inbox}` is not a folder of the Maildir `{path}`.");
                (reason, format!("{path}/INBOX"))
            } else {
                let reason = format!("The inbox `{inbox}` is not the Maildir `{path}` itself.");
                (reason, path.to_owned())
            };
            return MailHome::NotYet {
                title: "Move the inbox",
                reasons: vec![
                    reason,
                    "Set the inbox of Dovecot or mbsync to this, and move its mail there:".into(),
                ],
                lines: vec![place],
            };
        }
    };
    let mut settings = String::new();
    if path != "~/Maildir" {
        settings.push_str(&format!("set maildir {}\n", quote(path)));
    }
    if is_fs {
        settings.push_str("set layout fs\n");
    }
    if *utf8_names {
        settings.push_str("set folder-names utf8\n");
    }
    if let Some(inbox) = inbox {
        settings.push_str(&format!("set inbox {}\n", quote(&inbox)));
    }
    MailHome::Maildir { path: path.to_owned(), settings }
}

const RULES: &str = "Write rules";

/// What is done in a step that cannot be decided yet.
fn call_setup_again() -> SetupAction {
    SetupAction::ByHand(vec!["mfilter setup".into()])
}

fn is_kept(file: &str) -> String {
    format!("~/{file} exists and is kept as it is.")
}

fn is_left_alone(file: &str, why: &str) -> String {
    format!("~/{file} {why}; it is left alone.")
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
            (step(RULES, vec![is_kept(".mailrules")], SetupAction::Done), true)
        }
        (UserFile::Strange(why), ..) => {
            let action = SetupAction::ByHand(vec!["ls -l ~/.mailrules".into()]);
            (step(RULES, vec![is_left_alone(".mailrules", why)], action), false)
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
                format!("These commands translate ~/{file} and try both on your old mail."),
                "Comments in ~/.mailrules say what could not be translated: read them.".into(),
            ];
            (step("Translate your rules", reasons, SetupAction::ByHand(lines)), false)
        }
        (UserFile::Missing, None, MailHome::NotYet { .. }) => {
            (step(RULES, vec![AFTER_FIRST.into()], SetupAction::NotYet), false)
        }
        (UserFile::Missing, None, MailHome::Maildir { path: maildir, settings }) => {
            let text = match settings.is_empty() {
                true => FIRST_RULES.to_owned(),
                false => format!("# Where your mail is.\n{settings}\n{FIRST_RULES}"),
            };
            let reasons = vec![
                format!("A first set of rules for you to change; mail is stored in {maildir}."),
                "Mail that no rule matches goes to the inbox.".into(),
            ];
            (step(RULES, reasons, SetupAction::Write { path, before: None, text }), true)
        }
    }
}

/// The steps that get mail to mfilter.
fn delivery(found: &SetupFindings, route: MailRoute<'_>, waits: Option<&str>) -> Vec<SetupStep> {
    if let Some(waits) = waits {
        return vec![SetupStep {
            title: "Switch delivery to mfilter".into(),
            reasons: vec![waits.into()],
            action: SetupAction::NotYet,
        }];
    }
    match route {
        MailRoute::Server(server) => vec![by_server(found, server)],
        MailRoute::Watch => by_watch(found),
        MailRoute::Fetch(fetcher, file) => vec![by_fetcher(found, fetcher, file)],
        MailRoute::None => vec![SetupStep {
            title: "Get mail to this machine".into(),
            reasons: vec![
                "No mail server, mbsync, OfflineIMAP, fetchmail, getmail or mpop was found.".into(),
                "docs/guide/without-a-mail-server.md has complete settings for each.".into(),
                "When one of them is set up, continue with:".into(),
            ],
            action: call_setup_again(),
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
    let caller = server.name();
    let title = format!("Have {caller} call mfilter");
    let step =
        |reason: String, action| SetupStep { title: title.clone(), reasons: vec![reason], action };
    if let MailServer::Postfix { mailbox_command, reads_forward } = server {
        if mailbox_command.contains("mfilter") && found.forward == UserFile::Missing {
            return step(
                "Postfix already does so for all users, with `mailbox_command`.".into(),
                SetupAction::Done,
            );
        }
        if !reads_forward {
            let line = format!("postconf -e 'mailbox_command = {}'", found.program.display());
            let reason = "It ignores ~/.forward here (`forward_path` is empty). Run this as root:";
            return step(reason.into(), SetupAction::ByHand(vec![line]));
        }
    }
    let Some(line) = forward_line(found, server) else {
        let reason = format!(
            "`{}` has characters with a meaning in ~/{name}: install mfilter elsewhere.",
            found.program.display()
        );
        return step(reason, call_setup_again());
    };
    let by_hand = |reason: String| SetupStep {
        title: title.clone(),
        reasons: vec![reason, "To call mfilter, it needs this line:".into()],
        action: SetupAction::ByHand(vec![line.trim_end().into()]),
    };
    let mut written = match &found.forward {
        UserFile::Missing => {
            let reason = format!(
                "This takes a line in ~/{name}; without that file everything is as before."
            );
            step(reason, SetupAction::Write { path, before: None, text: line })
        }
        UserFile::Text(text) if text.contains("mfilter") => {
            step(format!("~/{name} does so already."), SetupAction::Done)
        }
        UserFile::Text(text) if calls_a_filter(text) => {
            let reason = format!("~/{name} calls another filter; a copy of it is kept.");
            step(reason, SetupAction::Write { path, before: Some(text.clone()), text: line })
        }
        UserFile::Text(_) => by_hand(format!("~/{name} does something else; it is left alone.")),
        UserFile::Strange(why) => by_hand(is_left_alone(name, why)),
    };
    if *server == MailServer::Exim {
        written.reasons.push(
            "Exim's stock transport bounces mail where others try again: change it as \
             docs/guide/mail-servers.md says."
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
    let by_hand = |reasons: Vec<String>| SetupStep {
        title: title.into(),
        reasons,
        action: SetupAction::ByHand(vec![format!("{} watch", found.program.display())]),
    };
    if !found.has_systemd {
        let reason = "There is no systemd here: start this as you start other programs:";
        return vec![by_hand(vec![reason.into()])];
    }
    let start = SetupStep {
        title: "Start it".into(),
        reasons: vec!["The second command keeps it running while you are logged out.".into()],
        action: SetupAction::ByHand(vec![
            "systemctl --user enable --now mfilter-watch".into(),
            "loginctl enable-linger".into(),
        ]),
    };
    let path = found.home.join(UNIT);
    let (reason, action) = match &found.unit {
        UserFile::Text(_) => (is_kept(UNIT), SetupAction::Done),
        UserFile::Strange(why) => {
            let next = "The program to start is:".into();
            return vec![by_hand(vec![is_left_alone(UNIT, why), next]), start];
        }
        UserFile::Missing => {
            let program = format!("ExecStart={} ", found.program.display());
            let text = WATCH_UNIT.replace(UNIT_PROGRAM, &program);
            let reason = "A user unit of systemd runs `mfilter watch`.".into();
            (reason, SetupAction::Write { path, before: None, text })
        }
    };
    vec![SetupStep { title: title.into(), reasons: vec![reason], action }, start]
}

fn by_fetcher(found: &SetupFindings, fetcher: Fetcher, file: &str) -> SetupStep {
    let program = found.program.display();
    let (caller, lines) = match fetcher {
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
        title: format!("Have {caller} call mfilter"),
        reasons: vec![format!("Add this to the account in ~/{file}, and keep its other lines:")],
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
        title: "Import old mail".into(),
        reasons: vec![
            "Mboxes are only read; each message is filed once, however often you run this.".into(),
            "Do this once new mail arrives in the Maildir.".into(),
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
