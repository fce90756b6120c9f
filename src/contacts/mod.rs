//! People in address books: cards (vCard 2.1, RFC 2426, RFC 6350) in a file or in
//! a directory of files, as vdirsyncer and khard keep them, and abook's file.
//!
//! The contents are kept in the cache directory, together with what identifies
//! the state of the files: device, inode, size, times of change. So an address
//! book of thousands of cards costs one `stat` per card, and no reading, until
//! one of them changes.

mod abook;
mod cache;
mod vcard;

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::ascii_case;
use crate::file::{self, Bounds};
use crate::message::address;
use crate::source::{Fingerprint, ReadError, may_pass, read_bytes};
use crate::user::User;

/// How many files are read at most.
const MOST_FILES: usize = 20_000;
/// The largest file that is read, bytes: cards contain photos.
const FILE_MAX: u64 = 64 << 20;
/// How much is read of all files together, bytes.
const MOST_BYTES: u64 = 256 << 20;
/// How many entries of directories are visited, whatever they are.
const MOST_ENTRIES: usize = 100_000;
/// How deep directories may be nested.
const DEPTH_MAX: usize = 4;
/// How many addresses are used.
const MOST_ADDRESSES: usize = 200_000;
/// The length to which a name is cut, characters.
const NAME_MAX: usize = 200;
/// How many problems are reported.
const MOST_PROBLEMS: usize = 100;

/// A person's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// The address, in the form in which addresses are compared.
    pub address: String,
    /// The person's name, on one line; may be empty.
    pub name: String,
}

/// The contents of address books.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressBook {
    /// Each address.
    pub contacts: Vec<Contact>,
    /// What could not be read and was skipped.
    pub problems: Vec<BookProblem>,
}

/// Something that could not be read and was skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookProblem {
    /// The file or directory.
    pub path: PathBuf,
    /// The line, from 1; 0 for the file as a whole.
    pub line: u32,
    /// Why.
    pub why: String,
}

impl BookProblem {
    /// The file, with the line if there is one.
    pub fn place(&self) -> String {
        match self.line {
            0 => self.path.display().to_string(),
            line => format!("{}:{line}", self.path.display()),
        }
    }
}

impl std::fmt::Display for BookProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place(), self.why)
    }
}

impl AddressBook {
    fn add(&mut self, address: &str, name: &str) {
        if self.contacts.len() < MOST_ADDRESSES {
            self.contacts.push(Contact { address: address.to_owned(), name: plain_name(name) });
        }
    }

    fn problem(&mut self, path: &Path, line: u32, why: impl Into<String>) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(BookProblem { path: path.to_owned(), line, why: why.into() });
        }
    }
}

/// The contents of address books, and whether they are cached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contacts {
    /// Each address.
    pub all: Vec<Contact>,
    /// Identifies the files' state, if they have just been read.
    fresh: Option<Fingerprint>,
}

/// The address books at a path; cached contents if nothing has changed since they
/// were last read.
///
/// # Errors
/// There is no such file or directory, or it cannot be read.
pub fn contacts(path: &Path, user: &User) -> Result<Contacts, ReadError> {
    let found = find(user.bounds(), path)?;
    let print = found.print();
    if let Some(all) = cache::read(user, path, print) {
        return Ok(Contacts { all, fresh: None });
    }
    let book = read_files(user.bounds(), &found)?;
    Ok(Contacts { all: book.contacts, fresh: found.is_settled().then_some(print) })
}

/// Caches the contents of address books if they have just been read.
///
/// # Errors
/// The cache directory cannot be written; the books are read again the next time.
pub fn keep(path: &Path, user: &User, read: &Contacts) -> io::Result<()> {
    read.fresh.map_or(Ok(()), |print| cache::write(user, path, print, &read.all))
}

/// The address books at a path, with the problems found in them.
///
/// # Errors
/// As [`contacts`].
pub fn read(path: &Path, user: &User) -> Result<AddressBook, ReadError> {
    read_files(user.bounds(), &find(user.bounds(), path)?)
}

/// The files of address books.
struct BookFiles {
    files: Vec<(PathBuf, Metadata)>,
    problems: Vec<BookProblem>,
    /// The path is a single file.
    alone: bool,
}

