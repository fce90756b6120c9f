//! Checked rules in the form in which they are evaluated, kept between runs
//! so that a delivery neither parses nor checks.
//!
//! One file for each main rule file, in `dirs::cache_dir()/mfilter`. It counts
//! only while every rule file that it was made of holds what it held then: they
//! are known by content ([`Print`]), whatever clocks say. It may be removed at
//! any time, and where it cannot be written all works, slower. Who can write it
//! can write the rules too; all the same it must be the user's own, of mode
//! 0600, and intact by its checksum.
//!
//! ```text
//! magic (16 bytes), what mfilter was built of (u64), checksum of all that
//! follows (u128), offset of the program, number of files (u64 each,
//! little-endian); each file: length of its path, of its content (u64 each),
//! hash of its content (u128), path; the program
//! ```

use std::fs::{OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::buffer::spare_capacity;
use rustix::fs::OFlags;
use twox_hash::XxHash3_128;

use super::{key, make_private, own};
use crate::rules::program::Compiled;
use crate::source::Print;

const MAGIC: &[u8; 16] = b"mfilter rules 2\n";
/// What stands before what the checksum is of.
const HEAD: usize = MAGIC.len() + 8 + 16;
/// Larger files are not kept, bytes.
const LARGEST: u64 = 256 << 20;
/// What mfilter was built of (`build.rs`): what another one checked may mean
/// something else.
pub(super) const BUILT_OF: u64 = match u64::from_str_radix(env!("MFILTER_BUILT_OF"), 16) {
    Ok(hash) => hash,
    Err(_) => 0,
};

/// A rule file as it was read: path and bytes.
pub type Read = (PathBuf, Vec<u8>);

/// The kept rules of one main rule file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    directory: PathBuf,
    file: PathBuf,
    /// It is root's, for all users to read; else the user's own.
    shared: bool,
}

impl Kept {
    /// Where those of `main` are kept; nowhere without a home directory.
    pub fn of(main: &Path, home: Option<&Path>) -> Option<Kept> {
        Some(Kept::at(own(dirs::cache_dir)?, main, home))
    }

    /// The same in a directory of the caller's choice. What `~/` means decides
    /// what is included.
    pub fn at(directory: PathBuf, main: &Path, home: Option<&Path>) -> Kept {
        let home = home.map_or(&b""[..], |home| home.as_os_str().as_bytes());
        let name = format!("rules-{}", key(&[main.as_os_str().as_bytes(), home]));
        Kept { file: directory.join(name), directory, shared: false }
    }

    /// Those of site rules: beside their file, `NAME.kept`, written by root.
    pub fn beside(main: &Path) -> Kept {
        let mut name = main.as_os_str().to_owned();
        name.push(".kept");
        let directory = main.parent().unwrap_or(Path::new("")).to_owned();
        Kept { file: name.into(), directory, shared: true }
    }

    /// The rules, if the main file is known by `main` and what it included is
    /// unchanged; `look` tells what that is known by now. Anything else is as
    /// good as nothing.
    pub fn read(
        &self,
        main: Print,
        look: &mut dyn FnMut(&Path) -> std::io::Result<Print>,
    ) -> Option<Compiled> {
        let kept = self.bytes()?;
        let start = current(&kept, Some(main), look)?;
        Compiled::from_bytes(kept, start)
    }

    /// The rules as they were kept, whatever the files hold now.
    pub fn last(&self) -> Option<Compiled> {
        let kept = self.bytes()?;
        let start = current(&kept, None, &mut |_| Err(std::io::ErrorKind::NotFound.into()))?;
        Compiled::from_bytes(kept, start)
    }

    /// Removes what is kept: it was found to be damaged.
    pub fn forget(&self) {
        let _ = std::fs::remove_file(&self.file);
    }

