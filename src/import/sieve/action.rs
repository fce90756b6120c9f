//! Actions to effects.
//!
//! The commands between two `if`s are one unit. They are first collected as
//! [`SieveAct`]s, because how a delivery is expressed depends on whether the script ends
//! after it.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::act::{FlagsHere, SieveAct, SievePlace, plain_address};
use super::arguments::Arguments;
use super::compare::{ComparisonKind, matching};
use super::context::Lowering;
use super::occurrence::Occurrence;
use super::parse::Node;
use super::refusals::IN_CONFLICT;
use super::script::is_name;
use super::state::{DROPPED, FILED, KEPT, SieveStored, Tail};
use crate::import::ir::{Cond, Effect, Unit, header, literal};
use crate::rules::actions::{MOST_TARGETS, is_target};
use crate::source::Span;

impl Lowering<'_> {
    /// Commands up to the next `if`, or to a `stop`.
    pub(super) fn run(&mut self, nodes: &[Node], tail: Tail, out: &mut Vec<Unit>) {
        let before = self.state.clone();
        let mut acts = Vec::new();
        let mut stopped = false;
        let mut done = nodes.len();
        for (number, node) in nodes.iter().enumerate() {
            let result = match node.name.as_str() {
                "stop" => {
                    stopped = true;
                    Ok(())
                }
                "return" => self.leave().map(|leaves| {
                    if leaves {
                        self.state.returned = true;
                    } else {
                        stopped = true;
                    }
                }),
                IN_CONFLICT => {
                    stopped = true;
                    acts.push(self.kept());
                    Ok(())
                }
                _ => self.spend_node().and_then(|()| self.act(node, &mut acts)),
            };
            if let Err(why) = result {
                // The whole unit; what comes after it does not depend on it.
                self.state = before;
                self.not(nodes, &why, out);
                return;
            }
            if stopped || self.state.returned {
                done = number + 1;
                break;
            }
        }
        let (here, rest) = nodes.split_at(done);
        let Some(mut unit) = self.unit_of(here) else { return };
        let rejects = acts.iter().any(|act| matches!(act, SieveAct::Reject(_)));
        let ended = stopped || rejects || tail != Tail::More;
        if rejects && !stopped && tail == Tail::More {
            self.refuses_alone();
        }
        // At the very end, nothing has to be written.
        let text = tail != Tail::End;
        match self.effects(acts, ended, text) {
            Ok(effects) => unit.effects = effects,
            Err(why) => {
                self.state = before;
                self.not(nodes, &why, out);
                return;
            }
        }
        self.state.ended = ended;
        unit.falls_through = !ended;
        self.finish(&mut unit);
        if unit.effects.is_empty() && unit.count == 0 && unit.comments.is_empty() {
            // Constants alone.
        } else {
            out.push(unit);
        }
        if !rest.is_empty() {
            self.dead(rest, "never reached", out);
        }
    }

    /// The inbox, for a message that is both refused and delivered: its flags do not count.
    fn kept(&mut self) -> SieveAct {
        self.draft.note(
            "mail that one part of the script refuses and another delivers goes to the inbox, as \
             with Pigeonhole",
        );
        let flags = FlagsHere {
            own: Some(BTreeSet::new()),
            must: Rc::clone(&self.state.flags_must),
            may: Rc::clone(&self.state.flags_may),
        };
        SieveAct::Store { folder: SievePlace::Inbox, flags, copy: false }
    }

    /// A refusal of mail that another part of the script may deliver: for Pigeonhole that is
    /// a mistake when it happens, and it keeps the message.
    fn refuses_alone(&mut self) {
        if self.without_conflicts {
            return;
        }
        let why =
            "a refusal ends the rules, but Pigeonhole keeps mail that another part delivers, too";
        // A web mailer's script is run all the same: its user wants it refused.
        if self.options.included.is_some() {
            self.remark(why);
        } else {
            self.approximately(why);
        }
    }

    /// Acts as effects of ours, and what they do to the implicit keep.
    fn effects(
        &mut self,
        mut acts: Vec<SieveAct>,
        ended: bool,
        text: bool,
    ) -> Result<Vec<Effect>, String> {
        let mut effects = Vec::new();
        if ended {
            // Flags and headers changed after the last delivery have no effect.
            while matches!(acts.last(), Some(SieveAct::Change(effect))
                if !matches!(effect, Effect::Let(..) | Effect::Program(..)))
                && acts.iter().any(SieveAct::closes)
            {
                acts.pop();
            }
        }
        let kept = ended && self.state.keep == KEPT && !acts.iter().any(SieveAct::closes);
        // Nothing but the program has what is dropped then, and it may fail.
        let is_dropped = ended
            && self.state.keep != FILED
            && acts.iter().any(|act| matches!(act, SieveAct::Discard));
        let mut takers = acts.iter_mut().filter(|act| act.delivers());
        if let (true, Some(SieveAct::Pipe { copy, attempt: false, .. }), None) =
            (is_dropped, takers.next(), takers.next())
        {
            *copy = false;
        }
        // Giving it to a program drops it already.
        if acts.iter().any(|act| matches!(act, SieveAct::Pipe { copy: false, .. })) {
            acts.retain(|act| !matches!(act, SieveAct::Discard));
        }
        let last = acts.iter().rposition(SieveAct::closes).filter(|_| ended);
        // The last one ends the run, if it can stand at the end.
        let can_end = last.filter(|last| {
            acts.iter().skip(last + 1).all(|act| match act {
                SieveAct::Other(_) => true,
                SieveAct::Store { copy, .. }
                | SieveAct::Redirect { copy, .. }
                | SieveAct::Pipe { copy, .. } => *copy,
                _ => false,
            })
        });
        let closing = can_end.map(|at| acts.remove(at));
        // What is stored afterwards is not dropped.
        let stores = |act: &SieveAct| matches!(act, SieveAct::Store { copy: false, .. });
        let stored = acts.iter().rposition(stores);
        let stored = if closing.as_ref().is_some_and(stores) { Some(acts.len()) } else { stored };
        for (number, act) in acts.into_iter().enumerate() {
            let act = match act {
                SieveAct::Redirect { to, .. } if stored.is_some_and(|stored| number < stored) => {
                    SieveAct::Redirect { to, copy: true }
                }
                SieveAct::Pipe { words, attempt, .. }
                    if stored.is_some_and(|stored| number < stored) =>
                {
                    SieveAct::Pipe { words, copy: true, attempt }
                }
                SieveAct::Discard if stored.is_some_and(|stored| number < stored) => continue,
                // The run ends after it: `forward`, `discard` and similar effects say so.
                SieveAct::Redirect { to, .. } if closing.is_some() => {
                    SieveAct::Redirect { to, copy: true }
                }
                SieveAct::Discard if closing.is_some() => continue,
                act => act,
            };
            self.effect(act, kept, &mut effects)?;
        }
        match closing {
            Some(act) => self.closing(act, &mut effects)?,
            None if ended => effects.extend(self.ending(text)),
            None => {}
        }
        Ok(effects)
    }

    /// An act after which the script goes on; `kept` if nothing cancels the implicit keep.
    fn effect(
        &mut self,
        act: SieveAct,
        kept: bool,
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        match act {
            SieveAct::Store { folder, flags, copy } => {
                self.stored_in(&folder, &flags, copy)?;
                let marks = self.flags_for(flags, false, effects)?;
                let marks = marks.unwrap_or_default();
                let fails = matches!(&folder, SievePlace::ByValue(_, true));
                let delivery = |folder: Option<String>, flags| {
                    let folder = folder.unwrap_or_else(|| "INBOX".into());
                    if copy { Effect::Copy(folder, flags) } else { Effect::FileInto(folder, flags) }
                };
                match folder {
                    SievePlace::Inbox => effects.push(delivery(None, marks.here)),
                    SievePlace::Folder(name) => effects.push(delivery(Some(name), marks.here)),
                    SievePlace::ByValue(values, _) => {
                        for (condition, folder) in values {
                            effects.push(when(condition, delivery(folder, marks.here.clone())));
                        }
                    }
                }
                effects.extend(marks.again);
                if !copy {
                    self.state.keep = if fails { self.state.keep | FILED } else { FILED };
                }
            }
            SieveAct::Redirect { to, copy } => {
                match effects.last_mut() {
                    Some(Effect::Forward { copy: true, to: known }) => known.push(to),
                    _ => effects.push(Effect::Forward { copy: true, to: vec![to] }),
                }
                if !copy {
                    self.cancel_keep(effects);
                }
            }
            SieveAct::Pipe { words, copy, attempt } => {
                self.piped((words, copy, attempt), kept, effects)?;
            }
            SieveAct::Discard => self.cancel_keep(effects),
            SieveAct::Reject(text) => effects.push(Effect::Reject(text)),
            SieveAct::Change(effect) | SieveAct::Other(effect) => effects.push(effect),
        }
        Ok(())
    }

    /// Records where a message is stored, and says whether it may be there already.
    fn stored_in(
        &mut self,
        place: &SievePlace,
        flags: &FlagsHere,
        copy: bool,
    ) -> Result<bool, String> {
        let flags = match &flags.own {
            Some(flags) => Some(flags.clone()),
            None => (flags.must == flags.may).then(|| (*flags.must).clone()),
        };
        let folders: Vec<String> = match place {
            SievePlace::Inbox => vec!["INBOX".into()],
            SievePlace::Folder(name) => vec![name.clone()],
            SievePlace::ByValue(values, _) => values
                .iter()
                .map(|(_, folder)| folder.clone().unwrap_or_else(|| "INBOX".into()))
                .collect(),
        };
        let mut again = false;
        let known = Rc::clone(&self.state.stored);
        for folder in folders {
            self.spend(self.state.stored.len())?;
            let known = known.iter().filter(|(other, _)| may_be_same(other, &folder));
            let before: Vec<SieveStored> = known.map(|(_, how)| how.clone()).collect();
            let how = SieveStored { flags: flags.clone(), copied: copy };
            Rc::make_mut(&mut self.state.stored).insert(folder.clone(), how);
            for before in before {
                again = true;
                // In `include sieve`, storing twice in a folder stores once, and the last
                // flags count, as in Sieve. But what is dropped there beside a copy is
                // not dropped in Sieve.
                if self.options.included.is_some() {
                    if before.copied && !copy {
                        let why = format!("it may be put into {folder} as a copy before");
                        self.approximately(&why);
                    }
                    continue;
                }
                if before.copied || copy {
                    self.approximately(&format!("it may be stored in {folder} twice"));
                } else if flags.is_none() || before.flags != flags {
                    let why =
                        format!("of two deliveries to {folder}, the flags of the first count");
                    self.approximately(&why);
                }
            }
        }
        Ok(again)
    }

    /// Records to whom a message is sent.
    fn sends(&mut self, to: &str, copy: bool) {
        let before = Rc::make_mut(&mut self.state.sent).insert(to.to_owned(), copy);
        if let Some(copied) = before {
            // What was sent as a copy goes on in Sieve.
            if copied && !copy {
                self.approximately(&format!("it may be sent to {to} as a copy before"));
            }
            return;
        }
        self.state.redirects += 1;
        if self.state.redirects > MOST_TARGETS {
            self.approximately(&format!("it may be sent to more than {MOST_TARGETS} addresses"));
        }
    }

    /// The implicit keep is cancelled, and the script goes on.
    fn cancel_keep(&mut self, effects: &mut Vec<Effect>) {
        if self.state.keep & KEPT != 0 {
            let name = self.dropped_name();
            effects.push(Effect::Let(name, "yes".into()));
            self.state.keep = (self.state.keep & !KEPT) | DROPPED;
        }
    }

    /// The last act of a script.
    fn closing(&mut self, act: SieveAct, effects: &mut Vec<Effect>) -> Result<(), String> {
        match act {
            SieveAct::Store { folder, flags, .. } => {
                let again = self.stored_in(&folder, &flags, false)?;
                let marks = self.flags_for(flags, true, effects)?.unwrap_or_default();
                let delivery = |folder: Option<String>, flags| match folder {
                    // Storing twice in one folder stores once, except where it ends the run.
                    folder if again => {
                        Effect::FileInto(folder.unwrap_or_else(|| "INBOX".into()), flags)
                    }
                    Some(folder) => Effect::Folder(folder, flags),
                    None => Effect::Inbox(flags),
                };
                let mut stops = again;
                match folder {
                    SievePlace::Inbox => effects.push(delivery(None, marks.here)),
                    SievePlace::Folder(name) => effects.push(delivery(Some(name), marks.here)),
                    SievePlace::ByValue(values, _) => {
                        for (condition, folder) in values {
                            effects.push(when(condition, delivery(folder, marks.here.clone())));
                        }
                        stops = true;
                    }
                }
                if stops {
                    effects.push(Effect::Stop);
                }
            }
            SieveAct::Redirect { to, .. } => match effects.last_mut() {
                Some(Effect::Forward { to: known, copy }) => {
                    *copy = false;
                    known.push(to);
                }
                _ => effects.push(Effect::Forward { copy: false, to: vec![to] }),
            },
            SieveAct::Pipe { words, attempt, .. } => self.piped_last(words, attempt, effects),
            SieveAct::Discard if self.state.keep == FILED => effects.push(Effect::Stop),
            // What was sent on is not dropped.
            SieveAct::Discard => match effects.last_mut() {
                Some(Effect::Forward { copy, .. }) => *copy = false,
                _ => effects.push(Effect::Discard(None)),
            },
            SieveAct::Reject(text) => effects.push(Effect::Reject(text)),
            SieveAct::Change(effect) | SieveAct::Other(effect) => effects.push(effect),
        }
        Ok(())
    }

    /// What one command does.
    fn act(&mut self, node: &Node, acts: &mut Vec<SieveAct>) -> Result<(), String> {
        let arguments = &Arguments::of(node);
        if !node.tests.is_empty() {
            return Err(format!("`{}` takes no test", node.name));
        }
        match node.name.as_str() {
            "keep" if self.options.category.is_some() => {
                arguments.unknown(&[])?;
                if self.state.keep != KEPT || acts.iter().any(SieveAct::closes) {
                    return Err("a `keep` after something that files or drops the message".into());
                }
                // The message is the users' rules to file.
            }
            "keep" => {
                arguments.unknown(&["flags"])?;
                let flags = self.flags_of(arguments)?;
                acts.push(SieveAct::Store { folder: SievePlace::Inbox, flags, copy: false });
            }
            "fileinto" => {
                arguments.unknown(&["flags", "copy", "create", "specialuse", "mailboxid"])?;
                if arguments.has("mailboxid") {
                    return Err("folders are known by their names (`:mailboxid`)".into());
                }
                if arguments.has("specialuse") {
                    self.approximately("the folder is the named one, whatever its special use");
                }
                let flags = self.flags_of(arguments)?;
                let folder = self.place(arguments.string(0)?)?;
                acts.push(SieveAct::Store { folder, flags, copy: arguments.has("copy") });
            }
            "discard" => acts.push(SieveAct::Discard),
            "redirect" => self.redirect(arguments, acts)?,
            "reject" | "ereject" => self.refuse(arguments, acts)?,
            "setflag" | "addflag" | "removeflag" => self.flag_action(node, arguments, acts)?,
            "set" => self.set(arguments, acts)?,
            "global" => self.declare_globals(arguments.strings(0)?),
            "vacation" => self.vacation(arguments, acts)?,
            "addheader" => {
                arguments.unknown(&["last"])?;
                let name = arguments.string(0)?;
                if !is_name(name) {
                    return Err(format!("`{name}` is not the name of a header"));
                }
                let value = self.text(arguments.string(1)?)?;
                self.edited(name);
                acts.push(SieveAct::Change(Effect::AddHeader(name.to_owned(), value)));
            }
            "deleteheader" => {
                let name = arguments.string(0)?;
                if !is_name(name) {
                    return Err(format!("`{name}` is not the name of a header"));
                }
                // RFC 5293 §6; Pigeonhole passes over it.
                if ["received", "auto-submitted"].contains(&name.to_ascii_lowercase().as_str()) {
                    return Err(format!("`{name}` is a header that Sieve does not remove"));
                }
                let remove = Effect::RemoveHeader(name.to_owned());
                let remove = match self.headers_with_value(name, arguments)? {
                    Cond::Always => remove,
                    condition => when(condition, remove),
                };
                self.edited(name);
                acts.push(SieveAct::Change(remove));
            }
            "debug_log" => {
                acts.push(SieveAct::Other(Effect::Log(self.text(arguments.string(0)?)?)))
            }
            "expire" => self.expire(arguments, acts)?,
            "unexpire" => self.unexpire(arguments, acts)?,
            "notify" | "denotify" => return Err("it wants to send a notification".into()),
            "pipe" => self.pipe(node, arguments, acts)?,
            "execute" => self.execute(node, arguments, acts)?,
            "filter" => self.filter(node, arguments, acts)?,
            "error" => return Err("it ends the script with a mistake".into()),
            other => return Err(format!("the command `{other}` is not known")),
        }
        Ok(())
    }

    fn redirect(
        &mut self,
        arguments: &Arguments<'_>,
        acts: &mut Vec<SieveAct>,
    ) -> Result<(), String> {
        arguments.unknown(&["copy"])?;
        let expansion = self.expand(arguments.string(0)?)?;
        let to = match expansion.constant() {
            Some(written) => {
                let address = plain_address(written);
                if !is_target(address) {
                    return Err(format!("`{written}` is not an address"));
                }
                literal(address)
            }
            None => self.template(&expansion, ""),
        };
        let copy = arguments.has("copy");
        self.sends(&to, copy);
        acts.push(SieveAct::Redirect { to, copy });
        Ok(())
    }

    /// `reject` and `ereject`, RFC 5429.
    fn refuse(
        &mut self,
        arguments: &Arguments<'_>,
        acts: &mut Vec<SieveAct>,
    ) -> Result<(), String> {
        if !self.state.piped.is_empty() || acts.iter().any(SieveAct::delivers) {
            return Err("a refusal of mail that is delivered, too".into());
        }
        let text = self.text(arguments.string(0)?)?;
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if words.is_empty() {
            return Err("a refusal without a text".into());
        }
        self.draft.note("a refusal is the mail server's (SMTP 5.7.1), on one line");
        if !(self.state.stored.is_empty() && self.state.sent.is_empty()) {
            self.refuses_alone();
        }
        acts.push(SieveAct::Reject(format!("5.7.1 {words}")));
        Ok(())
    }

    /// Whether `deleteheader` finds a header to remove, RFC 5293 §5: any, or one with
    /// such a value.
    fn headers_with_value(
        &mut self,
        name: &str,
        arguments: &Arguments<'_>,
    ) -> Result<Cond, String> {
        let how = matching(arguments, &["index", "last"])?;
        let names = [name.to_owned()];
        if Occurrence::of(arguments)? != Occurrence::Any && !self.stand_once(&names) {
            return Err(
                "all headers of a name are removed together, and no single one (`:index`)".into()
            );
        }
        if arguments.count() == 1 {
            return Ok(Cond::Always);
        }
        self.as_it_came(&names)?;
        let keys = self.constants(arguments.strings(1)?)?;
        self.approximately("where one of several headers has such a value, all are removed");
        self.compare(&[header(name)], ComparisonKind::Text, how, &keys, false)
    }

    fn edited(&mut self, name: &str) {
        Rc::make_mut(&mut self.state.edited).insert(name.to_ascii_lowercase());
    }
}

/// Whether two folder names, as templates, may turn out to be the same.
fn may_be_same(one: &str, other: &str) -> bool {
    let value_of = |name: &str| name.replace("{{", "").replace("}}", "").contains('{');
    let has_levels = |name: &str| name.contains(":levels}");
    if has_levels(one) || has_levels(other) {
        // Such a value may be any path, and the inbox.
        let text = |name: &str| name.split('{').next().unwrap_or_default().to_owned();
        let (one, other) = (text(one), text(other));
        return one.starts_with(&other) || other.starts_with(&one);
    }
    let is_inbox = one == "INBOX" || other == "INBOX";
    if one == other || is_inbox || !value_of(one) && !value_of(other) {
        return one == other;
    }
    let (one, other): (Vec<&str>, Vec<&str>) =
        (one.split('/').collect(), other.split('/').collect());
    // A value makes one level, and never the inbox.
    let fits = |(one, other): (&&str, &&str)| one == other || value_of(one) || value_of(other);
    one.len() == other.len() && one.iter().zip(&other).all(fits)
}

/// An effect under a condition.
pub(super) fn when(condition: Cond, effect: Effect) -> Effect {
    Effect::Rule(Unit::part(Span::default(), condition, vec![effect]))
}
