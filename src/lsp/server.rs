//! Messages in and out: the requests of an editor, and which code answers them.

use std::collections::BTreeSet;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};

use lsp_server::{ErrorCode, Message, Notification, Request, Response};
use lsp_types::notification::{
    DidChangeTextDocument, DidCloseTextDocument, DidOpenTextDocument, DidSaveTextDocument, Exit,
    LogMessage, Notification as _, PublishDiagnostics,
};
use lsp_types::request::{
    CodeActionRequest, Completion, Formatting, GotoDefinition, HoverRequest, Initialize,
    PrepareRenameRequest, Rename, Request as _, ResolveCompletionItem, Shutdown,
};
use lsp_types::{
    CodeActionKind, CodeActionOptions, CodeActionParams, CompletionItem, CompletionItemKind,
    CompletionOptions, CompletionParams, CompletionTextEdit, DidChangeTextDocumentParams,
    DidCloseTextDocumentParams, DidOpenTextDocumentParams, DocumentFormattingParams, Documentation,
    GotoDefinitionParams, Hover, HoverContents, HoverParams, HoverProviderCapability,
    InitializeResult, Location, LogMessageParams, MarkupContent, MarkupKind, MessageType, OneOf,
    PositionEncodingKind, PublishDiagnosticsParams, Range, RenameOptions, RenameParams,
    SaveOptions, ServerCapabilities, ServerInfo, TextDocumentPositionParams,
    TextDocumentSyncCapability, TextDocumentSyncKind, TextDocumentSyncOptions,
    TextDocumentSyncSaveOptions, TextEdit, WorkDoneProgressOptions, WorkspaceEdit,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::completion::{self, ProposalKind};
use super::diagnostics::{self, MistakesByFile};
use super::document::{
    ColumnUnit, OpenDocument, OpenDocuments, offset, path_of, position, range, uri_of, whole_range,
};
use super::frame::{self, ClientMessage};
use super::names::{self, NamePlace};
use super::rule_files::{self, ParsedFile, main_of};
use super::{definition, hover};
use crate::mailbox::store_check;
use crate::mda::location;
use crate::rules::program::Program;
use crate::source::Span;
use crate::syntax::{format, parse_bytes};
use crate::user::User;
use crate::world::World;

/// How many messages are read ahead.
const QUEUE_MAX: usize = 64;

/// Serves one editor until it shuts down or disappears; true if it shut down as the
/// protocol requires.
///
/// # Errors
/// The output cannot be written, or the thread that reads cannot be started.
pub fn serve(
    user: &User,
    mut input: impl BufRead + Send + 'static,
    output: &mut dyn Write,
) -> io::Result<bool> {
    let (sender, receiver) = sync_channel(QUEUE_MAX);
    // In a thread of its own, so that later typing is known before a text is checked.
    std::thread::Builder::new().spawn(move || {
        while let Ok(Some(message)) = frame::read(&mut input) {
            if sender.send(message).is_err() {
                break;
            }
        }
    })?;
    LanguageServer::new(user, output).run(&receiver)
}

/// The state of the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Before,
    Serving,
    ShutDown,
}

/// Why a request is not answered.
struct Refusal(ErrorCode, String);

struct LanguageServer<'a> {
    user: &'a User,
    output: &'a mut dyn Write,
    phase: Phase,
    unit: ColumnUnit,
    documents: OpenDocuments,
    /// Whether anything has changed since the last check.
    changed: bool,
    found: MistakesByFile,
    /// Files whose mistakes the editor shows.
    published: BTreeSet<PathBuf>,
}

impl<'a> LanguageServer<'a> {
    fn new(user: &'a User, output: &'a mut dyn Write) -> Self {
        LanguageServer {
            user,
            output,
            phase: Phase::Before,
            unit: ColumnUnit::Utf16,
            documents: OpenDocuments::new(),
            changed: false,
            found: MistakesByFile::new(),
            published: BTreeSet::new(),
        }
    }

