//! What mfilter knows about a message: every field with its values, every
//! classifier that holds with its evidence, which result headers were believed.

use super::condition::Conditions;
use super::with_conditions;
use crate::classify::authentication::{IgnoredHeader, ids_at_border};
use crate::classify::{CLASSIFIERS, authenticated};
use crate::message::Message;
use crate::message::domain;
use crate::rules::compiled::CompiledProgram;
use crate::rules::field::{FIELDS, FieldKind, FieldLookup, find};
use crate::rules::program::{Field, Program, Settings};
use crate::world::World;

/// What is known about one message.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Inspection {
    /// Each field that has values, in the manual's order.
    pub fields: Vec<(&'static str, Vec<InspectedValue>)>,
    /// Each classifier that holds, and why.
    pub classifiers: Vec<(&'static str, String)>,
    /// Headers whose results were believed.
    pub believed: Vec<String>,
    /// Headers whose results were not believed.
    pub ignored: Vec<IgnoredHeader>,
    /// What could not be determined, and limits that cut something off.
    pub warnings: Vec<String>,
}

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub struct InspectedValue {
    /// The text as people read it, from the message and not escaped yet.
    pub text: String,
    /// The value in bytes, in seconds or without a unit, if it is a quantity.
    pub number: Option<f64>,
}

/// Every field that needs no argument, by name.
fn all() -> impl Iterator<Item = (&'static str, Field, FieldKind)> {
    FIELDS.iter().filter_map(|info| match find(info.name)? {
        // All other fields are derived from it.
        FieldLookup::Field(Field::Headers | Field::RawHeaders, _) => None,
        FieldLookup::Field(field, kind) => Some((info.name, field, kind)),
        FieldLookup::WantsName(..) => None,
    })
}

/// The program for [`inspect`]: no rules, and all fields.
pub fn every_field(settings: Settings) -> Program {
    let fields = all().map(|(_, field, _)| field).collect();
    Program { settings, fields, ..Program::default() }
}

/// Inspects a message; `program` comes from [`every_field`].
pub fn inspect(program: &CompiledProgram, message: &Message, world: &World) -> Inspection {
    with_conditions(program, message, world, |conditions| inspect_with(&conditions))
}

fn inspect_with(conditions: &Conditions<'_>) -> Inspection {
    let mut found = Inspection::default();
    for (index, (name, _, kind)) in all().enumerate() {
        let quantity = matches!(kind, FieldKind::Number | FieldKind::Size | FieldKind::Duration);
        match conditions.field(index as u32) {
            Ok(values) => {
                let values: Vec<InspectedValue> = values
                    .iter()
                    .filter(|value| !value.is_empty())
                    .map(|value| InspectedValue {
                        text: value.readable().to_owned(),
                        number: value.number().filter(|_| quantity),
                    })
                    .collect();
                if !values.is_empty() {
                    found.fields.push((name, values));
                }
            }
            Err(why) => found.warnings.push(format!("{name}: {why}")),
        }
    }
    for classifier in CLASSIFIERS {
        match (classifier.find)(conditions.mail()) {
            Ok(Some(evidence)) => found.classifiers.push((classifier.name, evidence)),
            Ok(None) => {}
            Err(why) => found.warnings.push(format!("{}: {why}", classifier.name)),
        }
    }
    let results = conditions.mail().results();
    found.believed = results.used.clone();
    found.ignored = results.ignored.clone();
    found.warnings.extend(conditions.warnings());
    found
}

/// How a message reached our machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BorderServer {
    /// The server that took it from outside, canonical.
    pub host: String,
    /// The authserv-ids of results at or above its Received line, even if forged.
    pub ids: Vec<String>,
}

/// Which server took a message from outside; `None` if no Received line says so, or if
/// one of our users submitted it, since borders need not check such mail. `program`
/// comes from [`every_field`].
pub fn border_server(
    program: &CompiledProgram,
    message: &Message,
    world: &World,
) -> Option<BorderServer> {
    with_conditions(program, message, world, |conditions| {
        if authenticated::find(conditions.mail()).is_some() {
            return None;
        }
        let host = conditions.mail().trace_lines().border()?.by.as_deref()?;
        let host = domain::canonical(host).into_owned();
        Some(BorderServer { host, ids: ids_at_border(conditions.mail()) })
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{compiled, message};
    use super::*;

    const HEAD: &str = "Authentication-Results: mx.example.jp; spf=pass smtp.mailfrom=shop.example\n\
        Received: from out (out.isp.example [192.0.2.1]) by MX.example.jp (Postfix) with ESMTPS id 1; \
        Mon, 1 Jan 2024 00:00:00 +0000\n\
        Authentication-Results: liar.example; dkim=pass header.d=bank.example\n\
        From: news@shop.example\nSubject: 5 for 4\nList-Unsubscribe: <https://shop.example/u>\n";

    fn every() -> CompiledProgram {
        let settings = compiled("set trust [\"mx.example.jp\"]\n").settings.clone();
        CompiledProgram::new(every_field(settings))
    }

    #[test]
    fn what_is_known_about_a_message_is_shown_and_nothing_else() {
        let variables = [("CLIENT_ADDRESS".to_owned(), "203.0.113.9".to_owned())].into();
        let world = World { variables, ..World::default() };
        let found = inspect(&every(), &message(&format!("{HEAD}\nhi\n")), &world);
        let values = |name: &str| {
            let field = found.fields.iter().find(|(known, _)| *known == name);
            field.map(|(_, values)| values.as_slice())
        };
        let one = |text: &str, number| [InspectedValue { text: text.into(), number }];
        assert_eq!(values("subject"), Some(&one("5 for 4", None)[..]));
        assert_eq!(values("attachments"), Some(&one("0", Some(0.0))[..]));
        assert_eq!(values("client.ip"), Some(&one("203.0.113.9", None)[..]));
        assert_eq!(values("cc"), None);
        assert_eq!((found.believed.len(), found.ignored.len()), (1, 1));
        assert!(found.classifiers.iter().any(|(name, _)| *name == "bulk"));
        let many = format!("{HEAD}To: {}\n\n", "a@b.example, ".repeat(50_000));
        let warnings = inspect(&every(), &message(&many), &world).warnings;
        assert!(warnings.iter().any(|warning| warning.contains("were looked at")), "{warnings:?}");
    }

    #[test]
    fn a_message_crossed_the_border_where_its_topmost_line_says() {
        let border_server = |head: &str| {
            border_server(&every(), &message(&format!("{head}\n\n")), &World::default())
        };
        let found = border_server(HEAD.trim_end()).expect("a border");
        // A stranger can write the other: `mfilter trust` counts what many messages have.
        assert_eq!(found.host, "mx.example.jp");
        assert_eq!(found.ids, ["mx.example.jp", "liar.example"]);
        assert_eq!(border_server("From: a@b.example"), None);
        let login = HEAD.trim_end().replace("with ESMTPS", "with ESMTPSA");
        assert_eq!(border_server(&login), None);
    }
}
