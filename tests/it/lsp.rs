//! `mfilter lsp`, spoken to as an editor does: over the pipes of a process.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use mfilter::diagnostic::Fix;
use mfilter::language::Language;
use mfilter::load::check_bytes;
use mfilter::rules::explanation;
use serde_json::{Value, json};

use crate::support::{Home, MFILTER, run, skipped};

/// An editor's side of a conversation.
struct Editor {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// Messages that arrived while waiting for an answer.
    unclaimed: Vec<Value>,
    requests: u64,
}

impl Editor {
    /// A server before `initialize`.
    fn silent(home: &Home) -> Editor {
        Editor::in_locale(home, "C")
    }

    /// A server before `initialize`, in this locale.
    fn in_locale(home: &Home, locale: &str) -> Editor {
        let mut command = home.command(&["lsp", "--stdio"]);
        command.env("LC_ALL", locale);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.spawn().expect("the program starts");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("it was asked for"));
        Editor { child, input, output, unclaimed: Vec::new(), requests: 0 }
    }

    /// A server that is ready.
    fn new(home: &Home) -> Editor {
        let mut editor = Editor::silent(home);
        let answer = editor.ask("initialize", json!({ "capabilities": {} }));
        assert_eq!(answer["result"]["capabilities"]["positionEncoding"], "utf-16");
        editor.tell("initialized", json!({}));
        editor
    }

    fn write(&mut self, bytes: &[u8]) {
        self.input.as_mut().expect("it is open").write_all(bytes).expect("it reads");
    }

    fn send(&mut self, message: &Value) {
        let text = message.to_string();
        self.write(format!("Content-Length: {}\r\n\r\n{text}", text.len()).as_bytes());
    }

    fn read(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).expect("it writes") > 0, "it has ended");
            match line.trim_end().split_once(": ") {
                Some((_, value)) => length = value.parse().expect("a number"),
                None => break,
            }
        }
        let mut body = vec![0; length];
        self.output.read_exact(&mut body).expect("it writes");
        serde_json::from_slice(&body).expect("JSON")
    }

    fn tell(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    /// The answer, with its error if it is one.
    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.requests += 1;
        let id = self.requests;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        loop {
            let message = self.read();
            if message["id"] == id {
                return message;
            }
            self.unclaimed.push(message);
        }
    }

    /// The next message with this method.
    fn notification(&mut self, method: &str) -> Value {
        if let Some(at) = self.unclaimed.iter().position(|it| it["method"] == method) {
            return self.unclaimed.remove(at)["params"].take();
        }
        loop {
            let mut message = self.read();
            if message["method"] == method {
                return message["params"].take();
            }
            self.unclaimed.push(message);
        }
    }

    /// The mistakes of a file, when they are next published.
    fn mistakes(&mut self, path: &Path) -> Vec<Value> {
        loop {
            let params = self.notification("textDocument/publishDiagnostics");
            if params["uri"] == uri(path) {
                return params["diagnostics"].as_array().expect("an array").clone();
            }
        }
    }

    fn open(&mut self, path: &Path, text: &str) -> Vec<Value> {
        let document =
            json!({ "uri": uri(path), "languageId": "mailrules", "version": 1, "text": text });
        self.tell("textDocument/didOpen", json!({ "textDocument": document }));
        self.mistakes(path)
    }

    fn change(&mut self, path: &Path, text: &str) -> Vec<Value> {
        let document = json!({ "uri": uri(path), "version": 2 });
        let changes = json!([{ "text": text }]);
        let params = json!({ "textDocument": document, "contentChanges": changes });
        self.tell("textDocument/didChange", params);
        self.mistakes(path)
    }

    /// Asks about the marked place in a text.
    fn at(&mut self, method: &str, path: &Path, text: &str, marked: &str) -> Value {
        let params =
            json!({ "textDocument": { "uri": uri(path) }, "position": place(text, marked) });
        self.ask(method, params)["result"].take()
    }

    fn words(&mut self, path: &Path, text: &str, marked: &str) -> Vec<String> {
        let items = self.at("textDocument/completion", path, text, marked);
        let items = items.as_array().expect("an array");
        items.iter().map(|it| it["label"].as_str().expect("a label").to_owned()).collect()
    }

    fn ended(mut self) -> ExitStatus {
        self.input = None;
        self.child.wait().expect("it ends")
    }

    fn say_goodbye(mut self) -> ExitStatus {
        assert_eq!(self.ask("shutdown", Value::Null)["result"], Value::Null);
        self.tell("exit", Value::Null);
        self.ended()
    }
}

