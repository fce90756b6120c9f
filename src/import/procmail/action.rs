//! What a recipe does, as effects of ours.

use super::assignment::{is_special, kept_name, without_backslashes};
use super::context::RecipeLowering;
use super::words::{ExpandedText, ProcmailVariable};
use crate::import::folder::{MailPlaces, replaced_outside};
use crate::import::ir::{Effect, literal};
use crate::import::levels::of_either_name;
use crate::import::shell::{
    ASKED, asking, if_unasked, in_braces, is_program, kept_in_file, shell_words, status_of,
    unquoted,
};
use crate::source::Span;

/// What a delivery does to the further processing of the message.
#[derive(Debug)]
pub(super) struct ProcmailResult {
    pub(super) effects: Vec<Effect>,
    /// Processing ends with it.
    pub(super) ends: bool,
    /// The headers that it has changed, in lower case; `*` for any.
    pub(super) edited: Vec<String>,
    /// `filter-failed` says whether its program has failed.
    pub(super) may_fail: bool,
    /// How many recipes it stands for.
    pub(super) count: usize,
    /// How it differs.
    pub(super) differs: Option<String>,
    /// The comments in a block that has become one rule.
    pub(super) comments: Vec<String>,
}

impl ProcmailResult {
    pub(super) fn ending(effect: Effect) -> ProcmailResult {
        ProcmailResult { ends: true, ..ProcmailResult::going_on(vec![effect]) }
    }

    pub(super) fn going_on(effects: Vec<Effect>) -> ProcmailResult {
        let (edited, comments) = (Vec::new(), Vec::new());
        let (ends, may_fail) = (false, false);
        ProcmailResult { effects, ends, edited, may_fail, count: 1, differs: None, comments }
    }

    /// A delivery to a folder, or to the inbox.
    fn delivery(folder: Option<String>, copy: bool) -> ProcmailResult {
        let delivery = Effect::delivery(folder, copy);
        match copy {
            true => ProcmailResult::going_on(vec![delivery]),
            false => ProcmailResult::ending(delivery),
        }
    }
}

/// The half, header or body, that alone is delivered, according to the flags.
fn half(flags: &str) -> Option<&'static str> {
    match (flags.contains('h'), flags.contains('b')) {
        (true, false) => Some("header"),
        (false, true) => Some("body"),
        _ => None,
    }
}

/// A shell command that is given only the header or the body; if it filters, the other
/// half stays as it is.
pub(super) fn on_half(half: &str, command: &str, filters: bool) -> String {
    const HEADER: &str = "sed '/^$/q'";
    const BODY: &str = "sed '1,/^$/d'";
    // The half is kept in a file of its own: nobody would notice a `sed` before a `|` that
    // fails.
    const KEPT: &str = "h=$(mktemp) && trap 'rm \"$m\" \"$h\"' 0";
    match (half, filters) {
        ("header", false) => format!("{HEADER} | {}", in_pipeline(command)),
        (_, false) => format!("{BODY} | {}", in_pipeline(command)),
        ("header", true) => kept_in_file(&format!(
            "{KEPT} && {HEADER} \"$m\" >\"$h\" && {} <\"$h\"; s=$?; {BODY} \"$m\" || s=1",
            in_braces(command)
        )),
        (_, true) => kept_in_file(&format!(
            "{KEPT} && {BODY} \"$m\" >\"$h\" && {HEADER} \"$m\" && {} <\"$h\"; s=$?",
            in_braces(command)
        )),
    }
}

/// A command after a `|`.
fn in_pipeline(command: &str) -> String {
    match command.contains([';', '&', '\n']) {
        true => in_braces(command),
        false => command.to_owned(),
    }
}

/// Whether a condition asks for a header. Without the name of one it asks for all of them.
fn asks_for(condition: &str, name: &str) -> bool {
    condition.to_lowercase().contains(name) || !condition.contains([':', '<', '>'])
}

/// How a mailbox differs whose name a program prints.
const PRINTED_PATH: &str =
    "taken for a folder of this Maildir: what a program prints may be another path";

/// How a message differs whose line `From sender date` formail writes.
const NEW_FROM_LINE: &str = "formail makes the `From ` line anew, from what the header says of the \
     sender; here it is the sender of the envelope";

