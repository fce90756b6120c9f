//! What classifiers may know about a message's context, each looked up when needed.

use std::cell::OnceCell;
use std::rc::Rc;

use crate::classify::people::People;
use crate::message::address::Address;
use crate::rules::address_list::AddressList;
use crate::rules::compiled::CompiledProgram;
use crate::rules::program::Entries;
use crate::world::{PeopleSource, World};

/// The user's own addresses, and the people that the user knows.
pub(super) struct MailContext<'a> {
    program: &'a CompiledProgram,
    world: &'a World,
    me: OnceCell<AddressList>,
}

impl<'a> MailContext<'a> {
    pub(super) fn new(program: &'a CompiledProgram, world: &'a World) -> MailContext<'a> {
        MailContext { program, world, me: OnceCell::new() }
    }

    /// Whether the rules say who the user is.
    pub(super) fn knows_me(&self) -> bool {
        !self.program.settings.me.is_empty()
    }

    /// Whether an address is one of the user's own.
    pub(super) fn is_me(&self, address: &Address) -> bool {
        let me = self.me.get_or_init(|| {
            AddressList::from_entries(self.program.settings.me.iter().map(|entry| entry.as_str()))
        });
        me.matches(&address.canonical())
    }

    /// The people that the user knows, from the address books and sent mail that
    /// the rules use as lists, and from `set me`. The error is for the trace.
    pub(super) fn people(&self) -> Result<Rc<People>, String> {
        let (program, world) = (self.program, self.world);
        let mut sources = Vec::new();
        for at in 0..program.lists() as u32 {
            let list = program.list(at).ok_or("damaged rules")?;
            sources.extend(match &list.entries {
                Entries::Sent(folder) => Some(PeopleSource::Sent(folder.clone())),
                Entries::Cards(path) => {
                    let file = program.file(list.span);
                    Some(PeopleSource::Cards(world.path(path, file.as_ref())))
                }
                _ => None,
            });
        }
        sources.extend(program.settings.me.iter().map(|entry| PeopleSource::Me(entry.clone())));
        if sources.is_empty() {
            let why = "nobody is known: name an address book, `list NAME vcard \"~/.contacts\"`, \
                   or the mail you have sent, `list NAME sent \"Sent\"`";
            return Err(why.to_owned());
        }
        world.people(sources)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::compiled;
    use super::*;

    #[test]
    fn nobody_is_known_until_the_rules_name_somebody() {
        let known = |rules: &str| {
            let (program, world) = (compiled(rules), World::default());
            MailContext::new(&program, &world).people().map(|_| ())
        };
        assert!(known("inbox\n").is_err_and(|why| why.starts_with("nobody is known")));
        assert_eq!(known("set me [\"taro@example.jp\"]\n"), Ok(()));
        assert!(
            known("list cards vcard \"~/cards\"\n").is_err_and(|why| !why.starts_with("nobody"))
        );
    }
}
