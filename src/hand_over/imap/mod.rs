//! Copies handed over by IMAP `APPEND` (RFC 3501 §6.3.11, RFC 9051 §6.3.12), each with its
//! flags and keywords, by a login of the site that acts for the user
//! (RFC 4616).
//!
//! A hand-over is *staged* when the server has let us in, every folder exists (created and
//! subscribed where it was missing) and every copy is known to fit. It is *committed* copy
//! by copy, each by its `APPEND`.
//!
//! **Once.** IMAP has no ids for this, and the response can be lost after the message was
//! stored. So before each `APPEND` a note is written and synced that says where the message
//! is being put: the folder, its UIDVALIDITY and UIDNEXT, the size of the message and a
//! digest of it. A retry that finds such a note looks among the messages from that UID on
//! (all of them, if UIDVALIDITY has changed) for one of that size and digest, and appends
//! only if there is none. The note belongs to the same copy of the same message with the
//! same envelope, and the comparison covers everything that is stored, our own MTA's trace
//! included. So nobody who writes to the user can have one message taken for another.
//!
//! What this cannot detect, and then doubles: a message that was moved out of the folder,
//! changed or expunged before the retry; a folder that was removed or renamed; a note that
//! could not be kept; rules that file the message elsewhere at the retry; a server that is
//! still storing it when it is asked. The digest leaves out what servers are known to
//! change: bytes beyond ASCII, NUL, doubled carriage returns.

mod attempt;
mod client;
mod connection;
mod naming;
mod response;

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Instant;

use super::address::ImapAddress;
use super::content::WireContent;
use super::{HandOver, HandOverError, HandOverNotes};
use crate::file;
use crate::flags::is_keyword;
use crate::message::path;
use crate::plan::Folder;
use attempt::AppendAttempt;
use client::{FolderStatus, ImapClient};
use naming::INBOX;

/// The longest password, bytes.
const LONGEST_PASSWORD: u64 = 1024;

/// One copy as it will be appended.
struct StagedAppend<'m> {
    /// Its number among the copies.
    number: usize,
    flags: Vec<String>,
    content: WireContent<'m>,
    attempt: AppendAttempt,
    /// The folder that was asked for.
    folder: &'m Folder,
    /// Its folder as the server names it.
    name: String,
    /// The folder as it was when the copy was staged; only for the first copy in it.
    status: Option<FolderStatus>,
}

/// Copies that are ready to be appended.
pub(super) struct StagedAppends<'m> {
    client: ImapClient,
    appends: Vec<StagedAppend<'m>>,
    notes: Vec<String>,
}

/// Reaches the server, and logs in for a mailbox.
pub(super) fn reach(
    address: &ImapAddress,
    mailbox: Option<&str>,
    deadline: Instant,
) -> Result<(), HandOverError> {
    let password = password(&address.password_file)?;
    let mut client = ImapClient::connect(&address.place, deadline)?;
    if let Some(mailbox) = mailbox {
        client.login(&address.login, &password, &path::address(mailbox).address())?;
    }
    client.quit();
    Ok(())
}

/// Reaches the server, logs in, and makes sure that all folders exist.
pub(super) fn stage<'m>(
    address: &ImapAddress,
    hand_over: &HandOver<'_, 'm>,
    deadline: Instant,
) -> Result<StagedAppends<'m>, HandOverError> {
    let mailbox = path::address(hand_over.mailbox).address();
    let password = password(&address.password_file)?;
    let mut client = ImapClient::connect(&address.place, deadline)?;
    client.login(&address.login, &password, &mailbox)?;
    let naming = client.naming()?;
    let (mut appends, mut notes) = (Vec::<StagedAppend<'_>>::new(), Vec::new());
    for (number, copy) in hand_over.copies.iter().enumerate() {
        let mut flags = copy.flags.imap();
        let mut name = naming.name(copy.folder);
        let has_keywords = flags.iter().any(|flag| is_keyword(flag));
        let is_known = appends.iter().any(|other| other.name == name);
        let mut status = None;
        if has_keywords || !is_known {
            let asked = (copy.folder, name.as_str());
            let found = folder(&mut client, asked, has_keywords, hand_over.subscribe, &mut notes)?;
            if let Some(keywords) = found.as_ref().and_then(|status| status.keywords.as_ref()) {
                let is_kept = |flag: &String| {
                    !is_keyword(flag)
                        || keywords.iter().any(|known| known.eq_ignore_ascii_case(flag))
                };
                let (kept, lost): (Vec<_>, Vec<_>) = flags.into_iter().partition(is_kept);
                flags = kept;
                note_lost(&lost, copy.folder, &mut notes);
            }
            match found {
                Some(found) => status = Some(found).filter(|_| !is_known),
                None => name = INBOX.into(),
            }
        }
        let mut content = WireContent::new(copy.message, copy.edits);
        let attempt = AppendAttempt::new(&name, &mut content)?;
        let size = content.size();
        if let Some(limit) = client.can.limit().filter(|limit| *limit < size) {
            return Err(HandOverError::TooLarge { size, limit });
        }
        let folder = copy.folder;
        appends.push(StagedAppend { number, flags, content, attempt, folder, name, status });
    }
    Ok(StagedAppends { client, appends, notes })
}

