//! The actions, one file each: the word that asks for it, how its arguments are
//! read, what it plans, and how it is explained to people who do not know the
//! language.
//!
//! A new action is a file here, its `mod` and a line in the table below;
//! CONTRIBUTING.md says where else its word must appear, and tests check that
//! these agree. What it does to a message is one of the steps of [`crate::plan`].

mod argument;
mod copy;
mod defer;
mod discard;
mod edit_list;
mod fileinto;
mod filter;
mod folder;
mod forward;
mod header;
mod inbox;
mod let_value;
mod log;
mod mark;
mod pipe;
mod reject;
mod reply;
mod run;

use serde::{Deserialize, Serialize};

use super::check::ActionReader;
use super::template::{FlagsTemplate, Template, TemplatePart};
use crate::flags::Flags;
use crate::plan::{DeliveryWord, Folder, StepKind};

pub(super) use argument::{ArgumentError, is_word};
pub use argument::{LONGEST_TARGET, MOST_TARGETS, is_address, is_mailbox, is_target};
pub use reply::{NAMED_ARGUMENTS, ReplyText};

/// The word of an action.
pub struct ActionWord {
    /// As written in the rules.
    pub name: &'static str,
    /// The syntax of the action, for people.
    pub usage: &'static str,
    /// Whether `as FLAG …` may follow.
    pub takes_flags: bool,
    /// Whether the action may follow `on moved …`.
    pub is_for_moves: bool,
    /// Reads its arguments.
    pub(super) read: fn(&mut ActionReader<'_, '_, '_>) -> Result<Action, ArgumentError>,
}

impl ActionWord {
    /// For an action that accepts no flags and is only for deliveries.
    const fn new(
        name: &'static str,
        usage: &'static str,
        read: fn(&mut ActionReader<'_, '_, '_>) -> Result<Action, ArgumentError>,
    ) -> ActionWord {
        ActionWord { name, usage, takes_flags: false, is_for_moves: false, read }
    }

    /// For an action that stores the message.
    const fn with_flags(self) -> ActionWord {
        ActionWord { takes_flags: true, ..self }
    }

    /// For an action that learning may use as well.
    const fn for_moves(self) -> ActionWord {
        ActionWord { is_for_moves: true, ..self }
    }
}

/// The action with this word.
pub fn find(name: &str) -> Option<&'static ActionWord> {
    ACTIONS.iter().copied().find(|word| word.name == name)
}

/// What every action says about itself.
pub trait Act {
    /// Plans its steps.
    fn plan(&self, planner: &mut dyn Planner);

    /// What it does, for people who do not know the language: "puts it into the inbox".
    fn phrase(&self) -> String;

    /// Whether nothing after it is evaluated.
    fn ends(&self) -> bool {
        false
    }

    /// Whether the same test may have another result after it.
    fn changes_tests(&self) -> bool {
        false
    }

    /// Whether its effect leaves a line in the log.
    fn is_logged(&self) -> bool {
        true
    }

