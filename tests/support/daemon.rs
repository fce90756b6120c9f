//! A real server that listens on a port of its own, as long as a test runs.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::ports::free_port;
use super::wait_for;

/// A server; it ends with the test.
pub struct Daemon {
    child: Child,
    /// Its port on 127.0.0.1.
    pub port: u16,
}

impl Daemon {
    /// Starts the server with this command, which is told a free port, and waits until it
    /// listens there.
    pub fn start(name: &str, command: impl FnOnce(u16) -> Command) -> Daemon {
        let port = free_port();
        let mut command = command(port);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let daemon = Daemon { child: command.spawn().expect("the server starts"), port };
        wait_for(name, || TcpStream::connect(("127.0.0.1", port)).ok());
        daemon
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It ends its own children, too.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}
