//! `mfilter check --sieve`: what in a Sieve script cannot be done here, line by line.

use std::path::{Path, PathBuf};

use super::args::separator;
use super::{CommandOutcome, output, read_standard_input};
use crate::file::ANYWHERE;
use crate::load;
use crate::load::script::{Namespace, check_script};
use crate::source::{SCRIPT_LIMIT, open_script};
use crate::user::User;

/// Which script, and how it names folders.
#[derive(clap::Args, Debug)]
pub(super) struct ScriptOptions {
    /// Check a Sieve script as `include sieve` runs it; `-` for standard input
    #[arg(long, value_name = "SCRIPT", conflicts_with_all = ["site", "mail"])]
    pub(super) sieve: Option<PathBuf>,

    /// With --sieve: the separator of folder levels [default: as the rules say]
    #[arg(long, value_name = "SIGN", value_parser = separator, requires = "sieve")]
    pub(super) separator: Option<char>,

    /// With --sieve: the prefix of folder names [default: as the rules say]
    #[arg(long, value_name = "TEXT", requires = "sieve")]
    pub(super) prefix: Option<String>,
}

pub(super) fn run(
    script: &Path,
    options: &ScriptOptions,
    rules: Option<&Path>,
    json: bool,
    user: &User,
) -> Result<CommandOutcome, String> {
    let is_stdin = script == Path::new("-");
    let bytes = if is_stdin { read_standard_input(SCRIPT_LIMIT)? } else { read(script)? };
    let shown = match is_stdin {
        true => PathBuf::from("standard input"),
        false => std::path::absolute(script).unwrap_or_else(|_| script.to_owned()),
    };
    // As in the user's own statement, if there is one.
    let known = load::rules_file(rules, user).ok();
    let known = known.and_then(|rules| Namespace::of_rules(&rules, user)).unwrap_or_default();
    let namespace = Namespace {
        separator: options.separator.unwrap_or(known.separator),
        prefix: options.prefix.clone().unwrap_or(known.prefix),
        settings: known.settings,
    };
    let folder = match is_stdin {
        true => PathBuf::from("."),
        false => std::fs::canonicalize(script).unwrap_or_else(|_| shown.clone()),
    };
    let (diagnostics, sources) = check_script(&shown, Some(&folder), &bytes, &namespace, user);
    output::diagnostics(&diagnostics, &sources, json);
    Ok(CommandOutcome::found_if(!diagnostics.is_empty()))
}

fn read(script: &Path) -> Result<Vec<u8>, String> {
    let read = open_script(&ANYWHERE, script).and_then(|file| file.bytes());
    read.map_err(|error| format!("{}: {error}", script.display()))
}
