//! Messages, help and notices in Japanese: none lacks its translation, none is unused,
//! and what people see is right.

#![allow(clippy::print_stderr, reason = "what was skipped is told")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use mfilter::rules::explanation::codes;
use polib::po_file::parse_from_reader;
use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::support::{Home, run, skipped};

const JAPANESE: (&str, &str) = ("LANG", "ja_JP.UTF-8");
const PYTHON: &str = "/usr/bin/python3";

/// Files whose strings are all messages about mistakes: text in quotes there is for people,
/// even a single word.
const WORDINGS: [&str; 3] = ["src/rules/mistake", "src/syntax/mistake.rs", "src/cli/setup.rs"];

/// Files with sentences and phrases for people, of several words.
const PHRASES: [&str; 63] = [
    "src/rules/actions",
    "src/rules/check",
    "src/rules/list_entry.rs",
    "src/rules/confined.rs",
    "src/rules/pattern.rs",
    "src/syntax/words.rs",
    "src/syntax/diagnose/mod.rs",
    "src/syntax/diagnose/opening.rs",
    "src/syntax/diagnose/sign.rs",
    "src/syntax/diagnose/suggestion.rs",
    "src/syntax/diagnose/word.rs",
    "src/syntax/decode.rs",
    "src/syntax/parse/mod.rs",
    "src/mistakes.rs",
    "src/contacts/vcard.rs",
    "src/load/script.rs",
    "src/deliver/notice.rs",
    "src/file",
    "src/cli/usage.rs",
    "src/setup",
    "src/cli/test.rs",
    "src/cli/why",
    "src/cli/stats.rs",
    "src/cli/current_rules.rs",
    "src/report",
    "src/evaluate",
    "src/world/folders.rs",
    "src/classify",
    "src/message",
    "src/import",
    "src/cli/move_lock.rs",
    "src/cli/expire.rs",
    "src/cli/history.rs",
    "src/cli/fmt.rs",
    "src/cli/import.rs",
    "src/cli/import_judge.rs",
    "src/cli/isp_filter.rs",
    "src/cli/import_mail.rs",
    "src/cli/import_try.rs",
    "src/cli/judge.rs",
    "src/cli/learn.rs",
    "src/cli/learner.rs",
    "src/cli/lmtp.rs",
    "src/cli/managesieve.rs",
    "src/cli/mod.rs",
    "src/cli/output.rs",
    "src/cli/progress.rs",
    "src/cli/report_bug.rs",
    "src/cli/screener.rs",
    "src/cli/sort.rs",
    "src/cli/state.rs",
    "src/cli/suggest.rs",
    "src/cli/trust.rs",
    "src/cli/undo.rs",
    "src/cli/watch",
    "src/lmtp/account_user.rs",
    "src/lmtp/accounts",
    "src/lmtp/config.rs",
    "src/lmtp/listen.rs",
    "src/lmtp/readiness.rs",
    "src/lmtp/settings.rs",
    "src/hand_over/mod.rs",
    "src/mailbox",
];

/// Files in them with nothing for people: words that are looked for in mail, text that is
/// written into mail or rules, and names of folders.
const NO_PHRASES: [&str; 20] = [
    "src/classify/words",
    "src/classify/received",
    "src/classify/bounce/free_form.rs",
    "src/classify/bounce/mention.rs",
    "src/classify/domain_report.rs",
    "src/classify/list_name.rs",
    "src/classify/magic.rs",
    "src/classify/testing.rs",
    "src/classify/virus_warning.rs",
    "src/evaluate/habits.rs",
    "src/evaluate/site.rs",
    "src/message/html",
    "src/message/date.rs",
    "src/message/mime",
    "src/mailbox/dovecot_conf.rs",
    "src/mailbox/special_use.rs",
    "src/import/print.rs",
    "src/import/testing.rs",
    "src/import/trial.rs",
    "src/import/maildrop/trial.rs",
];

