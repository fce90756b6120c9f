//! `forged-self`: From is one of `me`, but nothing shows that the user wrote the message.

use crate::classify::{Classifier, Mail, authenticated, verified};

/// `forged-self`
pub const FORGED_SELF: Classifier = Classifier {
    name: "forged-self",
    absent: "From is none of your addresses, or the message is authenticated or verified",
    find,
};

fn find(mail: &Mail<'_>) -> Result<Option<String>, String> {
    let me = mail.require_me()?;
    let from = mail.message.addresses("from");
    let Some(mine) = from.iter().find(|address| me(address)) else { return Ok(None) };
    if authenticated::find(mail).is_some() || verified::find(mail).is_some() {
        return Ok(None);
    }
    let mine = mine.address();
    Ok(Some(format!("From is `{mine}`, one of `me`, but no login and no trusted result shows it")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::testing::{TestWorld, assert_holds, assert_not};

    const BORDER: &str = "Received: from pc (pc.example.org [192.0.2.1]) by mx.example.jp (Postfix) with ESMTPS id 1; x\n";

    #[test]
    fn forged() {
        let forged = "Authentication-Results: mx.example.jp; dmarc=pass header.from=example.jp\n";
        for text in [
            format!("{BORDER}From: Taro <Taro@Example.jp>\n\n"),
            format!("{BORDER}{forged}From: taro@example.jp\n\n"),
            "From: taro@example.jp\n\n".to_owned(),
        ] {
            let evidence = find_evidence(&text);
            assert!(evidence.contains("one of `me`"), "{evidence}");
        }
        assert_holds(
            &FORGED_SELF,
            &format!("{BORDER}From: taro@example.jp\n\n"),
            &TestWorld::default(),
            "From is `taro@example.jp`, one of `me`, but no login and no trusted result shows it",
        );
    }

    fn find_evidence(text: &str) -> String {
        let found = crate::classify::testing::find(&FORGED_SELF, text, &TestWorld::default());
        found.expect("it can be told").unwrap_or_default()
    }

    #[test]
    fn not_forged() {
        let verified = "Authentication-Results: mx.example.jp; dmarc=pass header.from=example.jp\n";
        for text in [
            // cron, another user of the machine
            "Received: by mx.example.jp (Postfix, from userid 0) id 1; x\nFrom: taro@example.jp (Cron)\n\n",
            "Received: by mx.example.jp (Postfix, from userid 1001) id 1; x\nFrom: taro@example.jp\n\n",
            &format!("{verified}{BORDER}From: taro@example.jp\n\n"),
            &format!("{BORDER}From: hanako@example.org\n\n"),
            &format!("{BORDER}\n"),
        ] {
            assert_not(&FORGED_SELF, text, &TestWorld::default());
        }
        let variables = [("SASL_USERNAME", "taro")];
        let world = TestWorld { variables: &variables, ..TestWorld::default() };
        assert_not(&FORGED_SELF, &format!("{BORDER}From: taro@example.jp\n\n"), &world);
    }
}
