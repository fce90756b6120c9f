//! Plans automatic answers: whether one is allowed (RFC 3834 §2, RFC 5230 §4),
//! from whom to whom (RFC 3834 §3, RFC 5230 §5), and its text.

use std::cell::OnceCell;

use encoding_rs::Encoding;

use super::condition::Conditions;
use super::external_actions::no_target;
use super::{Detail, Evaluator};
use crate::classify::{Mail, auto_generated, automatic, bulk, daemon, mailing_list, spam_verdict};
use crate::message::Message;
use crate::message::message_ids::message_ids;
use crate::message::path;
use crate::plan::{Reply, RuleRef, StepKind};
use crate::rules::actions::{ReplyAction, ReplyText, is_address, is_mailbox, is_target};
use crate::rules::address_list::AddressList;
use crate::rules::compiled::CompiledProgram;
use crate::rules::field::{self, FieldKind, FieldLookup};
use crate::rules::program::{Program, Settings};
use crate::rules::template::{
    Form, Insert, MomentFormat, PlaceholderPart, SplitPart, TemplatePart, parse_placeholder, split,
};
use crate::source::read_bytes;
use crate::world::World;

/// The longest text, bytes.
const LONGEST_TEXT: u64 = 1 << 20;
/// Inserted values are cut to this length, characters.
const LONGEST_INSERT: usize = 2000;
/// How many Message-IDs References keeps, cut at the front, RFC 5322 §3.6.4.
const MOST_REFERENCES: usize = 20;

/// Headers that only machines write, for mail to many, RFC 2369, RFC 2919 and earlier.
const OF_LISTS: [&str; 12] = [
    "List-Id",
    "List-Help",
    "List-Subscribe",
    "List-Unsubscribe",
    "List-Post",
    "List-Owner",
    "List-Archive",
    "Mailing-List",
    "X-Mailing-List",
    "X-ML-Name",
    "Feedback-ID",
    "X-Loop",
];

impl Evaluator<'_> {
    /// Plans an answer, or reports why there is none.
    pub(super) fn reply(&mut self, action: &ReplyAction, rule: RuleRef) {
        let twice =
            self.progress.plan.steps.iter().any(|step| matches!(step.kind, StepKind::Reply(_)));
        let planned = if twice {
            Err("there is already an answer".to_owned())
        } else {
            self.plan_reply(action, &rule)
        };
        let kind = match planned {
            Ok(reply) => StepKind::Reply(Box::new(reply)),
            Err(why) => StepKind::Skipped { action: "reply", why },
        };
        self.push(kind, rule);
    }

    fn plan_reply(&self, action: &ReplyAction, rule: &RuleRef) -> Result<Reply, String> {
        let (message, world) = (self.conditions.message, self.conditions.world);
        let me = OwnAddresses::new(&self.conditions, &action.mine);
        let to = recipient(message, world, &me)?;
        no_person(self.conditions.mail())?;
        let from = me.addressed(message).ok_or("it is not addressed to one of `me`")?;
        let mut subject = action.subject.as_ref().map(|subject| self.line(subject));
        let mut sender = action.from.as_ref().map(|from| self.line(from));
        let (body, text) = match &action.text {
            ReplyText::Here { text, digest } => (self.lines(text, LONGEST_INSERT), digest.clone()),
            ReplyText::File(file) => {
                let path = world.path(file, self.file(rule).as_ref());
                let bytes = read_bytes(self.conditions.bounds(file), &path, LONGEST_TEXT).map_err(
                    |error| format!("the text `{}` cannot be read: {error}", path.display()),
                )?;
                let text = decoded(&bytes);
                let (of_file, from_header, body, _) = parts(&text);
                subject = subject.or_else(|| Some(one_line(&self.fill(&of_file?))));
                sender = sender.or_else(|| Some(one_line(&from_header?)));
                (self.fill(&body), text)
            }
        };
        let original = message.texts("Subject");
        let original = original.first().map_or("", |text| text.text());
        let subject = subject.unwrap_or_else(|| format!("Auto: {original}"));
        // Inserted values may make it an invalid address.
        let sender = sender.filter(|from| action.from.is_none() || is_mailbox(from));
        let ids = message.texts("Message-ID");
        let in_reply_to = ids.first().and_then(|id| message_ids(id.text()).pop());
        Ok(Reply {
            file: action.text.file().map(str::to_owned),
            every: action.every,
            to,
            from: sender.unwrap_or(from),
            subject: subject.trim().to_owned(),
            references: references(message, in_reply_to.as_deref()),
            in_reply_to,
            body,
            key: action.handle.clone().unwrap_or(text),
        })
    }

    /// The text with `{…}` filled in. An unknown value stays as it is: the text
    /// is not part of the rules, and a letter may contain braces.
    fn fill(&self, text: &str) -> String {
        let (parts, _) = split(text);
        let mut program = Program::default();
        let settings = &self.conditions.program.settings;
        program.settings = Settings {
            delimiter: settings.delimiter.clone(),
            timezone: settings.timezone.clone(),
            ..Settings::default()
        };
        let mut pieces = Vec::new();
        for part in parts {
            let (placeholder, place) = match part {
                SplitPart::Text(text) => {
                    pieces.push(TemplatePart::Text(text));
                    continue;
                }
                SplitPart::Insert(text, place) => (parse_placeholder(text), place),
            };
            pieces.push(match placeholder {
                PlaceholderPart::Date(format, offset) => {
                    let format = MomentFormat { format: format.to_owned(), offset };
                    TemplatePart::Insert(Insert::Date(format), Form::Kept)
                }
                PlaceholderPart::Now(format, offset) => {
                    let format = MomentFormat { format: format.to_owned(), offset };
                    TemplatePart::Insert(Insert::Now(format), Form::Kept)
                }
                PlaceholderPart::Value(name, form)
                    if form != Form::Levels
                        && let Some(FieldLookup::Field(field, kind)) = field::find(name)
                        && !matches!(
                            kind,
                            FieldKind::Date | FieldKind::Time | FieldKind::Duration
                        ) =>
                {
                    program.fields.push(field);
                    TemplatePart::Insert(Insert::Field(program.fields.len() as u32 - 1), form)
                }
                _ => TemplatePart::Text(text.get(place).unwrap_or_default().to_owned()),
            });
        }
        let program = &CompiledProgram::new(program);
        let conditions = Conditions::new(self.conditions.of(program), Detail::Plan);
        let mut filled = String::new();
        for piece in pieces {
            match piece {
                TemplatePart::Text(text) => filled.push_str(&text),
                TemplatePart::Insert(insert, form) => {
                    let value = form.of(conditions.inserted(&insert));
                    let shown = |c: char| if c.is_control() && c != '\n' { ' ' } else { c };
                    filled.extend(value.chars().take(LONGEST_INSERT).map(shown));
                }
            }
        }
        filled
    }
}

