//! The rules of a program as people count them: each `when` and `otherwise`, and
//! each action outside of them.

use super::compiled::CompiledProgram;
use super::program::StatementKind;
use crate::source::Span;

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleEntry {
    /// The place of the rule without its block, or of the action.
    pub span: Span,
    /// Its line, from 1.
    pub line: u32,
    /// `rule "label"`
    pub label: Option<String>,
    /// How many of the rules after it are in its block.
    pub inside: usize,
    /// Whether the rule has an action of its own that leaves a line in the log.
    pub logged: bool,
}

/// All rules, in order.
pub fn rules(program: &CompiledProgram) -> Vec<RuleEntry> {
    let mut listed: Vec<RuleEntry> = Vec::new();
    // The enclosing rules, with the end of each.
    let mut open: Vec<(usize, usize)> = Vec::new();
    for (at, statement) in (0..).map_while(|at| Some((at, program.statement(at)?))) {
        open.retain(|(end, _)| *end > at);
        let (label, end) = match &statement.kind {
            StatementKind::When { label, end, .. } => (label.as_ref(), Some(end)),
            StatementKind::Act(action) => {
                let logged = action.is_logged();
                if let Some((_, context)) = open.last() {
                    if let Some(rule) = listed.get_mut(*context) {
                        rule.logged |= logged;
                    }
                    continue;
                }
                (None, None)
            }
            StatementKind::Category { .. }
            | StatementKind::Script { .. }
            | StatementKind::Leave => continue,
        };
        for (_, context) in &open {
            if let Some(rule) = listed.get_mut(*context) {
                rule.inside += 1;
            }
        }
        if let Some(end) = end {
            open.push((*end as usize, listed.len()));
        }
        listed.push(RuleEntry {
            span: statement.span,
            line: statement.line,
            label: label.cloned(),
            inside: 0,
            logged: matches!(&statement.kind, StatementKind::Act(action) if action.is_logged()),
        });
    }
    listed
}

/// The rules for which `fired` is false, without those in the block of such a rule.
pub fn never_fired<'l>(
    listed: &'l [RuleEntry],
    fired: &dyn Fn(&RuleEntry) -> bool,
) -> Vec<&'l RuleEntry> {
    let mut never = Vec::new();
    let mut at = 0;
    while let Some(rule) = listed.get(at) {
        at += 1;
        if !fired(rule) {
            never.push(rule);
            at += rule.inside;
        }
    }
    never
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::rules::check::{CheckContext, check, no_script};
    use crate::rules::compiled::CompiledProgram;
    use crate::source::Sources;

    #[test]
    fn groups_hold_what_is_in_them() {
        let text = "mark flagged\nrule \"a\" when subject is \"x\" {\n  when subject is \"y\" -> inbox\n  \
                    otherwise -> mark seen\n}\nwhen subject is \"z\" -> folder \"Z\"\ninbox\n";
        let mut sources = Sources::default();
        let (file, ast, parsed) = crate::syntax::parse_bytes(0, Path::new("r"), text.as_bytes());
        sources.add(file);
        let mut load = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
        let mut context = CheckContext {
            home: Path::new(""),
            load: &mut load,
            script: &mut no_script,
            confinement: None,
        };
        let checked = check(&mut sources, 0, ast, parsed, &mut context);
        let compiled = CompiledProgram::new(checked.program.unwrap());
        let listed = rules(&compiled);
        let summary: Vec<_> =
            listed.iter().map(|rule| (rule.line, rule.inside, rule.logged)).collect();
        assert_eq!(
            summary,
            [(1, 0, false), (2, 2, false), (3, 0, true), (4, 0, false), (6, 0, true), (7, 0, true)]
        );
        let never: Vec<u32> =
            never_fired(&listed, &|rule| rule.line == 1).iter().map(|rule| rule.line).collect();
        assert_eq!(never, [2, 6, 7], "what is in a group goes without saying");
    }
}
