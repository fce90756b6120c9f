//! Copies in a Maildir: all are staged, then all committed, within its quota; they can be
//! taken back.

use std::path::PathBuf;

use rustix::io::Errno;

use super::context::DeliveryContext;
use super::progress::note_step;
use super::work_list::Copy;
use super::{DeliveryReport, StoredCopy, abandoned};
use crate::file::is_leading_out;
use crate::maildir::amount::Amount;
use crate::maildir::quota::{self, QuotaRoom};
use crate::maildir::{Location, Maildir, Place, StagedMessage, too_long};
use crate::outcome::{Failure, Outcome};
use crate::plan::Folder;
use crate::rules::program::OverQuota;
use crate::source::reason;
use crate::state::identity::HeaderHash;
use crate::state::journal::Journal;

/// A copy that is staged, and stored once it is committed.
pub(super) struct StagedCopy<'c> {
    copy: &'c Copy<'c>,
    /// Where it will be: in the inbox if its folder cannot be used.
    folder: Folder,
    message: StagedMessage,
    /// The file, once it is committed.
    path: Option<PathBuf>,
}

/// Stages all copies, then commits them. With a journal each is noted once it is stored;
/// without one, those stored before a failure are taken back.
pub(super) fn store<'c>(
    missing: &[&'c Copy<'c>],
    location: &Location,
    context: &DeliveryContext,
    journal: &mut Option<Journal>,
    report: &mut DeliveryReport,
) -> Result<Vec<StagedCopy<'c>>, Outcome> {
    let maildir = Maildir::open(location)?;
    let mut copies = Vec::with_capacity(missing.len());
    for copy in missing {
        copies.push(StagedCopy::stage(copy, &maildir, report)?);
    }
    let add = |sum: Amount, copy: &StagedCopy<'_>| sum.plus(copy.message.amount());
    let has_quota = check_quota(&maildir, copies.iter().fold(Amount::default(), add), report)?;
    if context.is_abandoned() {
        return Err(abandoned());
    }
    let mut used = Amount::default();
    let committed = copies.iter_mut().try_for_each(|copy| {
        copy.commit(journal, report)?;
        used = add(used, copy);
        Ok::<(), Failure>(())
    });
    if let Err(failure) = committed {
        match journal {
            // Those before it stay.
            Some(_) => {
                for copy in copies.into_iter().filter(|copy| copy.path.is_none()) {
                    copy.message.undo();
                }
            }
            None => used = used.plus(take_back(copies, report).negative()),
        }
        update_quota(location, used, report);
        return Err(failure.into());
    }
    if has_quota {
        update_quota(location, used, report);
    }
    if let Some(journal) = journal {
        let _ = journal.sync();
    }
    Ok(copies)
}

impl<'c> StagedCopy<'c> {
    pub(super) fn stage(
        copy: &'c Copy<'c>,
        maildir: &Maildir<'_>,
        report: &mut DeliveryReport,
    ) -> Result<StagedCopy<'c>, Failure> {
        let place = maildir.location.place(copy.folder);
        report.notes.extend(place.note.clone());
        let stage = |place: &Place| maildir.stage(place, copy.flags, copy.message, &copy.edits);
        let message = stage(&place);
        let is_inbox = copy.folder.parts.is_empty();
        let why = match &message {
            // Encrypted file systems accept only shorter names.
            Err(failure) if is_too_long(failure) => too_long(copy.folder),
            Err(failure) if is_leading_out(&failure.error) => format!("{failure}, so the inbox"),
            _ => String::new(),
        };
        let (folder, message) = match message {
            Err(_) if !is_inbox && !why.is_empty() => {
                report.notes.push(why);
                (Folder::default(), stage(&maildir.location.place(&Folder::default()))?)
            }
            done if place.note.is_some() => (Folder::default(), done?),
            done => (copy.folder.clone(), done?),
        };
        Ok(StagedCopy { copy, folder, message, path: None })
    }

    /// Makes the copy visible, and reports it to the report and the journal.
    pub(super) fn commit(
        &mut self,
        journal: &mut Option<Journal>,
        report: &mut DeliveryReport,
    ) -> Result<(), Failure> {
        let StagedCopy { copy, folder, message, path } = self;
        let file = message.commit()?;
        let problems = message.problems().iter();
        report.notes.extend(problems.map(|why| format!("{}: {why}", copy.folder)));
        if message.created_folder() {
            report.created_folders.push(folder.clone());
        }
        if let (Some(journal), Some(id)) = (journal, copy.id) {
            note_step(journal, id, &copy.kind.sentence(), Some(&file), report);
        }
        report.stored.push(StoredCopy {
            step: copy.step,
            folder: folder.clone(),
            path: Some(file.clone()),
            hash: hash_of(copy),
        });
        *path = Some(file);
        Ok(())
    }
}

/// What identifies the message in a copy's file.
fn hash_of(copy: &Copy<'_>) -> Option<u64> {
    let header = HeaderHash::of(&copy.message.head_after(&copy.edits));
    header.says_enough.then_some(header.hash)
}

fn is_too_long(failure: &Failure) -> bool {
    Errno::from_io_error(&failure.error) == Some(Errno::NAMETOOLONG)
}

/// Whether the Maildir has a quota; an error if there is no room left in it. A quota that
/// cannot be read keeps no mail out.
fn check_quota(
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
pub(super) fn update_quota(location: &Location, amount: Amount, report: &mut DeliveryReport) {
    if amount == Amount::default() {
        return;
    }
    let updated = match Maildir::open(location) {
        Ok(maildir) => quota::add(&maildir, amount),
        Err(failure) => Err(failure.error),
    };
    if let Err(error) = updated {
        report.notes.push(format!("the quota cannot be updated: {}", reason(&error)));
    }
}

/// Takes back what was stored; returns how much of it counts towards a quota.
pub(super) fn take_back(copies: Vec<StagedCopy<'_>>, report: &mut DeliveryReport) -> Amount {
    let mut freed = Amount::default();
    for StagedCopy { message, path, .. } in copies {
        let amount = message.amount();
        match (message.undo(), path) {
            (true, Some(_)) => freed = freed.plus(amount),
            (false, Some(path)) => report.notes.push(format!(
                "`{}` could not be taken back; a retry will store it again",
                path.display()
            )),
            (_, None) => {}
        }
    }
    freed
}