/// The user's own addresses: `set me`, and the addresses that the message was sent to.
struct OwnAddresses {
    list: AddressList,
    recipients: Vec<String>,
    found: OnceCell<Option<String>>,
}

impl OwnAddresses {
    /// The user's addresses, with those that count for this answer only.
    fn new(conditions: &Conditions<'_>, for_this: &[String]) -> OwnAddresses {
        let me = conditions.program.settings.me.iter().chain(for_this);
        OwnAddresses {
            list: AddressList::from_entries(me.map(|entry| entry.as_str())),
            recipients: conditions
                .world
                .own_recipients(conditions.message)
                .iter()
                .map(|to| crate::message::address::canonical(to).into_owned())
                .collect(),
            found: OnceCell::new(),
        }
    }

    fn is(&self, canonical: &str) -> bool {
        self.list.matches(canonical) || self.recipients.iter().any(|to| to == canonical)
    }

    /// The first of these addresses in To, Cc, Bcc or their Resent- forms, RFC 5230 §4.5.
    fn addressed(&self, message: &Message) -> Option<String> {
        const HEADERS: [&str; 6] = ["To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc"];
        let find = || {
            HEADERS.iter().find_map(|name| {
                let all = message.addresses(name);
                all.iter()
                    .find(|address| self.is(&address.canonical()))
                    .map(|address| address.address())
            })
        };
        self.found.get_or_init(find).clone().filter(|address| is_address(address))
    }
}

