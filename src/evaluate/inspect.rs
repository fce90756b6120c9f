//! What mfilter knows about a message: every field with its values, every
//! classifier that holds with its evidence, which result headers were believed.

use super::Detail;
use super::condition::Conditions;
use super::mail_context::MailContext;
use crate::classify::CLASSIFIERS;
use crate::classify::authentication::{IgnoredHeader, ids_at_border};
use crate::message::Message;
use crate::message::address::Address;
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
    /// As people read it. Text from the message, not escaped yet.
    pub text: String,
    /// In bytes, in seconds or without a unit, if it is a quantity.
    pub number: Option<f64>,
}

/// Every field that needs no argument, by name.
fn all() -> impl Iterator<Item = (&'static str, Field, FieldKind)> {
    FIELDS.iter().filter_map(|info| match find(info.name)? {
        // All other fields are derived from it.
        FieldLookup::Field(Field::Headers, _) => None,
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
    let context = MailContext::new(program, world);
    let variable = |name: &str| context.variable(name);
    let is_me = |address: &Address| context.is_me(address);
    let me = context.knows_me().then_some(&is_me as &dyn Fn(&Address) -> bool);
    let people = || context.people();
    let on = Conditions::new(program, message, world, &variable, me, &people, Detail::Plan);
    let mut found = Inspection::default();
    for (index, (name, _, kind)) in all().enumerate() {
        let quantity = matches!(kind, FieldKind::Number | FieldKind::Size | FieldKind::Duration);
        match on.field(index as u32) {
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
        match (classifier.find)(on.mail()) {
            Ok(Some(evidence)) => found.classifiers.push((classifier.name, evidence)),
            Ok(None) => {}
            Err(why) => found.warnings.push(format!("{}: {why}", classifier.name)),
        }
    }
    let results = on.mail().results();
    found.believed = results.used.clone();
    found.ignored = results.ignored.clone();
    found.warnings.extend(on.warnings());
    found
}

/// How a message reached our machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crossing {
    /// The server that took it from outside, canonical.
    pub host: String,
    /// The authserv-ids of results at or above its Received line, even if forged.
    pub ids: Vec<String>,
}

/// Which server took a message from outside; `None` if no Received line says so.
/// `program` comes from [`every_field`].
pub fn crossing(program: &CompiledProgram, message: &Message, world: &World) -> Option<Crossing> {
    let context = MailContext::new(program, world);
    let variable = |name: &str| context.variable(name);
    let people = || context.people();
    let on = Conditions::new(program, message, world, &variable, None, &people, Detail::Plan);
    let host = on.mail().trail().border()?.by.as_deref()?;
    let host = domain::canonical(host).into_owned();
    Some(Crossing { host, ids: ids_at_border(on.mail()) })
}
