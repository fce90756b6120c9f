//! The arguments. Parsing only.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{CommandFactory, Parser, Subcommand};

use super::for_user::ForUser;
use crate::hand_over::address::StoreAddress;
use crate::lmtp::settings::{Address, Store, UserSource};
use crate::rules::mistake::nearest;

/// Everything that can stand on the command line.
#[derive(Parser, Debug)]
#[command(
    name = "mfilter",
    version,
    about = "A mail delivery filter: reads a message on standard input and files it by ~/.mailrules",
    after_help = "Without --test or a command, mfilter delivers: exit status 0 is delivered, \
                  75 is try again later, and 67, 69 or 77 is a refusal that the rules asked for.\n\
                  See mfilter(1) and mailrules(5).",
    args_conflicts_with_subcommands = true
)]
pub(super) struct Args {
    /// Say what would happen to each message, and why; change nothing
    #[arg(long)]
    pub(super) test: bool,

    /// With --test: messages, mboxes, Maildirs or folders of messages [default: standard input]
    #[arg(value_name = "PATH", requires = "test")]
    pub(super) paths: Vec<PathBuf>,

    #[command(flatten)]
    pub(super) delivery: Delivery,

    /// With --test: use this as the current time
    #[arg(long, value_name = "RFC3339", requires = "test")]
    pub(super) now: Option<jiff::Timestamp>,

    /// With --test: one JSON object per message (JSON Lines)
    #[arg(long, requires = "test")]
    pub(super) json: bool,

    /// With --test: print only the tables at the end
    #[arg(short = 'q', long, requires = "test")]
    pub(super) quiet: bool,

    /// With --test: list the messages that these rules would handle differently
    #[arg(long, value_name = "RULES", requires = "test")]
    pub(super) diff: Option<PathBuf>,

    /// With --test: list the messages that are not in the folder they would go to
    #[arg(long, alias = "where-is", requires = "test", conflicts_with = "diff")]
    pub(super) misplaced: bool,

    /// With --test: run the rules' filters, and use their output
    #[arg(long, requires = "test")]
    pub(super) run_filters: bool,

    #[command(flatten)]
    pub(super) whose: ForUser,

    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

/// Which rules are meant.
#[derive(clap::Args, Debug, Default, PartialEq)]
pub(super) struct RuleFiles {
    /// The rules [default: ~/.mailrules]
    #[arg(long, value_name = "FILE")]
    pub(super) rules: Option<PathBuf>,

    /// The provider's site rules [default: /etc/mfilter/site.mailrules]
    #[arg(long, value_name = "FILE")]
    pub(super) site: Option<PathBuf>,
}

/// What delivery and `--test` share.
#[derive(clap::Args, Debug, Default, PartialEq)]
pub(super) struct Delivery {
    #[command(flatten)]
    pub(super) files: RuleFiles,

    /// The Maildir [default: `set maildir`, else ~/Maildir]
    #[arg(long, value_name = "DIR")]
    pub(super) maildir: Option<PathBuf>,

    /// Deliver into another store instead: lmtp:unix:PATH or lmtp:HOST:PORT
    #[arg(long, value_name = "STORE")]
    pub(super) store: Option<StoreAddress>,

    /// The envelope sender; empty is the null sender [default: from the MTA]
    #[arg(short = 'f', long, allow_hyphen_values = true, value_parser = lossy(), value_name = "ADDR")]
    pub(super) sender: Option<String>,

    /// An envelope recipient; may be repeated [default: from the MTA]
    #[arg(short = 'd', long, allow_hyphen_values = true, value_parser = lossy(), value_name = "ADDR")]
    pub(super) recipient: Vec<String>,

    /// The address extension [default: from the MTA]
    #[arg(short = 'a', long, allow_hyphen_values = true, value_parser = lossy(), value_name = "EXT")]
    pub(super) extension: Option<String>,

