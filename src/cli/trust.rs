//! `mfilter check --mail`: whether the servers in `set trust` write their results on
//! every message (RFC 8601 §5 requires it), judged by existing mail.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use super::progress::ProgressMeter;
use super::{CommandOutcome, output};
use crate::classify::authentication::names_id;
use crate::evaluate::{BorderServer, border_server, every_field};
use crate::language::Language;
use crate::mailbox;
use crate::message::domain;
use crate::outcome::Failure;
use crate::rules::compiled::CompiledProgram;
use crate::rules::program::Settings;
use crate::text::{counted, escape};
use crate::translation::translated;
use crate::user::User;
use crate::world::World;

/// With fewer messages, nothing is concluded beyond what was asked.
const MESSAGES_MIN: usize = 10;

/// What is written on the messages that came through one server.
#[derive(Default)]
struct Border {
    messages: usize,
    /// On how many of them each authserv-id is.
    ids: BTreeMap<String, usize>,
    /// The same for each word of `set trust`.
    trusted: BTreeMap<String, usize>,
    /// For each word of `set trust`, the first message without it.
    missing: BTreeMap<String, String>,
}

/// Reads the mail at `paths`, and reports what that says about `set trust`.
pub(super) fn run(
    settings: Settings,
    paths: &[PathBuf],
    user: &User,
) -> Result<CommandOutcome, String> {
    let trusted: Vec<String> =
        settings.trust.iter().map(|id| domain::canonical(id).into_owned()).collect();
    let program = &CompiledProgram::new(every_field(settings));
    let progress = ProgressMeter::start(paths, false);
    let mut borders: BTreeMap<String, Border> = BTreeMap::new();
    let mut failures = 0_usize;
    let now = World::default().now();
    let threads = mailbox::walk_in_order(
        mailbox::message_sources(paths.iter().cloned()),
        || World { now: Some(now), ..World::of(user.clone()) },
        |world, _, batch| {
            let results = batch.into_iter().map(|item| {
                let source = item?;
                let message = source.open()?;
                Ok((source.number, source.label, border_server(program, &message, world)))
            });
            results.collect()
        },
        |_| (),
        |result: Result<(usize, String, Option<BorderServer>), Failure>| {
            match result {
                Ok((number, label, border_server)) => {
                    progress.done(number);
                    if let Some(border_server) = border_server {
                        count(&mut borders, &trusted, &label, border_server);
                    }
                }
                Err(failure) => {
                    failures += 1;
                    progress.error(&failure.to_string());
                }
            }
            true
        },
    );
    progress.end();
    threads.map_err(|error| format!("cannot start a thread: {error}"))?;
    let (text, finding) = describe(&borders, &trusted, Language::of_locale());
    output::report(&text);
    Ok(if failures > 0 { CommandOutcome::Found } else { finding })
}

fn count(
    borders: &mut BTreeMap<String, Border>,
    trusted: &[String],
    label: &str,
    border_server: BorderServer,
) {
    let border = borders.entry(border_server.host).or_default();
    border.messages += 1;
    for word in trusted {
        if border_server.ids.iter().any(|id| names_id(word, id)) {
            *border.trusted.entry(word.clone()).or_default() += 1;
        } else {
            border.missing.entry(word.clone()).or_insert_with(|| label.to_owned());
        }
    }
    for id in border_server.ids {
        *border.ids.entry(id).or_default() += 1;
    }
}