fn uri(path: &Path) -> String {
    format!("file://{}", path.display())
}

/// The end of `marked`, in lines and UTF-16 units.
fn place(text: &str, marked: &str) -> Value {
    let end = text.find(marked).expect("it is marked") + marked.len();
    let before = &text[..end];
    let line = before.matches('\n').count();
    let column = before.rsplit('\n').next().expect("a line").encode_utf16().count();
    json!({ "line": line, "character": column })
}

/// A text after the edits of one file.
fn edited(text: &str, edits: &Value) -> String {
    let offset = |place: &Value| {
        let (line, column) = (place["line"].as_u64(), place["character"].as_u64());
        let starts = text.split_inclusive('\n').take(line.expect("a number") as usize);
        let start: usize = starts.map(str::len).sum();
        let units: Vec<u16> =
            text[start..].encode_utf16().take(column.expect("a number") as usize).collect();
        start + String::from_utf16(&units).expect("whole characters").len()
    };
    let mut edits: Vec<(usize, usize, &str)> = edits
        .as_array()
        .expect("an array")
        .iter()
        .map(|edit| {
            let range = &edit["range"];
            let new = edit["newText"].as_str().expect("a text");
            (offset(&range["start"]), offset(&range["end"]), new)
        })
        .collect();
    edits.sort_unstable();
    let mut out = text.to_owned();
    for (start, end, new) in edits.into_iter().rev() {
        out.replace_range(start..end, new);
    }
    out
}

fn rules(home: &Home) -> PathBuf {
    home.path().join(".mailrules")
}

#[test]
fn a_mistake_is_reported_until_it_is_corrected() {
    let home = Home::new();
    let path = rules(&home);
    let mut editor = Editor::new(&home);
    let text = "# 規則\nwhen subject is \"迷惑😀\" -> foldr \"迷惑\"\n";
    let mistakes = editor.open(&path, text);
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    assert_eq!(mistakes[0]["code"], "unknown-action");
    assert_eq!(mistakes[0]["severity"], 1);
    assert_eq!(mistakes[0]["source"], "mfilter");
    let message = "there is no action `foldr`\nhint: did you mean `folder`?";
    assert_eq!(mistakes[0]["message"], message);
    // 17 letters, 迷惑 of one unit each, 😀 of two, and the quote, blanks and arrow.
    let range = json!({
        "start": { "line": 1, "character": 26 },
        "end": { "line": 1, "character": 31 },
    });
    assert_eq!(mistakes[0]["range"], range);

    let params = json!({
        "textDocument": { "uri": uri(&path) },
        "range": range,
        "context": { "diagnostics": mistakes },
    });
    let actions = editor.ask("textDocument/codeAction", params)["result"].take();
    assert_eq!(actions[0]["title"], "Write `folder`");
    assert_eq!(actions[0]["kind"], "quickfix");
    let mended = edited(text, &actions[0]["edit"]["changes"][uri(&path)]);
    assert_eq!(mended, text.replace("foldr", "folder"));
    assert_eq!(editor.change(&path, &mended), [Value::Null; 0]);
    assert!(!path.exists(), "nothing is written");
    assert_eq!(editor.say_goodbye().code(), Some(0));
}

