//! The last version of the rules that had no mistake: it stays in use when
//! an edit breaks them.
//!
//! One file for each main rule file, `last-good-KEY.rules`, which people can read, too:
//!
//! ```text
//! mfilter last good rules, version 1
//! file 25 /home/taro/.mailrules
//! include "lists.mailrules"
//! file 13 /home/taro/lists.mailrules
//! …
//! end 4fd2…
//! ```
//!
//! The number is the length of the text that follows the line, in bytes; the text is
//! followed by a line end that is not counted. Bytes of a path that are controls, `\` or
//! not UTF-8 are written `\xHH`. The last line contains the SHA-256 of everything before
//! it. A file in any other form is set aside as `last-good-KEY.damaged` and counts as
//! absent; one of another version counts as absent, too.

use std::ffi::OsString;
use std::fmt::Write;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{StateDir, key, remove};
use crate::text::{hex, hex_byte};

const HEAD: &str = "mfilter last good rules, version ";
const VERSION: &str = "1";
/// The largest set of rules that is kept, bytes.
const MAX: u64 = 64 << 20;

/// The last valid rules: path and text of each file, the main one first.
/// `None` if none are known. `main` should be absolute.
pub fn read(state: &StateDir, main: &Path) -> Option<Vec<(PathBuf, String)>> {
    let name = file_name(main);
    let bytes = state.read(&name, MAX)?;
    let text = String::from_utf8(bytes).ok();
    match text.as_deref().map(decode) {
        Some(DecodedRules::Files(files)) => Some(files),
        Some(DecodedRules::OtherVersion) => None,
        Some(DecodedRules::Damaged) | None => {
            state.set_aside(&name);
            None
        }
    }
}

/// Keeps rules as the last valid ones; true if they were written, false if they are known
/// already (which requires reading the known ones), or too large. Then none are known.
///
/// # Errors
/// The state directory cannot be written: others may still be known.
pub fn remember(state: &StateDir, main: &Path, files: &[(PathBuf, &str)]) -> io::Result<bool> {
    let name = file_name(main);
    let text = encode(files);
    if text.len() as u64 > MAX {
        return remove(&state.path().join(&name)).map(|()| false);
    }
    let metadata = std::fs::symlink_metadata(state.path().join(&name));
    if metadata.is_ok_and(|metadata| metadata.len() == text.len() as u64)
        && state.read(&name, MAX).is_some_and(|known| known == text.as_bytes())
    {
        return Ok(false);
    }
    state.replace(&name, text.as_bytes())?;
    Ok(true)
}

/// Forgets the last valid rules.
pub fn forget(state: &StateDir, main: &Path) {
    let _ = std::fs::remove_file(state.path().join(file_name(main)));
}

fn file_name(main: &Path) -> String {
    format!("last-good-{}.rules", key(&[main.as_os_str().as_bytes()]))
}

pub(super) fn encode(files: &[(PathBuf, &str)]) -> String {
    let mut out = format!("{HEAD}{VERSION}\n");
    for (path, text) in files {
        let _ = writeln!(out, "file {} {}", text.len(), escape(path));
        out.push_str(text);
        out.push('\n');
    }
    let sum = hex(&Sha256::digest(out.as_bytes()));
    let _ = writeln!(out, "end {sum}");
    out
}

pub(super) enum DecodedRules {
    Files(Vec<(PathBuf, String)>),
    OtherVersion,
    Damaged,
}

pub(super) fn decode(text: &str) -> DecodedRules {
    match text.strip_prefix(HEAD).and_then(|rest| rest.split_once('\n')) {
        Some((VERSION, body)) => {
            decode_files(text, body).map_or(DecodedRules::Damaged, DecodedRules::Files)
        }
        Some((version, _)) if version.bytes().all(|byte| byte.is_ascii_digit()) => {
            DecodedRules::OtherVersion
        }
        _ => DecodedRules::Damaged,
    }
}

