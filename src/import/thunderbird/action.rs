//! Actions, and the folders that they name by URLs.

use super::read::ThunderbirdAction;
use crate::import::ir::{Effect, Mark, literal};
use crate::maildir::mutf7;

/// What a filter does, in our words.
#[derive(Debug, Default)]
pub(super) struct ThunderbirdResult {
    /// Flags, copies and what is sent, in the order of the filter.
    pub(super) effects: Vec<Effect>,
    /// What ends it, if anything does.
    pub(super) end: Option<Effect>,
    /// What of it is not done, or is done differently.
    pub(super) differs: Vec<String>,
    /// What has no meaning here, and is not a loss.
    pub(super) without_meaning: Vec<String>,
}

impl ThunderbirdResult {
    /// Whether messages do not go on after it.
    pub(super) fn ends(actions: &[ThunderbirdAction]) -> bool {
        let ends = ["Move to folder", "Delete", "Stop execution"];
        actions.iter().any(|action| ends.contains(&action.word.as_str()))
    }
}

/// What the actions of a filter do.
///
/// # Errors
/// Why that cannot be expressed.
pub(super) fn done(actions: &[ThunderbirdAction]) -> Result<ThunderbirdResult, String> {
    let mut done = ThunderbirdResult::default();
    for action in actions {
        let ThunderbirdAction { word, value } = action;
        match word.as_str() {
            "Move to folder" => {
                let folder = folder(value)?.map(|name| literal(&name));
                ended(&mut done, Effect::delivery(folder, false))?;
            }
            "Copy to folder" => match folder(value)? {
                Some(name) => done.effects.push(Effect::Copy(literal(&name), Vec::new())),
                None => return Err("it copies into the inbox, where the message is".into()),
            },
            "Delete" => {
                ended(&mut done, Effect::Folder("Trash".into(), vec![Mark::Flag("seen")]))?;
            }
            "Stop execution" => {
                // After a move it means nothing.
                if done.end.is_none() {
                    done.end = Some(Effect::Stop);
                }
            }
            "Mark read" => done.effects.push(Effect::Mark(vec![Mark::Flag("seen")])),
            "Mark unread" => done.effects.push(Effect::Unmark(vec![Mark::Flag("seen")])),
            "Mark flagged" => done.effects.push(Effect::Mark(vec![Mark::Flag("flagged")])),
            "AddTag" => done.effects.push(Effect::Mark(vec![keyword(value)?])),
            "Label" => done.effects.push(Effect::Mark(vec![keyword(&format!("$label{value}"))?])),
            "JunkScore" => {
                let score: u32 =
                    value.trim().parse().map_err(|_| format!("`{value}` is not a score"))?;
                let (set, other) =
                    if score > 50 { ("Junk", "NonJunk") } else { ("NonJunk", "Junk") };
                done.effects.push(Effect::Unmark(vec![Mark::Keyword(other.into())]));
                done.effects.push(Effect::Mark(vec![Mark::Keyword(set.into())]));
            }
            "Forward" => {
                if !value.contains('@') || value.contains(char::is_whitespace) {
                    return Err(format!("`{value}` is not an address"));
                }
                done.effects.push(Effect::Forward { copy: true, to: vec![literal(value)] });
                done.differs.push("it is sent on as it is, not as a new message of yours".into());
            }
            "Reply" => done.differs.push("the answer is left out: its template is not here".into()),
            "Change priority" => {
                done.differs
                    .push("the priority is not changed, which Thunderbird alone shows".into());
            }
            "Ignore thread" | "Ignore subthread" | "Watch thread" => {
                done.differs.push(format!("`{word}` is left out: it goes on for later messages"));
            }
            "Delete from Pop3 server" | "Leave on Pop3 server" | "Fetch body from Pop3Server" => {
                done.without_meaning.push(format!("`{word}` is about fetching"));
            }
            "Custom" => return Err(format!("the action `{value}` is of an add-on")),
            _ => return Err(format!("the action `{word}` is not known")),
        }
    }
    Ok(done)
}

fn ended(done: &mut ThunderbirdResult, end: Effect) -> Result<(), String> {
    if done.end.as_ref().is_some_and(|end| !matches!(end, Effect::Stop)) {
        return Err("it moves the message twice".into());
    }
    done.end = Some(end);
    Ok(())
}

fn keyword(value: &str) -> Result<Mark, String> {
    match crate::flags::is_keyword(value) {
        true => Ok(Mark::Keyword(literal(value))),
        false => Err(format!("`{value}` cannot be a keyword")),
    }
}

/// The folder that a URL names, `imap://taro%40example.jp@imap.example.jp/INBOX/A%20B`;
/// none for the inbox.
pub(super) fn folder(url: &str) -> Result<Option<String>, String> {
    let wrong = || format!("`{url}` does not name a folder");
    let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
    if !matches!(scheme, "imap" | "mailbox" | "mailbox-message") {
        return Err(format!("`{url}` is not a folder for mail"));
    }
    let (_, path) = rest.split_once('/').ok_or_else(wrong)?;
    let levels: Result<Vec<String>, String> = path
        .split('/')
        .filter(|level| !level.is_empty())
        .map(|level| {
            let level = percent_decoded(level).ok_or_else(wrong)?;
            // Older versions write the server's spelling.
            let level = match mutf7::decode(&level) {
                Some(decoded) if level.contains('&') => decoded,
                _ => level,
            };
            match level.contains(['/', '\0']) || level.contains(char::is_control) {
                true => Err(wrong()),
                false => Ok(level),
            }
        })
        .collect();
    let mut levels = levels?;
    if levels.is_empty() {
        return Err(wrong());
    }
    if levels.first().is_some_and(|first| first.eq_ignore_ascii_case("INBOX")) {
        if levels.len() == 1 {
            return Ok(None);
        }
        levels.remove(0);
    }
    Ok(Some(levels.join("/")))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}
