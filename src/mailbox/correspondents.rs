//! Everyone the user has written to, or who has written to the user, according to the
//! mail in a folder.
//!
//! The list is kept ([`crate::state::sent_mail`]) and brought up to date when the folder
//! has changed: its names are listed, and the headers of messages that were not there
//! before are read, newest first. A delivery reads only a part of a large folder at a
//! time; until everything is read, an address that is not in the list may still get into
//! it, so a test for that cannot be evaluated.
//!
//! In sent mail, only what the user has written counts: not automatic answers, not mail
//! that unsubscribes from a list, not what is marked as a draft or as deleted, and not what
//! mfilter has delivered into the folder: nobody knows who sent that.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::classify::{auto_generated, automatic};
use crate::evaluate::{exact_entry, own_hash};
use crate::file::{self, Bounds, PinnedDirectory};
use crate::maildir::Location;
use crate::maildir::name::{flags, is_ours, split_info};
use crate::message::Message;
use crate::message::address::Address;
use crate::plan::Folder;
use crate::rules::address_list::AddressList;
use crate::rules::program::MailSide;
use crate::source::{may_pass, reason};
use crate::state::StateDir;
use crate::state::identity::HeaderHash;
use crate::state::memory::{FiledBy, Memory, MessageIdentity};
use crate::state::sent_mail::{self, hash};
use crate::state::stamp::Stamp;
use crate::text::{counted, is_invisible};
use crate::world::{self, Correspondents, UnknownMail};

/// How long a delivery reads sent mail.
pub const BUDGET: Duration = Duration::from_millis(300);
/// The longest name that is kept with an address, characters.
const NAME_MAX: usize = 80;
/// The headers that say whom a sent message went to.
const RECIPIENTS: [&str; 6] = ["To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc"];
/// How many addresses of one message are used.
const MOST_PEOPLE: usize = 1000;

/// Reads the user's mail for the lists that are derived from it.
#[derive(Debug, Clone)]
pub struct SentMailReader {
    location: Location,
    state: Option<StateDir>,
    /// Whether the list may be written, or only read.
    writes: bool,
    budget: Duration,
    /// The user's own addresses, which do not count as correspondents.
    me: Vec<String>,
}

/// The result of bringing a list up to date.
#[derive(Debug, Clone, Default)]
pub struct RefreshOutcome {
    /// The people in the list.
    pub known: Correspondents,
    /// How many addresses are new.
    pub added: usize,
    /// Messages that could not be read, with the reason.
    pub skipped: Vec<String>,
    /// How many messages are still to be read.
    pub unread: u64,
    /// How many of those that were skipped may be read another time.
    pub later: u64,
}

impl SentMailReader {
    /// For deliveries; without `writes`, for dry runs.
    pub fn new(
        location: &Location,
        state: Option<&StateDir>,
        writes: bool,
        me: Vec<String>,
    ) -> SentMailReader {
        let (location, state) = (location.clone(), state.cloned());
        SentMailReader { location, state, writes, budget: BUDGET, me }
    }

    /// Whether the folder exists.
    pub fn exists(&self, folder: &str) -> bool {
        self.path(folder).is_some_and(|path| path.join("cur").is_dir())
    }

    fn path(&self, folder: &str) -> Option<PathBuf> {
        let place = self.location.own_place(&Folder::named(folder))?;
        Some(self.location.path_of_place(&place))
    }

