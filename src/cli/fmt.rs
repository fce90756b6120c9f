//! `mfilter fmt`: the canonical layout.

use std::path::{Path, PathBuf};

use super::{CommandOutcome, output, read_standard_input};
use crate::file::{ANYWHERE, Rewrite};
use crate::load;
use crate::source::{RULES_LIMIT, Sources, read_rules};
use crate::syntax;
use crate::user::User;

/// `mfilter fmt`
#[derive(clap::Args, Debug)]
pub(super) struct FmtArgs {
    /// Change nothing; exit 1 if a file is not in the canonical layout
    #[arg(long)]
    pub(super) check: bool,

    /// The rules, `-` for standard input [default: ~/.mailrules]
    pub(super) rules: Vec<PathBuf>,
}

pub(super) fn run(call: &FmtArgs) -> Result<CommandOutcome, String> {
    let default;
    let files = if call.rules.is_empty() {
        default = [load::default_rules(&User::of_process())?];
        default.as_slice()
    } else {
        call.rules.as_slice()
    };
    let mut finding = CommandOutcome::Fine;
    for path in files {
        if format_file(path, call.check)? == CommandOutcome::Found {
            finding = CommandOutcome::Found;
        }
    }
    Ok(finding)
}

fn format_file(path: &Path, check: bool) -> Result<CommandOutcome, String> {
    let from_input = path == Path::new("-");
    let label = if from_input { Path::new("standard input") } else { path };
    let failure = |error: &dyn std::fmt::Display| format!("{}: {error}", label.display());
    let bytes = match from_input {
        true => read_standard_input(RULES_LIMIT)?,
        false => read_rules(&ANYWHERE, path).map_err(|error| failure(&error))?,
    };
    let mut sources = Sources::default();
    let (file, ast, diagnostics) = syntax::parse_bytes(0, label, &bytes);
    if !diagnostics.is_empty() {
        sources.add(file);
        sources.set_home(User::of_process().home_or_nowhere());
        output::print(&output::render(&diagnostics, &sources));
        return Ok(CommandOutcome::Found);
    }
    let formatted = syntax::format(&ast, &file);
    if from_input && !check {
        output::print(&formatted);
        return Ok(CommandOutcome::Fine);
    }
    if formatted.as_bytes() == bytes {
        return Ok(CommandOutcome::Fine);
    }
    if check {
        let path = output::with_tilde(&label.display().to_string());
        let line = format!("{path} is not in the canonical layout");
        output::print(&(output::say(&line) + "\n"));
        return Ok(CommandOutcome::Found);
    }
    let new = Rewrite::prepare(path, formatted.as_bytes());
    new.and_then(Rewrite::finish).map_err(|error| failure(&error))?;
    Ok(CommandOutcome::Fine)
}
