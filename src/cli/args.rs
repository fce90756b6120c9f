//! The arguments that belong to no single command, and what distinguishes a delivery from
//! a command. Parsing only.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::Parser;
use clap::builder::{OsStringValueParser, TypedValueParser};
use jiff::Timestamp;
use jiff::civil::DateTime;

use super::commands::Command;
use super::for_user::ForUser;
use crate::hand_over::address::LmtpAddress;
use crate::user::User;
use crate::world::World;
use crate::zone::zone;

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
    pub(super) mda: MdaOptions,

    /// With --test: use this as the current time
    #[arg(long, value_name = "TIME", value_parser = moment, requires = "test")]
    pub(super) now: Option<Timestamp>,

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
    pub(super) for_user: ForUser,

    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

/// Which rules are meant.
#[derive(clap::Args, Debug, Default, PartialEq)]
pub(super) struct RuleOptions {
    /// The rules [default: ~/.mailrules]
    #[arg(long, value_name = "FILE")]
    pub(super) rules: Option<PathBuf>,

    /// The provider's site rules [default: /etc/mfilter/site.mailrules]
    #[arg(long, value_name = "FILE")]
    pub(super) site: Option<PathBuf>,
}

/// Which rules and which Maildir are meant.
#[derive(clap::Args, Debug, Default, PartialEq)]
pub(super) struct MailboxOptions {
    #[command(flatten)]
    pub(super) files: RuleOptions,

    /// The Maildir [default: `set maildir`, else ~/Maildir]
    #[arg(long, value_name = "DIR")]
    pub(super) maildir: Option<PathBuf>,
}

/// What a delivery and a dry run of one take: which rules, which Maildir, and what an MTA
/// says of the message.
#[derive(clap::Args, Debug, Default, PartialEq)]
pub(super) struct DeliveryOptions {
    #[command(flatten)]
    pub(super) mailbox: MailboxOptions,

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

    /// Print more details; may be repeated
    #[arg(short, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
}

impl DeliveryOptions {
    /// The world of a delivery or a dry run.
    pub(super) fn world(&self, now: Option<Timestamp>, user: User) -> World {
        World {
            sender: self.sender.clone(),
            recipients: self.recipient.clone(),
            extension: self.extension.clone(),
            variables: self.define.iter().cloned().collect(),
            now,
            ..World::of(user)
        }
    }
}

/// What an MTA calls us with: small, so that building it costs little.
#[derive(clap::Args, Debug, Default, PartialEq)]
pub(super) struct MdaOptions {
    #[command(flatten)]
    pub(super) delivery: DeliveryOptions,

    /// Deliver into another store instead: lmtp:unix:PATH or lmtp:HOST:PORT
    #[arg(long, value_name = "STORE")]
    pub(super) store: Option<LmtpAddress>,

    /// Accepted for compatibility with procmail: mfilter always defers on a failure
    #[arg(short = 't', hide = true)]
    procmail_t: bool,

    /// Accepted for compatibility with procmail: mfilter never looks at Content-Length
    #[arg(short = 'Y', hide = true)]
    procmail_y: bool,
}

/// The layout of the folders in a Maildir.
#[derive(clap::ValueEnum, Debug, Clone, Copy)]
pub(super) enum LayoutName {
    #[value(name = "maildir++")]
    MaildirPlusPlus,
    Fs,
}

impl LayoutName {
    /// The name that `set layout` accepts.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            LayoutName::MaildirPlusPlus => "maildir++",
            LayoutName::Fs => "fs",
        }
    }
}

/// Parses a separator: `.` or `/`.
pub(super) fn separator(written: &str) -> Result<char, String> {
    match written {
        "." => Ok('.'),
        "/" => Ok('/'),
        _ => Err("it is `.` or `/`".into()),
    }
}

/// The call of an MTA.
#[derive(Parser, Debug)]
#[command(name = "mfilter", disable_help_flag = true)]
pub(super) struct MdaArgs {
    #[command(flatten)]
    pub(super) mda: MdaOptions,
}

