//! `mfilter import … --try`: old mail judged by the new rules, and by the program that
//! the foreign rules were written for, where it is installed. Nothing is changed
//! anywhere.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jiff::Timestamp;

use super::args::Delivery;
use super::output;
use crate::evaluate::{Detail, NoFilters, run as run_rules};
use crate::import::Imported;
use crate::load;
use crate::mailbox;
use crate::message::Message;
use crate::plan::{Folder, Plan, StepKind};
use crate::report;
use crate::rules::compiled::CompiledProgram;
use crate::rules::rule_set::RuleSet;
use crate::user::User;

/// So many messages are judged.
const MOST_MESSAGES: usize = 500;
const SIEVE_TEST: &str = "sieve-test";

/// Judges mail by both, and prints the messages that go another way; how many those
/// are.
pub(super) fn sieve(
    script: &[u8],
    imported: &Imported,
    separator: char,
    mail: &Path,
) -> Result<usize, String> {
    let user = User::of_process();
    let path = Path::new("mailrules");
    let home = user.home();
    let nothing = &mut |_: &Path| Err(io::ErrorKind::NotFound.into());
    let (_, checked) = load::check_bytes(path, imported.rules.as_bytes(), home, nothing);
    let program = checked.program.ok_or("the rules have a mistake")?;
    let rules = RuleSet::alone(CompiledProgram::new(program));
    let world = super::world(&Delivery::default(), Some(Timestamp::now()), user);
    let judge = Pigeonhole::new(script, separator)?;
    let mut tried = Tried::default();
    for source in
        mailbox::message_sources_in([(PathBuf::from(mail), Folder::default())]).take(MOST_MESSAGES)
    {
        let opened = source.and_then(|source| source.open().map(|message| (source.label, message)));
        let (label, message) = match opened {
            Ok(opened) => opened,
            Err(failure) => {
                output::error(&failure.to_string());
                continue;
            }
        };
        tried.messages += 1;
        let sender = world.envelope_sender(&message).unwrap_or_default();
        let theirs = match &judge {
            Ok(judge) => judge.judge(&message, &sender)?,
            Err(_) => None,
        };
        let run = run_rules(&rules, message, &world, Detail::Plan, &mut NoFilters);
        let ours = destinations(&run.evaluation.plan);
        match theirs {
            None if judge.is_err() => {
                output::print(&format!("{label}: {}\n", ours.join(", ")));
            }
            // The script fails: that is no fact about the rules.
            None => tried.failed += 1,
            Some(theirs) if theirs != ours => {
                tried.different += 1;
                let (theirs, ours) = (theirs.join(", "), ours.join(", "));
                output::print(&format!("{label}\n    Sieve:   {theirs}\n    mfilter: {ours}\n"));
            }
            Some(_) => {}
        }
    }
    output::print(&tried.told(judge.as_ref().err()));
    Ok(tried.different)
}

#[derive(Default)]
struct Tried {
    messages: usize,
    different: usize,
    failed: usize,
}

impl Tried {
    fn told(&self, missing: Option<&String>) -> String {
        let mut text = format!("{} messages", self.messages);
        match missing {
            Some(why) => {
                let _ = write!(text, " by the new rules alone: {why}");
            }
            None => {
                let _ = write!(text, ", {} go another way", self.different);
            }
        }
        if self.failed > 0 {
            let _ = write!(text, "; with {} of them the script fails", self.failed);
        }
        text.push('\n');
        text
    }
}

/// Where a plan puts a message, in one order.
fn destinations(plan: &Plan) -> Vec<String> {
    let mut found = Vec::new();
    for step in &plan.steps {
        match &step.kind {
            StepKind::Deliver { folder, flags, .. } => {
                let mut letters: Vec<String> = flags.letters.chars().map(String::from).collect();
                letters.extend(flags.keywords.iter().map(|word| word.to_ascii_lowercase()));
                found.push(destination(&folder.to_string(), letters));
            }
            StepKind::Forward { to, .. } => {
                found.extend(to.iter().map(|to| format!("to {}", to.to_ascii_lowercase())));
            }
            StepKind::Discard { .. } if found.is_empty() => {}
            StepKind::Reject { .. } => found.push("refused".into()),
            _ => {}
        }
    }
    if found.is_empty() {
        found.push(report::destination(plan));
    }
    found.sort();
    found.dedup();
    found
}

fn destination(folder: &str, mut flags: Vec<String>) -> String {
    flags.sort();
    let folder = if folder.eq_ignore_ascii_case("INBOX") { "INBOX" } else { folder };
    match flags.is_empty() {
        true => folder.to_owned(),
        false => format!("{folder} ({})", flags.join(" ")),
    }
}

/// Pigeonhole's own judge.
struct Pigeonhole {
    place: tempfile::TempDir,
    separator: char,
}

