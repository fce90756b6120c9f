//! An IMAP server for tests: it keeps what is appended for as long as it runs, and
//! answers as the test wants. The tests of `src/hand_over/imap` use it, too.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use data_encoding::BASE64;

/// How it behaves.
#[derive(Clone)]
pub struct ImapBehaviour {
    /// Its capabilities in addition to IMAP4rev1.
    pub offers: &'static str,
    /// Its answers to `NAMESPACE` and `LIST "" ""`.
    pub namespace: &'static str,
    pub list: &'static str,
    /// The keywords that it keeps.
    pub keywords: &'static str,
    /// How many bytes it sends before it closes the connection.
    pub says: usize,
    /// How many bytes it sends before it falls silent.
    pub stalls: usize,
    /// What it answers to the n-th of a command (`greeting`, `STATUS "A" (…)`, …) instead
    /// of obeying it. `TAG` stands for its tag.
    pub answer: fn(&str, usize) -> Option<String>,
    /// What it turns a message into.
    pub stores: fn(Vec<u8>) -> Vec<u8>,
}

impl Default for ImapBehaviour {
    fn default() -> ImapBehaviour {
        ImapBehaviour {
            offers: "AUTH=PLAIN SASL-IR LITERAL+ NAMESPACE",
            namespace: "NAMESPACE ((\"\" \"/\")) NIL NIL",
            list: "LIST (\\Noselect) \"/\" \"\"",
            keywords: "\\*",
            says: usize::MAX,
            stalls: usize::MAX,
            answer: |_, _| None,
            stores: |bytes| bytes,
        }
    }
}

/// A stored message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptMessage {
    pub uid: u64,
    /// As the client wrote them.
    pub flags: String,
    pub bytes: Vec<u8>,
}

/// A user's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptFolder {
    pub validity: u64,
    pub next: u64,
    pub messages: Vec<KeptMessage>,
    pub is_subscribed: bool,
}

impl KeptFolder {
    fn new() -> KeptFolder {
        KeptFolder { validity: 7, next: 1, messages: Vec::new(), is_subscribed: false }
    }

    pub fn add(&mut self, flags: &str, bytes: Vec<u8>) {
        let (uid, flags) = (self.next, flags.to_owned());
        self.messages.push(KeptMessage { uid, flags, bytes });
        self.next += 1;
    }
}

#[derive(Default)]
struct Kept {
    behaviour: Mutex<ImapBehaviour>,
    /// By user and name.
    folders: Mutex<BTreeMap<(String, String), KeptFolder>>,
    /// All lines that clients sent.
    commands: Mutex<Vec<String>>,
}

/// A server that runs as long as the value exists.
pub struct ImapStore {
    kept: Arc<Kept>,
    directory: tempfile::TempDir,
}

impl ImapStore {
    pub fn start(behaviour: ImapBehaviour) -> ImapStore {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("imap")).unwrap();
        let everybody = |path: PathBuf, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        everybody(directory.path().to_owned(), 0o755);
        everybody(directory.path().join("imap"), 0o777);
        let kept = Arc::new(Kept { behaviour: Mutex::new(behaviour), ..Kept::default() });
        let shared = Arc::clone(&kept);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &kept));
            }
        });
        ImapStore { kept, directory }
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("imap")
    }

    /// Changes how it behaves from the next connection on.
    pub fn behave(&self, behaviour: ImapBehaviour) {
        *self.kept.behaviour.lock().unwrap() = behaviour;
    }

    /// A user's folders.
    pub fn folders(&self, user: &str) -> BTreeMap<String, KeptFolder> {
        let all = self.kept.folders.lock().unwrap();
        let of_user = all.iter().filter(|((owner, _), _)| owner == user);
        of_user.map(|((_, name), folder)| (name.clone(), folder.clone())).collect()
    }

    /// Changes a user's folder.
    pub fn change(&self, user: &str, name: &str, change: impl FnOnce(&mut KeptFolder)) {
        let mut all = self.kept.folders.lock().unwrap();
        change(all.entry((user.into(), name.into())).or_insert_with(KeptFolder::new));
    }

    pub fn commands(&self) -> Vec<String> {
        self.kept.commands.lock().unwrap().clone()
    }
}

struct Session<'k> {
    stream: UnixStream,
    sent_bytes: usize,
    behaviour: ImapBehaviour,
    /// How often each command was sent.
    times: HashMap<String, usize>,
    user: Option<String>,
    selected: String,
    kept: &'k Kept,
}