/// Who gets an answer, or why nobody does.
fn recipient(message: &Message, world: &World, me: &OwnAddresses) -> Result<String, String> {
    let sender = world.envelope_sender(message).ok_or("the envelope sender is not known")?;
    if sender.is_empty() {
        return Err("it has the null sender".into());
    }
    if !is_target(&sender) {
        return Err(no_target(&sender));
    }
    let canonical = crate::message::address::canonical(&path::untagged(&sender)).into_owned();
    if me.is(&canonical) {
        return Err("it is from yourself".into());
    }
    let local = canonical.rsplit_once('@').map_or("", |(local, _)| local);
    if is_machine(local) {
        return Err(format!("`{sender}` is not a person"));
    }
    let first = |name: &str| {
        message.texts(name).first().map(|text| text.folded().trim().to_owned()).unwrap_or_default()
    };
    let there = |name: &&&str| message.head().values(name).next().is_some();
    if !message.texts("Auto-Submitted").iter().all(|text| is_no(text.folded())) {
        return Err("it is automatic mail (Auto-Submitted)".into());
    }
    if message
        .texts("Precedence")
        .iter()
        .any(|text| matches!(text.folded().trim(), "bulk" | "list" | "junk" | "auto_reply"))
    {
        return Err("it is mass mail (Precedence)".into());
    }
    if let Some(name) = OF_LISTS.iter().find(there) {
        return Err(format!("it came through a list ({name})"));
    }
    let automatic = ["X-Autoreply", "X-Autorespond", "X-Auto-Response-Suppress"];
    if let Some(name) = automatic.iter().find(there).filter(|name| !is_no(&first(name))) {
        return Err(format!("it is automatic mail ({name})"));
    }
    let media = first("Content-Type");
    if media.starts_with("multipart/report") || media.starts_with("message/") {
        return Err("it is a report".into());
    }
    if first("X-Spam-Flag").starts_with("yes") || first("X-Spam-Status").starts_with("yes") {
        return Err("a filter calls it spam".into());
    }
    Ok(sender)
}

/// Fails for mail to which nobody expects an answer, as classifiers find.
fn no_person(mail: &Mail<'_>) -> Result<(), String> {
    for (classifier, what) in [
        (&automatic::AUTOMATIC, "automatic mail"),
        (&auto_generated::AUTO_GENERATED, "automatic mail"),
        (&bulk::BULK, "mass mail"),
        (&daemon::DAEMON, "mail from a system"),
        (&spam_verdict::SPAM, "spam"),
        (&spam_verdict::VIRUS, "a virus"),
    ] {
        if let Some(evidence) = (classifier.find)(mail)? {
            return Err(format!("it is {what}: {evidence}"));
        }
    }
    // A copy of list mail that its sender also addressed to the user may be answered.
    match mailing_list::evidence(mail) {
        Some(evidence) => Err(format!("it is mailing-list mail: {evidence}")),
        None => Ok(()),
    }
}

/// `no`, and Microsoft's `none`.
fn is_no(value: &str) -> bool {
    let value = value.split(';').next().unwrap_or_default().trim();
    matches!(value, "" | "no" | "none")
}

/// Whether a local part is a machine's: RFC 5230 §4.6 and others in use.
fn is_machine(local: &str) -> bool {
    let name: String = local.chars().filter(|c| !"-_.".contains(*c)).collect();
    let whole = [
        "mailerdaemon",
        "postmaster",
        "listserv",
        "majordomo",
        "daemon",
        "root",
        "bounce",
        "bounces",
        "noreply",
        "donotreply",
        "nobody",
        "mailer",
        "autoreply",
        "abuse",
    ];
    whole.contains(&name.as_str())
        || local.starts_with("owner-")
        || ["-request", "-owner", "-relay", "-bounces", "-bounce", "-outgoing", "-noreply"]
            .iter()
            .any(|end| local.ends_with(end))
        || name.starts_with("noreply")
        || name.starts_with("donotreply")
        || local.contains("-bounces+")
}

