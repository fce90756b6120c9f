//! `authenticated`: submitted by a logged-in user (RFC 4954), or made on this
//! machine.
//!
//! The line by which the message reached our machines decides: a login between
//! two of our own servers, further up, says nothing about who wrote it. Mail that
//! was fetched from a mailbox elsewhere was not submitted here.

use crate::classify::{Classifier, Mail};

/// `authenticated`
pub const AUTHENTICATED: Classifier = Classifier {
    name: "authenticated",
    absent: "no trusted Received line shows a login or this machine",
    find: |mail| Ok(find(mail)),
};

/// The classifier's search, for other classifiers.
pub fn find(mail: &Mail<'_>) -> Option<String> {
    let user = (mail.variable)("SASL_USERNAME").filter(|user| !user.is_empty());
    if let Some(user) = user {
        return Some(format!("logged in as `{user}`, says SASL_USERNAME"));
    }
    let trace_lines = mail.trace_lines();
    let entry = trace_lines.entry().filter(|_| !trace_lines.was_fetched())?;
    let by = entry.by.as_deref().unwrap_or("this machine");
    if entry.authenticated && !entry.local {
        let protocol = entry.protocol.as_deref().unwrap_or("a login");
        return Some(format!("submitted with {protocol}, says the Received line of {by}"));
    }
    if trace_lines.has_border || entry.is_of_scanner() {
        return None;
    }
    if entry.local {
        return Some(format!("made on the machine, says the Received line of {by}"));
    }
    let loopback = entry.ip.filter(|ip| ip.is_loopback())?;
    Some(format!("came to {by} from {loopback}: made on the machine"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::testing::{TestWorld, assert_holds, assert_not};

    const BORDER: &str =
        "Received: from pc (pc.example.org [192.0.2.1]) by mx (Postfix) with ESMTPS id 1; x\n";

    #[test]
    fn logged_in() {
        let variables = [("SASL_USERNAME", "taro")];
        let world = TestWorld { variables: &variables, ..TestWorld::default() };
        assert_holds(
            &AUTHENTICATED,
            &format!("{BORDER}\n"),
            &world,
            "logged in as `taro`, says SASL_USERNAME",
        );
        let line = "Received: from pc (unknown [192.0.2.1]) (Authenticated sender: taro) by mx \
                    (Postfix) with ESMTPSA id 1; x\n\n";
        let evidence = "submitted with ESMTPSA, says the Received line of mx";
        assert_holds(&AUTHENTICATED, line, &TestWorld::default(), evidence);
        let line = "Received: from mx (mx [10.0.0.1]) by store (Dovecot) with LMTP id 2; x\n\
                    Received: from pc ([10.0.0.9]) by mx (Postfix) with ESMTPSA id 1; x\n\n";
        assert_holds(&AUTHENTICATED, line, &TestWorld::default(), evidence);
    }

    #[test]
    fn made_here() {
        for line in [
            "Received: by mx (Postfix, from userid 0) id 1; x\n",
            "Received: (from root@localhost) by mx (8.15.2/8.15.2/Submit) id 1; x\n",
            "Received: from root by mx with local (Exim 4.96) id 1; x\n",
        ] {
            let evidence = "made on the machine, says the Received line of mx";
            assert_holds(&AUTHENTICATED, &format!("{line}\n"), &TestWorld::default(), evidence);
        }
        assert_holds(
            &AUTHENTICATED,
            "Received: from mx (localhost [127.0.0.1]) by mx (Postfix) with ESMTP id 1; x\n\n",
            &TestWorld::default(),
            "came to mx from 127.0.0.1: made on the machine",
        );
    }

    #[test]
    fn not_what_others_say() {
        for text in [
            String::new(),
            BORDER.to_owned(),
            // One of our filters handed it back through sendmail.
            format!("Received: by mx (Postfix, from userid 65534) id 2; x\n{BORDER}"),
            // Our servers log in to each other.
            format!(
                "Received: from mx ([10.0.0.1]) by store (Postfix) with ESMTPSA id 2; x\n{BORDER}"
            ),
            // The sender's own lines.
            format!(
                "{BORDER}Received: from a ([127.0.0.1]) by mx (Postfix) with ESMTPSA id 0; x\n"
            ),
            format!("{BORDER}Received: by mx (Postfix, from userid 0) id 0; x\n"),
            // Someone else's provider, someone else's login.
            "Received: from p [192.0.2.9] by localhost with IMAP (fetchmail-6); x\n\
             Received: from pc ([192.0.2.1]) by p (Postfix) with ESMTPSA id 0; x\n"
                .to_owned(),
            // SpamAssassin has wrapped spam, and all the other lines with it.
            "Received: from localhost by mx\n\twith SpamAssassin (version 4.0.1); x\n".to_owned(),
            // A host in our network is not this machine.
            "Received: from pc ([10.0.0.9]) by mx (Postfix) with ESMTP id 1; x\n".to_owned(),
        ] {
            assert_not(&AUTHENTICATED, &format!("{text}\n"), &TestWorld::default());
        }
    }
}
