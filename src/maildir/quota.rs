//! Quota as Maildir++ keeps it, in the file `maildirsize` of the Maildir, which Courier,
//! Dovecot, vpopmail and Exim write, too.
//!
//! The first line is the limit, `<bytes>S,<messages>C`; each other line is what was added
//! or removed, `<bytes> <messages>`, appended with one write; the use is their sum. When
//! the file has grown to 5120 bytes, or says that there is no room although it may be out
//! of date (more than one line, or older than 15 minutes), the messages are counted again
//! and the file is rewritten. The trash, and messages flagged as trashed, do not count.
//!
//! Where there is no such file there is no quota.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, Mode, OFlags, fchmod, openat, renameat, statat, unlinkat};

use crate::file;
use crate::rules::program::Layout;

use super::amount::{Amount, counts};
use super::entry::{Entry, Sub};
use super::folder::MaildirFolder;
use super::location::Place;
use super::name;
use super::store::Maildir;

const FILE: &str = "maildirsize";
/// A file of this length is rewritten, bytes.
const REWRITE_SIZE: u64 = 5120;
/// How long a file may say that there is no room.
const STALE_AFTER: Duration = Duration::from_secs(15 * 60);
/// How often the messages are counted again because some arrived in the meantime.
const RECOUNTS_MAX: usize = 3;

/// What `maildirsize` says.
struct Size {
    /// The first line.
    limit: String,
    used: Amount,
    lines: usize,
    length: u64,
    modified: SystemTime,
}

/// Whether a Maildir has a quota, and if so, whether there is room in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QuotaRoom {
    /// There is no quota.
    NoQuota,
    /// There is room.
    Enough,
    /// There is no room.
    Full,
}

/// Whether there is room for more messages.
///
/// # Errors
/// The file, or a folder that has to be counted, cannot be read.
pub(crate) fn room(maildir: &Maildir<'_>, more: Amount) -> io::Result<QuotaRoom> {
    let Some(mut size) = read(maildir)? else { return Ok(QuotaRoom::NoQuota) };
    if size.length >= REWRITE_SIZE || !size.fits(more) && size.may_be_wrong() {
        size = recount(maildir, size)?;
    }
    Ok(if size.fits(more) { QuotaRoom::Enough } else { QuotaRoom::Full })
}

