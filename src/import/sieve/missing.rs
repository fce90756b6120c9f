//! What makes a server refuse a whole script that can be read here: extensions without
//! `require`, and a `require` in the wrong place (RFC 5228 §3.2).

use std::collections::BTreeSet;

use super::context::Lowering;
use super::parse::{Argument, Node};

/// A word of Sieve, and the extensions that offer it.
type ExtensionWord = (&'static str, &'static [&'static str]);

/// Commands and tests.
const WORDS: [ExtensionWord; 33] = [
    ("addflag", FLAGS),
    ("addheader", &["editheader"]),
    ("body", &["body"]),
    ("currentdate", &["date"]),
    ("date", &["date"]),
    ("deleteheader", &["editheader"]),
    ("duplicate", &["duplicate", "vnd.dovecot.duplicate"]),
    ("envelope", &["envelope"]),
    ("environment", &["environment"]),
    ("ereject", &["ereject"]),
    ("execute", &["vnd.dovecot.execute"]),
    ("expire", &["vnd.proton.expire"]),
    ("fileinto", &["fileinto"]),
    ("filter", &["vnd.dovecot.filter"]),
    ("global", &["include"]),
    ("hasflag", FLAGS),
    ("include", &["include"]),
    ("mailboxexists", &["mailbox"]),
    ("metadata", &["mboxmetadata"]),
    ("metadataexists", &["mboxmetadata"]),
    ("notify", &["enotify", "notify"]),
    ("pipe", &["vnd.dovecot.pipe"]),
    ("reject", &["reject", "ereject"]),
    ("removeflag", FLAGS),
    ("return", &["include"]),
    ("servermetadata", &["servermetadata"]),
    ("set", &["variables"]),
    ("setflag", FLAGS),
    ("spamtest", &["spamtest", "spamtestplus"]),
    ("string", &["variables"]),
    ("unexpire", &["vnd.proton.expire"]),
    ("vacation", &["vacation", "vacation-seconds"]),
    ("virustest", &["virustest"]),
];

const FLAGS: &[&str] = &["imap4flags", "imapflags"];

/// Tagged arguments.
const TAGS: [ExtensionWord; 9] = [
    (":copy", &["copy"]),
    (":count", &["relational"]),
    (":create", &["mailbox"]),
    (":detail", &["subaddress"]),
    (":flags", FLAGS),
    (":list", &["extlists"]),
    (":regex", &["regex"]),
    (":user", &["subaddress"]),
    (":value", &["relational"]),
];

impl Lowering<'_> {
    /// Reports which extensions a script uses and does not require.
    pub(super) fn report_missing(&mut self, nodes: &[Node]) {
        let (mut required, mut used) = (BTreeSet::new(), Vec::new());
        collect(nodes, &mut required, &mut used);
        let missing: BTreeSet<String> = used
            .into_iter()
            .filter(|(_, any)| !any.iter().any(|name| required.contains(*name)))
            .map(|(word, _)| format!("`{word}`"))
            .collect();
        let mut commands = nodes.iter().filter(|node| !node.name.is_empty());
        let is_require = |node: &&Node| node.name == "require";
        if commands.by_ref().any(|node| !is_require(&node))
            && commands.any(|node| is_require(&node))
        {
            self.draft.note("a `require` after other commands: a server refuses this script");
        }
        if !missing.is_empty() {
            let words = missing.into_iter().collect::<Vec<_>>().join(", ");
            self.draft.note(format!(
                "{words} without `require`: a server refuses this script and runs none of it"
            ));
        }
    }
}

/// What is required, and which words of extensions occur.
fn collect(nodes: &[Node], required: &mut BTreeSet<String>, used: &mut Vec<ExtensionWord>) {
    for node in nodes {
        let find = |all: &[ExtensionWord], word: &str| {
            all.iter().copied().find(|(name, _)| name.trim_start_matches(':') == word)
        };
        used.extend(find(&WORDS, &node.name));
        for argument in &node.arguments {
            match argument {
                Argument::Strings(names) if node.name == "require" => {
                    required.extend(names.iter().map(|name| name.to_ascii_lowercase()));
                }
                Argument::Tag(tag) => used.extend(find(&TAGS, tag)),
                _ => {}
            }
        }
        collect(&node.tests, required, used);
        collect(node.block.as_deref().unwrap_or_default(), required, used);
    }
}