    fn bytes(&self) -> Option<Vec<u8>> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32)
            .open(&self.file)
            .ok()?;
        let about = file.metadata().ok()?;
        let (owner, others) = match self.shared {
            true => (0, 0o022),
            false => (rustix::process::geteuid().as_raw(), 0o077),
        };
        let ours = about.uid() == owner && about.mode() & others == 0;
        if !ours || !about.is_file() || about.len() > LARGEST {
            return None;
        }
        // Nobody writes to it: a new one takes its place.
        let length = about.len() as usize;
        let mut kept = Vec::with_capacity(length + 1);
        while kept.len() < length {
            match rustix::io::read(&file, spare_capacity(&mut kept)) {
                Ok(0) => return None,
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(_) => return None,
            }
        }
        Some(kept)
    }

    /// Keeps rules, the main file first. What fails here only costs time.
    pub fn write(&self, files: &[Read], compiled: &Compiled) -> std::io::Result<()> {
        if !self.shared {
            make_private(&self.directory)?;
        }
        let mut body = Vec::new();
        for (path, bytes) in files {
            let path = path.as_os_str().as_bytes();
            let print = Print::of(bytes);
            body.extend((path.len() as u64).to_le_bytes());
            body.extend(print.length.to_le_bytes());
            body.extend(print.hash.to_le_bytes());
            body.extend(path);
        }
        let start = (HEAD + 2 * 8 + body.len()) as u64;
        let mut rest = [start, files.len() as u64].map(u64::to_le_bytes).concat();
        rest.extend(body);
        rest.extend(compiled.bytes());
        let mut head = MAGIC.to_vec();
        head.extend(BUILT_OF.to_le_bytes());
        head.extend(XxHash3_128::oneshot(&rest).to_le_bytes());
        let mut new = tempfile::Builder::new().prefix(".new-").tempfile_in(&self.directory)?;
        for part in [&head, &rest] {
            new.write_all(part)?;
        }
        if self.shared {
            new.as_file().set_permissions(Permissions::from_mode(0o644))?;
        }
        // A machine that stops now must not leave half of it.
        new.as_file().sync_all()?;
        new.persist(&self.file).map_err(|error| error.error)?;
        Ok(())
    }
}

/// Where the program starts, if all that it was made of is as it was; without
/// `main` that is not asked.
fn current(
    kept: &[u8],
    main: Option<Print>,
    look: &mut dyn FnMut(&Path) -> std::io::Result<Print>,
) -> Option<usize> {
    let rest = kept.strip_prefix(MAGIC)?;
    let (built_of, rest) = number(rest)?;
    let (sum, rest) = rest.split_first_chunk()?;
    if built_of != BUILT_OF || XxHash3_128::oneshot(rest) != u128::from_le_bytes(*sum) {
        return None;
    }
    let (start, rest) = number(rest)?;
    let (files, mut rest) = number(rest)?;
    for at in 0..files {
        let (path, length, hash);
        (path, rest) = number(rest)?;
        (length, rest) = number(rest)?;
        (hash, rest) = rest.split_first_chunk()?;
        let print = Print { length, hash: u128::from_le_bytes(*hash) };
        let (path, behind) = rest.split_at_checked(usize::try_from(path).ok()?)?;
        rest = behind;
        let same = match (main, at) {
            (None, _) => true,
            (Some(main), 0) => main == print,
            _ => {
                let path = Path::new(std::ffi::OsStr::from_bytes(path));
                look(path).is_ok_and(|now| now == print)
            }
        };
        if !same {
            return None;
        }
    }
    usize::try_from(start).ok()
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u64::from_le_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;
    use crate::rules::program::Program;

    const INCLUDED: &[u8] = b"when spam -> discard\n";

    fn no_file(_: &Path) -> Result<Print, Error> {
        Err(ErrorKind::NotFound.into())
    }

    #[test]
    fn what_is_damaged_foreign_or_of_other_rules_is_as_good_as_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::at(folder.path().join("mfilter"), Path::new("/home/x/.mailrules"), None);
        let main = Print::of(b"include \"other\"\n");
        let mut look = |path: &Path| match path.to_str() {
            Some("/other") => Ok(Print::of(INCLUDED)),
            _ => Err(ErrorKind::NotFound.into()),
        };
        assert!(kept.read(main, &mut look).is_none());
        let program = Program { files: vec!["/home/x/.mailrules".into()], ..Program::default() };
        let compiled = Compiled::new(&program).unwrap();
        let files = [
            (PathBuf::from("/home/x/.mailrules"), b"include \"other\"\n".to_vec()),
            (PathBuf::from("/other"), INCLUDED.to_vec()),
        ];
        kept.write(&files, &compiled).unwrap();
        let found = kept.read(main, &mut look).expect("what was kept");
        assert_eq!(found.bytes(), compiled.bytes());
        // Other rules, by a letter of the same length, or of what they include.
        assert!(kept.read(Print::of(b"include \"othef\"\n"), &mut look).is_none());
        assert!(kept.read(main, &mut no_file).is_none());
        assert!(kept.read(main, &mut |_| Ok(Print::of(b"when spam -> discarD\n"))).is_none());

        let whole = std::fs::read(&kept.file).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << (at % 8);
            std::fs::write(&kept.file, &damaged).unwrap();
            assert!(kept.read(main, &mut look).is_none(), "byte {at}");
            std::fs::write(&kept.file, &whole[..at]).unwrap();
            assert!(kept.read(main, &mut look).is_none(), "cut at {at}");
        }
        std::fs::write(&kept.file, &whole).unwrap();
        assert!(kept.read(main, &mut look).is_some());
        for mode in [0o620, 0o640, 0o604] {
            std::fs::set_permissions(&kept.file, Permissions::from_mode(mode)).unwrap();
            assert!(kept.read(main, &mut look).is_none(), "{mode:o}");
        }
        kept.forget();
        assert!(!kept.file.exists());
    }
}