    /// Reads what is new in a folder, for at most `budget`.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn refresh(
        &self,
        folder: &str,
        side: MailSide,
        budget: Duration,
    ) -> Result<RefreshOutcome, UnknownMail> {
        let unreadable = |error: io::Error| UnknownMail {
            why: match error.kind() {
                ErrorKind::NotFound => format!("there is no folder `{folder}`"),
                _ => format!("the folder `{folder}` cannot be read: {}", reason(&error)),
            },
            may_pass: may_pass(&error),
        };
        let path = self.path(folder).ok_or_else(|| unreadable(ErrorKind::NotFound.into()))?;
        let stamp = Stamp::of(&path).map_err(unreadable)?;
        let state = self.state.as_ref();
        let record = state.map(|state| sent_mail::SentMailState::new(state, &path, folder, side));
        if let Some(record) = &record
            && let Some(0) = record.unread(&stamp)
        {
            let known = Correspondents { file: Some(record.list()), ..Correspondents::default() };
            return Ok(RefreshOutcome { known, ..RefreshOutcome::default() });
        }
        let before = record.as_ref().map(|record| record.read()).unwrap_or_default();
        let text = record.as_ref().map(|record| record.text()).transpose();
        let text = text.map_err(unreadable)?.flatten();
        let (mut hashes, unread_messages, _pinned) =
            list(&path, &before, &self.location.bounds).map_err(unreadable)?;
        let mut outcome = RefreshOutcome::default();
        let mut known = AddressList::parse(text.as_deref().unwrap_or_default());
        let me = AddressList::from_entries(self.me.iter().map(String::as_str));
        let is_filed = |message: &Message| self.is_filed(message, folder);
        // Only the time for reading counts, not that for listing, so each look makes
        // progress.
        let until = Instant::now() + budget;
        for (hash, file) in unread_messages {
            if Instant::now() >= until {
                outcome.unread += 1;
                continue;
            }
            match people(&file, side, &self.location.bounds, &is_filed) {
                Ok(found) => {
                    hashes.push(hash);
                    add(found, side, &me, &mut known, &mut outcome.known.more);
                }
                // It was moved in the meantime or is still empty; it is read the next time.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => {
                    outcome.later += u64::from(may_pass(&error));
                    outcome.skipped.push(format!("`{}`: {}", file.display(), reason(&error)));
                }
            }
        }
        hashes.sort_unstable();
        outcome.added = outcome.known.more.len();
        if let Some(record) = record {
            outcome.known.file = text.is_some().then(|| record.list());
            if self.writes && save(&record, text, (&path, side), &stamp, &outcome, &hashes) {
                outcome.known.file = Some(record.list());
                outcome.known.more.clear();
            }
        }
        let left = outcome.unread + outcome.later;
        outcome.known.incomplete = (left > 0).then(|| {
            let messages = counted(left as usize, "message");
            format!("{messages} of `{folder}` not read yet; `mfilter learn` reads on")
        });
        Ok(outcome)
    }
}

impl SentMailReader {
    /// Whether mfilter has filed a message into a folder.
    fn is_filed(&self, message: &Message, folder: &str) -> bool {
        let Some(state) = &self.state else { return false };
        let Some(place) = self.location.own_place(&Folder::named(folder)) else { return false };
        let identity = MessageIdentity::of(HeaderHash::of(message.head()), None);
        Memory::at(state, 0).who(&identity, place.directories()) == Some(FiledBy::Mfilter)
    }
}

/// Adds those who are not known yet to the list, and their lines to `more`.
fn add(
    people: Vec<(String, String)>,
    side: MailSide,
    me: &AddressList,
    known: &mut AddressList,
    more: &mut Vec<String>,
) {
    for (address, name) in people.into_iter().filter(|(address, _)| !me.matches(address)) {
        let entry = match side.is_messages() {
            true => Some(address),
            false => exact_entry(&address),
        };
        if let Some(entry) = entry.filter(|entry| !known.has_same(entry)) {
            known.push(&entry);
            more.push(line_of(&entry, &name));
        }
    }
}

/// Keeps what was read. False if that is impossible, or another process is doing it.
fn save(
    record: &sent_mail::SentMailState,
    text: Option<String>,
    (path, side): (&Path, MailSide),
    stamp: &Stamp,
    outcome: &RefreshOutcome,
    hashes: &[u64],
) -> bool {
    let Some(_claim) = record.claim() else { return false };
    if !record.text().is_ok_and(|now| now == text) {
        return false;
    }
    let is_new = text.is_none() || !outcome.known.more.is_empty();
    let mut list = text.unwrap_or_else(|| {
        let what = match side {
            MailSide::Recipients => "written to",
            MailSide::Authors => "who wrote",
            MailSide::Messages | MailSide::SentMessages => "",
        };
        let path = path.display();
        match side.is_messages() {
            true => format!("# The messages in {path}; kept by mfilter.\n"),
            false => format!("# Everyone {what}, by the mail in {path}; kept by mfilter.\n"),
        }
    });
    if !list.ends_with('\n') {
        list.push('\n');
    }
    for entry in &outcome.known.more {
        list.push_str(entry);
        list.push('\n');
    }
    let left = outcome.unread + outcome.later;
    record.keep(is_new.then_some(list.as_str()), stamp, left, hashes).is_ok()
}

impl world::SentMail for SentMailReader {
    fn known(&self, folder: &str, side: MailSide) -> Result<Correspondents, UnknownMail> {
        self.refresh(folder, side, self.budget).map(|outcome| outcome.known)
    }
}

/// Words of a subject or a local part that unsubscribe from a list.
const LEAVES: [&str; 5] = ["unsubscribe", "signoff", "abmelden", "abbestellen", "配信停止"];

/// A message, with the hash of the part of its name that flags do not change.
type HashedPath = (u64, PathBuf);

