//! `mfilter --test`: what would happen to each message, and why. Nothing is
//! changed anywhere.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use super::args::Args;
use super::site::Filter;
use super::{Finding, output};
use crate::deliver::filter;
use crate::diagnostic;
use crate::evaluate::{Detail, evaluate_rules, first_site_file};
use crate::explain::{self, Style};
use crate::load;
use crate::load::site::SITE_RULES;
use crate::mailbox;
use crate::message::Message;
use crate::plan::{Step, StepKind};
use crate::rules::program::{ArchivedProgram, Compiled};
use crate::source::{SourceFile, Sources};

/// With `--run-filters`, so long may the programs of one message take.
const PATIENCE: Duration = Duration::from_secs(240);

pub(super) fn run(args: &Args) -> Result<Finding, String> {
    let home = super::home();
    let (mut sources, compiled) = match rules(args, home.as_deref())? {
        Ok(rules) => rules,
        Err(drawn) => {
            output::print(&drawn);
            return Ok(Finding::Found);
        }
    };
    let program = compiled.program().ok_or("the rules cannot be laid out")?;
    let site = site(args, program, &mut sources);
    let isp = Filter::new(site.as_ref(), program);
    let mut world = super::world(&args.delivery, args.now, home.clone());
    let location = super::location(&args.delivery, program, &world)?;
    world.sent = Some(Box::new(super::sent(program, &location, world.state.as_ref(), false)));
    let stored_in = |step: &Step| match &step.kind {
        StepKind::Deliver { folder, flags, .. } => {
            let flagged = !flags.letters.is_empty() || !flags.keywords.is_empty();
            let path = location.folder_path(folder).join(if flagged { "cur" } else { "new" });
            Some(path.display().to_string())
        }
        _ => None,
    };
    let style = Style { colour: output::colour(), verbose: args.delivery.verbose > 0 };
    let mut went: BTreeMap<String, usize> = BTreeMap::new();
    let mut finding = Finding::Fine;
    let mut each = |label: &str, message: Message| {
        let (evaluation, message) = if args.run_filters {
            let reach = super::reach(program, &message, &world, Instant::now() + PATIENCE);
            let mut way = filter::evaluate(isp.rules(), message, &world, &reach, Detail::Trace);
            way.evaluation.trace.warnings.append(&mut way.notes);
            (way.evaluation, way.messages.swap_remove(0))
        } else {
            evaluate_rules(isp.rules(), message, &world, Detail::Trace)
        };
        let message = &message;
        *went.entry(explain::destination(&evaluation.plan)).or_default() += 1;
        if args.json {
            output::print(&(explain::json(label, &evaluation, &sources, &stored_in) + "\n"))
        } else {
            output::print(&explain::text(label, message, &world, &evaluation, &sources, style))
        }
    };
    if args.paths.is_empty() {
        let message = Message::read(Box::new(std::io::stdin()), &std::env::temp_dir())
            .map_err(|error| format!("standard input: {error}"))?;
        each("standard input", message);
        return Ok(finding);
    }
    for found in mailbox::walk(args.paths.iter().cloned()) {
        match found {
            Ok(found) => {
                if !each(&found.label, found.message) {
                    break;
                }
            }
            Err(failure) => {
                output::error(&failure.to_string());
                finding = Finding::Found;
            }
        }
    }
    let all: usize = went.values().sum();
    if all == 0 {
        output::error("there is no message to test");
    }
    if all > 1 && !args.json {
        output::print(&table(&went, all));
    }
    Ok(finding)
}

/// The rules to try: unlike in delivery, broken ones are not replaced by the
/// last good ones but shown, as the inner error.
fn rules(args: &Args, home: Option<&Path>) -> Result<Result<(Sources, Compiled), String>, String> {
    let path = match &args.delivery.rules {
        Some(path) => path.clone(),
        None => load::default_rules(home)?,
    };
    let (sources, checked) = match load::check(&path, home) {
        Ok(read) => read,
        Err(error) if error.is_missing() && args.delivery.rules.is_none() => {
            return Ok(Ok((Sources::default(), load::none().compiled)));
        }
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    Ok(match checked.program.as_ref().and_then(Compiled::new) {
        Some(compiled) => Ok((sources, compiled)),
        None => Err(diagnostic::render(&checked.diagnostics, &sources, output::colour())),
    })
}

/// The site rules to try; like the user's they must have no mistake. What
/// cannot be read is told, and the user's rules are tried alone.
fn site(args: &Args, user: &ArchivedProgram, sources: &mut Sources) -> Option<Compiled> {
    let asked = args.delivery.site.as_deref();
    let path = asked.unwrap_or(Path::new(SITE_RULES));
    let (site, checked, _) = match load::site::check(path) {
        Ok(read) => read,
        Err(error) if error.is_missing() && asked.is_none() => return None,
        Err(error) => {
            output::error(&format!("site rules {} are not used: {error}", path.display()));
            return None;
        }
    };
    let Some(compiled) = checked.program.as_ref().and_then(Compiled::new) else {
        output::error(&format!(
            "site rules {} have a mistake and are not used; `mfilter check --site {}` shows it",
            path.display(),
            path.display()
        ));
        return None;
    };
    while (sources.files().len() as u32) < first_site_file(user) {
        sources.add(SourceFile::new("", ""));
    }
    for file in site.files() {
        sources.add(file.clone());
    }
    Some(compiled)
}

/// How many went where, the most first.
fn table(went: &BTreeMap<String, usize>, all: usize) -> String {
    let mut rows: Vec<_> = went.iter().collect();
    rows.sort_by_key(|(folder, number)| (std::cmp::Reverse(**number), folder.as_str()));
    let mut out = format!("\n{all:>7} messages\n");
    for (folder, number) in rows {
        out.push_str(&format!("{number:>7} {}\n", explain::escape(folder)));
    }
    out
}