/// Text in them that is not for people: the language of rules itself, and the text of
/// mail and the log.
const NOT_FOR_PEOPLE: &[&str] = &[
    // The rule that `mfilter suggest` prints.
    "when {} -> folder {}",
    // The start of a pattern of procmail's.
    "^from ",
    "or",
    "all {:?}",
    "any {:?}",
    "not {}",
    "in {field} {:?}",
    "in {field} {list}",
    "folder of {}",
    "folder {} {name:?}",
    "exec \"$0\" \"$@\" </dev/null",
    "5.7.1 not wanted",
    "4.3.0 try again",
    "# todo import",
    "mark flagged",
    "mark seen",
    "unmark seen",
    "set layout {layout}",
    "set timezone {}",
    "{timezone}include sieve {quoted} separator \"{}\" prefix {}",
    "it wants to ",
    "has date",
    "header.",
    "has {}",
    "has {name}",
    "has {variable}",
    "not has {name}",
    "when {}",
    "as {flag}",
    "define {name} =",
    "By `",
    "when from is {} -> {}",
    "list-id {operator} …",
    "raw-headers matches /^{name}:.*…/",
    "set layout maildir++",
    "folder {}",
    "copy {}",
    "{} as {written}",
    "as {word}",
    "folder \"Trash\"",
    "folder \"Junk\"",
    "folder \"Archive\"",
    "unmark flagged",
    "has attachments",
    "weekday is [saturday, sunday]",
    "quota",
    "FIELD {written} …",
    "define {} = …",
    "forward {value}",
    "folder {value}",
    "header {value}",
    "list {name}",
    "copy {}, folder {value}",
    "address ",
    "address {}",
    " of first",
    "duplicate of {} within {within}{first}",
    "expire {} after {}",
    "list {uri}:{plain}",
    "Rule name:",
    "filter name:",
    "the filters cannot be read now: {why}",
    "the last valid filters are used, because the current ones cannot be read now: {why}",
    "filters are not in use: {first}",
    "the message is in the inbox without rules, because it made earlier deliveries crash",
    "From: mfilter <{address}>",
    "To: <{address}>",
    "Subject: {subject}",
    "Date: {date}",
    "MIME-Version: 1.0",
    "Message-ID: <{}.{}@{host}>",
    "Content-Type: text/plain; charset=UTF-8",
    "Auto-Submitted: auto-generated",
    "Content-Transfer-Encoding: 8bit",
    // Headers as they are, and what is looked for in mail.
    "Auto-Submitted: {auto_submitted}",
    "Delivered-To: {delivered}",
    "Delivered-To: {}",
    "List-Post: {post}",
    "Precedence: {precedence}",
    "Precedence: list",
    "To: {to}",
    "To: Multiple recipients of ",
    "X-Autogenerated: Reply",
    "X-MS-Exchange-Generated-Message-Source: {source}",
    "multipart/report; report-type={kind}",
    "multipart/report; report-type=delivery-status",
    "multipart/signed; protocol={protocol}",
    "{media_type}; smime-type={smime_type}",
    "{header} is {}",
    "-----BEGIN PGP MESSAGE-----",
    "-----BEGIN PGP SIGNED MESSAGE-----",
    "domain of ",
    "helo ",
    "ehlo ",
    "mailing list ",
    "multiple recipients of ",
    "From ",
    ">From ",
    "found to be infected",
    "add header",
    "rewrite subject",
    ": true",
    "git send-email",
    "git format-patch",
    "Mercurial's patchbomb",
    // Names in JSON, too, and numbers with their unit.
    "standard input",
    "(null sender)",
    "filter {}",
    "Auto: {original}",
    "{} more",
    "  {} ms",
    "{:>9} ms {} ({times})",
    "{:>9} ms {}",
    // What to type, and the text of files.
    "/usr/bin/mfilter",
    "{} watch",
    "ExecStart={} ",
    "ExecStart=/usr/bin/mfilter ",
    "set maildir",
    "set maildir {}",
    "set inbox {}",
    "set maildir \"…\"",
    "set layout fs",
    "set folder-names utf8",
    "set subscribe on",
    "# Where your mail is.",
    "mfilter check",
    "mfilter setup",
    "mfilter --test MESSAGE",
    "mfilter why MESSAGE",
    "mfilter import {word} ~/{file} -o ~/.mailrules",
    "mfilter import {word} ~/{file} --try ~/Maildir | less",
    "mfilter import mbox {}",
    "mfilter import mbox {} --folder INBOX",
    "ls -l ~/.mailrules",
    "echo 'mail_location = maildir:~/Maildir' > /etc/dovecot/conf.d/99-maildir.conf",
    "printf 'mail_driver = maildir\\nmail_path = ~/Maildir\\nmail_inbox_path = ~/Maildir\\n' > \
     /etc/dovecot/conf.d/99-maildir.conf",
    "doveadm reload",
    "echo \"Subject: hello\" | /usr/sbin/sendmail \"$USER\"",
    "postconf -e 'mailbox_command = {}'",
    "systemctl --user enable --now mfilter-watch",
    "loginctl enable-linger",
    "\"|test -x {program} || exit 75; exec {program}\"",
    "\"|test -x {program} || exit 75; HOME={home} exec {program}\"",
    "type = MDA_external",
    "path = {program}",
    "arguments = (\"-f\", \"%(sender)\")",
    "delivery mda \"{program}\"",
    "received_header off",
    "mda \"{program}\"",
    // What is read in the files of others.
    "IFS=' '",
    "exec ",
    "exit 75",
    // Words of the rules and of results in JSON, text of the log and of files.
    " as {flags}",
    "log {text}",
    "no {action}",
    "no {}: {}",
    "not done",
    "taken back",
    "program {name}",
    "program ",
    "the socket that is standard input",
    "a port",
    "getent: {why}",
    "getent: {error}",
    "getent passwd: {status}",
    "dropped, the file gives its locks back",
    "written to",
    "who wrote",
    "# The messages in {path}; kept by mfilter.",
    "# Everyone {what}, by the mail in {path}; kept by mfilter.",
    "mfilter: {}",
    "mfilter {} ({}-{})",
    "listening at {}",
    "listening at {place}",
    "listening at {listening} for {}",
    "taken back, learned {}: {text}",
    "what was learned is not remembered for --undo: {error}",
    "what is to be done cannot be noted: {error}",
    "where it was put cannot be noted: {error}",
    "what has been done cannot be recorded: {error}",
    // To a client of ManageSieve, whose language is not known.
    "line {}: ",
    // What `report-bug` prints for those who work on mfilter.
    "The message, with letters and digits replaced:",
    "  rules         none",
    "  rules         ~/.mailrules {why}",
    "  rules         ~/.mailrules, {}",
    // What other programs are given, and what they print.
    "mail_home = {home}",
    "mail_location = maildir:{home}/Maildir",
    "log_path = /dev/stderr",
    "final result: success",
    "store message in folder: ",
    "redirect message to: ",
    "+ add IMAP flags: ",
    // Where two programs put a message, compared.
    "to {to}",
    "to {}",
    "a program",
    "    mfilter:  {own}",
    // What an import writes into rules, and what it looks for.
    "Made of {name} by mfilter import {language}.",
    "# The entries of {uri}, one a line.",
    "# The addresses of {book}, one a line.",
    "has {field}",
    "has keyword",
    "has rc-done-",
    "env {}",
    "header ",
    "address \"Delivered-To\"",
    "address \"Resent-To\"",
    "address \"Resent-Cc\"",
    "4.3.0 try again later",
    "4.3.0 a filter failed",
    "5.0.0 not delivered",
    "5.1.1 there is no such user",
    "MATCH ??",
    "^From ",
    "from ",
    "if (/",
    "if ( /",
    " \tABCDEHDabcefhirwW:.-_/0123456789$",
    "formail -r",
    "formail\" -r",
    "formail -f {option} \"Lines: $((n))\"",
    "sed '/^$/q'",
    "sed '1,/^$/d'",
    "n=$(sed '1,/^$/d' \"$m\" | wc -l)",
    "m=$(mktemp) && trap 'rm \"$m\"' 0 && trap 'exit 1' 15 && cat >\"$m\"",
    "{KEPT_IN_FILE} || exit; {commands}; exit $s",
    "{KEPT_IN_FILE} || {}; {commands}; exit $s",
    "{{ printf '%s: yes\\n\\n' {UNASKED}; exit; }}",
    "{headers}; printf '%s:\\n' {END}; {message}; s=$?",
    "cat \"$m\"",
    "4.3.0 no room for the message",
    "h=$(mktemp) && trap 'rm \"$m\" \"$h\"' 0",
    "{KEPT} && {HEADER} \"$m\" >\"$h\" && {} <\"$h\"; s=$?; {BODY} \"$m\" || s=1",
    "{KEPT} && {BODY} \"$m\" >\"$h\" && {HEADER} \"$m\" && {} <\"$h\"; s=$?",
    "{HEADER} | {}",
    "{BODY} | {}",
    "{{ {command}{end} }}",
    "{} >/dev/null; s=$?; cat \"$m\" || s=1",
    "sed '/^$/q' \"$m\" | \"$0\" \"$@\"",
    "sed '1,/^$/d' \"$m\" | \"$0\" \"$@\"",
    "printf '%s: %s\\n' {PRINTED} \"$({} | head -n 1)\"",
    "printf %s \"$p\" | head -n 1",
    "[ $s != 0 ] || printf %s \"$p\" | tr '\\n' ' '",
    "p=$({}); s=$?; printf '%s: %s\\n' {STATUS} $s {PRINTED} \"$({value})\"",
    "{} >/dev/null; printf '%s: %s\\n' {STATUS} $?",
    "o=$(mktemp) && trap 'rm \"$m\" \"$o\"' 0 && s=$({{ {{ {}; echo $? >&3; }} | cat >\"$o\"; }} \
     3>&1) || {}; printf '%s: %s\\n' {STATUS} \"$s\"",
    "if [ \"$s\" = 0 ] && [ -s \"$o\" ]; then cat \"$o\"; else cat \"$m\"; fi",
    "cd \"{directory}\" 2>/dev/null; ",
    "env ",
    "has {kept}",
    "{count}; if [ \"$n\" -gt 0 ]; then {add}; else cat; fi",
    "Move to folder",
    "Stop execution",
];

