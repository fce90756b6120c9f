//! Which message is asked about, and what the log has about it.

use std::path::{Path, PathBuf};

use super::WhyArgs;
use crate::file;
use crate::log::Log;
use crate::log::reader::{self, LogLine};
use crate::mailbox::search;
use crate::maildir::Location;
use crate::message::Message;
use crate::plan::Folder;
use crate::source::reason;
use crate::text::escape;

/// Words for how a message ended.
const ENDS: [&str; 8] =
    ["delivered", "moved", "discarded", "refused", "deferred", "piped", "forwarded", "copied"];

/// What is asked for.
pub(super) struct Query {
    /// The given file.
    pub(super) file: Option<PathBuf>,
    /// The Message-ID, or that of the given file; may be empty.
    pub(super) id: String,
}

impl Query {
    pub(super) fn of(call: &WhyArgs) -> Result<Query, String> {
        let path = PathBuf::from(&call.message);
        let text = call.message.to_string_lossy();
        if path.is_file() {
            let message = message_in(&path)?;
            let ids = message.texts("Message-ID");
            let id = ids.first().map_or("", |id| id.text().trim()).to_owned();
            return Ok(Query { file: Some(path), id });
        }
        if !text.contains('@') && (text.contains('/') || path.exists()) {
            return Err(format!("there is no file `{}`", escape(&text)));
        }
        let id = text.trim().trim_start_matches('<').trim_end_matches('>');
        Ok(Query { file: None, id: format!("<{id}>") })
    }

    pub(super) fn id_or_file(&self) -> String {
        match &self.file {
            Some(file) => escape(&file.display().to_string()),
            None => escape(&self.id),
        }
    }

    fn name(&self) -> Option<String> {
        Some(self.file.as_ref()?.file_name()?.to_string_lossy().into_owned())
    }

    pub(super) fn concerns(&self, line: &LogLine) -> bool {
        line.is_about(&self.id) || self.name().is_some_and(|name| line.is_of_file(&name))
    }

    /// The line that says how the message got to where it is: the last one about its
    /// file, or otherwise the last one that says how it ended.
    pub(super) fn decisive<'l>(&self, lines: &'l [LogLine]) -> Option<&'l LogLine> {
        let name = self.name();
        let of_file = |line: &&LogLine| name.as_ref().is_some_and(|name| line.is_of_file(name));
        let ends = |line: &&LogLine| ENDS.contains(&line.word.as_str());
        let last = |test: &dyn Fn(&&LogLine) -> bool| lines.iter().rev().find(test);
        last(&of_file).or_else(|| last(&ends)).or_else(|| lines.last())
    }

    /// Where the message is now.
    pub(super) fn find(&self, lines: &[LogLine], location: &Location) -> Option<PathBuf> {
        if let Some(file) = &self.file {
            return Some(file.clone());
        }
        let mut stored: Vec<(&str, &str)> = lines
            .iter()
            .rev()
            .filter_map(|line| Some((line.get("folder")?, line.get("file")?)))
            .collect();
        // A copy in another folder is not the message itself.
        stored.sort_by_key(|(_, file)| {
            lines.iter().all(|line| line.get("file") != Some(file) || line.word == "copied")
        });
        let in_folder = |(folder, file): &(&str, &str)| {
            search::in_folder(&location.folder_path(&Folder::named(folder)), file)
        };
        stored
            .iter()
            .find_map(in_folder)
            .or_else(|| stored.iter().find_map(|(_, file)| search::by_name(&location.path, file)))
            .or_else(|| search::by_message_id(&location.path, &self.id))
    }
}

/// What the log says about the message, and how many damaged lines the log has.
pub(super) fn lines(
    log: &Log,
    concerns: impl Fn(&LogLine) -> bool,
    notes: &mut Vec<String>,
) -> Result<(Vec<LogLine>, usize), String> {
    let files = match log.files() {
        Ok(files) => files,
        Err(why) => {
            notes.push(why.to_owned());
            return Ok((Vec::new(), 0));
        }
    };
    let mut found = Vec::new();
    let seen = reader::read(&files, |line| {
        if concerns(&line) {
            found.push(line);
        }
    });
    let seen =
        seen.map_err(|(path, error)| format!("the log {}: {}", path.display(), reason(&error)))?;
    Ok((found, seen.damaged))
}

/// A message in a file.
pub(super) fn message_in(path: &Path) -> Result<Message, String> {
    let fail = |error: std::io::Error| {
        let why = reason(&error);
        format!("{}: {why}", escape(&path.display().to_string()))
    };
    Message::open(file::open(path, file::READ).map_err(fail)?).map_err(fail)
}