/// A folder as it is, created if it was missing. None if the server does not let us
/// create or use it: a name that will never fit is no reason to withhold mail, so the inbox
/// is used instead.
fn folder(
    client: &mut ImapClient,
    (folder, name): (&Folder, &str),
    with_keywords: bool,
    subscribe: bool,
    notes: &mut Vec<String>,
) -> Result<Option<FolderStatus>, HandOverError> {
    match client.status(name, with_keywords)? {
        Ok(status) => return Ok(Some(status)),
        Err(no) if no.is_temporary() || name == INBOX => {
            return Err(HandOverError::Refused(no.into()));
        }
        Err(_) => {}
    }
    match client.make(name, subscribe)? {
        Ok(None) => {}
        Ok(Some(no)) => {
            notes.push(format!("cannot subscribe `{folder}`: the store says {}", no.text))
        }
        Err(no) if no.is_temporary() => return Err(HandOverError::Refused(no.into())),
        Err(no) => {
            let why = no.text;
            notes.push(format!(
                "cannot make the folder `{folder}`: the store says {why}; it is in the inbox"
            ));
            return Ok(None);
        }
    }
    match client.status(name, with_keywords)? {
        Ok(status) => Ok(Some(status)),
        Err(no) if no.is_temporary() => Err(HandOverError::Refused(no.into())),
        Err(no) => {
            let why = no.text;
            notes.push(format!(
                "cannot use the folder `{folder}`: the store says {why}; it is in the inbox"
            ));
            Ok(None)
        }
    }
}

fn note_lost(keywords: &[String], folder: &Folder, notes: &mut Vec<String>) {
    if !keywords.is_empty() {
        let keywords = keywords.join("`, `");
        notes.push(format!("the store keeps no keyword `{keywords}` in `{folder}`"));
    }
}

impl StagedAppends<'_> {
    /// What is not as it was asked.
    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Appends all that an earlier try has not.
    pub(super) fn commit(&mut self, known: &mut dyn HandOverNotes) -> Result<(), HandOverError> {
        let StagedAppends { client, appends, notes } = self;
        for append in appends {
            let number = append.number;
            let before =
                known.attempt(number).and_then(|noted| noted.parse::<AppendAttempt>().ok());
            if let Some(before) = &before
                && before.has_come(client)?
            {
                known.note_stored(number);
                continue;
            }
            let status = match append.status.take() {
                Some(status) => status,
                None => {
                    let status = client.status(&append.name, false)?;
                    status.map_err(|no| HandOverError::Refused(no.into()))?
                }
            };
            let now = append.attempt.at(&status);
            if !before.is_some_and(|before| before.covers(&now)) {
                known.note_attempt(number, &now.to_string());
            }
            append.append(client, notes)?;
            known.note_stored(number);
        }
        client.quit();
        Ok(())
    }
}

impl StagedAppend<'_> {
    /// Appends it; without keywords if it is these that the server refuses.
    fn append(
        &mut self,
        client: &mut ImapClient,
        notes: &mut Vec<String>,
    ) -> Result<(), HandOverError> {
        let Err(mut no) = client.append(&self.name, &self.flags, &self.content)? else {
            return Ok(());
        };
        let minds_keywords = !no.is_full() && !no.is_temporary() && no.code_name() != "TRYCREATE";
        let is_plain = |flag: &String| !is_keyword(flag);
        let (plain, keywords): (Vec<_>, Vec<_>) = self.flags.iter().cloned().partition(is_plain);
        if minds_keywords && !keywords.is_empty() {
            match client.append(&self.name, &plain, &self.content)? {
                Ok(_) => {
                    note_lost(&keywords, self.folder, notes);
                    return Ok(());
                }
                Err(other) => no = other,
            }
        }
        Err(HandOverError::Refused(no.into()))
    }
}

/// The first line of the file. Nobody should be able to read it except the account whose
/// mail it opens.
fn password(file: &Path) -> Result<String, HandOverError> {
    let bad = |why: &dyn std::fmt::Display| {
        HandOverError::Setup(format!("the password in `{}` is not used: {why}", file.display()))
    };
    let open = file::open(file, file::READ).map_err(|error| bad(&error))?;
    let text = read(&open).map_err(|error| bad(&error))?;
    let mode = open.metadata().map_err(|error| bad(&error))?.mode();
    if mode & 0o007 != 0 {
        return Err(bad(&"everybody may read it; `chmod o= FILE`"));
    }
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() || line.contains(char::is_control) {
        return Err(bad(&"its first line is empty or holds control characters"));
    }
    Ok(line.to_owned())
}

fn read(file: &File) -> io::Result<String> {
    let mut text = String::new();
    file.take(LONGEST_PASSWORD).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod retry_tests;
#[cfg(test)]
#[path = "../../../tests/support/imap_store.rs"]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
