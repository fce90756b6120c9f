//! A line of the log, for people and as JSON.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::cli::output::{self, say};
use crate::log::reader::LogLine;
use crate::text::{escape, shown_value};

/// A line of the log for people.
pub(super) fn describe(line: &LogLine) -> String {
    let mut out = format!("{} {}", line.time, escape(&say(&line.word)));
    for (name, value) in &line.fields {
        match name.as_str() {
            "id" | "hash" => {}
            // Discarded without a reason.
            "text" if value.is_empty() => {}
            "ms" => out.push_str(&format!("  {} ms", escape(value))),
            name => {
                // What mfilter itself has to say; the log has it in English.
                let is_note = (line.word.as_str(), name) == ("note", "text");
                let value = match name {
                    _ if is_note => say(value),
                    "rule" => output::with_tilde(value).into(),
                    _ => value.into(),
                };
                let value = shown_value(&format!("{value:?}"));
                out.push_str(&format!("  {} {value}", escape(&say(name))));
            }
        }
    }
    out
}

/// The same as JSON.
pub(super) fn line_json(line: &LogLine) -> Value {
    let mut object = Map::new();
    object.insert("time".into(), line.time.to_string().into());
    object.insert("word".into(), line.word.clone().into());
    for (name, value) in &line.fields {
        let value = match name.as_str() {
            "ms" => json!(line.ms()),
            _ => json!(value),
        };
        object.insert(name.clone(), value);
    }
    object.into()
}

/// A time in milliseconds, as the log writes it.
pub(super) fn time(milliseconds: i64) -> String {
    Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MAX).to_string()
}