impl BookFiles {
    /// Identifies the files and their state.
    fn print(&self) -> Fingerprint {
        let mut bytes = Vec::new();
        for (path, metadata) in &self.files {
            bytes.extend(path.as_os_str().as_bytes());
            bytes.push(0);
            bytes.extend(file::identity(metadata).into_iter().flat_map(u64::to_le_bytes));
        }
        Fingerprint::of(&bytes)
    }

    /// Whether no file changed so recently that it may change again unnoticed.
    fn is_settled(&self) -> bool {
        const GRAIN: i64 = 2;
        let now = jiff::Timestamp::now().as_second();
        self.files.iter().all(|(_, metadata)| metadata.ctime() + GRAIN < now)
    }
}

/// Looks for the files of address books, without reading them.
fn find(bounds: &Bounds, path: &Path) -> Result<BookFiles, ReadError> {
    let metadata = bounds.metadata(path)?;
    let alone = !metadata.is_dir();
    let mut found = BookFiles { files: Vec::new(), problems: Vec::new(), alone };
    if alone {
        found.files.push((path.to_owned(), metadata));
        return Ok(found);
    }
    let mut directories = vec![(path.to_owned(), 0)];
    let (mut known, mut seen) = (HashSet::new(), 0);
    let mut problem = |path: &Path, why: String| {
        found.problems.push(BookProblem { path: path.to_owned(), line: 0, why });
    };
    'directories: while let Some((directory, depth)) = directories.pop() {
        let entries = match entries_of(bounds, &directory, &mut known, MOST_ENTRIES + 1 - seen) {
            Ok(entries) => entries,
            // Without it, a friend would seem to be a stranger.
            Err(error) if depth == 0 || may_pass(&error) => return Err(error.into()),
            Err(error) => {
                problem(&directory, crate::source::reason(&error));
                continue;
            }
        };
        for entry in entries {
            seen += 1;
            if seen > MOST_ENTRIES {
                problem(&directory, format!("only the first {MOST_ENTRIES} files are read"));
                break 'directories;
            }
            let path = directory.join(entry.file_name());
            if entry.file_name().as_bytes().starts_with(b".") {
                continue;
            }
            let is_card = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("vcf"));
            let metadata = match bounds.metadata(&path) {
                Ok(metadata) => metadata,
                Err(error) if may_pass(&error) => return Err(error.into()),
                // It has just been removed, or a link leads nowhere.
                Err(_) => continue,
            };
            if metadata.is_dir() && depth < DEPTH_MAX {
                directories.push((path, depth + 1));
            } else if metadata.is_file() && is_card {
                if found.files.len() >= MOST_FILES {
                    problem(&directory, format!("only the first {MOST_FILES} cards are read"));
                    break 'directories;
                }
                found.files.push((path, metadata));
            }
        }
    }
    found.files.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    Ok(found)
}

/// The first entries of a directory; none if a link has led back to a `known` one.
fn entries_of(
    bounds: &Bounds,
    directory: &Path,
    known: &mut HashSet<(u64, u64)>,
    most: usize,
) -> io::Result<Vec<fs::DirEntry>> {
    let pinned = bounds.pin(directory)?;
    let metadata = fs::metadata(&pinned)?;
    if !known.insert((metadata.dev(), metadata.ino())) {
        return Ok(Vec::new());
    }
    fs::read_dir(pinned)?.take(most).collect()
}

fn read_files(bounds: &Bounds, found: &BookFiles) -> Result<AddressBook, ReadError> {
    let mut book = AddressBook { problems: found.problems.clone(), ..AddressBook::default() };
    let mut left = MOST_BYTES;
    for (path, metadata) in &found.files {
        if metadata.size() > left {
            book.problem(path, 0, format!("only the first {} MB are read", MOST_BYTES >> 20));
            break;
        }
        left -= metadata.size();
        match read_bytes(bounds, path, FILE_MAX) {
            Ok(bytes) if abook::is_abook(&bytes) => abook::read(&bytes, path, &mut book),
            Ok(bytes) => vcard::read(&bytes, path, &mut book),
            Err(error) if found.alone || error.may_pass() => return Err(error),
            Err(error) => book.problem(path, 0, error.to_string()),
        }
    }
    Ok(book)
}

