//! `include`, RFC 6609: the commands of another script in its place.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::arguments::Arguments;
use super::context::{Lowering, SieveFrame};
use super::parse::{Node, parse};
use super::returns::without_returns;
use super::script::{changing, folders};
use super::state::Tail;
use crate::import::decode;
use crate::import::ir::Unit;
use crate::source::{SourceFile, reason};

/// How deep scripts may include each other; Pigeonhole allows 10.
const MAX_INCLUDES: usize = 10;

/// The steps for an included script: up to three files are looked for.
const INCLUDE_STEPS: usize = 1000;

/// How many files are looked at for the names of their folders.
const MOST_LOOKED_AT: usize = 300;

/// Every `include`, at whatever depth.
fn all_included<'n>(nodes: &'n [Node], found: &mut Vec<&'n Node>) {
    for node in nodes {
        if node.name == "include" {
            found.push(node);
        }
        all_included(node.block.as_deref().unwrap_or_default(), found);
    }
}

/// Where a script is looked for, beside the main one.
fn places(main: &Path, name: &str) -> [PathBuf; 3] {
    let folder = main.parent().unwrap_or(Path::new(""));
    [
        folder.join(format!("{name}.sieve")),
        folder.join(name),
        folder.join("sieve").join(format!("{name}.sieve")),
    ]
}

impl Lowering<'_> {
    /// Adds the folders that a script names, and those of the scripts that it includes.
    pub(super) fn folders_of_all(
        &mut self,
        main: &Path,
        nodes: &[Node],
        known: &mut HashSet<PathBuf>,
        names: &mut Vec<String>,
    ) {
        folders(nodes, names);
        let mut included = Vec::new();
        all_included(nodes, &mut included);
        for node in included {
            let arguments = Arguments::of(node);
            let Ok(name) = arguments.string(0) else { continue };
            if name.contains(['/', '\0']) || name.starts_with('.') {
                continue;
            }
            for path in places(main, name) {
                if known.len() > MOST_LOOKED_AT || !known.insert(path.clone()) {
                    continue;
                }
                if let Ok(bytes) = (self.load)(&path) {
                    let file = SourceFile::new(&path, decode(&bytes).0);
                    self.folders_of_all(main, &parse(0, &file, &[]), known, names);
                    break;
                }
            }
        }
    }

    /// `include`, RFC 6609
    pub(super) fn include(&mut self, node: &Node, tail: Tail, out: &mut Vec<Unit>) {
        match self.included(node) {
            Ok(Some((path, nodes))) => {
                self.comments.extend(node.comments.iter().cloned());
                self.frame_count += 1;
                let number = self.frame_count;
                self.frames.push(SieveFrame {
                    number,
                    path,
                    globals: HashSet::new(),
                    depth: 0,
                    poisoned: None,
                });
                let mut seen = HashSet::new();
                changing(&nodes, false, &mut seen, &mut self.changing);
                self.report_missing(&nodes);
                // A `return` leads back here, so what follows is not the end there.
                self.block(&nodes, tail, out);
                self.state.returned = false;
                self.frames.pop();
            }
            Ok(None) => {}
            Err(why) => self.not(std::slice::from_ref(node), &why, out),
        }
    }

    /// The commands of an included script; none if there is nothing to do.
    fn included(&mut self, node: &Node) -> Result<Option<(PathBuf, Vec<Node>)>, String> {
        let arguments = Arguments::of(node);
        self.spend(INCLUDE_STEPS)?;
        arguments.unknown(&["personal", "global", "optional", "once"])?;
        let name = self.constants(&[arguments.string(0)?.to_owned()])?.remove(0);
        if name.is_empty() || name.contains(['/', '\0']) || name.starts_with('.') {
            return Err(format!("`{name}` is not the name of a script"));
        }
        if arguments.has("global") && self.options.included.is_some() {
            return match arguments.has("optional") {
                true => Ok(None),
                false => Err("the provider's scripts (`:global`) are not known here".into()),
            };
        }
        let main = self.frames.first().map(|frame| frame.path.clone()).unwrap_or_default();
        let mut unreadable = None;
        for path in places(&main, &name) {
            match (self.load)(&path) {
                Ok(bytes) => {
                    if self.frames.iter().any(|frame| frame.path == path) {
                        return Err(format!("`{name}` includes itself"));
                    }
                    if self.frames.len() > MAX_INCLUDES {
                        return Err("scripts include each other too deeply".into());
                    }
                    let again = !self.once.insert(path.clone());
                    if arguments.has("once") && again {
                        return Ok(None);
                    }
                    if bytes.contains(&0) {
                        return Err(format!("`{name}` is a binary file"));
                    }
                    self.spend(bytes.len())?;
                    let nodes = without_returns(self.read(&path, &bytes));
                    return Ok(Some((path, nodes)));
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => unreadable = Some(reason(&error)),
            }
        }
        if arguments.has("optional") && unreadable.is_none() {
            return Ok(None);
        }
        let why = unreadable.unwrap_or_else(|| "there is no such script beside this one".into());
        Err(format!("the script `{name}` cannot be included: {why}"))
    }
}
