//! The client's side of IMAP, as far as a hand-over needs it: to log in for a user, to
//! know folders and make them, to append, and to look for what was appended.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use data_encoding::BASE64;

use super::super::address::StorePlace;
use super::super::content::WireContent;
use super::super::wire::{Wire, describe};
use super::super::{HandOverError, StoreRefusal};
use super::connection::{COMMANDS, Completion, ImapConnection, PIECE, broken, goes_on};
use super::naming::{FolderNaming, quoted};
use super::response::{ConditionWord, DataWord, DataWords, ImapCondition, ImapResponse};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the greeting and the login may take: servers delay logins that fail.
const GREETING: Duration = Duration::from_secs(30);
/// How long the end of `APPEND` may take.
const STORED: Duration = Duration::from_secs(180);
/// How much is sent without asking where the server allows it, octets: what `LITERAL-`
/// permits (RFC 7888 §5). For more we wait until it asks.
const AT_ONCE: u64 = 4096;
/// How many messages are compared with the one that may have been appended.
const MOST_FOUND: usize = 100;

/// What the server can do (RFC 9051 §7.2.2).
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Capabilities(Vec<String>);

impl Capabilities {
    fn of<'w>(words: impl Iterator<Item = DataWord<'w>>) -> Option<Capabilities> {
        let mut words = words.map(|word| match word {
            DataWord::Atom(atom) => String::from_utf8_lossy(atom).to_ascii_uppercase(),
            _ => String::new(),
        });
        (words.next()? == "CAPABILITY").then(|| Capabilities(words.collect()))
    }

    pub(super) fn have(&self, name: &str) -> bool {
        self.0.iter().any(|known| known == name)
    }

    /// The largest message, octets (RFC 7889).
    pub(super) fn limit(&self) -> Option<u64> {
        self.0.iter().find_map(|known| known.strip_prefix("APPENDLIMIT=")?.parse().ok())
    }
}

/// A folder at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FolderStatus {
    /// UIDs keep their meaning while this is unchanged; zero if the server does not say it.
    pub(super) validity: u64,
    /// The lowest UID that the next message may get.
    pub(super) next: u64,
    /// Keywords that the server keeps; `None` if it keeps any keyword.
    pub(super) keywords: Option<Vec<String>>,
}

/// A server that was reached.
pub(super) struct ImapClient {
    connection: ImapConnection,
    pub(super) can: Capabilities,
}

impl ImapClient {
    /// Connects, and reads the greeting and the capabilities.
    pub(super) fn connect(
        place: &StorePlace,
        deadline: Instant,
    ) -> Result<ImapClient, HandOverError> {
        let away = |error: io::Error| HandOverError::Away(describe(&error));
        let wire = Wire::connect(place, CONNECT, deadline).map_err(away)?;
        let connection = ImapConnection::new(wire);
        let mut client = ImapClient { connection, can: Capabilities::default() };
        client.connection.step(GREETING);
        let greeting = client.connection.response(None).map_err(away)?;
        match greeting {
            ImapResponse::Untagged(greeting) if greeting.word == ConditionWord::Ok => {
                client.can = capabilities_in(&greeting).unwrap_or_default();
            }
            ImapResponse::Untagged(greeting) => {
                return Err(HandOverError::Away(format!("it greets with `{}`", greeting.text)));
            }
            _ => return Err(HandOverError::Away("it does not greet as IMAP servers do".into())),
        }
        client.ask_capabilities().map_err(|error| match error {
            HandOverError::Broken(why) => HandOverError::Away(why),
            other => other,
        })?;
        Ok(client)
    }

    /// Asks for the capabilities, if the server has not listed them by itself.
    fn ask_capabilities(&mut self) -> Result<(), HandOverError> {
        if self.can == Capabilities::default() {
            let mut can = None;
            let done = self.connection.command("CAPABILITY", &mut |response| {
                if let ImapResponse::Data(data) = response {
                    can = Capabilities::of(DataWords(data)).or(can.take());
                }
            })?;
            accepted(done)?;
            self.can = can.unwrap_or_default();
        }
        if self.can.have("IMAP4REV1") {
            Ok(())
        } else {
            Err(HandOverError::Broken("it does not offer IMAP4rev1".into()))
        }
    }

