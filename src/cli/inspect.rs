//! `mfilter inspect`: what mfilter knows about a message, the help for writing
//! rules.

use std::path::Path;

use super::args::Inspect;
use super::{Finding, output};
use crate::evaluate::{every_field, inspect};
use crate::explain;
use crate::load;
use crate::mailbox;
use crate::message::Message;
use crate::rules::program::{Compiled, Settings};

pub(super) fn run(call: &Inspect) -> Result<Finding, String> {
    let home = super::home();
    let settings = settings(call, home.as_deref())?;
    let compiled = Compiled::new(&every_field(settings)).ok_or("the settings are too large")?;
    let program = compiled.program().ok_or("the settings cannot be laid out")?;
    let world = super::world(&call.delivery, call.now, home);
    let mut first = true;
    let mut each = |label: &str, message: &Message| {
        let found = inspect(program, message, &world);
        let text = if call.json {
            explain::inspection_json(label, &found)
        } else {
            let gap = if std::mem::take(&mut first) { "" } else { "\n" };
            format!("{gap}{}", explain::inspection(label, &found, output::colour()))
        };
        output::print(&text)
    };
    let mut finding = Finding::Fine;
    if call.paths.is_empty() {
        let message = Message::read(Box::new(std::io::stdin()), &std::env::temp_dir())
            .map_err(|error| format!("standard input: {error}"))?;
        each("standard input", &message);
    }
    for found in mailbox::walk(call.paths.iter().cloned()) {
        match found {
            Ok(found) if each(&found.label, &found.message) => {}
            Ok(_) => break,
            Err(failure) => {
                output::error(&failure.to_string());
                finding = Finding::Found;
            }
        }
    }
    Ok(finding)
}

/// Who the user is and whom he trusts, by the rules; mistakes in them are no
/// reason not to look at a message.
fn settings(call: &Inspect, home: Option<&Path>) -> Result<Settings, String> {
    let asked = call.delivery.rules.clone();
    let Some(path) = asked.clone().or_else(|| load::default_rules(home).ok()) else {
        return Ok(Settings::default());
    };
    match load::check(&path, home) {
        Ok((_, checked)) => Ok(checked.settings),
        Err(error) if asked.is_none() && error.is_missing() => Ok(Settings::default()),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}
