//! Recipes, and the rules that they become.

mod conditions;
mod flow;
mod folders;
mod programs;

use std::path::Path;

use super::import;
use crate::import::{Options, report, testing};

/// The rules without comments and blanks, and the totals.
fn rules(text: &str) -> (String, report::Totals) {
    let files = [
        ("lists.rc", ":0\n* ^List-Id:.*rust\nrust\n"),
        ("sets.rc", ":0 fhw\n| formail -I \"X-A: b\"\n"),
        ("ends.rc", ":0\n* ^To:.*a\na/\nSWITCHRC=\n:0\nnever/\n"),
    ];
    let (rules, totals, _) = testing::rules(import, ("rc", text), &Options::default(), &files);
    (rules, totals)
}

#[track_caller]
fn exact(text: &str, want: &str) {
    let (rules, totals) = rules(text);
    assert_eq!(rules, want, "{text}");
    assert_eq!(totals.exact, totals.all, "{text}");
}

#[track_caller]
fn not(text: &str, want: &str) {
    let (rules, totals) = rules(text);
    assert_eq!(rules, want, "{text}");
    assert!(totals.not > 0, "{text}");
}

#[test]
fn no_comment_is_lost() {
    let text = "# where\nA=x\n\n# first\n\n:0\n* ^X-A: a\n{\n# what\nVERBOSE=off\n:0\n$A/\n# inner\n}\n\
                :0\n/dev/null\n# more\nC=1\n# last\n";
    let load = &mut |_: &Path| Err(std::io::ErrorKind::NotFound.into());
    let text = import(Path::new("rc"), text.as_bytes(), &Options::default(), load).unwrap().rules;
    for comment in ["where", "first", "what", "inner", "more", "last"] {
        assert_eq!(text.matches(&format!("# {comment}\n")).count(), 1, "{comment}\n{text}");
    }
    // The block is still one rule.
    assert!(text.contains("when header \"X-A\" starts \"a\" -> folder \"x\"\n"), "{text}");
}

#[track_caller]
fn approximate(text: &str, want: &str) {
    let (rules, totals) = rules(text);
    assert_eq!(rules, want, "{text}");
    assert_eq!(totals.approximate, 1, "{text}");
}

/// What was wrongly called exact: found with the real program.
#[test]
fn what_procmail_itself_showed() {
    // `HOST` of another machine is the end, also when it is only unset.
    let end = "copy \"a\", discard \"HOST in the procmailrc\"";
    exact(
        ":0\n* ^To:.*x\n{\n :0c\n a/\n HOST\n}\n",
        &format!("when header \"To\" contains \"x\" -> {end}"),
    );
    exact("HOST=\n:0\na/\n", "discard \"HOST in the procmailrc\"");
    let (_, totals) = rules("HOST=mx\n:0\na/\n");
    assert_eq!(totals.approximate, 1);
    not("HOST=`hostname`\n:0\na/\n", "folder \"a\"");
    // What no recipe takes goes nowhere.
    exact(
        "DEFAULT=/dev/null\n:0\n* ^To:.*x\n.a/\n",
        "when header \"To\" contains \"x\" -> folder \"a\"\ndiscard \"DEFAULT is /dev/null\"",
    );
    not(":0\n* ^To:.*x\n{\n DEFAULT=a/\n}\n", "");
    // Dots of a value are levels on disk.
    let dots = |pattern: &str, name: &str| {
        let (rules, totals) = rules(&format!(":0\n* ^List-Id:.*<\\/{pattern}\n{name}/\n"));
        assert_eq!(totals.exact, 1);
        rules.rsplit("-> ").next().unwrap_or_default().to_owned()
    };
    assert_eq!(dots("[^>]+", ".L.$MATCH"), "folder \"L/{match:levels}\"");
    assert_eq!(dots("[^.]+", ".L.$MATCH"), "folder \"L/{match}\"");
    assert_eq!(dots("[^>]+", "L/$MATCH"), "folder \"L/{match}\"");
    assert_eq!(
        dots("[^>]+", ".L.`echo $MATCH | tr A-Z a-z`"),
        "let in-lower-case = \"{match:lower}\", folder \"L/{in-lower-case:levels}\""
    );
    // Only what is a date is inserted.
    exact(":0\na/`date +x.%Y-%m`\n", "folder \"a/x-{now:%Y-%m}\"");
    // Empty is as good as none.
    exact("EXITCODE=$NONE\n:0\na/\n", "folder \"a\"");
}

/// A trial reads the files that a variable helps to name.
#[test]
fn a_trial_reads_what_is_included() {
    let load = &mut |path: &std::path::Path| match path == std::path::Path::new("d/lists.rc") {
        true => Ok(b":0\n* ^List-Id:.*rust\nrust/\n".to_vec()),
        false => Err(std::io::ErrorKind::NotFound.into()),
    };
    for text in [
        "PMDIR=$HOME/d\nINCLUDERC=$PMDIR/lists.rc\n",
        "MAILDIR=$HOME/d\nINCLUDERC=${MAILDIR}/lists.rc\n",
        "INCLUDERC=d/lists.rc\n",
    ] {
        let trial = super::trial(std::path::Path::new("rc"), text.as_bytes(), load);
        assert!(trial.contains("rust"), "{text}\n{trial}");
    }
}
