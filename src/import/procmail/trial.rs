//! A procmailrc that delivers nothing and runs no foreign program, for
//! `mfilter import procmail --try`.

use std::collections::BTreeMap;
use std::path::Path;

use super::mark_read::marked_delivery;
use super::read::{NodeKind, RcNode, Recipe, RecipeAction, read};
use super::words::{ProcmailVariable, RcVariables};
use crate::import::one_line::only_changes_text;
use crate::import::shell::{command_value, is_duplicate_check, shell_words};
use crate::import::trial::{MARK, PART, TrialWriter, runs_only};
use crate::import::{IncludeLoader, decode};
use crate::source::SourceFile;

/// procmail changes to the directory that MAILDIR names, which does not exist.
const DIRECTORY: &str = "MFILTERDIR";

/// Rewrites recipes so that they only say in the log what they would do.
pub fn trial(path: &Path, bytes: &[u8], load: IncludeLoader<'_>) -> String {
    let mut writer = ProcmailTrial {
        out: TrialWriter::new(path, load),
        variables: RcVariables::new(BTreeMap::new()),
        files: 0,
        blocks: 0,
        flags: String::new(),
    };
    writer.variables.set(DIRECTORY, ProcmailVariable::Constant("~".into()));
    writer
        .out
        .text
        .push_str(&format!("{DIRECTORY}=\"$HOME\"\nDEFAULT=\"$HOME/Maildir/\"\nEXITCODE=0\n"));
    writer.file(path, bytes);
    writer.ends_with("$DEFAULT");
    writer.out.text
}

struct ProcmailTrial<'a> {
    out: TrialWriter<'a>,
    /// What is known of variables, for the names of files that are included.
    variables: RcVariables,
    /// How many files are around the current place.
    files: usize,
    /// How many blocks of the file are.
    blocks: usize,
    /// The flags that the next mailbox is for.
    flags: String,
}