/// Where texts come from that are not in our own source.
const FOREIGN: [&str; 4] = ["clap", "jiff", "regex-syntax", "strerror(3)"];

/// A string in the source.
struct Literal {
    text: String,
    /// What it is an argument of, `format!`, and which one.
    call: String,
    argument: usize,
    /// The character before it and the one after it.
    around: [String; 2],
}

impl Literal {
    /// What is said if this could not be done.
    fn failure(&self) -> Option<String> {
        let is_one = self.call == "Failure::new" && self.argument == 0;
        is_one.then(|| format!("cannot {} `{{}}`: {{why}}", self.text))
    }

    fn is_format(&self) -> bool {
        let first = match self.call.as_str() {
            "format!" => 0,
            "write!" | "writeln!" => 1,
            _ => return false,
        };
        self.argument == first
    }

    /// Whether it is a pattern, the code of a mistake, or for those who work on mfilter.
    fn is_internal(&self) -> bool {
        let [before, behind] = self.around.each_ref().map(String::as_str);
        let is_code = matches!(self.call.as_str(), "error" | "warning" | "severe" | "word");
        is_code && self.argument == 0 && !self.text.contains(' ')
            || self.call == "expect"
            || self.call == "matches!" && self.argument > 0
            || matches!(behind, "=>" | "|")
            || matches!(before, "|" | "==" | "!=")
    }
}

/// The strings of a source, and its doc comments joined as clap joins them; strings only
/// for tests are left out.
fn literals(path: &Path) -> (Vec<Literal>, Vec<String>) {
    let source = fs::read_to_string(path).expect("UTF-8");
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let stream: TokenStream = source.parse().unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let (mut found, mut comments) = (Vec::new(), Vec::new());
    walk(stream, "", &mut found, &mut comments);
    (found, comments)
}

fn walk(stream: TokenStream, call: &str, found: &mut Vec<Literal>, comments: &mut Vec<String>) {
    let tokens: Vec<TokenTree> = stream.into_iter().collect();
    let sign = |at: Option<usize>| match at.and_then(|at| tokens.get(at)) {
        Some(TokenTree::Punct(punct)) => punct.as_char().to_string(),
        _ => String::new(),
    };
    let name = |at: usize| match tokens.get(at) {
        Some(TokenTree::Ident(ident)) => ident.to_string(),
        _ => String::new(),
    };
    let mut argument = 0;
    let mut comment: Vec<String> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let before = [at.checked_sub(2), at.checked_sub(1)].map(sign);
        match token {
            // What a file is about, and which lints it allows.
            TokenTree::Group(_) if before.concat() == "#!" => {}
            TokenTree::Group(group) if before[1] == "#" => {
                let mut inside = group.stream().into_iter();
                let is_doc = inside.next().is_some_and(|first| first.to_string() == "doc");
                match inside.nth(1).and_then(|text| string(&text)).filter(|_| is_doc) {
                    Some(line) => comment.push(line.trim().to_owned()),
                    // `#[command(about = "…")]`
                    None => walk(group.stream(), "#", found, comments),
                }
            }
            TokenTree::Group(group) => {
                let call = match (before[1].as_str(), at) {
                    ("!", 2..) => format!("{}!", name(at - 2)),
                    (_, 4..) if name(at - 4) == "Failure" => "Failure::new".to_owned(),
                    (_, 1..) => name(at - 1),
                    _ => String::new(),
                };
                let call = if group.delimiter() == Delimiter::Brace { "" } else { &call };
                walk(group.stream(), call, found, comments);
            }
            TokenTree::Punct(punct) if punct.as_char() == ',' => argument += 1,
            TokenTree::Literal(_) => {
                let Some(text) = string(token) else { continue };
                let behind = [at + 1, at + 2].map(|at| sign(Some(at)));
                let around = [before.concat(), behind.concat()];
                let around = around.map(|signs| signs.trim_end_matches(['#', '&']).to_owned());
                found.push(Literal { text, call: call.to_owned(), argument, around });
            }
            _ => {}
        }
        if !matches!(token, TokenTree::Punct(punct) if punct.as_char() == '#')
            && !is_attribute(token)
        {
            comments.extend(paragraphs(&std::mem::take(&mut comment)));
        }
    }
}

fn is_attribute(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket)
}

/// Lines of a comment as clap has them: without the full stop.
fn paragraphs(lines: &[String]) -> Option<String> {
    let text = lines.join(" ");
    (!lines.is_empty()).then(|| text.trim_end_matches('.').to_owned())
}

fn string(token: &TokenTree) -> Option<String> {
    let literal = syn::parse_str::<syn::LitStr>(&token.to_string()).ok()?;
    Some(literal.value())
}

