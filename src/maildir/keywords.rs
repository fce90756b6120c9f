//! Keywords (`$Forwarded`, `$Junk`) as Dovecot keeps them: letters `a` to `z` in the file
//! name, whose meaning is in `dovecot-keywords` next to `cur`, one `<number> <keyword>`
//! per line, 0 for `a`.
//!
//! The file is locked in Dovecot's way ([`DotLock`]). If the lock cannot be obtained, or
//! all letters are taken, the message is stored without the keyword.

use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};

use super::dot_lock::DotLock;
use crate::file;
use crate::flags::is_atom_char;

const FILE: &str = "dovecot-keywords";
/// The most that is read of the file, bytes; 26 keywords of any sane length fit.
const MAX: u64 = 64 << 10;

/// The letters of these keywords in a folder; new keywords are added. Also why some have
/// none, for the log.
pub fn letters(folder: impl AsFd, keywords: &[String]) -> (String, Vec<String>) {
    let folder = folder.as_fd();
    let mut problems = Vec::new();
    let mut requested: Vec<&str> = Vec::new();
    for keyword in keywords {
        if is_keyword(keyword) {
            requested.push(keyword);
        } else {
            problems.push(format!("`{keyword}` is not a keyword"));
        }
    }
    let mut known = match read(&folder) {
        Ok(known) => known,
        Err(error) => {
            problems.push(format!("keywords left out: cannot read {FILE}: {error}"));
            return (String::new(), problems);
        }
    };
    if requested.iter().any(|keyword| known.letter(keyword).is_none()) && !known.is_full() {
        match add_missing(folder, &requested) {
            Ok(entered) => known = entered,
            Err(error) => problems.push(format!("cannot add keywords to {FILE}: {error}")),
        }
    }
    let mut letters = String::new();
    for keyword in requested {
        match known.letter(keyword) {
            Some(letter) if letters.contains(letter) => {}
            Some(letter) => letters.push(letter),
            None => problems.push(format!("keyword `{keyword}` left out")),
        }
    }
    (letters, problems)
}

/// The keywords that letters stand for in a folder, and the letters that have no meaning
/// there.
///
/// # Errors
/// The folder's file cannot be read.
pub fn names(folder: impl AsFd, letters: &str) -> io::Result<(Vec<String>, String)> {
    let known = read(&folder.as_fd())?;
    let (mut names, mut unknown) = (Vec::new(), String::new());
    for letter in letters.chars() {
        match known.keyword(letter) {
            Some(keyword) => names.push(keyword.to_owned()),
            None => unknown.push(letter),
        }
    }
    Ok((names, unknown))
}

/// Whether it is a keyword of IMAP's, an atom (RFC 9051 §2.3.2): other programs may have
/// longer ones than the rules.
fn is_keyword(text: &str) -> bool {
    (1..=100).contains(&text.len()) && text.chars().all(is_atom_char)
}

/// The unchanged lines of the file, and the keyword of each letter.
#[derive(Default)]
struct KeywordFile {
    text: String,
    slots: [Option<String>; 26],
}

impl KeywordFile {
    fn parse(text: String) -> KeywordFile {
        let mut slots: [Option<String>; 26] = Default::default();
        for (number, keyword) in text.lines().filter_map(|line| line.split_once(' ')) {
            let slot = number.parse().ok().and_then(|number: usize| slots.get_mut(number));
            if let Some(slot @ None) = slot {
                *slot = Some(keyword.to_string());
            }
        }
        KeywordFile { text, slots }
    }

    /// Keywords are not case-sensitive, RFC 9051 §2.3.2.
    fn letter(&self, keyword: &str) -> Option<char> {
        ('a'..='z').zip(&self.slots).find_map(|(letter, slot)| {
            slot.as_ref().is_some_and(|known| known.eq_ignore_ascii_case(keyword)).then_some(letter)
        })
    }

    fn keyword(&self, letter: char) -> Option<&str> {
        let at = ('a'..='z').position(|known| known == letter)?;
        self.slots.get(at)?.as_deref()
    }

    fn is_full(&self) -> bool {
        self.slots.iter().all(Option::is_some)
    }

    fn add(&mut self, keyword: &str) {
        let free = self.slots.iter_mut().enumerate().find(|(_, slot)| slot.is_none());
        let Some((number, slot)) = free else { return };
        *slot = Some(keyword.to_string());
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        self.text.push_str(&format!("{number} {keyword}\n"));
    }
}