impl Session<'_> {
    fn say(&mut self, text: &[u8]) -> io::Result<()> {
        let room = self.behaviour.says.min(self.behaviour.stalls).saturating_sub(self.sent_bytes);
        let now = &text[..text.len().min(room)];
        self.stream.write_all(now)?;
        self.sent_bytes += now.len();
        if now.len() < text.len() {
            if self.behaviour.stalls < self.behaviour.says {
                // The client goes first.
                self.stream.set_read_timeout(Some(Duration::from_secs(30)))?;
                let mut rest = Vec::new();
                let _ = self.stream.read_to_end(&mut rest);
            }
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    }

    /// The answer that the test wants in place of obeying this.
    fn scripted_answer(&mut self, command: &str) -> Option<String> {
        let word = command.split(' ').next().unwrap_or_default().to_owned();
        let times = self.times.entry(word).or_default();
        *times += 1;
        (self.behaviour.answer)(command, *times - 1)
    }

    /// The answer to a command: lines before the completion, and the completion.
    fn answer(&mut self, command: &str, literal: Vec<u8>) -> (Vec<u8>, String) {
        let words = words(command);
        let word = |at: usize| words.get(at).map_or("", String::as_str);
        let done = |lines: String, end: &str| (lines.into_bytes(), end.to_owned());
        let no = |why: &str| (Vec::new(), format!("NO {why}"));
        match word(0) {
            "CAPABILITY" => {
                done(format!("* CAPABILITY IMAP4rev1 {}\r\n", self.behaviour.offers), "OK")
            }
            "LOGOUT" => done("* BYE farewell\r\n".into(), "OK"),
            "AUTHENTICATE" => {
                let secret = String::from_utf8(literal).unwrap_or_default();
                let secret = BASE64.decode(secret.trim().as_bytes()).unwrap_or_default();
                let secret = String::from_utf8(secret).unwrap_or_default();
                match secret.split('\0').collect::<Vec<_>>()[..] {
                    [user, "mfilter", "secret"] => {
                        self.user = Some(user.to_owned());
                        let capabilities =
                            format!("[CAPABILITY IMAP4rev1 {}]", self.behaviour.offers);
                        done(String::new(), &format!("OK {capabilities} in"))
                    }
                    _ => no("[AUTHENTICATIONFAILED] wrong"),
                }
            }
            _ if self.user.is_none() => (Vec::new(), "BAD who are you?".into()),
            "NAMESPACE" => done(format!("* {}\r\n", self.behaviour.namespace), "OK"),
            "LIST" => done(format!("* {}\r\n", self.behaviour.list), "OK"),
            _ => {
                let user = self.user.clone().unwrap_or_default();
                let mut all = self.kept.folders.lock().unwrap();
                if user != "nobody@x.example" {
                    all.entry((user.clone(), "INBOX".into())).or_insert_with(KeptFolder::new);
                }
                let key = |name: &str| (user.clone(), name.to_owned());
                match (word(0), word(1)) {
                    ("CREATE", name) => match all.insert(key(name), KeptFolder::new()) {
                        None => done(String::new(), "OK"),
                        Some(known) => {
                            all.insert(key(name), known);
                            no("[ALREADYEXISTS] it is there")
                        }
                    },
                    ("UID", "SEARCH") => {
                        let folder = &all[&key(&self.selected)];
                        let first: u64 = word(3).trim_end_matches(":*").parse().unwrap();
                        let (larger, smaller) =
                            (word(5).parse().unwrap(), word(7).parse().unwrap());
                        let last = folder.messages.last().map_or(0, |last| last.uid);
                        let found = folder.messages.iter().filter(|message| {
                            let size = message.bytes.len() as u64;
                            (message.uid >= first || message.uid == last)
                                && size > larger
                                && size < smaller
                        });
                        let found: String = found.map(|one| format!(" {}", one.uid)).collect();
                        done(format!("* SEARCH{found}\r\n"), "OK")
                    }
                    ("UID", "FETCH") => {
                        let uid: u64 = word(2).parse().unwrap();
                        let folder = &all[&key(&self.selected)];
                        let mut lines = b"* 3 EXISTS\r\n".to_vec();
                        if let Some(one) = folder.messages.iter().find(|one| one.uid == uid) {
                            let head =
                                format!("* 1 FETCH (UID {uid} BODY[] {{{}}}\r\n", one.bytes.len());
                            lines.extend_from_slice(head.as_bytes());
                            lines.extend_from_slice(&one.bytes);
                            lines.extend_from_slice(b" FLAGS ())\r\n");
                        }
                        (lines, "OK".into())
                    }
                    (verb, name) => {
                        let Some(folder) = all.get_mut(&key(name)) else {
                            return no(match verb {
                                "APPEND" => "[TRYCREATE] there is no such folder",
                                _ => "there is no such folder",
                            });
                        };
                        let (next, validity) = (folder.next, folder.validity);
                        match verb {
                            "SUBSCRIBE" => {
                                folder.is_subscribed = true;
                                done(String::new(), "OK")
                            }
                            "STATUS" => done(
                                format!(
                                    "* STATUS {name:?} (UIDNEXT {next} UIDVALIDITY {validity})\r\n"
                                ),
                                "OK",
                            ),
                            "SELECT" | "EXAMINE" => {
                                self.selected = name.to_owned();
                                let keywords = self.behaviour.keywords;
                                done(
                                    format!(
                                        "* 3 EXISTS\r\n* FLAGS (\\Seen)\r\n\
                                         * OK [PERMANENTFLAGS (\\Seen \\Flagged {keywords})] x\r\n\
                                         * OK [UIDVALIDITY {validity}] y\r\n* OK [UIDNEXT {next}] z\r\n"
                                    ),
                                    "OK [READ-WRITE]",
                                )
                            }
                            "APPEND" => {
                                let flags = command.split(['(', ')']).nth(1).unwrap_or_default();
                                folder.add(flags, (self.behaviour.stores)(literal));
                                done("* 4 EXISTS\r\n".into(), "OK [APPENDUID 7 9] there")
                            }
                            _ => (Vec::new(), "BAD what?".into()),
                        }
                    }
                }
            }
        }
    }
}

