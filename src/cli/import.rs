//! `mfilter import`: the rules of another filter as mailrules. The rules go to
//! standard output or into a new file, the report to standard error.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::args::{LayoutName, separator};
use super::import_judge::{ForeignProgram, JudgeError};
use super::{CommandError, CommandOutcome, import_mail, import_try, output, read_standard_input};
use crate::file::{self, ANYWHERE};
use crate::import::ir::TextFile;
use crate::import::{
    ImportResult, Options, gmail, kind, maildrop, procmail, report, sieve, thunderbird,
};
use crate::language::Language;
use crate::source::{RULES_LIMIT, read_bytes};
use crate::text::json_line;
use crate::user::User;

/// `mfilter import`
#[derive(clap::Args, Debug)]
#[command(disable_help_subcommand = true)]
pub(super) struct ImportArgs {
    #[command(subcommand)]
    from: ImportAction,
}

/// From where.
#[derive(Subcommand, Debug)]
pub(super) enum ImportAction {
    /// A maildrop filter, with what it includes
    Maildrop(ImportRulesArgs),
    /// Old mail: mboxes and MH folders into folders of the Maildir, with flags and dates
    Mbox(import_mail::ImportMailArgs),
    /// Gmail's filters, as it exports them: mailFilters.xml
    Gmail(ImportRulesArgs),
    /// A procmailrc, with what it includes
    Procmail(ImportRulesArgs),
    /// A Sieve script, of Dovecot or a web mailer
    Sieve(ImportRulesArgs),
    /// Thunderbird's filters of an account: msgFilterRules.dat
    Thunderbird(ImportRulesArgs),
}

/// `mfilter import sieve`
#[derive(clap::Args, Debug)]
pub(super) struct ImportRulesArgs {
    /// The foreign rules, `-` for standard input
    pub(super) file: PathBuf,

    /// Write the rules to this new file [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,

    /// With --output: replace existing files
    #[arg(long, requires = "output")]
    pub(super) force: bool,

    /// The separator of folder levels [default: guessed]
    #[arg(long, value_name = "SIGN", value_parser = separator)]
    pub(super) separator: Option<char>,

    /// `set maildir` in the new rules
    #[arg(long, value_name = "DIR")]
    pub(super) maildir: Option<PathBuf>,

    /// `set layout` in the new rules
    #[arg(long, value_enum, value_name = "LAYOUT")]
    pub(super) layout: Option<LayoutName>,

    /// Where the new rules look for lists [default: beside the rules]
    #[arg(long, value_name = "DIR")]
    pub(super) lists: Option<PathBuf>,

    /// What a variable of a procmailrc or a maildrop filter holds when a message comes, if
    /// the file does not say it: an argument (`1=…`), a name from the environment, or one
    /// that a program gives its value
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable, conflicts_with = "try")]
    pub(super) variable: Vec<(String, String)>,

    /// Make site rules, in a category, of a Sieve script that a provider runs before those
    /// of users
    #[arg(long, conflicts_with_all = ["maildir", "layout", "try"])]
    pub(super) site: bool,

    /// With `sieve`: where the programs of `pipe`, `filter` and `execute` are
    #[arg(long, value_name = "DIR", conflicts_with = "try")]
    pub(super) programs: Option<PathBuf>,

    /// With `gmail`: what its labels become
    #[arg(long, value_enum, value_name = "WHAT", default_value = "folders")]
    pub(super) labels: LabelsAs,

    /// Write nothing unless every rule is translated exactly
    #[arg(long)]
    pub(super) strict: bool,

    /// Try this old mail (a Maildir, an mbox) with the new rules and with the program the
    /// old ones are for; list what differs, and write nothing
    #[arg(long, value_name = "MAIL", conflicts_with_all = ["output", "json", "strict"])]
    pub(super) r#try: Option<PathBuf>,

    /// One JSON object: the report, and the rules in it
    #[arg(long)]
    pub(super) json: bool,
}

