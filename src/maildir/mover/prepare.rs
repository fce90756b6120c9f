//! Which name a message gets in the folder to which it is moved.

use std::io;

use super::{FileMove, MoveRequest, Mover};
use crate::maildir::cross_device::is_on_other_device;
use crate::maildir::entry::{Entry, Sub, without_uid};
use crate::maildir::folder::MaildirFolder;
use crate::maildir::keywords;
use crate::maildir::location::Place;
use crate::maildir::name::{INFO, split_info};
use crate::maildir::staged::NO_COLONS;
use crate::outcome::Failure;

impl Mover<'_> {
    /// Finds out which name a message will get where it should be. Creates the folder,
    /// and adds keywords that are new to it.
    ///
    /// # Errors
    /// The folder cannot be created, or a keyword of the message cannot be kept in it.
    pub fn prepare(&mut self, request: &MoveRequest<'_>) -> Result<FileMove, Failure> {
        let MoveRequest { from, entry, to, .. } = *request;
        let target = self.target(to)?;
        let mut problems = Vec::new();
        let letters = self.new_letters(request, &target, &mut problems)?;
        let new = self.new_entry(request, &target, &letters, &mut problems)?;
        Ok(FileMove { from: from.clone(), old: entry.clone(), to: to.clone(), new, problems })
    }

    /// The letters of its flags and keywords, in order.
    fn new_letters(
        &mut self,
        request: &MoveRequest<'_>,
        target: &MaildirFolder,
        problems: &mut Vec<String>,
    ) -> Result<String, Failure> {
        let MoveRequest { from, entry, to, add, remove } = *request;
        let is_keyword = |letter: &char| letter.is_ascii_lowercase();
        let had: String = entry.letters().chars().filter(is_keyword).collect();
        let mut letters: Vec<char> = entry
            .letters()
            .chars()
            .filter(|letter| !is_keyword(letter) && !remove.letters.contains(*letter))
            .chain(add.letters.chars())
            .collect();
        if !had.is_empty() || !add.keywords.is_empty() {
            let source = self.folder(from)?;
            let fail = |error| Failure::new("read the keywords of", source.path.clone(), error);
            let (mut names, unknown) = keywords::names(&source.handle, &had).map_err(fail)?;
            names.retain(|name| !remove.keywords.iter().any(|it| it.eq_ignore_ascii_case(name)));
            let (kept, lost) = keywords::letters(&target.handle, &names);
            if !lost.is_empty() {
                let error = io::Error::other(lost.join("; "));
                return Err(Failure::new("keep the keywords in", target.path.clone(), error));
            }
            let (added, unset) = keywords::letters(&target.handle, &add.keywords);
            problems.extend(unset);
            letters.extend(kept.chars().chain(added.chars()));
            // A letter without a meaning here must not get one in the new folder.
            for letter in unknown.chars() {
                let meant = keywords::names(&target.handle, &letter.to_string());
                match meant {
                    Ok((names, _)) if names.is_empty() || from.is(to) => letters.push(letter),
                    _ => problems.push(format!(
                        "the letter `{letter}` is left out: it stands for no keyword"
                    )),
                }
            }
        }
        letters.sort_unstable();
        letters.dedup();
        Ok(letters.into_iter().collect())
    }

    /// Its file, with these letters: in `new` only if it is there and has none.
    fn new_entry(
        &mut self,
        request: &MoveRequest<'_>,
        target: &MaildirFolder,
        letters: &str,
        problems: &mut Vec<String>,
    ) -> Result<Entry, Failure> {
        let MoveRequest { from, entry, to, .. } = *request;
        let stays_new = letters.is_empty() && entry.sub == Sub::New;
        let mut delimiter = Some(entry.delimiter());
        if delimiter == Some(INFO) && !stays_new && !self.has_colons(from, entry, target) {
            delimiter = target.new_delimiter(&self.tmp(to, target)?);
        }
        let base = if from.is(to) { entry.base().to_owned() } else { without_uid(entry.base()) };
        let rest = entry.info().get(entry.letters().len()..).unwrap_or_default();
        if stays_new {
            let has_info = split_info(&entry.name).is_some();
            let info = if has_info { entry.delimiter() } else { "" };
            return Ok(Entry { sub: Sub::New, name: format!("{base}{info}{rest}") });
        }
        if let Some(delimiter) = delimiter {
            return Ok(Entry { sub: Sub::Cur, name: format!("{base}{delimiter}{letters}{rest}") });
        }
        if !letters.is_empty() {
            problems.push(NO_COLONS.to_owned());
        }
        Ok(Entry { sub: entry.sub, name: base })
    }

    /// Whether the target's file system is known to allow colons in names, because the
    /// message has one in its name and is on the same file system.
    fn has_colons(&mut self, from: &Place, entry: &Entry, target: &MaildirFolder) -> bool {
        entry.name.contains(INFO)
            && self.folder(from).is_ok_and(|source| !is_on_other_device(&source, target))
    }
}
