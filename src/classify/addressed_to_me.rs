//! `addressed-to-me`: one of the user's addresses is in To or Cc (RFC 5322 §3.6.3).

use super::{Classifier, Finding, Mail};

/// One of `me` is in To or Cc.
pub const ADDRESSED_TO_ME: Classifier = Classifier {
    name: "addressed-to-me",
    absent: "neither To nor Cc names one of your addresses",
    find,
};

fn find(mail: &Mail<'_>) -> Finding {
    let me = mail.require_me()?;
    for (header, shown) in [("to", "To"), ("cc", "Cc")] {
        let addresses = mail.message.addresses(header);
        if let Some(mine) = addresses.iter().find(|address| me(address)) {
            return Ok(Some(format!("{shown} names {}", mine.address())));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::testing::{evidence, finds, mail, message};

    #[test]
    fn to_and_cc_count() {
        let cc = message("To: hanako@example.jp\nCc: Taro <Taro@EXAMPLE.jp>\n\n");
        assert_eq!(evidence(&ADDRESSED_TO_ME, &cc).as_deref(), Some("Cc names Taro@EXAMPLE.jp"));
        assert!(!finds(
            &ADDRESSED_TO_ME,
            &message("To: hanako@example.jp\nFrom: taro@example.jp\n\n")
        ));
    }

    #[test]
    fn without_me_it_is_unknown() {
        let message = message("To: taro@example.jp\n\n");
        let mut mail = mail(&message);
        mail.me = None;
        assert!((ADDRESSED_TO_ME.find)(&mail).is_err());
    }
}
