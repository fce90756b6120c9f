//! Users that Dovecot knows, through its socket for user lookups (`auth-userdb`).
//!
//! The protocol is lines of fields separated by tabs. Both sides send `VERSION`, the
//! server then `SPID`; a request is `USER <id> <name> service=<service>`, the answer `USER
//! <id> <name> <key=value>…`, `NOTFOUND <id>` or `FAIL <id> …`, which says that the
//! database is not available. In a field `\x01` escapes what would separate fields or
//! lines: `\x01` followed by `1`, `t`, `r`, `n` or `0`. Connections are kept and reused; a
//! stale one is replaced once.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Account, Accounts, Recipient, Unavailable};
use crate::hand_over::connect_unix;
use crate::lmtp::settings::Identity;

/// How long to wait for an answer: Dovecot takes some time to notice that an SQL server
/// is down, and the MTA waits for five minutes after RCPT (RFC 5321 §4.5.3.2.3).
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(60);
/// The protocol's major version; another one would not be understood.
const MAJOR: &str = "1";
/// The longest line of an answer, bytes; Dovecot's own limit.
const LONGEST_LINE: usize = 8192;
/// For whom a user is looked up: Dovecot's settings can differ by it.
const SERVICE: &str = "lmtp";
/// By this service users log in.
const LOGIN_SERVICE: &str = "imap";
/// How many idle connections are kept.
const MOST_KEPT: usize = 16;

/// Dovecot's users.
#[derive(Debug)]
pub struct Dovecot {
    socket: PathBuf,
    /// Who owns the files of users for whom Dovecot gives no uid.
    owner: Identity,
    timeout: Duration,
    last_id: AtomicU32,
    idle: Mutex<Vec<AuthConnection>>,
}

/// What an answer says.
enum AuthAnswer {
    /// The fields after the number: the name, then what is known.
    Found(Vec<String>),
    Unknown,
    /// Why it cannot be found out.
    Away(String),
}

impl Dovecot {
    /// Dovecot's users through `socket`; `owner` owns the files of users that have no uid
    /// of their own.
    pub fn new(socket: &Path, owner: Identity) -> Dovecot {
        Dovecot {
            socket: socket.to_owned(),
            owner,
            timeout: LOOKUP_TIMEOUT,
            last_id: AtomicU32::new(0),
            idle: Mutex::default(),
        }
    }

    fn ask(&self, name: &str, service: &str) -> Result<AuthAnswer, Unavailable> {
        let unavailable = |error: io::Error| {
            let why = match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => "no answer in time".to_owned(),
                _ => error.to_string(),
            };
            Unavailable(format!("Dovecot's users, {}: {why}", self.socket.display()))
        };
        let deadline = Instant::now() + self.timeout;
        let id = self.last_id.fetch_add(1, Ordering::Relaxed).wrapping_add(1).max(1);
        let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(mut connection) = kept {
            // Dovecot may have been restarted since then.
            if let Ok(answer) = connection.ask(id, name, service, deadline) {
                self.keep(connection);
                return Ok(answer);
            }
        }
        let mut connection = AuthConnection::open(&self.socket, deadline).map_err(unavailable)?;
        let answer = connection.ask(id, name, service, deadline).map_err(unavailable)?;
        self.keep(connection);
        Ok(answer)
    }

    fn keep(&self, connection: AuthConnection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST_KEPT {
            idle.push(connection);
        }
    }

    /// The account that an answer describes.
    fn account(&self, fields: &[String]) -> Result<Account, String> {
        let name = fields.first().filter(|name| !name.is_empty()).ok_or("it has no name")?;
        let value = |key: &str| {
            let found = fields.iter().skip(1).filter_map(|field| field.split_once('='));
            found.filter(|(known, _)| *known == key).map(|(_, value)| value).next_back()
        };
        let number = |key: &str, otherwise| match value(key) {
            Some(text) => text.parse().map_err(|_| format!("`{key}={text}` is not a number")),
            None => Ok(otherwise),
        };
        let home = value("home").filter(|home| !home.is_empty()).ok_or("Dovecot gives no home")?;
        let home = Path::new(home);
        if !home.is_absolute() {
            return Err(format!(
                "the home `{}` is not a path that begins with `/`",
                home.display()
            ));
        }
        let (uid, gid) = (number("uid", self.owner.uid)?, number("gid", self.owner.gid)?);
        // `user=` is there if a lookup has changed the name.
        let name = value("user").unwrap_or(name).to_owned();
        Ok(Account { name, home: home.to_owned(), uid, gid })
    }
}

