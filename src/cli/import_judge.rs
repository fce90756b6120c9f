//! The programs that foreign rules were written for, asked where they would put a
//! message: Pigeonhole's sieve-test, procmail and maildrop. Nothing is delivered, and the
//! rules' own programs are not run.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::file::ANYWHERE;
use crate::import::trial::{TrialStep, steps};
use crate::message::Message;
use crate::source::{RULES_LIMIT, read_bytes};

const SIEVE_TEST: &str = "sieve-test";
const PROCMAIL: &str = "procmail";
const MAILDROP: &str = "maildrop";

/// A program, with the rules in a directory of its own.
pub(super) struct ForeignProgram {
    place: tempfile::TempDir,
    kind: JudgeKind,
}

enum JudgeKind {
    /// The separator between folder levels.
    Pigeonhole(char),
    Procmail,
    Maildrop,
}

/// Why a program cannot be asked.
pub(super) enum JudgeError {
    /// It does not run here, for this reason.
    Unavailable(String),
    /// Its files cannot be written, for this reason.
    Failed(String),
}

impl From<String> for JudgeError {
    fn from(why: String) -> JudgeError {
        JudgeError::Failed(why)
    }
}

impl ForeignProgram {
    /// Pigeonhole, with a script.
    pub(super) fn pigeonhole(script: &[u8], separator: char) -> Result<ForeignProgram, JudgeError> {
        if rustix::process::geteuid().is_root() {
            return Err(JudgeError::Unavailable("sieve-test does not run as root".into()));
        }
        let judge = ForeignProgram::new(JudgeKind::Pigeonhole(separator), SIEVE_TEST)?;
        let home = judge.place.path().display();
        let conf = format!(
            "mail_home = {home}\nmail_location = maildir:{home}/Maildir\nlog_path = /dev/stderr\n"
        );
        judge.write("conf", conf.as_bytes())?;
        judge.write("script.sieve", script)?;
        Ok(judge)
    }

    /// procmail, with the result of `procmail::trial` for the file.
    pub(super) fn procmail(recipes: &str) -> Result<ForeignProgram, JudgeError> {
        let judge = ForeignProgram::new(JudgeKind::Procmail, PROCMAIL)?;
        let log = judge.place.path().join("log");
        let not_utf8 = || "the directory for temporary files is not UTF-8".to_owned();
        let log = log.to_str().ok_or_else(not_utf8)?;
        // procmail takes the home from the list of users; rules that use it get `~`.
        let head = format!("HOME=\"~\"\nLOGFILE={log}\nLOGABSTRACT=no\nVERBOSE=no\nUMASK=077\n");
        judge.write("rc", (head + recipes).as_bytes())?;
        Ok(judge)
    }

    /// maildrop, with the result of `maildrop::trial` for the file.
    pub(super) fn maildrop(filter: &str) -> Result<ForeignProgram, JudgeError> {
        let judge = ForeignProgram::new(JudgeKind::Maildrop, MAILDROP)?;
        judge.write("filter", filter.as_bytes())?;
        Ok(judge)
    }

    fn new(kind: JudgeKind, program: &str) -> Result<ForeignProgram, JudgeError> {
        let place = tempfile::tempdir().map_err(|error| error.to_string())?;
        let mode = fs::Permissions::from_mode(0o700);
        fs::set_permissions(place.path(), mode)
            .map_err(|error| format!("{}: {error}", place.path().display()))?;
        let missing = Command::new(program)
            .arg("-v")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_err();
        match missing {
            true => Err(JudgeError::Unavailable(format!("{program} is not installed"))),
            false => Ok(ForeignProgram { place, kind }),
        }
    }

