//! Checked rules in the form in which they are evaluated, kept between runs
//! so that a delivery neither parses nor checks.
//!
//! One file for each main rule file, in the user's [`User::cache_dir`]. It is valid only
//! while every rule file that it was made from has the same content: that is compared by
//! fingerprint ([`Fingerprint`]), not by time. It may be removed at any time, and if it cannot
//! be written everything works, only slower. Whoever can write it can write the rules,
//! too; nevertheless it must belong to the user, have mode 0600, and match its checksums.
//!
//! A delivery reads the front, and of the blocks after it those that it needs.
//!
//! ```text
//! magic (16 bytes), what mfilter was built of (u64), length of the front that
//! follows (u64) and its checksum (u128); the front: number of files, each:
//! length of its path, of its content (u64 each), hash of its content (u128),
//! path; number of blocks, each: length, checksum (u64 each); the program's
//! head; after the front its blocks. All numbers are little-endian.
//! ```

use std::fs::{File, Permissions};
use std::io::Write;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::buffer::spare_capacity;
use rustix::io::{Errno, pread};
use twox_hash::{XxHash3_64, XxHash3_128};

use super::key;
use crate::file;
use crate::rules::blocks::Blocks;
use crate::rules::compiled::CompiledProgram;
use crate::source::Fingerprint;
use crate::user::{User, make_private};

const MAGIC: &[u8; 16] = b"mfilter rules 5\n";
/// The length of what precedes the front, bytes.
const BEFORE: usize = MAGIC.len() + 2 * 8 + 16;
/// How much is read at once, bytes: everything that is kept for a few dozen rules.
const FIRST: usize = 32 << 10;
/// Stands for the fingerprint of a file that did not exist. No content is that long.
const ABSENT: Fingerprint = Fingerprint { length: u64::MAX, hash: 0 };
/// The largest file that is kept, bytes.
const LARGEST: u64 = 256 << 20;
/// A hash of what mfilter was built from (`build.rs`): rules that another build has
/// checked may mean something else.
pub(super) const BUILT_OF: u64 = match u64::from_str_radix(env!("MFILTER_BUILT_OF"), 16) {
    Ok(hash) => hash,
    Err(_) => 0,
};

/// A rule file as it was read: path and bytes; no bytes if there was no such file but one
/// would have been used.
pub type CachedRuleFile = (PathBuf, Option<Vec<u8>>);

/// When kept rules are verified to be intact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    /// All of them, before the first is used.
    AtOnce,
    /// Block by block when each is needed, so that one message reads little of many
    /// rules. A caller that uses this has to check at the end whether everything was
    /// intact.
    OnRead,
}

/// The kept rules of one main rule file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramCache {
    directory: PathBuf,
    home: Option<PathBuf>,
    file: PathBuf,
    /// Whether it is root's and readable by all users; otherwise it is the user's own.
    shared: bool,
}

impl ProgramCache {
    /// The cache for the rules of `main`; none without a home directory.
    pub fn of(main: &Path, user: &User) -> Option<ProgramCache> {
        Some(ProgramCache::at(user.cache_dir()?, main, user.home()))
    }

    /// The same in a directory of the caller's choice. `home` is part of the key, since
    /// `~/` decides what is included.
    pub fn at(directory: &Path, main: &Path, home: Option<&Path>) -> ProgramCache {
        let means = home.map_or(&b""[..], |home| home.as_os_str().as_bytes());
        let name = format!("rules-{}", key(&[main.as_os_str().as_bytes(), means]));
        let (directory, home) = (directory.to_owned(), home.map(Path::to_owned));
        ProgramCache { file: directory.join(name), directory, home, shared: false }
    }

    /// The cache for site rules: next to their file, `NAME.kept`, written by root.
    pub fn beside(main: &Path) -> ProgramCache {
        let mut name = main.as_os_str().to_owned();
        name.push(".kept");
        let directory = main.parent().unwrap_or(Path::new("")).to_owned();
        ProgramCache { file: name.into(), directory, home: None, shared: true }
    }

