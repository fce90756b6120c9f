//! Names that are reserved if folders are next to a Maildir's own files, as in
//! the fs layout: a folder with such a name would replace a directory or a file
//! of the Maildir, of Dovecot or of Courier, or of one of their indexes.

use super::program::Layout;

/// What follows the prefix in a name as rules write it; `None` if it does not
/// have the prefix. `set` is `set folder-prefix`, without which it is `INBOX/` in
/// maildir++.
pub fn after_prefix<'n>(name: &'n str, set: Option<&str>, layout: Layout) -> Option<&'n str> {
    let prefix = match (set, layout) {
        (Some(set), _) => set,
        (None, Layout::MaildirPlusPlus) => "INBOX/",
        (None, Layout::Fs) => "",
    };
    let (first, rest) = name.split_at_checked(prefix.len())?;
    (!prefix.is_empty() && first.eq_ignore_ascii_case(prefix)).then_some(rest)
}

/// Reserved names.
const NAMES: [&str; 17] = [
    // The Maildir's, <https://cr.yp.to/proto/maildir.html>, and Maildir++'s.
    "cur",
    "new",
    "tmp",
    "maildirfolder",
    "maildirsize",
    // Dovecot's, and its indexes for search.
    "subscriptions",
    "subscriptions.lock",
    "fts-flatcurve",
    "lucene-indexes",
    "xapian-indexes",
    // Courier's.
    "maildirfilter",
    "maildirfilterconfig",
    "shared-folders",
    "shared-maildirs",
    "shared-timestamp",
    "quotawarn",
    "loginexec",
];

/// Reserved beginnings: these programs write several such files, with their
/// locks, logs and caches.
const STARTS: [&str; 10] = [
    "dovecot.",
    "dovecot-acl",
    "dovecot-attributes",
    "dovecot-keywords",
    "dovecot-shared",
    "dovecot-uid",
    "dovecot-virtual",
    "courierimap",
    "courierpop3d",
    "sqwebmail-",
];

/// Whether a name in a Maildir of the fs layout belongs to the Maildir or to a server.
pub fn is_taken(name: &str) -> bool {
    NAMES.contains(&name) || STARTS.iter().any(|start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::is_taken;

    #[test]
    fn what_servers_write_is_taken_and_lists_of_that_name_are_not() {
        for name in [
            "cur",
            "dovecot.index.log.2",
            "dovecot.list.index.log",
            "dovecot-uidlist.lock",
            "dovecot-uidvalidity.5f3a",
            "dovecot-acl-list",
            "courierimapuiddb",
            "courierpop3dsizelist",
            "maildirsize",
        ] {
            assert!(is_taken(name), "{name}");
        }
        for name in ["dovecot", "dovecot-news", "courier-users", "Inbox", "current", "maildir"] {
            assert!(!is_taken(name), "{name}");
        }
    }
}
