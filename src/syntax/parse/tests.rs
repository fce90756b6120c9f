//! Mistakes, each with its place and its hint, and what is still read around them.

use pest::Parser;

use super::*;
use crate::diagnostic::Severity;
use crate::syntax::ast::ConditionNodeKind;
use crate::syntax::grammar::Grammar;

fn read(text: &str) -> (Ast, Vec<(u32, String, String, String)>) {
    let source = SourceFile::new("rules", text);
    let (ast, diagnostics) = parse(0, &source);
    let mistakes = diagnostics.into_iter().map(|diagnostic| {
        let marked = text.get(diagnostic.span.start as usize..diagnostic.span.end as usize);
        let line = source.line(diagnostic.span.start);
        (
            line,
            marked.unwrap_or("?").to_string(),
            diagnostic.message,
            diagnostic.hint.unwrap_or_default(),
        )
    });
    (ast, mistakes.collect())
}

/// The line and the marked text of each mistake.
fn places(text: &str) -> Vec<(u32, String)> {
    read(text).1.into_iter().map(|(line, marked, _, _)| (line, marked)).collect()
}

/// Each word may stand on a line of its own, where a statement's ends the block.
#[test]
fn what_an_action_takes_is_not_named_like_a_statement() {
    for word in ["when", "list", "set"] {
        let expected = [(1, word.to_owned())];
        assert_eq!(places(&format!("reply {{ {word} \"x\" }}")), expected);
    }
    assert_eq!(places("reply { on \"x\" }"), []);
}

