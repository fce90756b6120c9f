//! `include sieve`: the rules that a script was translated to, in the place of
//! the statement. The script has its own names, its own folder prefix and its own
//! places: mistakes in it are reported at its own lines.

use std::mem;

use super::{Checker, resolve};
use crate::diagnostic::{Diagnostic, Severity};
use crate::rules::mistake::{RuleErrorKind, ScriptMistake};
use crate::rules::program::StatementKind;
use crate::rules::script::{IncludedScript, Script, ScriptFault, ScriptRequest};
use crate::source::{SourceFile, Span};
use crate::spelling::nearest;
use crate::syntax::ast::{ScriptOption, SpannedText, StatementNode, StatementNodeKind};
use crate::syntax::{parse_bytes, words};

/// How the namespace of the script's folders is written.
struct ScriptNamespace {
    separator: char,
    prefix: String,
}

impl Checker<'_, '_> {
    /// `include sieve "~/.dovecot.sieve" separator "." prefix ""`
    pub(super) fn include_sieve(
        &mut self,
        span: Span,
        file: &SpannedText,
        options: &[ScriptOption],
    ) {
        let before = self.reach("script", span, None);
        self.statements.dead = before;
        let namespace = self.namespace(options);
        let mistake = if self.site {
            Some(ScriptMistake::OfSite)
        } else if self.statements.in_group() {
            Some(ScriptMistake::InGroup)
        } else {
            self.script.as_ref().map(|first| ScriptMistake::Twice { at: first.statement })
        };
        if let Some(mistake) = mistake {
            return self.report(span, mistake);
        }
        self.shell_path(&file.value, file.span, Severity::Warning);
        let path = resolve(&file.value, self.sources.path(file.span), self.context.home);
        let timezone = self.program.settings.timezone.clone();
        let request = ScriptRequest {
            path: &path,
            separator: namespace.separator,
            prefix: &namespace.prefix,
            layout: self.program.settings.layout,
            timezone: timezone.as_deref(),
        };
        let found = (self.context.script)(&request);
        let first = self.sources.files().len() as u32;
        let mut included =
            IncludedScript { statement: span, path, files: first..first, faults: Vec::new() };
        if let Some(script) = found {
            for file in &script.files {
                self.sources.add(file.clone());
            }
            included.files.end = first + script.files.len() as u32;
            let moved = |span: Span| Span { file: span.file + first, ..span };
            let faults = script
                .faults
                .iter()
                .map(|fault| ScriptFault { span: fault.span.map(moved), ..fault.clone() });
            included.faults.extend(faults);
            if script.faults.is_empty() && !script.rules.is_empty() {
                included.faults = self.add_script(span, &script, first);
            }
        }
        self.script = Some(included);
    }

    fn namespace(&mut self, options: &[ScriptOption]) -> ScriptNamespace {
        let mut namespace = ScriptNamespace { separator: '.', prefix: String::new() };
        let mut seen: Vec<&str> = Vec::new();
        for ScriptOption { name, value } in options {
            let text = name.value.as_str();
            if seen.contains(&text) {
                let mistake = ScriptMistake::OptionTwice { name: name.value.clone() };
                self.report(name.span, mistake);
            }
            seen.push(text);
            match text {
                "separator" => match value.value.as_str() {
                    "." => namespace.separator = '.',
                    "/" => namespace.separator = '/',
                    _ => self.report(value.span, ScriptMistake::Separator),
                },
                "prefix" => namespace.prefix.clone_from(&value.value),
                _ => {
                    let near =
                        nearest(text, words::SCRIPT_OPTIONS.iter().copied()).map(str::to_owned);
                    let mistake = ScriptMistake::Option { name: name.value.clone(), near };
                    self.report(name.span, mistake);
                }
            }
        }
        let prefix = options.iter().find(|option| option.name.value == "prefix");
        if let Some(prefix) = prefix.filter(|prefix| !prefix.value.value.is_empty())
            && !prefix.value.value.ends_with(namespace.separator)
        {
            let suggestion = format!("{}{}", prefix.value.value, namespace.separator);
            self.report(prefix.value.span, ScriptMistake::Prefix { suggestion });
        }
        namespace
    }