    /// Logs in as `login`, to act for `mailbox` (RFC 4616).
    pub(super) fn login(
        &mut self,
        login: &str,
        password: &str,
        mailbox: &str,
    ) -> Result<(), HandOverError> {
        let refused = |why: String| HandOverError::Login {
            login: login.to_owned(),
            mailbox: mailbox.to_owned(),
            why,
        };
        if !self.can.have("AUTH=PLAIN") {
            let why = "it offers no `AUTH=PLAIN` on this connection; it has to allow plain text \
                       passwords where nothing is encrypted";
            return Err(refused(why.into()));
        }
        let secret = BASE64.encode(format!("{mailbox}\0{login}\0{password}").as_bytes());
        self.connection.step(GREETING);
        let done = if self.can.have("SASL-IR") {
            self.connection.send(&format!("AUTHENTICATE PLAIN {secret}"))?;
            self.connection.completion(&mut |_| ())?
        } else {
            self.connection.send("AUTHENTICATE PLAIN")?;
            match self.connection.continuation()? {
                Ok(()) => {
                    self.connection.send_raw(format!("{secret}\r\n").as_bytes()).map_err(broken)?;
                    self.connection.completion(&mut |_| ())?
                }
                Err(no) => Err(no),
            }
        };
        let done = done.map_err(|no| refused(no.text))?;
        // After the login it may offer something else.
        self.can = capabilities_in(&done).unwrap_or_default();
        self.ask_capabilities()
    }

    /// How folders are named.
    pub(super) fn naming(&mut self) -> Result<FolderNaming, HandOverError> {
        let mut naming = None;
        if self.can.have("NAMESPACE") {
            accepted(self.connection.command("NAMESPACE", &mut |response| {
                if let ImapResponse::Data(data) = response {
                    naming = FolderNaming::of_namespace(data).or(naming.take());
                }
            })?)?;
        }
        if naming.is_none() {
            accepted(self.connection.command("LIST \"\" \"\"", &mut |response| {
                if let ImapResponse::Data(data) = response {
                    naming = FolderNaming::of_list(data).or(naming.take());
                }
            })?)?;
        }
        naming.ok_or_else(|| HandOverError::Broken("it does not say how folders are named".into()))
    }

    /// A folder as it is now. To learn its keywords it is selected, since nothing
    /// else says which ones are kept.
    pub(super) fn status(
        &mut self,
        name: &str,
        with_keywords: bool,
    ) -> Result<Result<FolderStatus, ImapCondition>, HandOverError> {
        let mut status = FolderStatus { next: 1, ..FolderStatus::default() };
        let command = match with_keywords {
            true => format!("SELECT {}", quoted(name)),
            false => format!("STATUS {} (UIDNEXT UIDVALIDITY)", quoted(name)),
        };
        let done = self.connection.command(&command, &mut |response| {
            let bytes = match response {
                ImapResponse::Untagged(condition) => &condition.code,
                ImapResponse::Data(data) => data,
                _ => return,
            };
            let words: Vec<DataWord<'_>> = DataWords(bytes).collect();
            for pair in words.windows(2) {
                match pair {
                    [name, value] if name.is("UIDVALIDITY") => {
                        status.validity = value.number().unwrap_or(status.validity);
                    }
                    [name, value] if name.is("UIDNEXT") => {
                        status.next = value.number().unwrap_or(status.next);
                    }
                    [name, DataWord::Open] if name.is("PERMANENTFLAGS") => {
                        status.keywords = permanent_keywords(&words);
                    }
                    _ => {}
                }
            }
        })?;
        Ok(done.map(|_| status))
    }

    /// Creates a folder and subscribes it. Returns the server's refusal to subscribe.
    pub(super) fn make(
        &mut self,
        name: &str,
        subscribe: bool,
    ) -> Result<Result<Option<ImapCondition>, ImapCondition>, HandOverError> {
        let made = self.connection.command(&format!("CREATE {}", quoted(name)), &mut |_| ())?;
        match made {
            Err(no) if no.code_name() != "ALREADYEXISTS" => return Ok(Err(no)),
            _ if !subscribe => return Ok(Ok(None)),
            _ => {}
        }
        let done = self.connection.command(&format!("SUBSCRIBE {}", quoted(name)), &mut |_| ())?;
        Ok(Ok(done.err()))
    }

    /// Appends a message, with flags and keywords from its first moment.
    pub(super) fn append(
        &mut self,
        name: &str,
        flags: &[String],
        content: &WireContent<'_>,
    ) -> Result<Completion, HandOverError> {
        let size = content.size();
        let at_once = size <= AT_ONCE && (self.can.have("LITERAL+") || self.can.have("LITERAL-"));
        let sign = if at_once { "+" } else { "" };
        self.connection.step(COMMANDS);
        let (name, flags) = (quoted(name), flags.join(" "));
        let command = format!("APPEND {name} ({flags}) {{{size}{sign}}}");
        self.connection.send(&command)?;
        if !at_once && let Err(no) = self.connection.continuation()? {
            return Ok(Err(no));
        }
        let mut failed = None;
        let (mut left, connection) = (size, &mut self.connection);
        let sent = content.write(&mut |bytes| {
            let rest = left.checked_sub(bytes.len() as u64);
            left = rest.ok_or_else(|| io::Error::other("it has grown"))?;
            connection.step(PIECE);
            connection.send_raw(bytes).map_err(|error| {
                failed = Some(broken(error));
                ErrorKind::BrokenPipe.into()
            })
        });
        match (sent, failed) {
            (Ok(()), _) if left == 0 => {}
            (Ok(()), _) => return Err(HandOverError::Unread("it has become shorter".into())),
            // It may have said why.
            (Err(_), Some(error)) => return Err(self.connection.early().unwrap_or(error)),
            (Err(error), None) => return Err(HandOverError::Unread(error.to_string())),
        }
        // What comes before the end of a command is not an answer to it.
        if let Some(error) = self.connection.early() {
            return Err(error);
        }
        self.connection.step(STORED);
        self.connection.send_raw(b"\r\n").map_err(broken)?;
        self.connection.completion(&mut |_| ())
    }