    /// Set a value for `env "NAME"`, or a variable of the MTA
    #[arg(short = 'D', allow_hyphen_values = true, value_name = "NAME=VALUE", value_parser = variable)]
    pub(super) define: Vec<(String, String)>,

    /// Say more; may be repeated
    #[arg(short, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,

    /// Accepted for compatibility with procmail: mfilter always defers on a failure
    #[arg(short = 't', hide = true)]
    procmail_t: bool,

    /// Accepted for compatibility with procmail: mfilter never looks at Content-Length
    #[arg(short = 'Y', hide = true)]
    procmail_y: bool,
}

impl Delivery {
    /// What a command says that takes of these the Maildir alone.
    pub(super) fn to(maildir: &Option<PathBuf>) -> Delivery {
        Delivery { maildir: maildir.clone(), ..Delivery::default() }
    }
}

/// The commands.
#[derive(Subcommand, Debug)]
pub(super) enum Command {
    /// Show step by step how to set up delivery by mfilter
    Setup(Setup),
    /// Find every mistake in the rules and run their `expect`s
    Check(Check),
    /// Explain a mistake that `check` found, with an example
    Explain(Explain),
    /// Show what is known about a message: fields, classifiers, results
    Inspect(Inspect),
    /// Show the provider's filter and which categories are on, or switch them
    IspFilter(IspFilter),
    /// Say where a message belongs, for programs that file mail themselves
    Judge(Judge),
    /// Format rules in the canonical layout
    Fmt(Fmt),
    /// Refile existing mail by the rules, or undo that
    Sort(Sort),
    /// Move or delete mail that has lain in folders for long, as the rules say
    Expire(Expire),
    /// File mail as it comes into a Maildir that others fill, and learn from moves
    Watch(Watch),
    /// Learn from the messages that you have moved, once
    Learn(Learn),
    /// Show what is remembered between messages
    State(StateArgs),
    /// Count from the log what the rules did
    Stats(Stats),
    /// Explain from the log why a message is where it is
    Why(WhyArgs),
    /// List the versions of the rules that were in force, show, compare or restore one
    History(HistoryArgs),
    /// Translate the rules of another filter, or file old mail
    #[command(subcommand)]
    Import(ImportAction),
    /// Proxy a ManageSieve server and reject scripts that mfilter cannot run
    Managesieve(ManageSieve),
    /// Take mail for many users from an MTA over LMTP
    Lmtp(Lmtp),
    /// Print what a bug report needs, with nothing private in it
    ReportBug(ReportBug),
    /// Print the version
    Version,
    /// Print a completion script for a shell
    Completions(Completions),
}

/// `mfilter check`
#[derive(clap::Args, Debug)]
pub(super) struct Check {
    #[command(flatten)]
    pub(super) whose: ForUser,

    /// The rules [default: ~/.mailrules]
    pub(super) rules: Option<PathBuf>,

    /// Check these site rules, and the user's only if they are named
    #[arg(long, value_name = "FILE")]
    pub(super) site: Option<PathBuf>,

    /// With --site: keep the site rules, checked, beside their file for all deliveries
    #[arg(long, requires = "site")]
    pub(super) keep: bool,

    /// Check a Sieve script as `include sieve` runs it; `-` for standard input
    #[arg(long, value_name = "SCRIPT", conflicts_with_all = ["site", "mail"])]
    pub(super) sieve: Option<PathBuf>,

    /// With --sieve: the separator of folder levels [default: as the rules say]
    #[arg(long, value_name = "SIGN", value_parser = separator, requires = "sieve")]
    pub(super) separator: Option<char>,

    /// With --sieve: the prefix of folder names [default: as the rules say]
    #[arg(long, value_name = "TEXT", requires = "sieve")]
    pub(super) prefix: Option<String>,

    /// Check with this mail (Maildirs, mboxes, messages) that `set trust` names the right servers
    #[arg(long, value_name = "PATH", num_args = 1.., conflicts_with_all = ["json", "site"])]
    pub(super) mail: Vec<PathBuf>,

