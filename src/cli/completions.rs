//! `mfilter completions SHELL`: for packagers.

use clap::CommandFactory;

use super::args::{Args, Completions};
use super::{Finding, output};

pub(super) fn run(call: &Completions) -> Result<Finding, String> {
    let mut script = Vec::new();
    clap_complete::generate(call.shell, &mut Args::command(), "mfilter", &mut script);
    output::print(&String::from_utf8_lossy(&script));
    Ok(Finding::Fine)
}
