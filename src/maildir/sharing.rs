//! Who else may use what is created in a Maildir: nobody, or with `set shared on` whoever
//! may use the directory that contains it.
//!
//! A default ACL (acl(5)) of that directory is inherited by the new file or directory;
//! the system does that if it is created with a mode for the group. Otherwise a
//! set-group-id directory passes on its group, which the system also does, and its
//! permissions for the group, which is done here. Other directories share nothing.

use std::os::fd::AsFd;

use rustix::fs::{AtFlags, Mode, chmodat, fchmod, fstat};
use rustix::io::Errno;
use rustix::path::Arg;

use crate::platform::{Acl, has_acl};

const PRIVATE_DIR: Mode = Mode::RWXU;
const PRIVATE_FILE: Mode = Mode::RUSR.union(Mode::WUSR);

/// Whether what is created is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sharing {
    /// 0700 and 0600.
    #[default]
    Private,
    /// Shared like the directory above.
    Shared,
}

impl Sharing {
    /// The mode with which a directory is created; see [`Sharing::set_directory_mode`].
    pub(super) fn directory_mode(self) -> Mode {
        match self {
            Sharing::Private => PRIVATE_DIR,
            Sharing::Shared => PRIVATE_DIR | Mode::RWXG,
        }
    }

    /// The mode with which a file is created; see [`Sharing::set_file_mode`].
    pub(super) fn file_mode(self) -> Mode {
        match self {
            Sharing::Private => PRIVATE_FILE,
            Sharing::Shared => PRIVATE_FILE | Mode::RGRP | Mode::WGRP,
        }
    }

    /// Sets the mode of a file just created in `parent`, unless it has that mode already,
    /// as nearly always: to set it again would dirty its inode. Not all file systems can do
    /// that.
    pub(super) fn set_file_mode(self, parent: impl AsFd, file: impl AsFd) {
        let mode = match self {
            Sharing::Private => Some(PRIVATE_FILE),
            Sharing::Shared => group_of(parent)
                .map(|group| PRIVATE_FILE | group.intersection(Mode::RGRP | Mode::WGRP)),
        };
        if let Some(mode) = mode
            && mode_of(&file) != Some(mode)
        {
            let _ = fchmod(file, mode);
        }
    }

    /// Sets the mode of a directory just created in `parent`.
    pub(super) fn set_directory_mode(
        self,
        parent: impl AsFd,
        name: impl Arg + Copy,
    ) -> Result<(), Errno> {
        let group = match self {
            Sharing::Private => None,
            Sharing::Shared => group_of(&parent),
        };
        match group {
            Some(group) => {
                let mode = PRIVATE_DIR | group | Mode::SGID;
                chmodat(&parent, name, mode, AtFlags::empty())
            }
            None => Ok(()),
        }
    }
}

fn mode_of(file: impl AsFd) -> Option<Mode> {
    Some(Mode::from_raw_mode(fstat(file).ok()?.st_mode))
}

/// The group permissions of a set-group-id directory without a default ACL.
fn group_of(directory: impl AsFd) -> Option<Mode> {
    let mode = mode_of(&directory)?;
    let has_acl = has_acl(&directory, Acl::Default) == Some(true);
    (mode.contains(Mode::SGID) && !has_acl).then(|| mode.intersection(Mode::RWXG))
}
