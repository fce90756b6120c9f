//! Sending mail to other mailboxes through the machine's `sendmail`.

use crate::evaluate::LOOP_HEADER;
use crate::message::HeaderEdit;

/// `sendmail -i -f SENDER -- ADDR…`: a line with only a dot ends nothing, and no address
/// is read as an option. Not `-oi`: dma ignores it and cuts the message off at that line.
/// The null sender is an empty word: Courier and qmail read `<>` as an address, so
/// answers would bounce and forwarded bounces would stay queued for ever.
pub fn arguments(sendmail: &str, sender: &str, to: &[String]) -> Vec<String> {
    let mut arguments: Vec<String> = [sendmail, "-i", "-f", sender, "--"].map(str::to_owned).into();
    arguments.extend(to.iter().cloned());
    arguments
}

/// What is changed in the header of a message that is forwarded. Return-Path is written
/// by the last MTA (RFC 5321 §4.4). Delivered-To is replaced by a field of our own: an
/// MTA that finds its own Delivered-To bounces the message, while we put a message that
/// we have forwarded before into the inbox.
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
