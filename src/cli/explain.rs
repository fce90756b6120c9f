//! `mfilter explain CODE`: what a mistake means, the output of `check` for an example
//! with it, and the corrected example.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use super::{CommandOutcome, output};
use crate::diagnostic::render_within;
use crate::file;
use crate::language::Language;
use crate::load;
use crate::mistakes;
use crate::page::{shown_width, width, wrapped};
use crate::rules::explanation::{Explanation, codes, of, summary};
use crate::text::escape;
use crate::user::User;

/// `mfilter explain`
#[derive(clap::Args, Debug)]
pub(super) struct ExplainArgs {
    /// The code of the mistake, as in `error[unknown-field]` [default: list all]
    #[arg(value_name = "CODE")]
    pub(super) code: Option<String>,
}

/// How much of a line of an example is shown, characters.
const LINE: usize = 200;
/// How many mistakes are shown.
const MISTAKES: usize = 2;

pub(super) fn run(call: &ExplainArgs) -> Result<CommandOutcome, String> {
    let Some(code) = &call.code else {
        let language = Language::of_locale();
        let widest = codes().map(str::len).max().unwrap_or_default();
        let line = |code| {
            let summary = summary(code, language).unwrap_or_default();
            format!("{code:widest$}  {summary}\n")
        };
        let all: String = codes().map(line).collect();
        output::print(&all);
        return Ok(CommandOutcome::Fine);
    };
    // The code may also be given as in a message.
    let code = code.rsplit('[').next().unwrap_or(code).trim_end_matches([']', ':']);
    let language = Language::of_locale();
    let explanation = of(code, language).map_err(|near| match near {
        Some(near) => format!("there is no mistake `{code}`; did you mean `{near}`?"),
        None => format!("there is no mistake `{code}`; `mfilter explain` lists all"),
    });
    let explanation = explanation.map_err(|why| output::say(&why).into_owned())?;
    let message = example_output(&explanation)
        .map_err(|error| format!("cannot check the example in a temporary folder: {error}"))?;
    let corrected = String::from_utf8_lossy(&explanation.corrected).into_owned();
    let [example, corrected_head] = [output::say("An example:"), output::say("Corrected:")];
    output::print(&format!(
        "{}\n\n{example}\n\n{}\n{corrected_head}\n\n{}",
        wrapped(&explanation.meaning, width(output::columns())),
        indented(&message),
        indented(&for_terminal(&corrected))
    ));
    Ok(CommandOutcome::Fine)
}

/// The output of `check` for the example.
fn example_output(explanation: &Explanation) -> io::Result<String> {
    let home = tempfile::tempdir()?;
    let user = match explanation.confined {
        false => User::at(home.path()),
        true => {
            let (maildir, data) = (home.path().join("Maildir"), home.path().join(".data"));
            User::confined("taro", home.path(), &maildir, &data, Arc::default())
        }
    };
    for folder in &explanation.folders {
        for sub in ["cur", "new", "tmp"] {
            fs::create_dir_all(home.path().join(folder).join(sub))?;
        }
    }
    for (name, content) in &explanation.files {
        write(&home.path().join(name), content)?;
    }
    let site = home.path().join("site.mailrules");
    if let Some(rules) = &explanation.site {
        write(&site, rules)?;
    }
    let rules = home.path().join(".mailrules");
    let (mut sources, mut found) = if explanation.of_site {
        let (sources, checked, _) = load::site::check_bytes(&rules, explanation.wrong.clone());
        (sources, checked.diagnostics)
    } else {
        write(&rules, &explanation.wrong)?;
        let site = explanation.site.is_some().then_some(site.as_path());
        match mistakes::of(&rules, site, &load::nothing_open, &user) {
            Ok((sources, found, _)) => (sources, found),
            // Rules that are too large are not read at all.
            Err(why) => return Ok(short(&why, home.path())),
        }
    };
    found.retain(|mistake| mistake.code == explanation.code);
    found.truncate(MISTAKES);
    sources.set_home(home.path());
    Ok(match found.is_empty() {
        // Site rules are trusted only if they are root's.
        true => String::from_utf8_lossy(&explanation.wrong).into_owned(),
        false => short(
            &render_within(
                &found,
                &sources,
                output::colour(),
                output::columns().map(|all| all.saturating_sub(4)),
                Language::of_locale(),
            ),
            home.path(),
        ),
    })
}

/// Writes a file of the example.
fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    file::open(path, file::MAKE_OWN)?.write_all(content)
}

/// A displayed mistake without the folder of the example, each line cut to a readable
/// length.
fn short(drawing: &str, home: &Path) -> String {
    let drawing = drawing.replace(&format!("{}/", home.display()), "~/");
    let lines = drawing.lines().map(|line| match line.char_indices().nth(LINE) {
        Some((end, _)) => format!("{}…\n", &line[..end]),
        None => format!("{line}\n"),
    });
    lines.collect()
}

/// Rules in which those that are too long for the terminal are broken before their arrow.
fn for_terminal(rules: &str) -> String {
    let Some(columns) = output::columns() else { return rules.to_owned() };
    let line = |line: &str| match line.split_once(" -> ") {
        Some((conditions, actions)) if shown_width(line) + 4 > columns => {
            format!("{conditions}\n    -> {actions}\n")
        }
        _ => format!("{line}\n"),
    };
    rules.lines().map(line).collect()
}

fn indented(text: &str) -> String {
    let line = |line: &str| match line.is_empty() {
        true => String::from("\n"),
        // A displayed mistake contains colours, and is escaped already.
        false => {
            format!("    {}\n", if line.contains('\u{1b}') { line.into() } else { escape(line) })
        }
    };
    text.lines().map(line).collect()
}