    fn run(mut self, receiver: &Receiver<ClientMessage>) -> io::Result<bool> {
        loop {
            // What has been typed by now comes before the check.
            let message = match receiver.try_recv() {
                Ok(message) => message,
                Err(TryRecvError::Empty) => {
                    self.check()?;
                    match receiver.recv() {
                        Ok(message) => message,
                        Err(_) => return Ok(false),
                    }
                }
                Err(TryRecvError::Disconnected) => return Ok(false),
            };
            match message {
                ClientMessage::Message(Message::Request(request)) => {
                    let response = self.answer(request)?;
                    self.send(&response.into())?;
                }
                ClientMessage::Message(Message::Notification(it)) if it.method == Exit::METHOD => {
                    return Ok(self.phase == Phase::ShutDown);
                }
                ClientMessage::Message(Message::Notification(it)) => self.note(it),
                ClientMessage::Message(Message::Response(_)) => {}
                ClientMessage::Broken(why) => {
                    let params = LogMessageParams { typ: MessageType::ERROR, message: why };
                    self.notify(LogMessage::METHOD, params)?;
                }
            }
        }
    }

    fn send(&mut self, message: &Message) -> io::Result<()> {
        message.write(&mut self.output)
    }

    fn notify(&mut self, method: &str, params: impl serde::Serialize) -> io::Result<()> {
        let params = serde_json::to_value(params)?;
        self.send(&Notification { method: method.to_owned(), params }.into())
    }

    /// Checks the open texts, if anything has changed, and sends the mistakes to the
    /// editor.
    fn check(&mut self) -> io::Result<()> {
        if !std::mem::take(&mut self.changed) {
            return Ok(());
        }
        self.found = diagnostics::find(&self.documents, self.user, self.unit);
        let corrected = self.published.iter().filter(|path| !self.found.contains_key(*path));
        let paths: Vec<PathBuf> = self.found.keys().chain(corrected).cloned().collect();
        self.published.clear();
        for path in paths {
            let Some(uri) = uri_of(&path, &self.documents) else { continue };
            let mistakes = self.found.get(&path).map(Vec::as_slice).unwrap_or_default();
            let diagnostics = mistakes.iter().map(|mistake| mistake.shown.clone()).collect();
            let version = self.documents.get(&path).map(|document| document.version);
            if !mistakes.is_empty() {
                self.published.insert(path);
            }
            let params = PublishDiagnosticsParams { uri, diagnostics, version };
            self.notify(PublishDiagnostics::METHOD, params)?;
        }
        Ok(())
    }

    /// Handles a notification, which has no answer; what cannot be read is ignored.
    fn note(&mut self, notification: Notification) {
        let Notification { method, params } = notification;
        if self.phase != Phase::Serving {
            return;
        }
        match method.as_str() {
            DidOpenTextDocument::METHOD => {
                let Ok(params) = serde_json::from_value::<DidOpenTextDocumentParams>(params) else {
                    return;
                };
                let item = params.text_document;
                let path = path_of(&item.uri);
                let document =
                    OpenDocument { uri: item.uri, version: item.version, text: item.text };
                self.documents.insert(path, document);
            }
            DidChangeTextDocument::METHOD => {
                let Ok(mut params) = serde_json::from_value::<DidChangeTextDocumentParams>(params)
                else {
                    return;
                };
                let path = path_of(&params.text_document.uri);
                let (Some(document), Some(change)) =
                    (self.documents.get_mut(&path), params.content_changes.pop())
                else {
                    return;
                };
                document.version = params.text_document.version;
                document.text = change.text;
            }
            DidCloseTextDocument::METHOD => {
                let Ok(params) = serde_json::from_value::<DidCloseTextDocumentParams>(params)
                else {
                    return;
                };
                self.documents.remove(&path_of(&params.text_document.uri));
            }
            // Lists and included files may have been saved, too.
            DidSaveTextDocument::METHOD => crate::load::keep_if_valid(self.user),
            _ => return,
        }
        self.changed = true;
    }