/// Whether there are words in it besides code and placeholders.
fn has_words(text: &str, is_format: bool) -> bool {
    let mut outside = String::new();
    let mut depth = 0;
    for c in text.chars() {
        depth += i32::from(c == '{' && is_format);
        if depth == 0 || !is_format {
            outside.push(c);
        }
        depth -= i32::from(c == '}' && is_format);
    }
    let outside: Vec<&str> = outside.split('`').step_by(2).collect();
    // Lists of code are translated by their separators.
    let outside: String =
        outside.into_iter().filter(|text| ![" or ", " and "].contains(text)).collect();
    outside.as_bytes().windows(2).any(|two| two.iter().all(u8::is_ascii_alphabetic))
}

/// The source files below these paths.
fn sources(roots: &[&str]) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut left: Vec<PathBuf> = roots.iter().map(|path| root.join(path)).collect();
    let mut found = Vec::new();
    while let Some(path) = left.pop() {
        if path.ends_with("tests") {
            continue;
        }
        if path.is_dir() {
            left.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|ending| ending == "rs")
            && !path.ends_with("tests.rs")
            && !path.ends_with("properties.rs")
        {
            found.push(path);
        }
    }
    assert!(!found.is_empty(), "{roots:?}");
    found.sort();
    found
}

/// The entries of the catalogue: text, whether it is a template, where it comes from.
fn catalogue() -> Vec<(String, bool, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("po/ja.po");
    let messages = parse_from_reader(fs::File::open(path).unwrap()).unwrap();
    let each = messages.messages().map(|message| {
        let is_format = message.flags().contains("rust-format");
        (message.msgid().to_owned(), is_format, message.source().to_owned())
    });
    each.collect()
}

#[test]
fn no_message_lacks_its_translation() {
    let known: BTreeSet<(String, bool)> =
        catalogue().into_iter().map(|(text, is_format, _)| (text, is_format)).collect();
    let mut lacking = Vec::new();
    let mut needed = 0;
    let mut need = |path: &Path, literal: &Literal, single: bool| {
        let failure = literal.failure();
        let text = failure.as_ref().unwrap_or(&literal.text);
        // A text of several lines is translated line by line.
        for line in text.lines() {
            let is_code = !line.contains(' ') && line.contains('-') && !line.contains('`');
            let is_format = literal.is_format() || failure.is_some();
            if !has_words(line, is_format)
                || literal.is_internal()
                || NOT_FOR_PEOPLE.contains(&line)
                || !line.contains(' ') && (!single || is_code)
                // Of a page: what is in quotes there is markup.
                || line.starts_with('<')
                || line.starts_with(":root{")
            {
                continue;
            }
            needed += 1;
            if !known.contains(&(line.to_owned(), is_format)) {
                let flag = if is_format { "#, rust-format\n" } else { "" };
                let root = env!("CARGO_MANIFEST_DIR");
                let path = path.strip_prefix(root).unwrap_or(path).display();
                lacking.push(format!("#: {path}\n{flag}msgid {line:?}\nmsgstr \"\"\n"));
            }
        }
    };
    for path in sources(&WORDINGS) {
        literals(&path).0.iter().for_each(|literal| need(&path, literal, true));
    }
    let none = sources(&NO_PHRASES);
    for path in sources(&PHRASES).into_iter().filter(|path| !none.contains(path)) {
        literals(&path).0.iter().for_each(|literal| need(&path, literal, false));
    }
    for path in sources(&["src"]) {
        for literal in &literals(&path).0 {
            let is_said = match literal.call.as_str() {
                "say" | "translated" | "wrong_value" => !path.ends_with("testing.rs"),
                "Failure::new" => literal.argument == 0,
                // How an action is used.
                "new" => literal.argument == 1 && path.to_str().unwrap().contains("/actions/"),
                // What a kind of field is called.
                "" => path.ends_with("rules/field.rs") && literal.around[0] == "=>",
                _ => false,
            };
            if is_said {
                need(&path, literal, literal.call != "new");
            }
        }
    }
    assert!(needed > 650, "only {needed} texts are found");
    assert!(lacking.is_empty(), "po/ja.po lacks:\n\n{}", lacking.join("\n"));
}

/// Those of a filter are printed together, with this separator between them.
#[test]
fn no_reason_contains_the_separator_of_reasons() {
    for path in sources(&["src/import/sieve"]) {
        for Literal { text, call, .. } in literals(&path).0 {
            let is_note = matches!(call.as_str(), "note" | "remark")
                || text.starts_with("`{separator}` is assumed");
            let is_reason = text.contains("; ") && has_words(&text, true) && !is_note;
            assert!(!is_reason || NOT_FOR_PEOPLE.contains(&text.as_str()), "{text}");
        }
    }
}

#[test]
fn no_translation_is_left_over() {
    let mut texts = BTreeSet::new();
    for path in sources(&["src"]) {
        let (literals, comments) = literals(&path);
        for literal in literals {
            texts.extend(literal.failure());
            texts.extend(literal.text.lines().map(str::to_owned));
            texts.insert(literal.text);
        }
        texts.extend(comments);
    }
    // Text after `it wants to`, between the members of a list, and things counted.
    let parts = ["send a notification", "{} or {}", "{} and {}", "{}, {}", "{}; {}"];
    texts.extend(parts.map(str::to_owned));
    let counted =
        ["1 message", "{} messages", "1 address", "{} addresses", "1 line", "{} lines", "lines"];
    texts.extend(counted.map(str::to_owned));
    let mut left = catalogue();
    left.retain(|(text, _, source)| !texts.contains(text) && !FOREIGN.contains(&source.trim()));
    assert!(left.is_empty(), "nothing says: {left:#?}");
}

/// The words in a drawing: messages, labels, hints.
fn words_of(line: &str) -> Option<&str> {
    let line = line.trim_start();
    if line.starts_with("エラー[") || line.starts_with("警告[") {
        return line.split_once("]: ").map(|(_, message)| message);
    }
    if let Some(hint) = line.strip_prefix("= ヒント: ") {
        return Some(hint);
    }
    let (number, label) = line.split_once('|')?;
    let label = label.trim_start_matches([' ', '|', '_']);
    let is_label = number.trim().is_empty() && label.starts_with(['^', '-']);
    is_label.then(|| label.trim_start_matches(['^', '-', '_']).trim()).filter(|it| !it.is_empty())
}

