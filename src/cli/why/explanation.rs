//! What became of a message, and the message judged again.

use std::fs;
use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::line::{describe, line_json, time};
use super::query::{Query, message_in};
use crate::cli::current_rules::CurrentRules;
use crate::cli::output::{self, say};
use crate::cli::with_mail;
use crate::evaluate::{self, Detail, Evaluation, NoFilters};
use crate::flags::Flags;
use crate::language::Language;
use crate::log::UNDO;
use crate::log::reader::LogLine;
use crate::mailbox;
use crate::maildir::Location;
use crate::message::Message;
use crate::plan::{Folder, StepKind};
use crate::report::diff::{self, RunResult};
use crate::report::{self, ReportStyle};
use crate::rules::listing;
use crate::rules::program::Program;
use crate::state::duplicates;
use crate::text::{escape, json_line, shown_sentence};
use crate::user::User;
use crate::world::{DuplicateStatus, StoredMessage, World};

/// Everything for the explanation.
pub(super) struct LineExplanation<'a> {
    pub(super) query: &'a Query,
    pub(super) lines: &'a [LogLine],
    pub(super) file: Option<&'a Path>,
    /// Since when the rules of that time were in force, and how many versions followed.
    pub(super) since: Option<(i64, usize)>,
    /// The rules at that time.
    pub(super) then: Option<&'a CurrentRules>,
    pub(super) decisive: Option<&'a LogLine>,
    pub(super) notes: Vec<String>,
    pub(super) location: &'a Location,
    pub(super) user: &'a User,
}

/// The message judged again.
struct JudgedAgain<'f> {
    file: &'f Path,
    message: Message,
    world: World,
    /// By the rules of that time, or the current ones if those are not known.
    evaluation: Evaluation,
    /// By the current rules, if the rules of that time are known.
    today: Option<Evaluation>,
}

