//! `mfilter version`: the same as `mfilter --version`.

use clap::CommandFactory;

use super::args::Args;
use super::{CommandOutcome, output};

/// `mfilter version`
#[derive(clap::Args, Debug)]
pub(super) struct VersionArgs {}

pub(super) fn run(_: &VersionArgs) -> Result<CommandOutcome, String> {
    output::print(&Args::command().render_version());
    Ok(CommandOutcome::Fine)
}
