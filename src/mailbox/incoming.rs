//! Filing messages that have come into folders which others fill, by the
//! rules: place and flags by one rename, and nothing else.

use std::path::PathBuf;

use crate::deliver::maildir::Place;
use crate::deliver::moving::{Mover, Wish};
use crate::deliver::shelf::Entry;
use crate::outcome::Failure;
use crate::plan::{Folder, RuleRef};
use crate::rules::program::Flags;
use crate::state::places::{Kept, Own};

use super::judge::{About, Judge, Judged, Verdict};
use super::refile::{Refile, Skip, Target};

/// So often messages that were renamed meanwhile are looked for.
const ROUNDS: usize = 5;

/// Files messages.
pub struct Filer<'a> {
    /// By what to judge.
    pub judge: Judge<'a>,
    /// Where it is noted that it was not the user who moved them; none where
    /// nothing is learned from moves.
    pub kept: Option<&'a Kept>,
}

/// What became of a message.
#[derive(Debug)]
pub struct Filed {
    /// Its file as it came.
    pub entry: Entry,
    /// What is known of it.
    pub about: About,
    /// What the rules ask and what is not done.
    pub skipped: Vec<Skip>,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a message.
#[derive(Debug)]
pub enum Fate {
    /// It was moved or flagged.
    Moved {
        /// The folder, as people name it.
        folder: Folder,
        /// Its file.
        path: PathBuf,
        /// Which rule asked.
        rule: RuleRef,
        /// What was not done as asked.
        problems: Vec<String>,
    },
    /// It stays where and as it is.
    Stays,
    /// Somebody else has moved or removed it.
    Vanished,
    /// It stays for now: it could not be judged or moved.
    Failed(String),
}

impl Filer<'_> {
    /// Files these messages of a folder. Only what a rule asks for is done: the
    /// end of the rules does not bring mail of other folders into the inbox.
    ///
    /// # Errors
    /// The folder cannot be opened.
    pub fn file(
        &self,
        place: &Place,
        entries: &[Entry],
        tell: &mut dyn FnMut(Filed),
    ) -> Result<(), Failure> {
        let mut mover = Mover::open(self.judge.location)?;
        let shelf = mover.shelf(place)?;
        let mut entries = entries.to_vec();
        for round in 1..=ROUNDS {
            let mut missing = Vec::new();
            self.judge.each(&shelf, place, &entries, |judged| {
                if matches!(judged.verdict, Verdict::Missing) && round < ROUNDS {
                    missing.push(judged.entry);
                } else {
                    tell(self.judged(&mut mover, place, judged));
                }
                true
            });
            if missing.is_empty() {
                break;
            }
            // Flagged, or taken to `cur`, while it was looked at.
            let mut there = shelf.by_key();
            entries.clear();
            for entry in missing {
                match there.remove(&entry.key()) {
                    Some(now) => entries.push(now),
                    None => {
                        let (about, skipped) = (About::default(), Vec::new());
                        tell(Filed { entry, about, skipped, fate: Fate::Vanished });
                    }
                }
            }
        }
        Ok(())
    }

    fn judged(&self, mover: &mut Mover<'_>, place: &Place, judged: Judged) -> Filed {
        let Judged { entry, about, verdict } = judged;
        let refile = match verdict {
            Verdict::Missing => Err(Fate::Vanished),
            Verdict::Trouble(why) => Err(Fate::Failed(why)),
            Verdict::Refile(refile) => Ok(refile),
        };
        let (skipped, fate) = match refile {
            Err(fate) => (Vec::new(), fate),
            Ok(Refile {
                to: Some(Target { place: to, folder, add, rule: Some(rule) }),
                skipped,
            }) => {
                let remove = &Flags::default();
                let wish = Wish { from: place, entry: &entry, to: &to, add: &add, remove };
                (skipped, self.one(mover, &wish, folder, rule))
            }
            Ok(Refile { skipped, .. }) => (skipped, Fate::Stays),
        };
        Filed { entry, about, skipped, fate }
    }

    fn one(&self, mover: &mut Mover<'_>, wish: &Wish<'_>, folder: Folder, rule: RuleRef) -> Fate {
        if let Some(kept) = self.kept {
            let own = Own {
                from: wish.from.directories().to_vec(),
                to: wish.to.directories().to_vec(),
                key: wish.entry.key(),
            };
            // Else the user would be taken for the one who moved it.
            if let Err(error) = kept.note_own(&own) {
                return Fate::Failed(format!("a move cannot be noted: {error}"));
            }
        }
        match mover.refile(wish) {
            Ok(Some(done)) => {
                Fate::Moved { folder, path: done.path, rule, problems: done.problems }
            }
            Ok(None) => Fate::Vanished,
            Err(failure) => Fate::Failed(failure.to_string()),
        }
    }
}
