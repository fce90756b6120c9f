//! Names of folders in Sieve as folders of ours: the server's separator and namespace, and
//! values of variables in a name.

use super::act::SievePlace;
use super::arguments::Arguments;
use super::context::Lowering;
use super::string_test::has_value;
use super::variables::{Expansion, KnownValue, VariablePiece, insert};
use crate::ascii_case;
use crate::import::ir::{Cond, literal, quote};
use crate::syntax::words::FOLDER_EXISTS;

/// Uses of folders, RFC 6154 §2, which Fastmail's scripts name in place of a folder.
const USES: [&str; 6] = ["Archive", "Drafts", "Inbox", "Junk", "Sent", "Trash"];

impl Lowering<'_> {
    /// The place that a folder's name in Sieve stands for.
    pub(super) fn place(&mut self, written: &str) -> Result<SievePlace, String> {
        let expansion = self.expand(written)?;
        if let Some(name) = expansion.constant() {
            let is_use = name
                .strip_prefix('\\')
                .is_some_and(|word| USES.iter().any(|known| known.eq_ignore_ascii_case(word)));
            if is_use {
                self.remark(format!(
                    "Fastmail takes `{name}` for its folder of that use, and here it is a folder's name"
                ));
            }
            return Ok(match self.folder(&literal(name))? {
                Some(folder) => SievePlace::Folder(folder),
                None => SievePlace::Inbox,
            });
        }
        // A variable with several known values stands for one folder per value.
        let variables: Vec<&String> = expansion
            .0
            .iter()
            .filter_map(|piece| match piece {
                VariablePiece::Variable(key) => Some(key),
                _ => None,
            })
            .collect();
        let groups = expansion.0.iter().any(|piece| matches!(piece, VariablePiece::Group(_)));
        if let [key] = variables.as_slice()
            && !groups
            && let Some(KnownValue::OneOf(values)) = self.state.variables.get(*key)
        {
            let (key, values) = ((*key).clone(), values.clone());
            let name = self.our_name(&key);
            let mut folders = Vec::new();
            let mut fails = false;
            for value in &values {
                let whole: String = expansion
                    .0
                    .iter()
                    .map(|piece| match piece {
                        VariablePiece::Text(text) => text.as_str(),
                        _ => value.as_str(),
                    })
                    .collect();
                // With an empty name, Sieve fails, which keeps the message.
                if whole.is_empty() {
                    fails = true;
                    continue;
                }
                let folder = self.folder(&literal(&whole))?;
                folders.push((has_value(&name, value, &values)?, folder));
            }
            if fails {
                self.remark("where the folder's name is empty, nothing is stored");
            }
            return Ok(SievePlace::ByValue(folders, fails));
        }
        // One level alone is a folder, or the inbox.
        if let Some(key) = expansion.variable().filter(|key| self.is_one_level(key)) {
            let name = self.our_name(key);
            let is_inbox = Cond::texts(name.clone(), "is", ["INBOX"]);
            let folder = self.folder(&insert(&name, ""))?;
            let folders = vec![(is_inbox.clone(), None), (Cond::not(is_inbox), folder)];
            return Ok(SievePlace::ByValue(folders, false));
        }
        let template = self.folder_template(&expansion);
        Ok(match self.folder(&template)? {
            Some(folder) => SievePlace::Folder(folder),
            None => SievePlace::Inbox,
        })
    }

    fn is_one_level(&self, variable: &str) -> bool {
        self.state.variables.get(variable).is_some_and(KnownValue::is_one_level)
    }

    /// A folder's name with values from the message, which may have levels of their own, or
    /// be the inbox.
    fn folder_template(&mut self, expansion: &Expansion) -> String {
        let mut template = String::new();
        for (at, piece) in expansion.0.iter().enumerate() {
            let is_level = match piece {
                VariablePiece::Text(_) | VariablePiece::Date(_) => true,
                // The first may be the inbox.
                VariablePiece::Variable(key) => at > 0 && self.is_one_level(key),
                VariablePiece::Group(group) => at > 0 && self.state.one_level.contains(group),
            };
            let is_dot_a_level = self.options.layout.as_deref() != Some("fs");
            if !is_level && self.separator == '/' && is_dot_a_level {
                self.approximately("a dot in the value begins a level, too, in maildir++");
            }
            let form = if is_level { "" } else { ":levels" };
            template.push_str(&self.piece(piece, form));
        }
        template
    }

    /// `mailboxexists`, RFC 5490 §3.1: all of them exist, and the user may store in them,
    /// which is so in one's own Maildir.
    pub(super) fn mailbox_exists(&mut self, arguments: &Arguments<'_>) -> Result<Cond, String> {
        arguments.unknown(&[])?;
        let names = arguments.strings(0)?;
        self.spend_strings(names)?;
        self.draft.note("only a directory with `cur` or `new` in it is a folder that exists");
        let mut all = Vec::with_capacity(names.len());
        for name in names {
            let exists = |folder: Option<String>| match folder {
                Some(folder) => Cond::Word(format!("{FOLDER_EXISTS} {}", quote(&folder))),
                None => Cond::Always,
            };
            all.push(match self.place(name)? {
                SievePlace::Inbox => Cond::Always,
                SievePlace::Folder(folder) => exists(Some(folder)),
                SievePlace::ByValue(values, _) => {
                    let each = values.into_iter();
                    Cond::any(each.map(|(when, folder)| Cond::all([when, exists(folder)])))
                }
            });
        }
        Ok(Cond::all(all))
    }

    /// Our name for a folder, as a template; none for the inbox.
    fn folder(&mut self, name: &str) -> Result<Option<String>, String> {
        if name.eq_ignore_ascii_case("INBOX") {
            return Ok(None);
        }
        let name = match self.options.included.as_deref() {
            Some(prefix) if !prefix.is_empty() => below_prefix(name, prefix).ok_or_else(|| {
                format!("the folder `{name}` is not in the namespace, which begins with `{prefix}`")
            })?,
            _ => name,
        };
        let mut parts: Vec<&str> = name.split(self.separator).collect();
        if self.below_inbox && parts.first().is_some_and(|part| part.eq_ignore_ascii_case("INBOX"))
        {
            parts.remove(0);
        }
        if let Some(first) = parts.first_mut().filter(|_| self.options.included.is_some())
            && first.eq_ignore_ascii_case("INBOX")
        {
            // Dovecot creates this folder in capitals, whatever case it is asked for in.
            *first = "INBOX";
        }
        let fs = self.options.layout.as_deref() == Some("fs");
        for part in &parts {
            let bad = if part.trim().is_empty() {
                Some("an empty level")
            } else if part.contains('/') {
                Some("a slash in a level")
            } else if part.contains('.') && !fs {
                Some("a dot in a level, which the layout maildir++ cannot have")
            } else if fs && part.starts_with('.') {
                Some("a level that begins with a dot")
            } else if part.starts_with('~') || part.chars().any(char::is_control) {
                Some("what no name of a folder here may have")
            } else if part.len() > 200 {
                Some("a level that is too long")
            } else {
                None
            };
            if let Some(why) = bad {
                return Err(format!("the folder `{name}` has {why}"));
            }
        }
        Ok(Some(parts.join("/")))
    }
}

/// What comes after the prefix of a namespace; `INBOX` in it may be written in any case
/// (RFC 3501 §5.1).
fn below_prefix<'n>(name: &'n str, prefix: &str) -> Option<&'n str> {
    let (first, rest) = name.split_at_checked(prefix.len())?;
    let inbox = |text: &str| ascii_case::starts_with(text, "INBOX");
    let same =
        first == prefix || inbox(first) && inbox(prefix) && first.get(5..) == prefix.get(5..);
    (same && !rest.is_empty()).then_some(rest)
}