impl RecipeLowering<'_> {
    /// `! address …`
    pub(super) fn forward(
        &mut self,
        addresses: &str,
        flags: &str,
    ) -> Result<ProcmailResult, String> {
        let copy = flags.contains('c');
        if let Some(half) = half(flags) {
            return Err(format!(
                "only the {half} is sent on, and `forward` sends the whole message"
            ));
        }
        let expanded = self.variables.expand(addresses, false)?;
        let to: Vec<String> = expanded
            .template
            .split([' ', '\t', ','])
            .filter(|a| !a.is_empty())
            .map(str::to_owned)
            .collect();
        if to.is_empty() {
            return Err("it does not name an address".into());
        }
        if let Some(option) = to.iter().find(|address| address.starts_with('-')) {
            return Err(format!("`{option}` is an option of sendmail"));
        }
        let local = to.iter().find(|address| !address.contains(['@', '{']));
        if let Some(local) = local {
            return Err(format!(
                "`{local}` is an address of this machine: write it with its domain"
            ));
        }
        let effect = Effect::Forward { copy, to };
        Ok(if copy {
            ProcmailResult::going_on(vec![effect])
        } else {
            ProcmailResult::ending(effect)
        })
    }

    /// `NAME=| command`
    pub(super) fn capture(
        &mut self,
        span: Span,
        name: &str,
        command: &str,
        flags: &str,
    ) -> Result<ProcmailResult, String> {
        // Without the program it would keep the value that it has.
        let is_set = self.variables.value(name) != ProcmailVariable::Constant(String::new());
        if is_set || is_special(name) {
            return Err(format!("a program gives {name} its value"));
        }
        let words = self.variables.command(command)?;
        let (effects, differs) = self.keep_printed(span, name, half(flags), command, words);
        Ok(ProcmailResult { differs, ..ProcmailResult::going_on(effects) })
    }

    /// A file or a directory of mail.
    pub(super) fn mailbox(
        &mut self,
        span: Span,
        written: &str,
        flags: &str,
    ) -> Result<ProcmailResult, String> {
        let copy = flags.contains('c');
        if let Some(done) = self.printed_mailbox(span, written, flags)? {
            return Ok(done);
        }
        let expanded = self.variables.expand(written, false)?;
        let constant = expanded.constant.as_deref();
        if constant == Some("/dev/null") {
            return Ok(if copy { ProcmailResult::going_on(Vec::new()) } else { self.drop() });
        }
        // A quoted blank is part of the name.
        let words = shell_words(written);
        if words.len() > 1 {
            return self.mailboxes(span, &words, flags);
        }
        let mut differs = half(flags)
            .map(|half| format!("procmail stores the {half} alone, mfilter the whole message"));
        let folder = match (self.folder(&expanded), self.never_set(written)) {
            (Err(_), Some((name, rest))) if !rest.is_empty() => {
                let expanded = self.variables.expand(rest, false)?;
                differs.get_or_insert(format!(
                    "taken for a folder of this Maildir: nothing here sets {name}, and no \
                     `--variable {name}=…` says what it is"
                ));
                self.folder(&expanded)?
            }
            (Err(_), Some((name, _))) => {
                return Err(format!(
                    "nothing here sets {name}: `--variable {name}=…` says what it is"
                ));
            }
            (folder, _) => folder?,
        };
        let inserts = written.contains("$MATCH") || written.contains("${MATCH");
        if self.captures_blank && inserts && !written.contains('"') {
            differs.get_or_insert(
                "where MATCH contains a blank, procmail takes what comes after it for another \
                 mailbox"
                    .into(),
            );
        }
        let done = ProcmailResult::delivery(folder, copy);
        let is_dotted = self.dotted.iter().any(|name| {
            let kept = format!("{{{}}}", kept_name(name));
            matches!(done.effects.as_slice(), [Effect::Folder(path, _) | Effect::Copy(path, _)]
                if *path == kept)
        });
        let either = done.effects.first().filter(|_| is_dotted);
        let effects = either.and_then(|delivery| of_either_name(delivery, span, &self.sources));
        Ok(ProcmailResult { differs, effects: effects.unwrap_or(done.effects), ..done })
    }

    /// A mailbox whose name is what a program prints, wholly or in part; none for others.
    fn printed_mailbox(
        &mut self,
        span: Span,
        written: &str,
        flags: &str,
    ) -> Result<Option<ProcmailResult>, String> {
        let mut parts = written.splitn(3, '`');
        let (Some(before), Some(command), Some(following)) =
            (parts.next(), parts.next(), parts.next())
        else {
            return Ok(None);
        };
        if following.contains('`') || self.variables.expand(written, false).is_ok() {
            return Ok(None);
        }
        const NAME: &str = "MFILTER_MAILBOX";
        let words = self.variables.command(&without_backslashes(command))?;
        let (mut effects, differs) = self.keep_printed(span, NAME, None, command, words);
        self.dotted.insert(NAME.into());
        let done = self.mailbox(span, &format!("{before}${{{NAME}}}{following}"), flags);
        self.variables.unset(NAME);
        let done = done?;
        effects.extend(done.effects);
        // What is taken from the message is a name, what else is printed may be a path.
        let is_path = before.trim_matches('"').is_empty() && !command.trim().starts_with("echo");
        let place = is_path.then(|| PRINTED_PATH.to_owned());
        Ok(Some(ProcmailResult { effects, differs: done.differs.or(differs).or(place), ..done }))
    }

    /// `$NAME/folder` where nothing sets the variable: its name, and what is below it.
    fn never_set<'w>(&self, written: &'w str) -> Option<(&'w str, &'w str)> {
        let inner = written.trim_start_matches('"').strip_prefix('$')?;
        let end = |text: &str| text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let (name, rest) = match inner.strip_prefix('{') {
            Some(inner) => inner.split_once('}')?,
            None => inner.split_at(end(inner).unwrap_or(inner.len())),
        };
        let rest = rest.trim_end_matches('"');
        let is_below = rest.trim_matches(['/', '.']).is_empty() || rest.starts_with('/');
        let is_set = self.variables.value(name) != ProcmailVariable::Constant(String::new());
        (!name.is_empty() && end(name).is_none() && is_below && !is_set)
            .then(|| (name, rest.trim_matches('/')))
    }

    /// Several Maildirs: the message is stored in each.
    fn mailboxes(
        &mut self,
        span: Span,
        words: &[String],
        flags: &str,
    ) -> Result<ProcmailResult, String> {
        let is_maildir = |word: &String| unquoted(word).ends_with('/');
        if !words.iter().all(is_maildir) || half(flags).is_some() {
            return Err("several mailboxes, linked".into());
        }
        let (first, others) = words.split_first().ok_or("it does not name a mailbox")?;
        let mut effects = Vec::new();
        for word in others {
            effects.extend(self.mailbox(span, word, "c")?.effects);
        }
        let done = self.mailbox(span, first, flags)?;
        effects.extend(done.effects);
        Ok(ProcmailResult { effects, ..done })
    }

    /// `/dev/null`: refused, or to be tried again, if EXITCODE says so.
    fn drop(&mut self) -> ProcmailResult {
        ProcmailResult::ending(Effect::for_exit_code(self.exit_code))
    }

    /// The folder that a path stands for; none for the inbox.
    fn folder(&mut self, path: &ExpandedText) -> Result<Option<String>, String> {
        let places = MailPlaces {
            start: self.template("MAILDIR"),
            maildir: self.template("MAILDIR"),
            inbox: self.template("DEFAULT"),
            named: self.maildir.as_deref().map(literal),
            one_level: Vec::new(),
        };
        places.folder(&path.template, &mut self.draft)
    }

    /// `| command`
    pub(super) fn pipe(
        &mut self,
        span: Span,
        command: &str,
        flags: &str,
    ) -> Result<ProcmailResult, String> {
        let filters = flags.contains('f');
        let copy = flags.contains('c');
        let half = half(flags).filter(|_| !self.is_formail(command));
        if filters && self.is_formail(command) {
            let is_line = |word: &String| word.trim_end_matches(['"', '\'']).ends_with("From ");
            let is_new_line = shell_words(command).iter().any(is_line)
                && self.conditions_after(span).any(|line| asks_for(line, "^from "));
            if is_new_line && self.conditions_after(span).any(|line| line.contains("^From ")) {
                return Err(
                    "formail makes the `From ` line anew, and later recipes look at it".into()
                );
            }
            let edits = self.formail(command);
            match &edits {
                Ok(done) if !done.edited.iter().any(|name| self.is_asked_after(span, name)) => {
                    let differs = is_new_line.then(|| NEW_FROM_LINE.to_owned());
                    return edits.map(|done| ProcmailResult { differs, ..done });
                }
                // formail itself does it, and what comes after it sees the result.
                _ => self.note("formail is run, so it has to be installed"),
            }
        }
        if !filters && let Some(folder) = self.delivering_agent(command)? {
            return Ok(ProcmailResult::delivery(folder, copy));
        }
        if command.contains("formail -r") {
            self.note(
                "an automatic answer goes to whoever the message names; `reply \
                 \"file\"` answers only people, and nobody twice",
            );
        }
        let words = match half {
            Some(half) => {
                let command = self.variables.shell_command(command)?;
                command.words(|text| on_half(half, text, filters))
            }
            None => self.variables.command(command)?,
        };
        if copy && flags.contains(['w', 'W']) && self.is_failure_asked_for {
            self.note(ASKED);
            let effects = vec![Effect::Program("filter", asking(None, words)), if_unasked(span)];
            return Ok(ProcmailResult { may_fail: true, ..ProcmailResult::going_on(effects) });
        }
        if filters || !copy {
            self.note("a program that fails: the mail server tries again, procmail went on with the next recipe");
        }
        if filters {
            let done = ProcmailResult::going_on(vec![Effect::Program("filter", words)]);
            return Ok(ProcmailResult { edited: vec!["*".into()], may_fail: true, ..done });
        }
        if copy && self.is_status_asked_after(span) {
            self.note(ASKED);
            let effects = status_of(&self.keep_status(), words, span);
            return Ok(ProcmailResult::going_on(effects));
        }
        Ok(if copy {
            ProcmailResult::going_on(vec![Effect::Program("run", words)])
        } else {
            ProcmailResult::ending(Effect::Program("pipe", words))
        })
    }

    fn is_formail(&self, command: &str) -> bool {
        shell_words(command).first().is_some_and(|word| is_program(word, "formail"))
            && !command.contains(['|', ';', '>', '<', '('])
    }

    /// `formail -A "Name: value" -I "Name: value" -I "Name:"`
    fn formail(&mut self, command: &str) -> Result<ProcmailResult, String> {
        let words = shell_words(command);
        let (mut effects, mut edited) = (Vec::new(), Vec::new());
        let mut at = 1;
        while let Some(word) = words.get(at) {
            at += 1;
            let (option, joined) = match word.get(..2) {
                Some(option) if word.starts_with('-') => {
                    (option, word.get(2..).unwrap_or_default())
                }
                _ => return Err(format!("formail's `{word}`")),
            };
            if option == "-f" && joined.is_empty() {
                continue;
            }
            if !matches!(option, "-A" | "-I" | "-i" | "-a") {
                return Err(format!("formail's `{word}`"));
            }
            let argument = if joined.is_empty() {
                at += 1;
                words.get(at - 1).cloned().ok_or("formail's option has no value")?
            } else {
                joined.to_owned()
            };
            let expanded = self.variables.expand(&argument, false)?;
            // The line that separates messages in an mbox: we have none.
            if expanded.template == "From " {
                continue;
            }
            let (name, value) =
                expanded.template.split_once(':').ok_or("a header without a `:`")?;
            let is_name = name.bytes().all(|b| b.is_ascii_graphic()) && !name.is_empty();
            if !is_name || name.contains('{') {
                return Err(format!("`{name}` is not the name of a header"));
            }
            edited.push(name.to_lowercase());
            let (name, value) = (name.to_owned(), value.trim().to_owned());
            effects.push(match (option, value.is_empty()) {
                ("-A", false) => Effect::AddHeader(name, value),
                ("-I", false) => Effect::SetHeader(name, value),
                ("-I", true) => Effect::RemoveHeader(name),
                ("-i", _) => {
                    return Err("formail's `-i` keeps the old header under another name".into());
                }
                _ => return Err("a header without a value".into()),
            });
        }
        if effects.is_empty() {
            return Ok(ProcmailResult::going_on(Vec::new()));
        }
        Ok(ProcmailResult { edited, ..ProcmailResult::going_on(effects) })
    }

    /// The conditions of recipes after a place.
    fn conditions_after(&self, place: Span) -> impl Iterator<Item = &str> {
        let file = self.sources.files().get(place.file as usize);
        let rest = file.and_then(|file| file.text.get(place.end as usize..)).unwrap_or_default();
        rest.lines().map(str::trim_start).filter(|line| line.starts_with('*'))
    }

    /// Whether recipes after a place ask for a header.
    fn is_asked_after(&self, place: Span, name: &str) -> bool {
        self.conditions_after(place).any(|line| asks_for(line, name))
    }

    /// Dovecot's delivery agent: the folder after `-m`.
    fn delivering_agent(&mut self, command: &str) -> Result<Option<Option<String>>, String> {
        let words = shell_words(command);
        let is_agent = words
            .first()
            .is_some_and(|word| is_program(word, "deliver") || is_program(word, "dovecot-lda"));
        if !is_agent {
            return Ok(None);
        }
        let mut folder = None;
        let mut at = 1;
        while let Some(word) = words.get(at) {
            at += 1;
            let value = |at: usize| words.get(at).cloned().ok_or("an option has no value");
            match word.get(..2) {
                Some("-m") => {
                    let name = if word.len() > 2 {
                        word.get(2..).unwrap_or_default().to_owned()
                    } else {
                        value(at)?
                    };
                    at += usize::from(word.len() == 2);
                    let name = self.variables.expand(&name, false)?.template;
                    let name = name.strip_prefix("INBOX.").unwrap_or(&name).to_owned();
                    folder = Some(replaced_outside(&name, '.', "/"));
                }
                Some("-d" | "-f" | "-a" | "-p") if word.len() == 2 => at += 1,
                Some("-e" | "-k") => {}
                _ => return Err(format!("`{word}` of Dovecot's delivery agent")),
            }
        }
        let folder = folder.filter(|name| !name.eq_ignore_ascii_case("INBOX"));
        Ok(Some(folder))
    }
}
