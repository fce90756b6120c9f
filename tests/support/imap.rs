//! An IMAP client, as small as tests need it.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// An IMAP session with one process of the server.
pub struct Imap {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    tag: usize,
}

impl Imap {
    /// `command` starts the server's process as the mail's owner.
    pub fn start(mut command: Command) -> Imap {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("imap starts");
        let input = child.stdin.take().expect("it was asked for");
        let output = BufReader::new(child.stdout.take().expect("it was asked for"));
        let mut imap = Imap { child, input, output, tag: 0 };
        assert!(imap.line().starts_with("* PREAUTH"));
        imap
    }

    fn line(&mut self) -> String {
        let mut line = Vec::new();
        self.output.read_until(b'\n', &mut line).expect("a line");
        assert!(!line.is_empty(), "the session has ended");
        String::from_utf8_lossy(&line).trim_end().to_owned()
    }

    /// The answer's last line, and those before it.
    pub fn call(&mut self, command: &str) -> (String, Vec<String>) {
        self.tag += 1;
        let tag = format!("t{} ", self.tag);
        write!(self.input, "{tag}{command}\r\n").expect("written");
        let mut lines = Vec::new();
        loop {
            let line = self.line();
            match line.strip_prefix(&tag) {
                Some(end) => return (end.to_owned(), lines),
                None => lines.push(line),
            }
        }
    }

    /// The lines of an answer that must be OK.
    pub fn done(&mut self, command: &str) -> Vec<String> {
        let (end, lines) = self.call(command);
        assert!(end.starts_with("OK"), "{command}: {end}");
        lines
    }

    /// Takes leave.
    pub fn end(mut self) {
        self.done("LOGOUT");
        self.child.wait().expect("it ends");
    }
}
