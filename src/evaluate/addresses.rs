//! The addresses of a field, and their parts.

use std::rc::Rc;

use super::context::Context;
use super::field_value::{AddressValue, FieldValue};
use crate::message::address::{Address, is_too_long, split_detail};
use crate::message::text::Text;
use crate::message::{domain, path};
use crate::rules::program::{AddressField, AddressPart};

/// Headers that name a recipient, whoever wrote them.
const RECIPIENT_HEADERS: [&str; 10] = [
    "To",
    "Cc",
    "Bcc",
    "Resent-To",
    "Resent-Cc",
    "Resent-Bcc",
    "Apparently-To",
    "X-Envelope-To",
    "Delivered-To",
    "X-Original-To",
];

/// How many addresses of one field are used; its headers may be many.
const ADDRESS_LIMIT: usize = 5000;

/// The addresses of a field, grouped as they were read together.
pub(super) fn addresses(which: &AddressField, context: &Context<'_>) -> Vec<Rc<[Address]>> {
    let addresses = |name| vec![context.message.addresses(name)];
    let path = |path: &str| -> Option<Rc<[Address]>> {
        let address = path::address(path);
        (!is_too_long(&address.local, &address.domain)).then(|| [address].into())
    };
    match which {
        AddressField::From => addresses("From"),
        AddressField::Sender => addresses("Sender"),
        AddressField::ReplyTo => addresses("Reply-To"),
        AddressField::To => addresses("To"),
        AddressField::Cc => addresses("Cc"),
        AddressField::Bcc => addresses("Bcc"),
        AddressField::Recipient => RECIPIENT_HEADERS.into_iter().flat_map(addresses).collect(),
        AddressField::EnvelopeFrom => match context.world.envelope_sender(context.message) {
            Some(sender) => path(&sender).into_iter().collect(),
            None => Vec::new(),
        },
        AddressField::EnvelopeTo => {
            let all = context.world.envelope_recipients(context.message);
            all.iter().filter_map(|to| path(to)).collect()
        }
    }
}

/// A part of each address, up to the limit for one field.
pub(super) fn parts<'m>(
    read: Vec<Rc<[Address]>>,
    part: &AddressPart,
    context: &Context<'m>,
) -> Vec<FieldValue<'m>> {
    let mut all = Vec::new();
    for read in read {
        let room = ADDRESS_LIMIT - all.len();
        if read.len() > room {
            context.message.leave_out(format!(
                "only the first {ADDRESS_LIMIT} addresses of one field were looked at"
            ));
        }
        let some = (0..read.len()).take(room);
        all.extend(some.filter_map(|at| take(&read, at, part, context)));
    }
    all
}

/// A part of an address; `None` if the address does not have it.
fn take<'m>(
    all: &Rc<[Address]>,
    at: usize,
    part: &AddressPart,
    context: &Context<'m>,
) -> Option<FieldValue<'m>> {
    let address = all.get(at)?;
    let text = match part {
        AddressPart::Whole => return Some(FieldValue::Address(AddressValue::new(all, at))),
        AddressPart::Name => address.name.as_deref()?,
        AddressPart::Local => split_detail(&address.local, delimiter(context)).0,
        AddressPart::Detail => split_detail(&address.local, delimiter(context)).1?,
        AddressPart::Domain => {
            return Some(FieldValue::Domain(Text::new(&domain::canonical(&address.domain))));
        }
    };
    Some(FieldValue::text(text))
}

pub(super) fn delimiter<'a>(context: &Context<'a>) -> &'a str {
    context.program.settings.delimiter.as_ref().map_or("+", |delimiter| delimiter.as_str())
}

#[cfg(test)]
mod tests {
    use super::super::Detail;
    use super::super::testing::{rules, run_on, steps};
    use super::ADDRESS_LIMIT;
    use crate::world::World;

    #[test]
    fn only_the_first_of_very_many_addresses_are_used_and_a_trace_says_so() {
        let many = |name: &str, count: usize| {
            let all: Vec<String> = (0..count).map(|at| format!("{name}{at}@x")).collect();
            format!("{name}: {}\n", all.join(",\n "))
        };
        let run = |to: usize, cc: usize, last: &str| {
            let rules = rules(&format!("when recipient is \"{last}@x\" -> discard\n"));
            let mail = format!("{}{}\n", many("To", to), many("Cc", cc));
            run_on(&rules, &mail, &World::default(), Detail::Trace)
        };
        let warnings = |to, cc, last: &str| run(to, cc, last).evaluation.trace.warnings;
        let warning =
            format!("only the first {ADDRESS_LIMIT} addresses of one field were looked at");
        let rest = ADDRESS_LIMIT - 3000;
        assert_eq!(warnings(3000, rest, "none"), Vec::<String>::new());
        assert_eq!(warnings(3000, rest + 1, "none"), [warning]);
        let found = |to, cc, last: &str| steps(&run(to, cc, last)) == ["discard"];
        assert!(found(3000, rest + 1, &format!("cc{}", rest - 1)));
        assert!(!found(3000, rest + 1, &format!("cc{rest}")));
    }
}
