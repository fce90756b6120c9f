//! Checked rules in the form in which they are evaluated, kept between runs
//! so that a delivery neither parses nor checks.
//!
//! One file for each main rule file, in `dirs::cache_dir()/mfilter`. It holds
//! the bytes of every rule file it was made of and counts only while they are
//! what the files hold now: known by content, whatever clocks say. It may be
//! removed at any time, and where it cannot be written all works, slower. Who
//! can write it can write the rules too; all the same it must be the user's
//! own, of mode 0600, intact by its checksum, and a program that is sound.
//!
//! ```text
//! magic (16 bytes), what mfilter was built of, checksum of all that follows, offset of the
//! program, number of files (u64 each, little-endian); each file: length of
//! its path, of its content, path, content; zeros up to a multiple of 16; the
//! program
//! ```

use std::fs::{OpenOptions, Permissions};
use std::hash::Hasher;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rkyv::util::AlignedVec;
use rustix::fs::OFlags;

use super::{key, make_private, own};
use crate::rules::program::Compiled;

const MAGIC: &[u8; 16] = b"mfilter rules\n\0\0";
const HEAD: usize = MAGIC.len() + 4 * 8;
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

    /// The rules, if the main file holds `bytes` and what it included is
    /// unchanged; `load` reads that. Anything else is as good as nothing.
    pub fn read(
        &self,
        bytes: &[u8],
        load: &mut dyn FnMut(&Path) -> std::io::Result<Vec<u8>>,
    ) -> Option<Compiled> {
        let kept = self.bytes()?;
        let start = current(&kept, Some(bytes), load)?;
        Compiled::from_bytes(kept, start)
    }

    /// The rules as they were kept, whatever the files hold now.
    pub fn last(&self) -> Option<Compiled> {
        let kept = self.bytes()?;
        let start = current(&kept, None, &mut |_| Err(std::io::ErrorKind::NotFound.into()))?;
        Compiled::from_bytes(kept, start)
    }

    fn bytes(&self) -> Option<AlignedVec> {
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
        let mut kept: AlignedVec = AlignedVec::with_capacity(about.len() as usize + 1);
        kept.extend_from_reader(&mut &file).ok()?;
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
            body.extend((path.len() as u64).to_le_bytes());
            body.extend((bytes.len() as u64).to_le_bytes());
            body.extend(path);
            body.extend(bytes);
        }
        body.resize((HEAD + body.len()).next_multiple_of(16) - HEAD, 0);
        let start = HEAD + body.len();
        body.extend(compiled.bytes());
        let mut head = MAGIC.to_vec();
        let rest = [start as u64, files.len() as u64].map(u64::to_le_bytes).concat();
        let sum = checksum(&[&rest, &body]);
        for number in [BUILT_OF, sum] {
            head.extend(number.to_le_bytes());
        }
        let mut new = tempfile::Builder::new().prefix(".new-").tempfile_in(&self.directory)?;
        for part in [&head, &rest, &body] {
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
    main: Option<&[u8]>,
    load: &mut dyn FnMut(&Path) -> std::io::Result<Vec<u8>>,
) -> Option<usize> {
    let rest = kept.strip_prefix(MAGIC)?;
    let (built_of, rest) = number(rest)?;
    let (sum, rest) = number(rest)?;
    if built_of != BUILT_OF || checksum(&[rest]) != sum {
        return None;
    }
    let (start, rest) = number(rest)?;
    let (files, mut rest) = number(rest)?;
    for at in 0..files {
        let (path, content);
        (path, rest) = number(rest)?;
        (content, rest) = number(rest)?;
        let (path, behind) = rest.split_at_checked(usize::try_from(path).ok()?)?;
        let (content, behind) = behind.split_at_checked(usize::try_from(content).ok()?)?;
        rest = behind;
        let same = match at {
            _ if main.is_none() => true,
            0 => main == Some(content),
            _ => {
                let path = Path::new(std::ffi::OsStr::from_bytes(path));
                load(path).is_ok_and(|now| now == content)
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

fn checksum(parts: &[&[u8]]) -> u64 {
    let mut sum = crc32fast::Hasher::new();
    for part in parts {
        sum.write(part);
    }
    sum.finish()
}
