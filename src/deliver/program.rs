//! Running other programs: from their arguments alone, never by a shell.
//!
//! - Standard input is a file of the program's own that holds the message, so a program
//!   that reads none or half of it blocks nobody, and no program can read our files
//!   through it.
//! - Standard output and standard error are read to their end, or as long as the program
//!   runs, and never reach the MTA; their last lines are kept.
//! - A program is the leader of a process group. At the deadline the group gets SIGTERM,
//!   and two seconds later SIGKILL. Whatever is left of it when the leader has ended gets
//!   SIGKILL at once, before the leader is reaped, so that its number cannot have been
//!   reused.
//! - A program inherits no descriptor: ours are closed by exec, and so are those that an
//!   MTA left open when it started us.
//! - A filter's output is used only when it is complete: its end was seen, the leader
//!   succeeded, and it has a complete header.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::file;
use crate::message::{HeaderEdit, Message};
use crate::platform::{exit_descriptor, memory_file};
use crate::source::{may_pass, reason};

/// The time between SIGTERM and SIGKILL, and how long a killed program may take to end.
const KILL_GRACE: Duration = Duration::from_secs(2);
/// How long a filter's output may stay open after its program has ended.
const OUTPUT_GRACE: Duration = Duration::from_secs(1);
/// How much of a program's output is kept, bytes.
const PRINTED_MAX: usize = 2048;
/// How many lines of that are shown.
const LINES_MAX: usize = 5;
/// A message of up to this size is passed in memory, bytes.
const MEMORY_MAX: u64 = 1 << 20;
/// How often to check whether a program has ended, where there is no pidfd.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A program to be run.
#[derive(Debug, Clone)]
pub struct ProgramCall<'a> {
    /// The program, and its arguments.
    pub argv: &'a [String],
    /// Its whole environment.
    pub environment: &'a [(&'static str, OsString)],
    /// Where it runs.
    pub directory: PathBuf,
    /// When it is killed.
    pub deadline: Instant,
}

/// What became of a program.
#[derive(Debug)]
pub struct ProgramEnd {
    /// Success, or what went wrong, in words that follow the program's name: `ended with
    /// status 1`.
    pub result: Result<(), String>,
    /// The exit status; none if it was never started, or was ended by a signal.
    pub status: Option<i32>,
    /// It failed for want of something that it may have another time: a process, a file,
    /// room on the disk, time.
    pub may_pass: bool,
    /// The last lines that it printed.
    pub printed: Vec<String>,
}

/// Runs a program with a message on standard input.
pub fn run(call: &ProgramCall<'_>, message: &Message, edits: &[HeaderEdit]) -> ProgramEnd {
    execute(call, message, edits, None)
}

/// Runs a program that turns a message into a new one, which must not be empty or larger
/// than `limit` bytes.
pub fn filter(
    call: &ProgramCall<'_>,
    message: &Message,
    edits: &[HeaderEdit],
    limit: u64,
) -> FilterResult {
    let mut output = ProgramOutput {
        bytes: Vec::new(),
        file: None,
        size: 0,
        limit,
        error: None,
        may_pass: false,
    };
    let end = execute(call, message, edits, Some(&mut output));
    let may_pass = end.may_pass || output.may_pass;
    let replacement = end.result.and_then(|()| output.into_message());
    let message = replacement.and_then(|replacement| has_header(replacement, message));
    FilterResult { message, may_pass, printed: end.printed }
}

/// What became of a filter.
pub struct FilterResult {
    /// The new message, or what went wrong, as in [`ProgramEnd::result`].
    pub message: Result<Message, String>,
    /// As in [`ProgramEnd::may_pass`].
    pub may_pass: bool,
    /// The last lines that it printed.
    pub printed: Vec<String>,
}

/// A filter's output, if it has a complete header wherever the message has one: output
/// that was cut off, or is some other text, is not a message.
fn has_header(replacement: Message, message: &Message) -> Result<Message, String> {
    let (before, after) = (message.head(), replacement.head());
    if before.headers().next().is_some() && after.headers().next().is_none() {
        Err("printed no header field".into())
    } else if before.is_ended() && !after.is_ended() {
        Err("printed less than a header".into())
    } else {
        Ok(replacement)
    }
}