    /// One JSON array of mistakes
    #[arg(long)]
    pub(super) json: bool,
}

/// `mfilter isp-filter`
#[derive(clap::Args, Debug)]
pub(super) struct IspFilter {
    #[command(flatten)]
    pub(super) whose: ForUser,

    /// `on`, `off`, `default`, or categories, each followed by `on`, `off` or `default`
    #[arg(value_name = "WORD")]
    pub(super) words: Vec<String>,

    #[command(flatten)]
    pub(super) files: RuleFiles,

    /// One JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// `mfilter inspect`
#[derive(clap::Args, Debug)]
pub(super) struct Inspect {
    /// Messages, mboxes, Maildirs or folders of messages [default: standard input]
    #[arg(value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,

    #[command(flatten)]
    pub(super) delivery: Delivery,

    /// Use this as the current time
    #[arg(long, value_name = "RFC3339")]
    pub(super) now: Option<jiff::Timestamp>,

    /// One JSON object per message (JSON Lines)
    #[arg(long)]
    pub(super) json: bool,
}

/// `mfilter judge`
#[derive(clap::Args, Debug)]
pub(super) struct Judge {
    #[command(flatten)]
    pub(super) delivery: Delivery,

    /// The separator between folder levels [default: /]
    #[arg(long, value_name = "SIGN", value_parser = separator)]
    pub(super) separator: Option<char>,

    /// The folder and each flag on a line of its own, as maddy's `imap_filter` reads them
    #[arg(long, conflicts_with = "json")]
    pub(super) lines: bool,

    /// One JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// `mfilter fmt`
#[derive(clap::Args, Debug)]
pub(super) struct Fmt {
    /// Change nothing; exit 1 if a file is not in the canonical layout
    #[arg(long)]
    pub(super) check: bool,

    /// The rules, `-` for standard input [default: ~/.mailrules]
    pub(super) rules: Vec<PathBuf>,
}

/// `mfilter sort`
#[derive(clap::Args, Debug, Default)]
pub(super) struct Sort {
    #[command(flatten)]
    pub(super) whose: ForUser,

    /// The folders, named as in the rules [default: the inbox]
    #[arg(value_name = "FOLDER")]
    pub(super) folders: Vec<String>,

    /// List what would be moved; change nothing
    #[arg(long)]
    pub(super) dry_run: bool,

    /// All folders, without trash, junk, drafts and sent mail unless they are named
    #[arg(long)]
    pub(super) all: bool,

    /// With --all: skip this folder; may be repeated
    #[arg(long, value_name = "FOLDER", requires = "all")]
    pub(super) except: Vec<String>,

    /// Undo the last run, and then the one before
    #[arg(long, conflicts_with_all = ["folders", "dry_run", "all", "rules", "site"])]
    pub(super) undo: bool,

    #[command(flatten)]
    pub(super) delivery: Delivery,

    /// One JSON object per message (JSON Lines)
    #[arg(long)]
    pub(super) json: bool,
}

/// `mfilter expire`
#[derive(clap::Args, Debug)]
pub(super) struct Expire {
    /// The folders, named as in the rules [default: all that an `expire` names]
    #[arg(value_name = "FOLDER")]
    pub(super) folders: Vec<String>,

    /// List what would go; change nothing
    #[arg(long)]
    pub(super) dry_run: bool,

    /// Take more than half of a folder from which nothing was taken before, too
    #[arg(long, requires = "folders")]
    pub(super) more_than_half: bool,

    /// Undo the last run of this or of `sort`; what was deleted is gone
    #[arg(long, conflicts_with_all = ["folders", "dry_run", "rules"])]
    pub(super) undo: bool,

    /// The rules [default: ~/.mailrules]
    #[arg(long, value_name = "FILE")]
    pub(super) rules: Option<PathBuf>,

    /// The Maildir [default: `set maildir`, else ~/Maildir]
    #[arg(long, value_name = "DIR")]
    pub(super) maildir: Option<PathBuf>,

    /// One JSON object per message (JSON Lines)
    #[arg(long)]
    pub(super) json: bool,

