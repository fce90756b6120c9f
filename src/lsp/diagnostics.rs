//! The mistakes in open files, as editors show them, and their fixes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use lsp_types::{
    CodeAction, CodeActionKind, Diagnostic as EditorDiagnostic, DiagnosticRelatedInformation,
    DiagnosticSeverity, DiagnosticTag, Location, NumberOrString, Range, TextEdit, WorkspaceEdit,
};

use super::document::{ColumnUnit, OpenDocuments, range, uri_of};
use super::rule_files::main_of;
use crate::diagnostic::{Diagnostic, Severity};
use crate::language::Language;
use crate::load::site;
use crate::mistakes;
use crate::source::{Sources, Span};
use crate::syntax::ast::StatementNodeKind;
use crate::syntax::parse_bytes;
use crate::translation::translated;
use crate::user::User;

/// A mistake, and the text to replace it if that fixes it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FoundMistake {
    /// As the editor shows it.
    pub(super) shown: EditorDiagnostic,
    /// The text that fixes it, and what it replaces.
    pub(super) fix: Option<(Range, String)>,
}

/// Mistakes by file.
pub(super) type MistakesByFile = BTreeMap<PathBuf, Vec<FoundMistake>>;

/// Every mistake of the rules to which the open files belong. An open file without a
/// mistake is included, too.
pub(super) fn find(documents: &OpenDocuments, user: &User, unit: ColumnUnit) -> MistakesByFile {
    let mut found: MistakesByFile =
        documents.keys().map(|path| (path.clone(), Vec::new())).collect();
    let mains: BTreeSet<PathBuf> =
        documents.keys().map(|path| main_of(path, documents, user)).collect();
    for main in mains {
        let Some((sources, diagnostics)) = check(&main, documents, user) else { continue };
        for diagnostic in &diagnostics {
            let path = sources.path(diagnostic.span);
            let shown = shown(diagnostic, &sources, documents, unit);
            let fix = diagnostic
                .fix
                .as_ref()
                .map(|fix| (range_of(fix.span, &sources, unit), fix.text.clone()));
            let mistake = FoundMistake { shown, fix };
            let of_file = found.entry(path.to_owned()).or_default();
            // A file may belong to two rule sets.
            if !of_file.contains(&mistake) {
                of_file.push(mistake);
            }
        }
    }
    found
}

/// The output of `mfilter check`; none if the file cannot be read.
fn check(
    main: &Path,
    documents: &OpenDocuments,
    user: &User,
) -> Option<(Sources, Vec<Diagnostic>)> {
    let text_of = |path: &Path| documents.get(path).map(|document| document.text.clone());
    if let Some(text) = text_of(main).filter(|text| is_site(main, text)) {
        let (sources, checked, _) = site::check_bytes(main, text.into_bytes());
        return Some((sources, checked.diagnostics));
    }
    let (sources, diagnostics, _) = mistakes::of(main, None, &text_of, user).ok()?;
    Some((sources, diagnostics))
}

/// Whether these are site rules: the ones of this machine, or others that have
/// categories.
fn is_site(path: &Path, text: &str) -> bool {
    let users = path.file_name().is_some_and(|name| name == ".mailrules");
    let has_category = || {
        let (_, ast, _) = parse_bytes(0, path, text.as_bytes());
        let mut statements = ast.statements.iter();
        statements.any(|it| matches!(it.kind, StatementNodeKind::Category { .. }))
    };
    path == site::path(None) || !users && has_category()
}

fn shown(
    diagnostic: &Diagnostic,
    sources: &Sources,
    documents: &OpenDocuments,
    unit: ColumnUnit,
) -> EditorDiagnostic {
    let language = Language::of_locale();
    let diagnostic = diagnostic.in_language(language);
    let related = diagnostic.related.iter().filter_map(|(span, label)| {
        let uri = uri_of(sources.path(*span), documents)?;
        let location = Location { uri, range: range_of(*span, sources, unit) };
        Some(DiagnosticRelatedInformation { location, message: label.clone() })
    });
    let related: Vec<_> = related.collect();
    let message = match &diagnostic.hint {
        Some(hint) => format!("{}\n{}: {hint}", diagnostic.message, translated("hint", language)),
        None => diagnostic.message.clone(),
    };
    EditorDiagnostic {
        range: range_of(diagnostic.span, sources, unit),
        severity: Some(match diagnostic.severity {
            Severity::Error => DiagnosticSeverity::ERROR,
            Severity::Warning => DiagnosticSeverity::WARNING,
        }),
        code: Some(NumberOrString::String(diagnostic.code.to_owned())),
        source: Some("mfilter".into()),
        message,
        related_information: Some(related).filter(|related| !related.is_empty()),
        tags: (diagnostic.code == "unreachable").then(|| vec![DiagnosticTag::UNNECESSARY]),
        ..EditorDiagnostic::default()
    }
}

fn range_of(span: Span, sources: &Sources, unit: ColumnUnit) -> Range {
    let file = sources.files().get(span.file as usize);
    range(file.map_or("", |file| file.text.as_str()), span, unit)
}

/// What an editor can do about the mistakes in a part of a file.
pub(super) fn actions(
    path: &Path,
    part: Range,
    found: &MistakesByFile,
    documents: &OpenDocuments,
) -> Vec<CodeAction> {
    let touches = |range: Range| range.start <= part.end && part.start <= range.end;
    let of_file = found.get(path).into_iter().flatten();
    let mended = of_file.filter(|mistake| touches(mistake.shown.range)).filter_map(|mistake| {
        let (range, text) = mistake.fix.clone()?;
        let uri = uri_of(path, documents)?;
        let title = match text.as_str() {
            "" => String::from("Delete it"),
            text => format!("Write `{text}`"),
        };
        let title = translated(&title, Language::of_locale()).into_owned();
        let edit = TextEdit::new(range, text);
        Some(CodeAction {
            title,
            kind: Some(CodeActionKind::QUICKFIX),
            diagnostics: Some(vec![mistake.shown.clone()]),
            edit: Some(WorkspaceEdit::new([(uri, vec![edit])].into())),
            is_preferred: Some(true),
            ..CodeAction::default()
        })
    });
    mended.collect()
}
