//! What evaluation may ask about the world around the message: the clock, the
//! environment, the envelope, the user's lists. It only reads.
//!
//! Everything is looked up when a rule first needs it, and only once.

mod envelope;
mod folders;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::classify::people::People;
use crate::contacts::{self, Contacts};
use crate::file::{ANYWHERE, Bounds, FileIdentity};
use crate::flags::Flags;
use crate::message::address::canonical;
use crate::rules::address_list::AddressList;
use crate::rules::check::resolve;
use crate::rules::list_entry::without_comment;
use crate::rules::program::MailSide;
use crate::source::{ReadError, may_pass, reason};
use crate::state::list_index;
use crate::state::slots::Key;
use crate::state::{StateDir, duplicates};
use crate::user::User;
use crate::zone;

pub use folders::FolderSource;

/// What the command line and the MTA say, and what has been looked up.
#[derive(Default)]
pub struct World {
    /// `-f`: the envelope sender; empty is the null sender.
    pub sender: Option<String>,
    /// `-d`: envelope recipients.
    pub recipients: Vec<String>,
    /// The address before aliases (RFC 3461 `ORCPT`): rules see it as a
    /// recipient. The sender may have written it, so it is nobody's own.
    pub alias: Option<String>,
    /// `-a`: the address extension.
    pub extension: Option<String>,
    /// `-D NAME=VALUE`: takes precedence over the process's environment.
    pub variables: HashMap<String, String>,
    /// `--now`; `None` for the clock.
    pub now: Option<Timestamp>,
    /// Whose mail it is.
    pub user: User,
    /// Where delivered messages are remembered.
    pub state: Option<StateDir>,
    /// Whether this message was delivered before, if that must not be looked up:
    /// existing mail is its own duplicate.
    pub before: Cell<Option<DuplicateStatus>>,
    /// The message's folder and flags, if it is already in a folder.
    pub stored: RefCell<Option<StoredMessage>>,
    /// Where `folder-exists` looks for folders.
    pub folders: FolderSource,
    /// Searches the user's sent mail; `None` if that is not wanted.
    pub sent: Option<Box<dyn SentMail>>,
    /// What has been looked up.
    pub known: Lookups,
}

/// A message in a folder.
#[derive(Debug, Clone)]
pub struct StoredMessage {
    /// The folder as people name it, `INBOX` for the inbox.
    pub folder: String,
    /// Its flags and keywords.
    pub flags: Flags,
}

/// Whether a message was delivered here before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DuplicateStatus {
    /// Not as far as we remember.
    Never,
    /// How many seconds ago.
    Ago(u64),
    /// Among the messages that are examined, it is the first of its kind.
    First,
    /// Among the messages that are examined, one like it came before.
    Again,
}

impl DuplicateStatus {
    /// Whether it is a duplicate.
    pub fn is_duplicate(&self) -> bool {
        matches!(self, DuplicateStatus::Ago(_) | DuplicateStatus::Again)
    }
}

/// Knows whom the user has written to, and who wrote mail that the user kept.
pub trait SentMail {
    /// Everyone to whom the mail in a folder went, or who wrote it.
    ///
    /// # Errors
    /// Why they cannot be determined.
    fn known(&self, folder: &str, side: MailSide) -> Result<Correspondents, UnknownMail>;
}

/// Why the mail in a folder is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownMail {
    /// In words for people.
    pub why: String,
    /// Whether that may pass.
    pub may_pass: bool,
}

/// Everyone that the mail in a folder names.
#[derive(Debug, Clone, Default)]
pub struct Correspondents {
    /// A list file; `None` if it does not exist yet.
    pub file: Option<PathBuf>,
    /// Lines that are not in it yet.
    pub more: Vec<String>,
    /// Why there may be others that are missing.
    pub incomplete: Option<String>,
}

/// The same as lists that conditions can look into.
pub struct SentList {
    /// Together they are one list.
    pub lists: Vec<Rc<AddressList>>,
    /// Why someone who is not in them may belong to them nevertheless.
    pub incomplete: Option<String>,
    /// What they were built from.
    known: Correspondents,
}

/// Address books as a list that conditions can look into.
pub struct ContactList {
    /// Their addresses.
    pub list: AddressList,
    /// Each address with its name.
    read: Contacts,
}

/// A source of people that the user knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeopleSource {
    /// To whom the mail in a folder went.
    Sent(String),
    /// Address books.
    Cards(PathBuf),
    /// An entry of `set me`.
    Me(String),
}

/// What was looked up, or why it could not be.
type LookupResult<T> = Result<Rc<T>, String>;

/// What a [`World`] has looked up so far; starts empty.
#[derive(Default)]
pub struct Lookups {
    clock: OnceCell<Timestamp>,
    zones: RefCell<HashMap<Option<String>, TimeZone>>,
    lists: RefCell<HashMap<PathBuf, ListRead>>,
    sent: RefCell<HashMap<(String, MailSide), LookupResult<SentList>>>,
    contacts: RefCell<HashMap<PathBuf, LookupResult<ContactList>>>,
    people: RefCell<Option<(Vec<PeopleSource>, LookupResult<People>)>>,
    temporary_failure: OnceCell<String>,
    unread: OnceCell<String>,
    no_zone: OnceCell<String>,
}