/// `body` is what follows the first line of `all`.
fn decode_files(all: &str, mut body: &str) -> Option<Vec<(PathBuf, String)>> {
    let mut files = Vec::new();
    loop {
        let (line, rest) = body.split_once('\n')?;
        if let Some(sum) = line.strip_prefix("end ") {
            let summed = all.len() - body.len();
            let good = rest.is_empty() && sum == hex(&Sha256::digest(all.get(..summed)?));
            return (good && !files.is_empty()).then_some(files);
        }
        let (length, path) = line.strip_prefix("file ")?.split_once(' ')?;
        let length: usize = length.parse().ok()?;
        files.push((unescape(path)?, rest.get(..length)?.to_string()));
        body = rest.get(length..)?.strip_prefix('\n')?;
    }
}

fn escape(path: &Path) -> String {
    let mut out = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() || character == '\\' {
                let mut bytes = [0; 4];
                for byte in character.encode_utf8(&mut bytes).bytes() {
                    let _ = write!(out, "\\x{byte:02x}");
                }
            } else {
                out.push(character);
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

fn unescape(text: &str) -> Option<PathBuf> {
    let mut parts = text.split('\\');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let rest = part.strip_prefix('x')?;
        let [high, low, ..] = rest.as_bytes() else { return None };
        bytes.push(hex_byte(*high, *low)?);
        bytes.extend_from_slice(rest.get(2..)?.as_bytes());
    }
    Some(OsString::from_vec(bytes).into())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn files() -> Vec<(PathBuf, &'static str)> {
        vec![
            ("/home/太郎/.mailrules".into(), "include \"x\"\nend 0\nfile 3 a\n"),
            (OsString::from_vec(b"/home/\xff\n\\x/x".to_vec()).into(), ""),
        ]
    }

    #[test]
    fn what_was_remembered_is_read_back() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path().join("mfilter"));
        let main = Path::new("/home/太郎/.mailrules");
        assert_eq!(read(&state, main), None);
        assert!(remember(&state, main, &files()).unwrap());
        assert!(!remember(&state, main, &files()).unwrap(), "unchanged is not written");
        let wanted: Vec<_> = files().into_iter().map(|(p, t)| (p, t.to_string())).collect();
        assert_eq!(read(&state, main), Some(wanted));
        assert_eq!(read(&state, Path::new("/other")), None, "each main file has its own");
        assert!(remember(&state, main, &[(main.into(), "inbox")]).unwrap());
        assert_eq!(read(&state, main), Some(vec![(main.into(), "inbox".into())]));
    }

    #[test]
    fn every_damage_is_noticed_and_set_aside() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path());
        let main = Path::new("/m");
        let good = encode(&files());
        for at in 0..good.len() {
            let mut bad = good.clone().into_bytes();
            bad[at] ^= 1;
            fs::write(home.path().join(file_name(main)), &bad).unwrap();
            assert_eq!(read(&state, main), None, "byte {at}");
        }
        for at in 0..good.len() {
            fs::write(home.path().join(file_name(main)), &good.as_bytes()[..at]).unwrap();
            assert_eq!(read(&state, main), None, "cut at {at}");
        }
        let aside: Vec<_> = fs::read_dir(home.path()).unwrap().map(|e| e.unwrap().path()).collect();
        assert!(aside.len() == 1 && aside[0].extension().unwrap() == "damaged", "{aside:?}");
    }

    #[test]
    fn a_newer_version_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path());
        let main = Path::new("/m");
        let path = home.path().join(file_name(main));
        fs::write(&path, "mfilter last good rules, version 2\n?").unwrap();
        assert_eq!(read(&state, main), None);
        assert!(path.exists());
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_an_error_and_no_more() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("file"), "").unwrap();
        let state = StateDir::at(home.path().join("file/mfilter"));
        assert!(remember(&state, Path::new("/m"), &files()).is_err());
        assert_eq!(read(&state, Path::new("/m")), None);
    }
}
