//! `mfilter why`: finds in the log what became of a message, shows the rule as it was
//! then, and evaluates again.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::args::MailboxOptions;
use super::current_rules::{self, CurrentRules};
use super::for_user::ForUser;
use super::output::say;
use super::{CommandOutcome, output};
use crate::evaluate::{self, Detail, Evaluation, NoFilters};
use crate::file;
use crate::flags::Flags;
use crate::language::Language;
use crate::log::reader::{self, LogLine};
use crate::log::{Log, UNDO};
use crate::mailbox::{self, search};
use crate::maildir::Location;
use crate::message::Message;
use crate::plan::{Folder, StepKind};
use crate::report::diff::{self, RunResult};
use crate::report::log_stats::damaged_lines;
use crate::report::{self, ReportStyle};
use crate::rules::listing;
use crate::rules::program::Program;
use crate::state::{StateDir, duplicates};
use crate::text::{escape, json_line, shown_sentence, shown_value};
use crate::user::User;
use crate::world::{DuplicateStatus, StoredMessage, World};

/// `mfilter why`
#[derive(clap::Args, Debug)]
pub(super) struct WhyArgs {
    #[command(flatten)]
    pub(super) for_user: ForUser,

    /// The message's file, or its Message-ID
    #[arg(value_name = "FILE|MESSAGE-ID")]
    pub(super) message: OsString,

    #[command(flatten)]
    pub(super) mailbox: MailboxOptions,

    /// One JSON object
    #[arg(long)]
    pub(super) json: bool,
}

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

/// What is asked for.
struct Query {
    /// The given file.
    file: Option<PathBuf>,
    /// The Message-ID, or that of the given file; may be empty.
    id: String,
}

impl Query {
    fn of(call: &WhyArgs) -> Result<Query, String> {
        let path = PathBuf::from(&call.message);
        let text = call.message.to_string_lossy();
        if path.is_file() {
            let message = open(&path)?;
            let ids = message.texts("Message-ID");
            let id = ids.first().map_or("", |id| id.text().trim()).to_owned();
            return Ok(Query { file: Some(path), id });
        }
        if !text.contains('@') && (text.contains('/') || path.exists()) {
            return Err(format!("there is no file `{}`", escape(&text)));
        }
        let id = text.trim().trim_start_matches('<').trim_end_matches('>');
        Ok(Query { file: None, id: format!("<{id}>") })
    }

    fn id_or_file(&self) -> String {
        match &self.file {
            Some(file) => escape(&file.display().to_string()),
            None => escape(&self.id),
        }
    }

    fn name(&self) -> Option<String> {
        Some(self.file.as_ref()?.file_name()?.to_string_lossy().into_owned())
    }

    fn concerns(&self, line: &LogLine) -> bool {
        line.is_about(&self.id) || self.name().is_some_and(|name| line.is_of_file(&name))
    }

    /// The line that says how the message got to where it is: the last one about its
    /// file, or otherwise the last one that says how it ended.
    fn decisive<'l>(&self, lines: &'l [LogLine]) -> Option<&'l LogLine> {
        let name = self.name();
        let of_file = |line: &&LogLine| name.as_ref().is_some_and(|name| line.is_of_file(name));
        let ends = |line: &&LogLine| ENDS.contains(&line.word.as_str());
        let last = |test: &dyn Fn(&&LogLine) -> bool| lines.iter().rev().find(test);
        last(&of_file).or_else(|| last(&ends)).or_else(|| lines.last())
    }

    /// Where the message is now.
    fn find(&self, lines: &[LogLine], location: &Location) -> Option<PathBuf> {
        if let Some(file) = &self.file {
            return Some(file.clone());
        }
        let mut stored: Vec<(&str, &str)> = lines
            .iter()
            .rev()
            .filter_map(|line| Some((line.get("folder")?, line.get("file")?)))
            .collect();
        // A copy in another folder is not the message itself.
        stored.sort_by_key(|(_, file)| {
            lines.iter().all(|line| line.get("file") != Some(file) || line.word == "copied")
        });
        let in_folder = |(folder, file): &(&str, &str)| {
            search::in_folder(&location.folder_path(&Folder::named(folder)), file)
        };
        stored
            .iter()
            .find_map(in_folder)
            .or_else(|| stored.iter().find_map(|(_, file)| search::by_name(&location.path, file)))
            .or_else(|| search::by_message_id(&location.path, &self.id))
    }
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

/// Words for how a message ended.
const ENDS: [&str; 8] =
    ["delivered", "moved", "discarded", "refused", "deferred", "piped", "forwarded", "copied"];

fn open(path: &Path) -> Result<Message, String> {
    let fail = |error: std::io::Error| {
        let why = crate::source::reason(&error);
        format!("{}: {why}", escape(&path.display().to_string()))
    };
    Message::open(file::open(path, file::READ).map_err(fail)?).map_err(fail)
}

/// What the log says about the message, and how many damaged lines the log has.
fn lines(
    log: &Log,
    concerns: impl Fn(&LogLine) -> bool,
    notes: &mut Vec<String>,
) -> Result<(Vec<LogLine>, usize), String> {
    let files = match log.files() {
        Ok(files) => files,
        Err(why) => {
            notes.push(why.to_owned());
            return Ok((Vec::new(), 0));
        }
    };
    let mut found = Vec::new();
    let seen = reader::read(&files, |line| {
        if concerns(&line) {
            found.push(line);
        }
    });
    let seen = seen.map_err(|(path, error)| {
        format!("the log {}: {}", path.display(), crate::source::reason(&error))
    })?;
    Ok((found, seen.damaged))
}

/// Everything for the explanation.
struct LineExplanation<'a> {
    query: &'a Query,
    lines: &'a [LogLine],
    file: Option<&'a Path>,
    /// Since when the rules of that time were in force, and how many versions followed.
    since: Option<(i64, usize)>,
    /// The rules at that time.
    then: Option<&'a CurrentRules>,
    decisive: Option<&'a LogLine>,
    notes: Vec<String>,
    location: &'a Location,
    user: &'a User,
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
    fn text(mut self, as_json: bool, today: &CurrentRules) -> Result<String, String> {
        let rules = self.then.unwrap_or(today);
        let message = match self.file {
            Some(file) => match open(file) {
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
                let message = open(file)?;
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
        let world = super::with_mail(world, program, self.location, false);
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

/// A line of the log for people.
fn describe(line: &LogLine) -> String {
    let mut out = format!("{} {}", line.time, escape(&say(&line.word)));
    for (name, value) in &line.fields {
        match name.as_str() {
            "id" | "hash" => {}
            // Discarded without a reason.
            "text" if value.is_empty() => {}
            "ms" => out.push_str(&format!("  {} ms", escape(value))),
            name => {
                // What mfilter itself has to say; the log has it in English.
                let is_note = (line.word.as_str(), name) == ("note", "text");
                let value = match name {
                    _ if is_note => say(value),
                    "rule" => output::with_tilde(value).into(),
                    _ => value.into(),
                };
                let value = shown_value(&format!("{value:?}"));
                out.push_str(&format!("  {} {value}", escape(&say(name))));
            }
        }
    }
    out
}

fn line_json(line: &LogLine) -> Value {
    let mut object = Map::new();
    object.insert("time".into(), line.time.to_string().into());
    object.insert("word".into(), line.word.clone().into());
    for (name, value) in &line.fields {
        let value = match name.as_str() {
            "ms" => json!(line.ms()),
            _ => json!(value),
        };
        object.insert(name.clone(), value);
    }
    object.into()
}

fn time(milliseconds: i64) -> String {
    Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MAX).to_string()
}