    fn answer(&mut self, request: Request) -> io::Result<Response> {
        let Request { id, method, params } = request;
        let method = method.as_str();
        let result = match (self.phase, method) {
            (Phase::Before, Initialize::METHOD) => self.initialize(&params),
            (Phase::Before, _) => {
                Err(Refusal(ErrorCode::ServerNotInitialized, "`initialize` comes first".into()))
            }
            (Phase::Serving, Shutdown::METHOD) => {
                self.phase = Phase::ShutDown;
                Ok(Value::Null)
            }
            (Phase::Serving, Initialize::METHOD) | (Phase::ShutDown, _) => {
                Err(Refusal(ErrorCode::InvalidRequest, format!("`{method}` came too late")))
            }
            (Phase::Serving, CodeActionRequest::METHOD) => {
                // For the text as it is now.
                self.check()?;
                reply_to(params, |params| self.code_actions(params))
            }
            (Phase::Serving, Completion::METHOD) => reply_to(params, |it| self.completion(it)),
            (Phase::Serving, ResolveCompletionItem::METHOD) => reply_to(params, resolved),
            (Phase::Serving, HoverRequest::METHOD) => reply_to(params, |it| self.hover(it)),
            (Phase::Serving, Formatting::METHOD) => reply_to(params, |it| self.formatting(it)),
            (Phase::Serving, GotoDefinition::METHOD) => reply_to(params, |it| self.definition(it)),
            (Phase::Serving, PrepareRenameRequest::METHOD) => {
                reply_to(params, |it| self.prepare_rename(it))
            }
            (Phase::Serving, Rename::METHOD) => reply_to(params, |it| self.rename(it)),
            (Phase::Serving, _) => {
                Err(Refusal(ErrorCode::MethodNotFound, format!("`{method}` is not known")))
            }
        };
        Ok(match result {
            Ok(value) => Response { id, response_result: Ok(value) },
            Err(Refusal(code, message)) => Response::new_err(id, code as i32, message),
        })
    }

    fn initialize(&mut self, params: &Value) -> Result<Value, Refusal> {
        // Of all that editors say there, we need one word; the rest may be newer than we
        // are.
        let encodings = &params["capabilities"]["general"]["positionEncodings"];
        let bytes = Value::from(PositionEncodingKind::UTF8.as_str());
        let takes_bytes = encodings.as_array().is_some_and(|all| all.contains(&bytes));
        let (unit, encoding) = match takes_bytes {
            true => (ColumnUnit::Utf8, PositionEncodingKind::UTF8),
            false => (ColumnUnit::Utf16, PositionEncodingKind::UTF16),
        };
        self.unit = unit;
        self.phase = Phase::Serving;
        let version = Some(env!("CARGO_PKG_VERSION").into());
        let info = ServerInfo { name: "mfilter".into(), version };
        let capabilities = capabilities(encoding);
        reply_to(Value::Null, |()| Ok(InitializeResult { capabilities, server_info: Some(info) }))
    }

    /// The files of the rules that a file belongs to, its index among them, and the names
    /// in all of them.
    fn rules_of(&self, path: &Path) -> Option<(Vec<ParsedFile>, u32, Vec<NamePlace>)> {
        let main = main_of(path, &self.documents, self.user);
        let files = rule_files::read(&main, &self.documents, self.user);
        let number = files.iter().position(|file| file.source.path == path)?;
        let places = names::places(&files);
        Some((files, number as u32, places))
    }

    /// What an editor points at: a file, its number, and the byte.
    fn pointed(&self, at: &TextDocumentPositionParams) -> Option<CursorTarget> {
        let path = path_of(&at.text_document.uri);
        let text = &self.documents.get(&path)?.text;
        let offset = offset(text, at.position, self.unit);
        let (files, number, places) = self.rules_of(&path)?;
        Some(CursorTarget { path, files, number, places, offset: offset as u32 })
    }

    fn code_actions(
        &self,
        params: CodeActionParams,
    ) -> Result<Vec<lsp_types::CodeActionOrCommand>, Refusal> {
        let wanted = params.context.only.is_none_or(|only| {
            only.iter().any(|kind| kind.as_str().is_empty() || *kind == CodeActionKind::QUICKFIX)
        });
        if !wanted {
            return Ok(Vec::new());
        }
        let path = path_of(&params.text_document.uri);
        let actions = diagnostics::actions(&path, params.range, &self.found, &self.documents);
        Ok(actions.into_iter().map(Into::into).collect())
    }

