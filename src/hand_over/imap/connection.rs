//! Commands and responses of IMAP on a connection: each command has a tag, and nothing but
//! the response with that tag, after the whole command, ends it (RFC 9051 §2.2).

use std::io;
use std::time::Duration;

use super::super::HandOverError;
use super::super::wire::{REPLY_MAX, Wire, describe, invalid};
use super::response::{ConditionWord, ImapCondition, ImapResponse, has_literals, literal, parse};
use crate::text::one_line;

/// How long the end of a command may take, unless said otherwise.
pub(super) const COMMANDS: Duration = Duration::from_secs(60);
/// How long sending or receiving each piece of a message may take.
pub(super) const PIECE: Duration = Duration::from_secs(60);

/// The result of a command: a NO is not an error of the connection.
pub(super) type Completion = Result<ImapCondition, ImapCondition>;

/// Receives literals piece by piece; an empty piece comes first.
type LiteralReader<'r> = &'r mut dyn FnMut(&[u8]);

/// A connection.
pub(super) struct ImapConnection {
    wire: Wire,
    /// The tag of the last command.
    tag: u32,
}

impl ImapConnection {
    pub(super) fn new(wire: Wire) -> ImapConnection {
        ImapConnection { wire, tag: 0 }
    }

    /// How long what follows may take.
    pub(super) fn step(&mut self, limit: Duration) {
        self.wire.step(limit);
    }

    /// Sends something that is not a line of a command.
    pub(super) fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.wire.send(bytes)
    }

    /// Sends a command of one line and returns its result; `take` gets the responses before it.
    pub(super) fn command(
        &mut self,
        command: &str,
        take: &mut dyn FnMut(&ImapResponse),
    ) -> Result<Completion, HandOverError> {
        self.wire.step(COMMANDS);
        self.send(command)?;
        self.completion(take)
    }

    /// Sends the line of a command. Nothing that was received before can be its response.
    pub(super) fn send(&mut self, command: &str) -> Result<(), HandOverError> {
        if let Some(error) = self.early() {
            return Err(error);
        }
        self.tag += 1;
        self.wire.send(format!("a{} {command}\r\n", self.tag).as_bytes()).map_err(broken)
    }

    /// What a response before the end of a command means, if it ends everything; data
    /// may come at any time.
    pub(super) fn early(&mut self) -> Option<HandOverError> {
        while !self.wire.is_silent() {
            match self.response(None) {
                Ok(ImapResponse::Data(_)) => {}
                Ok(ImapResponse::Untagged(condition)) => {
                    if let Err(error) = goes_on(condition) {
                        return Some(error);
                    }
                }
                Ok(ImapResponse::Tagged(_, no)) if no.word != ConditionWord::Ok => {
                    return Some(HandOverError::Refused(no.into()));
                }
                Ok(_) => {
                    let why = "it answers what it was not asked yet";
                    return Some(HandOverError::Broken(why.into()));
                }
                Err(error) => return Some(broken(error)),
            }
        }
        None
    }

    /// Waits until the server asks for the rest of a command, or returns its refusal.
    pub(super) fn continuation(&mut self) -> Result<Result<(), ImapCondition>, HandOverError> {
        loop {
            match self.response(None).map_err(broken)? {
                ImapResponse::Continuation => return Ok(Ok(())),
                ImapResponse::Data(_) => {}
                ImapResponse::Untagged(condition) => goes_on(condition)?,
                response => {
                    return match self.ending(response)? {
                        Err(no) => Ok(Err(no)),
                        Ok(_) => Err(HandOverError::Broken("it says yes to half a command".into())),
                    };
                }
            }
        }
    }

    /// Waits for the end of a command.
    pub(super) fn completion(
        &mut self,
        take: &mut dyn FnMut(&ImapResponse),
    ) -> Result<Completion, HandOverError> {
        loop {
            let response = self.response(None).map_err(broken)?;
            match response {
                ImapResponse::Untagged(ref condition) => {
                    take(&response);
                    goes_on(condition.clone())?;
                }
                ImapResponse::Data(_) => take(&response),
                response => return self.ending(response),
            }
        }
    }

    /// The end of the last command.
    pub(super) fn ending(&self, response: ImapResponse) -> Result<Completion, HandOverError> {
        match response {
            ImapResponse::Tagged(tag, condition) if tag == format!("a{}", self.tag) => {
                Ok(match condition.word {
                    ConditionWord::Ok => Ok(condition),
                    _ => Err(condition),
                })
            }
            _ => Err(HandOverError::Broken("it answers what it was not asked".into())),
        }
    }

    /// The next response. Literals of any length go to `look`, and are left empty
    /// in the response; without it they are part of the response.
    pub(super) fn response(
        &mut self,
        mut look: Option<LiteralReader<'_>>,
    ) -> io::Result<ImapResponse> {
        let (mut all, mut left) = (Vec::new(), REPLY_MAX);
        loop {
            let mut line = self.wire.line(left)?;
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            left = left.saturating_sub(line.len() + 2);
            all.extend_from_slice(&line);
            let announced = literal(&line).filter(|_| has_literals(&all));
            let Some(mut size) = announced else { break };
            match &mut look {
                Some(look) => {
                    let start = all.iter().rposition(|byte| *byte == b'{').unwrap_or(all.len());
                    all.truncate(start);
                    all.extend_from_slice(b"{0}\r\n");
                    look(&[]);
                    while size > 0 {
                        self.wire.step(PIECE);
                        let bytes = self.wire.bytes(usize::try_from(size).unwrap_or(usize::MAX))?;
                        size -= bytes.len() as u64;
                        look(&bytes);
                    }
                }
                None => {
                    let size = usize::try_from(size).ok().filter(|size| *size <= left);
                    let mut size = size.ok_or_else(|| invalid("a response without an end"))?;
                    left -= size;
                    all.extend_from_slice(b"\r\n");
                    while size > 0 {
                        let bytes = self.wire.bytes(size)?;
                        size -= bytes.len();
                        all.extend_from_slice(&bytes);
                    }
                }
            }
            if left == 0 {
                return Err(invalid("a response without an end"));
            }
        }
        parse(&all).ok_or_else(|| {
            let text = one_line(&String::from_utf8_lossy(&all), 80);
            invalid(format!("it said `{text}`, which is not an IMAP response"))
        })
    }
}

/// A condition that belongs to no command: nothing follows `BYE`.
pub(super) fn goes_on(condition: ImapCondition) -> Result<(), HandOverError> {
    match condition.word {
        ConditionWord::Bye => Err(HandOverError::Broken(format!("it says {}", condition.text))),
        _ => Ok(()),
    }
}

pub(super) fn broken(error: io::Error) -> HandOverError {
    HandOverError::Broken(describe(&error))
}
