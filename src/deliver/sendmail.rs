//! Mail to other mailboxes, through the machine's `sendmail`.

use crate::evaluate::LOOP_HEADER;
use crate::message::HeaderEdit;

/// `sendmail -i -f SENDER -- ADDR…`: a line with a dot alone ends nothing, and no
/// address is an option. Not `-oi`, of which dma sees nothing and cuts the message
/// at that line. The null sender is an empty word: Courier and qmail take `<>` for
/// an address, which makes answers bounce and forwarded bounces wait for ever.
pub fn arguments(sendmail: &str, sender: &str, to: &[String]) -> Vec<String> {
    let mut arguments: Vec<String> = [sendmail, "-i", "-f", sender, "--"].map(str::to_owned).into();
    arguments.extend(to.iter().cloned());
    arguments
}

/// What is changed in the header of a message that is forwarded. Return-Path
/// is the last MTA's to write (RFC 5321 §4.4). Delivered-To gives way to a
/// mark of our own: an MTA that finds its own Delivered-To bounces the message,
/// we put what we have forwarded before into the inbox.
pub fn edits(mark: &str) -> Vec<HeaderEdit> {
    let remove = |name: &str| HeaderEdit::Remove { name: name.into() };
    vec![
        remove("Return-Path"),
        remove("Delivered-To"),
        HeaderEdit::Add { name: LOOP_HEADER.into(), value: mark.into() },
    ]
}

#[cfg(test)]
mod tests {
    use super::arguments;

    #[test]
    fn no_address_is_an_option_and_null_stays_null() {
        let to = ["-x@b.example".to_owned()];
        assert_eq!(arguments("/s", "", &to), ["/s", "-i", "-f", "", "--", "-x@b.example"]);
        assert_eq!(arguments("/s", "a@b", &to)[3], "a@b");
    }
}