    /// Adds the script's statements. If there is anything wrong with them, it is
    /// a fault of the script, and they are not added.
    fn add_script(&mut self, span: Span, script: &Script, first: u32) -> Vec<ScriptFault> {
        let number = self.sources.files().len() as u32;
        let (file, mut ast, parsed) =
            parse_bytes(number, "script".as_ref(), script.rules.as_bytes());
        // The importer has already checked them with these settings.
        let is_setting =
            |statement: &StatementNode| matches!(statement.kind, StatementNodeKind::Set { .. });
        ast.statements.retain(|statement| !is_setting(statement));
        // While the script is checked, spans refer to the rules made from it.
        self.sources.add(file);
        let statements = self.program.statements.len();
        let (conditions, lists) = (self.program.conditions.len(), self.program.lists.len());
        let names = mem::take(&mut self.names);
        let missing = mem::take(&mut self.missing);
        let folders = mem::take(&mut self.folders);
        let incomplete = mem::replace(&mut self.incomplete, false);
        let diagnostics = mem::replace(&mut self.diagnostics, parsed);
        let prefix = self.program.settings.folder_prefix.replace(String::new());
        self.in_script = true;

        self.push(span, StatementKind::Script { end: 0 });
        self.block(&ast.statements);
        self.settle_missing();

        self.in_script = false;
        self.program.settings.folder_prefix = prefix;
        let found = mem::replace(&mut self.diagnostics, diagnostics);
        (self.names, self.missing, self.folders) = (names, missing, folders);
        self.incomplete = incomplete;
        self.sources.remove_last();
        let place = |span: Span| {
            let place = script.place(span.start);
            Span { file: place.file + first, ..place }
        };
        let is_error = |diagnostic: &&Diagnostic| diagnostic.severity == Severity::Error;
        let faults: Vec<ScriptFault> = found
            .iter()
            .filter(is_error)
            .map(|diagnostic| ScriptFault {
                span: Some(place(diagnostic.span)),
                label: None,
                reason: diagnostic.message.clone(),
            })
            .collect();
        if !faults.is_empty() {
            self.program.statements.truncate(statements);
            return faults;
        }
        self.end_group(statements);
        for statement in self.program.statements.iter_mut().skip(statements + 1) {
            statement.span = place(statement.span);
            statement.line = self.sources.line(statement.span);
        }
        for condition in self.program.conditions.iter_mut().skip(conditions) {
            condition.span = place(condition.span);
        }
        for list in self.program.lists.iter_mut().skip(lists) {
            list.span = place(list.span);
        }
        Vec::new()
    }
}

/// How many faults of a script are shown.
const MOST_SHOWN: usize = 100;

impl IncludedScript {
    /// What is wrong with the script, for `mfilter check`.
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        let more = self.faults.len().saturating_sub(MOST_SHOWN);
        let more = (more > 0).then(|| ScriptFault {
            span: None,
            label: None,
            reason: format!("{more} more places of the script cannot be translated"),
        });
        let mistakes = self.faults.iter().take(MOST_SHOWN).chain(&more).map(|fault| {
            let mistake =
                ScriptMistake::Fault { label: fault.label.clone(), reason: fault.reason.clone() };
            RuleErrorKind::Script(mistake).at(fault.span.unwrap_or(self.statement))
        });
        mistakes.collect()
    }

    /// The files among the sources that do not belong to the script.
    pub fn others<'s>(&self, files: &'s [SourceFile]) -> impl Iterator<Item = &'s SourceFile> {
        let of_script = self.files.clone();
        let others = files.iter().enumerate();
        others.filter(move |(at, _)| !of_script.contains(&(*at as u32))).map(|(_, file)| file)
    }
}
