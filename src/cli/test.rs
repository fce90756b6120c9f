//! `mfilter --test`: what would happen to each message, and why. Nothing is
//! changed anywhere.

use std::collections::BTreeMap;

use super::args::Args;
use super::{Finding, output};
use crate::diagnostic;
use crate::evaluate::{Detail, evaluate};
use crate::explain::{self, Style};
use crate::load;
use crate::mailbox;
use crate::message::Message;
use crate::plan::{Step, StepKind};
use crate::rules::program::Compiled;

pub(super) fn run(args: &Args) -> Result<Finding, String> {
    let home = super::home();
    let path = match &args.delivery.rules {
        Some(path) => path.clone(),
        None => load::default_rules(home.as_deref())?,
    };
    let (sources, checked) =
        load::check(&path, home.as_deref()).map_err(|e| format!("{}: {e}", path.display()))?;
    let Some(compiled) = checked.program.as_ref().and_then(Compiled::new) else {
        let drawn = diagnostic::render(&checked.diagnostics, &sources, output::colour());
        output::print(&drawn);
        return Ok(Finding::Found);
    };
    let program = compiled.program().ok_or("the rules cannot be laid out")?;
    let world = super::world(&args.delivery, args.now, home.clone());
    let location = super::location(&args.delivery, program, &world)?;
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
    let mut each = |label: &str, message: &Message| {
        let evaluation = evaluate(program, message, &world, Detail::Trace);
        *went.entry(explain::destination(&evaluation.plan)).or_default() += 1;
        if args.json {
            output::print(&(explain::json(label, &evaluation, &sources, &stored_in) + "\n"))
        } else {
            output::print(&explain::text(label, message, &evaluation, &sources, style))
        }
    };
    if args.paths.is_empty() {
        let message = Message::read(Box::new(std::io::stdin()), &std::env::temp_dir())
            .map_err(|error| format!("standard input: {error}"))?;
        each("standard input", &message);
        return Ok(finding);
    }
    for found in mailbox::walk(args.paths.iter().cloned()) {
        match found {
            Ok(found) => {
                if !each(&found.label, &found.message) {
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
    if all > 1 && !args.json {
        output::print(&table(&went, all));
    }
    Ok(finding)
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
