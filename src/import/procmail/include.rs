//! Files that a procmailrc includes, or goes on with: `INCLUDERC` and `SWITCHRC`.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::context::RecipeLowering;
use super::dependence::Dependence;
use super::read::read;
use crate::import::ir::{Effect, Fidelity, Unit};
use crate::import::{source_file, unreadable};
use crate::source::Span;

/// Files that are included more deeply than this are not read.
const MAX_INCLUDES: usize = 16;

impl RecipeLowering<'_> {
    /// `SWITCHRC=file`: what comes after it in this file is not read. `SWITCHRC` without
    /// a value ends the file.
    pub(super) fn switch(
        &mut self,
        span: Span,
        path: Result<Option<String>, String>,
        before: &mut Dependence,
    ) -> Vec<Unit> {
        let is_included = self.around.len() > 1;
        if self.depth > 0 && is_included {
            let why = "SWITCHRC under a condition leaves the included file";
            return vec![Unit { would_end: true, ..Unit::not(span, why) }];
        }
        let mut units = match self.read_included(path, before) {
            Ok(units) => units,
            Err(fidelity) => return vec![self.unread(span, fidelity)],
        };
        // After an included file, the including one goes on.
        self.switched = is_included;
        if !is_included {
            let effects = vec![Effect::Stop];
            units.push(Unit { effects, falls_through: false, count: 0, ..Unit::new(span) });
        }
        units
    }

    pub(super) fn include(
        &mut self,
        span: Span,
        path: Result<Option<String>, String>,
        before: &mut Dependence,
    ) -> Vec<Unit> {
        match self.read_included(path, before) {
            Ok(units) => units,
            Err(fidelity) => vec![self.unread(span, fidelity)],
        }
    }

    /// A file that is not read.
    fn unread(&mut self, span: Span, fidelity: Fidelity) -> Unit {
        self.variables.maybe_set = true;
        Unit { fidelity, would_end: true, ..Unit::new(span) }
    }

    /// The units of a file.
    fn read_included(
        &mut self,
        path: Result<Option<String>, String>,
        before: &mut Dependence,
    ) -> Result<Vec<Unit>, Fidelity> {
        let not = |why: String| Fidelity::NotTranslated(why);
        let unset = self.variables.maybe_set;
        let written = path.map_err(|why| match unset {
            true => Fidelity::Approximate(format!("the file is left out: {why}")),
            false => not(why),
        })?;
        let written =
            written.ok_or_else(|| not("the name of the file comes from the message".into()))?;
        if written.is_empty() || written == "/dev/null" {
            return Ok(Vec::new());
        }
        let base = self.around.first().and_then(|path| path.parent()).unwrap_or(Path::new(""));
        let path = match written.strip_prefix("~/") {
            Some(rest) => base.join(rest),
            None if written.starts_with('/') => PathBuf::from(&written),
            None => base.join(&written),
        };
        if self.around.contains(&path) {
            return Err(not(format!("`{written}` includes itself")));
        }
        if self.around.len() > MAX_INCLUDES {
            return Err(not("files include one another too deeply".into()));
        }
        let bytes = (self.load)(&path).map_err(|error| match error.kind() {
            // procmail says so in its log.
            ErrorKind::NotFound => Fidelity::Approximate(format!(
                "there is no file `{}`, and procmail goes on without it; put it there and \
                 import again",
                path.display()
            )),
            _ => not(unreadable(&format!("`{written}`"), &path, &error)),
        })?;
        let file = source_file(&path, &bytes, &mut self.draft);
        let number = self.sources.files().len() as u32;
        self.sources.add(file.clone());
        let nodes = read(number, &file);
        self.collect(&nodes);
        self.around.push(path);
        let depth = std::mem::take(&mut self.depth);
        let units = self.nodes(&nodes, before);
        self.depth = depth;
        self.around.pop();
        Ok(units)
    }
}
