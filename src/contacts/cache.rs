//! The address books that have been read, in the cache directory: the addresses
//! and names, one line each, after a line that identifies the files and their
//! state. The file may be removed at any time.

use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{Contact, FILE_MAX};
use crate::file;
use crate::source::Fingerprint;
use crate::user::{User, make_private};

fn path(user: &User, of: &Path) -> Option<PathBuf> {
    let name = Fingerprint::of(of.as_os_str().as_bytes());
    Some(user.cache_dir()?.join(format!("contacts-{:032x}", name.hash)))
}

fn head(print: Fingerprint) -> String {
    format!("mfilter {} contacts {:032x}\n", env!("CARGO_PKG_VERSION"), print.hash)
}

/// The cached contents of the address books at a path, if those have not changed since.
pub(super) fn read(user: &User, of: &Path, print: Fingerprint) -> Option<Vec<Contact>> {
    use std::io::Read;
    let mut text = String::new();
    let file = file::open(&path(user, of)?, file::READ_OWN).ok()?;
    file.take(FILE_MAX).read_to_string(&mut text).ok()?;
    let rest = text.strip_prefix(&head(print))?;
    let line = |line: &str| {
        let (address, name) = line.split_once('\t')?;
        Some(Contact { address: address.to_owned(), name: name.to_owned() })
    };
    rest.lines().map(line).collect()
}

/// Caches what was read.
pub(super) fn write(
    user: &User,
    of: &Path,
    print: Fingerprint,
    contacts: &[Contact],
) -> io::Result<()> {
    let (Some(path), Some(directory)) = (path(user, of), user.cache_dir()) else { return Ok(()) };
    make_private(directory, user.home())?;
    let mut text = head(print);
    for Contact { address, name } in contacts {
        text.push_str(&format!("{address}\t{name}\n"));
    }
    let mut new = tempfile::Builder::new().prefix(".new-").tempfile_in(directory)?;
    new.write_all(text.as_bytes())?;
    file::put_in_place(new, &path)
}
