//! A sender's text, in each place of a border's output that a sender controls, changes no
//! result except to "not believed".

use proptest::prelude::*;

use crate::support::printed::{Chosen, believed};

/// Text that might be read as a result, or end what comes before it.
const PIECES: [&str; 32] = [
    ";",
    "; ",
    " ",
    "\"",
    "\\",
    "(",
    ")",
    "=",
    "@",
    "\n",
    "\r\n\t",
    ",",
    "x",
    "[127.0.0.1]",
    "127.0.0.1",
    "(Authenticated sender: x)",
    "dmarc=pass header.from=bank.example",
    "dkim=pass header.d=bank.example",
    "dkim=pass header.d=bad.example header.b=abcdefgh",
    "spf=pass smtp.mailfrom=x@bank.example",
    "spf=pass smtp.mailfrom=bank.example",
    "iprev=pass",
    "policy.x=",
    "reason=\"",
    "x@bank.example",
    "bank.example",
    "identity=mailfrom; envelope-from=x@bank.example",
    " with ESMTPSA id 2",
    " by mx.example (Postfix) with ESMTPA id 3",
    "Authentication-Results: mx.example;",
    "Received-SPF: pass (mx.example: domain of x@bank.example)",
    "Received: from localhost (localhost [127.0.0.1]) by mx.example with LMTP id 4",
];

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(&PIECES[..]).prop_map(str::to_owned),
        1 => ".{0,4}",
    ];
    prop::collection::vec(piece, 0..9).prop_map(|pieces| pieces.concat())
}

#[test]
fn a_helo_with_a_parenthesis_hides_no_result() {
    let smuggled =
        "Authentication-Results: mx.example;dkim=pass header.d=bad.example header.b=abcdefgh;";
    for helo in [")", "(", ")(", "x)", "\\)", "(x"] {
        let chosen = Chosen { local: smuggled.into(), helo: helo.into(), ..Chosen::default() };
        assert_eq!(believed(&chosen), None, "{helo}");
    }
}

/// The signature itself is not among the headers: an empty line precedes it.
#[test]
fn an_identity_that_cannot_be_looked_up_hides_no_result() {
    for identity in ["a;dkim=pass header.i=", "a;dkim=pass header.d=bad.example header.i="] {
        let below = " ".to_owned();
        let chosen = Chosen { identity: identity.into(), below, ..Chosen::default() };
        assert_eq!(believed(&chosen), None, "{identity}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn it_changes_no_result(
        local in text(), helo in text(), identity in text(), name in text(), below in text(),
    ) {
        let chosen = Chosen { local, helo, identity, name, below };
        prop_assert_eq!(believed(&chosen), None);
    }

    // One place at a time: text that spoils one result must not hide anything in another.
    #[test]
    fn in_one_place_it_changes_no_result(place in 0..5_u8, text in text()) {
        let mut chosen = Chosen::default();
        *match place {
            0 => &mut chosen.local,
            1 => &mut chosen.helo,
            2 => &mut chosen.identity,
            3 => &mut chosen.name,
            _ => &mut chosen.below,
        } = text;
        prop_assert_eq!(believed(&chosen), None);
    }
}
