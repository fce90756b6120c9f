//! Which folders there are, as far as rules may ask.

use super::World;
use crate::maildir::Location;
use crate::plan::Folder;
use crate::source::ReadError;

/// Where the user's folders are.
#[derive(Debug, Clone, Default)]
pub enum FolderSource {
    /// Nothing says where.
    #[default]
    Unknown,
    /// In another store, which is not asked.
    OtherStore,
    /// In a Maildir.
    Maildir(Location),
}

impl World {
    /// Whether a folder exists at this moment; the inbox always does.
    ///
    /// # Errors
    /// Why that cannot be determined, for the trace.
    pub fn folder_exists(&self, folder: &Folder) -> Result<bool, String> {
        let location = match &self.folders {
            _ if folder.parts.is_empty() => return Ok(true),
            FolderSource::Unknown => return Err("no Maildir is read here".into()),
            FolderSource::OtherStore => {
                return Err("the mail goes to another store, whose folders are not known".into());
            }
            FolderSource::Maildir(location) => location,
        };
        location.has_folder(folder).map_err(|failure| {
            let why = format!("whether there is a folder `{folder}` is not known: {failure}");
            let error = ReadError::Io(failure.error);
            if error.is_missing() {
                // The home: its disk is not mounted yet.
                let _ = self.known.temporary_failure.set(why.clone());
            }
            self.not_read(why, &error)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::program::Layout;

    #[test]
    fn what_cannot_be_looked_at_is_unknown() {
        let mut world = World::default();
        let (inbox, other) = (Folder::default(), Folder::named("A"));
        for source in [FolderSource::Unknown, FolderSource::OtherStore] {
            world.folders = source;
            assert_eq!(world.folder_exists(&inbox), Ok(true));
            assert!(world.folder_exists(&other).is_err());
        }
        assert_eq!((world.temporary_failure(), world.unread()), (None, None));
        let home = tempfile::tempdir().unwrap();
        let mut location = Location::new(home.path().join("a/m"), Layout::Fs, None);
        location.home = Some(home.path().join("a"));
        world.folders = FolderSource::Maildir(location.clone());
        let why = world.folder_exists(&other).unwrap_err();
        assert!(why.starts_with("whether there is a folder `A` is not known"), "{why}");
        // Its disk may be there later.
        assert_eq!(world.temporary_failure(), Some(why.as_str()));
        location.home = Some(home.path().to_owned());
        world.folders = FolderSource::Maildir(location);
        assert_eq!(world.folder_exists(&other), Ok(false));
    }
}
