//! Programs in a directory of the server: Pigeonhole's `vnd.dovecot.pipe`, `.filter` and
//! `.execute`.

use std::rc::Rc;

use super::act::SieveAct;
use super::arguments::Arguments;
use super::context::Lowering;
use super::parse::Node;
use super::state::FILED;
use crate::import::ir::{Cond, Effect, literal};
use crate::import::shell::WITHOUT_INPUT;

/// What holds for all programs.
const NOTES: [&str; 3] = [
    "programs get the message with its line ends, where Pigeonhole gives them CRLF, and without \
     HOST and ORIG_RECIPIENT",
    "after a program that cannot be started, is killed or takes too long, the rules go on, where \
     a script ends and the message goes to the inbox",
    "a filter that prints nothing has failed",
];

/// Why nothing of a script for IMAPSIEVE (RFC 6785) becomes rules.
pub(super) const WHEN_MOVED: &str =
    "it is done when mail is moved, and rules are for mail that comes";

impl Lowering<'_> {
    /// `pipe [:copy] [:try] name [arguments]`
    pub(super) fn pipe(
        &mut self,
        node: &Node,
        arguments: &Arguments<'_>,
        acts: &mut Vec<SieveAct>,
    ) -> Result<(), String> {
        arguments.unknown(&["copy", "try"])?;
        let words = self.program(node, arguments)?;
        let name = words.first().cloned().unwrap_or_default();
        if !Rc::make_mut(&mut self.state.piped).insert(name) {
            return Err("giving a message to a program twice is a mistake in Sieve".into());
        }
        let (copy, attempt) = (arguments.has("copy"), arguments.has("try"));
        acts.push(SieveAct::Pipe { words, copy, attempt });
        Ok(())
    }

    /// `execute [:pipe] name [arguments]`
    pub(super) fn execute(
        &mut self,
        node: &Node,
        arguments: &Arguments<'_>,
        acts: &mut Vec<SieveAct>,
    ) -> Result<(), String> {
        if arguments.has("output") {
            return Err("a variable becomes what a program prints".into());
        }
        if arguments.has("input") {
            return Err("a program is given a text, not the message".into());
        }
        arguments.unknown(&["pipe"])?;
        let mut words = self.program(node, arguments)?;
        if !self.state.piped.is_empty() {
            self.approximately(
                "programs run in the order of the rules, where `execute` runs first",
            );
        }
        if !arguments.has("pipe") {
            let shell = ["/bin/sh".to_owned(), "-c".to_owned(), literal(WITHOUT_INPUT)];
            words.splice(..0, shell);
        }
        acts.push(SieveAct::Other(Effect::Program("run", words)));
        Ok(())
    }

    /// `filter name [arguments]`
    pub(super) fn filter(
        &mut self,
        node: &Node,
        arguments: &Arguments<'_>,
        acts: &mut Vec<SieveAct>,
    ) -> Result<(), String> {
        arguments.unknown(&[])?;
        let words = self.program(node, arguments)?;
        self.filters = true;
        acts.push(SieveAct::Change(Effect::Program("filter", words)));
        Ok(())
    }

    /// `filter` as a test: it is run before the rule, so it has to be what the `if`
    /// evaluates first.
    pub(super) fn filter_test(
        &mut self,
        node: &Node,
        arguments: &Arguments<'_>,
    ) -> Result<Cond, String> {
        arguments.unknown(&[])?;
        let words = self.program(node, arguments)?;
        if self.evaluated_first != Some(node.span) {
            return Err("whether this filter runs depends on the tests before it".into());
        }
        self.filters = true;
        self.stateful = true;
        self.hoisted.push(Effect::Program("filter", words));
        Ok(Cond::not(Cond::Word("filter-failed".into())))
    }

    /// A program and its arguments, as templates.
    fn program(&mut self, node: &Node, arguments: &Arguments<'_>) -> Result<Vec<String>, String> {
        if self.requires("imapsieve") {
            return Err(WHEN_MOVED.into());
        }
        let Some(folder) = &self.options.programs else {
            return Err(match self.options.included {
                Some(_) => {
                    format!("the program of `{}` is in a directory of the server", node.name)
                }
                None => format!(
                    "the program of `{}` is in a directory of the server: `--programs` names it",
                    node.name
                ),
            });
        };
        let name = arguments.string(0)?;
        if name.is_empty() || name.contains(|c: char| c == '/' || c.is_control()) {
            return Err(format!("`{name}` is not the name of a program"));
        }
        let mut words = vec![literal(&format!("{folder}{name}"))];
        if arguments.count() > 1 {
            for argument in arguments.strings(1)? {
                let expansion = self.expand(argument)?;
                if expansion.constant().is_none() {
                    self.approximately(
                        "an argument that the message would make begin with `-` gets a `_` before \
                         it, and a long one does not end the rules",
                    );
                }
                words.push(self.template(&expansion, ""));
            }
        }
        NOTES.iter().for_each(|note| self.draft.note(*note));
        Ok(words)
    }

    /// A message that is given to a program, after which the script goes on; `kept` if it
    /// is put into the inbox in any case.
    pub(super) fn piped(
        &mut self,
        act: (Vec<String>, bool, bool),
        kept: bool,
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        let (words, copy, attempt) = act;
        if !copy && self.state.keep != FILED {
            return Err("the script goes on after a `pipe`, which ends the rules here".into());
        }
        if !attempt && !kept {
            self.approximately(
                "if the program fails, only the log says so, where Sieve puts the message into \
                 the inbox",
            );
        }
        effects.push(Effect::Program("run", words));
        Ok(())
    }

    /// A message that is given to a program, and to nothing after it.
    pub(super) fn piped_last(
        &mut self,
        words: Vec<String>,
        attempt: bool,
        effects: &mut Vec<Effect>,
    ) {
        self.approximately(match attempt {
            true => {
                "if the program fails, the mail server tries again, where Sieve drops the \
                     message"
            }
            false => {
                "if the program fails, the mail server tries again, where Sieve puts the \
                      message into the inbox"
            }
        });
        effects.push(Effect::Program("pipe", words));
    }
}
