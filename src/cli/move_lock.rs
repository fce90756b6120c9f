//! The exclusive right to move the messages of a Maildir, so that no command reads what
//! another one has half done.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::state::lock_file::LockFile;
use crate::state::{StateDir, sort_journal};

/// How long a command waits for another command to end.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// Claims a Maildir.
///
/// # Errors
/// Another command has it, or the state cannot be written.
pub(super) fn lock_moves(state: &StateDir, maildir: &Path) -> Result<LockFile, String> {
    match sort_journal::claim(state, maildir, Instant::now() + LOCK_TIMEOUT) {
        Ok(Some(lock)) => Ok(lock),
        Ok(None) => Err(format!(
            "another mfilter is moving mail in `{}`; try again when it is done",
            maildir.display()
        )),
        Err(error) => Err(format!("cannot write to {}: {error}", state.path().display())),
    }
}

/// [`lock_moves`], except for a dry run, which moves nothing.
pub(super) fn lock_moves_unless_dry(
    state: &StateDir,
    maildir: &Path,
    dry_run: bool,
) -> Result<Option<LockFile>, String> {
    (!dry_run).then(|| lock_moves(state, maildir)).transpose()
}
