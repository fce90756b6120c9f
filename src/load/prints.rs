//! What the files of rules held when these were taken from them, so that who keeps the
//! rules can tell whether they are still those of the files.

use std::io;
use std::path::{Path, PathBuf};

use crate::file::{ANYWHERE, Bounds};
use crate::source::Print;
use crate::state::program_cache::{CachedRuleFile, Proof};

/// Files and what each is known by; nothing for one that was not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePrints {
    files: Vec<(PathBuf, Option<Print>)>,
    /// A delivery that ends with its message keeps none.
    wanted: bool,
    /// Where a confined user's have to lie.
    bounds: Bounds,
}

impl FilePrints {
    /// That of a main file. Only who has all of the rules proven keeps them.
    pub(super) fn of(path: &Path, print: Option<Print>, proof: Proof) -> FilePrints {
        let mut prints =
            FilePrints { files: Vec::new(), wanted: proof == Proof::Whole, bounds: ANYWHERE };
        prints.add(path, print);
        prints
    }

    /// Those of files that were read.
    pub(super) fn of_files(files: &[CachedRuleFile], proof: Proof) -> Option<FilePrints> {
        let prints =
            files.iter().map(|(path, bytes)| (path.to_owned(), bytes.as_deref().map(Print::of)));
        (proof == Proof::Whole).then(|| FilePrints {
            files: prints.collect(),
            wanted: true,
            bounds: ANYWHERE,
        })
    }

    /// The same, of files that have to lie within bounds.
    pub(super) fn within(self, bounds: &Bounds) -> FilePrints {
        FilePrints { bounds: bounds.clone(), ..self }
    }

    pub(super) fn add(&mut self, path: &Path, print: Option<Print>) {
        if self.wanted {
            self.files.push((path.to_owned(), print));
        }
    }

    /// Unless nobody wants them.
    pub(super) fn all(self) -> Option<FilePrints> {
        self.wanted.then_some(self)
    }

    /// Bytes of all files together.
    pub fn size(&self) -> u64 {
        self.files.iter().filter_map(|(_, print)| *print).map(|print| print.length).sum()
    }

    /// Whether all files hold what they held; `look` tells what one is known by now.
    pub(super) fn hold(&self, look: impl Fn(&Bounds, &Path) -> io::Result<Option<Print>>) -> bool {
        let holds = |path: &Path, print| look(&self.bounds, path).is_ok_and(|now| now == print);
        self.files.iter().all(|(path, print)| holds(path, *print))
    }
}
