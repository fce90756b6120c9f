//! Whether a group is a user's own: half of the distributions give each user a private
//! group and the umask 002, so that every file of theirs is writable by that group. The
//! system's files are read directly, since a static program has no NSS; a group that they
//! do not fully describe is not private.

use std::path::Path;

use crate::file;
use crate::platform::{Acl, has_acl};

/// The system's groups.
const GROUP: &str = "/etc/group";
/// The system's users.
const PASSWD: &str = "/etc/passwd";
/// How much of a file is read, bytes.
const LARGEST: u64 = 16 << 20;

/// Whether nobody but the user (and root, who may do anything) is in the group of a file,
/// and no access ACL lets others write to it.
pub(super) fn is_private(file: &std::fs::File, gid: u32, uid: u32) -> bool {
    // With an ACL, the group bits are the mask for all entries.
    let no_acl = has_acl(file, Acl::Access) == Some(false);
    let read = |path: &str| file::read(Path::new(path), LARGEST).unwrap_or_default();
    no_acl && is_own(gid, uid, &read(GROUP), &read(PASSWD))
}

/// The same, given the content of both files (group(5), passwd(5)).
fn is_own(gid: u32, uid: u32, groups: &[u8], users: &[u8]) -> bool {
    let (groups, users) = (String::from_utf8_lossy(groups), String::from_utf8_lossy(users));
    let number = |text: Option<&&str>| text.and_then(|text| text.parse::<u32>().ok());
    let users: Vec<Vec<&str>> = users.lines().map(|line| line.split(':').collect()).collect();
    // If the user comes from a directory service, other members may, too.
    if !users.iter().any(|user| number(user.get(2)) == Some(uid)) {
        return false;
    }
    let is_user = |id: Option<u32>| id == Some(uid) || id == Some(0);
    let has_primary = |user: &&Vec<&str>| number(user.get(3)) == Some(gid);
    if !users.iter().filter(has_primary).all(|user| is_user(number(user.get(2)))) {
        return false;
    }
    let named = |name: &str| {
        users.iter().find(|user| user.first() == Some(&name)).and_then(|user| number(user.get(2)))
    };
    let mut found = false;
    for line in groups.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        if number(fields.get(2)) != Some(gid) {
            continue;
        }
        found = true;
        let members = fields.get(3).copied().unwrap_or_default();
        let mut members = members.split(',').map(str::trim).filter(|name| !name.is_empty());
        if !members.all(|name| is_user(named(name))) {
            return false;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::is_own;

    const USERS: &str = "root:x:0:0::/root:/bin/sh\nhana:x:1000:1000::/home/hana:/bin/sh\n\
                         taro:x:1001:1001::/home/taro:/bin/sh\nhana2:x:1000:1000::/h:/bin/sh\n\
                         jiro:x:1002:100::/home/jiro:/bin/sh\nsabu:x:1003:100::/h:/bin/sh\n";

    fn own(gid: u32, uid: u32, groups: &str) -> bool {
        is_own(gid, uid, groups.as_bytes(), USERS.as_bytes())
    }

    #[test]
    fn a_group_whose_only_member_is_the_user() {
        assert!(own(1000, 1000, "root:x:0:\nhana:x:1000:\n"));
        assert!(own(1000, 1000, "hana:x:1000:hana,hana2,root\n"));
        assert!(own(50, 1000, "staff:x:50:hana\n"), "whatever it is called");
        assert!(own(0, 0, "root:x:0:\n"));
    }

    #[test]
    fn every_other_group() {
        for groups in [
            "hana:x:1000:taro\n",
            "hana:x:1000:hana,taro\n",
            "hana:x:1000:\nagain:x:1000:taro\n",
            "hana:x:1000:stranger\n",
            "taro:x:1001:\n",
            "hana:x:10000:\n",
            "",
            ":::\n",
        ] {
            assert!(!own(1000, 1000, groups), "{groups}");
        }
        assert!(!own(100, 1002, "users:x:100:\n"), "another user's primary group");
        assert!(!own(1001, 1000, "taro:x:1001:hana\n"), "another user's own");
        assert!(!own(2000, 2000, "ldap:x:2000:\n"), "a user who is not in passwd");
    }
}