    /// Say what goes
    #[arg(short, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
}

/// `mfilter watch`
#[derive(clap::Args, Debug)]
pub(super) struct Watch {
    /// The folders, named as in the rules [default: the inbox]
    #[arg(value_name = "FOLDER")]
    pub(super) folders: Vec<String>,

    /// The rules [default: ~/.mailrules]
    #[arg(long, value_name = "FILE")]
    pub(super) rules: Option<PathBuf>,

    /// The provider's site rules [default: /etc/mfilter/site.mailrules]
    #[arg(long, value_name = "FILE")]
    pub(super) site: Option<PathBuf>,

    /// The Maildir [default: `set maildir`, else ~/Maildir]
    #[arg(long, value_name = "DIR")]
    pub(super) maildir: Option<PathBuf>,

    /// Say what is filed and learned
    #[arg(short, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
}

/// `mfilter learn`
#[derive(clap::Args, Debug)]
pub(super) struct Learn {
    /// Say what would be learned; change nothing
    #[arg(long, conflicts_with = "undo")]
    pub(super) dry_run: bool,

    /// Undo what was learned last
    #[arg(long)]
    pub(super) undo: bool,

    /// The rules [default: ~/.mailrules]
    #[arg(long, value_name = "FILE")]
    pub(super) rules: Option<PathBuf>,

    /// The Maildir [default: `set maildir`, else ~/Maildir]
    #[arg(long, value_name = "DIR")]
    pub(super) maildir: Option<PathBuf>,

    /// One JSON object for each thing learned (JSON Lines)
    #[arg(long)]
    pub(super) json: bool,

    /// Say what is learned
    #[arg(short, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
}

/// `mfilter state`
#[derive(clap::Args, Debug)]
pub(super) struct StateArgs {
    /// One JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// `mfilter stats`
#[derive(clap::Args, Debug)]
pub(super) struct Stats {
    #[command(flatten)]
    pub(super) whose: ForUser,

    #[command(flatten)]
    pub(super) files: RuleFiles,

    /// One JSON object
    #[arg(long)]
    pub(super) json: bool,

    /// Write a self-contained HTML page; `-` for standard output
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub(super) html: Option<PathBuf>,
}

/// `mfilter why`
#[derive(clap::Args, Debug)]
pub(super) struct WhyArgs {
    #[command(flatten)]
    pub(super) whose: ForUser,

    /// The message's file, or its Message-ID
    #[arg(value_name = "FILE|MESSAGE-ID")]
    pub(super) message: OsString,

    #[command(flatten)]
    pub(super) files: RuleFiles,

    /// The Maildir [default: `set maildir`, else ~/Maildir]
    #[arg(long, value_name = "DIR")]
    pub(super) maildir: Option<PathBuf>,

    /// One JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// `mfilter history`
#[derive(clap::Args, Debug)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
pub(super) struct HistoryArgs {
    #[command(subcommand)]
    pub(super) action: Option<HistoryAction>,

    /// The rules [default: ~/.mailrules]
    #[arg(long, value_name = "FILE", global = true)]
    pub(super) rules: Option<PathBuf>,

    /// For this user of `mfilter lmtp`, by its settings
    #[arg(long, value_name = "ADDRESS", global = true)]
    user: Option<String>,

    /// The settings of `mfilter lmtp` [default: /etc/mfilter/lmtp.conf]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,

