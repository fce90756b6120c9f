//! What strace reports about the program.

use std::process::Command;

use super::skipped;

pub const STRACE: &str = "/usr/bin/strace";

/// True if `test` cannot run because nothing can be traced here, which is printed.
pub fn cannot_trace(test: &str) -> bool {
    if skipped(test, &[STRACE], false) {
        return true;
    }
    let allowed = Command::new(STRACE).args(["-o", "/dev/null", "/bin/true"]).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: {test} needs ptrace, which is not allowed here");
        return true;
    }
    false
}

/// The name of the call in a line of a log; none in lines about signals and ends.
pub fn call(line: &str) -> Option<&str> {
    let (_, call) = line.split_once(' ')?;
    let (name, _) = call.trim_start().split_once('(')?;
    let word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    word.then_some(name)
}

/// The text between `<` and `>` after a file descriptor (`-y`).
pub fn described(line: &str, number: usize) -> String {
    let mut arguments = line.split('<').skip(1).filter_map(|rest| rest.split('>').next());
    arguments.nth(number).unwrap_or_default().to_owned()
}

/// The text in quotes.
pub fn quoted(line: &str, number: usize) -> String {
    line.split('"').nth(number * 2 + 1).unwrap_or_default().to_owned()
}