/// Rules, the marked text, the message, the hint.
    #[rustfmt::skip]
    const MISTAKES: &[(&str, &str, &str, &str)] = &[
        ("when spam &&  virus -> stop", "&&", "`&&` is not an operator", "write `and`"),
        ("when spam || virus -> stop", "||", "`||` is not an operator", "write `or`"),
        ("when ! spam -> stop", "!", "`!` is not an operator", "write `not`"),
        ("when subject != \"x\" -> stop", "!=", "`!=` is not an operator", "write `not subject is \"x\"`"),
        ("when size == 5M -> stop", "==", "`==` is not an operator", "write `=`"),
        ("when subject =~ /x/ -> stop", "=~", "`=~` is not an operator", "write `matches`"),
        ("when size => 5M -> stop", "=>", "`=>` is not an operator", "write `>=`"),
        ("when spam => discard", "=>", "`=>` is not an arrow", "a rule is written `when CONDITION -> ACTION`"),
        ("when spam : discard", ":", "`:` is not an arrow", "a rule is written `when CONDITION -> ACTION`"),
        ("when spam = { stop }", "{", "expected a value, found `{`", ""),
        ("when spam → discard", "→", "`→` means nothing outside of strings", "outside of strings write `->`"),
        ("when spam discard", "discard", "`->` is missing before `discard`", "write `-> discard`"),
        ("when spam", "", "this rule has no action", "write `-> ACTION`, or `{ … }` for several rules"),
        ("rule \"x\" otherwise", "", "this rule has no action", "write `-> ACTION`, or `{ … }` for several rules"),
        ("when spam -> { discard }", "->", "a group has no `->`", "write `when CONDITION { … }`, or `when CONDITION -> ACTION, ACTION`"),
        ("when subject is not \"x\" -> stop", "not", "`not` goes before the whole test, not before `is`", "write `not subject is \"x\"`"),
        ("when from not in white -> stop", "not", "`not` goes before the whole test, not before `in`", "write `not from in white`"),
        ("when subject equals \"x\" -> stop", "equals", "expected an operator (`is`, `contains`, …) or `->`, found `equals`", "did you mean `is`?"),
        ("when subject contians \"x\" -> stop", "contians", "expected an operator (`is`, `contains`, …) or `->`, found `contians`", "did you mean `contains`?"),
        ("when subject foo \"x\" -> stop", "foo", "expected an operator (`is`, `contains`, …) or `->`, found `foo`", "the operators are `is` `contains` `starts` `ends` `like` `matches` `resembles` `in` `<` `<=` `=` `>=` `>`"),
        ("when from \"a@b.example\" -> stop", "\"a@b.example\"", "expected `and`, `or`, an operator (`is`, `contains`, …), `->` or `{`, found `\"a@b.example\"`", "write `from is \"a@b.example\"`"),
        ("when spam and subject \"x\" -> stop", "\"x\"", "expected `and`, `or`, an operator (`is`, `contains`, …), `->` or `{`, found `\"x\"`", "write `subject contains \"x\"`"),
        ("when spam \"x\" -> stop", "\"x\"", "expected `and`, `or`, an operator (`is`, `contains`, …), `->` or `{`, found `\"x\"`", ""),
        ("when spam virus -> stop", "virus", "expected `and`, `or`, an operator (`is`, `contains`, …), `->` or `{`, found `virus`", ""),
        ("when and spam -> stop", "and", "expected a condition, found `and`", ""),
        ("when spam and -> stop", "->", "expected a condition, found `->`", ""),
        ("when has -> stop", "->", "expected a field, found `->`", ""),
        ("when has \"X-A\" -> stop", "\"X-A\"", "expected a field, found `\"X-A\"`", "write `header \"X-A\"`"),
        ("define us = [\"a@b.example\"]", "\"a@b.example\"", "expected a field or `]`, found `\"a@b.example\"`", "write `list us`"),
        ("when subject contains -> stop", "->", "expected a value, found `->`", ""),
        ("when \"x\" is subject -> stop", "\"x\"", "expected a condition, found the value `\"x\"` alone", "a condition says which field to test, as in `subject is \"x\"`"),
        ("when header contains \"x\" -> stop", "contains", "expected a string `\"…\"`, found `contains`", ""),
        ("when header \"X-A\" -> stop", "->", "expected an operator (`is`, `contains`, …), found `->`", ""),
        ("when from is taro@example.jp -> stop", "taro@example.jp", "`taro@example.jp` is a string, and strings must be quoted", "write `\"taro@example.jp\"`"),
        ("when from.domain is example.jp -> stop", "example.jp", "`example.jp` is a string, and strings must be quoted", "write `\"example.jp\"`"),
        ("folder Work/Builds", "Work/Builds", "`Work/Builds` is a string, and strings must be quoted", "write `\"Work/Builds\"`"),
        ("list white ~/.mail/white", "~/.mail/white", "`~/.mail/white` is a string, and strings must be quoted", "write `\"~/.mail/white\"`"),
        ("include site.rules", "site.rules", "`site.rules` is a string, and strings must be quoted", "write `\"site.rules\"`"),
        ("when client.ip is 192.168.0.1 -> stop", "192.168.0.1", "`192.168.0.1` is not a number, size, duration, date or time", "an IP address, or any other string, must be quoted: `\"…\"`"),
        ("folder \"News", "\"", "unclosed string", "a string ends on the line on which it begins; `\\n` in it is a line break, `\\\"` a quote"),
        ("folder News\"", "\"", "unmatched `\"`", "a string needs a `\"` at both ends"),
        ("when subject is 'x' -> stop", "'", "strings take double quotes, not single ones", "write `\"x\"`"),
        ("when subject is “x” -> stop", "“", "`“` is a typographic quote", "write `\"x\"`"),
        ("when subject is \"x” -> stop", "”", "`”` is a typographic quote", "strings take straight quotes: `\"…\"`"),
        ("when subject is 「迷惑」 -> stop", "「", "`「` is a typographic quote", "write `\"迷惑\"`"),
        ("when from.domain ＝ \"x\" -> stop", "＝", "`＝` is a full-width character", "outside of strings write `=`"),
        ("when ｆｒｏｍ in white -> stop", "ｆｒｏｍ", "`ｆｒｏｍ` is full-width", "outside of strings write `from`"),
        ("when\u{3000}from in white -> stop", "\u{3000}", "this is a full-width space", "outside of strings write an ordinary space"),
        ("set me [\"a\"、\"b\"]", "、", "`、` means nothing outside of strings", "outside of strings write `,`"),
        ("when\u{200b} spam -> stop", "\u{200b}", "invisible character U+200B", "delete it, or write `\\u{…}` in a string"),
        ("when $spam -> stop", "$spam", "`$spam` is a string, and strings must be quoted", "write `\"$spam\"`"),
        ("when subject matches /x -> stop", "/", "unclosed pattern", "a pattern is written `/…/`, a slash in it `\\/`; a path or an address is a string, `\"…\"`"),
        ("when subject matches /a/b/ -> stop", "/", "unclosed pattern", "a pattern is written `/…/`, a slash in it `\\/`; a path or an address is a string, `\"…\"`"),
        ("when subject matches /a/i -> stop", "i", "unknown pattern flag `i`", "case is ignored unless `c` follows the pattern: `/…/c`; a slash in it is `\\/`"),
        ("// a comment", "//", "empty pattern `//`", "a comment begins with `#`; a slash in a pattern is written `\\/`"),
        ("folder \"A\";", ";", "unexpected `;`: statements end with the line", "remove the `;`; a comment begins with `#`"),
        ("log \"C:\\dir\"", "\\d", "unknown escape `\\d` in a string", "write `\\\\` for a backslash; the other escapes are `\\\"` `\\n` `\\t` `\\u{5927}`"),
        ("log \"\\u{110000}\"", "\\u{110000}", "unknown escape `\\u{110000}` in a string", "write `\\\\` for a backslash; the other escapes are `\\\"` `\\n` `\\t` `\\u{5927}`"),
        ("when (spam or virus -> stop", "(", "unclosed `(`", "write the missing `)`"),
        ("when (spam or virus { stop }", "(", "unclosed `(`", "write the missing `)`"),
        ("when spam) -> stop", ")", "unmatched `)`", "delete it, or look for what is missing before it"),
        ("set me [\"a\", \"b\"", "[", "unclosed `[`", "write the missing `]` after the last element"),
        ("set me [\"a\" \"b\"]", "\"b\"", "a comma is missing before `\"b\"`", "a set is written `[\"a\", \"b\"]`"),
        ("set me [\"a\", [\"b\"]]", "[", "expected a value or `]`, found `[`", ""),
        ("set maildir = \"x\"", "=", "unexpected `=` between a name and its value", "write `set NAME VALUE`, `list NAME […]`; only `define` and `let` have a `=`"),
        ("list white: [\"a\"]", ":", "unexpected `:` between a name and its value", "write `set NAME VALUE`, `list NAME […]`; only `define` and `let` have a `=`"),
        ("maildir = \"x\"", "maildir", "no statement or action begins with `maildir`", "a setting is written `set maildir VALUE`"),
        ("set", "", "expected the name of a setting, found the end of the statement", ""),
        ("list white white", "white", "`white` is a string, and strings must be quoted", "write `\"white\"`"),
        ("define spammy", "", "expected `=`, found the end of the statement", ""),
        ("define spammy spam", "spam", "expected `=`, found `spam`", "write `define spammy =`"),
        ("define log = spam", "log", "`log` is a reserved word and not allowed here", "choose another name, or quote it if you mean a string"),
        ("define my_spam = spam", "my_spam", "`my_spam` is not a valid name: names have no `_`", "names have letters, digits and `-`: `my-spam`"),
        ("define 2nd = spam", "2nd", "expected a name, found `2nd`", ""),
        ("when from in list -> stop", "list", "`list` is a reserved word and not allowed here", "choose another name, or quote it if you mean a string"),
        ("if spam -> stop", "if", "`if` is not a word of this language", "a rule is written `when CONDITION -> ACTION`"),
        ("unless spam -> stop", "unless", "`unless` is not a word of this language", "write `when not (CONDITION) -> ACTION`"),
        ("else -> stop", "else", "`else` is not a word of this language", "write `otherwise -> ACTION` after the other rules of a group"),
        ("elsif spam -> stop", "elsif", "`elsif` is not a word of this language", "rules are tried in order: write one more `when`, and `otherwise` for the rest"),
        ("when spam then discard", "then", "`then` is not a word of this language", "write `->`"),
        ("wehn spam -> discard", "wehn", "no statement or action begins with `wehn`", "did you mean `when`?"),
        ("fodler \"X\"", "fodler", "no statement or action begins with `fodler`", "did you mean `folder`?"),
        ("xyzzy \"X\"", "xyzzy", "no statement or action begins with `xyzzy`", "a rule is written `when CONDITION -> ACTION`; see mailrules(5) for the others"),
        ("mark flagged copy \"X\"", "copy", "a comma is missing before `copy`", "several actions are written `ACTION, ACTION`, or in a group each on a line of its own"),
        ("when spam -> discard,", "", "expected an action, found the end of the statement", ""),
        ("when spam -> \"X\"", "\"X\"", "expected an action, found `\"X\"`", "write `folder \"X\"`"),
        ("when spam -> folder \"X\" as", "", "expected a string `\"…\"` or a name, found the end of the statement", ""),
        ("when spam -> folder [\"X\"]", "[", "expected a string `\"…\"`, `as` or `,`, found `[`", ""),
        ("otherwise when spam -> stop", "when", "expected `->` or `{`, found `when`", ""),
        ("rule when spam -> stop", "when", "expected a string `\"…\"`, found `when`", "write `when`"),
        ("rule \"x\" -> stop", "->", "expected `when` or `otherwise`, found `->`", ""),
        ("expect \"a.eml\" folder \"X\"", "folder", "`->` is missing before `folder`", "write `-> folder`"),
        ("expect a -> stop", "a", "`a` is a string, and strings must be quoted", "write `\"a\"`"),
        ("score junk { 3 spam }", "3", "the weight `3` needs a sign", "write `+3`"),
        ("score junk { +5M spam }", "+5M", "`+5M` is not a weight", "a weight is a number with a sign: `+3`, `-2.5`"),
        ("score junk { spam }", "spam", "expected a weight like `+3`, found `spam`", ""),
        ("score junk { +3 }", "", "expected a condition, found the end of the statement", ""),
        ("score { +3 spam }", "{", "expected a name, found `{`", ""),
        ("when size > 20kb -> stop", "20kb", "`20kb` is not a number, size, duration, date or time", "write `20K`"),
        ("when size > 20 MB -> stop", "20 MB", "`20 MB` is not a number, size, duration, date or time", "write `20M`"),
        ("when age > 1month -> stop", "1month", "`1month` is not a number, size, duration, date or time", "write `30d`"),
        ("when age > 1moon -> stop", "1moon", "`1moon` is not a number, size, duration, date or time", "`5` and `-2.5` are numbers, `20K` `5M` `1G` sizes, `30s` `10m` `12h` `7d` `2w` durations; a name begins with a letter, and strings must be quoted"),
        ("when date is 2026/12/24 -> stop", "2026/12/24", "`2026/12/24` is not a number, size, duration, date or time", "write `2026-12-24`"),
        ("when date is 2026-1-2 -> stop", "2026-1-2", "`2026-1-2` is not a number, size, duration, date or time", "write `2026-01-02`"),
        ("when date is 31/2/2026 -> stop", "31/2/2026", "`31/2/2026` is not a number, size, duration, date or time", "a date is written `2026-12-24`"),
        ("when date is 1/12/26 -> stop", "1/12/26", "`1/12/26` is not a number, size, duration, date or time", "a date is written `2026-12-24`"),
        ("when time in 22:00-07:00 -> stop", "22:00-07:00", "`22:00-07:00` is not a number, size, duration, date or time", "a range is written `22:00..07:00`"),
        ("when time is 25:00 -> stop", "25:00", "`25:00` is not a number, size, duration, date or time", "a time is written `22:00`, from `00:00` to `23:59`"),
        ("when size > 99999999999999999999G -> stop", "99999999999999999999G", "`99999999999999999999G` is not a number, size, duration, date or time", "the number is too large"),
        ("}", "}", "unmatched `}`", "delete it, or look for what is missing before it"),
        (":0: \n* ^From:.*\"x\nspam/", ":", "this is a procmail recipe", "`mfilter import procmail` translates a procmailrc; mailrules(5) shows how"),
        ("MAILDIR=$HOME/Mail\n:0\n{ \n  :0 c\n  ! a@b.c\n}", "MAILDIR", "this is a procmail recipe", "`mfilter import procmail` translates a procmailrc; mailrules(5) shows how"),
        ("require [\"fileinto\"];\nif header :contains \"subject\" \"x\" { fileinto \"X\"; stop; } else { keep; }", "require", "this is a Sieve script", "`mfilter import sieve` translates a script; mailrules(5) shows how"),
        ("define x: spam", ":", "expected `=`, found `:`", "write `define x =`"),
        ("when link is http://example.jp/ -> stop", "http://example.jp/", "`http://example.jp/` is a string, and strings must be quoted", "write `\"http://example.jp/\"`"),
        ("include /etc/mfilter/rules", "/", "unclosed pattern", "a pattern is written `/…/`, a slash in it `\\/`; a path or an address is a string, `\"…\"`"),
        ("when subject is spam:eggs -> stop", "spam:eggs", "`spam:eggs` is a string, and strings must be quoted", "write `\"spam:eggs\"`"),
        ("when spam -> stop inbox", "inbox", "a comma is missing before `inbox`", "several actions are written `ACTION, ACTION`, or in a group each on a line of its own"),
        ("when (a or (b and c) -> stop", "(", "unclosed `(`", "write the missing `)`"),
        ("list white [\"a\", \"b\"", "[", "unclosed `[`", "write the missing `]` after the last element"),
        ("when from in white\n  and subject contains -> stop", "->", "expected a value, found `->`", ""),
        ("define x = from in white or", "", "expected a condition, found the end of the statement", ""),
        ("set log = off", "=", "unexpected `=` between a name and its value", "write `set NAME VALUE`, `list NAME […]`; only `define` and `let` have a `=`"),
    ];

