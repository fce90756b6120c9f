//! Random messages made from the words that random foreign rules ask for.

use super::dice::Dice;

pub const WORDS: [&str; 9] =
    ["sale", "Sale today", "[build]", "a.b", "invoice 12", "C++", "what?", "two words", "{x}"];

/// The same words as patterns.
pub const ESCAPED: [&str; 9] = [
    "sale",
    "Sale today",
    "\\[build\\]",
    "a\\.b",
    "invoice 12",
    "C\\+\\+",
    "what\\?",
    "two words",
    "{x}",
];

pub const ADDRESSES: [&str; 6] = [
    "hanako@example.jp",
    "taro.yamada@work.example",
    "noreply@shop.example",
    "taro+shop@example.jp",
    "boss@work.example",
    "bounce-12@news.example",
];

/// A message; recipients and words in it are separated by `fold`, a blank or a line break.
pub fn message(dice: &mut Dice, fold: &str) -> String {
    let mailbox = |dice: &mut Dice| {
        let address = dice.pick(&ADDRESSES);
        match dice.roll(4) {
            0 => address.to_owned(),
            1 => format!("\"Some Body\" <{address}>"),
            2 => format!("<{address}>"),
            _ => format!("Some Body <{address}>"),
        }
    };
    let mut text = String::new();
    let maybe = |dice: &mut Dice, line: String, sides: usize, text: &mut String| {
        if dice.roll(sides) == 0 {
            text.push_str(&line);
        }
    };
    maybe(dice, "Tool: shop@\n".to_owned(), 5, &mut text);
    let line = format!("Return-Path: <{}>\n", dice.pick(&ADDRESSES));
    maybe(dice, line, 2, &mut text);
    text.push_str(&format!("From: {}\n", mailbox(dice)));
    text.push_str(&format!("To: {},{fold}{}\n", mailbox(dice), mailbox(dice)));
    let line = format!("Cc: {}\n", mailbox(dice));
    maybe(dice, line, 3, &mut text);
    let word = dice.pick(&WORDS);
    let subject = match dice.roll(4) {
        0 => format!("Re: {word}"),
        1 => format!("{word} and{fold}more"),
        2 => word.to_uppercase(),
        _ => word.to_owned(),
    };
    text.push_str(&format!("Subject: {subject}\n"));
    let line = format!("X-Tag: {}\n", dice.pick(&["sale", "Build", "a.b", "12", "two words"]));
    maybe(dice, line, 2, &mut text);
    let line = format!("X-Score: {}\n", dice.pick(&["5", "2.5", "-1.0", "7.01", "none"]));
    maybe(dice, line, 2, &mut text);
    let line = format!("List-Id: A list <{}>\n", dice.pick(&["a.lists.example", "rust.x"]));
    maybe(dice, line, 3, &mut text);
    let more = ["Precedence: bulk\n", "X-Mailer: sale\n", "Sender: root@x.jp\n"];
    let line = dice.pick(&more).to_owned();
    maybe(dice, line, 5, &mut text);
    text.push_str("Message-ID: <x@example.org>\nMIME-Version: 1.0\nContent-Type: text/plain\n\n");
    for _ in 0..dice.roll(12) {
        text.push_str(&format!("line with {} in it\n", dice.pick(&WORDS)));
    }
    text
}
