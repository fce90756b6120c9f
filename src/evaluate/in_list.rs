//! `in NAME`: whether a list contains a value.

use std::io::ErrorKind;
use std::path::Path;

use super::condition::Conditions;
use super::field_value::{FieldValue, Values};
use crate::file::Bounds;
use crate::rules::address_list::AddressList;
use crate::rules::program::Entries;

impl<'a> Conditions<'a> {
    /// The first value that a list contains.
    pub(super) fn first_in<'v>(
        &self,
        values: &'v Values<'a>,
        list: u32,
    ) -> Result<Option<&'v FieldValue<'a>>, String> {
        let cell = self.inline.get(list as usize).ok_or_else(|| self.damaged())?;
        let declared = self.program.list(list).ok_or_else(|| self.damaged())?;
        let read;
        let list = match &declared.entries {
            Entries::Inline(entries) => cell.get_or_init(|| {
                AddressList::from_entries(entries.iter().map(|entry| entry.as_str()))
            }),
            Entries::File(path) => {
                let of_user = path.starts_with("~/") && !self.program.categories.is_empty();
                let file = self.program.file(declared.span);
                let file_path = self.world.path(path, file.as_ref());
                let bounds = self.bounds(path);
                if declared.grows && is_missing(bounds, &file_path) {
                    // A rule adds to this list: until it does, the list is empty.
                    return Ok(None);
                }
                let is_absent = |error: std::io::Error| error.kind() == ErrorKind::NotFound;
                if of_user && bounds.metadata(&file_path).is_err_and(is_absent) {
                    // Site rules use a list that this user does not keep.
                    return Ok(None);
                }
                read = self.world.list(&file_path, bounds)?;
                &*read
            }
            Entries::Cards(path) => {
                let file = self.program.file(declared.span);
                let people = self.world.contacts(&self.world.path(path, file.as_ref()))?;
                return Ok(values.iter().find(|value| value.is_in(&people.list)));
            }
            entries @ (Entries::Sent(_) | Entries::Senders(_)) => {
                let (folder, side) = entries.folder().ok_or_else(|| self.damaged())?;
                let sent = self.world.sent(folder, side)?;
                let is_in = |value: &&FieldValue| sent.lists.iter().any(|list| value.is_in(list));
                let found = values.iter().find(is_in);
                return match (&found, &sent.incomplete) {
                    (None, Some(why)) => Err(why.clone()),
                    _ => Ok(found),
                };
            }
        };
        Ok(values.iter().find(|value| value.is_in(list)))
    }
}

/// Whether the file certainly does not exist: if that cannot be determined, it is
/// an error.
fn is_missing(bounds: &Bounds, path: &Path) -> bool {
    let found = match bounds.directory() {
        None => std::fs::symlink_metadata(path),
        Some(_) => bounds.metadata(path),
    };
    found.is_err_and(|error| error.kind() == ErrorKind::NotFound)
}