/// What Gmail's labels become.
#[derive(clap::ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LabelsAs {
    Folders,
    Keywords,
}

pub(super) fn run(call: &ImportArgs) -> Result<CommandOutcome, CommandError> {
    let action = &call.from;
    let (language, call) = match action {
        ImportAction::Maildrop(call) => ("maildrop", call),
        ImportAction::Mbox(call) => return import_mail::run(call),
        ImportAction::Gmail(call) => ("gmail", call),
        ImportAction::Procmail(call) => ("procmail", call),
        ImportAction::Sieve(call) => ("sieve", call),
        ImportAction::Thunderbird(call) => ("thunderbird", call),
    };
    let bytes = read(&call.file)?;
    let shown = call.file.display();
    if let Some(other) = kind::other_than(language, &bytes) {
        return Err(format!("{shown}: this is {other}").into());
    }
    let options = options(call, language)?;
    let load = &mut |path: &Path| read_bytes(&ANYWHERE, path, RULES_LIMIT).map_err(io::Error::from);
    let import = match action {
        ImportAction::Maildrop(_) => maildrop::import,
        ImportAction::Gmail(_) => gmail::import,
        ImportAction::Procmail(_) => procmail::import,
        ImportAction::Thunderbird(_) => thunderbird::import,
        ImportAction::Sieve(_) | ImportAction::Mbox(_) => sieve::import,
    };
    let imported = import(&call.file, &bytes, &options, load);
    let mut imported = imported.map_err(|bug| {
        format!(
            "{shown}: the result is not valid rules; this is a bug in mfilter, please report it\n{}\n{}",
            bug.mistakes, bug.rules
        )
    })?;
    imported.sources.set_home(User::of_process().home_or_nowhere());
    if let Some(mail) = &call.r#try {
        let judge = match action {
            ImportAction::Maildrop(_) => {
                ForeignProgram::maildrop(&maildrop::trial(&call.file, &bytes, load))
            }
            ImportAction::Procmail(_) => {
                ForeignProgram::procmail(&procmail::trial(&call.file, &bytes, load))
            }
            ImportAction::Sieve(_) => ForeignProgram::pigeonhole(&bytes, imported.separator),
            ImportAction::Gmail(_) | ImportAction::Mbox(_) | ImportAction::Thunderbird(_) => {
                Err(JudgeError::Unavailable(format!("no program can be asked about {language}")))
            }
        };
        let judge = match judge {
            Ok(judge) => Ok(judge),
            Err(JudgeError::Unavailable(why)) => Err(why),
            Err(JudgeError::Failed(why)) => return Err(why.into()),
        };
        let different = import_try::judge(judge, &imported, mail)?;
        return Ok(CommandOutcome::found_if(different > 0));
    }
    Ok(write_result(call, &imported)?)
}