    /// What root has found out of the user: name and home
    #[arg(long, value_names = ["NAME", "HOME"], num_args = 2, hide = true, global = true)]
    account: Option<Vec<OsString>>,
}

impl HistoryArgs {
    /// Whose they are.
    pub(super) fn whose(&self) -> ForUser {
        let (user, config) = (self.user.clone(), self.config.clone());
        ForUser { user, config, account: self.account.clone() }
    }
}

/// What to do with a version; they are numbered from the newest, 1, back.
#[derive(Subcommand, Debug)]
pub(super) enum HistoryAction {
    /// Print the files of a version
    Show {
        /// Its number, as `mfilter history` lists it
        number: usize,
    },
    /// Show the changes since a version
    Diff {
        /// Its number, as `mfilter history` lists it
        number: usize,
    },
    /// Restore a version; what it replaces is kept as FILE.bak
    Restore {
        /// Its number, as `mfilter history` lists it
        number: usize,
    },
}

/// `mfilter import`: from where.
#[derive(Subcommand, Debug)]
#[command(disable_help_subcommand = true)]
pub(super) enum ImportAction {
    /// A maildrop filter, with what it includes
    Maildrop(ImportRules),
    /// Old mail: mboxes and MH folders into folders of the Maildir, with flags and dates
    Mbox(ImportMail),
    /// Gmail's filters, as it exports them: mailFilters.xml
    Gmail(ImportRules),
    /// A procmailrc, with what it includes
    Procmail(ImportRules),
    /// A Sieve script, of Dovecot or a web mailer
    Sieve(ImportRules),
    /// Thunderbird's filters of an account: msgFilterRules.dat
    Thunderbird(ImportRules),
}

/// `mfilter import mbox`
#[derive(clap::Args, Debug)]
pub(super) struct ImportMail {
    /// Mboxes, MH folders, or directories of them; none of them is changed
    #[arg(required = true, value_name = "FILE")]
    pub(super) paths: Vec<PathBuf>,

    /// The Maildir [default: `set maildir`, else ~/Maildir]
    #[arg(long, value_name = "DIR")]
    pub(super) maildir: Option<PathBuf>,

    /// The folder, named as in the rules [default: one named after each file]
    #[arg(long, value_name = "FOLDER")]
    pub(super) folder: Option<String>,

    /// File each message by the rules, as `mfilter sort` would; what matches no rule goes
    /// into the folder. Nothing is sent and no program is run
    #[arg(long)]
    pub(super) sort: bool,

    /// The rules [default: ~/.mailrules]
    #[arg(long, value_name = "FILE")]
    pub(super) rules: Option<PathBuf>,

    /// The provider's site rules [default: /etc/mfilter/site.mailrules]
    #[arg(long, value_name = "FILE")]
    pub(super) site: Option<PathBuf>,

    /// File again what an earlier run has filed
    #[arg(long)]
    pub(super) again: bool,

    /// Say what would be filed; change nothing
    #[arg(long, conflicts_with = "again")]
    pub(super) dry_run: bool,

    /// One JSON object per message (JSON Lines)
    #[arg(long)]
    pub(super) json: bool,

    /// Say where each message goes
    #[arg(short, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
}

/// `mfilter import sieve`
#[derive(clap::Args, Debug)]
pub(super) struct ImportRules {
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

    /// Make site rules, in a category, of a Sieve script that a provider runs before those
    /// of users
    #[arg(long, conflicts_with_all = ["maildir", "layout", "try"])]
    pub(super) site: bool,

    /// With `gmail`: what its labels become
    #[arg(long, value_enum, value_name = "WHAT", default_value = "folders")]
    pub(super) labels: LabelsAs,

    /// Write nothing unless all of it is exact
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

/// How folders lie in a Maildir.
#[derive(clap::ValueEnum, Debug, Clone, Copy)]
pub(super) enum LayoutName {
    #[value(name = "maildir++")]
    MaildirPlusPlus,
    Fs,
}

impl LayoutName {
    /// As `set layout` takes it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            LayoutName::MaildirPlusPlus => "maildir++",
            LayoutName::Fs => "fs",
        }
    }
}

/// `.` or `/`
fn separator(written: &str) -> Result<char, String> {
    match written {
        "." => Ok('.'),
        "/" => Ok('/'),
        _ => Err("it is `.` or `/`".into()),
    }
}

/// `mfilter managesieve`
#[derive(clap::Args, Debug)]
pub(super) struct ManageSieve {
    /// Where Dovecot's login process connects
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:4191")]
    pub(super) listen: SocketAddr,