impl ProcmailTrial<'_> {
    fn file(&mut self, path: &Path, bytes: &[u8]) {
        let file = SourceFile::new(path, decode(bytes).0);
        let blocks = std::mem::take(&mut self.blocks);
        self.files += 1;
        self.nodes(&read(0, &file));
        self.files -= 1;
        self.blocks = blocks;
    }

    /// A line in the log; procmail expands the target.
    fn says(&mut self, kind: &str, target: &str) {
        let flags = std::mem::take(&mut self.flags);
        let head = format!(
            "{MARK}{kind}{PART}${DIRECTORY}{PART}${DIRECTORY}{PART}$DEFAULT{PART}{flags}{PART}"
        );
        self.out.text.push_str(&format!("LOG=\"\n{head}\"{target}\"\n\"\n"));
    }

    fn ends_with(&mut self, target: &str) {
        self.says("to", target);
        self.out.text.push_str(":0\n/dev/null\n");
    }

    fn nodes(&mut self, nodes: &[RcNode]) {
        let mut joined = 0;
        for (number, node) in nodes.iter().enumerate() {
            if number < joined {
                continue;
            }
            match &node.kind {
                NodeKind::Unreadable(_) | NodeKind::Comments => {}
                NodeKind::Assign { name, value: Some(value) } if name == "SWITCHRC" => {
                    if self.files > 1 && self.blocks > 0 {
                        continue;
                    }
                    self.include(&own_directory(value));
                    if self.files > 1 {
                        return;
                    }
                    self.ends_with("$DEFAULT");
                }
                NodeKind::Assign { name, value } => self.assign(name, value.as_deref()),
                NodeKind::Recipe(recipe) => {
                    match marked_delivery(nodes.get(number..).unwrap_or_default()) {
                        Some(marked) => {
                            joined = number + marked.nodes;
                            self.flags = marked.letters;
                            self.recipe(&marked.recipe);
                            self.flags.clear();
                        }
                        None => self.recipe(recipe),
                    }
                }
            }
        }
    }

    fn assign(&mut self, name: &str, value: Option<&str>) {
        let written = value.map(own_directory);
        match (name, written) {
            ("INCLUDERC", Some(value)) => self.include(&value),
            ("HOST", _) => {
                self.says("exit", "$EXITCODE");
                self.out.text.push_str(":0\n/dev/null\n");
            }
            (
                "LOG" | "LOGFILE" | "VERBOSE" | "LOGABSTRACT" | "TRAP" | "SWITCHRC" | "LOCKFILE"
                | "SENDMAIL" | "COMSAT" | "HOME" | "SHELL" | "UMASK" | "INCLUDERC",
                _,
            ) => {}
            (_, None) => self.out.text.push_str(&format!("{name}\n")),
            (_, Some(value)) => {
                let name = if name == "MAILDIR" { DIRECTORY } else { name };
                let known = self.variables.expand(&value, false).ok();
                match known.and_then(|text| text.constant) {
                    Some(text) => self.variables.set(name, ProcmailVariable::Constant(text)),
                    None => self.variables.unset(name),
                }
                let value = if runs_others(&value) { String::new() } else { value };
                self.out.text.push_str(&format!("{name}={value}\n"));
            }
        }
    }

    fn recipe(&mut self, recipe: &Recipe) {
        // A program decides: such a recipe is not translated.
        if recipe.conditions.iter().any(|text| text.trim_start_matches(['!', ' ']).starts_with('?'))
        {
            return;
        }
        let copy = recipe.flags.contains('c');
        let action = match &recipe.action {
            RecipeAction::Mailbox(name) if runs_others(name) => return,
            RecipeAction::Mailbox(name) => Some(own_directory(name)),
            RecipeAction::Forward(to) => Some(format!("\"!{}\"", own_directory(to))),
            RecipeAction::Block(_) => None,
            RecipeAction::Capture(..) => return,
            RecipeAction::Pipe(command) if is_duplicate_check(command) => return,
            RecipeAction::Pipe(command) if recipe.flags.contains('f') => {
                if runs_only(command, "formail") {
                    self.head(&recipe.flags, &recipe.conditions);
                    self.out.text.push_str(&format!("| {}\n", own_directory(command)));
                }
                return;
            }
            RecipeAction::Pipe(_) if copy => return,
            RecipeAction::Pipe(_) => Some("\"|\"".to_owned()),
        };
        let kept: String = recipe.flags.chars().filter(|flag| "HBDAaEe".contains(*flag)).collect();
        self.head(&kept, &recipe.conditions);
        self.out.text.push_str("{\n");
        match (&recipe.action, action) {
            (RecipeAction::Block(inner), _) => {
                self.blocks += 1;
                self.nodes(inner);
                self.blocks -= 1;
            }
            (RecipeAction::Mailbox(name), Some(_)) if shell_words(name).len() > 1 => {
                let words = shell_words(name);
                for word in words.iter().skip(usize::from(!copy)) {
                    self.says("cc", &own_directory(word));
                }
                if let Some(first) = words.first().filter(|_| !copy) {
                    self.ends_with(&own_directory(first));
                }
            }
            (_, Some(target)) => {
                let is_null = target.trim_matches('"') == "/dev/null";
                match (copy, is_null) {
                    (true, _) => self.says("cc", &target),
                    (false, true) => self.says("exit", "$EXITCODE"),
                    (false, false) => self.says("to", &target),
                }
                if !copy {
                    self.out.text.push_str(":0\n/dev/null\n");
                }
            }
            _ => {}
        }
        self.out.text.push_str("}\n");
    }

    fn head(&mut self, flags: &str, conditions: &[String]) {
        self.out.text.push_str(&format!(":0 {flags}\n"));
        for condition in conditions {
            self.out.text.push_str(&format!("* {}\n", own_directory(condition)));
        }
    }

    fn include(&mut self, written: &str) {
        let known = self.variables.expand(written, false).ok();
        let Some(path) = known.and_then(|text| text.constant) else { return };
        let below = path.strip_prefix("~/").unwrap_or(&path);
        let Some((path, bytes)) = self.out.enter(below) else { return };
        self.file(&path, &bytes);
        self.out.leave();
    }
}

/// With another name for `$MAILDIR`.
fn own_directory(text: &str) -> String {
    text.replace("${MAILDIR}", &format!("${{{DIRECTORY}}}"))
        .replace("$MAILDIR", &format!("${{{DIRECTORY}}}"))
}

/// Whether a text in backquotes runs anything except `date` and `formail`, or what only
/// changes a text, such as `echo "$MATCH" | tr A-Z a-z`.
fn runs_others(text: &str) -> bool {
    let is_other = |command| command_value(command).is_err() && !only_changes_text(command);
    text.split('`').skip(1).step_by(2).any(is_other)
}
