//! Copies in a Maildir: all are staged, then all committed, within its quota; they can be
//! taken back.

use rustix::io::Errno;

use super::context::DeliveryContext;
use super::work_list::Copy;
use super::{DeliveryReport, StoredCopy, abandoned, note};
use crate::file::is_leading_out;
use crate::maildir::amount::Amount;
use crate::maildir::quota::{self, QuotaRoom};
use crate::maildir::{Location, Maildir, Place, StagedMessage, too_long};
use crate::outcome::{Failure, Outcome};
use crate::plan::Folder;
use crate::rules::program::OverQuota;
use crate::source::reason;
use crate::state::journal::Journal;

/// Stages all copies, then commits them. With a journal each is noted once it is stored;
/// without one, those stored before a failure are taken back.
pub(super) fn store(
    missing: &[&Copy<'_>],
    location: &Location,
    reach: &DeliveryContext,
    journal: &mut Option<Journal>,
    report: &mut DeliveryReport,
) -> Result<Vec<StagedMessage>, Outcome> {
    let maildir = Maildir::open(location)?;
    let mut staged = Vec::with_capacity(missing.len());
    let mut more = Amount::default();
    let mut folders = Vec::with_capacity(missing.len());
    for copy in missing {
        let place = location.place(copy.folder);
        report.notes.extend(place.note.clone());
        let stage = |place: &Place| maildir.stage(place, copy.flags, copy.message, &copy.edits);
        let mut folder = copy.folder.clone();
        staged.push(match stage(&place) {
            // Encrypted file systems accept only shorter names.
            Err(failure) if is_too_long(&failure) && !copy.folder.parts.is_empty() => {
                report.notes.push(too_long(copy.folder));
                folder = Folder::default();
                stage(&location.place(&folder))?
            }
            Err(failure) if is_leading_out(&failure.error) && !copy.folder.parts.is_empty() => {
                report.notes.push(format!("{failure}, so the inbox"));
                folder = Folder::default();
                stage(&location.place(&folder))?
            }
            done => done?,
        });
        more = more.plus(staged.last().map(StagedMessage::counted).unwrap_or_default());
        folders.push(if place.note.is_some() { Folder::default() } else { folder });
    }
    let has_quota = has_room(&maildir, more, report)?;
    if reach.is_abandoned() {
        return Err(abandoned());
    }
    let mut used = Amount::default();
    for (number, copy) in missing.iter().enumerate() {
        match staged.get_mut(number).map(StagedMessage::commit) {
            Some(Ok(path)) => {
                let problems = staged.get(number).map(StagedMessage::problems).unwrap_or_default();
                report.notes.extend(problems.iter().map(|why| format!("{}: {why}", copy.folder)));
                let folder = folders.get(number).unwrap_or(copy.folder).clone();
                if staged.get(number).is_some_and(StagedMessage::made_folder) {
                    report.made_folders.push(folder.clone());
                }
                if let (Some(journal), Some(id)) = (journal.as_mut(), copy.id) {
                    note(journal, id, &copy.kind.sentence(), Some(&path), report);
                }
                report.stored.push(StoredCopy { step: copy.step, folder, path: Some(path) });
                used =
                    used.plus(staged.get(number).map(StagedMessage::counted).unwrap_or_default());
            }
            Some(Err(failure)) => {
                match journal {
                    // Those before it stay.
                    Some(_) => {
                        for one in staged.into_iter().skip(number) {
                            one.undo();
                        }
                    }
                    None => used = used.plus(take_back(staged, report).negative()),
                }
                note_use(location, used, report);
                return Err(failure.into());
            }
            None => {}
        }
    }
    if has_quota {
        note_use(location, used, report);
    }
    if let Some(journal) = journal {
        let _ = journal.sync();
    }
    Ok(staged)
}

fn is_too_long(failure: &Failure) -> bool {
    Errno::from_io_error(&failure.error) == Some(Errno::NAMETOOLONG)
}

/// Whether the Maildir has a quota; an error if there is no room left in it. A quota that
/// cannot be read keeps no mail out.
fn has_room(
    maildir: &Maildir<'_>,
    more: Amount,
    report: &mut DeliveryReport,
) -> Result<bool, Outcome> {
    match quota::room(maildir, more) {
        Ok(QuotaRoom::NoQuota) => Ok(false),
        Ok(QuotaRoom::Enough) => Ok(true),
        Ok(QuotaRoom::Full) => {
            let text = String::from("the mailbox is full");
            Err(match maildir.location.over_quota {
                OverQuota::Temporary => Outcome::Deferred { status: "4.2.2".into(), text },
                OverQuota::Permanent => Outcome::Refused { status: "5.2.2".into(), text },
            })
        }
        Err(error) => {
            report.notes.push(format!("the quota cannot be read: {}", reason(&error)));
            Ok(true)
        }
    }
}

/// Records in the quota, if there is one, what was stored or taken back.
pub(super) fn note_use(location: &Location, amount: Amount, report: &mut DeliveryReport) {
    if amount == Amount::default() {
        return;
    }
    let noted = match Maildir::open(location) {
        Ok(maildir) => quota::add(&maildir, amount),
        Err(failure) => Err(failure.error),
    };
    if let Err(error) = noted {
        report.notes.push(format!("the quota cannot be updated: {}", reason(&error)));
    }
}

/// Takes back what was stored; returns how much of it counts towards a quota.
pub(super) fn take_back(staged: Vec<StagedMessage>, report: &mut DeliveryReport) -> Amount {
    let mut undone = Amount::default();
    let mut stored = report.stored.iter();
    for one in staged {
        let path = stored.next().and_then(|stored| stored.path.as_ref());
        let path = path.map(|path| path.display().to_string());
        let counted = one.counted();
        match (one.undo(), path) {
            (true, Some(_)) => undone = undone.plus(counted),
            (false, Some(path)) => report
                .notes
                .push(format!("`{path}` could not be taken back; a retry will store it again")),
            (_, None) => {}
        }
    }
    undone
}