/// The text of the report, and whether anything is wrong.
fn describe(
    borders: &BTreeMap<String, Border>,
    trusted: &[String],
    language: Language,
) -> (String, CommandOutcome) {
    let say = |text: &str| translated(text, language).into_owned();
    let (mut text, mut finding) = (String::new(), CommandOutcome::Fine);
    for id in trusted {
        let mut is_found = false;
        for (host, border) in borders {
            let Some(on) = border.trusted.get(id).copied() else { continue };
            is_found = true;
            let (host, all) = (escape(host), counted(border.messages, "message"));
            text.push_str(&say(&format!("{id}: on {on} of {all} that came through {host}")));
            if let Some(example) = border.missing.get(id) {
                finding = CommandOutcome::Found;
                let example = escape(example);
                text.push_str(&say(&format!(
                    "; missing on {example}, say: there a sender could have written it, so take \
                     it out of `set trust`, or have {host} write it on every message"
                )));
            }
            text.push('\n');
        }
        if !is_found {
            finding = CommandOutcome::Found;
            let none = format!("{id}: on no message at all, so it proves nothing");
            let _ = writeln!(text, "{}", say(&none));
        }
    }
    for (host, border) in borders.iter().filter(|(_, border)| border.messages >= MESSAGES_MIN) {
        for (id, on) in &border.ids {
            if *on == border.messages && !trusted.iter().any(|word| names_id(word, id)) {
                let (host, id) = (escape(host), escape(id));
                let all = format!(
                    "{id}: on all {on} messages that came through {host}, and not in `set trust`: \
                     name it there if it is a server of yours"
                );
                let _ = writeln!(text, "{}", say(&all));
            }
        }
    }
    if text.is_empty() {
        let none = say("no server writes its results on all messages that came through it");
        let _ = writeln!(text, "{none}");
    }
    (text, finding)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn borders(messages: &[(&str, &[&str])]) -> BTreeMap<String, Border> {
        let mut borders = BTreeMap::new();
        for (number, (host, ids)) in messages.iter().enumerate() {
            let ids = ids.iter().map(|id| (*id).to_owned()).collect();
            let border_server = BorderServer { host: (*host).to_owned(), ids };
            count(
                &mut borders,
                &["mx.example.jp".to_owned()],
                &format!("m{number}"),
                border_server,
            );
        }
        borders
    }

    fn telling(messages: &[(&str, &[&str])]) -> (String, CommandOutcome) {
        describe(&borders(messages), &["mx.example.jp".to_owned()], Language::English)
    }

    #[test]
    fn an_id_on_all_messages_of_its_server_is_fine() {
        let (text, finding) = telling(&[
            ("mx.example.jp", &["mx.example.jp"]),
            ("mx.example.jp", &["mx.example.jp", "x"]),
            ("mx.other.example", &[]),
        ]);
        assert_eq!(text, "mx.example.jp: on 2 of 2 messages that came through mx.example.jp\n");
        assert!(matches!(finding, CommandOutcome::Fine));
    }

    #[test]
    fn an_id_that_is_missing_somewhere_is_reported() {
        let (text, finding) =
            telling(&[("mx.example.jp", &["mx.example.jp"]), ("mx.example.jp", &[])]);
        assert!(text.contains("on 1 of 2") && text.contains("missing on m1, say"), "{text}");
        assert!(matches!(finding, CommandOutcome::Found));
        let (text, finding) = telling(&[("mx.example.jp", &[])]);
        assert_eq!(text, "mx.example.jp: on no message at all, so it proves nothing\n");
        assert!(matches!(finding, CommandOutcome::Found));
    }

    #[test]
    fn a_suffix_means_every_name_below() {
        let mut borders = BTreeMap::new();
        for id in ["a.mail.example", "b.mail.example"] {
            let border_server =
                BorderServer { host: "mail.example".to_owned(), ids: vec![id.to_owned()] };
            count(&mut borders, &[".mail.example".to_owned()], "m", border_server);
        }
        let (text, finding) = describe(&borders, &[".mail.example".to_owned()], Language::English);
        assert_eq!(text, ".mail.example: on 2 of 2 messages that came through mail.example\n");
        assert!(matches!(finding, CommandOutcome::Fine));
    }

    #[test]
    fn an_id_on_all_of_many_messages_is_proposed() {
        let many = [("mx.other.example", &["other.example"][..]); MESSAGES_MIN];
        let telling = |messages| describe(&borders(messages), &[], Language::English).0;
        assert!(telling(&many).starts_with("other.example: on all 10 messages"));
        assert!(telling(&many[1..]).starts_with("no server writes"));
    }
}