/// Whether two English words are next to each other, outside code.
fn is_english(text: &str) -> bool {
    let outside: Vec<&str> = text.split('`').step_by(2).collect();
    let outside = outside.join(" ` ");
    let words: Vec<&str> = outside.split(' ').collect();
    let is_word = |word: &str| word.len() > 1 && word.bytes().all(|b| b.is_ascii_lowercase());
    words.windows(2).any(|two| two.iter().all(|word| is_word(word)))
}

/// Part of each of these messages is in another language than ours, that of the rules
/// themselves.
const IN_ENGLISH: [&str; 2] = ["[untranslated]", "[expectation-failed]"];

/// The words of a drawing that are not translated.
fn english<'d>(drawing: &'d str, seen: &mut usize) -> Vec<&'d str> {
    let mut found = Vec::new();
    for line in drawing.lines().filter(|line| !IN_ENGLISH.iter().any(|code| line.contains(code))) {
        let words = words_of(line);
        *seen += usize::from(words.is_some());
        found.extend(words.filter(|words| is_english(words)));
    }
    found
}

#[test]
fn what_check_says_of_examples_and_cases_is_japanese() {
    let home = Home::new();
    let (mut wrong, mut seen) = (Vec::new(), 0);
    let answer = |arguments: &[&str], directory: &Path| {
        let mut command = home.command(arguments);
        command.envs([JAPANESE]).current_dir(directory);
        run(command, b"").stdout
    };
    for code in codes() {
        let answer = answer(&["explain", code], home.path());
        let answer = answer.split("\n修正後:").next().unwrap_or_default();
        let answer = answer.split("\n例:").nth(1).unwrap_or_default();
        wrong.extend(english(answer, &mut seen).iter().map(|words| format!("{code}: {words}")));
    }
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    for case in fs::read_dir(cases).unwrap().map(|entry| entry.unwrap().path()) {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("mistake-") && case.join("rules").exists() {
            let answer = answer(&["check", "rules"], &case);
            wrong
                .extend(english(&answer, &mut seen).iter().map(|words| format!("{name}: {words}")));
        }
    }
    assert!(seen > 600, "only {seen} texts were looked at");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Everything a script can ask for that is impossible: all cases of the importer's tests.
#[test]
fn what_check_says_of_scripts_is_japanese() {
    let home = Home::new();
    let (mut wrong, mut seen) = (Vec::new(), 0);
    let mut look = |script: &str| {
        home.write("x.sieve", script);
        let mut command = home.command(&["check", "--sieve", "x.sieve"]);
        command.envs([JAPANESE]).current_dir(home.path());
        let answer = run(command, b"").stdout;
        let answer = english(&answer, &mut seen).into_iter().map(str::to_owned).collect::<Vec<_>>();
        wrong.extend(answer);
    };
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import/sieve");
    for file in fs::read_dir(examples).unwrap().map(|entry| entry.unwrap().path()) {
        if file.extension().is_some_and(|ending| ending == "sieve") {
            look(&fs::read_to_string(file).unwrap());
        }
    }
    const ALL: &str = "require [\"fileinto\", \"body\", \"regex\", \"date\", \"variables\", \
        \"relational\", \"index\", \"editheader\", \"reject\", \"imap4flags\", \"copy\"];\n";
    for statement in SCRIPTS {
        look(&format!("{ALL}# rule:[x]\n{statement}\n"));
    }
    assert!(seen > 80, "only {seen} texts were looked at");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const SCRIPTS: [&str; 31] = [
    "if body :raw :contains \"a\" { keep; }",
    "if body :content [\"text/html\", \"image/png\"] :contains \"a\" { keep; }",
    "if body :content \"text/html\" :contains \"a\" { keep; }",
    "if header :count \"ge\" \"to\" \"3\" { keep; }",
    "if header :regex \"subject\" \"(?:a)\" { keep; }",
    "if header :regex \"subject\" \"(a\" { keep; }",
    "if header :regex \"subject\" \"[a\" { keep; }",
    "if address :regex \"from\" \"a^b\" { keep; }",
    "if header :value \"gt\" \"subject\" \"a\" { keep; }",
    "if header :value \"xx\" \"subject\" \"a\" { keep; }",
    "if header :is \"subject\" \"a  b\" { keep; }",
    "if header :comparator \"i;x\" \"subject\" \"a\" { keep; }",
    "if size { keep; }",
    "if not { keep; }",
    "if specialuse_exists \"\\\\Junk\" { keep; }",
    "if allof (header :matches \"subject\" \"*\", mailboxexists \"${1}\") { keep; }",
    "if envelope \"auth\" \"a\" { keep; }",
    "if date \"x-date\" \"hour\" \"1\" { keep; }",
    "if currentdate :is \"hour\" \"x\" { keep; }",
    "if currentdate :value \"ge\" \"date\" \"x\" { keep; }",
    "fileinto \"a/b\";",
    "fileinto \"a..b\";",
    "fileinto \"${0}\";",
    "redirect \"nobody\";",
    "reject \"\";",
    "vacation \"x\" \"y\";",
    "addflag \"a b(\";",
    "set :x \"a\" \"b\";",
    "fileinto :copy \"A\"; fileinto \"A\"; addheader \"\" \"x\";",
    "if true { keep",
    "keep } elsif",
];

/// What decides in the messages of the cases, and the notes on them.
#[test]
fn what_a_test_says_of_the_cases_is_japanese() {
    let home = Home::new();
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let (mut wrong, mut seen) = (BTreeSet::new(), 0);
    for case in fs::read_dir(cases).unwrap().map(|entry| entry.unwrap().path()) {
        if !case.join("message.eml").exists() {
            continue;
        }
        let answer = |locale: (&str, &str), more: &[&str]| {
            let arguments = ["--test", "--rules", "rules", "message.eml"];
            let mut command = home.command(&[&arguments, more].concat());
            command.envs([locale]).current_dir(&case);
            run(command, b"").stdout
        };
        let report = answer(("LANG", "C"), &["--json"]);
        let Ok(report) = serde_json::from_str::<serde_json::Value>(&report) else { continue };
        let rules = report["trace"].as_array().unwrap().iter();
        let tests = rules.flat_map(|rule| rule["tests"].as_array().unwrap());
        let reasons = tests.map(|test| test["why"].as_str().unwrap());
        let notes = report["warnings"].as_array().unwrap().iter();
        let japanese = answer(JAPANESE, &[]);
        for text in reasons.chain(notes.map(|note| note.as_str().unwrap())) {
            let outside: String = text.split('"').step_by(2).collect();
            if is_english(&outside) {
                seen += 1;
                if japanese.contains(text) {
                    wrong.insert(text.to_owned());
                }
            }
        }
    }
    assert!(seen > 60, "only {seen} texts were looked at");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_test_of_a_message_is_japanese_but_for_rules_and_values() {
    let home = Home::with_rules(
        "set me [\"taro@example.jp\"]\n\
         when bulk and subject contains \"unknown\" {\n    \
         rule \"店\" when size > 10 -> copy \"Shop\"\n}\n\
         when dmarc is pass -> discard\nreply \"a.txt\"\n",
    );
    home.write("a.txt", "Subject: a\n\nb\n");
    let results = "Authentication-Results: mx.example.jp; dmarc=pass";
    let message = format!(
        "Return-Path: <x@b.example>\nDelivered-To: taro@example.jp\n{results}\n\
         From: 花子 <a@b.example>\nTo: taro@example.jp\nSubject: unknown\n\
         Precedence: bulk\nMessage-ID: <q@b.example>\n\nx\n"
    );
    home.write("m.eml", &message);
    let japanese = |arguments: &[&str], input: &[u8]| {
        let mut command = home.command(arguments);
        command.envs([JAPANESE]).current_dir(home.path());
        let run = run(command, input);
        assert_eq!(run.code, Some(0), "{run:?}");
        run.stdout
    };
    let answer = japanese(&["--test", "-v", "m.eml"], b"");
    let expected = format!(
        "\
m.eml
  差出人   花子 <a@b.example>
  件名     unknown
  エンベロープ <x@b.example> 宛先 taro@example.jp
  一致      2  when bulk and subject contains \"unknown\"
               + bulk: Precedence: bulk
               + subject contains \"unknown\": \"unknown\"
  一致      3    rule \"店\" when size > 10 -> copy \"Shop\"
                 + {} バイト
  不一致    5  when dmarc is pass -> discard
               - 空か、ありません。無視: {results}: `mx.example.jp` は信用していません
  => copy \"Shop\"  (3 行目、ルール \"店\")
  => `reply` はしません: 大量配信のメールです（Precedence）  (6 行目)
  => inbox  (ルールの終わり)
",
        message.len()
    );
    assert_eq!(answer, expected);
    // The log is in English, and what is shown of it is not.
    japanese(&[], message.as_bytes());
    let log = fs::read_to_string(home.path().join(".local/state/mfilter/log")).unwrap();
    assert!(log.contains(" note text=\"no reply: it is mass mail (Precedence)\" rule="), "{log}");
    let why = japanese(&["why", "q@b.example"], b"");
    for part in [
        " 注意  テキスト \"`reply` はしません: 大量配信のメールです（Precedence）\"  ルール \"",
        " 配送  フォルダー \"INBOX\"  ファイル \"",
        "\n  ファイル /",
        " の版（今も有効）\n",
        "\n現在のルールでも同じ結果になります\n",
    ] {
        assert!(why.contains(part), "{part}: {why}");
    }
    assert_eq!(why.matches("  => copy \"Shop\"  (3 行目、ルール \"店\")\n").count(), 1, "{why}");
    let stats = japanese(&["stats"], b"");
    for part in [
        "\n      1 配送\n      1 注意\n",
        "\n   着信    移出 7 日間の増減 1 日平均  フォルダー\n      1       0           +1      1.0  INBOX\n",
        "\n      通  ルール別\n       1  ",
        "\nこの期間に一度も適用されなかったルール\n  ",
        "\n1 通の処理時間: 中央値 ",
    ] {
        assert!(stats.contains(part), "{part}: {stats}");
    }
    for arguments in [&["--test", "--json", "m.eml"][..], &["inspect", "--json", "m.eml"]] {
        let mut command = home.command(arguments);
        command.current_dir(home.path());
        let english = run(command, b"").stdout;
        let now = ["\"now\"", "\"time\"", "age"];
        let stays = |text: &str| !now.iter().any(|name| text.contains(name));
        let parts = |text: &str| -> Vec<String> {
            text.split(',').filter(|text| stays(text)).map(str::to_owned).collect()
        };
        assert_eq!(parts(&japanese(arguments, b"")), parts(&english));
    }
}

/// What the commands that move mail and learn say, in Japanese. What other programs and the
/// user wrote stays: paths, folders, rules, subjects.
#[test]
fn what_is_done_with_mail_is_shown_in_japanese() {
    let home = Home::with_rules(
        "list known \"~/known\"\nwhen subject is \"a\" -> folder \"Lists\"\n\
         rule \"急ぎ\" when subject contains \"急ぎ\" -> inbox as flagged\n\
         when subject is \"no\" -> discard\non moved to \"Lists\" -> add from to known\n\
         expire \"Lists\" after 1s -> folder \"Old\"\n",
    );
    for (number, subject) in ["a", "急ぎの件", "no", "b"].iter().enumerate() {
        let message = format!("From: a{number}@b.example\nSubject: {subject}\n\nx\n");
        home.write(&format!("Maildir/cur/{number}.x:2,"), &message);
    }
    fs::create_dir_all(home.path().join("Maildir/.Lists/cur")).unwrap();
    let answer = |arguments: &[&str], locale: (&str, &str), code: i32| {
        let mut command = home.command(arguments);
        command.envs([locale]).current_dir(home.path());
        let run = run(command, b"");
        assert_eq!(run.code, Some(code), "{run:?}");
        run.stderr + &run.stdout
    };
    let japanese = |arguments: &[&str], code: i32, expected: &str| {
        assert_eq!(answer(arguments, JAPANESE, code), expected, "{arguments:?}");
    };
    let english = answer(&["sort", "--dry-run"], ("LANG", "C"), 0);
    japanese(
        &["sort", "--dry-run"],
        0,
        "INBOX -> Lists  (2 行目)  cur/0.x:2,  a\n\
         INBOX -> INBOX as flagged  (3 行目、ルール \"急ぎ\")  cur/1.x:2,  急ぎの件\n      \
         4 通（何も変更していません）\n      1 INBOX（移さずにフラグだけ）\n      \
         1 INBOX -> Lists\n      1 通はすでに正しいフォルダーにあります\n      \
         1 通はそのままです（ルールの求める動作を、過去のメールには行いません）\n      \
         1 通では discard を省きました: 過去のメールは破棄しません\n",
    );
    assert_eq!(answer(&["sort", "--dry-run"], ("LANG", "C"), 0), english);
    assert!(english.contains("      4 messages; nothing was changed\n"), "{english}");
    let json = |locale| answer(&["sort", "--dry-run", "--json"], locale, 0);
    assert_eq!(json(JAPANESE), json(("LANG", "C")));
    answer(&["sort"], JAPANESE, 0);
    japanese(&["sort", "--undo"], 0, "      2 通を移していました\n      2 通を元に戻しました\n");
    japanese(&["sort", "--undo"], 1, "mfilter: 元に戻せる実行はありません\n");
    japanese(
        &["sort", "--maildir", "nowhere"],
        2,
        "mfilter: `nowhere` という Maildir はありません\n",
    );
    japanese(
        &["sort", "None"],
        1,
        "mfilter: フォルダー `~/Maildir/.None` を開けません: \
         そのファイルやディレクトリはありません\n      0 通\n      \
         1 件の失敗がありました（上を参照）\n",
    );
    japanese(
        &["learn", "-v"],
        0,
        "4 通は既知で、移されていたのは 0 通です。初めて調べたフォルダーが 2 個あります\n\
         初めての確認でした。これから移すメールから学習します\n",
    );
    fs::rename(
        home.path().join("Maildir/cur/3.x:2,"),
        home.path().join("Maildir/.Lists/cur/3.x:2,"),
    )
    .unwrap();
    japanese(
        &["learn", "-v"],
        0,
        "INBOX -> Lists: add a3@b.example to known  (5 行目)\n\
         4 通は既知で、移されていたのは 1 通です\n",
    );
    japanese(&["learn", "--undo"], 0, "remove a3@b.example from known\n");
    japanese(&["learn", "--undo"], 1, "mfilter: 取り消すものはありません\n");
    let history = answer(&["history"], JAPANESE, 0);
    assert!(history.ends_with("  6 行  有効\n"), "{history}");
    japanese(
        &["history", "show", "2"],
        2,
        "mfilter: 版 2 はありません。あるのは 1（最新）から 1 までです\n",
    );
    japanese(
        &["expire", "--dry-run", "Nothing"],
        2,
        "mfilter: フォルダー `Nothing` の `expire` は、ルールにありません\n",
    );
    home.write("mbox", "From a@b.example Mon Jan  1 00:00:00 2024\nSubject: x\n\ny\n");
    japanese(
        &["import", "mbox", "mbox", "-v", "--dry-run"],
        0,
        "mbox -> mbox\n      1 通（何も変更していません）\n      1 -> mbox\n",
    );
    let page = answer(&["stats", "--html", "-"], JAPANESE, 0);
    assert!(
        page.contains("<html lang=\"ja\">") && page.contains("<h1>ルールがしたこと</h1>"),
        "{page}"
    );
}

/// What the importers say of all examples: verdicts, reasons, notes and totals.
#[test]
fn what_an_import_says_is_japanese() {
    let home = Home::new();
    let (mut wrong, mut seen) = (BTreeSet::new(), 0);
    for language in ["procmail", "maildrop", "sieve", "gmail", "thunderbird"] {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import").join(language);
        for file in fs::read_dir(examples).unwrap().map(|entry| entry.unwrap().path()) {
            if file.extension().is_some_and(|ending| ending == "expected") || file.is_dir() {
                continue;
            }
            let mut command = home.command(&["import", language]);
            command.arg(&file).envs([JAPANESE]).current_dir(home.path());
            let answer = run(command, b"");
            assert!(answer.stderr.contains("件のうち、正確 "), "{answer:?}");
            // Four blanks begin a line of the foreign code, too.
            for line in answer.stderr.lines().filter(|line| !line.starts_with("    ")) {
                seen += 1;
                let words = line.split_once(": ").map_or(line, |(_, words)| words);
                let words: String = words.split('"').step_by(2).collect();
                if is_english(&words) {
                    wrong.insert(line.to_owned());
                }
            }
        }
    }
    assert!(seen > 90, "only {seen} lines were looked at");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn json_and_other_locales_are_english() {
    let home = Home::with_rules("when subjct is \"a\" -> stop\n");
    let answer = |arguments: &[&str], locale: &[(&str, &str)]| {
        let mut command = home.command(arguments);
        command.envs(locale.iter().copied());
        run(command, b"").stdout
    };
    let japanese = answer(&["check"], &[JAPANESE]);
    assert!(
        japanese.contains("エラー[unknown-field]: `subjct` というフィールドはありません\n"),
        "{japanese}"
    );
    assert_eq!(answer(&["check"], &[("LC_MESSAGES", "ja_JP.UTF-8"), ("LANG", "C")]), japanese);
    let english = answer(&["check"], &[]);
    assert!(english.contains("error[unknown-field]: there is no field `subjct`\n"), "{english}");
    assert_eq!(answer(&["check"], &[JAPANESE, ("LC_ALL", "C")]), english);
    assert_eq!(answer(&["check"], &[("LANG", "ja_JP.eucJP")]), english);
    assert_eq!(answer(&["check", "--json"], &[JAPANESE]), answer(&["check", "--json"], &[]));
}

#[test]
fn help_is_japanese_wherever_it_is_asked_for() {
    let home = Home::new();
    let answer = |arguments: &[&str]| {
        let mut command = home.command(arguments);
        command.envs([JAPANESE]);
        run(command, b"")
    };
    for (arguments, usage) in [
        (&["--help"][..], "使い方: mfilter [OPTIONS] [PATH]...\n        mfilter <COMMAND>\n"),
        (&["sort", "--help"], "使い方: mfilter sort [OPTIONS] [FOLDER]...\n"),
        (&["import", "sieve", "-h"], "使い方: mfilter import sieve [OPTIONS] <FILE>\n"),
        (&["help", "check"], "使い方: mfilter check [OPTIONS] [RULES]\n"),
    ] {
        let help = answer(arguments);
        assert_eq!(help.code, Some(0), "{help:?}");
        assert!(help.stdout.contains(usage), "{}", help.stdout);
        assert!(help.stdout.contains("\nオプション:\n"), "{}", help.stdout);
        assert!(help.stdout.contains("ヘルプを表示します\n"), "{}", help.stdout);
    }
    let values = answer(&["import", "gmail", "--help"]).stdout;
    // Lines may break within a word.
    let values: String = values.split_whitespace().collect();
    assert!(values.contains("[指定できる値:maildir++,fs]"), "{values}");
    assert!(values.contains("[既定値:folders][指定できる値:folders,keywords]"), "{values}");
    // A command that lacks an argument shows its help as in English.
    let alone = answer(&["import"]);
    assert_eq!(alone.code, Some(2), "{alone:?}");
    assert!(alone.stderr.contains("\nコマンド:\n"), "{alone:?}");
    let mistake = answer(&["sort", "--nonsense"]);
    assert_eq!(mistake.code, Some(2), "{mistake:?}");
    assert!(mistake.stderr.starts_with("エラー: 引数 '--nonsense' は使えません\n"), "{mistake:?}");
}

/// What Python's email package reads in the one mail that is not an `x`: subject and body.
fn notice(home: &Home) -> (String, String) {
    let notices = home.mail();
    let notices: Vec<String> = notices.iter().map(|mail| mail.text()).collect();
    let notices: Vec<&String> =
        notices.iter().filter(|text| text.contains("Auto-Submitted: auto-generated")).collect();
    let [notice] = notices.as_slice() else { panic!("{notices:?}") };
    home.write("notice.eml", notice);
    let mut python = Command::new(PYTHON);
    python.args(["-c", READER]).arg(home.path().join("notice.eml"));
    let read = run(python, b"");
    assert_eq!((read.code, read.stderr.as_str()), (Some(0), ""));
    let (subject, body) = read.stdout.split_once('\n').unwrap();
    (subject.to_owned(), body.to_owned())
}

const READER: &str = "
import sys, email, email.policy
mail = email.message_from_binary_file(open(sys.argv[1], 'rb'), policy=email.policy.default)
assert not mail.defects and mail.get_content_type() == 'text/plain', mail.defects
assert mail.get_content_charset() == 'utf-8'
sys.stdout.buffer.write((mail['Subject'] + '\\n' + mail.get_content()).encode())
";

#[test]
fn a_notice_is_japanese_where_the_locale_is() {
    if skipped("a notice in Japanese", &[PYTHON], false) {
        return;
    }
    let home = Home::with_rules("when subjct is \"急ぎ\" -> stop\n");
    let deliver = |locale: &[(&str, &str)]| {
        let mut command = home.command(&[]);
        command.envs(locale.iter().copied());
        let run = run(command, b"Subject: x\n\nx\n");
        assert_eq!(run.code, Some(0), "{run:?}");
    };
    deliver(&[JAPANESE]);
    let (subject, body) = notice(&home);
    assert_eq!(subject, "メールのルールに誤りがあります（メールはすべて受信箱に入ります）");
    let expected = "\
~/.mailrules のルールは、今のままでは使えません。
誤りが直るまで、メールはすべて受信箱に入ります。
メールは失われません。もう一度表示するには: mfilter check ~/.mailrules

エラー[unknown-field]: `subjct` というフィールドはありません
 --> ~/.mailrules:1:6
  |
1 | when subjct is \"急ぎ\" -> stop
  |      ^^^^^^ 未知の名前です
  |
  = ヒント: `subject` ではありませんか？
";
    assert_eq!(body, expected);
    // It is the same version of the rules in any language, and is reported once.
    deliver(&[]);
    notice(&home);
    assert_eq!(home.mail().len(), 3);
}

#[test]
fn a_notice_of_missing_rules_is_japanese_too() {
    if skipped("a notice in Japanese", &[PYTHON], false) {
        return;
    }
    let home = Home::with_rules("when subject is \"a\" -> folder \"A\"\n");
    assert_eq!(home.deliver(b"Subject: a\n\nx\n").code, Some(0));
    fs::remove_file(home.path().join(".mailrules")).unwrap();
    let mut command = home.command(&[]);
    command.envs([JAPANESE]);
    assert_eq!(run(command, b"Subject: a\n\nx\n").code, Some(0));
    let (subject, body) = notice(&home);
    assert_eq!(subject, "メールのルールが見つかりません（最後の正しい版を使っています）");
    assert!(
        body.contains("\nもうルールを使わないのなら、そこに空のファイルを置いてください。\n"),
        "{body}"
    );
}

#[test]
fn a_notice_of_filters_is_japanese_too() {
    if skipped("a notice in Japanese", &[PYTHON], false) {
        return;
    }
    let home = Home::with_rules("include sieve \"~/.dovecot.sieve\" separator \".\"\n");
    let script = "require [\"enotify\", \"fileinto\", \"body\"];\n# rule:[send a notification]\n\
                  if size :over 1 { notify \"mailto:a@b.example\"; }\n\
                  if body :content \"text/html\" :contains \"a\" { fileinto \"A\"; }\n";
    home.write(".dovecot.sieve", script);
    let mut command = home.command(&[]);
    command.envs([JAPANESE]);
    assert_eq!(run(command, b"Subject: a\n\nx\n").code, Some(0));
    let (subject, body) = notice(&home);
    assert_eq!(subject, "フィルターは使われていません");
    let lines: Vec<&str> = body.lines().collect();
    assert!(lines[0].ends_with(" に保存されたフィルターは使われていません。"), "{body}");
    // Its name is the user's, and is not translated.
    assert_eq!(
        lines[1..],
        [
            "フィルター「send a notification」（3 行目）が求める動作（通知の送信）は、\
             このサーバーではできません。",
            "4 行目の内容は、このサーバーでは使えません: \
             テキストのパートは、種類にかかわらずすべて調べられます。\
             また、HTML は、表示される文章が調べられます",
            "",
            "ここを直してフィルターを保存し直すまで、フィルターは一つも使われません。",
            "メールは失われません。",
            "",
            "フィルターは ~/.dovecot.sieve にあります。\
             もう一度表示するには: mfilter check --sieve ~/.dovecot.sieve",
        ]
    );
}

#[test]
fn a_mistake_is_explained_by_its_code_as_it_is_drawn() {
    let home = Home::new();
    for code in ["エラー[unknown-field]:", "error[unknown-field]", "[unknown-field]"] {
        let explained = home.run(&["explain", code], b"");
        assert_eq!(explained.code, Some(0), "{explained:?}");
    }
}