    /// The UIDs from `first` on whose messages have a size in the range, in a folder
    /// that is examined from now on. `None` if there is no such folder.
    pub(super) fn find(
        &mut self,
        name: &str,
        validity: u64,
        first: u64,
        sizes: std::ops::RangeInclusive<u64>,
    ) -> Result<Vec<u64>, HandOverError> {
        let mut now = 0;
        let opened =
            self.connection.command(&format!("EXAMINE {}", quoted(name)), &mut |response| {
                if let ImapResponse::Untagged(condition) = response {
                    let words: Vec<DataWord<'_>> = DataWords(&condition.code).collect();
                    if let [word, value] = words.as_slice()
                        && word.is("UIDVALIDITY")
                    {
                        now = value.number().unwrap_or(0);
                    }
                }
            })?;
        match opened {
            Ok(_) => {}
            Err(no) if no.is_temporary() => return Err(HandOverError::Refused(no.into())),
            Err(_) => return Ok(Vec::new()),
        }
        // A new folder of that name, in which UIDs mean something else.
        let first = if now == validity { first } else { 1 };
        let (least, most) = (sizes.start().saturating_sub(1), sizes.end().saturating_add(1));
        let command = format!("UID SEARCH UID {first}:* LARGER {least} SMALLER {most}");
        let mut found: Vec<u64> = Vec::new();
        accepted(self.connection.command(&command, &mut |response| {
            let ImapResponse::Data(data) = response else { return };
            let mut words = DataWords(data);
            if words.next().is_some_and(|word| word.is("SEARCH")) {
                found.extend(words.filter_map(|word| word.number()));
            }
        })?)?;
        // `*` is the last UID, even if it is lower than the first that is asked for.
        found.retain(|uid| *uid >= first);
        found.truncate(MOST_FOUND);
        Ok(found)
    }

    /// Passes the message of a UID in the examined folder to `look`. False if the
    /// server does not return it.
    pub(super) fn fetch(
        &mut self,
        uid: u64,
        look: &mut dyn FnMut(&[u8]),
    ) -> Result<bool, HandOverError> {
        self.connection.step(COMMANDS);
        self.connection.send(&format!("UID FETCH {uid} (BODY.PEEK[])"))?;
        let mut is_given = false;
        loop {
            let mut seen = 0;
            let response = self.connection.response(Some(&mut |bytes| {
                seen += 1;
                look(bytes);
            }));
            match response.map_err(broken)? {
                ImapResponse::Data(data) => {
                    let words: Vec<DataWord<'_>> = DataWords(&data).collect();
                    let is_of = |name: &str| words.iter().any(|word| word.is(name));
                    let is_it = words.windows(2).any(|pair| {
                        matches!(pair, [name, value] if name.is("UID") && value.number() == Some(uid))
                    });
                    if is_of("FETCH") && is_of("BODY[]") && is_it && seen > 0 && !is_given {
                        is_given = true;
                    } else if seen > 0 {
                        return Err(HandOverError::Broken("it gives what nobody asked for".into()));
                    }
                }
                ImapResponse::Untagged(condition) => goes_on(condition)?,
                response => return Ok(is_given && self.connection.ending(response)?.is_ok()),
            }
        }
    }

    /// Logs out, without waiting for the response.
    pub(super) fn quit(&mut self) {
        self.connection.step(Duration::from_millis(100));
        let _ = self.connection.send("LOGOUT");
    }
}

/// The keywords among the permanent flags; `None` if the server keeps any keyword.
fn permanent_keywords(words: &[DataWord<'_>]) -> Option<Vec<String>> {
    let atoms = words.iter().filter_map(|word| match word {
        DataWord::Atom(atom) => Some(String::from_utf8_lossy(atom).into_owned()),
        _ => None,
    });
    let atoms: Vec<String> = atoms.collect();
    if atoms.iter().any(|atom| atom == "\\*") { None } else { Some(atoms) }
}

/// The capabilities in the code of a condition.
fn capabilities_in(condition: &ImapCondition) -> Option<Capabilities> {
    Capabilities::of(DataWords(&condition.code))
}

fn accepted(done: Completion) -> Result<ImapCondition, HandOverError> {
    done.map_err(|no| HandOverError::Refused(StoreRefusal::from(no)))
}