impl Dovecot {
    /// The account of exactly this name.
    fn named(&self, name: &str) -> Result<Option<Account>, Unavailable> {
        let unavailable = |why| Unavailable(format!("Dovecot's users: `{name}`: {why}"));
        match self.ask(name, SERVICE)? {
            // A user who can log in has mail. Debian's settings for Dovecot 2.4 take the
            // domain away for LMTP only, so that no virtual user would be known.
            AuthAnswer::Unknown => match self.ask(name, LOGIN_SERVICE)? {
                AuthAnswer::Unknown => Ok(None),
                AuthAnswer::Away(why) => Err(unavailable(why)),
                AuthAnswer::Found(_) => Err(Unavailable(format!(
                    "Dovecot knows `{name}` for IMAP and not for LMTP: look for \
                     `auth_username_format` in its settings for `protocol lmtp`"
                ))),
            },
            AuthAnswer::Away(why) => Err(unavailable(why)),
            // Dovecot knows the user but we cannot serve them: that is not an unknown
            // user.
            AuthAnswer::Found(fields) => self.account(&fields).map(Some).map_err(unavailable),
        }
    }
}

impl Accounts for Dovecot {
    fn find(&self, recipient: &Recipient) -> Result<Option<Account>, Unavailable> {
        let domain = recipient.domain.to_ascii_lowercase();
        for local in recipient.spellings() {
            let name = Recipient { local, detail: None, domain: domain.clone() }.address();
            if recipient.local.is_empty() || name.contains(char::is_control) {
                return Ok(None);
            }
            if let Some(account) = self.named(&name)? {
                return Ok(Some(account));
            }
        }
        Ok(None)
    }
}

/// A connection on which the greetings have been exchanged.
#[derive(Debug)]
struct AuthConnection {
    stream: UnixStream,
    /// What was read but is not a whole line yet.
    rest: Vec<u8>,
}

impl AuthConnection {
    fn open(socket: &Path, deadline: Instant) -> io::Result<AuthConnection> {
        let stream = connect_unix(socket, deadline)?;
        let mut connection = AuthConnection { stream, rest: Vec::new() };
        connection.send(&format!("VERSION\t{MAJOR}\t0\n"), deadline)?;
        loop {
            let line = connection.line(deadline)?;
            match fields(&line).as_slice() {
                [word, major, ..] if word == "VERSION" && major != MAJOR => {
                    let why = format!("it speaks version {major} of its protocol, not {MAJOR}");
                    return Err(io::Error::new(ErrorKind::InvalidData, why));
                }
                // The last line of the greeting.
                [word, ..] if word == "SPID" => return Ok(connection),
                _ => {}
            }
        }
    }

    fn ask(
        &mut self,
        id: u32,
        name: &str,
        service: &str,
        deadline: Instant,
    ) -> io::Result<AuthAnswer> {
        self.send(&format!("USER\t{id}\t{}\tservice={service}\n", escaped(name)), deadline)?;
        let id = id.to_string();
        loop {
            let line = self.line(deadline)?;
            let fields = fields(&line);
            match fields.as_slice() {
                [word, of, rest @ ..] if *of == id => match word.as_str() {
                    "USER" => return Ok(AuthAnswer::Found(rest.to_vec())),
                    "NOTFOUND" => return Ok(AuthAnswer::Unknown),
                    "FAIL" => {
                        let reason = rest.iter().find_map(|field| field.strip_prefix("reason="));
                        let why = reason.unwrap_or("the database is unavailable");
                        return Ok(AuthAnswer::Away(why.to_owned()));
                    }
                    _ => {}
                },
                // The answer to an earlier question that we stopped waiting for.
                _ => {}
            }
        }
    }

