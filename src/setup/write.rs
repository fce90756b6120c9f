//! Writing a user's file: with a backup of the old one, completely or not at all, and
//! never through a symbolic link.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::file;

/// Writes a text as a file. An existing file must still contain `before`; it is kept next
/// to the new one. Returns where.
///
/// # Errors
/// The file has changed since, or the system reports an error; then nothing is changed,
/// except that there may be a backup.
pub fn replace(path: &Path, before: Option<&str>, text: &str) -> io::Result<Option<PathBuf>> {
    let folder = path.parent().ok_or(ErrorKind::InvalidInput)?;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let backup = match before {
        Some(before) => {
            if fs::symlink_metadata(path)?.is_symlink()
                || file::read(path, 1 << 24)? != before.as_bytes()
            {
                return Err(io::Error::other("it was changed in the meantime"));
            }
            Some(file::back_up(path, before.as_bytes(), "before-mfilter")?)
        }
        None => None,
    };
    // A mail server reads it, and runs its content only if nobody else can write it.
    if backup.is_some() {
        let mode = fs::metadata(path)?.permissions().mode() & 0o755;
        file::replace(path, text.as_bytes(), mode)?;
    } else {
        file::make(path, text.as_bytes(), 0o644)?;
    }
    Ok(backup)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;

    #[test]
    fn what_existed_is_kept_and_nothing_else_is_overwritten() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(".config/x/.forward");
        assert_eq!(replace(&path, None, "one\n").unwrap(), None);
        assert!(replace(&path, None, "two\n").is_err(), "it is there");
        assert!(replace(&path, Some("other\n"), "two\n").is_err(), "it holds something else");
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\n");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path) & !0o644, 0, "no more than the umask leaves");
        fs::set_permissions(&path, Permissions::from_mode(0o660)).unwrap();
        let first = replace(&path, Some("one\n"), "two\n").unwrap().unwrap();
        assert_eq!((mode(&path), mode(&first)), (0o640, 0o640), "not for others to write");
        let second = replace(&path, Some("two\n"), "three\n").unwrap().unwrap();
        assert_eq!(fs::read_to_string(first).unwrap(), "one\n");
        assert_eq!(fs::read_to_string(&second).unwrap(), "two\n");
        assert!(second.ends_with(".forward.before-mfilter-2"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
        let elsewhere = home.path().join("link");
        std::os::unix::fs::symlink(&path, &elsewhere).unwrap();
        assert!(replace(&elsewhere, Some("three\n"), "four\n").is_err(), "a symbolic link");
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
        let names = fs::read_dir(path.parent().unwrap()).unwrap();
        assert_eq!(names.count(), 3, "nothing is left over");
    }
}
