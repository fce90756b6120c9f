//! `mfilter check --sieve`: what in a Sieve script cannot be done here, by its lines.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::args::Check;
use super::{CommandOutcome, output};
use crate::file::ANYWHERE;
use crate::load;
use crate::load::script::{Namespace, check_script};
use crate::source::{ReadError, SCRIPT_LIMIT, open_script};
use crate::user::User;

pub(super) fn run(script: &Path, call: &Check, user: &User) -> Result<CommandOutcome, String> {
    let is_stdin = script == Path::new("-");
    let bytes = if is_stdin { standard_input()? } else { read(script)? };
    let shown = match is_stdin {
        true => PathBuf::from("standard input"),
        false => std::path::absolute(script).unwrap_or_else(|_| script.to_owned()),
    };
    // As the user's own statement has it, if there is one.
    let known = load::rules_file(call.rules.as_deref(), user).ok();
    let known = known.and_then(|rules| Namespace::of_rules(&rules, user)).unwrap_or_default();
    let namespace = Namespace {
        separator: call.separator.unwrap_or(known.separator),
        prefix: call.prefix.clone().unwrap_or(known.prefix),
        settings: known.settings,
    };
    let folder = match is_stdin {
        true => PathBuf::from("."),
        false => std::fs::canonicalize(script).unwrap_or_else(|_| shown.clone()),
    };
    let (diagnostics, sources) = check_script(&shown, Some(&folder), &bytes, &namespace, user);
    output::diagnostics(&diagnostics, &sources, call.json);
    Ok(if diagnostics.is_empty() { CommandOutcome::Fine } else { CommandOutcome::Found })
}

fn read(script: &Path) -> Result<Vec<u8>, String> {
    let read = open_script(&ANYWHERE, script).and_then(|file| file.bytes());
    read.map_err(|error| format!("{}: {error}", script.display()))
}

fn standard_input() -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = io::stdin().take(SCRIPT_LIMIT + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("standard input: {error}"))?;
    match bytes.len() as u64 > SCRIPT_LIMIT {
        true => Err(format!("standard input: {}", ReadError::TooLarge(SCRIPT_LIMIT))),
        false => Ok(bytes),
    }
}
