//! What is learned from the mailbox itself, `on moved …`, and lists made from
//! mail or from address books.

use super::{Checker, NameKind};
use crate::diagnostic::Severity;
use crate::rules::actions;
use crate::rules::mistake::{LearnMistake, NameMistake};
use crate::rules::program::{Entries, OnMoved};
use crate::source::{Span, Spanned};
use crate::syntax::ast::{ActionNode, ListSource, MoveDirection, MoveEnd, SpannedText, ValueKind};

impl Checker<'_, '_> {
    /// `list NAME sent "Folder"` and similar statements
    pub(super) fn list_from(
        &mut self,
        name: &SpannedText,
        source: ListSource,
        place: &SpannedText,
    ) {
        if name.value == "me" {
            self.report(name.span, NameMistake::MeIsASetting);
            return;
        }
        let span = place.span;
        if self.site {
            let what = match source {
                ListSource::Sent => "a list of sent mail",
                ListSource::Senders => "a list of senders",
                ListSource::Vcard => "a list of an address book",
            };
            self.report(span, LearnMistake::OfSite { what });
        }
        let entries = match source {
            ListSource::Vcard => {
                self.shell_path(&place.value, span, Severity::Warning);
                Some(Entries::Cards(place.value.clone()))
            }
            ListSource::Sent | ListSource::Senders => {
                self.plain_folder(&place.value, span).map(|plain| {
                    self.sent_folders.push(Spanned { value: plain.clone(), span });
                    match source {
                        ListSource::Senders => Entries::Senders(plain),
                        _ => Entries::Sent(plain),
                    }
                })
            }
        };
        let Some(entries) = entries else {
            self.declare(name, NameKind::Broken);
            return;
        };
        let index = self.add_list(Some(name.value.clone()), span, entries);
        self.declare(name, NameKind::List(index));
    }

    /// `on moved from "A" to "B" -> ACTION, …`
    pub(super) fn on_moved(&mut self, span: Span, ends: &[MoveEnd], actions: &[ActionNode]) {
        if self.site {
            self.report(span, LearnMistake::OfSite { what: "`on moved`" });
        } else if self.statements.in_group() {
            self.report(span, LearnMistake::InGroup);
        }
        let (mut from, mut to) = (None, None);
        for end in ends {
            let folder = self.plain_folder(&end.folder.value, end.folder.span);
            let known = if end.direction.value == MoveDirection::To { &mut to } else { &mut from };
            if known.is_some() {
                let way = if end.direction.value == MoveDirection::To { "to" } else { "from" };
                self.report(end.direction.span, LearnMistake::EndTwice { way });
            } else {
                // Empty if it has a mistake.
                *known = Some(folder.unwrap_or_default());
            }
        }
        if from.as_deref().is_some_and(|from| !from.is_empty()) && from == to {
            self.report(span, LearnMistake::NoMove);
        }
        let actions = actions.iter().filter_map(|action| self.action_of_move(action)).collect();
        let line = self.sources.line(span);
        self.program.moves.push(OnMoved { span, line, from, to, actions });
    }

    fn action_of_move(&mut self, action: &ActionNode) -> Option<actions::Action> {
        let name = action.name.value.as_str();
        if actions::find(name).is_some_and(|word| !word.is_for_moves) {
            let action_name = name.to_owned();
            self.report(action.span, LearnMistake::NotOnMove { action: action_name });
            return None;
        }
        if let (true, Some(field)) = (matches!(name, "add" | "remove"), action.arguments.first())
            && let ValueKind::Name(text) = &field.kind
            && !matches!(text.as_str(), "from" | "from.domain" | "list-id" | "thread")
            && crate::rules::field::find(text).is_some()
        {
            self.report(field.span, LearnMistake::NotTheSender { field: text.clone() });
            return None;
        }
        self.action(action)
    }

    /// A folder that is named without inserts, as people read it.
    pub(super) fn plain_folder(&mut self, text: &str, span: Span) -> Option<String> {
        if text.contains(['{', '}']) {
            self.report(span, LearnMistake::Inserts);
            return None;
        }
        let template = self.folder(text, span)?;
        let name = template.and_then(|template| template.parts.into_iter().next());
        Some(match name {
            Some(crate::rules::template::TemplatePart::Text(name)) => name,
            _ => String::from("INBOX"),
        })
    }
}
