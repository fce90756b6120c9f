//! Names of folders with `{…}` in them, and whether there is such a folder. Text from the
//! message cannot leave the Maildir, adds levels only where the rule says `:levels`, and
//! names no folder by whose mail the rules know people.

use std::iter::once;

use super::condition::{ConditionFolder, Conditions};
use super::truth::Truth;
use crate::message::fold::fold;
use crate::plan::Folder;
use crate::rules::folder_name::{after_prefix, is_taken};
use crate::rules::program::Layout;
use crate::rules::template::{Form, Insert, Template, TemplatePart};
use crate::text::is_invisible;

/// How many bytes a folder's name may have: the limit for file names less what
/// Maildir and Dovecot add.
const LONGEST_NAME: usize = 240;
/// Why no folder has a name.
const NO_NAME: &str = "the inserted values make no valid folder name";
/// Replaces an empty insert that is one level.
const UNKNOWN: &str = "unknown";

impl Conditions<'_> {
    /// The folder that a condition asks for; without a name it is the inbox.
    pub(super) fn condition_folder(&self, name: Option<&Template>) -> ConditionFolder {
        let Some(name) = name else { return ConditionFolder::Named(Folder::default()) };
        for part in &name.parts {
            if let TemplatePart::Insert(Insert::Field(field), _) = part
                && let Err(why) = self.field(*field)
            {
                return ConditionFolder::Unknown(why);
            }
        }
        self.folder(name).map_or_else(ConditionFolder::Impossible, ConditionFolder::Named)
    }

    /// Whether a folder exists, looked up once in a run.
    pub(super) fn folder_exists(&self, folder: &Folder) -> Truth {
        let mut known = self.folders.borrow_mut();
        if let Some((_, truth)) = known.iter().find(|(known, _)| known == folder) {
            return truth.clone();
        }
        let truth = self.world.folder_exists(folder);
        known.push((folder.clone(), truth.clone()));
        truth
    }

    /// A folder. Each insert is at most one level of its path, or with `:levels` as many
    /// as the value has.
    ///
    /// # Errors
    /// One of the levels is no name.
    pub(super) fn folder(&self, template: &Template) -> Result<Folder, String> {
        let own = &self.program.settings;
        let settings = self.site_of.map_or(own, |rules| &rules.user.settings);
        let (layout, prefix) = (settings.layout, settings.folder_prefix.as_deref());
        // A script's folder names belong to its own namespace.
        let prefix = if self.state.script.is_some() { Some("") } else { prefix };
        // Site rules are checked without knowing the user's settings.
        let unchecked = self.site_of.is_some() && prefix.is_some_and(|prefix| !prefix.is_empty());
        let mut parts = vec![String::new()];
        for (at, part) in template.parts.iter().enumerate() {
            match part {
                TemplatePart::Text(text) => {
                    let first = at == 0 && unchecked;
                    let rest = after_prefix(text, prefix, layout).filter(|_| first);
                    append(&mut parts, rest.unwrap_or(text).split('/'));
                }
                insert if has_levels(insert) => {
                    let value = visible(&self.part(insert));
                    append(&mut parts, value.split(|c| separates(c, layout)));
                }
                insert => append(&mut parts, once(clean(&self.part(insert), layout).as_str())),
            }
        }
        let inserted = template.parts.iter().any(|part| !matches!(part, TemplatePart::Text(_)));
        let of_message = template.parts.iter().any(is_of_message);
        let with_levels = template.parts.iter().any(has_levels);
        if with_levels && parts.iter().any(|part| matches!(part.trim(), "" | "." | "..")) {
            return Err(NO_NAME.into());
        }
        // The fixed text of the rules, or a value with levels, is the inbox or below it.
        let written = match template.parts.first() {
            Some(TemplatePart::Text(text)) => {
                text.split_once('/').is_some_and(|(first, _)| first.eq_ignore_ascii_case("INBOX"))
            }
            Some(insert) => {
                let first = parts.first().is_some_and(|first| first.eq_ignore_ascii_case("INBOX"));
                has_levels(insert) && first && parts.len() > 1
            }
            None => false,
        };
        let is_inbox = (!inserted || with_levels) && is_inbox(&parts);
        if is_inbox || written && layout == Layout::MaildirPlusPlus && prefix.is_none() {
            parts.remove(0);
        }
        let below_inbox = written && (layout == Layout::Fs || prefix.is_some());
        if !inserted || is_inbox {
            return Ok(Folder { parts });
        }
        let people_folders = if of_message { self.people_folders() } else { Vec::new() };
        safe_folder(parts, layout, below_inbox, &people_folders).ok_or_else(|| NO_NAME.into())
    }

    /// The folders by whose mail the rules know people.
    fn people_folders(&self) -> Vec<Folder> {
        // Site rules have no such lists.
        let program = self.site_of.map_or(self.program, |rules| &rules.user);
        if !program.asks_for_sent_mail {
            return Vec::new();
        }
        let lists = (0..).map_while(|at| program.list(at));
        lists.filter_map(|list| Some(Folder::named(list.entries.folder()?.0))).collect()
    }
}