/// Whether these arguments, including `argv[0]`, ask for a delivery: none of them is a
/// command or an option that asks for something else. The argument after an option with a
/// value is that value, whatever it looks like: an address extension comes from the
/// sender and may be `--help`.
pub(super) fn is_delivery(arguments: &[OsString]) -> bool {
    const OTHERS: [&str; 5] = ["--test", "--help", "-h", "--version", "-V"];
    if arguments.get(1).is_some_and(|first| {
        first == "help" || Command::NAMES.iter().any(|command| first == command)
    }) {
        return false;
    }
    let mut rest = arguments.iter().skip(1);
    while let Some(argument) = rest.next() {
        if OTHERS.iter().any(|option| argument == option) {
            return false;
        }
        if takes_value(argument) {
            rest.next();
        }
    }
    true
}

/// A moment as rules write it: `2026-12-24`, `2026-12-24T18:00`, with a zone or in the
/// system's.
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    let local = || text.parse::<DateTime>().ok()?.to_zoned(zone(None)).ok();
    let moment = text.parse().ok().or_else(|| Some(local()?.timestamp()));
    moment.ok_or_else(|| "write it as 2026-12-24T18:00+09:00".to_owned())
}

impl MdaOptions {
    /// The arguments of a delivery in their usual form, including `argv[0]`: each option
    /// once, followed by its value. `None` for everything else, which clap parses;
    /// building its parser costs more than a small message.
    pub(super) fn plain(arguments: &[OsString]) -> Option<MdaOptions> {
        let mut mda = MdaOptions::default();
        let mut rest = arguments.iter().skip(1);
        while let Some(option) = rest.next() {
            let option = option.to_str()?;
            if let "-t" | "-Y" = option {
                let flag = if option == "-t" { &mut mda.procmail_t } else { &mut mda.procmail_y };
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
            let delivery = &mut mda.delivery;
            let before = match option {
                "--rules" => {
                    std::mem::replace(&mut delivery.mailbox.files.rules, path()?).is_some()
                }
                "--site" => std::mem::replace(&mut delivery.mailbox.files.site, path()?).is_some(),
                "--maildir" => std::mem::replace(&mut delivery.mailbox.maildir, path()?).is_some(),
                "--store" => {
                    let store = value.to_str()?.parse().ok()?;
                    mda.store.replace(store).is_some()
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
        Some(mda)
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

/// Whether the argument after this one is its value: after `-a`, and after `-ta`, as people
/// who come from procmail write it.
fn takes_value(argument: &OsStr) -> bool {
    let is_cluster = |argument: &[u8]| match argument {
        [b'-', flags @ .., last] => {
            !flags.is_empty()
                && flags.iter().all(|flag| b"tYv".contains(flag))
                && b"fdaD".contains(last)
        }
        _ => false,
    };
    WITH_VALUE.iter().any(|option| argument == *option) || is_cluster(argument.as_encoded_bytes())
}

/// Text from the sender need not be UTF-8, which is not a reason to defer.
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

    use super::{Args, MdaArgs, MdaOptions, WITH_VALUE, is_delivery};

    #[test]
    fn the_definitions_are_sound() {
        Args::command().debug_assert();
        MdaArgs::command().debug_assert();
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
            let args = MdaArgs::try_parse_from(call).expect(value);
            assert_eq!(args.mda.delivery.extension.as_deref(), Some(value));
            assert_eq!(args.mda.delivery.recipient, [value]);
            assert_eq!(args.mda.delivery.sender.as_deref(), Some(value));
            let call = ["mfilter", "-ta", value, "-Yd", value, "-vf", value].map(Into::into);
            assert!(is_delivery(&call), "{value}");
            let args = MdaArgs::try_parse_from(call).expect(value);
            assert_eq!(args.mda.delivery.extension.as_deref(), Some(value));
        }
        for call in [["mfilter", "-tx", "--test"], ["mfilter", "-a", "--"]] {
            assert_eq!(is_delivery(&call.map(Into::into)), call[1] == "-a");
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
            if let Some(plain) = MdaOptions::plain(&call) {
                let args = MdaArgs::try_parse_from(&call);
                proptest::prop_assert_eq!(args.ok().map(|args| args.mda), Some(plain));
            }
        }
    }

    #[test]
    fn options_with_a_value_are_all_known() {
        let command = MdaArgs::command();
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