impl LineExplanation<'_> {
    pub(super) fn text(mut self, as_json: bool, today: &CurrentRules) -> Result<String, String> {
        let rules = self.then.unwrap_or(today);
        let message = match self.file {
            Some(file) => match message_in(file) {
                Ok(message) => Some((file, message)),
                Err(why) => {
                    self.notes.push(why);
                    None
                }
            },
            None => {
                self.notes.push(match self.decisive.map(|line| line.word.as_str()) {
                    Some("discarded") => "it was discarded: there is no file to judge again".into(),
                    _ => "its file is not found, so it is not judged again".into(),
                });
                None
            }
        };
        let judged = match message {
            Some((file, message)) => Some(self.judge(file, message, rules, today)?),
            None => None,
        };
        Ok(match as_json {
            true => self.json(rules, today, judged.as_ref()),
            false => self.for_people(rules, today, judged.as_ref()),
        })
    }

    /// Judges the message again: by the rules of that time, and by the current ones if
    /// those are others.
    fn judge<'f>(
        &mut self,
        file: &'f Path,
        message: Message,
        rules: &CurrentRules,
        today: &CurrentRules,
    ) -> Result<JudgedAgain<'f>, String> {
        let world = self.world(&rules.rules.user);
        let run = evaluate::run(&rules.rules, message, &world, Detail::Trace, &mut NoFilters);
        self.note_difference(file, &run.evaluation);
        let today = match self.then {
            Some(_) => {
                let world = self.world(&today.rules.user);
                let message = message_in(file)?;
                let now =
                    evaluate::run(&today.rules, message, &world, Detail::Plan, &mut NoFilters);
                Some(now.evaluation)
            }
            None => None,
        };
        Ok(JudgedAgain { file, message: run.message, world, evaluation: run.evaluation, today })
    }

    fn for_people(
        &self,
        rules: &CurrentRules,
        today: &CurrentRules,
        judged: Option<&JudgedAgain<'_>>,
    ) -> String {
        let mut out = format!("{}\n", self.query.id_or_file());
        for line in self.lines {
            out.push_str(&format!("  {}\n", describe(line)));
        }
        let mut row = |name: &str, text: String| report::row(&mut out, name, &text);
        if let Some(file) = self.file.filter(|_| self.query.file.is_none()) {
            row(&say("file"), escape(&file.display().to_string()));
        }
        if let Some((since, later)) = self.since {
            let since = time(since);
            let rules = match later {
                0 if self.then.is_some_and(|then| then.has_other_text_than(today)) => {
                    format!("as of {since}, edited since")
                }
                0 => format!("as of {since}, still in force"),
                1 => format!("as of {since}, with 1 newer version"),
                more => format!("as of {since}, with {more} newer versions"),
            };
            row(&say("rules"), say(&rules).into_owned());
        }
        if let Some((place, _, text)) = &self.rule() {
            row(
                &say("rule"),
                format!("{}  {}", output::with_tilde(&escape(place)), escape(text))
                    .trim_end()
                    .to_owned(),
            );
        }
        for note in &self.notes {
            row(&say("note"), shown_sentence(&say(note)));
        }
        let Some(judged) = judged else { return out };
        let JudgedAgain { message, world, evaluation, .. } = judged;
        let language = Language::of_locale();
        let style = ReportStyle { colour: output::colour(), verbose: true, language };
        out.push('\n');
        // The file is named above.
        out.push_str(&report::text("", message, world, evaluation, &rules.sources, style));
        match &judged.today {
            Some(now) if diff::same(&evaluation.plan, &now.plan) => {
                out.push_str(&format!("\n{}\n", say("the current rules would do the same")));
            }
            Some(now) => {
                let differ = say("the current rules would give a different result");
                out.push_str(&format!("\n{differ}\n"));
                let result = RunResult { evaluation: now, sources: &today.sources };
                out.push_str(&diff::steps(result, language));
            }
            None => {}
        }
        out
    }

    fn json(
        &self,
        rules: &CurrentRules,
        today: &CurrentRules,
        judged: Option<&JudgedAgain<'_>>,
    ) -> String {
        let lines: Vec<Value> = self.lines.iter().map(line_json).collect();
        let evaluated = judged.map(|judged| {
            let label = judged.file.display().to_string();
            let text = report::json(&label, &judged.evaluation, &rules.sources, &|_| None);
            serde_json::from_str::<Value>(&text).unwrap_or_default()
        });
        let evaluated_today = judged.and_then(|judged| {
            let now = judged.today.as_ref()?;
            let result = RunResult { evaluation: now, sources: &today.sources };
            let mut value = json!({"same": diff::same(&judged.evaluation.plan, &now.plan)});
            if let (Some(value), Value::Object(result)) = (value.as_object_mut(), result.json()) {
                value.extend(result);
            }
            Some(value)
        });
        let report = json!({
            "message_id": self.query.id,
            "file": self.file.map(|file| file.display().to_string()),
            "log": lines,
            "rules_since": self.since.map(|(since, _)| time(since)),
            "versions_since": self.since.map(|(_, later)| later),
            "rule": self.rule().map(|(place, label, text)| {
                json!({"place": place, "label": label, "text": text})
            }),
            "evaluated": evaluated,
            "today": evaluated_today,
            "notes": self.notes,
        });
        json_line(&report) + "\n"
    }

    /// The world at the time of the decisive line.
    fn world(&self, program: &Program) -> World {
        let now = self.decisive.and_then(|line| Timestamp::from_millisecond(line.began()).ok());
        let now = now.and_then(|now| Timestamp::from_second(now.as_second()).ok());
        let world = World { now, ..World::of(self.user.clone()) };
        let world = with_mail(world, program, self.location, false);
        let recipients = self.decisive.and_then(|line| line.get("for"));
        let recipients = recipients.map(|to| to.split(", ").map(str::to_owned).collect());
        let before = self.decisive.map(|line| self.before(line, program));
        world.before.set(before);
        // A message that `sort` or `watch` moved was in a folder then; its flags are not
        // known.
        let moved = self.decisive.filter(|line| line.word == "moved");
        world.stored.replace(
            moved
                .and_then(|line| line.get("was"))
                .map(|folder| StoredMessage { folder: folder.to_owned(), flags: Flags::default() }),
        );
        World {
            sender: self.decisive.and_then(|line| line.get("from")).map(str::to_owned),
            recipients: recipients.unwrap_or_default(),
            ..world
        }
    }

    /// Whether it had been delivered before, according to the log.
    fn before(&self, decisive: &LogLine, program: &Program) -> DuplicateStatus {
        const DELIVERED: [&str; 4] = ["delivered", "copied", "piped", "forwarded"];
        if decisive.word == "moved" {
            return DuplicateStatus::First;
        }
        let within = program.settings.duplicates_for.as_ref();
        let within = within.map_or(duplicates::REMEMBER_FOR.as_secs(), |seconds| *seconds);
        let earlier = self.lines.iter().rev().find(|line| {
            line.time < decisive.time
                && line.is_about(&self.query.id)
                && DELIVERED.contains(&line.word.as_str())
        });
        let ago = earlier.map(|line| decisive.time.as_second() - line.time.as_second());
        match ago.and_then(|ago| u64::try_from(ago).ok()) {
            Some(ago) if ago <= within => DuplicateStatus::Ago(ago),
            _ => DuplicateStatus::Never,
        }
    }

    /// Says what is not as the log has it: where the message lies, where the rules lead,
    /// whether a rule decides.
    fn note_difference(&mut self, file: &Path, evaluation: &Evaluation) {
        let Some(line) = self.decisive else { return };
        let Some(folder) = line.get("folder") else { return };
        if let Some(current) = self.moved_to(file, folder) {
            self.notes.push(format!(
                "mfilter put it into `{folder}`; you or another program moved it to `{current}`"
            ));
        }
        // No rule for new mail has asked for that.
        if let Some(by) = line.get("by").filter(|by| matches!(*by, UNDO | "expire")) {
            if by == UNDO {
                self.notes.push(format!("`--undo` has put it back into `{folder}`"));
            }
            return;
        }
        let steps = &evaluation.plan.steps;
        let leads_there = steps.iter().any(|step| match &step.kind {
            StepKind::Deliver { folder: to, .. } => to.to_string() == folder,
            _ => false,
        });
        if !leads_there && self.then.is_none() {
            self.notes.push(format!("the current rules would not put it into `{folder}`"));
        } else if !leads_there {
            self.notes.push(format!(
                "judged again, it would not go to `{folder}`: a list, a filter's output or the message itself has changed"
            ));
        } else if line.get("rule").is_none()
            && evaluation.plan.home_step().is_some_and(|step| step.rule.is_some())
        {
            let why = "then no rule decided; a list, or the message, has changed since";
            self.notes.push(why.into());
        } else if steps.iter().any(|step| matches!(step.kind, StepKind::Edit(_))) {
            self.notes.push("it was stored with changes to its header that rules made".into());
        }
        if line.get("category").is_some() {
            self.notes.push("site rules are shown in their current form".into());
        }
    }

    /// The folder that a file lies in, where it is another one than the log names.
    fn moved_to(&self, file: &Path, logged: &str) -> Option<Folder> {
        let logged = self.location.folder_path(&Folder::named(logged));
        let whole = |path: &Path| fs::canonicalize(path).ok();
        let is_there = whole(file.parent()?.parent()?) == whole(&logged);
        (!is_there).then(|| mailbox::folder_in(&self.location.path, file))?
    }

    /// The rule that the decisive line names: place, label and text at that time.
    fn rule(&self) -> Option<(String, Option<String>, String)> {
        let line = self.decisive?;
        let place = line.get("rule")?;
        let text = self.then.and_then(|rules| text_of(rules, place)).unwrap_or_default();
        Some((place.to_owned(), line.get("label").map(str::to_owned), text))
    }
}

/// The text of the rule at `file:line`.
fn text_of(rules: &CurrentRules, place: &str) -> Option<String> {
    let (file, line) = place.rsplit_once(':')?;
    let line: u32 = line.parse().ok()?;
    let listed = listing::rules(&rules.rules.user);
    let rule = listed.iter().find(|rule| {
        rule.line == line && rules.sources.path(rule.span).to_string_lossy() == file
    })?;
    Some(report::one_line(rules.sources.text(rule.span)))
}