/// The text of a file, in the charset that its own header block names, otherwise
/// in UTF-8.
fn decoded(bytes: &[u8]) -> String {
    let message = Message::from_bytes(bytes.to_vec());
    let label = message.parts().ok().and_then(|parts| parts.first()?.charset.clone());
    let known = label.and_then(|label| Encoding::for_label(label.as_bytes()));
    match known {
        Some(encoding) if parts(&String::from_utf8_lossy(bytes)).3 => {
            encoding.decode_with_bom_removal(bytes).0.into_owned()
        }
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// Subject and From of the header block that a text may begin with, the rest of
/// the text, and whether there is such a block. If the first line is not one of
/// these headers, the text begins with it.
fn parts(text: &str) -> (Option<String>, Option<String>, String, bool) {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let whole = || (None, None, text.clone(), false);
    let Some((head, body)) = text.split_once("\n\n") else { return whole() };
    let (mut subject, mut from) = (None, None);
    for line in head.lines() {
        match line.split_once(':').map(|(name, value)| (name.to_lowercase(), value.trim())) {
            Some((name, value)) if name == "subject" => subject = Some(value.to_owned()),
            Some((name, value)) if name == "from" => from = Some(value.to_owned()),
            Some((name, _)) if name == "content-type" => {}
            _ => return whole(),
        }
    }
    (subject, from, body.to_owned(), true)
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// RFC 5322 §3.6.4: the messages that it referred to, and the message itself.
fn references(message: &Message, id: Option<&str>) -> Option<String> {
    let ids_in = |name: &str| {
        let all = message.texts(name);
        all.first().map(|text| message_ids(text.text())).unwrap_or_default()
    };
    let mut ids = ids_in("References");
    if ids.is_empty() {
        ids = ids_in("In-Reply-To");
    }
    ids.extend(id.map(str::to_owned));
    let skip = ids.len().saturating_sub(MOST_REFERENCES);
    let ids = ids.get(skip..).unwrap_or_default().join(" ");
    (!ids.is_empty()).then_some(ids)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{rules, run_on, steps};
    use super::*;

    /// The answer to a message with this head, or the reason for which there is none.
    fn answer(sender: &str, head: &str) -> Result<Reply, String> {
        let rules =
            rules("set me [\"taro@example.org\"]\nreply { text \"one\\n\\ttwo {subject}\" }\n");
        let world = World { sender: Some(sender.into()), ..World::default() };
        let mail = format!("From: {sender}\nTo: taro@example.org\n{head}\n\nhi\n");
        let steps = run_on(&rules, &mail, &world, Detail::Plan).evaluation.plan.steps;
        match steps.into_iter().next().expect("a step").kind {
            StepKind::Reply(reply) => Ok(*reply),
            StepKind::Skipped { action: "reply", why } => Err(why),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn no_machine_and_no_list_is_answered() {
        let lists =
            OF_LISTS.map(|name| (format!("{name}: x"), format!("came through a list ({name})")));
        let others = [
            ("Auto-Submitted: auto-generated", "automatic mail (Auto-Submitted)"),
            ("Auto-Submitted: no\nAuto-Submitted: yes", "automatic mail (Auto-Submitted)"),
            ("Precedence: bulk", "mass mail (Precedence)"),
            ("Precedence: list", "mass mail (Precedence)"),
            ("Precedence: Junk", "mass mail (Precedence)"),
            ("Precedence: auto_reply", "mass mail (Precedence)"),
            ("X-Autoreply: yes", "automatic mail (X-Autoreply)"),
            ("X-Autorespond: yes", "automatic mail (X-Autorespond)"),
            ("X-Auto-Response-Suppress: OOF", "automatic mail (X-Auto-Response-Suppress)"),
            ("Content-Type: multipart/report; boundary=x", "a report"),
            ("Content-Type: message/rfc822", "a report"),
            ("X-Spam-Flag: YES", "a filter calls it spam"),
            ("X-Spam-Status: Yes, score=9", "a filter calls it spam"),
            ("Subject: Automatic reply: x", "it is automatic mail: "),
        ];
        let others = others.map(|(head, why)| (head.to_owned(), why.to_owned()));
        for (head, why) in lists.into_iter().chain(others) {
            let found = answer("hanako@example.jp", &head).expect_err(&head);
            assert!(found.contains(&why), "{head}: {found}");
        }
        for (sender, why) in [
            ("", "it has the null sender"),
            ("hanako", "`hanako` is not an address"),
            ("taro@example.org", "it is from yourself"),
            ("root@example.jp", "`root@example.jp` is not a person"),
            (
                "prvs=1234abcdef=noreply@example.jp",
                "`prvs=1234abcdef=noreply@example.jp` is not a person",
            ),
            ("SRS0=ab=DE=example.org=taro@example.jp", "it is from yourself"),
        ] {
            assert_eq!(answer(sender, "Subject: x"), Err(why.into()));
        }
        for head in [
            "Auto-Submitted: no",
            "Precedence: first-class",
            "X-Spam-Flag: NO\nX-Spam-Status: No, score=-1",
            "Content-Type: multipart/mixed; boundary=x",
        ] {
            assert_eq!(
                answer("hanako@example.jp", head).map(|reply| reply.to),
                Ok("hanako@example.jp".into())
            );
        }
    }

    #[test]
    fn a_text_in_the_rules_keeps_its_lines() {
        let answer = answer("hanako@example.jp", "Subject: three").expect("an answer");
        assert_eq!(answer.body, "one\n\ttwo three");
    }

    #[test]
    fn an_answer_belongs_to_the_thread() {
        let references = |head| answer("hanako@example.jp", head).expect("an answer").references;
        let own = "Message-ID: <3@x>";
        assert_eq!(references("Subject: x"), None);
        assert_eq!(references(own).as_deref(), Some("<3@x>"));
        let before = format!("{own}\nIn-Reply-To: <2@x>");
        assert_eq!(references(&before).as_deref(), Some("<2@x> <3@x>"));
        let both = format!("{before}\nReferences: <1@x> <2@x>");
        assert_eq!(references(&both).as_deref(), Some("<1@x> <2@x> <3@x>"));
    }

    #[test]
    fn a_text_file_is_filled_in_as_its_rules_say() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("away");
        let fill = |text: &str, more: &str| {
            std::fs::write(&file, text).unwrap();
            let rules = rules(&format!(
                "set me [\"taro@example.org\"]\nset delimiter \"-\"\nset timezone \"UTC\"\n\
                 reply {{ file \"{}\" for [\"taro-shop@example.org\"]{more} }}\n",
                file.display()
            ));
            let now = Some("2026-12-25T11:00:00Z".parse().unwrap());
            let world = World { sender: Some("hanako@example.jp".into()), now, ..World::default() };
            let mail = "From: =?utf-8?q?Hana=09ko=0Ax?= <hanako@example.jp>\n\
                        To: taro-shop@example.org\nSubject: x\n\
                        Date: Thu, 24 Dec 2026 09:00:00 +0900\n\nhi\nyou\tthere\n";
            let run = run_on(&rules, mail, &world, Detail::Plan);
            match run.evaluation.plan.steps.first().map(|step| step.kind.clone()) {
                Some(StepKind::Reply(reply)) => *reply,
                _ => panic!("{:?}", steps(&run)),
            }
        };
        let reply = fill("Subject: {to.detail}\nFrom: Taro <t@example.org>\n\n{body}.", "");
        assert_eq!((reply.subject.as_str(), reply.from.as_str()), ("shop", "Taro <t@example.org>"));
        assert!(reply.body.starts_with("hi\nyou there"), "{:?}", reply.body);
        assert_eq!(
            fill("Of the rules.", " from \"Taro <a@example.org>\"").from,
            "Taro <a@example.org>"
        );
        let body = |text: &str| fill(text, "").body;
        assert_eq!(body("{date}, {date:%H:%M} {date+09:00:%H}"), "2026-12-24, 00:00 09");
        assert_eq!(body("{now}, {now:%H:%M} {now-01:00:%H}"), "2026-12-25, 11:00 10");
        assert_eq!(body("a } b {} c { d :-}"), "a } b {} c { d :-}");
        let long = "a".repeat(LONGEST_INSERT + 1);
        assert_eq!(body(&long), long);
        assert_eq!(
            body("{nonsense} {subject:upper} {subject:none} {"),
            "{nonsense} X {subject:none} {"
        );
    }

    #[test]
    fn a_text_may_begin_with_a_header_block() {
        let (subject, from, body, _) = parts("Subject: Away\nFrom: Taro <t@x>\n\nHello,\n\nbye\n");
        assert_eq!((subject.as_deref(), from.as_deref()), (Some("Away"), Some("Taro <t@x>")));
        assert_eq!(body, "Hello,\n\nbye\n");
        let (subject, _, body, _) = parts("Dear friend: hello\n\nbye\n");
        assert_eq!((subject, body.as_str()), (None, "Dear friend: hello\n\nbye\n"));
    }

    #[test]
    fn a_text_is_read_in_its_own_charset() {
        let latin = b"Content-Type: text/plain; charset=iso-8859-1\n\ncaf\xe9\n";
        assert!(decoded(latin).ends_with("\n\ncaf\u{e9}\n"));
        let japanese =
            b"Subject: x\nContent-Type: text/plain; charset=iso-2022-jp\n\n\x1b$B5Y\x1b(B\n";
        assert!(decoded(japanese).ends_with("\n\n休\n"));
        assert_eq!(decoded("休み".as_bytes()), "休み");
        // What is no header block names no charset.
        let text = b"Content-Type: text/plain; charset=iso-8859-1\nDear friend,\n\ncaf\xc3\xa9\n";
        assert!(decoded(text).ends_with("\n\ncaf\u{e9}\n"));
    }

    #[test]
    fn machines_are_recognized_by_their_names() {
        for machine in
            ["mailer-daemon", "owner-x", "x-request", "no-reply", "noreply+1", "x-bounces+a=b"]
        {
            assert!(is_machine(machine), "{machine}");
        }
        for person in ["hanako", "bounty", "root-cause", "requester"] {
            assert!(!is_machine(person), "{person}");
        }
    }
}
