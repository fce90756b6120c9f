//! `mfilter check`: every mistake in the rules, and their `expect`s.

use std::path::{Path, PathBuf};

use super::check_sieve::ScriptOptions;
use super::current_rules::mail_in_place_of_rules;
use super::for_user::ForUser;
use super::{CommandOutcome, output};
use crate::file::ANYWHERE;
use crate::load;
use crate::mistakes;
use crate::rules::check::{CheckContext, check_lists, no_script};
use crate::rules::compiled::CompiledProgram;
use crate::source::{read_text, reason};
use crate::user::User;

/// `mfilter check`
#[derive(clap::Args, Debug)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    pub(super) for_user: ForUser,

    /// The rules [default: ~/.mailrules]
    pub(super) rules: Option<PathBuf>,

    /// Check these site rules, and the user's only if they are named
    #[arg(long, value_name = "FILE")]
    pub(super) site: Option<PathBuf>,

    /// With --site: keep the checked site rules next to their file for all deliveries
    #[arg(long, requires = "site")]
    pub(super) keep: bool,

    #[command(flatten)]
    pub(super) script: ScriptOptions,

    /// Check with this mail (Maildirs, mboxes, messages) that `set trust` names the right servers
    #[arg(long, value_name = "PATH", num_args = 1.., conflicts_with_all = ["json", "site"])]
    pub(super) mail: Vec<PathBuf>,

    /// One JSON array of mistakes
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) fn run(call: &CheckArgs) -> Result<CommandOutcome, String> {
    let user = &call.for_user.user()?;
    if let Some(script) = &call.script.sieve {
        return super::check_sieve::run(
            script,
            &call.script,
            call.rules.as_deref(),
            call.json,
            user,
        );
    }
    if let Some(site) = &call.site {
        let finding = site_rules(site, call, user)?;
        if call.rules.is_none() {
            return Ok(finding);
        }
        return Ok(if user_rules(call, user)? == finding {
            finding
        } else {
            CommandOutcome::Found
        });
    }
    user_rules(call, user)
}

/// Checks site rules, and keeps good ones if that is asked for.
fn site_rules(path: &Path, call: &CheckArgs, user: &User) -> Result<CommandOutcome, String> {
    let failure = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let (mut sources, mut checked, files) =
        load::site::check(path).map_err(|error| failure(&error))?;
    // Files below `~/` are each user's own, and need not exist.
    checked.list_files.retain(|list| !list.path.starts_with(load::site::NOBODYS_HOME));
    checked.programs.retain(|program| !program.value.starts_with("~/"));
    let context = &mut CheckContext {
        home: Path::new(load::site::NOBODYS_HOME),
        load: &mut |path| read_text(&ANYWHERE, path).map(String::into_bytes).map_err(|e| e.into()),
        script: &mut no_script,
        confinement: None,
    };
    check_lists(&mut checked, &mut sources, context);
    let mut diagnostics = checked.diagnostics;
    if let Some(program) = &checked.program {
        diagnostics.extend(mistakes::expectations(program, &sources, user));
    }
    output::diagnostics(&diagnostics, &sources, call.json);
    if call.keep
        && let Some(compiled) = checked.program.map(CompiledProgram::new)
    {
        load::site::keep(path, &files, &compiled).map_err(|error| failure(&reason(&error)))?;
    }
    Ok(CommandOutcome::found_if(!diagnostics.is_empty()))
}

/// Checks the user's rules, and `set trust` with existing mail if that is asked for.
fn user_rules(call: &CheckArgs, user: &User) -> Result<CommandOutcome, String> {
    let path = load::rules_file(call.rules.as_deref(), user)?;
    let (sources, diagnostics, settings) =
        mistakes::of(&path, call.site.as_deref(), &load::nothing_open, user)?;
    if !diagnostics.is_empty()
        && let Some(why) = mail_in_place_of_rules(&sources)
    {
        return Err(why);
    }
    output::diagnostics(&diagnostics, &sources, call.json);
    load::keep_if_valid(user);
    let finding = CommandOutcome::found_if(!diagnostics.is_empty());
    if call.mail.is_empty() {
        return Ok(finding);
    }
    let trust = super::trust::run(settings, &call.mail, user)?;
    Ok(if trust == CommandOutcome::Fine { finding } else { trust })
}
