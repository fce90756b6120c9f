//! `NAME=value`: variables, and those that mean something to procmail.

use super::context::{Dependence, RecipeLowering};
use super::read::{NodeKind, RcNode, Recipe, RecipeAction};
use super::words::ProcmailVariable;
use crate::import::ir::{Effect, Unit, literal};
use crate::source::Span;
use crate::syntax::quote;

/// What procmail keeps for itself and what has no counterpart here.
const WITHOUT_MEANING: [&str; 22] = [
    "VERBOSE",
    "LOGABSTRACT",
    "LOGFILE",
    "LOCKFILE",
    "LOCKEXT",
    "LOCKSLEEP",
    "LOCKTIMEOUT",
    "TIMEOUT",
    "NORESRETRY",
    "SUSPEND",
    "COMSAT",
    "LINEBUF",
    "UMASK",
    "SHELL",
    "SHELLFLAGS",
    "SHELLMETAS",
    "PATH",
    "DROPPRIVS",
    "DELIVERED",
    "LANG",
    "LC_ALL",
    "TZ",
];

impl RecipeLowering<'_> {
    /// Variables that blocks set, which are kept by `let`.
    pub(super) fn collect(&mut self, nodes: &[RcNode]) {
        for node in nodes {
            let NodeKind::Recipe(Recipe { action: RecipeAction::Block(inner), .. }) = &node.kind
            else {
                continue;
            };
            self.collect(inner);
            for node in inner {
                if let NodeKind::Assign { name, .. } = &node.kind
                    && !is_special(name)
                {
                    self.kept.insert(name.clone());
                }
            }
        }
    }

    /// `NAME=value`
    pub(super) fn assign(
        &mut self,
        span: Span,
        name: &str,
        value: Option<&str>,
        before: &mut Dependence,
    ) -> Vec<Unit> {
        let Some(written) = value else {
            self.variables.unset(name);
            return Vec::new();
        };
        let expanded = self.variables.expand(written, false);
        match name {
            "INCLUDERC" => return self.include(span, expanded.map(|text| text.constant), before),
            "SWITCHRC" => return self.switch(span, expanded.map(|text| text.constant), before),
            "HOST" => {
                let effects = vec![Effect::Discard(Some("HOST in the procmailrc".into()))];
                return vec![Unit { effects, falls_through: false, ..Unit::new(span) }];
            }
            "TRAP" => return vec![Unit::not(span, "TRAP runs a program at the end")],
            "LOG" => {
                return match expanded {
                    Ok(text) => {
                        let text = text.template.trim().to_owned();
                        let effects =
                            if text.is_empty() { Vec::new() } else { vec![Effect::Log(text)] };
                        vec![Unit { effects, ..Unit::new(span) }]
                    }
                    Err(why) => vec![Unit::not(span, why)],
                };
            }
            "EXITCODE" => {
                let code = expanded.ok().and_then(|text| text.constant?.trim().parse().ok());
                self.exit_code = code;
                return match code {
                    Some(_) => Vec::new(),
                    None => vec![Unit::not(span, "EXITCODE is no number")],
                };
            }
            "SENDMAIL" => {
                if let Ok(text) = &expanded
                    && let Some(path) =
                        text.constant.as_deref().filter(|path| path.starts_with('/'))
                {
                    self.draft.settings.push(("sendmail".into(), quote(path)));
                }
            }
            _ => {}
        }
        if WITHOUT_MEANING.contains(&name) {
            if let Ok(text) = expanded
                && let Some(text) = text.constant
            {
                self.variables.set(name, ProcmailVariable::Constant(text));
            }
            return Vec::new();
        }
        if self.kept.contains(name) {
            let kept = kept_name(name);
            return match expanded {
                Ok(text) => {
                    self.variables.set(name, ProcmailVariable::Template(format!("{{{kept}}}")));
                    vec![Unit {
                        effects: vec![Effect::Let(kept, text.template)],
                        ..Unit::new(span)
                    }]
                }
                Err(why) => {
                    self.variables.set(name, ProcmailVariable::Unknown(format!("{name}: {why}")));
                    vec![Unit::not(span, why)]
                }
            };
        }
        let value = match expanded {
            Ok(text) => match text.constant {
                Some(constant) => ProcmailVariable::Constant(constant),
                None => ProcmailVariable::Template(text.template),
            },
            Err(why) => ProcmailVariable::Unknown(format!("{name}: {why}")),
        };
        self.variables.set(name, value);
        Vec::new()
    }
}

fn is_special(name: &str) -> bool {
    WITHOUT_MEANING.contains(&name)
        || matches!(
            name,
            "INCLUDERC"
                | "SWITCHRC"
                | "HOST"
                | "TRAP"
                | "LOG"
                | "EXITCODE"
                | "SENDMAIL"
                | "MAILDIR"
                | "DEFAULT"
                | "ORGMAIL"
                | "HOME"
                | "LOGNAME"
        )
}

/// The name under which `let` keeps a variable.
pub(super) fn kept_name(name: &str) -> String {
    let name: String =
        name.chars().map(|c| if c == '_' { '-' } else { c.to_ascii_lowercase() }).collect();
    format!("rc-{}", literal(&name))
}