/// The result of reading a list.
struct ListRead {
    /// Where it had to be.
    bounds: Bounds,
    list: Result<Rc<AddressList>, String>,
    /// The file before it was read.
    seen: Option<FileIdentity>,
}

impl World {
    /// For a user, with nothing known about the message.
    pub fn of(user: User) -> World {
        World { state: StateDir::of(&user), user, ..World::default() }
    }

    /// An environment variable; bytes that are not UTF-8 are replaced.
    pub fn variable(&self, name: &str) -> Option<String> {
        if let Some(value) = self.variables.get(name) {
            return Some(value.clone());
        }
        if name.is_empty() || name.contains(['=', '\0']) {
            return None;
        }
        self.user.variable(name).map(|value| value.to_string_lossy().into_owned())
    }

    /// The moment of this delivery: the same for every call.
    pub fn now(&self) -> Timestamp {
        *self.known.clock.get_or_init(|| {
            self.now.unwrap_or_else(|| {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp::from_second(since.as_secs().try_into().unwrap_or(i64::MAX))
                    .unwrap_or(Timestamp::MAX)
            })
        })
    }

    /// The zone of `set timezone`, otherwise the system's; UTC if there is none.
    pub fn zone(&self, name: Option<&str>) -> TimeZone {
        let mut zones = self.known.zones.borrow_mut();
        let mut unknown = |name: &str, unread: Option<io::Error>| {
            let _ = match unread {
                Some(error) if may_pass(&error) => self
                    .known
                    .temporary_failure
                    .set(format!("the time zone `{name}` cannot be read: {}", reason(&error))),
                _ => self.known.no_zone.set(format!(
                    "the time zone `{name}` is not known here (no tzdata?), so times are UTC"
                )),
            };
        };
        let made = || zone::zone_or(name, &mut unknown);
        zones.entry(name.map(str::to_owned)).or_insert_with(made).clone()
    }

    /// The machine's host name.
    pub fn host_name(&self) -> Option<String> {
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        (!name.is_empty()).then_some(name)
    }

    /// The user's login name, according to the MTA.
    pub fn login(&self) -> Option<String> {
        self.variable("LOGNAME").or_else(|| self.variable("USER"))
    }

    /// The path that a text in a rule file refers to.
    pub fn path(&self, written: &str, rule_file: &Path) -> PathBuf {
        resolve(written, rule_file, self.user.home_or_nowhere())
    }

    /// Whether a message was delivered here within `within` seconds.
    pub fn delivered_before(&self, key: Key, within: u64) -> DuplicateStatus {
        let state = self.state.as_ref();
        let now = self.now().as_second();
        let ago = state.and_then(|state| duplicates::delivered_before(state, key, now, within));
        ago.map_or(DuplicateStatus::Never, DuplicateStatus::Ago)
    }

    /// `user@host`: identifies who forwards.
    pub fn forwarder(&self) -> String {
        let host = self.host_name().unwrap_or_default();
        let uid = || format!("uid{}", rustix::process::geteuid().as_raw());
        match self.login().unwrap_or_else(uid) {
            // The login of a virtual user.
            address if address.contains('@') => address,
            login => format!("{login}@{host}"),
        }
    }

    /// Remembers that the rules need something that cannot be known at the moment.
    pub fn fail_temporarily(&self, why: &str) {
        let _ = self.known.temporary_failure.set(why.to_owned());
    }

    /// Why a lookup failed that may succeed later.
    pub fn temporary_failure(&self) -> Option<&str> {
        let failed = |read: &ListRead| read.list.as_ref().ok()?.failure();
        if let Some(why) = self.known.lists.borrow().values().find_map(failed) {
            self.fail_temporarily(&why);
        }
        self.known.temporary_failure.get().map(String::as_str)
    }

    /// The time zone that is unknown, in words for the log.
    pub fn no_zone(&self) -> Option<&str> {
        self.known.no_zone.get().map(String::as_str)
    }

    /// Why an existing list could not be read, whether or not it can be later.
    pub fn unread(&self) -> Option<&str> {
        self.known.unread.get().map(String::as_str)
    }

    /// Creates the indexes of big lists that were read since then, where they have none.
    pub fn index_lists(&self, since: SystemTime) {
        for (path, read) in self.known.lists.borrow().iter() {
            if let Ok(list) = &read.list {
                let _ = list_index::make(&self.user, path, list, read.seen, since);
            }
        }
    }