    fn completion(&self, params: CompletionParams) -> Result<Vec<CompletionItem>, Refusal> {
        let Some(at) = self.pointed(&params.text_document_position) else { return Ok(Vec::new()) };
        let Some(document) = self.documents.get(&at.path) else { return Ok(Vec::new()) };
        let folders = || self.folders(&at.path);
        let (found, replaced) =
            completion::at(&document.text, at.offset as usize, &at.places, &folders);
        let start = position(&document.text, replaced.start, self.unit);
        let end = position(&document.text, replaced.end, self.unit);
        let items = found.into_iter().map(|it| CompletionItem {
            kind: Some(match it.kind {
                ProposalKind::Word => CompletionItemKind::KEYWORD,
                ProposalKind::Action => CompletionItemKind::FUNCTION,
                ProposalKind::Setting => CompletionItemKind::PROPERTY,
                ProposalKind::Field => CompletionItemKind::FIELD,
                ProposalKind::Condition => CompletionItemKind::CONSTANT,
                ProposalKind::List => CompletionItemKind::VARIABLE,
                ProposalKind::Value => CompletionItemKind::ENUM_MEMBER,
                ProposalKind::Folder => CompletionItemKind::FOLDER,
            }),
            data: matches!(it.kind, ProposalKind::Setting).then(|| Value::from("setting")),
            detail: Some(it.about).filter(|about| !about.is_empty()),
            text_edit: Some(CompletionTextEdit::Edit(TextEdit {
                range: Range::new(start, end),
                new_text: it.word.clone(),
            })),
            label: it.word,
            ..CompletionItem::default()
        });
        Ok(items.collect())
    }

    /// The existing folders, in the Maildir that the rules set.
    fn folders(&self, path: &Path) -> Vec<String> {
        let main = main_of(path, &self.documents, self.user);
        let text_of = |path: &Path| self.documents.get(path).map(|it| it.text.clone());
        let checked = crate::load::check_open(&main, &text_of, self.user);
        let settings = checked.map(|(_, checked)| checked.settings).unwrap_or_default();
        let program = Program { settings, ..Program::default() };
        let world = World { user: self.user.clone(), ..World::default() };
        let location = location(None, &program, &world).ok();
        let mut names = location.and_then(|it| store_check::names(&it)).unwrap_or_default();
        names.retain(|name| !name.is_empty());
        names
    }

    fn hover(&self, params: HoverParams) -> Result<Option<Hover>, Refusal> {
        let at = self.pointed(&params.text_document_position_params);
        let Some(at) = at else { return Ok(None) };
        let Some(file) = at.files.get(at.number as usize) else { return Ok(None) };
        let found = hover::text(&at.files, &at.places, file, at.number, at.offset);
        let place = params.text_document_position_params.position;
        let of_file = self.found.get(&at.path).into_iter().flatten().filter(|_| !self.changed);
        let mistake = of_file
            .filter(|it| it.shown.range.start <= place && place <= it.shown.range.end)
            .find_map(|it| match &it.shown.code {
                Some(lsp_types::NumberOrString::String(code)) => hover::of_mistake(code),
                _ => None,
            });
        let range = found.as_ref().map(|(_, span)| range(&file.source.text, *span, self.unit));
        let texts: Vec<String> = found.map(|(text, _)| text).into_iter().chain(mistake).collect();
        let contents = HoverContents::Markup(plain(texts.join("\n\n")));
        Ok((!texts.is_empty()).then_some(Hover { contents, range }))
    }

    /// The edit that `mfilter fmt` would make; none if the text has a mistake.
    fn formatting(
        &self,
        params: DocumentFormattingParams,
    ) -> Result<Option<Vec<TextEdit>>, Refusal> {
        let path = path_of(&params.text_document.uri);
        let Some(document) = self.documents.get(&path) else { return Ok(None) };
        let (file, ast, mistakes) = parse_bytes(0, &path, document.text.as_bytes());
        if !mistakes.is_empty() {
            return Ok(None);
        }
        let formatted = format(&ast, &file);
        let edit = TextEdit::new(whole_range(&document.text, self.unit), formatted);
        Ok(Some((edit.new_text != document.text).then_some(edit).into_iter().collect()))
    }

    fn definition(&self, params: GotoDefinitionParams) -> Result<Vec<Location>, Refusal> {
        let at = self.pointed(&params.text_document_position_params);
        let Some(at) = at else { return Ok(Vec::new()) };
        let declared = definition::declarations(&at.places, at.number, at.offset);
        let mut found: Vec<Location> =
            declared.into_iter().filter_map(|span| self.place(&at.files, span)).collect();
        if found.is_empty()
            && let Some(file) = at.files.get(at.number as usize)
            && let Some(path) = definition::file(file, at.offset, self.user)
            && let Some(uri) = uri_of(&path, &self.documents)
        {
            found.push(Location { uri, range: Range::default() });
        }
        Ok(found)
    }

