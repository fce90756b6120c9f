//! What classifiers may know around a message, each looked up when asked.

use std::cell::OnceCell;

use crate::message::address::Address;
use crate::rules::address_list::AddressList;
use crate::rules::compiled::CompiledProgram;
use crate::world::World;

/// The user's own addresses and the MTA's environment.
pub(super) struct MailContext<'a> {
    program: &'a CompiledProgram,
    world: &'a World,
    me: OnceCell<AddressList>,
}

impl<'a> MailContext<'a> {
    pub(super) fn new(program: &'a CompiledProgram, world: &'a World) -> MailContext<'a> {
        MailContext { program, world, me: OnceCell::new() }
    }

    pub(super) fn variable(&self, name: &str) -> Option<String> {
        self.world.variable(name)
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
}