    /// The ManageSieve server that keeps the scripts
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:4192")]
    pub(super) server: SocketAddr,

    /// The separator between folder levels in scripts [default: .]
    #[arg(long, value_name = "SIGN", value_parser = separator)]
    pub(super) separator: Option<char>,

    /// The prefix of folder names [default: nothing]
    #[arg(long, value_name = "TEXT")]
    pub(super) prefix: Option<String>,

    /// The layout of folders in the Maildirs [default: maildir++]
    #[arg(long, value_enum, value_name = "LAYOUT")]
    pub(super) layout: Option<LayoutName>,

    /// Connections at the same time [default: 200]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) connections: Option<u16>,
}

/// `mfilter report-bug`
#[derive(clap::Args, Debug)]
pub(super) struct ReportBug {
    /// A message that shows the mistake; only its structure is printed
    #[arg(value_name = "MESSAGE")]
    pub(super) message: Option<PathBuf>,
}

/// `mfilter setup`
#[derive(clap::Args, Debug)]
pub(super) struct Setup {
    /// Write what can be written into the home, with a backup of what is there
    #[arg(long)]
    pub(super) apply: bool,
}

/// `mfilter explain`
#[derive(clap::Args, Debug)]
pub(super) struct Explain {
    /// The code of the mistake, as in `error[unknown-field]` [default: list all]
    #[arg(value_name = "CODE")]
    pub(super) code: Option<String>,
}

/// `mfilter lmtp`
#[derive(clap::Args, Debug, Clone)]
pub(super) struct Lmtp {
    /// The settings; options win [default: /etc/mfilter/lmtp.conf]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// Where MTAs connect, on this machine: `unix:PATH` or `HOST:PORT` [default: standard
    /// input is the listening socket, as systemd gives it]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) listen: Option<Address>,

    /// The mode of the unix socket [default: 0660]
    #[arg(long, value_name = "MODE", value_parser = octal)]
    pub(super) socket_mode: Option<u32>,

    /// Who knows the users: `dovecot:PATH`, `passwd`, `passwd-file:PATH`,
    /// `template:DIR/{user}` [default: passwd]
    #[arg(long, value_name = "SOURCE")]
    pub(super) users: Option<UserSource>,

    /// Where mail is stored: `maildir`, `lmtp:unix:PATH`, `lmtp:HOST:PORT` [default: maildir]
    #[arg(long, value_name = "STORE")]
    pub(super) store: Option<Store>,

    /// Where the state of users lies who share a uid [default: /var/lib/mfilter]
    #[arg(long, value_name = "DIR")]
    pub(super) state: Option<PathBuf>,

    /// Started as root: the account that has all mail, and that the server becomes
    #[arg(long, value_name = "USER", conflicts_with = "front_id")]
    pub(super) user_id: Option<String>,

    /// Started as root, where users have uids of their own: the account that speaks to
    /// clients, and has no mail
    #[arg(long, value_name = "USER")]
    pub(super) front_id: Option<String>,

    /// Deliveries at the same time [default: twice the processors]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) workers: Option<u16>,

    /// Connections at the same time [default: 100]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) connections: Option<u16>,

    /// The characters that stand before an address's detail; empty for none [default: +]
    #[arg(long, value_name = "SIGNS")]
    pub(super) delimiter: Option<String>,

    /// The largest message; an MTA that takes larger ones bounces them [default: no limit]
    #[arg(long, value_name = "BYTES")]
    pub(super) message_size: Option<u64>,

    /// The provider's site rules [default: /etc/mfilter/site.mailrules]
    #[arg(long, value_name = "FILE")]
    pub(super) site: Option<PathBuf>,

    /// See whether it could start
    #[arg(long)]
    pub(super) check: bool,

