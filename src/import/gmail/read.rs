//! The XML: an Atom feed, each `entry` a filter, its properties
//! `<apps:property name='from' value='a@b.example'/>`.

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use crate::source::{SourceFile, Span};

/// A filter as it is in the file.
#[derive(Debug, Default)]
pub(super) struct FilterEntry {
    pub(super) properties: Vec<(String, String)>,
    pub(super) span: Span,
    /// What in it cannot be read.
    pub(super) odd: Option<String>,
}

/// The filters of a file. Invalid XML spoils the filter that contains it and all after it.
pub(super) fn read(number: u32, file: &SourceFile) -> Vec<FilterEntry> {
    let text = &*file.text;
    let mut reader = Reader::from_str(text);
    let mut entries: Vec<FilterEntry> = Vec::new();
    let mut open: Option<FilterEntry> = None;
    let at = |position: u64| u32::try_from(position).unwrap_or(u32::MAX).min(text.len() as u32);
    loop {
        let begin = at(reader.buffer_position());
        match reader.read_event() {
            Ok(Event::Start(tag)) if tag.local_name().as_ref() == "entry" => {
                let span = Span { file: number, start: begin, end: begin };
                // An entry that was not closed absorbs nothing of the next.
                if let Some(mut entry) =
                    open.replace(FilterEntry { span, ..FilterEntry::default() })
                {
                    entry.span.end = begin;
                    entry.odd.get_or_insert_with(|| "the entry is not closed".into());
                    entries.push(entry);
                }
            }
            Ok(Event::End(tag)) if tag.local_name().as_ref() == "entry" => {
                if let Some(mut entry) = open.take() {
                    entry.span.end = at(reader.buffer_position());
                    entries.push(entry);
                }
            }
            Ok(Event::Start(tag) | Event::Empty(tag))
                if tag.local_name().as_ref() == "property" =>
            {
                if let Some(entry) = &mut open {
                    match property(&tag) {
                        Ok(property) => entry.properties.push(property),
                        Err(why) => {
                            entry.odd.get_or_insert(why);
                        }
                    }
                }
            }
            Ok(Event::Eof) => break,
            Ok(_) => {}
            Err(error) => {
                let span = Span { file: number, start: begin, end: text.len() as u32 };
                let mut entry =
                    open.take().unwrap_or(FilterEntry { span, ..FilterEntry::default() });
                entry.span.end = span.end;
                entry.odd = Some(format!("it is not valid XML from here on: {error}"));
                entries.push(entry);
                return entries;
            }
        }
    }
    if let Some(mut entry) = open {
        entry.span.end = text.len() as u32;
        entry.odd = Some("the entry is not closed".into());
        entries.push(entry);
    }
    entries
}

fn property(tag: &BytesStart<'_>) -> Result<(String, String), String> {
    let (mut name, mut value) = (None, None);
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|error| format!("a property cannot be read: {error}"))?;
        let text = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|error| format!("a value cannot be read: {error}"))?
            .into_owned();
        match attribute.key.as_ref() {
            "name" => name = Some(text),
            "value" => value = Some(text),
            _ => {}
        }
    }
    name.zip(value).ok_or_else(|| "a property lacks its name or its value".to_owned())
}