    /// Its name for people.
    pub(super) fn name(&self) -> &'static str {
        match self.kind {
            JudgeKind::Pigeonhole(_) => "Sieve",
            JudgeKind::Procmail => PROCMAIL,
            JudgeKind::Maildrop => MAILDROP,
        }
    }

    /// Writes a file that only we can read and write.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), String> {
        let path = self.place.path().join(name);
        let failure = |error: io::Error| format!("{}: {error}", path.display());
        let mut file = tempfile::NamedTempFile::new_in(self.place.path()).map_err(failure)?;
        file.write_all(bytes).map_err(failure)?;
        file.persist(&path).map_err(|error| failure(error.error))?;
        Ok(())
    }

    /// Where the rules put a message, sorted; none if they fail.
    pub(super) fn judge(
        &self,
        message: &Message,
        sender: &str,
    ) -> Result<Option<Vec<String>>, String> {
        let failure = |error: io::Error| format!("{}: {error}", self.place.path().display());
        message.spool().map_err(|error| error.to_string())?;
        let mut file = tempfile::tempfile_in(self.place.path()).map_err(failure)?;
        message.write_to(&[], &mut file).map_err(failure)?;
        file.rewind().map_err(failure)?;
        match self.kind {
            JudgeKind::Pigeonhole(separator) => {
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes).map_err(failure)?;
                self.write("message", &bytes)?;
                let mut command = self.command(SIEVE_TEST);
                command.args(["-c", "conf", "-C", "-f", sender, "script.sieve", "message"]);
                let output = command.output().map_err(failure)?;
                let success =
                    String::from_utf8_lossy(&output.stderr).contains("final result: success");
                let is_judged = success && output.status.success();
                let text = String::from_utf8_lossy(&output.stdout);
                Ok(is_judged.then(|| sieve_destinations(&text, separator)))
            }
            JudgeKind::Procmail => {
                let mut command = self.command(PROCMAIL);
                command.env_clear().env("HOME", "~").env("PATH", "/usr/bin:/bin");
                if !sender.is_empty() {
                    command.args(["-f", sender]);
                }
                let log = self.place.path().join("log");
                let _ = fs::remove_file(&log);
                command.arg(self.place.path().join("rc"));
                // Its log says what it does; its status is only what EXITCODE says.
                command.stdin(file).output().map_err(failure)?;
                let text = read_bytes(&ANYWHERE, &log, RULES_LIMIT).unwrap_or_default();
                Ok(destinations(&String::from_utf8_lossy(&text)))
            }
            JudgeKind::Maildrop => self.maildrop_says(sender, file).map_err(failure),
        }
    }

    fn maildrop_says(&self, sender: &str, message: File) -> io::Result<Option<Vec<String>>> {
        let mut command = self.command(MAILDROP);
        if !sender.is_empty() {
            command.args(["-f", sender]);
        }
        let output = command.arg("filter").stdin(message).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(destinations(&text))
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.place.path()).stdin(Stdio::null());
        command
    }
}

/// A folder with its flags, in the form for people.
pub(super) fn destination(folder: &str, mut flags: Vec<String>) -> String {
    flags.sort();
    let folder = if folder.eq_ignore_ascii_case("INBOX") { "INBOX" } else { folder };
    match flags.is_empty() {
        true => folder.to_owned(),
        false => format!("{folder} ({})", flags.join(" ")),
    }
}

/// The destinations in the output of the rewritten rules.
fn destinations(text: &str) -> Option<Vec<String>> {
    let mut found = Vec::new();
    for step in steps(text)? {
        match step {
            TrialStep::Stored(folder, flags) => {
                let flags = flags.chars().map(String::from).collect();
                found.push(destination(folder.as_deref().unwrap_or("INBOX"), flags));
            }
            TrialStep::Forwarded(to) => found.extend(to.iter().map(|to| format!("to {to}"))),
            TrialStep::Program => found.push("a program".into()),
            TrialStep::Left(0 | 99) => {}
            TrialStep::Left(75 | 111) => found.push("deferred".into()),
            TrialStep::Left(_) => found.push("refused".into()),
            TrialStep::Elsewhere(path) => found.push(path),
        }
    }
    if found.is_empty() {
        found.push("discard".into());
    }
    found.sort();
    found.dedup();
    Some(found)
}

/// The destinations in the output of `sieve-test`.
fn sieve_destinations(text: &str, separator: char) -> Vec<String> {
    let mut found = Vec::new();
    let mut folder: Option<String> = None;
    let mut flags = Vec::new();
    let flush = |folder: &mut Option<String>, flags: &mut Vec<String>, found: &mut Vec<String>| {
        let flags = std::mem::take(flags);
        found.extend(folder.take().map(|folder| destination(&folder, flags)));
    };
    for line in text.lines().map(str::trim) {
        if let Some(action) = line.strip_prefix("* ") {
            flush(&mut folder, &mut flags, &mut found);
            if let Some(name) = action.strip_prefix("store message in folder: ") {
                let name = name.replace(separator, "/");
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

/// An IMAP flag as a Maildir's letter; a keyword stays unchanged.
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

#[cfg(test)]
mod tests {
    use super::sieve_destinations;

    #[test]
    fn what_sieve_test_says_is_read() {
        let read = |text: &str| sieve_destinations(text, '.');
        let text = "\nPerformed actions:\n\n * store message in folder: INBOX.A.B\n        \
                    + add IMAP flags: \\seen Work\n * redirect message to: <X@y.example>\n\n\
                    Implicit keep:\n\n * store message in folder: INBOX\n";
        assert_eq!(read(text), ["A/B (S work)", "INBOX", "to x@y.example"]);
        assert_eq!(read("Performed actions:\n\n * discard\n"), ["discard"]);
    }
}