    /// The rules, if the main file has the fingerprint `main` and what it included is
    /// unchanged; `look` returns the current fingerprint of an included file, or none if
    /// it does not exist. Anything else counts as absent.
    pub fn read(
        &self,
        main: Fingerprint,
        proof: Verification,
        look: &mut dyn FnMut(&Path) -> std::io::Result<Option<Fingerprint>>,
    ) -> Option<CompiledProgram> {
        self.compiled(Some(main), proof, look)
    }

    /// The rules as they were kept, whatever the files contain now.
    pub fn last(&self) -> Option<CompiledProgram> {
        self.compiled(None, Verification::AtOnce, &mut |_| Err(std::io::ErrorKind::NotFound.into()))
    }

    /// Without `main` the files are not compared.
    fn compiled(
        &self,
        main: Option<Fingerprint>,
        proof: Verification,
        look: &mut dyn FnMut(&Path) -> std::io::Result<Option<Fingerprint>>,
    ) -> Option<CompiledProgram> {
        let (file, size) = self.open()?;
        let first = match proof {
            Verification::AtOnce => size,
            Verification::OnRead => size.min(FIRST),
        };
        let mut bytes = read_at(&file, 0, first)?;
        let (length, sum) = before_front(&bytes)?;
        let front = BEFORE..BEFORE.checked_add(length).filter(|end| *end <= size)?;
        if let Some(more) = front.end.checked_sub(bytes.len()) {
            bytes.append(&mut read_at(&file, bytes.len(), more)?);
        }
        let front_bytes = bytes.get(front.clone())?;
        (XxHash3_128::oneshot(front_bytes) == sum).then_some(())?;
        let rest = unchanged(front_bytes, main, look)?;
        let (places, head) = places(rest, front.end, size)?;

        let here = places.iter().map_while(|place| bytes.get(place.range()));
        let here = here.zip(&places).map(|(block, place)| place.intact(block.to_vec()));
        let here = here.collect::<Option<Vec<_>>>()?;
        let count = places.len();
        let fetch = move |number: usize| {
            let place = places.get(number)?;
            place.intact(read_at(&file, place.start, place.length)?)
        };
        CompiledProgram::from_parts(head, Blocks::new(here, count, Box::new(fetch)))
    }

    /// The file and its size, if it can be trusted.
    fn open(&self) -> Option<(File, usize)> {
        let (file, metadata) = file::open_with_metadata(&self.file, file::READ_OWN).ok()?;
        let (owner, others) = match self.shared {
            true => (0, 0o022),
            false => (rustix::process::geteuid().as_raw(), 0o077),
        };
        let ours = metadata.uid() == owner && metadata.mode() & others == 0;
        if !ours || metadata.len() > LARGEST {
            return None;
        }
        Some((file, metadata.len() as usize))
    }

    /// Forgets what was kept.
    pub fn forget(&self) {
        let _ = std::fs::remove_file(&self.file);
    }

    /// Keeps rules, the main file first. A failure here only costs time.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(
        &self,
        files: &[CachedRuleFile],
        program: &CompiledProgram,
    ) -> std::io::Result<()> {
        if !self.shared {
            make_private(&self.directory, self.home.as_deref())?;
        }
        let mut front = (files.len() as u64).to_le_bytes().to_vec();
        for (path, bytes) in files {
            let path = path.as_os_str().as_bytes();
            let print = bytes.as_deref().map_or(ABSENT, Fingerprint::of);
            front.extend((path.len() as u64).to_le_bytes());
            front.extend(print.length.to_le_bytes());
            front.extend(print.hash.to_le_bytes());
            front.extend(path);
        }
        let (head, blocks) = program.to_parts().ok_or(std::io::ErrorKind::InvalidData)?;
        front.extend((blocks.len() as u64).to_le_bytes());
        for block in &blocks {
            front.extend((block.len() as u64).to_le_bytes());
            front.extend(XxHash3_64::oneshot(block).to_le_bytes());
        }
        front.extend(head);
        let mut before = MAGIC.to_vec();
        before.extend(BUILT_OF.to_le_bytes());
        before.extend((front.len() as u64).to_le_bytes());
        before.extend(XxHash3_128::oneshot(&front).to_le_bytes());
        let mut new = tempfile::Builder::new().prefix(".new-").tempfile_in(&self.directory)?;
        new.write_all(&[before, front, blocks.concat()].concat())?;
        if self.shared {
            new.as_file().set_permissions(Permissions::from_mode(0o644))?;
        }
        // If the machine stops now, it must not leave half of the file.
        file::put_in_place(new, &self.file)
    }
}

