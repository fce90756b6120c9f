//! Finding one message again: mail readers rename files and move them from
//! folder to folder.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::{MessageSource, message_sources, walk_in_order};
use crate::log::reader::base;
use crate::maildir::name::split_info;

/// The file with this name in a folder, if it is still there, whatever flags it has now.
pub fn in_folder(path: &Path, name: &str) -> Option<PathBuf> {
    let id = split_info(name).map_or(name, |(base, _)| base);
    maildir::Maildir::from(path.to_owned()).find(id).map(|entry| entry.path().clone())
}

/// The file with this name below a path, whatever flags it has now; folders are listed,
/// and no file is opened.
pub fn by_name(path: &Path, name: &str) -> Option<PathBuf> {
    let base_name = base(name);
    let same = |path: &Path| {
        path.file_name().is_some_and(|found| base(&found.to_string_lossy()) == base_name)
    };
    message_sources([path.to_owned()]).flatten().map(|source| source.path).find(|path| same(path))
}

/// The first message below a path with this Message-ID. Reads the header of
/// each message, on all cores.
pub fn by_message_id(path: &Path, id: &str) -> Option<PathBuf> {
    let over = AtomicBool::new(false);
    let has_id = |source: MessageSource| {
        let message = source.open().ok()?;
        let ids = message.texts("Message-ID");
        ids.first().is_some_and(|known| known.text().trim() == id).then_some(source.path)
    };
    let mut found = None;
    let _ = walk_in_order(
        message_sources([path.to_owned()]),
        || (),
        |(), _, batch| {
            // Other threads continue until they learn that it was found.
            if over.load(Ordering::Relaxed) {
                return Vec::new();
            }
            batch.into_iter().flatten().map(has_id).collect()
        },
        |()| (),
        |path| {
            found = path;
            if found.is_some() {
                over.store(true, Ordering::Relaxed);
            }
            found.is_none()
        },
    );
    found
}