    /// What it did that is not a step, in the words of the language.
    fn done(&self) -> Option<String> {
        None
    }
}

/// What actions use to plan: the message, what is known about it, and the plan.
pub trait Planner {
    /// A string with its inserts filled in, on one line.
    fn line(&self, template: &Template) -> String;
    /// The folder that a template names; the inbox without a template.
    ///
    /// # Errors
    /// Why no folder has that name.
    fn folder(&self, template: Option<&Template>) -> Result<Folder, String>;
    /// Flags and keywords with their inserts filled in.
    fn flags(&self, flags: &FlagsTemplate) -> Flags;
    /// A program and its arguments.
    fn argv(&self, words: &[Template]) -> Vec<String>;
    /// Why the message must not be refused, because nobody would get the refusal.
    fn no_refusal(&self) -> Option<String>;
    /// The flags as `mark` and `unmark` have left them so far.
    fn marks(&self) -> &Flags;
    /// Replaces these flags.
    fn set_marks(&mut self, flags: Flags);
    /// Keeps a text, by its index into the program's values.
    fn keep(&mut self, value: u32, text: String);
    /// The folders that `fileinto` has put the message into so far.
    fn filed(&self) -> Vec<&Folder>;
    /// Adds a step to the plan.
    fn push(&mut self, step: StepKind);
    /// Plans a delivery with the marks so far and these flags, unless the plan
    /// has already put the message into that folder and once is enough. If no folder
    /// has that name, the message goes to the inbox, where a copy would be one too many.
    fn deliver(&mut self, as_: DeliveryWord, name: Option<&Template>, flags: &FlagsTemplate) {
        let folder = match self.folder(name) {
            Ok(folder) => folder,
            Err(why) => {
                self.push(StepKind::Skipped { action: as_.word(), why });
                if as_ == DeliveryWord::Copy {
                    return;
                }
                Folder::default()
            }
        };
        let flags = self.marks().and(&self.flags(flags));
        if !self.deliver_again(as_, &folder, &flags) {
            self.push(StepKind::Deliver { as_, folder, flags });
        }
    }
    /// Whether the plan has already put the message into that folder, and once is enough.
    fn deliver_again(&mut self, as_: DeliveryWord, folder: &Folder, flags: &Flags) -> bool;
    /// Plans to forward the message, or its delivery to the inbox if that is not possible.
    fn forward(&mut self, copy: bool, to: &[Template]);
    /// Plans an answer, or reports why there is none.
    fn reply(&mut self, reply: &ReplyAction);
    /// Plans an edit of a list for each address in a field.
    fn edit_list(&mut self, add: bool, field: u32, list: u32);
}

macro_rules! actions {
    ($($file:ident: $kind:ident by $($word:ident),+;)*) => {
        $(pub use $file::$kind;)*

        /// Every word, in the order of the manual.
        pub const ACTIONS: &[&ActionWord] = &[$($(&$file::$word),+),*];

        /// A checked action; its values still contain their `{…}`.
        #[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
        pub enum Action {
            $(#[doc = concat!("By `", stringify!($file), "`.")] $kind($kind)),*
        }

        impl std::ops::Deref for Action {
            type Target = dyn Act;

            fn deref(&self) -> &(dyn Act + 'static) {
                match self { $(Action::$kind(action) => action),* }
            }
        }
    };
}

actions! {
    inbox: InboxAction by INBOX, STOP;
    folder: FolderAction by FOLDER;
    copy: CopyAction by COPY;
    fileinto: FileIntoAction by FILEINTO;
    mark: MarkAction by MARK, UNMARK;
    let_value: LetAction by LET;
    discard: DiscardAction by DISCARD;
    reject: RejectAction by REJECT;
    defer: DeferAction by DEFER;
    header: HeaderAction by ADD, SET, REMOVE;
    log: LogAction by LOG;
    pipe: PipeAction by PIPE;
    run: RunAction by RUN;
    filter: FilterAction by FILTER;
    forward: ForwardAction by FORWARD;
    reply: ReplyAction by REPLY;
    edit_list: EditListAction by ADD_TO, REMOVE_FROM;
}

impl Action {
    /// The program of a `filter`; a run stops there until the program has ended.
    pub fn as_filter(&self) -> Option<&[Template]> {
        match self {
            Action::FilterAction(filter) => Some(&filter.words),
            _ => None,
        }
    }
}

/// A string for people who do not know the language: `…` for each insert.
fn shown(template: &Template) -> String {
    let parts = template.parts.iter().map(|part| match part {
        TemplatePart::Text(text) => text.as_str(),
        _ => "…",
    });
    parts.collect()
}

/// Flags for people who do not know the language, with `…` for each insert.
fn shown_flags(flags: &FlagsTemplate) -> String {
    let inserted = flags.inserted.iter().map(|keyword| format!("\"{}\"", shown(keyword)));
    let known = Some(flags.known.as_written()).filter(|known| !known.is_empty());
    known.into_iter().chain(inserted).collect::<Vec<_>>().join(" ")
}

/// What an action that delivers does, and its flags: `puts it into the inbox, marked seen`.
fn marked(what: String, flags: &FlagsTemplate) -> String {
    match shown_flags(flags).as_str() {
        "" => what,
        words => format!("{what}, marked {words}"),
    }
}
