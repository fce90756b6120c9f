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

use super::judge::{About, Judge, Verdict};
use super::refile::Skip;

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
        self.judge.each(&shelf, place, entries, |judged| {
            let (skipped, fate) = match judged.verdict {
                Verdict::Missing => (Vec::new(), Fate::Vanished),
                Verdict::Trouble(why) => (Vec::new(), Fate::Failed(why)),
                Verdict::Refile(refile) => {
                    let fate = match refile.to {
                        Some(target) => match target.rule {
                            Some(rule) => {
                                let wish = Wish {
                                    from: place,
                                    entry: &judged.entry,
                                    to: &target.place,
                                    add: &target.add,
                                    remove: &Flags::default(),
                                };
                                self.one(&mut mover, &wish, target.folder, rule)
                            }
                            None => Fate::Stays,
                        },
                        None => Fate::Stays,
                    };
                    (refile.skipped, fate)
                }
            };
            tell(Filed { entry: judged.entry, about: judged.about, skipped, fate });
            true
        });
        Ok(())
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