/// Records what was added or removed, if there is a quota.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn add(maildir: &Maildir<'_>, amount: Amount) -> io::Result<()> {
    match file::open_at(&maildir.root, FILE, file::APPEND_OWN) {
        Ok(mut file) => {
            let line = format!("{} {}\n", amount.bytes, amount.messages);
            file.write_all(line.as_bytes())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether a message counts.
pub(super) fn counts_entry(layout: Layout, place: &Place, entry: &Entry) -> bool {
    let is_trashed = entry.sub == Sub::Cur && entry.letters().contains('T');
    counts(layout, place) && !is_trashed
}

/// How much a message uses; none if it no longer exists.
pub(super) fn amount(folder: &MaildirFolder, entry: &Entry) -> Option<Amount> {
    let bytes = match name::size(&entry.name).and_then(|bytes| i64::try_from(bytes).ok()) {
        Some(bytes) => bytes,
        None => folder.file(entry).ok()?.metadata().ok()?.len() as i64,
    };
    Some(Amount { bytes, messages: 1 })
}

impl Size {
    fn parse(text: &str, length: u64, modified: SystemTime) -> Option<Size> {
        let mut lines = text.lines();
        let limit = lines.next()?.to_owned();
        let mut size = Size { limit, used: Amount::default(), lines: 0, length, modified };
        if size.limits().count() == 0 {
            return None;
        }
        for line in lines {
            let mut numbers = line.split_ascii_whitespace().map(str::parse::<i64>);
            if let (Some(Ok(bytes)), Some(Ok(messages))) = (numbers.next(), numbers.next()) {
                size.used = size.used.plus(Amount { bytes, messages });
            }
            size.lines += 1;
        }
        Some(size)
    }

    /// Each limit and its unit; 0 means no limit.
    fn limits(&self) -> impl Iterator<Item = (i64, char)> {
        self.limit.split(',').filter_map(|part| {
            let part = part.trim();
            let kind = part.chars().next_back().filter(|kind| matches!(kind, 'S' | 'C'))?;
            Some((part.strip_suffix(kind)?.parse().ok()?, kind))
        })
    }

    fn fits(&self, more: Amount) -> bool {
        let then = self.used.plus(more);
        self.limits().all(|(limit, kind)| {
            limit <= 0 || limit >= if kind == 'S' { then.bytes } else { then.messages }
        })
    }

    /// Whether messages may have been removed without being recorded.
    fn may_be_wrong(&self) -> bool {
        let age = SystemTime::now().duration_since(self.modified);
        self.lines > 1 || age.is_ok_and(|age| age > STALE_AFTER)
    }
}

/// What the file says; none if it does not exist or sets no quota.
fn read(maildir: &Maildir<'_>) -> io::Result<Option<Size>> {
    let mut file = match file::open_at(&maildir.root, FILE, file::READ_OWN) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) if file::is_not_regular(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    // Programs that rewrite it at 5120 bytes never leave more than a few further lines.
    let mut bytes = Vec::new();
    (&mut file).take(64 * REWRITE_SIZE).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(Size::parse(&text, metadata.len(), metadata.modified()?))
}

/// Counts all messages and rewrites the file.
fn recount(maildir: &Maildir<'_>, mut size: Size) -> io::Result<Size> {
    let mut before = stamps(maildir);
    for _ in 0..RECOUNTS_MAX {
        size.used = count(maildir)?;
        let after = stamps(maildir);
        if before == after {
            break;
        }
        before = after;
    }
    let text = format!("{}\n{} {}\n", size.limit, size.used.bytes, size.used.messages);
    // If the file cannot be written, the count is still right.
    let _ = replace(maildir, &text);
    Ok(size)
}

/// When messages were last added to, or removed from, each folder.
fn stamps(maildir: &Maildir<'_>) -> BTreeMap<std::path::PathBuf, (i64, i64)> {
    let mut stamps = BTreeMap::new();
    for place in maildir.folders().0 {
        for sub in [Sub::New, Sub::Cur] {
            let path = maildir.location.path_of_place(&place).join(sub.name());
            if let Ok(metadata) = std::fs::metadata(&path) {
                stamps.insert(path, (metadata.mtime(), metadata.mtime_nsec()));
            }
        }
    }
    stamps
}

fn count(maildir: &Maildir<'_>) -> io::Result<Amount> {
    let (places, problems) = maildir.folders();
    if let Some(problem) = problems.into_iter().next() {
        return Err(problem.error);
    }
    let mut sum = Amount::default();
    for place in places.iter().filter(|place| counts(maildir.location.layout, place)) {
        let folder = maildir.folder(place).map_err(|failure| failure.error)?;
        for entry in folder.list().0 {
            if counts_entry(maildir.location.layout, place, &entry) {
                // What was moved in the meantime is counted where it is now, or next
                // time.
                sum = sum.plus(amount(&folder, &entry).unwrap_or_default());
            }
        }
    }
    Ok(sum)
}

fn replace(maildir: &Maildir<'_>, text: &str) -> io::Result<()> {
    let root = &maildir.root;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
    let new = format!("{FILE}.{}", name::unique());
    let mode = Mode::RUSR | Mode::WUSR;
    let mut file: File = openat(root, &new, flags | OFlags::CLOEXEC, mode)?.into();
    if let Ok(old) = statat(root, FILE, AtFlags::SYMLINK_NOFOLLOW) {
        let _ = fchmod(&file, Mode::from_raw_mode(old.st_mode & 0o777));
    }
    let done = file.write_all(text.as_bytes()).and_then(|()| Ok(renameat(root, &new, root, FILE)?));
    if done.is_err() {
        let _ = unlinkat(root, &new, AtFlags::empty());
    }
    done
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::super::Location;
    use super::*;

    fn size(text: &str) -> Size {
        Size::parse(text, text.len() as u64, SystemTime::now()).unwrap()
    }

    fn amount(bytes: i64, messages: i64) -> Amount {
        Amount { bytes, messages }
    }

    #[test]
    fn what_the_file_says() {
        let known = size("1000S,10C\n400 2\n-100 -1\n 7  1 \nodd\n");
        assert_eq!((known.used, known.lines), (amount(307, 2), 4));
        for (limit, more, fits) in [
            ("1000S,10C", amount(1000, 1), true),
            ("1000S,10C", amount(1001, 1), false),
            ("1000S,10C", amount(1, 11), false),
            ("10C", amount(1 << 40, 10), true),
            ("1000S", amount(1, 1 << 20), true),
            ("0S,0C", amount(1 << 40, 1 << 20), true),
            ("1000S,5X", amount(1000, 9), true),
        ] {
            assert_eq!(size(&format!("{limit}\n")).fits(more), fits, "{limit}");
        }
        for none in ["", "\n", "NOQUOTA\n", "x\n1 1\n"] {
            assert!(Size::parse(none, 1, SystemTime::now()).is_none(), "{none:?}");
        }
    }

    #[test]
    fn it_is_counted_again_where_it_may_be_wrong() {
        let home = tempfile::tempdir().unwrap();
        let location = Location::new(home.path(), Layout::MaildirPlusPlus, None);
        for (file, text) in [
            ("new/1.x,S=100", "in the name"),
            ("cur/2.x:2,S", "12 bytes\n..."),
            ("cur/3.x,S=5000:2,ST", "trashed"),
            (".A/cur/4.x,S=1000:2,", ""),
            (".Trash/cur/5.x,S=9000:2,", ""),
        ] {
            fs::create_dir_all(home.path().join(file).parent().unwrap()).unwrap();
            fs::write(home.path().join(file), text).unwrap();
        }
        let maildir = Maildir::open(&location).unwrap();
        let path = home.path().join(FILE);
        let text = || fs::read_to_string(&path).unwrap();
        assert_eq!(room(&maildir, amount(1, 1)).unwrap(), QuotaRoom::NoQuota);
        add(&maildir, amount(1, 1)).unwrap();
        assert!(!path.exists());

        // A single fresh line is believed.
        fs::write(&path, "2000S\n1999 3\n").unwrap();
        assert_eq!(room(&maildir, amount(2, 1)).unwrap(), QuotaRoom::Full);
        assert_eq!(text(), "2000S\n1999 3\n");
        // Two lines are not believed, and there is room.
        add(&maildir, amount(1, 1)).unwrap();
        assert_eq!(room(&maildir, amount(888, 1)).unwrap(), QuotaRoom::Enough);
        assert_eq!(text(), "2000S\n1112 3\n");
        assert_eq!(room(&maildir, amount(889, 1)).unwrap(), QuotaRoom::Full);
        // A file that has grown is rewritten, for those who may read it now.
        for (lines, last, rewritten) in [(1277, "10 0\n", false), (1277, "100 0\n", true)] {
            fs::write(&path, format!("9999S\n{}{last}", "1 0\n".repeat(lines))).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
            assert_eq!(room(&maildir, amount(1, 1)).unwrap(), QuotaRoom::Enough);
            assert_eq!(text() == "9999S\n1112 3\n", rewritten, "{last}");
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        }
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 5, "nothing else is left");
        // What cannot be counted is not left out.
        std::os::unix::fs::symlink("new", home.path().join(".A/new")).unwrap();
        fs::write(&path, "10S\n1 1\n1 1\n").unwrap();
        assert!(room(&maildir, amount(100, 1)).is_err());
    }

    #[test]
    fn what_is_noted_at_once_is_all_there() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join(FILE), "9999S\n").unwrap();
        let location = Location::new(home.path(), Layout::MaildirPlusPlus, None);
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    let maildir = Maildir::open(&location).unwrap();
                    (0..10).for_each(|_| add(&maildir, amount(10, 1)).unwrap());
                });
            }
        });
        let maildir = Maildir::open(&location).unwrap();
        assert_eq!(read(&maildir).unwrap().unwrap().used, amount(2000, 200));
    }
}