/// The messages of a folder: the hashes of those that were read `before`, and the others,
/// newest first. Their paths are valid as long as the returned directories are kept.
fn list(
    path: &Path,
    before: &[u64],
    bounds: &Bounds,
) -> io::Result<(Vec<u64>, Vec<HashedPath>, Vec<PinnedDirectory>)> {
    let (mut old, mut unread_messages) = (Vec::with_capacity(before.len()), Vec::new());
    let mut pinned = Vec::new();
    for directory in ["cur", "new"] {
        let entries = bounds.pin(&path.join(directory)).and_then(|directory| {
            let entries = fs::read_dir(&directory);
            pinned.push(directory);
            entries
        });
        let entries = match entries {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let bytes = name.as_bytes();
            if bytes.starts_with(b".") {
                continue;
            }
            let text = name.to_string_lossy();
            let (base, _) = split_info(&text).unwrap_or((&text, ""));
            let hash = hash(base.split(':').next().unwrap_or(base).as_bytes());
            // A draft, or what is to be deleted, is neither sent nor kept; if that flag is
            // removed, the message counts as new.
            if flags(&text).is_some_and(|flags| flags.contains(['D', 'T'])) {
                continue;
            }
            if before.binary_search(&hash).is_ok() {
                old.push(hash);
            } else {
                unread_messages.push((hash, entry.path()));
            }
        }
    }
    // Names begin with the time of delivery.
    unread_messages.sort_by(|(_, a), (_, b)| b.file_name().cmp(&a.file_name()));
    Ok((old, unread_messages, pinned))
}

/// A line of the list: the address, with its owner as a comment.
fn line_of(entry: &str, name: &str) -> String {
    if name.is_empty() { entry.to_owned() } else { format!("{entry}  # {name}") }
}

/// The addresses of all that a message went to, or of its author, in the form in which
/// they are compared; each with its name, which may be empty.
fn people(
    path: &Path,
    side: MailSide,
    bounds: &Bounds,
    is_filed: &dyn Fn(&Message) -> bool,
) -> io::Result<Vec<(String, String)>> {
    let file = match bounds.directory() {
        None => super::open_found(path).map_err(|failure| failure.error)?,
        Some(_) => file::open(path, file::READ_OWN)?,
    };
    if file.metadata()?.len() == 0 {
        // A program that writes it in place has only created it so far.
        return Err(ErrorKind::NotFound.into());
    }
    let message = Message::open(file)?;
    let is_sent = matches!(side, MailSide::Recipients | MailSide::SentMessages);
    if is_sent && is_delivery(path, &message, is_filed) {
        return Ok(Vec::new());
    }
    let headers: &[&str] = match side {
        MailSide::Recipients => &RECIPIENTS,
        MailSide::Authors => &["From"],
        MailSide::Messages | MailSide::SentMessages => {
            let own = own_hash(&message).into_iter();
            return Ok(own.map(|hash| (hash, String::new())).collect());
        }
    };
    let of_machine = || automatic::header(&message).or_else(|| auto_generated::header(&message));
    if side == MailSide::Recipients && (of_machine().is_some() || leaves_by_subject(&message)) {
        return Ok(Vec::new());
    }
    let all = headers.iter().flat_map(|name| message.addresses(name).to_vec());
    let all = all.take(MOST_PEOPLE).map(|address| (address.canonical(), name_of(&address)));
    let counts = |address: &str| side == MailSide::Authors || !leaves_by_address(address);
    Ok(all.filter(|(address, _)| counts(address)).collect())
}

/// Whether mfilter has put the message there: it has named the file, or has moved it (as
/// `is_filed` says), and a mail server has taken the message from somebody. What `import`
/// files of an old folder of sent mail has such a name, too, but as a mail reader keeps
/// it, no server has seen it.
fn is_delivery(path: &Path, message: &Message, is_filed: &dyn Fn(&Message) -> bool) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    message.head().first("Received").is_some() && (is_ours(&name) || is_filed(message))
}

/// The display name on one line, if it says more than the address.
fn name_of(address: &Address) -> String {
    let words = address.name.as_deref().unwrap_or_default().split(is_blank);
    let name: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let name: String = name.join(" ").chars().take(NAME_MAX).collect();
    if name.contains('@') { String::new() } else { name }
}

fn is_blank(letter: char) -> bool {
    letter.is_whitespace() || letter.is_control() || is_invisible(letter)
}

/// `Subject: unsubscribe`, as List-Unsubscribe asks for (RFC 2369 §3.2).
fn leaves_by_subject(message: &Message) -> bool {
    let subjects = message.texts("Subject");
    let first = subjects.first().map(|text| text.folded().trim().to_owned()).unwrap_or_default();
    let word = first.split([' ', ':', '-']).next().unwrap_or_default();
    LEAVES.contains(&word)
}

/// `unsubscribe-1234@…`, `list-leave@…`: addresses that a list reads.
fn leaves_by_address(address: &str) -> bool {
    let local = address.rsplit_once('@').map_or(address, |(local, _)| local).to_lowercase();
    let mut words = local.split(['-', '+', '_', '.', '=']);
    words.clone().any(|word| LEAVES.contains(&word) || matches!(word, "unsub" | "optout"))
        || words.next_back() == Some("leave")
        || local.starts_with("leave-")
}