/// Length and checksum of the front, if this build of mfilter wrote it.
fn before_front(bytes: &[u8]) -> Option<(usize, u128)> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (built_of, rest) = number(rest)?;
    let (length, rest) = number(rest)?;
    let sum = u128::from_le_bytes(*rest.first_chunk()?);
    (built_of == BUILT_OF).then_some((usize::try_from(length).ok()?, sum))
}

/// The part after the files, if all files that the program was made from are unchanged;
/// without `main` that is not checked.
fn unchanged<'f>(
    front: &'f [u8],
    main: Option<Fingerprint>,
    look: &mut dyn FnMut(&Path) -> std::io::Result<Option<Fingerprint>>,
) -> Option<&'f [u8]> {
    let (files, mut rest) = number(front)?;
    for at in 0..files {
        let (path, length, hash);
        (path, rest) = number(rest)?;
        (length, rest) = number(rest)?;
        (hash, rest) = rest.split_first_chunk()?;
        let print = Fingerprint { length, hash: u128::from_le_bytes(*hash) };
        let (path, after) = rest.split_at_checked(usize::try_from(path).ok()?)?;
        rest = after;
        let same = match (main, at) {
            (None, _) => true,
            (Some(main), 0) => main == print,
            _ => {
                let path = Path::new(std::ffi::OsStr::from_bytes(path));
                look(path).is_ok_and(|now| now.unwrap_or(ABSENT) == print)
            }
        };
        if !same {
            return None;
        }
    }
    Some(rest)
}

/// Where a block is in the file.
struct BlockExtent {
    start: usize,
    length: usize,
    sum: u64,
}

impl BlockExtent {
    fn range(&self) -> Range<usize> {
        self.start..self.start + self.length
    }

    /// The block, if it matches its checksum.
    fn intact(&self, block: Vec<u8>) -> Option<Vec<u8>> {
        (XxHash3_64::oneshot(&block) == self.sum).then_some(block)
    }
}

/// Where the blocks are, which fill the file from `start` to its end, and what follows in
/// the front.
fn places(rest: &[u8], start: usize, size: usize) -> Option<(Vec<BlockExtent>, &[u8])> {
    let (count, rest) = number(rest)?;
    let table = usize::try_from(count).ok()?.checked_mul(2 * 8)?;
    let (table, head) = rest.split_at_checked(table)?;
    let mut start = start;
    let places = table.as_chunks::<16>().0.iter().map(|entry| {
        let (length, sum) = number(entry)?;
        let length = usize::try_from(length).ok()?;
        let place = BlockExtent { start, length, sum: number(sum)?.0 };
        start = start.checked_add(length)?;
        Some(place)
    });
    let places = places.collect::<Option<_>>()?;
    (start == size).then_some((places, head))
}