/// Rules that were saved without a mistake are the last valid ones, although no message has
/// come since.
#[test]
fn rules_that_are_saved_are_the_last_valid_ones() {
    let home = Home::with_rules("folder \"A\"\n");
    assert_eq!(home.deliver(b"Subject: x\n\n").code, Some(0));
    let path = rules(&home);
    let mut editor = Editor::new(&home);
    for text in ["folder \"B\"\n", "broken\n"] {
        editor.open(&path, text);
        home.write(".mailrules", text);
        editor.tell("textDocument/didSave", json!({ "textDocument": { "uri": uri(&path) } }));
    }
    assert_eq!(editor.say_goodbye().code(), Some(0));
    assert_eq!(home.deliver(b"Subject: x\n\n").code, Some(0));
    let folders: Vec<String> = home.mail().into_iter().map(|mail| mail.folder).collect();
    assert!(folders.contains(&".B".to_owned()), "{folders:?}");
}

#[test]
fn columns_are_bytes_where_the_editor_counts_so() {
    let home = Home::new();
    let mut editor = Editor::silent(&home);
    let general = json!({ "positionEncodings": ["utf-8", "utf-16"] });
    let answer = editor.ask("initialize", json!({ "capabilities": { "general": general } }));
    assert_eq!(answer["result"]["capabilities"]["positionEncoding"], "utf-8");
    let text = "when subject is \"迷惑😀\" -> foldr \"A\"\n";
    let mistakes = editor.open(&rules(&home), text);
    let at = text.find("foldr").expect("it is there");
    assert_eq!(mistakes[0]["range"]["start"], json!({ "line": 0, "character": at }));
}

#[test]
fn mistakes_are_those_of_check() {
    let home = Home::new();
    home.write("Maildir/.Archive/cur/x", "");
    home.write("Maildir/.Archive/new/x", "");
    let text = "list black \"~/.mail/black\"\nset layut fs\nwhen from in black -> folder \"Archiv\"\n\
                when bulk -> inbox\nwhen bulk -> inbox\nexpect \"no.eml\" -> inbox\nwhen a b\n";
    home.write(".mailrules", text);
    let path = rules(&home);
    let checked = home.run(&["check", "--json"], b"");
    let checked: Value = serde_json::from_str(&checked.stdout).expect("JSON");
    let of_check: Vec<&Value> = checked.as_array().expect("an array").iter().collect();
    assert!(of_check.len() >= 4, "{of_check:?}");
    let mut editor = Editor::new(&home);
    let diagnostics = editor.open(&path, text);
    let place = |it: &Value| {
        let start = &it["range"]["start"];
        (start["line"].as_u64(), start["character"].as_u64(), it["code"].clone())
    };
    let expected = |it: &&Value| {
        let less = |name: &str| it[name].as_u64().map(|number| number - 1);
        (less("line"), less("column"), it["code"].clone())
    };
    let diagnostics: Vec<_> = diagnostics.iter().map(place).collect();
    assert_eq!(diagnostics, of_check.iter().map(expected).collect::<Vec<_>>());
}

#[test]
fn what_is_included_is_checked_with_the_rules_that_include_it() {
    let home = Home::new();
    home.write(".mailrules", "list friends [\"a@example.org\"]\ninclude \"more\"\n");
    home.write("more", "when from in friends -> inbox\n");
    let more = home.path().join("more");
    let mut editor = Editor::new(&home);
    let text = "when from in friends -> folder \"A\"\n";
    assert_eq!(editor.open(&more, text), [Value::Null; 0], "the list is known");
    // The text in the editor counts, not the file.
    let mistakes = editor.change(&more, "when from in freinds -> inbox\n");
    assert_eq!(mistakes[0]["code"], "unknown-list");
    let found = editor.at("textDocument/definition", &more, "when from in freinds", "in");
    assert_eq!(found, json!([]));
    assert_eq!(editor.change(&more, text), [Value::Null; 0]);
    let found = editor.at("textDocument/definition", &more, text, "when from in fr");
    assert_eq!(found[0]["uri"], uri(&rules(&home)));
    assert_eq!(found[0]["range"]["start"], json!({ "line": 0, "character": 5 }));
}

