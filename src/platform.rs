//! What not every Unix can do, and what is done instead.
//!
//! | | Linux | macOS | others |
//! |---|---|---|---|
//! | rename without replacing | renameat2(2) | renameatx_np(2) | `NOSYS`: callers have another way |
//! | a process' end as a descriptor | pidfd_open(2) | none: it is checked now and then | the same |
//! | a file in memory | memfd_create(2) | none: one in `TMPDIR` | memfd_create(2) on FreeBSD |
//! | a symbolic link as a descriptor | `O_PATH` | it is checked before and after it is read | the same |
//! | ACLs | extended attributes | unknown | unknown |
//! | whether a socket listens | `SO_ACCEPTCONN` | unknown: every socket may | `SO_ACCEPTCONN` |
//! | a process' name | prctl(2) | that of its file | the same |

use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FileType, Stat, readlinkat};
use rustix::io::Errno;
use rustix::path::Arg;
use rustix::process::Pid;

/// The ACLs of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acl {
    /// Who may use it, acl(5).
    Access,
    /// What files created in a directory get.
    Default,
}

/// A symbolic link.
pub struct SymbolicLink {
    /// Its owner's uid.
    pub owner: u32,
    /// Where it leads.
    pub target: CString,
}

/// Gives this process a name for ps(1): the program is started by a link, after which it
/// would be named.
pub fn name_process(name: &CStr) {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::set_name(name);
    #[cfg(not(target_os = "linux"))]
    let _ = name;
}

/// Renames without replacing anything.
///
/// # Errors
/// `EEXIST` if the new name is taken; `ENOSYS`, `EINVAL`, `ENOTSUP` or `EPERM` where the
/// system or the file system cannot do that in one step.
pub fn rename_noreplace(from: impl AsFd, old: &str, to: impl AsFd, new: &str) -> Result<(), Errno> {
    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    return rustix::fs::renameat_with(from, old, to, new, rustix::fs::RenameFlags::NOREPLACE);
    #[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
    {
        let _ = (from, old, to, new);
        Err(Errno::NOSYS)
    }
}

/// A descriptor that becomes readable when the child has ended; none if the system has no
/// such thing.
pub fn exit_descriptor(child: Pid) -> Option<OwnedFd> {
    #[cfg(target_os = "linux")]
    return rustix::process::pidfd_open(child, rustix::process::PidfdFlags::empty()).ok();
    #[cfg(not(target_os = "linux"))]
    {
        let _ = child;
        None
    }
}

/// A file in memory, which exec closes; none if the system has no such thing.
pub fn memory_file() -> Option<File> {
    #[cfg(any(target_os = "linux", target_os = "freebsd"))]
    {
        use rustix::fs::{MemfdFlags, memfd_create};
        memfd_create("message", MemfdFlags::CLOEXEC).ok().map(File::from)
    }
    #[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
    None
}

/// Whether a file has such an ACL; none if that cannot be found out.
pub fn has_acl(file: impl AsFd, which: Acl) -> Option<bool> {
    #[cfg(target_os = "linux")]
    {
        let name = match which {
            Acl::Access => "system.posix_acl_access",
            Acl::Default => "system.posix_acl_default",
        };
        match rustix::fs::fgetxattr(file, name, &mut [0u8; 0][..]) {
            Ok(_) => Some(true),
            Err(Errno::NODATA | Errno::NOTSUP | Errno::NOSYS) => Some(false),
            Err(_) => None,
        }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (file, which);
        None
    }
}

/// Whether clients may connect to a socket.
pub fn may_listen(socket: impl AsFd) -> bool {
    #[cfg(not(target_vendor = "apple"))]
    {
        rustix::net::sockopt::socket_acceptconn(socket).unwrap_or(false)
    }
    #[cfg(target_vendor = "apple")]
    {
        let _ = socket;
        true
    }
}

/// Reads a symbolic link and its owner: both of the same link, even if it is replaced in
/// the meantime.
///
/// # Errors
/// `ENOTDIR` if it is not a symbolic link; otherwise the system's error.
pub fn read_link(directory: impl AsFd, name: impl Arg + Copy) -> Result<SymbolicLink, Errno> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{Mode, OFlags, fstat, openat};
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let link = openat(directory, name, flags, Mode::empty())?;
        link_of(&fstat(&link)?, || readlinkat(&link, "", Vec::new()))
    }
    #[cfg(not(target_os = "linux"))]
    {
        use rustix::fs::{AtFlags, statat};
        let metadata = || statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW);
        let before = metadata()?;
        let link = link_of(&before, || readlinkat(&directory, name, Vec::new()))?;
        let after = metadata()?;
        // A link cannot be written to; a new one has another time of change.
        let what = |metadata: &Stat| {
            (metadata.st_dev, metadata.st_ino, metadata.st_ctime, metadata.st_ctime_nsec)
        };
        if what(&before) == what(&after) { Ok(link) } else { Err(Errno::AGAIN) }
    }
}

fn link_of(
    metadata: &Stat,
    target: impl FnOnce() -> Result<CString, Errno>,
) -> Result<SymbolicLink, Errno> {
    match FileType::from_raw_mode(metadata.st_mode) {
        FileType::Symlink => Ok(SymbolicLink { owner: metadata.st_uid, target: target()? }),
        _ => Err(Errno::NOTDIR),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_link_is_read_with_its_owner_and_nothing_else_is_a_link() {
        let home = tempfile::tempdir().unwrap();
        let directory = File::open(home.path()).unwrap();
        std::os::unix::fs::symlink("over/there", home.path().join("link")).unwrap();
        let link = read_link(&directory, "link").unwrap();
        assert_eq!(link.target.as_bytes(), b"over/there");
        assert_eq!(link.owner, rustix::process::geteuid().as_raw());
        fs::write(home.path().join("file"), "").unwrap();
        assert_eq!(read_link(&directory, "file").err(), Some(Errno::NOTDIR));
        assert_eq!(read_link(&directory, "none").err(), Some(Errno::NOENT));
    }

    #[test]
    fn a_rename_replaces_nothing() {
        let home = tempfile::tempdir().unwrap();
        let directory = File::open(home.path()).unwrap();
        for name in ["a", "b"] {
            fs::write(home.path().join(name), name).unwrap();
        }
        let result = rename_noreplace(&directory, "a", &directory, "b");
        assert!(result.is_err());
        assert_eq!(fs::read(home.path().join("b")).unwrap(), b"b");
        let renamed = rename_noreplace(&directory, "a", &directory, "c");
        assert_eq!(renamed.is_ok(), home.path().join("c").exists());
    }
}