/// Whether a part of a name may be a sender's choice.
fn is_of_message(part: &TemplatePart) -> bool {
    !matches!(part, TemplatePart::Text(_) | TemplatePart::Insert(Insert::Now(_), _))
}

/// `{…:levels}`
fn has_levels(part: &TemplatePart) -> bool {
    matches!(part, TemplatePart::Insert(_, Form::Levels))
}

/// Adds levels to a path, the first of them to its last level.
fn append<'t>(parts: &mut Vec<String>, mut levels: impl Iterator<Item = &'t str>) {
    if let (Some(last), Some(first)) = (parts.last_mut(), levels.next()) {
        last.push_str(first);
    }
    parts.extend(levels.map(str::to_owned));
}

fn is_inbox(parts: &[String]) -> bool {
    matches!(parts, [only] if only.eq_ignore_ascii_case("INBOX"))
}

/// Text from a message as one level of a folder's path, or as a piece of it.
fn clean(value: &str, layout: Layout) -> String {
    let text = visible(value).replace(|c| separates(c, layout), "_");
    let text = text.trim();
    if text.is_empty() { UNKNOWN.into() } else { text.to_owned() }
}

/// As much of a text as a name may have, with `_` for what no name has.
fn visible(value: &str) -> String {
    value.chars().take(LONGEST_NAME).map(|c| if is_invisible(c) { '_' } else { c }).collect()
}

/// What begins a level of a folder's path on disk.
fn separates(c: char, layout: Layout) -> bool {
    c == '/' || c == '.' && layout == Layout::MaildirPlusPlus
}

/// Turns levels with inserted text into names that can be created on any disk. The rules
/// must not read the folder as a list, or a sender could put mail where its authors
/// count as known. `None` if there is no such name.
fn safe_folder(
    parts: Vec<String>,
    layout: Layout,
    below_inbox: bool,
    people_folders: &[Folder],
) -> Option<Folder> {
    let mut parts: Vec<String> = parts.into_iter().map(|part| reserved(part, layout)).collect();
    if let Some(first) =
        parts.first_mut().filter(|first| !below_inbox && first.eq_ignore_ascii_case("INBOX"))
    {
        first.insert(0, '_');
    }
    shorten(&mut parts, layout);
    let is_read =
        |parts: &[String]| people_folders.iter().any(|folder| is_same(&folder.parts, parts));
    for _ in people_folders {
        if is_read(&parts)
            && let Some(last) = parts.last_mut()
        {
            last.insert(0, '_');
            shorten(&mut parts, layout);
        }
    }
    (!is_read(&parts)).then_some(Folder { parts })
}

/// Whether two folders may be one, on a disk that knows no case or forms of letters.
fn is_same(one: &[String], other: &[String]) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|(one, other)| one == other || fold(one) == fold(other))
}

/// Removes from the longest levels what no directory's name has room for.
fn shorten(parts: &mut [String], layout: Layout) {
    loop {
        let sizes: Vec<usize> = parts.iter().map(|part| bytes_on_disk(part) + 1).collect();
        let size = match layout {
            Layout::MaildirPlusPlus => sizes.iter().sum(),
            Layout::Fs => sizes.iter().copied().max().unwrap_or(0),
        };
        let longest = sizes.iter().enumerate().max_by_key(|(_, size)| **size).map(|(at, _)| at);
        match longest.and_then(|at| parts.get_mut(at)) {
            Some(part) if size > LONGEST_NAME => part.pop(),
            _ => break,
        };
    }
}

/// Names that mean something else to a file system, a Maildir or Dovecot.
fn reserved(part: String, layout: Layout) -> String {
    let trimmed = part.trim_end();
    let is_reserved = matches!(trimmed, "" | "." | "..")
        || trimmed.starts_with('~')
        || (layout == Layout::Fs && (trimmed.starts_with('.') || is_taken(trimmed)));
    if is_reserved { format!("_{trimmed}") } else { trimmed.to_owned() }
}

/// The most bytes that a level can take in modified UTF-7 and in UTF-8.
fn bytes_on_disk(part: &str) -> usize {
    part.chars().map(|c| if c.is_ascii() && c != '&' { 1 } else { 3 * c.len_utf16() + 2 }).sum()
}

#[cfg(test)]
mod tests {
    use super::super::Detail;
    use super::super::testing::{ask, compiled, message, rules, run_on, steps, with_site};
    use super::*;
    use crate::maildir::Location;
    use crate::plan::{Step, StepKind};
    use crate::world::{FolderSource, World};

    /// The folder that rules name for a message with this subject.
    fn folder(settings: &str, name: &str, subject: &str) -> String {
        let rules = rules(&format!("{settings}\nfolder \"{name}\"\n"));
        let run =
            run_on(&rules, &format!("Subject: {subject}\n\n"), &World::default(), Detail::Plan);
        steps(&run).join("")
    }

