//! What the tests of several classifiers need.

#![allow(missing_docs, reason = "for tests alone")]

use std::rc::Rc;

use crate::classify::people::People;
use crate::classify::{Classifier, Finding, Mail, SharedResults};
use crate::message::Message;
use crate::message::address::Address;

/// What a test assumes about the world.
#[derive(Default)]
pub struct TestWorld<'a> {
    pub trust: &'a [&'a str],
    pub relays: &'a [&'a str],
    pub variables: &'a [(&'a str, &'a str)],
    pub envelope_sender: Option<&'a str>,
    pub has_long_sender: bool,
    pub spam_score_header: Option<&'a str>,
    /// Addresses and names of people that the user knows.
    pub people: &'a [(&'a str, &'a str)],
}

/// `taro@example.jp`
fn is_taro(address: &Address) -> bool {
    address.canonical() == "taro@example.jp"
}

/// Builds the message of `text`, received by the machine `here.example.jp`.
pub fn with_mail<T>(text: &str, world: &TestWorld<'_>, ask: impl FnOnce(&Mail<'_>) -> T) -> T {
    let message = Message::from_bytes(text.as_bytes().to_vec());
    let variable = |name: &str| {
        let found = world.variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    ask(&Mail {
        message: &message,
        envelope_sender: world.envelope_sender.map(str::to_owned),
        has_long_sender: world.has_long_sender,
        me: Some(&is_taro),
        people: &|| {
            let mut people = People::default();
            people.add_me("taro@example.jp");
            world.people.iter().for_each(|(address, name)| people.add(address, name));
            Ok(Rc::new(people))
        },
        trust: world.trust.iter().map(|id| (*id).to_owned()).collect(),
        relays: world.relays.iter().map(|relay| (*relay).to_owned()).collect(),
        spam_score_header: world.spam_score_header.map(str::to_owned),
        host_name: Some("here.example.jp".to_owned()),
        known: SharedResults::default(),
        variable: &variable,
    })
}

pub fn find(classifier: &Classifier, text: &str, world: &TestWorld<'_>) -> Finding {
    with_mail(text, world, |mail| (classifier.find)(mail))
}

/// Asserts that the classifier holds, with this evidence.
#[track_caller]
pub fn assert_holds(classifier: &Classifier, text: &str, world: &TestWorld<'_>, evidence: &str) {
    assert_eq!(find(classifier, text, world), Ok(Some(evidence.to_owned())), "{text}");
}

#[track_caller]
pub fn assert_not(classifier: &Classifier, text: &str, world: &TestWorld<'_>) {
    assert_eq!(find(classifier, text, world), Ok(None), "{text}");
}

pub fn message(text: &str) -> Message {
    Message::from_bytes(text.as_bytes().to_vec())
}

/// Mail for Taro, of which nothing else is known.
pub fn mail(message: &Message) -> Mail<'_> {
    Mail {
        message,
        envelope_sender: None,
        has_long_sender: false,
        me: Some(&is_taro),
        people: &|| Err("nobody is known".to_owned()),
        trust: Vec::new(),
        relays: Vec::new(),
        spam_score_header: None,
        host_name: None,
        known: SharedResults::default(),
        variable: &|_| None,
    }
}

pub fn evidence(classifier: &Classifier, message: &Message) -> Option<String> {
    (classifier.find)(&mail(message)).unwrap()
}

pub fn finds(classifier: &Classifier, message: &Message) -> bool {
    evidence(classifier, message).is_some()
}
