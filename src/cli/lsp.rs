//! `mfilter lsp`: a language server for editors.

use std::io::{self, BufReader};

use super::CommandOutcome;
use crate::lsp;
use crate::user::User;

/// `mfilter lsp`
#[derive(clap::Args, Debug)]
pub(super) struct LspArgs {
    /// As it always is; for editors that say so
    #[arg(long, hide = true)]
    pub(super) stdio: bool,
}

pub(super) fn run(_: &LspArgs) -> Result<CommandOutcome, String> {
    let input = BufReader::new(io::stdin());
    let served = lsp::serve(&User::of_process(), input, &mut io::stdout().lock());
    match served {
        Ok(true) => Ok(CommandOutcome::Fine),
        Ok(false) => Ok(CommandOutcome::Found),
        Err(error) => Err(format!("the editor cannot be answered: {error}")),
    }
}