/// A message as a file of its own, positioned at its start.
fn content(message: &Message, edits: &[HeaderEdit]) -> io::Result<File> {
    let small = message.size()? <= MEMORY_MAX;
    let memory = if small { memory_file() } else { None };
    let mut file = match memory {
        Some(memory) => memory,
        None => tempfile::tempfile()?,
    };
    message.write_to(edits, &mut file)?;
    file.rewind()?;
    Ok(file)
}

fn execute(
    call: &ProgramCall<'_>,
    message: &Message,
    edits: &[HeaderEdit],
    output: Option<&mut ProgramOutput>,
) -> ProgramEnd {
    let failed = |why: String, may_pass| ProgramEnd {
        result: Err(why),
        status: None,
        may_pass,
        printed: Vec::new(),
    };
    let Some((program, arguments)) = call.argv.split_first() else {
        return failed("has no name".into(), false);
    };
    let input = match content(message, edits) {
        Ok(input) => input,
        Err(error) => {
            return failed(format!("cannot be given the message: {error}"), may_pass(&error));
        }
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(call.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(&call.directory)
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    if call.deadline <= Instant::now() {
        return failed("was not started, because there is no time left".into(), true);
    }
    close_inherited();
    match command.spawn() {
        Ok(child) => RunningProgram::new(child, output).finish(call.deadline),
        Err(error) => {
            let why = format!("cannot be started: {}", reason(&error));
            failed(why, may_pass(&error) && !is_no_program(&error))
        }
    }
}

/// Whether it is the file's fault that it cannot be run.
fn is_no_program(error: &io::Error) -> bool {
    let no_program = [Errno::NOEXEC, Errno::TOOBIG, Errno::INVAL];
    Errno::from_io_error(error).is_some_and(|errno| no_program.contains(&errno))
}

/// Closes the descriptors that our own caller left open besides the standard streams: an
/// MTA's sockets and queue files are no business of a program. Those that we open
/// ourselves are closed by exec. Without `/proc` they cannot be found.
fn close_inherited() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let open = fs::read_dir("/proc/self/fdinfo").into_iter().flatten().flatten();
        let inherited = open.filter_map(|entry| {
            let number: i32 = entry.file_name().to_str()?.parse().ok()?;
            let info = String::from_utf8(file::read(&entry.path(), 4096).ok()?).ok()?;
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:"))?.trim();
            let flags = OFlags::from_bits_retain(u32::from_str_radix(flags, 8).ok()?);
            (number > 2 && !flags.contains(OFlags::CLOEXEC)).then_some(number)
        });
        for number in inherited.collect::<Vec<_>>() {
            let _ = nix::unistd::close(number);
        }
    });
}

/// What a filter prints.
struct ProgramOutput {
    bytes: Vec<u8>,
    file: Option<File>,
    size: u64,
    limit: u64,
    error: Option<String>,
    may_pass: bool,
}

impl ProgramOutput {
    fn take(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        if self.error.is_some() {
            return;
        }
        if self.size > self.limit {
            self.error = Some(format!("printed more than {} MB", self.limit >> 20));
        } else if let Err(error) = self.keep(bytes) {
            self.may_pass = may_pass(&error);
            let why = format!("printed something that cannot be kept: {}", reason(&error));
            self.error = Some(why);
        }
    }