/// The words of a command, strings without their quotes.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut is_quoted) = (Vec::new(), String::new(), false);
    let mut signs = command.chars();
    while let Some(sign) = signs.next() {
        match sign {
            '\\' if is_quoted => word.extend(signs.next()),
            '"' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(std::mem::take(&mut word)),
            sign => word.push(sign),
        }
    }
    words.push(word);
    words
}

fn serve(stream: UnixStream, kept: &Kept) -> io::Result<()> {
    let behaviour = kept.behaviour.lock().unwrap().clone();
    let mut reader = BufReader::new(stream.try_clone()?);
    let (times, selected) = (HashMap::new(), String::new());
    let mut session =
        Session { stream, sent_bytes: 0, behaviour, times, user: None, selected, kept };
    let greeting = format!("* OK [CAPABILITY IMAP4rev1 {}] here\r\n", session.behaviour.offers);
    let greeting = session.scripted_answer("greeting").unwrap_or(greeting);
    session.say(greeting.as_bytes())?;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let line = line.trim_end();
        let (tag, mut command) = line.split_once(' ').unwrap_or((line, ""));
        kept.commands.lock().unwrap().push(command.to_owned());
        if let Some(scripted_answer) = session.scripted_answer(command) {
            session.say(scripted_answer.replace("TAG", tag).as_bytes())?;
            continue;
        }
        let mut literal = Vec::new();
        if let Some((rest, size)) = command.strip_suffix('}').and_then(|it| it.rsplit_once('{')) {
            let size = size.strip_suffix('+').map_or_else(|| (true, size), |size| (false, size));
            command = rest;
            if size.0 {
                session.say(b"* OK wait\r\n+ go\r\n")?;
            }
            literal = vec![0; size.1.parse().unwrap()];
            reader.read_exact(&mut literal)?;
            let mut end = String::new();
            if reader.read_line(&mut end)? == 0 {
                return Ok(());
            }
            if let Some(scripted_answer) = session.scripted_answer("(literal)") {
                session.say(scripted_answer.replace("TAG", tag).as_bytes())?;
                continue;
            }
        } else if command == "AUTHENTICATE PLAIN" {
            session.say(b"+ \r\n")?;
            let mut secret = String::new();
            reader.read_line(&mut secret)?;
            literal = secret.into_bytes();
        } else if let Some(secret) = command.strip_prefix("AUTHENTICATE PLAIN ") {
            literal = secret.as_bytes().to_vec();
        }
        let (mut lines, end) = session.answer(command, literal);
        lines.extend_from_slice(format!("{tag} {end} now\r\n").as_bytes());
        session.say(&lines)?;
        if command == "LOGOUT" {
            return Ok(());
        }
    }
}