/// The addresses in a text: bare, as a `mailto:` URI, or after a name. `None` if
/// there are none.
fn addresses(text: &str) -> Option<Vec<String>> {
    let text = text.trim();
    let text = match ascii_case::strip_prefix(text, "mailto:") {
        Some(uri) => uri.split('?').next()?,
        None => text,
    };
    let found = address::parse_list(text.as_bytes());
    let whole = |each: &address::Address| {
        !each.local.is_empty()
            && !each.domain.is_empty()
            && !address::is_too_long(&each.local, &each.domain)
            && !each.address().contains(char::is_control)
    };
    let fine = !found.is_empty() && found.iter().all(whole);
    fine.then(|| found.iter().map(address::Address::canonical).collect())
}

/// A name on one line, without invisible characters.
fn plain_name(name: &str) -> String {
    let words: Vec<&str> =
        name.split(|letter: char| letter.is_whitespace() || letter.is_control()).collect();
    let name = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    name.chars().take(NAME_MAX).collect()
}

#[cfg(test)]
mod tests {
    use crate::file::ANYWHERE;

    use std::time::{Duration, SystemTime};

    use super::*;

    const CARD: &str = "BEGIN:VCARD\nVERSION:3.0\nFN:Hanako\nEMAIL:hanako@example.jp\nEND:VCARD\n";

    #[test]
    fn a_folder_of_cards_is_read_and_a_broken_one_reported() {
        let home = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = home.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("c/a/1.vcf", CARD);
        write("c/a/2.VCF", &CARD.replace("hanako", "jiro"));
        write("c/a/3.vcf", "no card\n");
        write("c/a/.4.vcf", &CARD.replace("hanako", "hidden"));
        write("c/a/5.txt", &CARD.replace("hanako", "text"));
        // Ways back to a directory that we have visited.
        for name in ["x", "y", "z"] {
            std::os::unix::fs::symlink(home.path().join("c"), home.path().join("c/a").join(name))
                .unwrap();
        }
        write("c/b/6.vcf", &CARD.replace("hanako@example.jp", "nobody"));
        let book = read(&home.path().join("c"), &User::default()).unwrap();
        let found: Vec<&str> =
            book.contacts.iter().map(|contact| contact.address.as_str()).collect();
        assert_eq!(found, ["hanako@example.jp", "jiro@example.jp"]);
        let told: Vec<String> = book.problems.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].ends_with("3.vcf: it contains no card"), "{told:?}");
        assert!(told[1].ends_with("6.vcf:4: `nobody` is not an address"), "{told:?}");
        assert!(read(&home.path().join("none"), &User::default()).unwrap_err().is_missing());
    }

    #[test]
    fn what_was_read_is_kept_until_a_card_changes() {
        let home = tempfile::tempdir().unwrap();
        let user = User::at(home.path());
        let directory = home.path().join("c");
        fs::create_dir(&directory).unwrap();
        let card = directory.join("1.vcf");
        fs::write(&card, CARD).unwrap();
        let address = |read: &Contacts| read.all[0].address.clone();
        let age = |seconds| {
            let file = fs::File::options().append(true).open(&card).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
        };
        let read = contacts(&directory, &user).unwrap();
        assert_eq!((address(&read).as_str(), read.fresh), ("hanako@example.jp", None), "too new");
        keep(&directory, &user, &read).unwrap();
        let cache = user.cache_dir().unwrap().to_owned();
        assert!(!cache.exists());
        let other = Contact { address: "kept@example.jp".into(), name: "A b".into() };
        let fresh = Some(find(&ANYWHERE, &directory).unwrap().print());
        keep(&directory, &user, &Contacts { all: vec![other.clone()], fresh }).unwrap();
        let read = contacts(&directory, &user).unwrap();
        assert_eq!(read, Contacts { all: vec![other], fresh: None });
        fs::write(&card, CARD.replace("hanako", "jiro")).unwrap();
        age(99);
        assert_eq!(address(&contacts(&directory, &user).unwrap()), "jiro@example.jp");
        age(0);
        let fresh = Some(find(&ANYWHERE, &directory).unwrap().print());
        keep(&directory, &user, &Contacts { all: Vec::new(), fresh }).unwrap();
        let kept = fs::read_dir(&cache).unwrap().next().unwrap().unwrap().path();
        fs::write(&kept, "garbage\n").unwrap();
        assert_eq!(address(&contacts(&directory, &user).unwrap()), "jiro@example.jp");
    }
}