#[test]
fn words_are_proposed_and_explained() {
    let home = Home::new();
    for folder in ["cur", "new", ".Lists.rust/cur", ".Lists.rust/new", ".&j,dg0TDhMPww6w-/cur"] {
        fs::create_dir_all(home.path().join("Maildir").join(folder)).expect("made");
    }
    let path = rules(&home);
    let text = "list friends [\"a@example.org\"]\ndefine mine = from in friends\n\
                when mine and bulk -> folder \"Li\"\nset layout maildir++\n";
    let mut editor = Editor::new(&home);
    editor.open(&path, text);
    let has = |words: &[String], word: &str| words.iter().any(|it| it == word);
    let conditions = editor.words(&path, text, "when ");
    for word in ["mine", "bulk", "from.domain", "not", "duplicate"] {
        assert!(has(&conditions, word), "{word}: {conditions:?}");
    }
    assert!(!has(&conditions, "folder"));
    assert!(has(&editor.words(&path, text, "-> fo"), "folder"));
    assert!(has(&editor.words(&path, text, "set "), "maildir"));
    assert!(has(&editor.words(&path, text, "from in fr"), "friends"));
    let folders = editor.words(&path, text, "folder \"Li");
    assert_eq!(folders, ["INBOX", "迷惑メール", "Lists/rust"]);
    let items = editor.at("textDocument/completion", &path, text, "folder \"Li");
    let edit = json!([items[2]["textEdit"]]);
    assert!(edited(text, &edit).contains("folder \"Lists/rust\"\n"));

    let item = json!({ "label": "bulk" });
    let item = editor.ask("completionItem/resolve", item)["result"].take();
    let about = item["documentation"]["value"].as_str().expect("a text");
    assert!(about.starts_with("bulk\n\nNewsletters and mass mail: Precedence"), "{about}");
}

#[test]
fn the_manual_is_shown_for_the_word_under_the_cursor() {
    let home = Home::new();
    let path = rules(&home);
    let text = "set layout maildir++\nlist friends [\"a@example.org\"]\n\
                when from.domain is \"a\" and bulk and from in friends -> folder \"A\"\nwhen frm is \"a\" -> inbox\n";
    let mut editor = Editor::new(&home);
    editor.open(&path, text);
    for (marked, begins, has) in [
        ("set lay", "set layout maildir++ | fs\n", "How folders are laid out in it"),
        ("from.dom", "from — address — the author", "operators: is contains"),
        ("and bul", "bulk\n", "Newsletters"),
        ("-> fol", "folder \"name\" [as flag ...]", "created if it is missing"),
        ("in fr", "list friends [\"a@example.org\"]", ""),
        ("when fr", "", ""),
    ] {
        let found = editor.at("textDocument/hover", &path, text, marked);
        let hover = found["contents"]["value"].as_str().unwrap_or_default();
        assert!(hover.starts_with(begins) && hover.contains(has), "{marked}: {hover}");
    }
    let found = editor.at("textDocument/hover", &path, text, "when frm");
    let hover = found["contents"]["value"].as_str().expect("a text");
    assert!(hover.starts_with("unknown-field: "), "{hover}");
    assert_eq!(editor.at("textDocument/hover", &path, text, "is \"a"), Value::Null);
}

#[test]
fn a_mistake_is_explained_in_the_language_of_the_locale() {
    let home = Home::new();
    let path = rules(&home);
    let text = "when frm is \"a\" -> inbox\n";
    let mut editor = Editor::in_locale(&home, "ja_JP.UTF-8");
    editor.ask("initialize", json!({ "capabilities": {} }));
    editor.tell("initialized", json!({}));
    editor.open(&path, text);
    let found = editor.at("textDocument/hover", &path, text, "when frm");
    let hover = found["contents"]["value"].as_str().expect("a text");
    assert!(hover.starts_with("unknown-field: その名前のフィールドはありません。"), "{hover}");
}

