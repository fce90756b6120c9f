//! A delivery of which the processor time and the memory are measured.

use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use super::{Home, MFILTER};

/// The result of a delivery, and what it cost.
pub struct MeasuredRun {
    pub code: Option<i32>,
    /// Processor time.
    pub time: Duration,
    /// The most memory it had at any time, in kilobytes.
    pub memory: u64,
    pub output: String,
}

/// Delivers a message and measures what that costs.
pub fn deliver(home: &Home, message: &[u8], arguments: &[&str]) -> MeasuredRun {
    home.write("message", message);
    let input = std::fs::File::open(home.path().join("message")).expect("the message");
    let mut command = Command::new(MFILTER);
    command.args(arguments);
    command.env_clear().env("HOME", home.path()).env("TMPDIR", home.path()).env("TZ", "UTC");
    let output = std::fs::File::create(home.path().join("output")).expect("made");
    command.stdin(input).stderr(output.try_clone().expect("a copy")).stdout(output);
    let mut child = command.spawn().expect("the program starts");
    let of = |file: &str| {
        std::fs::read_to_string(format!("/proc/{}/{file}", child.id())).unwrap_or_default()
    };
    let pid = WaitId::Pid(Pid::from_child(&child));
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    let mut memory = 0;
    while matches!(waitid(pid.clone(), options), Ok(None)) {
        // A high-water mark: only the very last moment is missed.
        let most = of("status")
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.trim().split(' ').next()?.parse().ok());
        memory = memory.max(most.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(1));
    }
    // It has ended but still exists.
    let stat = of("stat");
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 =
        after_name.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
    let code = child.wait().expect("it has ended").code();
    let output = std::fs::read(home.path().join("output")).unwrap_or_default();
    let output = String::from_utf8_lossy(&output).into_owned();
    MeasuredRun { code, time: Duration::from_millis(ticks * 10), memory, output }
}
