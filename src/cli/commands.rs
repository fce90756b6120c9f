//! The commands, in the order of `mfilter --help`. The arguments and the work of a
//! command are in the file of its name; its line is here, and its `mod` in the parent
//! file.

use super::{CommandError, CommandOutcome};

/// The enum that clap reads, and what has to be known of it without clap.
macro_rules! commands {
    ($($(#[$about:meta])* $name:literal $variant:ident($file:ident::$arguments:ident),)+) => {
        /// The commands.
        #[derive(clap::Subcommand, Debug)]
        pub(super) enum Command {
            $($(#[$about])* #[command(name = $name)] $variant(super::$file::$arguments),)+
        }

        impl Command {
            /// The names of the commands.
            pub(super) const NAMES: &[&str] = &[$($name),+];

            /// Runs the command.
            pub(super) fn run(&self) -> Result<CommandOutcome, CommandError> {
                match self { $(Command::$variant(call) => Ok(super::$file::run(call)?),)+ }
            }
        }
    };
}

commands! {
    /// Show step by step how to set up delivery by mfilter
    "setup" Setup(setup::SetupArgs),
    /// Find every mistake in the rules and run their `expect`s
    "check" Check(check::CheckArgs),
    /// Explain a mistake that `check` found, with an example
    "explain" Explain(explain::ExplainArgs),
    /// Show what is known about a message: fields, classifiers, results
    "inspect" Inspect(inspect::InspectArgs),
    /// Show the provider's filter and which categories are on, or switch them
    "isp-filter" IspFilter(isp_filter::IspFilterArgs),
    /// Say where a message belongs, for programs that file mail themselves
    "judge" Judge(judge::JudgeArgs),
    /// Format rules in the canonical layout
    "fmt" Fmt(fmt::FmtArgs),
    /// Serve an editor: mistakes while you type, completion, the manual (LSP)
    "lsp" Lsp(lsp::LspArgs),
    /// Refile existing mail by the rules, or undo that
    "sort" Sort(sort::SortArgs),
    /// Move or delete old mail in folders, as the rules say
    "expire" Expire(expire::ExpireArgs),
    /// File mail as it arrives in a Maildir that other programs fill, and learn from moves
    "watch" Watch(watch::WatchArgs),
    /// Learn from the messages that you have moved, once
    "learn" Learn(learn::LearnArgs),
    /// Show what is remembered between messages
    "state" State(state::StateArgs),
    /// Count from the log what the rules did
    "stats" Stats(stats::StatsArgs),
    /// List the senders who wait in a folder for strangers
    "screener" Screener(screener::ScreenerArgs),
    /// Suggest rules that would file mail as you have filed it
    "suggest" Suggest(suggest::SuggestArgs),
    /// Explain from the log why a message is where it is
    "why" Why(why::WhyArgs),
    /// List the versions of the rules that were in force, show, compare or restore one
    "history" History(history::HistoryArgs),
    /// Translate the rules of another filter, or file old mail
    "import" Import(import::ImportArgs),
    /// Proxy a ManageSieve server and reject scripts that mfilter cannot run
    "managesieve" Managesieve(managesieve::ManageSieveArgs),
    /// Accept mail for many users from an MTA over LMTP
    "lmtp" Lmtp(lmtp::LmtpArgs),
    /// Print what a bug report needs, with nothing private in it
    "report-bug" ReportBug(report_bug::ReportBugArgs),
    /// Print the version
    "version" Version(version::VersionArgs),
    /// Print a completion script for a shell
    "completions" Completions(completions::CompletionsArgs),
}
