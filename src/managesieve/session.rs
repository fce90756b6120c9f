//! One connection: commands to the server, answers back, and our own refusals among them,
//! in the right order.

use std::io::{self, BufReader, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::frame::{CommandKind, Frame, FrameError, Frames};
use super::{Gateway, farewell};
use crate::source::reason;
use crate::text::escape;

/// How many faults of one script are reported.
const MOST_FAULTS: usize = 20;

/// What both directions know about each other.
struct Turns {
    state: Mutex<TurnState>,
    changed: Condvar,
    /// Where answers are written.
    client: Mutex<TcpStream>,
}

#[derive(Default)]
struct TurnState {
    /// How many answers the server owes; its greeting is the first.
    owed: usize,
    /// Whether no more will come.
    is_over: bool,
}

impl Turns {
    fn state(&self) -> MutexGuard<'_, TurnState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the server has answered everything; false if it never will.
    fn wait(&self, until: Instant) -> bool {
        let mut state = self.state();
        while state.owed > 0 && !state.is_over {
            let Some(left) = until.checked_duration_since(Instant::now()) else { return false };
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        !state.is_over
    }

    fn say(&self, bytes: &[u8]) -> io::Result<()> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        client.write_all(bytes)?;
        client.flush()
    }
}

/// Serves a client until either the client or the server is gone.
///
/// # Errors
/// Why the connection was ended, if neither of them ended it.
pub(super) fn run(gateway: &Gateway, client: TcpStream) -> Result<(), String> {
    let limits = gateway.limits;
    let server = match TcpStream::connect_timeout(&gateway.server, limits.connect) {
        Ok(server) => server,
        Err(error) => {
            farewell(&client, "the server cannot be reached; try again later");
            return Err(format!("the server {} is not there: {}", gateway.server, reason(&error)));
        }
    };
    let prepare = || {
        for stream in [&client, &server] {
            stream.set_write_timeout(Some(limits.stalled))?;
            stream.set_nodelay(true)?;
        }
        // A server that is silent for longer than a client may be idle is gone.
        server.set_read_timeout(Some(limits.idle))?;
        Ok((client.try_clone()?, client.try_clone()?, server.try_clone()?, server.try_clone()?))
    };
    let prepared = prepare().map_err(|error: io::Error| error.to_string());
    let (to_client, client_end, from_server, server_end) = prepared?;
    let state = TurnState { owed: 1, is_over: false };
    let turns =
        Turns { state: Mutex::new(state), changed: Condvar::new(), client: Mutex::new(to_client) };
    thread::scope(|scope| {
        let answers = thread::Builder::new().name("server".into()).stack_size(256 << 10);
        let back = || {
            let _ = answers_back(from_server, &turns);
            turns.state().is_over = true;
            turns.changed.notify_all();
            // There is nobody to pass the client's further commands to.
            let _ = client_end.shutdown(Shutdown::Both);
        };
        let started = answers.spawn_scoped(scope, back);
        let ended = match started {
            Ok(_) => commands(gateway, client, server, &turns),
            Err(error) => Err(error.to_string()),
        };
        let _ = server_end.shutdown(Shutdown::Both);
        ended
    })
}

/// Passes commands on to the server.
fn commands(
    gateway: &Gateway,
    client: TcpStream,
    mut server: TcpStream,
    turns: &Turns,
) -> Result<(), String> {
    let limits = gateway.limits;
    let mut frames = Frames::new(BufReader::new(client), true);
    loop {
        let set = |frames: &Frames<BufReader<TcpStream>>, limit: Duration| {
            frames.inner().get_ref().set_read_timeout(Some(limit))
        };
        let next = set(&frames, limits.idle)
            .and_then(|()| frames.wait())
            .and_then(|more| set(&frames, limits.stalled).map(|()| more))
            .map_err(FrameError::from)
            .and_then(|more| if more { frames.read() } else { Ok(None) });
        let frame = match next {
            Ok(Some(frame)) => frame,
            Ok(None) => return Ok(()),
            Err(FrameError::Io(error)) if is_end(&error) => return Ok(()),
            Err(FrameError::Io(error)) => return Err(error.to_string()),
            Err(FrameError::Malformed(why)) => {
                turns.wait(Instant::now() + limits.stalled);
                let _ = turns.say(format!("BYE \"{why}\"\r\n").as_bytes());
                return Err(why.to_owned());
            }
        };
        let (refusal, bytes) = match frame {
            Frame::TooLong => {
                let text = "NO (QUOTA/MAXSCRIPTSIZE) \"the script is larger than 1 MB\"\r\n";
                (Some(text.to_owned()), Vec::new())
            }
            Frame::Whole(bytes) => (refuse(gateway, &bytes), bytes),
        };
        if let Some(refusal) = refusal {
            // A command may come before the previous one is answered (RFC 5804 §1.2).
            if !turns.wait(Instant::now() + limits.idle) || turns.say(refusal.as_bytes()).is_err() {
                return Ok(());
            }
            continue;
        }
        if CommandKind::of(&bytes) != CommandKind::Continuation {
            turns.state().owed += 1;
        }
        if server.write_all(&bytes).and_then(|()| server.flush()).is_err() {
            return Ok(());
        }
    }
}

/// The answer in place of the server's; none if the server has to answer.
fn refuse(gateway: &Gateway, command: &[u8]) -> Option<String> {
    let script = match CommandKind::of(command) {
        CommandKind::Script(script) => script,
        CommandKind::StartTls => {
            return Some("NO \"TLS ends at the login process\"\r\n".to_owned());
        }
        CommandKind::Wrong => return Some("NO \"wrong arguments\"\r\n".to_owned()),
        CommandKind::Continuation | CommandKind::Other => return None,
    };
    let faults = gateway.judge(&script);
    let first = faults.first()?;
    (gateway.tell)(&format!("a script was refused: {}", escape(first)));
    let mut text = String::from("This server cannot run these filters:\r\n");
    for fault in faults.iter().take(MOST_FAULTS) {
        text.push_str(&fault.replace(['\r', '\n'], " "));
        text.push_str("\r\n");
    }
    Some(format!("NO {{{}}}\r\n{text}\r\n", text.len()))
}

/// Passes answers back to the client, and counts the complete ones.
fn answers_back(server: TcpStream, turns: &Turns) -> Result<(), FrameError> {
    let mut frames = Frames::new(BufReader::new(server), false);
    while let Some(frame) = frames.read()? {
        let Frame::Whole(bytes) = frame else {
            return Err(FrameError::Malformed("the server's answer is too long"));
        };
        // Nothing could be judged after STARTTLS.
        if bytes.to_ascii_uppercase().starts_with(b"\"STARTTLS\"") {
            continue;
        }
        turns.say(&bytes)?;
        if is_complete(&bytes) {
            let mut state = turns.state();
            state.owed = state.owed.saturating_sub(1);
            turns.changed.notify_all();
        }
    }
    Ok(())
}

/// Whether this line completes an answer, RFC 5804 §1.3.
fn is_complete(answer: &[u8]) -> bool {
    let end = answer.iter().position(|byte| byte.is_ascii_whitespace()).unwrap_or(answer.len());
    let word = answer.get(..end).unwrap_or_default();
    [&b"OK"[..], b"NO", b"BYE"].iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// Whether the client is gone or silent.
fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, TimedOut, UnexpectedEof,
        WouldBlock,
    };
    matches!(
        error.kind(),
        BrokenPipe
            | ConnectionAborted
            | ConnectionReset
            | NotConnected
            | TimedOut
            | UnexpectedEof
            | WouldBlock
    )
}
