//! Tests to conditions.

use std::rc::Rc;

use super::arguments::Arguments;
use super::compare::{Collation, ComparisonKind, MatchType, Matching, SieveAddressPart, matching};
use super::context::{Lowering, STEPS_PER_NODE};
use super::groups::{has_groups, last_group, one_level_groups};
use super::occurrence::Occurrence;
use super::parse::Node;
use super::programs::WHEN_MOVED;
use super::regex::{Glob, Relation, glob};
use super::script::{asks_captured_folder, duration, is_name, may_capture, may_match};
use super::state::SieveCapture;
use crate::import::ir::{Cond, Operand, Test, header, pattern_literal, quote};

/// Extensions that `ihave` finds.
const EXTENSIONS: [&str; 25] = [
    "fileinto",
    "copy",
    "envelope",
    "imap4flags",
    "imapflags",
    "variables",
    "relational",
    "subaddress",
    "body",
    "vacation",
    "vacation-seconds",
    "editheader",
    "date",
    "include",
    "regex",
    "reject",
    "ereject",
    "duplicate",
    "mailbox",
    "extlists",
    "comparator-i;ascii-numeric",
    "comparator-i;octet",
    "encoded-character",
    "ihave",
    "vnd.proton.expire",
];

impl Lowering<'_> {
    /// A test as a condition; `captures` if what it matches is used.
    pub(super) fn test(&mut self, node: &Node, captures: bool) -> Result<Cond, String> {
        if let Some(why) = &node.broken {
            return Err(why.clone());
        }
        self.spend_node()?;
        let arguments = &Arguments::of(node);
        let matches = arguments.has("matches") || arguments.has("regex");
        self.runtime_match |= matches && node.name != "string";
        match node.name.as_str() {
            "true" => Ok(Cond::Always),
            "false" => Ok(Cond::Never),
            "not" => {
                let inner = node.tests.first().ok_or("`not` without a test")?;
                Ok(Cond::not(self.test(inner, false)?))
            }
            "allof" | "anyof" => {
                let (captured, values) = (self.state.captured.clone(), self.state.values.clone());
                let one_level = self.state.one_level.clone();
                let parts = self.several(&node.tests, node.name == "allof", captures);
                self.state.one_level = one_level;
                (self.state.captured, self.state.values) = (captured, values);
                parts
            }
            "header" => self.header_test(arguments, captures),
            "address" => self.address_test(arguments, captures),
            "envelope" => self.envelope_test(arguments, captures),
            "exists" => self.exists_test(arguments),
            "size" => self.size_test(arguments),
            "body" => self.body_test(arguments, captures),
            "hasflag" => self.flag_test(arguments),
            "string" => self.string_test(arguments, captures),
            "date" => self.date_test(arguments, false, captures),
            "currentdate" => self.date_test(arguments, true, captures),
            "duplicate" => self.duplicate_test(arguments),
            "environment" => self.environment_test(arguments),
            "filter" => self.filter_test(node, arguments),
            "execute" => Err("it asks how a program ended".into()),
            "ihave" => self.ihave_test(arguments),
            "hasexpiration" => self.has_expiration(arguments),
            "expiration" => self.expiration_test(arguments),
            "spamtest" | "virustest" => self.grade_test(&node.name, arguments),
            "mailboxexists" => self.mailbox_exists(arguments),
            "mailboxidexists" | "specialuse_exists" => {
                Err("folders are not tested by their id or their use".into())
            }
            "valid_notify_method" | "notify_method_capability" => {
                Err("mfilter sends no notifications".into())
            }
            "metadata" | "metadataexists" | "servermetadata" | "servermetadataexists" => {
                Err("the server's metadata cannot be tested".into())
            }
            other => Err(format!("the test `{other}` is not known")),
        }
    }

    fn exists_test(&mut self, arguments: &Arguments<'_>) -> Result<Cond, String> {
        arguments.unknown(&[])?;
        let names = self.constants(arguments.strings(0)?)?;
        self.as_it_came(&names)?;
        self.spend(names.len() * STEPS_PER_NODE)?;
        let there = names.iter().map(|name| exists(name));
        Ok(Cond::all(there.collect::<Result<Vec<_>, _>>()?))
    }

    fn size_test(&mut self, arguments: &Arguments<'_>) -> Result<Cond, String> {
        let number = arguments.number_at(0)?;
        let operator = match (arguments.has("over"), arguments.has("under")) {
            (true, false) => ">",
            (false, true) => "<",
            _ => return Err("`size` needs `:over` or `:under`".into()),
        };
        arguments.unknown(&["over", "under"])?;
        if !self.state.edited.is_empty() {
            return Err("the size of a message that was changed before is not known".into());
        }
        self.draft.note("sizes are compared as the message came, with LF or CRLF line ends");
        if operator == "<" && number == 0 {
            return Ok(Cond::Never);
        }
        Ok(Cond::plain("size", operator, size(number)))
    }

    /// RFC 5463 §4
    fn ihave_test(&self, arguments: &Arguments<'_>) -> Result<Cond, String> {
        let names = arguments.strings(0)?;
        // They change what strings before them mean.
        let strings = |name: &&String| matches!(name.as_str(), "variables" | "encoded-character");
        if names.iter().find(strings).is_some_and(|name| !self.requires(name)) {
            return Ok(Cond::Never);
        }
        match names.iter().find(|name| !EXTENSIONS.contains(&name.as_str())) {
            Some(name) => Err(format!("whether the server has `{name}` is not known")),
            None => Ok(Cond::Always),
        }
    }

    /// The tests of `allof` and `anyof`. What one of them captures is what `${1}` means in
    /// those after it.
    fn several(&mut self, tests: &[Node], all: bool, captures: bool) -> Result<Cond, String> {
        // Of several that match, the last one's captures count.
        let last = tests.iter().rposition(may_capture);
        let mut parts: Vec<Cond> = Vec::with_capacity(tests.len());
        let mut captured: Option<SieveCapture> = None;
        for (number, test) in tests.iter().enumerate() {
            let later = tests.get(number + 1..).unwrap_or_default();
            let is_last = Some(number) == last;
            let wanted =
                (captures || all && later.iter().any(asks_captured_folder)) && (!all || is_last);
            if let Some(captured) = &captured {
                // What a `let` would need comes before the whole condition.
                let is_lost =
                    matches!(captured, SieveCapture::Here { .. }) && !asks_captured_folder(test);
                self.state.captured =
                    if is_lost { SieveCapture::Unknown } else { captured.clone() };
            }
            let matched = self.known_match.take();
            parts.push(self.test(test, wanted)?);
            let now = self.known_match.take();
            // Whether it is reached depends on what comes before it.
            let hangs = |part: &Cond| !matches!(part, Cond::Always | Cond::Never);
            let before = parts.len() - 1;
            let before = parts.get(..before).unwrap_or_default();
            self.runtime_match |= now.is_some() && before.iter().any(hangs);
            self.known_match = now.or(matched);
            let part = parts.last().unwrap_or(&Cond::Never);
            // Another test comes after one that does not hold, which captures nothing.
            let may_have_captured = may_match(test) && (all || !test.tests.is_empty());
            match &self.known_match {
                _ if !may_have_captured => {}
                _ if self.runtime_match && all && is_last && has_groups(part) => {
                    captured =
                        Some(SieveCapture::Here { whole: self.whole, last: last_group(part) });
                    self.state.one_level = Rc::new(one_level_groups(part));
                }
                _ if self.runtime_match => captured = Some(SieveCapture::Unknown),
                Some(values) => {
                    captured = Some(SieveCapture::Known);
                    self.state.values = Rc::new(values.clone());
                }
                None => {}
            }
            // The last one that is evaluated decides.
            let decides = if all { Cond::Never } else { Cond::Always };
            if *part == decides {
                break;
            }
        }
        Ok(if all { Cond::all(parts) } else { Cond::any(parts) })
    }

    /// Strings that contain no value from the message.
    pub(super) fn constants(&mut self, texts: &[String]) -> Result<Vec<String>, String> {
        self.spend_strings(texts)?;
        texts
            .iter()
            .map(|text| {
                let expansion = self.expand(text)?;
                let constant = expansion.constant().map(str::to_owned);
                constant.ok_or_else(|| {
                    "it is compared with a value of the message, which cannot be said".into()
                })
            })
            .collect()
    }

    fn header_test(&mut self, arguments: &Arguments<'_>, captures: bool) -> Result<Cond, String> {
        let how = matching(arguments, &["index", "last"])?;
        let names = self.constants(arguments.strings(0)?)?;
        self.as_it_came(&names)?;
        let occurrence = Occurrence::of(arguments)?;
        if matches!(how.kind, MatchType::List | MatchType::Count(_))
            && occurrence != Occurrence::Any
        {
            return Occurrence::unsayable();
        }
        if how.kind == MatchType::List {
            // A list holds addresses.
            let field = |name: &String| {
                let field = address_field(name);
                if field.starts_with("address ") { header_field(name) } else { field }
            };
            let fields: Vec<String> =
                names.iter().filter(|name| is_name(name)).map(field).collect();
            return self.list_test(&fields, arguments);
        }
        let keys = self.constants(arguments.strings(1)?)?;
        if let MatchType::Count(relation) = how.kind {
            return self.counted_headers(&names, relation, &keys, false);
        }
        match occurrence {
            Occurrence::First => return self.topmost(&names, how, &keys, captures),
            Occurrence::Other if !self.stand_once(&names) => return Occurrence::unsayable(),
            Occurrence::Other | Occurrence::Any => {}
        }
        self.compare(&fields_of(&names), ComparisonKind::Text, how, &keys, captures)
    }

    fn address_test(&mut self, arguments: &Arguments<'_>, captures: bool) -> Result<Cond, String> {
        let how = matching(arguments, &["index", "last"])?;
        let names = self.constants(arguments.strings(0)?)?;
        self.as_it_came(&names)?;
        if Occurrence::of(arguments)? != Occurrence::Any
            && (matches!(how.kind, MatchType::Count(_)) || !self.stand_once(&names))
        {
            return Occurrence::unsayable();
        }
        let fields: Vec<String> =
            names.iter().filter(|n| is_name(n)).map(|n| address_field(n)).collect();
        if how.kind == MatchType::List {
            return self.list_test(&fields, arguments);
        }
        let keys = self.constants(arguments.strings(1)?)?;
        if let MatchType::Count(relation) = how.kind {
            return self.counted_headers(&names, relation, &keys, true);
        }
        let found = self.addresses(&fields, how, &keys, captures)?;
        // A header without any address is an empty one.
        if how.part == SieveAddressPart::All
            && keys.iter().any(|key| how.fits("", key) == Some(true))
        {
            let empty = names.iter().filter(|name| is_name(name));
            let empty = empty.map(|name| Cond::texts(header(name), "is", [""]));
            return Ok(Cond::any(std::iter::once(found).chain(empty)));
        }
        Ok(found)
    }

    fn addresses(
        &mut self,
        fields: &[String],
        how: Matching,
        keys: &[String],
        captures: bool,
    ) -> Result<Cond, String> {
        let part =
            |name: &str| fields.iter().map(|field| format!("{field}.{name}")).collect::<Vec<_>>();
        // Our fields for parts ignore case.
        if how.collation == Collation::Octet && matches!(how.part, SieveAddressPart::Domain) {
            return self.octet_domain(fields, how, keys);
        }
        let (fields, sort) = match how.part {
            SieveAddressPart::All => (fields.to_vec(), ComparisonKind::Address),
            SieveAddressPart::Local => (fields.to_vec(), ComparisonKind::Local),
            SieveAddressPart::Domain => (part("domain"), ComparisonKind::Domain),
            SieveAddressPart::User => (part("local"), ComparisonKind::Text),
            SieveAddressPart::Detail => (part("detail"), ComparisonKind::Text),
        };
        self.compare(&fields, sort, how, keys, captures)
    }

    /// Domains whose case counts, by patterns on whole addresses.
    fn octet_domain(
        &mut self,
        fields: &[String],
        how: Matching,
        keys: &[String],
    ) -> Result<Cond, String> {
        let mut values = Vec::new();
        for key in keys {
            let parts = match how.kind {
                MatchType::Is | MatchType::Value(Relation::Equal) => vec![Glob::Text(key.clone())],
                MatchType::Contains => vec![Glob::Star, Glob::Text(key.clone()), Glob::Star],
                MatchType::Matches => glob(key),
                _ => return Err("parts of domains are compared without case".into()),
            };
            let inner = parts.iter().map(|part| match part {
                Glob::Text(text) => pattern_literal(text),
                Glob::Star => "[^<>@]*".into(),
                Glob::One => "[^<>@]".into(),
            });
            values.push(Operand::Pattern(format!("@{}>?$", inner.collect::<String>()), true));
        }
        if values.is_empty() || fields.is_empty() {
            return Ok(Cond::Never);
        }
        Ok(Cond::Test(Test { fields: fields.to_vec(), operator: "matches", values }))
    }

    fn envelope_test(&mut self, arguments: &Arguments<'_>, captures: bool) -> Result<Cond, String> {
        let how = matching(arguments, &[])?;
        let parts = self.constants(arguments.strings(0)?)?;
        let mut fields = Vec::new();
        for part in &parts {
            fields.push(match part.to_ascii_lowercase().as_str() {
                "from" => "envelope-from".to_owned(),
                "to" => "envelope-to".to_owned(),
                other => return Err(format!("the part `{other}` of the envelope is not known")),
            });
        }
        if how.kind == MatchType::List {
            return self.list_test(&fields, arguments);
        }
        let keys = self.constants(arguments.strings(1)?)?;
        if let MatchType::Count(_) = how.kind {
            return Err("values are not counted (`:count`)".into());
        }
        self.addresses(&fields, how, &keys, captures)
    }

    /// RFC 6134: a list that is a file here.
    fn list_test(&mut self, fields: &[String], arguments: &Arguments<'_>) -> Result<Cond, String> {
        let mut tests = Vec::new();
        for uri in arguments.strings(1)? {
            let list = self.list_named(uri);
            if !fields.is_empty() {
                let values = vec![Operand::Plain(list)];
                tests.push(Cond::Test(Test { fields: fields.to_vec(), operator: "in", values }));
            }
        }
        Ok(Cond::any(tests))
    }

    fn body_test(&mut self, arguments: &Arguments<'_>, captures: bool) -> Result<Cond, String> {
        let how = matching(arguments, &["raw", "text", "content"])?;
        self.as_it_came(&["Content-Type".into(), "Content-Transfer-Encoding".into()])?;
        if arguments.has("raw") {
            if !matches!(how.kind, MatchType::Contains | MatchType::Matches) {
                return Err("the body as it is transferred (`:raw`) is not compared whole".into());
            }
            self.approximately(
                "the body as it is transferred (`:raw`) cannot be tested: its text is looked at",
            );
        }
        if let Some(types) = arguments.tagged("content") {
            if types.iter().any(|kind| {
                !matches!(
                    kind.to_ascii_lowercase().as_str(),
                    "text" | "text/plain" | "text/html" | ""
                )
            }) {
                return Err("parts of other types than text (`:content`) cannot be tested".into());
            }
            if types.iter().any(|kind| !kind.eq_ignore_ascii_case("text")) {
                self.approximately("all text parts are looked at, whatever their type");
            }
            self.approximately("of HTML, what people see is looked at");
        }
        if captures {
            return Err("nothing can be captured from a body".into());
        }
        let keys = self.constants(arguments.strings(0)?)?;
        if matches!(how.kind, MatchType::Count(_)) {
            return Err("values are not counted (`:count`)".into());
        }
        if how.kind == MatchType::Contains && keys.iter().any(String::is_empty) {
            return Ok(Cond::Always);
        }
        self.compare(&["body".to_owned()], ComparisonKind::Body, how, &keys, false)
    }

    /// RFC 7352
    fn duplicate_test(&mut self, arguments: &Arguments<'_>) -> Result<Cond, String> {
        arguments.unknown(&["handle", "header", "uniqueid", "seconds", "last"])?;
        self.duplicate_last |= arguments.has("last");
        let handle = match arguments.text("handle") {
            Some(text) => self.constants(&[text.to_owned()])?.remove(0),
            None => String::new(),
        };
        let mut key = match (arguments.text("header"), arguments.text("uniqueid")) {
            (Some(name), None) => format!("{{{}}}", header(name)),
            (None, Some(text)) => {
                let expansion = self.expand(text)?;
                self.stateful |= expansion.constant().is_none();
                self.template(&expansion, "")
            }
            _ => "{message-id}".into(),
        };
        if !handle.is_empty() {
            key = format!("{} {key}", crate::import::ir::literal(&handle));
        }
        let seconds = arguments.number("seconds").unwrap_or(7 * 86_400);
        let seconds = seconds.clamp(60, 366 * 86_400);
        let first = if arguments.has("last") { "" } else { " of first" };
        let within = duration(seconds);
        Ok(Cond::Word(format!("duplicate of {} within {within}{first}", quote(&key))))
    }

    fn environment_test(&mut self, arguments: &Arguments<'_>) -> Result<Cond, String> {
        let how = matching(arguments, &[])?;
        let name = arguments.string(0)?.to_ascii_lowercase();
        let keys = self.constants(arguments.strings(1)?)?;
        match name.as_str() {
            // A number that only Proton's server knows.
            "vnd.proton.spam-threshold" => match how.kind {
                MatchType::Matches if keys.iter().any(|key| key == "*") => Ok(Cond::Always),
                MatchType::Is | MatchType::Matches if keys.iter().all(String::is_empty) => {
                    Ok(Cond::Never)
                }
                _ => Err(format!("the value of `{name}` is not known")),
            },
            "phase" => self.known_text(&["during".into()], how, &keys),
            "location" => self.known_text(&["MDA".into()], how, &keys),
            "vnd.dovecot.default-mailbox" => self.known_text(&["INBOX".into()], how, &keys),
            "vnd.dovecot.username" => {
                self.approximately("`user` is the login name on this machine");
                self.compare(&["user".to_owned()], ComparisonKind::Text, how, &keys, false)
            }
            "remote-ip" if how.kind == MatchType::Is => Ok(Cond::texts("client.ip", "is", keys)),
            _ if name.starts_with("imap.") => Err(WHEN_MOVED.into()),
            _ => Err(format!("`{name}` of the server's environment is not known")),
        }
    }
}

/// A header that is present, even if empty.
fn exists(name: &str) -> Result<Cond, String> {
    Ok(if is_name(name) { Cond::is_there(&[header(name)]) } else { Cond::Never })
}

/// Headers as fields; a name that cannot be one is on no message.
fn fields_of(names: &[String]) -> Vec<String> {
    names.iter().filter(|name| is_name(name)).map(|name| header_field(name)).collect()
}

fn header_field(name: &str) -> String {
    if name.eq_ignore_ascii_case("subject") { "subject".into() } else { header(name) }
}

fn address_field(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    match lower.as_str() {
        "from" | "to" | "cc" | "bcc" | "sender" | "reply-to" => lower,
        _ => format!("address {}", quote(name)),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0 => "0".into(),
        _ if bytes.is_multiple_of(1 << 30) => format!("{}G", bytes >> 30),
        _ if bytes.is_multiple_of(1 << 20) => format!("{}M", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 10) => format!("{}K", bytes >> 10),
        _ => bytes.to_string(),
    }
}