#[test]
fn each_mistake_is_reported_once_at_its_place_with_a_hint() {
    for (rules, marked, message, hint) in MISTAKES {
        let (ast, mistakes) = read(&format!("{rules}\ninclude \"after\"\n"));
        let mistakes: Vec<(&str, &str, &str)> = mistakes
            .iter()
            .map(|(_, marked, message, hint)| (marked.as_str(), message.as_str(), hint.as_str()))
            .collect();
        assert_eq!(mistakes, [(*marked, *message, *hint)], "{rules}");
        let last = ast.statements.last().map(|statement| &statement.kind);
        let include = matches!(last, Some(StatementNodeKind::Include { .. }));
        assert!(include, "what follows {rules} is lost");
    }
}

#[test]
fn five_mistakes_are_reported_in_one_run_and_the_rest_is_read() {
    let text = "\
set me [\"a@b.c\"
list white \"white\"
when from equals white -> inbox
when from in white {
    wehn subject is \"a\" -> discard
    mark flagged
    copy \"X\" \"
    define x = not
}
score junk {
    +3 spf is fail
    2 forged
    -1 from in white
}
define y = a and (b or c
otherwise -> folder \"A\" as seen
";
    let (ast, mistakes) = read(text);
    let places: Vec<(u32, &str)> =
        mistakes.iter().map(|(line, marked, _, _)| (*line, marked.as_str())).collect();
    let marked = [(1, "["), (3, "equals"), (5, "wehn"), (7, "\""), (8, ""), (12, "2"), (15, "(")];
    assert_eq!(places, marked);
    let [_, list, _, group, score, define, otherwise] = ast.statements.as_slice() else {
        panic!("{:#?}", ast.statements)
    };
    assert!(matches!(list.kind, StatementNodeKind::List { .. }));
    let StatementNodeKind::Rule { body: Body::Block(inner), .. } = &group.kind else {
        panic!("{group:#?}")
    };
    assert!(matches!(inner[1].kind, StatementNodeKind::Actions(_)));
    assert_eq!(inner.len(), 4);
    assert!(matches!(&score.kind, StatementNodeKind::Score { entries, .. } if entries.len() == 3));
    let StatementNodeKind::Broken { declares: Some(name), .. } = &define.kind else {
        panic!("{define:#?}")
    };
    assert_eq!(name.value, "y");
    assert!(matches!(otherwise.kind, StatementNodeKind::Rule { condition: None, .. }));
}

#[test]
fn a_missing_brace_is_reported_where_the_indentation_says() {
    let text = "\
when a {
    when b {
        inbox
    when c -> discard
}
rule \"x\" when e {
    otherwise -> inbox

when f -> discard
score s {
    +1 a
";
    let (ast, mistakes) = read(text);
    let places: Vec<(u32, &str)> =
        mistakes.iter().map(|(line, marked, ..)| (*line, marked.as_str())).collect();
    assert_eq!(places, [(2, "{"), (6, "{"), (10, "{")]);
    assert_eq!(ast.statements.len(), 4);
    assert_eq!(places_of_one("when a {\nwhen b {\ninbox\n}\n"), (1, String::from("{")));
    assert_eq!(places_of_one("when a { inbox } }\nstop"), (1, String::from("}")));
}

fn places_of_one(text: &str) -> (u32, String) {
    let mut places = places(text);
    assert_eq!(places.len(), 1, "{places:?}");
    places.remove(0)
}

#[test]
fn a_broken_head_keeps_what_is_in_its_block() {
    let (ast, mistakes) = read("unless spam {\n    discard\n    when a => inbox\n}\nstop\n");
    assert_eq!(mistakes.len(), 2, "{mistakes:?}");
    let StatementNodeKind::Broken { block, .. } = &ast.statements[0].kind else {
        panic!("{:#?}", ast.statements)
    };
    assert_eq!(block.len(), 2);
    assert_eq!(ast.statements.len(), 2);
}

#[test]
fn an_action_indented_more_than_the_rule_above_is_a_warning() {
    let text = "when a -> mark flagged\n    copy \"X\"\n    inbox\nwhen b ->\n    inbox\nstop\n";
    let source = SourceFile::new("rules", text);
    let (ast, mistakes) = parse(0, &source);
    let mistakes: Vec<_> =
        mistakes.iter().map(|mistake| (mistake.code, mistake.severity)).collect();
    assert_eq!(mistakes, [("stray-action", Severity::Warning)]);
    assert_eq!(ast.statements.len(), 5);
}

#[test]
fn newlines_only_separate() {
    let words = "rule \"a\" when from.domain in [ \"b\" , /c/ , d ] and not ( has header \"X-Y\" or e ) -> \
                     mark \"$f\" , folder \"g\" as seen";
    let lines = words.replace(' ', "\n").replace("mark\n", "mark ").replace("as\n", "as ");
    let (one, mistakes) = read(words);
    assert_eq!(mistakes, []);
    let (other, mistakes) = read(&lines);
    assert_eq!(mistakes, []);
    assert_eq!(one.clone().without_spans(), other.without_spans());
    let (crlf, mistakes) = read(&format!("\u{feff}{}\r\n", lines.replace('\n', "\r\n")));
    assert_eq!(mistakes, []);
    assert_eq!(one.without_spans(), crlf.without_spans());
}

#[test]
fn spans_are_those_of_the_text() {
    let text = "# 迷惑\nrule \"a\" when ( a or b ) and not size > 20K  -> copy \"x\" as seen , inbox # c\n";
    let (ast, _) = read(text);
    let source = |span: Span| &text[span.start as usize..span.end as usize];
    let statement = &ast.statements[0];
    let whole = "rule \"a\" when ( a or b ) and not size > 20K  -> copy \"x\" as seen , inbox";
    assert_eq!(source(statement.span), whole);
    let StatementNodeKind::Rule {
        label: Some(label),
        condition: Some(condition),
        body: Body::Actions(actions),
    } = &statement.kind
    else {
        panic!("{statement:#?}")
    };
    assert_eq!(source(label.span), "\"a\"");
    assert_eq!(source(condition.span), "( a or b ) and not size > 20K");
    let ConditionNodeKind::All(parts) = &condition.kind else { panic!("{condition:#?}") };
    assert_eq!(source(parts[0].span), "a or b");
    assert_eq!(source(parts[1].span), "not size > 20K");
    assert_eq!(source(actions[0].span), "copy \"x\" as seen");
    assert_eq!(source(actions[1].span), "inbox");
}

#[test]
fn settings_may_be_called_like_actions() {
    let (ast, mistakes) = read("set log off\nset inbox \"A\"\nset\nlog \"x\"\ninbox\n");
    assert_eq!(mistakes, []);
    assert_eq!(ast.statements.len(), 4);
}

#[test]
fn reserved_words_are_the_same_in_the_grammar_and_in_the_tables() {
    let tables = [
        (Rule::statement_word, words::STATEMENTS),
        (Rule::action_word, words::ACTIONS),
        (Rule::operator_word, words::OPERATORS),
        (Rule::joint_word, words::JOINTS),
        (Rule::slip_word, words::SLIPS),
    ];
    let grammar = include_str!("../../../grammar/mailrules.pest");
    for (of, table) in tables {
        let start = grammar.find(&format!("\n{of:?}")).expect("the grammar has such words");
        let rule = grammar[start..].split('}').next().unwrap_or_default();
        let mut listed: Vec<&str> = rule.split('"').skip(1).step_by(2).collect();
        let mut table = table.to_vec();
        listed.sort_unstable();
        table.sort_unstable();
        assert_eq!(listed, table);
        for word in table {
            assert_eq!(Grammar::parse(of, word).map(|pairs| pairs.as_str()), Ok(word));
            assert!(Grammar::parse(Rule::name, word).is_err(), "{word}");
        }
    }
}

#[test]
fn nesting_is_cheap_up_to_its_limit_and_clear_beyond() {
    let nested = |open: &str, close: &str, depth| {
        format!("when {}a{} -> inbox\nstop\n", open.repeat(depth), close.repeat(depth))
    };
    assert_eq!(places(&nested("(", ")", 30)), []);
    assert_eq!(places(&nested("(b or (not ", "))", 21)), []);
    assert_eq!(places(&nested("not ", "", 64)), []);
    for (text, marked) in [
        (nested("(", ")", 100_000), "("),
        (nested("not ", "", 100_000), "not"),
        (nested("(not ", ")", 100_000), "("),
        (format!("{}{}stop\n", "when a {".repeat(100_000), "}".repeat(100_000)), "{"),
        ("when a {\n".repeat(100_000), "{"),
    ] {
        let (ast, mistakes) = read(&text);
        assert_eq!(mistakes.len(), 1, "{:?}", mistakes.get(..3));
        assert_eq!(mistakes[0].1, marked);
        assert_eq!(mistakes[0].2, "nested more than 64 levels deep");
        assert!(!ast.statements.is_empty());
    }
}

#[test]
fn a_large_file_is_read_in_time_and_a_hopeless_one_reported_briefly() {
    let rule = "when from in white and (subject is \"a\" or size > 20K) -> folder \"A\" as seen\n";
    let (ast, mistakes) = read(&rule.repeat(14_000));
    assert!(ast.statements.len() > 10_000);
    assert_eq!(mistakes, []);
    let (_, mistakes) = read(&"when a => inbox\n".repeat(10_000));
    assert_eq!(mistakes.len(), MAX_MISTAKES + 1);
    assert_eq!(mistakes[MAX_MISTAKES].2, "there are more mistakes after this one");
}