    fn keep(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.file.is_none() && self.size > MEMORY_MAX {
            let mut file = tempfile::tempfile()?;
            file.write_all(&std::mem::take(&mut self.bytes))?;
            self.file = Some(file);
        }
        match &mut self.file {
            Some(file) => file.write_all(bytes),
            None => {
                self.bytes.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    fn into_message(self) -> Result<Message, String> {
        match (self.error, self.size, self.file) {
            (Some(why), ..) => Err(why),
            (None, 0, _) => Err("printed nothing".into()),
            (None, _, None) => Ok(Message::from_bytes(self.bytes)),
            (None, _, Some(mut file)) => {
                file.rewind().and_then(|()| Message::open(file)).map_err(|error| {
                    format!("printed something that cannot be read: {}", reason(&error))
                })
            }
        }
    }
}

/// A running program.
struct RunningProgram<'o> {
    child: Child,
    group: Option<Pid>,
    exit_fd: Option<OwnedFd>,
    stdout: Option<File>,
    stderr: Option<File>,
    output: Option<&'o mut ProgramOutput>,
    printed: Vec<u8>,
}

impl<'o> RunningProgram<'o> {
    fn new(mut child: Child, output: Option<&'o mut ProgramOutput>) -> RunningProgram<'o> {
        let group = Pid::from_raw(child.id() as i32);
        let exit_fd = group.and_then(exit_descriptor);
        let stdout = child.stdout.take().map(|pipe| File::from(OwnedFd::from(pipe)));
        let stderr = child.stderr.take().map(|pipe| File::from(OwnedFd::from(pipe)));
        for pipe in [&stdout, &stderr].into_iter().flatten() {
            // If this fails, a read can block only when poll was wrong.
            let _ = rustix::io::ioctl_fionbio(pipe, true);
        }
        RunningProgram { child, group, exit_fd, stdout, stderr, output, printed: Vec::new() }
    }

    fn finish(mut self, deadline: Instant) -> ProgramEnd {
        let started = Instant::now();
        let timed_out = self.read_until(deadline, |this| this.has_ended() || this.is_over_limit());
        if timed_out {
            self.kill(Signal::TERM);
            self.read_until(Instant::now() + KILL_GRACE, |this| this.has_ended());
        } else if self.has_ended() && self.output.is_some() {
            // Whoever still holds the output open might still write to it.
            self.read_until(Instant::now() + OUTPUT_GRACE, |this| this.stdout.is_none());
        }
        let is_complete = self.stdout.is_none();
        self.kill(Signal::KILL);
        self.read_until(Instant::now() + KILL_GRACE, |this| this.has_ended());
        self.read();
        let status = if self.has_ended() { self.child.wait().ok() } else { None };
        let seconds = started.elapsed().as_secs();
        let result = match status {
            _ if timed_out => Err(format!("did not end within {seconds} s and was killed")),
            _ if self.is_over_limit() => Ok(()),
            None => Err("cannot be killed".into()),
            Some(status) if !status.success() => Err(describe_status(status)),
            Some(_) if self.output.is_some() && !is_complete => {
                Err("ended, but left a child that may have more to print".into())
            }
            Some(_) => Ok(()),
        };
        let status = status.filter(|_| !timed_out).and_then(|status| status.code());
        ProgramEnd { result, status, may_pass: false, printed: last_lines(&self.printed) }
    }

    /// Reads what arrives until `done`; true if `deadline` came first.
    fn read_until(
        &mut self,
        deadline: Instant,
        done: impl Fn(&RunningProgram<'_>) -> bool,
    ) -> bool {
        while !done(self) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            let left = if self.exit_fd.is_some() { left } else { left.min(POLL_INTERVAL) };
            let wait = Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(3600).min(3600),
                tv_nsec: i64::from(left.subsec_nanos()),
            };
            let pipes = [&self.stdout, &self.stderr];
            let mut fds: Vec<PollFd<'_>> = pipes
                .into_iter()
                .flatten()
                .map(AsFd::as_fd)
                .chain(self.exit_fd.as_ref().map(AsFd::as_fd))
                .map(|fd: BorrowedFd<'_>| PollFd::from_borrowed_fd(fd, PollFlags::IN))
                .collect();
            let polled = poll(&mut fds, Some(&wait));
            drop(fds);
            if polled.is_ok() {
                self.read_some();
            }
            // It has ended, but something holds its output open: now only the pipes
            // matter, and the known end must not wake us again.
            if self.has_ended() {
                self.exit_fd = None;
            }
        }
        false
    }

    /// Reads what is in the pipes now.
    fn read(&mut self) {
        // When nobody can write any more, at most a full pipe is left.
        for _ in 0..64 {
            if self.read_some() == 0 {
                return;
            }
        }
    }

    fn read_some(&mut self) -> usize {
        let mut buffer = [0; 64 << 10];
        let mut all = 0;
        let from_stdout = take(&mut self.stdout, &mut buffer);
        let bytes = buffer.get(..from_stdout).unwrap_or_default();
        all += from_stdout;
        match &mut self.output {
            Some(output) => output.take(bytes),
            None => keep(&mut self.printed, bytes),
        }
        let from_stderr = take(&mut self.stderr, &mut buffer);
        keep(&mut self.printed, buffer.get(..from_stderr).unwrap_or_default());
        all + from_stderr
    }

    fn is_over_limit(&self) -> bool {
        self.output.as_ref().is_some_and(|output| output.error.is_some())
    }

    /// Whether it has ended. It is not reaped yet, and so keeps its number.
    fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        self.group.is_none_or(|pid| !matches!(waitid(WaitId::Pid(pid), options), Ok(None)))
    }

    fn kill(&self, signal: Signal) {
        if let Some(group) = self.group {
            let _ = kill_process_group(group, signal);
        }
    }
}

/// Reads what is there without waiting; closes a pipe that is at its end.
fn take(pipe: &mut Option<File>, buffer: &mut [u8]) -> usize {
    let Some(file) = pipe else { return 0 };
    match file.read(buffer) {
        Ok(0) => {
            *pipe = None;
            0
        }
        Ok(count) => count,
        Err(error)
            if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) =>
        {
            0
        }
        Err(_) => {
            *pipe = None;
            0
        }
    }
}

/// Adds what a program printed; beyond the limit the oldest bytes are dropped.
fn keep(printed: &mut Vec<u8>, bytes: &[u8]) {
    printed.extend_from_slice(bytes);
    printed.drain(..printed.len().saturating_sub(PRINTED_MAX));
}

/// The last lines of what was kept.
fn last_lines(printed: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(printed);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let first = lines.len().saturating_sub(LINES_MAX);
    lines.into_iter().skip(first).map(str::to_owned).collect()
}

fn describe_status(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with status {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended in an unknown way".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::bytes_of;

    const MESSAGE: &[u8] = b"Subject: x\n\nhello\n";

    fn argv(argv: &[&str]) -> Vec<String> {
        argv.iter().map(|word| word.to_string()).collect()
    }

    fn shell(script: &str) -> Vec<String> {
        argv(&["/bin/sh", "-c", script])
    }

    fn call<'a>(
        argv: &'a [String],
        environment: &'a [(&'static str, OsString)],
        ms: u64,
    ) -> ProgramCall<'a> {
        let deadline = Instant::now() + Duration::from_millis(ms);
        ProgramCall { argv, environment, directory: "/".into(), deadline }
    }

    fn path() -> Vec<(&'static str, OsString)> {
        vec![("PATH", "/usr/bin:/bin".into())]
    }

    fn run_words(words: &[String], ms: u64) -> ProgramEnd {
        run(&call(words, &path(), ms), &Message::from_bytes(MESSAGE.to_vec()), &[])
    }

    fn filtered(words: &[String], ms: u64, limit: u64) -> (Result<Vec<u8>, String>, Vec<String>) {
        let message = Message::from_bytes(MESSAGE.to_vec());
        let result = filter(&call(words, &path(), ms), &message, &[], limit);
        let (replacement, printed) = (result.message, result.printed);
        (replacement.map(|message| bytes_of(&message)), printed)
    }

    #[test]
    fn a_program_gets_the_message_its_words_and_nothing_else() {
        let words = shell("cat >&2; echo \"$#:$PATH:$HOME:$PWD\"; ls /proc/self/fd | wc -l");
        let end = run_words(&words, 10_000);
        assert_eq!(end.result, Ok(()));
        assert!(end.printed.contains(&"hello".into()), "{:?}", end.printed);
        assert!(end.printed.contains(&"0:/usr/bin:/bin::/".into()), "{:?}", end.printed);
        let odd = argv(&["printf", "%s|", "$(id)", "a b", "*;x"]);
        assert_eq!(run_words(&odd, 10_000).printed, ["$(id)|a b|*;x|"]);
    }

    #[test]
    fn how_a_program_ended_is_reported() {
        for (words, why) in [
            (shell("exit 3"), "ended with status 3"),
            (shell("kill -9 $$"), "was ended by signal 9"),
            (argv(&["/no/such/program"]), "cannot be started: No such file or directory"),
            (argv(&["no-such-program"]), "cannot be started: No such file or directory"),
            (argv(&["/etc/passwd"]), "cannot be started: Permission denied"),
        ] {
            assert_eq!(run_words(&words, 10_000).result, Err(why.to_string()));
        }
        assert_eq!(run_words(&argv(&["true"]), 10_000).result, Ok(()), "one that reads nothing");
    }

    #[test]
    fn a_program_that_does_not_end_is_killed_with_its_children() {
        let marker = tempfile::NamedTempFile::new().unwrap();
        let path = marker.path().display().to_string();
        for script in [
            "sleep 60",
            "trap '' TERM; while :; do sleep 1; done",
            "(sleep 4; echo alive >FILE) & sleep 60",
        ] {
            let end = run_words(&shell(&script.replace("FILE", &path)), 300);
            let why = end.result.unwrap_err();
            assert!(why.starts_with("did not end within"), "{why}");
        }
        std::thread::sleep(Duration::from_secs(5));
        assert_eq!(std::fs::read_to_string(marker.path()).unwrap(), "");
    }

    #[test]
    fn the_last_lines_are_kept() {
        let printed = run_words(&shell("seq 1 1000; echo why >&2; exit 3"), 10_000).printed;
        assert!(printed.len() == LINES_MAX && printed.contains(&"why".to_owned()), "{printed:?}");
        assert!(printed.contains(&"1000".to_owned()), "{printed:?}");
    }

    #[test]
    fn a_program_that_forks_and_exits_keeps_nobody_waiting() {
        assert_eq!(run_words(&shell("sleep 60 & exit 0"), 30_000).result, Ok(()));
        let (replacement, _) = filtered(&shell("echo A: b; sleep 60 & exit 0"), 30_000, 1000);
        assert!(replacement.unwrap_err().contains("left a child"));
        // What it left behind ends with it.
        let marker = tempfile::NamedTempFile::new().unwrap();
        let script = format!("(sleep 1; echo alive >{}) & exit 0", marker.path().display());
        assert_eq!(run_words(&shell(&script), 30_000).result, Ok(()));
        std::thread::sleep(Duration::from_secs(2));
        assert_eq!(std::fs::read_to_string(marker.path()).unwrap(), "");
    }

    #[test]
    fn a_program_whose_time_is_over_may_tidy_up() {
        let marker = tempfile::NamedTempFile::new().unwrap();
        let path = marker.path().display();
        let script = format!(
            "trap 'sleep 0.3; echo tidy >{path}; exit 1' TERM; while :; do sleep 0.05; done"
        );
        // A shell on a busy machine has begun by then.
        assert!(
            run_words(&shell(&script), 2000).result.unwrap_err().starts_with("did not end within")
        );
        assert_eq!(std::fs::read_to_string(marker.path()).unwrap(), "tidy\n");
        let why = "was not started, because there is no time left".to_owned();
        assert_eq!(run_words(&shell("exit 0"), 0).result, Err(why));
    }

    #[test]
    fn endless_output_is_read_and_forgotten() {
        let end = run_words(&shell("yes | head -c 500000000; echo end >&2"), 60_000);
        assert_eq!(end.result, Ok(()));
        assert_eq!(end.printed.len(), LINES_MAX);
        let (replacement, _) = filtered(&argv(&["yes"]), 60_000, 5 << 20);
        assert_eq!(replacement, Err("printed more than 5 MB".into()));
    }

    #[test]
    fn a_filter_gives_a_whole_message_or_none() {
        let (replacement, printed) =
            filtered(&shell("echo X: 1; cat; echo note >&2"), 10_000, 1 << 20);
        assert_eq!(replacement.unwrap(), [b"X: 1\n", MESSAGE].concat());
        assert_eq!(printed, ["note"]);
        let (large, _) = filtered(&shell("cat; head -c 3000000 /dev/zero"), 10_000, 8 << 20);
        assert_eq!(large.unwrap().len(), MESSAGE.len() + 3_000_000);
        let size = MESSAGE.len() as u64;
        assert!(filtered(&argv(&["cat"]), 10_000, size).0.is_ok());
        assert!(filtered(&argv(&["cat"]), 10_000, size - 1).0.is_err());
        for (script, why) in [
            ("cat; exit 1", "ended with status 1"),
            ("true", "printed nothing"),
            ("echo no mail to be found", "printed no header field"),
            ("head -n 1", "printed less than a header"),
            ("head -c 4", "printed no header field"),
            ("cat; sleep 60", "did not end within 0 s and was killed"),
        ] {
            assert_eq!(filtered(&shell(script), 400, 1 << 20).0, Err(why.to_string()), "{script}");
        }
    }
}
