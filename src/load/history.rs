//! The rules as they were at a moment in the past.

use std::io::ErrorKind;
use std::path::Path;

use super::check_bytes_with;
use super::script::from_texts;
use crate::rules::compiled::CompiledProgram;
use crate::rules::script::ScriptRequest;
use crate::source::Sources;
use crate::state::StateDir;
use crate::state::history::{self, Version};
use crate::user::User;

/// Rules that were in force.
pub struct EarlierRules {
    /// When they came into force, milliseconds since 1970.
    pub since: i64,
    /// How many versions came after them.
    pub later: usize,
    /// Their text.
    pub sources: Sources,
    /// The program.
    pub compiled: CompiledProgram,
}

/// Records that these rules, which have no mistake, are in force from now on, if they
/// were not before; for commands that use rules they have checked.
pub fn note(state: &StateDir, sources: &Sources) {
    let files = sources.files();
    let texts: Vec<_> = files.iter().map(|file| (file.path.clone(), file.text.as_str())).collect();
    if let Some((main, _)) = texts.first() {
        // Without it, only `why` knows less.
        let _ = history::remember(state, main, &texts);
    }
}

/// The known versions of a main rule file.
pub struct History<'s> {
    state: &'s StateDir,
    user: &'s User,
    versions: Vec<Version>,
}

impl<'s> History<'s> {
    /// The versions of `main`.
    pub fn of(state: &'s StateDir, main: &Path, user: &'s User) -> History<'s> {
        let mut versions = history::versions(state, main);
        if versions.is_empty()
            && let Ok(main) = std::path::absolute(main)
        {
            versions = history::versions(state, &main);
        }
        History { state, user, versions }
    }

    /// The number of the version that was in force at `moment`, milliseconds since 1970;
    /// none before the first one.
    pub fn at(&self, moment: i64) -> Option<usize> {
        self.versions.partition_point(|version| version.since <= moment).checked_sub(1)
    }

    /// The number of the last version.
    pub fn last(&self) -> Option<usize> {
        self.versions.len().checked_sub(1)
    }

    /// A version, checked again; none if its file is damaged or this version of mfilter
    /// finds a mistake in it.
    pub fn read(&self, number: usize) -> Option<EarlierRules> {
        let version = self.versions.get(number)?;
        let files = history::read(self.state, version)?;
        let (main, text) = files.first()?;
        let mut load = |path: &Path| {
            let file = files.iter().find(|(known, _)| known == path);
            file.map(|(_, text)| text.clone().into_bytes()).ok_or(ErrorKind::NotFound.into())
        };
        let script = &mut |request: &ScriptRequest<'_>| from_texts(request, &files);
        let (sources, checked) =
            check_bytes_with(main, text.as_bytes(), self.user, &mut load, script);
        let compiled = CompiledProgram::new(checked.program?);
        let later = self.versions.len() - number - 1;
        Some(EarlierRules { since: version.since, later, sources, compiled })
    }
}