/// Reads `length` bytes from `start` on. Nobody writes to the file: a new one replaces
/// it.
fn read_at(file: &File, start: usize, length: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        let at = (start + bytes.len()) as u64;
        match pread(file, spare_capacity(&mut bytes), at) {
            Ok(0) => return None,
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return None,
        }
    }
    bytes.truncate(length);
    Some(bytes)
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u64::from_le_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;
    use crate::rules::program::{Pattern, Program};

    const INCLUDED: &[u8] = b"when spam -> discard\n";

    fn no_file(_: &Path) -> Result<Option<Fingerprint>, Error> {
        Ok(None)
    }

    fn with_patterns(count: usize) -> Program {
        let pattern = |n| Pattern {
            source: format!("needle{n:030}"),
            case_sensitive: false,
            literals: Vec::new(),
        };
        Program {
            files: vec!["/home/x/.mailrules".into()],
            patterns: (0..count).map(pattern).collect(),
            ..Program::default()
        }
    }

    #[test]
    fn only_the_rules_that_a_message_meets_are_read_and_proven() {
        let folder = tempfile::tempdir().unwrap();
        let main = Fingerprint::of(b"x");
        let compiled = CompiledProgram::new(with_patterns(2000));
        let cache =
            ProgramCache::at(&folder.path().join("mfilter"), Path::new("/home/x/.mailrules"), None);
        let read = |proof| cache.read(main, proof, &mut no_file);
        cache.write(&[("x".into(), Some(b"x".to_vec()))], &compiled).unwrap();
        let whole = std::fs::read(&cache.file).unwrap();
        assert!(whole.len() > 2 * FIRST);
        for proof in [Verification::AtOnce, Verification::OnRead] {
            let all = read(proof).unwrap();
            assert_eq!(all.to_parts(), compiled.to_parts());
        }
        for at in [whole.len() - 1, whole.len() / 2] {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            std::fs::write(&cache.file, &damaged).unwrap();
            assert!(read(Verification::AtOnce).is_none());
            let program = read(Verification::OnRead).expect("the front is as it was");
            assert!(program.pattern(0).is_some() && !program.is_damaged());
            let lost = (0..2000).filter(|number| program.pattern(*number).is_none());
            assert!((1..=64).contains(&lost.count()), "byte {at}");
            assert!(program.is_damaged());
        }
        std::fs::write(&cache.file, &whole[..whole.len() - 1]).unwrap();
        assert!(read(Verification::OnRead).is_none());
    }

    #[test]
    fn what_is_damaged_foreign_or_of_other_rules_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let cache =
            ProgramCache::at(&folder.path().join("mfilter"), Path::new("/home/x/.mailrules"), None);
        let main = Fingerprint::of(b"include \"other\"\n");
        let mut look = |path: &Path| match path.to_str() {
            Some("/other") => Ok(Some(Fingerprint::of(INCLUDED))),
            Some("/absent") => Ok(None),
            _ => Err(ErrorKind::NotFound.into()),
        };
        assert!(cache.read(main, Verification::OnRead, &mut look).is_none());
        let compiled = CompiledProgram::new(with_patterns(3));
        let files = [
            (PathBuf::from("/home/x/.mailrules"), Some(b"include \"other\"\n".to_vec())),
            (PathBuf::from("/other"), Some(INCLUDED.to_vec())),
            (PathBuf::from("/absent"), None),
        ];
        cache.write(&files, &compiled).unwrap();
        let found = cache.read(main, Verification::OnRead, &mut look).expect("what was cache");
        assert_eq!(found.to_parts(), compiled.to_parts());
        // Other rules of the same length, or other content of what they include.
        assert!(
            cache
                .read(Fingerprint::of(b"include \"othef\"\n"), Verification::OnRead, &mut look)
                .is_none()
        );
        assert!(cache.read(main, Verification::OnRead, &mut no_file).is_none());
        let mut other = |_: &Path| Ok(Some(Fingerprint::of(b"when spam -> discarD\n")));
        assert!(cache.read(main, Verification::OnRead, &mut other).is_none());
        let mut appeared = |path: &Path| match path.to_str() {
            Some("/absent") => Ok(Some(Fingerprint::of(b""))),
            _ => look(path),
        };
        assert!(
            cache.read(main, Verification::OnRead, &mut appeared).is_none(),
            "what was not there is"
        );

        let whole = std::fs::read(&cache.file).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << (at % 8);
            std::fs::write(&cache.file, &damaged).unwrap();
            assert!(cache.read(main, Verification::OnRead, &mut look).is_none(), "byte {at}");
            std::fs::write(&cache.file, &whole[..at]).unwrap();
            assert!(cache.read(main, Verification::OnRead, &mut look).is_none(), "cut at {at}");
        }
        std::fs::write(&cache.file, &whole).unwrap();
        assert!(cache.read(main, Verification::OnRead, &mut look).is_some());
        for mode in [0o620, 0o640, 0o604] {
            std::fs::set_permissions(&cache.file, Permissions::from_mode(mode)).unwrap();
            assert!(cache.read(main, Verification::OnRead, &mut look).is_none(), "{mode:o}");
        }
    }
}