    #[test]
    fn an_inserted_name_is_as_long_as_a_directory_may_be() {
        let length = |subject: &str, name: &str| {
            let shown = folder("", name, subject);
            shown.trim_start_matches("folder \"").trim_end_matches('"').len()
        };
        let long = "a".repeat(300);
        assert_eq!(length(&long, "{subject}"), LONGEST_NAME - 1);
        assert_eq!(length(&long[..LONGEST_NAME - 1], "{subject}"), LONGEST_NAME - 1);
        assert_eq!(length(&long, "Lists/{subject}"), LONGEST_NAME - 1);
        assert_eq!(length(&long[..30], "Lists/{subject}"), 36);
    }

    #[test]
    fn the_inbox_has_no_name_of_its_own() {
        let rules = rules("folder \"Inbox\"\n");
        let run = run_on(&rules, "Subject: x\n\n", &World::default(), Detail::Plan);
        let inbox = |step: &Step| matches!(&step.kind, StepKind::Deliver { folder, .. } if *folder == Folder::default());
        assert!(run.evaluation.plan.steps.iter().all(inbox));
    }

    /// A folder that another program creates meanwhile changes nothing in it.
    #[test]
    fn within_a_run_a_folder_exists_or_it_does_not() {
        let home = tempfile::tempdir().unwrap();
        let maildir = home.path().join("Maildir");
        std::fs::create_dir_all(maildir.join("cur")).unwrap();
        let location = Location::new(maildir.clone(), Layout::MaildirPlusPlus, None);
        let world = World { folders: FolderSource::Maildir(location), ..World::default() };
        let (program, message) = (compiled("inbox\n"), message("Subject: x\n\n"));
        let exists = |on: &Conditions<'_>| on.folder_exists(&Folder::named("A"));
        ask(&program, &message, &world, Detail::Plan, |on| {
            assert_eq!(exists(on), Ok(false));
            std::fs::create_dir_all(maildir.join(".A/cur")).unwrap();
            assert_eq!(exists(on), Ok(false));
            assert_eq!(on.folder_exists(&Folder::default()), Ok(true));
        });
        assert_eq!(ask(&program, &message, &world, Detail::Plan, exists), Ok(true));
    }

    #[test]
    fn a_value_never_names_a_folder_that_a_list_reads() {
        let lists = "list known sent \"Sent\"\nlist seen senders \"Kept/書類Ａ\"\n\
                     list more sent \"_Sent\"\nlist year senders \"2026\"";
        for (name, subject, expected) in [
            ("{subject}", "Sent", "__Sent"),
            ("{subject}", "sENT ", "__sENT"),
            ("Sen{subject}", "t", "__Sent"),
            ("{subject}/a", "Sent", "Sent/a"),
            ("a/{subject}", "Sent", "a/Sent"),
            ("Kept/{subject}", "書類a", "Kept/_書類a"),
            ("{subject:levels}", "Kept/書類A", "Kept/_書類A"),
            ("{subject:levels}/書類Ａ", "Kept", "Kept/_書類Ａ"),
            ("Sent", "x", "Sent"),
            ("{subject}", "Senta", "Senta"),
            ("{now:20}26", "x", "2026"),
            ("{subject}", "2026", "_2026"),
        ] {
            assert_eq!(folder(lists, name, subject), format!("folder \"{expected}\""), "{name}");
        }
        let long = "_".repeat(300);
        let list = format!("list known sent \"{}\"", &long[..LONGEST_NAME - 1]);
        let step = folder(&list, "{subject}", &long);
        assert!(step.contains(NO_NAME), "{step}");
    }

    #[test]
    fn a_sites_value_names_no_folder_that_the_users_list_reads() {
        let site = "category \"a\" {\n  when has subject -> folder \"{subject}\"\n}\n";
        let rules = with_site(site, "list known sent \"Sent\"\ninbox\n");
        let run = run_on(&rules, "Subject: sent\n\n", &World::default(), Detail::Plan);
        assert_eq!(steps(&run).last().map(String::as_str), Some("folder \"_sent\""));
    }

    #[test]
    fn the_sites_folders_are_below_the_users_prefix() {
        let folder = |name: &str, user: &str| {
            let site = format!("category \"a\" {{\n  when has subject -> folder \"{name}\"\n}}\n");
            let rules = with_site(&site, &format!("{user}\ninbox\n"));
            let run = run_on(&rules, "Subject: s\n\n", &World::default(), Detail::Plan);
            steps(&run).last().cloned().unwrap_or_default()
        };
        let mail = "set folder-prefix \"Mail/\"";
        for (name, user, expected) in [
            ("Mail/Sale", mail, "folder \"Sale\""),
            ("Sale", mail, "folder \"Sale\""),
            ("Mail/Mail/{subject}", mail, "folder \"Mail/s\""),
            ("{subject}Mail/Sale", mail, "folder \"sMail/Sale\""),
            ("Mail/Sale", "", "folder \"Mail/Sale\""),
            ("INBOX/Sale", "", "folder \"Sale\""),
            ("INBOX/{subject}", "", "folder \"s\""),
            ("INBOX/Sale", "set folder-prefix \"\"", "folder \"INBOX/Sale\""),
        ] {
            assert_eq!(folder(name, user), expected, "{name} {user}");
        }
    }
}