    fn send(&mut self, text: &str, deadline: Instant) -> io::Result<()> {
        self.stream.set_write_timeout(Some(left(deadline)?))?;
        self.stream.write_all(text.as_bytes())
    }

    fn line(&mut self, deadline: Instant) -> io::Result<String> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.rest) {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
            }
            if self.rest.len() > LONGEST_LINE {
                return Err(io::Error::new(ErrorKind::InvalidData, "a line without an end"));
            }
            self.stream.set_read_timeout(Some(left(deadline)?))?;
            let mut buffer = [0; 1024];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.rest.extend(buffer.iter().take(count)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// Text with the characters escaped that separate fields and lines.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\x01' => out.push_str("\x011"),
            '\t' => out.push_str("\x01t"),
            '\r' => out.push_str("\x01r"),
            '\n' => out.push_str("\x01n"),
            '\0' => out.push_str("\x010"),
            c => out.push(c),
        }
    }
    out
}

fn fields(line: &str) -> Vec<String> {
    line.split('\t').map(unescaped).collect()
}

fn unescaped(field: &str) -> String {
    let mut out = String::with_capacity(field.len());
    let mut letters = field.chars();
    while let Some(c) = letters.next() {
        match c {
            '\x01' => match letters.next() {
                Some('1') => out.push('\x01'),
                Some('t') => out.push('\t'),
                Some('r') => out.push('\r'),
                Some('n') => out.push('\n'),
                Some('0') => out.push('\0'),
                Some(other) => out.push(other),
                None => {}
            },
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    const OWNER: Identity = Identity { uid: 150, gid: 8 };

    /// A server that answers each question with the text listed for its name, in which
    /// `%` is the number; a connection ends after `each` questions.
    fn serve(directory: &Path, answers: &'static [(&str, &str)], each: usize) -> Dovecot {
        let socket = directory.join("auth-userdb");
        let listener = UnixListener::bind(&socket).unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut out = stream.try_clone().unwrap();
                out.write_all(b"VERSION\t1\t2\nSPID\t7\n").unwrap();
                let lines = BufReader::new(stream).lines().map_while(Result::ok);
                for line in lines.skip(1).take(each) {
                    let mut fields = line.split('\t').skip(1);
                    let (id, name) = (fields.next().unwrap(), fields.next().unwrap());
                    let by_login = format!("{name} {}", fields.next().unwrap());
                    let answer =
                        answers.iter().find(|(known, _)| *known == name || *known == by_login);
                    let answer = answer.map_or("NOTFOUND\t%", |(_, answer)| answer);
                    if answer.is_empty() {
                        break;
                    }
                    let answer = format!("{}\n", answer.replace('%', id));
                    for byte in answer.as_bytes() {
                        let _ = out.write_all(&[*byte]);
                    }
                }
            }
        });
        Dovecot { timeout: Duration::from_secs(10), ..Dovecot::new(&socket, OWNER) }
    }

    fn recipient(local: &str) -> Recipient {
        Recipient { local: local.into(), detail: None, domain: "A.example".into() }
    }

    #[test]
    fn found_unknown_and_away_are_three_things() {
        let directory = tempfile::tempdir().unwrap();
        let answers = &[
            ("taro@a.example", "USER\t%\ttaro@a.example\tuid=7\tgid=9\thome=/m/taro\tmail=x"),
            ("alias@a.example", "USER\t%\talias@a.example\tuser=jiro\thome=/m/ji\x01tro"),
            ("old@a.example", "USER\t0\tx\thome=/wrong\nUSER\t%\told@a.example\thome=/m/old"),
            ("away@a.example", "FAIL\t%\treason=SQL is down"),
            ("fail@a.example", "FAIL\t%"),
            ("homeless@a.example", "USER\t%\thomeless@a.example\tuid=7"),
            ("relative@a.example", "USER\t%\tr\thome=m"),
            ("odd@a.example", "USER\t%\to\thome=/m\tuid=x"),
            ("gone@a.example", ""),
            ("login@a.example service=imap", "USER\t%\tlogin@a.example\thome=/m/login"),
        ];
        let users = serve(directory.path(), answers, usize::MAX);
        let taro = users.find(&recipient("taro")).unwrap().unwrap();
        assert_eq!((taro.name.as_str(), taro.uid, taro.gid), ("taro@a.example", 7, 9));
        assert_eq!(taro.home, Path::new("/m/taro"));
        let alias = users.find(&recipient("alias")).unwrap().unwrap();
        assert_eq!((alias.name.as_str(), alias.uid), ("jiro", 150));
        assert_eq!(alias.home, Path::new("/m/ji\tro"));
        assert_eq!(users.find(&recipient("Taro")).unwrap(), Some(taro), "letters in another case");
        assert_eq!(users.find(&recipient("old")).unwrap().unwrap().home, Path::new("/m/old"));
        for unknown in ["nobody", "", "a\tb", "a\nUSER\t9\ttaro@a.example"] {
            assert_eq!(users.find(&recipient(unknown)), Ok(None), "{unknown:?}");
        }
        for (away, why) in [
            ("away", "SQL is down"),
            ("fail", "the database is unavailable"),
            ("homeless", "no home"),
            ("relative", "begins with"),
            ("odd", "not a number"),
            ("gone", "end of file"),
            ("login", "`protocol lmtp`"),
        ] {
            let told = users.find(&recipient(away)).unwrap_err().0;
            assert!(told.contains(why), "{away}: {told}");
        }
    }

    #[test]
    fn a_connection_that_has_ended_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let answers = &[("taro@a.example", "USER\t%\ttaro@a.example\thome=/m/taro")];
        let users = serve(directory.path(), answers, 2);
        for _ in 0..7 {
            assert!(users.find(&recipient("taro")).unwrap().is_some());
        }
    }

    #[test]
    fn no_server_a_silent_one_and_a_strange_one_are_away() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("s");
        let timeout = Duration::from_millis(200);
        let users = Dovecot { timeout, ..Dovecot::new(&socket, OWNER) };
        assert!(users.find(&recipient("taro")).is_err(), "there is no socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let told = users.find(&recipient("taro")).unwrap_err().0;
        assert!(told.contains("in time"), "{told}");
        // A socket whose queue is full: its process is stopped.
        rustix::net::listen(&listener, 0).unwrap();
        let waiting: Vec<UnixStream> = std::iter::from_fn(|| {
            let until = Instant::now() + Duration::from_millis(50);
            crate::hand_over::connect_unix(&socket, until).ok()
        })
        .collect();
        let told = users.find(&recipient("taro")).unwrap_err().0;
        assert!(told.contains("in time"), "{told}");
        drop(waiting);
        rustix::net::listen(&listener, 10).unwrap();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _ = stream.write_all(b"VERSION\t2\t0\nSPID\t7\n");
                let _ = stream.read(&mut [0; 100]);
            }
        });
        let users = Dovecot { timeout: Duration::from_secs(10), ..Dovecot::new(&socket, OWNER) };
        let told = users.find(&recipient("taro")).unwrap_err().0;
        assert!(told.contains("version 2"), "{told}");
    }

    #[test]
    fn fields_are_hidden_and_found() {
        for text in ["", "a", "\x01", "a\tb\nc\rd\x01t\0"] {
            assert_eq!(unescaped(&escaped(text)), text);
            assert!(!escaped(text).contains(['\t', '\n', '\r', '\0']));
        }
    }
}