    fn place(&self, files: &[ParsedFile], span: Span) -> Option<Location> {
        let source = &files.get(span.file as usize)?.source;
        let uri = uri_of(&source.path, &self.documents)?;
        Some(Location { uri, range: range(&source.text, span, self.unit) })
    }

    fn prepare_rename(&self, params: TextDocumentPositionParams) -> Result<Option<Range>, Refusal> {
        let Some(at) = self.pointed(&params) else { return Ok(None) };
        let place = definition::renamed(&at.places, at.number, at.offset);
        Ok(place.and_then(|place| self.place(&at.files, place.span)).map(|it| it.range))
    }

    fn rename(&self, params: RenameParams) -> Result<WorkspaceEdit, Refusal> {
        let refused = |why: String| Refusal(ErrorCode::RequestFailed, why);
        let at = self.pointed(&params.text_document_position);
        let at = at.ok_or_else(|| refused("this file is not open".into()))?;
        let place = definition::renamed(&at.places, at.number, at.offset)
            .ok_or_else(|| refused("the rules declare no such name".into()))?;
        let spans = definition::rename(&at.places, place, &params.new_name).map_err(refused)?;
        let changes = at.files.iter().zip(0..).filter_map(|(file, number)| {
            let of_file = spans.iter().filter(|span| span.file == number);
            let edits: Vec<TextEdit> = of_file
                .map(|span| range(&file.source.text, *span, self.unit))
                .map(|range| TextEdit::new(range, params.new_name.clone()))
                .collect();
            let uri = uri_of(&file.source.path, &self.documents)?;
            (!edits.is_empty()).then_some((uri, edits))
        });
        Ok(WorkspaceEdit::new(changes.collect()))
    }
}

/// What an editor points at.
struct CursorTarget {
    path: PathBuf,
    /// All files of these rules.
    files: Vec<ParsedFile>,
    /// The index of the file among them.
    number: u32,
    /// The names in all of them.
    places: Vec<NamePlace>,
    /// The byte.
    offset: u32,
}

/// Answers a request, if its parameters can be read.
fn reply_to<P: DeserializeOwned, A: serde::Serialize>(
    params: Value,
    answer: impl FnOnce(P) -> Result<A, Refusal>,
) -> Result<Value, Refusal> {
    let params = serde_json::from_value(params)
        .map_err(|error| Refusal(ErrorCode::InvalidParams, error.to_string()))?;
    serde_json::to_value(answer(params)?)
        .map_err(|error| Refusal(ErrorCode::InternalError, error.to_string()))
}

/// A proposal with what the manual says about it.
fn resolved(mut item: CompletionItem) -> Result<CompletionItem, Refusal> {
    let text = hover::of_word(&item.label, item.data.is_some());
    item.documentation = text.map(|text| Documentation::MarkupContent(plain(text)));
    Ok(item)
}

fn plain(value: String) -> MarkupContent {
    MarkupContent { kind: MarkupKind::PlainText, value }
}

/// What an editor may ask for.
fn capabilities(encoding: PositionEncodingKind) -> ServerCapabilities {
    ServerCapabilities {
        position_encoding: Some(encoding),
        text_document_sync: Some(TextDocumentSyncCapability::Options(TextDocumentSyncOptions {
            open_close: Some(true),
            change: Some(TextDocumentSyncKind::FULL),
            save: Some(TextDocumentSyncSaveOptions::SaveOptions(SaveOptions::default())),
            ..TextDocumentSyncOptions::default()
        })),
        hover_provider: Some(HoverProviderCapability::Simple(true)),
        completion_provider: Some(CompletionOptions {
            resolve_provider: Some(true),
            trigger_characters: Some([" ", "\"", ".", "{", "["].map(String::from).into()),
            ..CompletionOptions::default()
        }),
        definition_provider: Some(OneOf::Left(true)),
        document_formatting_provider: Some(OneOf::Left(true)),
        rename_provider: Some(OneOf::Right(RenameOptions {
            prepare_provider: Some(true),
            work_done_progress_options: WorkDoneProgressOptions::default(),
        })),
        code_action_provider: Some(
            CodeActionOptions {
                code_action_kinds: Some(vec![CodeActionKind::QUICKFIX]),
                ..CodeActionOptions::default()
            }
            .into(),
        ),
        ..ServerCapabilities::default()
    }
}