impl Pigeonhole {
    /// The inner error says why it cannot be asked.
    fn new(script: &[u8], separator: char) -> Result<Result<Pigeonhole, String>, String> {
        if rustix::process::geteuid().is_root() {
            return Ok(Err("sieve-test does not run as root".into()));
        }
        let place = tempfile::tempdir().map_err(|error| error.to_string())?;
        let told = |error: io::Error| format!("{}: {error}", place.path().display());
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o700)).map_err(told)?;
        let home = place.path().display();
        let conf = format!(
            "mail_home = {home}\nmail_location = maildir:{home}/Maildir\nlog_path = /dev/stderr\n"
        );
        write(&place.path().join("conf"), conf.as_bytes()).map_err(told)?;
        write(&place.path().join("script.sieve"), script).map_err(told)?;
        let judge = Pigeonhole { place, separator };
        let missing = judge.command().arg("-?").stdout(Stdio::null()).status().is_err();
        Ok(if missing { Err("sieve-test is not installed".into()) } else { Ok(judge) })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(SIEVE_TEST);
        command.current_dir(self.place.path()).stdin(Stdio::null()).stderr(Stdio::null());
        command.args(["-c", "conf", "-C"]);
        command
    }

    /// Where the script puts a message; none where it fails.
    fn judge(&self, message: &Message, sender: &str) -> Result<Option<Vec<String>>, String> {
        let path = self.place.path().join("message");
        let told = |error: io::Error| format!("{}: {error}", path.display());
        message.spool().map_err(|error| error.to_string())?;
        let mut file = tempfile::tempfile_in(self.place.path()).map_err(told)?;
        message.write_to(&[], &mut file).map_err(told)?;
        copy(file, &path).map_err(told)?;
        let mut command = self.command();
        command.args(["-f", sender, "script.sieve", "message"]);
        let output = command.stderr(Stdio::piped()).output().map_err(told)?;
        let failed = !String::from_utf8_lossy(&output.stderr).contains("final result: success");
        if failed || !output.status.success() {
            return Ok(None);
        }
        Ok(Some(self.read(&String::from_utf8_lossy(&output.stdout))))
    }

    /// The words of `sieve-test`.
    fn read(&self, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut folder: Option<String> = None;
        let mut flags = Vec::new();
        let flush =
            |folder: &mut Option<String>, flags: &mut Vec<String>, found: &mut Vec<String>| {
                let flags = std::mem::take(flags);
                found.extend(folder.take().map(|folder| destination(&folder, flags)));
            };
        for line in text.lines().map(str::trim) {
            if let Some(action) = line.strip_prefix("* ") {
                flush(&mut folder, &mut flags, &mut found);
                if let Some(name) = action.strip_prefix("store message in folder: ") {
                    let name = name.replace(self.separator, "/");
                    let below = name.strip_prefix("INBOX/").unwrap_or(&name);
                    folder = Some(below.to_owned());
                } else if let Some(to) = action.strip_prefix("redirect message to: ") {
                    let to = to.trim_matches(['<', '>']).to_ascii_lowercase();
                    found.push(format!("to {to}"));
                } else if action.starts_with("reject") {
                    found.push("refused".into());
                }
            } else if let Some(names) = line.strip_prefix("+ add IMAP flags: ") {
                flags = names.split_whitespace().map(flag).collect();
            }
        }
        flush(&mut folder, &mut flags, &mut found);
        if found.is_empty() {
            found.push("discard".into());
        }
        found.sort();
        found.dedup();
        found
    }
}

/// A flag of IMAP's as a Maildir's letter; a keyword stays one.
fn flag(name: &str) -> String {
    match name.to_ascii_lowercase().as_str() {
        "\\seen" => "S".into(),
        "\\answered" => "R".into(),
        "\\flagged" => "F".into(),
        "\\deleted" => "T".into(),
        "\\draft" => "D".into(),
        other => other.to_owned(),
    }
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut file, bytes)?;
    file.persist(path)?;
    Ok(())
}

fn copy(mut from: File, path: &Path) -> io::Result<()> {
    let mut bytes = Vec::new();
    io::Seek::seek(&mut from, io::SeekFrom::Start(0))?;
    io::Read::read_to_end(&mut from, &mut bytes)?;
    write(path, &bytes)
}

#[cfg(test)]
mod tests {
    use super::Pigeonhole;

    #[test]
    fn what_sieve_test_says_is_read() {
        let judge = Pigeonhole { place: tempfile::tempdir().unwrap(), separator: '.' };
        let text = "\nPerformed actions:\n\n * store message in folder: INBOX.A.B\n        \
                    + add IMAP flags: \\seen Work\n * redirect message to: <X@y.example>\n\n\
                    Implicit keep:\n\n * store message in folder: INBOX\n";
        assert_eq!(judge.read(text), ["A/B (S work)", "INBOX", "to x@y.example"]);
        assert_eq!(judge.read("Performed actions:\n\n * discard\n"), ["discard"]);
    }
}