#[test]
fn a_text_is_formatted_as_fmt_does() {
    let home = Home::new();
    let path = rules(&home);
    let text = "when   from   is \"a@example.org\"->inbox   # 迷惑\r\n\n\n\nset   layout fs";
    let mut editor = Editor::new(&home);
    editor.open(&path, text);
    let params = json!({
        "textDocument": { "uri": uri(&path) },
        "options": { "tabSize": 4, "insertSpaces": true },
    });
    let edits = editor.ask("textDocument/formatting", params.clone())["result"].take();
    let formatted = home.run(&["fmt", "-"], text.as_bytes()).stdout;
    assert_eq!(edited(text, &edits), formatted);
    editor.change(&path, &formatted);
    assert_eq!(editor.ask("textDocument/formatting", params.clone())["result"], json!([]));
    editor.change(&path, "when when\n");
    assert_eq!(editor.ask("textDocument/formatting", params)["result"], Value::Null);
}

#[test]
fn names_are_found_and_renamed_in_all_files() {
    let home = Home::new();
    let path = rules(&home);
    let more = home.path().join("more");
    home.write("more", "list friends [\"a@example.org\"]\n");
    let text = "include \"more\"\ndefine known = from in friends\n\
                when known and subject matches /^(?P<team>a)/ -> let team = \"{team}\"\n\
                when not known and has team -> add from to black, folder \"A/{team:lower}/{{team}}\"\n\
                list black \"~/black\"\n";
    home.write(".mailrules", text);
    let mut editor = Editor::new(&home);
    editor.open(&path, text);

    let found = editor.at("textDocument/definition", &path, text, "when not kn");
    assert_eq!(found.as_array().map(Vec::len), Some(1));
    assert_eq!(found[0]["range"]["start"], json!({ "line": 1, "character": 7 }));
    let found = editor.at("textDocument/definition", &path, text, "include \"mo");
    assert_eq!(found[0]["uri"], uri(&more));

    let mut rename = |marked: &str, new: &str| {
        let params = json!({
            "textDocument": { "uri": uri(&path) },
            "position": place(text, marked),
            "newName": new,
        });
        editor.ask("textDocument/rename", params)
    };
    let changes = rename("when kno", "vertraut")["result"]["changes"].take();
    assert_eq!(edited(text, &changes[uri(&path)]), text.replace("known", "vertraut"));
    let changes = rename("from in fr", "友だち")["result"]["changes"].take();
    assert_eq!(edited(text, &changes[uri(&path)]), text.replace("friends", "友だち"));
    let of_more = fs::read_to_string(&more).expect("it is there");
    assert_eq!(edited(&of_more, &changes[uri(&more)]), of_more.replace("friends", "友だち"));
    // What the pattern captures keeps its name, and so does a literal brace.
    let changes = rename("has te", "group")["result"]["changes"].take();
    let expected = text
        .replace("let team", "let group")
        .replace("has team", "has group")
        .replace("{team:lower}", "{group:lower}");
    assert_eq!(edited(text, &changes[uri(&path)]), expected);
    for (marked, new) in [
        ("when kno", "team"),
        ("when kno", "when"),
        ("when kno", "a b"),
        ("when kno", "me"),
        ("has te", "subject"),
        ("define", "x"),
    ] {
        let answer = rename(marked, new);
        assert_eq!(answer["error"]["code"], -32803, "{marked} {new}: {answer}");
    }
    let found = editor.at("textDocument/prepareRename", &path, text, "when kno");
    assert_eq!(found["start"], json!({ "line": 2, "character": 5 }));
    assert_eq!(editor.at("textDocument/prepareRename", &path, text, "defi"), Value::Null);
}