/// `NAME=VALUE`; a name of digits is an argument's.
fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it is NAME=VALUE")?;
    let is_name =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_name {
        return Err(format!("`{name}` is not the name of a variable"));
    }
    if value.contains(char::is_control) {
        return Err(format!("the value of {name} has a control character in it"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    if path == Path::new("-") {
        return read_standard_input(RULES_LIMIT);
    }
    read_bytes(&ANYWHERE, path, RULES_LIMIT).map_err(|error| format!("{}: {error}", path.display()))
}

/// The options of the importer, of which not all are for every language.
fn options(call: &ImportRulesArgs, language: &str) -> Result<Options, String> {
    if call.site && language != "sieve" {
        return Err("`--site` is for Sieve scripts that run before those of users".into());
    }
    if call.programs.is_some() && language != "sieve" {
        return Err("`--programs` is for Sieve scripts".into());
    }
    if call.programs.as_ref().is_some_and(|folder| !folder.is_absolute()) {
        return Err("`--programs` takes a path that begins with `/`".into());
    }
    if !call.variable.is_empty() && !matches!(language, "maildrop" | "procmail") {
        return Err("`--variable` is for procmail and maildrop".into());
    }
    let name = |path: &Option<PathBuf>| -> Result<String, String> {
        match path {
            None => Ok(String::new()),
            Some(path) => {
                let text = path.to_str().filter(|text| !text.contains(char::is_control));
                let text =
                    text.ok_or_else(|| format!("{}: rules cannot name this path", path.display()))?;
                Ok(format!("{}/", text.trim_end_matches('/')))
            }
        }
    };
    Ok(Options {
        separator: call.separator,
        maildir: name(&call.maildir)?.strip_suffix('/').map(str::to_owned),
        layout: call.layout.map(|layout| layout.as_str().to_owned()),
        lists: name(&call.lists)?,
        included: None,
        category: call.site.then(|| category_of(&call.file)),
        programs: call.programs.is_some().then(|| name(&call.programs)).transpose()?,
        variables: call.variable.iter().cloned().collect(),
        keywords: call.labels == LabelsAs::Keywords,
    })
}

/// The name that users see for the rules of a script, from its file's name.
fn category_of(script: &Path) -> String {
    let name = script.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    let is_sign = |c: char| c.is_control() || matches!(c, ',' | '"');
    let fits = !name.trim().is_empty() && name.chars().count() <= 60 && !name.contains(is_sign);
    let reserved = ["on", "off", "default", "-"];
    match fits && !reserved.contains(&name.to_lowercase().as_str()) {
        true => name.trim().to_owned(),
        false => "filters".to_owned(),
    }
}

/// Writes the result, and reports.
fn write_result(call: &ImportRulesArgs, imported: &ImportResult) -> Result<CommandOutcome, String> {
    let totals = report::totals(imported);
    let exact = totals.approximate == 0 && totals.not == 0;
    let refused = call.strict && !exact;
    if let Some(path) = call.output.as_ref().filter(|_| !refused) {
        for file in &imported.draft.files {
            let place = beside(path, &file.name);
            // Two imports may share a list, and a user may have filled it.
            if place.exists() && !call.force {
                if fs::metadata(&place).is_ok_and(|metadata| metadata.len() > 0) && is_list(file) {
                    continue;
                }
                return Err(exists(&place));
            }
        }
        if path.exists() && !call.force {
            return Err(exists(path));
        }
        for file in &imported.draft.files {
            let place = beside(path, &file.name);
            if is_list(file) && place.exists() {
                continue;
            }
            write(&place, &file.content, call.force)?;
        }
        write(path, &imported.rules, call.force)?;
    }
    if call.json {
        output::print(&(json_line(&report::to_json(imported)) + "\n"));
    } else {
        if call.output.is_none() && !refused {
            output::print(&imported.rules);
        }
        let report = report::text(imported, Language::of_locale(), output::error_columns());
        output::to_stderr(&output::with_tilde(&report));
        if refused {
            output::error("no rules were written: with --strict, every part has to be exact");
        }
    }
    Ok(CommandOutcome::found_if(!exact))
}

fn is_list(file: &TextFile) -> bool {
    file.name.ends_with(".list")
}

/// What is said of a file that must not be replaced.
fn exists(path: &Path) -> String {
    format!("{} is there already; `--force` replaces it", path.display())
}

/// The path of a file that the rules name.
fn beside(rules: &Path, name: &str) -> PathBuf {
    match name.strip_prefix("~/") {
        Some(rest) => User::of_process().home_or_nowhere().join(rest),
        None => rules.parent().unwrap_or(Path::new("")).join(name),
    }
}

/// Writes a file that nobody else can read: a new one, or with `force` a replacement of
/// an old one.
fn write(path: &Path, text: &str, force: bool) -> Result<(), String> {
    let failure = |error: io::Error| format!("{}: {error}", path.display());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        fs::create_dir_all(folder).map_err(failure)?;
    }
    let write = if force { file::replace } else { file::make };
    match write(path, text.as_bytes(), 0o600) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(exists(path)),
        written => written.map_err(failure),
    }
}