    /// The listening socket is standard input, whatever `--listen` says.
    #[arg(long, hide = true)]
    pub(super) inherited: bool,
}

/// A mode as chmod(1) takes it.
fn octal(written: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(written, 8).ok().filter(|mode| *mode <= 0o777);
    mode.ok_or_else(|| "it is three or four octal digits".into())
}

/// `mfilter completions`
#[derive(clap::Args, Debug)]
pub(super) struct Completions {
    /// The shell
    #[arg(required_unless_present = "names")]
    pub(super) shell: Option<clap_complete::Shell>,

    /// For the scripts: the names of the user's folders or the provider's categories
    #[arg(long, hide = true)]
    pub(super) names: Option<Names>,
}

/// Names that only a program can know.
#[derive(clap::ValueEnum, Debug, Clone, Copy)]
pub(super) enum Names {
    Folders,
    Categories,
    Codes,
}

/// What delivery alone takes: small, so that building it costs little.
#[derive(Parser, Debug)]
#[command(name = "mfilter", disable_help_flag = true)]
pub(super) struct DeliveryArgs {
    #[command(flatten)]
    pub(super) delivery: Delivery,
}

/// Whether these arguments, `argv[0]` among them, ask for a delivery: nothing
/// in them is a command or one of the options that ask for something else.
/// What follows an option that takes a value is that value, whatever it looks
/// like: an address extension comes from the sender and may be `--help`.
pub(super) fn is_delivery(arguments: &[OsString]) -> bool {
    const COMMANDS: &[&str] = &[
        "report-bug",
        "setup",
        "explain",
        "help",
        "version",
        "history",
        "check",
        "inspect",
        "isp-filter",
        "judge",
        "fmt",
        "sort",
        "expire",
        "watch",
        "learn",
        "managesieve",
        "lmtp",
        "state",
        "stats",
        "why",
        "completions",
        "import",
    ];
    const OTHERS: [&str; 5] = ["--test", "--help", "-h", "--version", "-V"];
    if arguments.get(1).is_some_and(|first| COMMANDS.iter().any(|command| first == command)) {
        return false;
    }
    let mut rest = arguments.iter().skip(1);
    while let Some(argument) = rest.next() {
        if OTHERS.iter().any(|option| argument == option) {
            return false;
        }
        if WITH_VALUE.iter().any(|option| argument == option) {
            rest.next();
        }
    }
    true
}

/// What is wrong with a first word that is no command.
pub(super) fn unknown_command(arguments: &[OsString]) -> Option<String> {
    let word = arguments.get(1)?.to_str()?;
    let command = Args::command();
    let names: Vec<&str> = command.get_subcommands().map(|command| command.get_name()).collect();
    let tests = arguments.iter().any(|argument| argument == "--test");
    if word.is_empty() || word.starts_with('-') || tests || word == "help" || names.contains(&word)
    {
        return None;
    }
    let meant = match nearest(word, &names) {
        Some(near) => format!("did you mean `mfilter {near}`?"),
        None => format!("the commands are {}", names.join(", ")),
    };
    Some(format!("there is no command `{word}`; {meant}"))
}

impl Delivery {
    /// The arguments of a delivery as they mostly are, `argv[0]` among them:
    /// options that stand once, each with its value behind it. `None` for all
    /// else, which clap reads; what it needs to be built costs more than a
    /// small message.
    pub(super) fn plain(arguments: &[OsString]) -> Option<Delivery> {
        let mut delivery = Delivery::default();
        let mut rest = arguments.iter().skip(1);
        while let Some(option) = rest.next() {
            let option = option.to_str()?;
            if let "-t" | "-Y" = option {
                let flag = if option == "-t" {
                    &mut delivery.procmail_t
                } else {
                    &mut delivery.procmail_y
                };
                if std::mem::replace(flag, true) {
                    return None;
                }
                continue;
            }
            let value = rest.next()?;
            let text = || Some(value.to_string_lossy().into_owned());
            let path = || {
                let plain = !value.is_empty() && !value.as_encoded_bytes().starts_with(b"-");
                plain.then(|| Some(PathBuf::from(value)))
            };
            let before = match option {
                "--rules" => std::mem::replace(&mut delivery.files.rules, path()?).is_some(),
                "--site" => std::mem::replace(&mut delivery.files.site, path()?).is_some(),
                "--maildir" => std::mem::replace(&mut delivery.maildir, path()?).is_some(),
                "--store" => {
                    let store = value.to_str()?.parse().ok()?;
                    delivery.store.replace(store).is_some()
                }
                "-f" | "--sender" => std::mem::replace(&mut delivery.sender, text()).is_some(),
                "-a" | "--extension" => {
                    std::mem::replace(&mut delivery.extension, text()).is_some()
                }
                "-d" | "--recipient" => {
                    delivery.recipient.extend(text());
                    false
                }
                _ => return None,
            };
            if before {
                return None;
            }
        }
        Some(delivery)
    }
}

/// Options of a delivery that take a value.
const WITH_VALUE: [&str; 11] = [
    "--rules",
    "--site",
    "--maildir",
    "--store",
    "-f",
    "--sender",
    "-d",
    "--recipient",
    "-a",
    "--extension",
    "-D",
];

/// What comes from the sender may be no UTF-8, which is no reason to defer.
fn lossy() -> impl TypedValueParser<Value = String> {
    OsStringValueParser::new().map(|value| value.to_string_lossy().into_owned())
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::{Args, Delivery, DeliveryArgs, WITH_VALUE, is_delivery};

    #[test]
    fn the_definitions_are_sound() {
        Args::command().debug_assert();
        DeliveryArgs::command().debug_assert();
    }

    #[test]
    fn every_command_is_known_to_be_no_delivery() {
        for command in Args::command().get_subcommands() {
            assert!(!is_delivery(&["mfilter".into(), command.get_name().into()]));
        }
        assert!(is_delivery(&["mfilter".into()]));
        assert!(is_delivery(&["mfilter".into(), "--unknown".into()]));
        assert!(!is_delivery(&["mfilter".into(), "--rules".into(), "x".into(), "--test".into()]));
    }

    #[test]
    fn a_value_from_the_sender_is_never_an_option() {
        for value in ["--help", "-h", "--test", "-V", "check", "-f", "--", ""] {
            let call = ["mfilter", "-a", value, "-d", value, "-f", value].map(Into::into);
            assert!(is_delivery(&call), "{value}");
            let args = DeliveryArgs::try_parse_from(call).expect(value);
            assert_eq!(args.delivery.extension.as_deref(), Some(value));
            assert_eq!(args.delivery.recipient, [value]);
            assert_eq!(args.delivery.sender.as_deref(), Some(value));
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_read_without_clap_is_read_as_clap_does(
            words in proptest::collection::vec(
                proptest::sample::select(vec![
                    "--rules", "--site", "--maildir", "--store", "lmtp:unix:/x", "-f", "--sender", "-d", "--recipient", "-a",
                    "--extension", "-D", "-t", "-Y", "-v", "--", "", "-", "x", "a b", "--rules=x",
                    "-fx", "A=b", "--help",
                ]),
                0..7,
            ),
        ) {
            let call: Vec<std::ffi::OsString> =
                std::iter::once("mfilter").chain(words).map(Into::into).collect();
            if let Some(plain) = Delivery::plain(&call) {
                let args = DeliveryArgs::try_parse_from(&call);
                proptest::prop_assert_eq!(args.ok().map(|args| args.delivery), Some(plain));
            }
        }
    }

    #[test]
    fn options_with_a_value_are_all_known() {
        let command = DeliveryArgs::command();
        let with_value = command.get_arguments().filter(|arg| arg.get_action().takes_values());
        let mut names: Vec<String> = with_value
            .flat_map(|arg| {
                let short = arg.get_short().map(|short| format!("-{short}"));
                let long = arg.get_long().map(|long| format!("--{long}"));
                short.into_iter().chain(long)
            })
            .collect();
        let mut known = WITH_VALUE.map(str::to_owned);
        names.sort();
        known.sort();
        assert_eq!(names, known);
    }
}
