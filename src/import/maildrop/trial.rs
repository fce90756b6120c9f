//! A filter that delivers nothing and runs no foreign program, for
//! `mfilter import maildrop --try`.

use std::path::Path;

use super::parse::{MaildropStatement, MaildropStatementKind, parse};
use super::uses::{command_of, command_text};
use crate::import::shell::{command_value, prints_directory};
use crate::import::trial::{MARK, PART, TrialWriter, runs_only};
use crate::import::{IncludeLoader, decode};
use crate::source::{SourceFile, Span};

/// Rewrites a filter so that it only says what it would do.
pub fn trial(path: &Path, bytes: &[u8], load: IncludeLoader<'_>) -> String {
    let mut writer = MaildropTrial { out: TrialWriter::new(path, load) };
    writer.out.text.push_str("HOME=\"~\"\nDEFAULT=\"~/Maildir/\"\nFLAGS=\"\"\nEXITCODE=0\n");
    writer.file(path, bytes);
    writer.says("to", "\"$DEFAULT\"");
    writer.out.text.push_str("exit\n");
    writer.out.text
}

struct MaildropTrial<'a> {
    out: TrialWriter<'a>,
}

impl MaildropTrial<'_> {
    fn file(&mut self, path: &Path, bytes: &[u8]) {
        let file = SourceFile::new(path, decode(bytes).0);
        self.statements(&file, &parse(0, &file));
    }

    fn says(&mut self, kind: &str, target: &str) {
        let head = format!("{MARK}{kind}{PART}~{PART}$DEFAULT{PART}$DEFAULT{PART}$FLAGS{PART}");
        self.out.text.push_str(&format!("echo \"{head}\"{target}\n"));
    }

    fn statements(&mut self, file: &SourceFile, statements: &[MaildropStatement]) {
        for statement in statements {
            self.statement(file, statement);
        }
    }

    fn statement(&mut self, file: &SourceFile, statement: &MaildropStatement) {
        let written = text(file, statement.span);
        match &statement.kind {
            MaildropStatementKind::Assign(name, value) => match command_text(value) {
                Some(command) if prints_directory(&command) => {
                    self.out.text.push_str(&format!("{name}=\"~\"\n"));
                }
                Some(command) if command_value(&command).is_err() => {
                    self.out.text.push_str(&format!("{name}=\"\"\nRETURNCODE=0\n"));
                }
                _ => self.out.text.push_str(&format!("{written}\n")),
            },
            MaildropStatementKind::Search(_) => self.out.text.push_str(&format!("{written}\n")),
            MaildropStatementKind::If(branches) => {
                for branch in branches {
                    self.out.text.push_str(&format!("{}\n", text(file, branch.head)));
                    self.block(file, &branch.body);
                }
            }
            MaildropStatementKind::Loop(of) => {
                self.out.text.push_str(&format!("{}\n", text(file, of.head)));
                self.block(file, &of.body);
            }
            MaildropStatementKind::Exception(inner) => {
                self.out.text.push_str("exception ");
                self.block(file, inner);
            }
            MaildropStatementKind::Locked(inner) => self.statements(file, inner),
            // The environment belongs to the mail server.
            MaildropStatementKind::Import(name) => {
                self.out.text.push_str(&format!("import {name}\n"))
            }
            MaildropStatementKind::Exit => self.leaves(),
            MaildropStatementKind::Command(command) => {
                let is_cache = command_text(command).is_some_and(|text| {
                    text.contains("formail -D") || text.contains("formail' -D")
                });
                let code = match (is_cache, command_of(command)) {
                    (true, _) => 1,
                    (false, _) => 0,
                };
                self.out.text.push_str(&format!("RETURNCODE={code}\n"));
            }
            MaildropStatementKind::Word(word, _) => {
                let target = written.trim_start_matches(*word).trim_start();
                match *word {
                    "to" => {
                        self.says("to", target);
                        self.out.text.push_str("exit\n");
                    }
                    "cc" => self.says("cc", target),
                    "xfilter" => {
                        if runs_only(target.trim_matches(['"', '\'']), "reformail") {
                            self.out.text.push_str(&format!("{written}\n"));
                        }
                        self.out.text.push_str("RETURNCODE=0\n");
                    }
                    "include" => self.include(target),
                    _ => {}
                }
            }
            MaildropStatementKind::Comments | MaildropStatementKind::Broken(..) => {}
        }
    }

    fn leaves(&mut self) {
        self.says("exit", "\"$EXITCODE\"");
        self.out.text.push_str("exit\n");
    }

    fn block(&mut self, file: &SourceFile, inner: &[MaildropStatement]) {
        self.out.text.push_str("{\n");
        self.statements(file, inner);
        self.out.text.push_str("}\n");
    }

    fn include(&mut self, written: &str) {
        let path = written.trim_matches(['"', '\'']).replace("${HOME}", "$HOME");
        let below = path.strip_prefix("$HOME/").unwrap_or(&path);
        let Some((path, bytes)) = self.out.enter(below) else { return };
        self.file(&path, &bytes);
        self.out.leave();
    }
}

fn text(file: &SourceFile, span: Span) -> String {
    file.text.get(span.start as usize..span.end as usize).unwrap_or_default().to_owned()
}