    /// Everyone that the mail in a folder names; looked up only once.
    ///
    /// # Errors
    /// Why they cannot be determined, for the trace.
    pub fn sent(&self, folder: &str, side: MailSide) -> Result<Rc<SentList>, String> {
        let key = (folder.to_owned(), side);
        if let Some(known) = self.known.sent.borrow().get(&key) {
            return known.clone();
        }
        let list = self.sent.as_ref().map_or_else(
            || Err(format!("the mail in the folder `{folder}` is not looked at here")),
            |sent| {
                let known = sent.known(folder, side).map_err(|unknown| {
                    if unknown.may_pass {
                        let _ = self.known.temporary_failure.set(unknown.why.clone());
                    }
                    unknown.why
                })?;
                let file =
                    known.file.as_ref().map(|file| self.list(file, &ANYWHERE)).transpose()?;
                let more = AddressList::parse(&known.more.join("\n"));
                let lists = file.into_iter().chain([Rc::new(more)]).collect();
                let incomplete = known.incomplete.clone();
                Ok(Rc::new(SentList { lists, incomplete, known }))
            },
        );
        self.known.sent.borrow_mut().insert(key, list.clone());
        list
    }

    /// The address books at a path, read only once.
    ///
    /// # Errors
    /// Why they cannot be read, for the trace.
    pub fn contacts(&self, path: &Path) -> Result<Rc<ContactList>, String> {
        if let Some(known) = self.known.contacts.borrow().get(path) {
            return known.clone();
        }
        let found = contacts::contacts(path, &self.user)
            .map(|read| {
                let entries = read.all.iter().map(|contact| contact.address.as_str());
                Rc::new(ContactList { list: AddressList::from_entries(entries), read })
            })
            .map_err(|error| {
                self.not_read(format!("address book {}: {error}", path.display()), &error)
            });
        self.known.contacts.borrow_mut().insert(path.to_owned(), found.clone());
        found
    }

    /// Caches the address books that were read: a failure here only costs time.
    pub fn keep_contacts(&self) {
        for (path, list) in self.known.contacts.borrow().iter() {
            if let Ok(list) = list {
                let _ = contacts::keep(path, &self.user, &list.read);
            }
        }
    }

    /// The people that the user knows, built only once from these sources.
    ///
    /// # Errors
    /// Why they cannot be determined, for the trace.
    pub fn people(&self, of: Vec<PeopleSource>) -> Result<Rc<People>, String> {
        if let Some((sources, people)) = &*self.known.people.borrow()
            && *sources == of
        {
            return people.clone();
        }
        let people = self.find_people(&of).map(Rc::new);
        self.known.people.replace(Some((of, people.clone())));
        people
    }

    fn find_people(&self, of: &[PeopleSource]) -> Result<People, String> {
        let mut people = People::default();
        for source in of {
            match source {
                PeopleSource::Me(entry) => people.add_me(entry),
                PeopleSource::Cards(path) => {
                    let book = self.contacts(path)?;
                    book.read
                        .all
                        .iter()
                        .for_each(|contact| people.add(&contact.address, &contact.name));
                }
                PeopleSource::Sent(folder) => {
                    // As long as nothing was sent, nobody is known by it.
                    let Ok(sent) = self.sent(folder, MailSide::Recipients) else { continue };
                    let text = match &sent.known.file {
                        Some(file) => self.text(file, &ANYWHERE)?,
                        None => String::new(),
                    };
                    for line in text.lines().chain(sent.known.more.iter().map(String::as_str)) {
                        let address = without_comment(line);
                        let name = line.trim().get(address.len()..).unwrap_or_default();
                        if address.contains('@') {
                            people.add(
                                &canonical(address),
                                name.trim_start().trim_start_matches('#').trim(),
                            );
                        }
                    }
                }
            }
        }
        Ok(people)
    }

    /// Remembers that something of the user's could not be read; returns why.
    fn not_read(&self, why: String, error: &ReadError) -> String {
        if !error.is_missing() {
            let _ = self.known.unread.set(why.clone());
        }
        if error.may_pass() {
            let _ = self.known.temporary_failure.set(why.clone());
        }
        why
    }

    /// The text of a list's file.
    fn text(&self, path: &Path, bounds: &Bounds) -> Result<String, String> {
        crate::source::read_text(bounds, path).map_err(|error| {
            self.not_read(format!("list file {}: {error}", path.display()), &error)
        })
    }

    /// The list in a file, which must be within bounds, read only once.
    ///
    /// # Errors
    /// Why it cannot be read, for the trace.
    pub fn list(&self, path: &Path, bounds: &Bounds) -> Result<Rc<AddressList>, String> {
        if let Some(known) = self.known.lists.borrow().get(path)
            && known.bounds == *bounds
        {
            return known.list.clone();
        }
        let (indexed, seen) = list_index::open(&self.user, bounds, path);
        let list = match indexed {
            Some(list) => Ok(Rc::new(list)),
            None => self.text(path, bounds).map(|text| Rc::new(AddressList::parse(&text))),
        };
        let read = ListRead { bounds: bounds.clone(), list: list.clone(), seen };
        self.known.lists.borrow_mut().insert(path.to_owned(), read);
        list
    }
}