#[test]
fn what_is_not_a_message_is_reported_and_the_next_one_answered() {
    let home = Home::new();
    let mut editor = Editor::silent(&home);
    assert_eq!(editor.ask("textDocument/hover", json!({}))["error"]["code"], -32002);
    editor.ask("initialize", json!({ "capabilities": {} }));
    for broken in
        ["Content-Length: 7\r\n\r\n{\"id\": 1", "no header\r\n", "Content-Length: x\r\n\r\n"]
    {
        editor.write(broken.as_bytes());
        let notification = editor.notification("window/logMessage");
        assert_eq!(notification["type"], 1, "{broken}: {notification}");
    }
    assert_eq!(editor.ask("no/such", json!({}))["error"]["code"], -32601);
    assert_eq!(editor.ask("textDocument/hover", json!({ "a": 1 }))["error"]["code"], -32602);
    assert_eq!(editor.ask("initialize", json!({ "capabilities": {} }))["error"]["code"], -32600);
    // Nothing is known of a file that is not open.
    let found = editor.at("textDocument/hover", Path::new("/no/such"), "a", "a");
    assert_eq!(found, Value::Null);
    editor.tell("textDocument/didChange", json!({ "textDocument": 1 }));
    assert_eq!(editor.ask("shutdown", Value::Null)["result"], Value::Null);
    assert_eq!(editor.ask("textDocument/hover", json!({}))["error"]["code"], -32600);
    editor.tell("exit", Value::Null);
    assert_eq!(editor.ended().code(), Some(0));
}

#[test]
fn a_client_that_disconnects_silently_is_served_no_longer() {
    let home = Home::new();
    assert_eq!(Editor::new(&home).ended().code(), Some(1));
    let mut editor = Editor::new(&home);
    editor.tell("exit", Value::Null);
    assert_eq!(editor.ended().code(), Some(1));
}

/// Every file and folder in a home.
fn all_in(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("it is there") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            found.extend(all_in(&path));
        }
        found.push(path);
    }
    found.sort();
    found
}

#[test]
fn what_rules_do_is_not_done_while_they_are_edited() {
    let home = Home::new();
    for folder in ["cur", "new", ".Sent/cur", ".Sent/new"] {
        fs::create_dir_all(home.path().join("Maildir").join(folder)).expect("made");
    }
    let message = "From: a@example.org\nTo: b@example.org\nSubject: x\n\nhi\n";
    home.write("Maildir/.Sent/cur/1.a.b:2,S", message);
    home.write("m.eml", message);
    home.write("cards/a.vcf", "BEGIN:VCARD\nFN:A\nEMAIL:c@example.org\nEND:VCARD\n");
    let before = all_in(home.path());
    let made = home.path().join("made");
    let program = format!("\"/usr/bin/touch\" \"{}\"", made.display());
    let text = format!(
        "list known sent \"Sent\"\nlist cards vcard \"~/cards\"\nlist black \"~/black\"\n\
         when has subject -> filter {program}\nwhen from in cards -> pipe {program}\n\
         when from in known and in-my-thread -> run {program}, add from to black\n\
         when duplicate -> folder \"New\"\nexpect \"m.eml\" -> inbox\n\
         on moved to \"Sent\" -> add from to black\nexpire \"Sent\" after 14d -> delete\n"
    );
    let path = rules(&home);
    let mut editor = Editor::new(&home);
    let mistakes = editor.open(&path, &text);
    let codes: Vec<&Value> = mistakes.iter().map(|it| &it["code"]).collect();
    assert_eq!(codes, ["expire-deletes"], "{mistakes:?}");
    editor.words(&path, &text, "folder \"N");
    assert_eq!(editor.say_goodbye().code(), Some(0));
    assert_eq!(all_in(home.path()), before);
}

