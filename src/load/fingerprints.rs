//! Fingerprints of the files of rules when the rules were read from them, so that code
//! that keeps the rules can tell whether they are still those of the files.

use std::io;
use std::path::{Path, PathBuf};

use crate::file::Bounds;
use crate::source::{Fingerprint, open_rules, read_current};
use crate::state::program_cache::{CachedRuleFile, Verification};

/// Files and the fingerprint of each; none for one that did not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFingerprints {
    files: Vec<(PathBuf, Option<Fingerprint>)>,
    /// Whether they are needed: a process that delivers only one message keeps none.
    is_needed: bool,
}

impl FileFingerprints {
    /// The fingerprint of a main file. It is kept only if the whole of the rules has to
    /// be proven.
    pub(super) fn of(
        path: &Path,
        print: Option<Fingerprint>,
        proof: Verification,
    ) -> FileFingerprints {
        let mut fingerprints =
            FileFingerprints { files: Vec::new(), is_needed: proof == Verification::AtOnce };
        fingerprints.add(path, print);
        fingerprints
    }

    /// The fingerprints of files that were read.
    pub(super) fn of_files(
        files: &[CachedRuleFile],
        proof: Verification,
    ) -> Option<FileFingerprints> {
        let fingerprints = files
            .iter()
            .map(|(path, bytes)| (path.to_owned(), bytes.as_deref().map(Fingerprint::of)));
        (proof == Verification::AtOnce)
            .then(|| FileFingerprints { files: fingerprints.collect(), is_needed: true })
    }

    pub(super) fn add(&mut self, path: &Path, print: Option<Fingerprint>) {
        if self.is_needed {
            self.files.push((path.to_owned(), print));
        }
    }

    /// Returns them, if they are needed. They may be kept for long, so spare capacity is
    /// released.
    pub(super) fn all(mut self) -> Option<FileFingerprints> {
        self.files.shrink_to_fit();
        self.is_needed.then_some(self)
    }

    /// The size of all files together, bytes.
    pub fn size(&self) -> u64 {
        self.files.iter().filter_map(|(_, print)| *print).map(|print| print.length).sum()
    }

    /// Whether the rules are still those of the files, which belong to a user and must be
    /// within bounds.
    pub fn are_current(&self, bounds: &Bounds) -> bool {
        self.hold(|path| fingerprint_of(bounds, path))
    }

    /// Whether all files still have the same content; `look` returns the current
    /// fingerprint of one.
    pub(super) fn hold(&self, look: impl Fn(&Path) -> io::Result<Option<Fingerprint>>) -> bool {
        let holds = |path: &Path, print| look(path).is_ok_and(|now| now == print);
        self.files.iter().all(|(path, print)| holds(path, *print))
    }
}

/// The fingerprint of a file of rules or a script; none if it does not exist.
pub(super) fn fingerprint_of(bounds: &Bounds, path: &Path) -> io::Result<Option<Fingerprint>> {
    match read_current(|| open_rules(bounds, path)?.fingerprint()) {
        Ok(fingerprint) => Ok(Some(fingerprint)),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error.into()),
    }
}