fn read(folder: &impl AsFd) -> io::Result<KeywordFile> {
    let file = match file::open_at(folder, FILE, file::READ_OWN) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(KeywordFile::default()),
        Err(error) => return Err(error),
    };
    let mut text = String::new();
    if file.take(MAX).read_to_string(&mut text)? as u64 == MAX {
        return Err(ErrorKind::FileTooLarge.into());
    }
    Ok(KeywordFile::parse(text))
}

/// Adds the missing keywords, under the lock.
fn add_missing(folder: BorrowedFd<'_>, requested: &[&str]) -> io::Result<KeywordFile> {
    let lock = DotLock::acquire(folder, FILE)?;
    let mut known = read(&folder)?;
    for keyword in requested {
        if known.letter(keyword).is_none() {
            known.add(keyword);
        }
    }
    lock.replace(known.text.as_bytes())?;
    Ok(known)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::path::Path;
    use std::time::{Duration, SystemTime};

    use super::*;

    const LOCK: &str = "dovecot-keywords.lock";

    fn ask(folder: &Path, keywords: &[&str]) -> (String, Vec<String>) {
        let keywords: Vec<String> = keywords.iter().map(|keyword| keyword.to_string()).collect();
        letters(std::fs::File::open(folder).unwrap(), &keywords)
    }

    #[test]
    fn letters_are_given_once_and_for_all() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(ask(folder.path(), &["$Junk", "work"]), ("ab".into(), vec![]));
        assert_eq!(ask(folder.path(), &["WORK", "$junk", "new"]), ("bac".into(), vec![]));
        let text = fs::read_to_string(folder.path().join(FILE)).unwrap();
        assert_eq!(text, "0 $Junk\n1 work\n2 new\n");
        assert_eq!(ask(folder.path(), &["new", "New"]), ("c".into(), vec![]));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no lock stays");
    }

    #[test]
    fn what_dovecot_wrote_stays_and_gaps_are_filled() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        fs::write(&path, "0 a\n2 c\n30 far\nodd").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o660)).unwrap();
        assert_eq!(ask(folder.path(), &["b", "c"]).0, "bc");
        let text = fs::read_to_string(folder.path().join(FILE)).unwrap();
        assert_eq!(text, "0 a\n2 c\n30 far\nodd\n1 b\n");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o660);
    }

    #[test]
    fn the_27th_is_left_out_and_reported() {
        let folder = tempfile::tempdir().unwrap();
        let all: Vec<String> = (0..26).map(|number| format!("k{number}")).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        assert_eq!(ask(folder.path(), &all).0, "abcdefghijklmnopqrstuvwxyz");
        // For what cannot be written no lock is needed.
        std::fs::File::create(folder.path().join(LOCK)).unwrap();
        let (letters, problems) = ask(folder.path(), &["k3", "one-more"]);
        assert_eq!(letters, "d");
        assert_eq!(problems, ["keyword `one-more` left out"]);
    }

    #[test]
    fn what_is_not_a_keyword_is_never_written() {
        let folder = tempfile::tempdir().unwrap();
        let (letters, problems) = ask(folder.path(), &["a b", "x\n0 y", "", "あ"]);
        assert_eq!((letters.as_str(), problems.len()), ("", 4));
        assert!(!folder.path().join(FILE).exists());
        let long = "k".repeat(101);
        assert_eq!(ask(folder.path(), &[&long[1..], &long]).0, "a");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_reported_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        fs::write(&path, vec![b'x'; MAX as usize]).unwrap();
        for _ in 0..2 {
            let (letters, problems) = ask(folder.path(), &["x"]);
            assert_eq!((letters.as_str(), problems.len()), ("", 1));
            assert!(problems[0].starts_with("keywords left out: cannot read"), "{problems:?}");
            if path.is_file() {
                assert_eq!(fs::metadata(&path).unwrap().len(), MAX);
                fs::remove_file(&path).unwrap();
                fs::create_dir(&path).unwrap();
            }
        }
    }

    #[test]
    fn a_held_lock_costs_the_keyword_and_a_stale_one_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let lock = std::fs::File::create(folder.path().join(LOCK)).unwrap();
        let (letters, problems) = ask(folder.path(), &["x"]);
        assert_eq!(letters, "");
        assert!(problems[0].contains("locked"), "{problems:?}");
        lock.set_modified(SystemTime::now() - Duration::from_secs(600)).unwrap();
        assert_eq!(ask(folder.path(), &["x"]).0, "a");
    }

    #[test]
    fn many_at_once_agree() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for number in 0..20 {
                let path = folder.path();
                scope.spawn(move || ask(path, &[&format!("k{}", number % 10)]));
            }
        });
        let text = fs::read_to_string(folder.path().join(FILE)).unwrap();
        assert_eq!(text.lines().count(), 10, "{text}");
    }
}