#[test]
fn a_megabyte_of_garbage_does_no_harm() {
    let home = Home::new();
    let path = rules(&home);
    let mut editor = Editor::new(&home);
    let pieces = ["when (", "迷惑 \"", "{ [ ", "\u{0}\u{202e}", "folder ]\n", "/(a*)*", "😀 -> , "];
    let text: String = (0..)
        .map(|n| pieces[n * n % 7])
        .scan(0, |length, piece| {
            *length += piece.len();
            (*length < 1 << 20).then_some(piece)
        })
        .collect();
    let mistakes = editor.open(&path, &text);
    assert!(!mistakes.is_empty());
    for method in ["hover", "completion", "definition"] {
        let place = json!({ "line": 9, "character": 7 });
        let params = json!({ "textDocument": { "uri": uri(&path) }, "position": place });
        let answer = editor.ask(&format!("textDocument/{method}"), params);
        assert!(answer.get("result").is_some(), "{answer}");
    }
    assert_eq!(editor.change(&path, "inbox\n"), [Value::Null; 0]);
    assert_eq!(editor.say_goodbye().code(), Some(0));
}

/// A replacement for a mistake fixes it: in the examples of `explain` and in all golden
/// cases.
#[test]
fn what_is_written_instead_mends_the_mistake() {
    let mut texts: Vec<(String, Vec<u8>)> = Vec::new();
    for code in explanation::codes() {
        let explanation = explanation::of(code, Language::English).expect("it is one");
        if !explanation.of_site {
            texts.push((code.to_owned(), explanation.wrong));
        }
    }
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    for case in fs::read_dir(cases).expect("they are there").flatten() {
        if let Ok(rules) = fs::read(case.path().join("rules")) {
            texts.push((case.file_name().to_string_lossy().into_owned(), rules));
        }
    }
    let mut mended = 0;
    for (name, text) in texts {
        let path = Path::new("/nowhere/rules");
        let nothing = &mut |_: &Path| Err(std::io::ErrorKind::NotFound.into());
        let (sources, checked) = check_bytes(path, &text, None, nothing);
        let Some(file) = sources.files().first() else { continue };
        for mistake in &checked.diagnostics {
            let Some(Fix { span, text }) = &mistake.fix else { continue };
            let mut better = file.text.clone();
            better.replace_range(span.start as usize..span.end as usize, text);
            let (_, checked) = check_bytes(path, better.as_bytes(), None, nothing);
            let stays = checked
                .diagnostics
                .iter()
                .any(|it| it.code == mistake.code && it.span.start == mistake.span.start);
            assert!(!stays, "{name}: `{text}` does not mend: {}", mistake.message);
            mended += 1;
        }
    }
    assert!(mended > 30, "{mended}");
}

#[test]
fn neovim_shows_a_mistake() {
    const NVIM: &str = "/usr/bin/nvim";
    if skipped("the language server in Neovim", &[NVIM], false) {
        return;
    }
    let home = Home::with_rules("when subject is \"迷惑😀\" -> foldr \"A\"\n");
    let script = format!(
        "vim.cmd('edit {rules}')\n\
         local id = vim.lsp.start_client({{ name = 'mfilter', cmd = {{ '{MFILTER}', 'lsp' }} }})\n\
         vim.lsp.buf_attach_client(0, id)\n\
         vim.wait(20000, function() return #vim.diagnostic.get(0) > 0 end, 20)\n\
         for _, it in ipairs(vim.diagnostic.get(0)) do\n\
         io.stdout:write(it.lnum, ':', it.col, '-', it.end_col, ' ', it.code or '', ' ', it.message, '\\n')\n\
         end\n\
         vim.cmd('qall!')\n",
        rules = rules(&home).display()
    );
    home.write("script.lua", script);
    let mut command = Command::new(NVIM);
    command.args(["--headless", "-u", "NONE", "-i", "NONE", "-n", "-c"]);
    command.arg(format!("luafile {}", home.path().join("script.lua").display()));
    command.env("HOME", home.path()).env("TERM", "dumb");
    command.env("XDG_STATE_HOME", home.path().join("state"));
    let output = run(command, b"");
    // Neovim counts bytes.
    assert!(output.stdout.contains("0:32-37 "), "{output:?}");
    assert!(output.stdout.contains("there is no action `foldr`"), "{output:?}");
}
