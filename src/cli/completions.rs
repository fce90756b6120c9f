//! `mfilter completions SHELL`: a script for a shell, for packagers. For what no script
//! can know, the user's folders and the provider's categories, it calls `mfilter
//! completions --names`.

use clap::CommandFactory;
use clap_complete::Shell;

use super::args::{Args, RuleOptions};
use super::current_rules::CurrentRules;
use super::{CommandError, CommandOutcome, output};
use crate::load;
use crate::maildir::Maildir;
use crate::rules::explanation;
use crate::user::User;
use crate::world::World;

/// `mfilter completions`
#[derive(clap::Args, Debug)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(required_unless_present = "names")]
    pub(super) shell: Option<clap_complete::Shell>,

    /// For the scripts: the names of the user's folders or the provider's categories
    #[arg(long, hide = true)]
    pub(super) names: Option<CompletionNames>,
}

/// Names that only a program can know.
#[derive(clap::ValueEnum, Debug, Clone, Copy)]
pub(super) enum CompletionNames {
    Folders,
    Categories,
    Codes,
}

/// Appended to clap's output for bash: names that only mfilter knows.
const BASH: &str = r#"
_mfilter_and_names() {
    _mfilter "$@"
    local names
    case "${COMP_WORDS[1]} $2" in
        *" -"*) return ;;
        "sort "* | "watch "* | "expire "* | "suggest "* | "screener "*) names=folders ;;
        "isp-filter "*) names=categories ;;
        "explain "*) names=codes ;;
        *) return ;;
    esac
    local name
    while IFS= read -r name; do
        case "$name" in "$2"*) COMPREPLY+=("$(printf %q "$name")") ;; esac
    done < <(mfilter completions --names "$names" 2>/dev/null)
}
complete -F _mfilter_and_names -o bashdefault -o default mfilter
"#;

/// The same for zsh, inserted before the call at the end of clap's output.
const ZSH: &str = r#"
_mfilter_names() {
    local -a names
    names=("${(@f)$(mfilter completions --names "$1" 2>/dev/null)}")
    compadd -a names
}
"#;

pub(super) fn run(call: &CompletionsArgs) -> Result<CommandOutcome, String> {
    if let Some(names) = call.names {
        let names = match names {
            CompletionNames::Folders => folders()?,
            CompletionNames::Categories => categories(),
            CompletionNames::Codes => explanation::codes().map(str::to_owned).collect(),
        };
        output::print(&names.iter().map(|name| format!("{name}\n")).collect::<String>());
        return Ok(CommandOutcome::Fine);
    }
    let shell = call.shell.ok_or("name a shell: bash, elvish, fish, powershell or zsh")?;
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "mfilter", &mut script);
    output::print(&with_names(shell, &String::from_utf8_lossy(&script)));
    Ok(CommandOutcome::Fine)
}

/// The script without hidden options, and with the names.
fn with_names(shell: Shell, script: &str) -> String {
    match shell {
        Shell::Bash => {
            script.replace(" -t -Y ", " ").replace("-h --names --help", "-h --help") + BASH
        }
        Shell::Zsh => {
            let shown = |line: &&str| {
                !line.contains("compatibility with procmail") && !line.contains("--names")
            };
            let lines: Vec<&str> = script.lines().filter(shown).collect();
            let script = lines.join("\n") + "\n";
            let script = script
                .replace(":FOLDER:_default", ":FOLDER:_mfilter_names folders")
                .replace(
                    "[default\\: the inbox\\]:_default",
                    "[default\\: the inbox\\]:_mfilter_names folders",
                )
                .replace(
                    "[default\\: list all]:_default",
                    "[default\\: list all]:_mfilter_names codes",
                )
                .replace(
                    "`off` or `default`:_default",
                    "`off` or `default`:_mfilter_names categories",
                );
            script.replacen("\n_mfilter() {", &format!("{ZSH}\n_mfilter() {{"), 1)
        }
        // For the other shells: those that list each option on a line of its own.
        _ => {
            let shown = |line: &&str| !line.contains("compatibility with procmail");
            let lines: Vec<&str> = script.lines().filter(shown).collect();
            lines.join("\n") + "\n"
        }
    }
}

/// The folders of the Maildir, by the names that people read.
fn folders() -> Result<Vec<String>, String> {
    let user = User::of_process();
    let rules = CurrentRules::of(&RuleOptions::default(), &user).map_err(|error| match error {
        CommandError::Mistakes(_) => "the rules have a mistake: see `mfilter check`".to_owned(),
        CommandError::Failed(why) => why,
    })?;
    let world = World::of(user);
    let program = &rules.rules.user;
    let location = super::location(None, program, &world)?;
    let maildir = Maildir::open(&location).map_err(|failure| failure.to_string())?;
    let (places, _) = maildir.folders();
    let names = places.iter().map(|place| location.folder_of(place));
    let names =
        names.filter(|folder| !folder.parts.is_empty()).map(|folder| folder.parts.join("/"));
    // A shell can only read one name per line.
    Ok(names.filter(|name| !name.contains(char::is_control)).collect())
}

fn categories() -> Vec<String> {
    let site = load::site::in_force(None);
    let program = site.compiled.as_ref();
    let categories = program.iter().flat_map(|program| program.categories.iter());
    categories.map(|category| category.name.clone()).collect()
}
