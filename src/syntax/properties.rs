//! Properties of all rules, tested with random ones.

use pest::Parser;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::ast::{
    ActionNode, Ast, Body, Choice, ConditionNode, ConditionNodeKind, FieldNode, Fields, Instant,
    ListSource, MoveDirection, MoveEnd, NamedArguments, ScriptOption, SpannedText, StatementNode,
    StatementNodeKind, ValueKind, ValueNode,
};
use super::grammar::{Grammar, Rule};
use super::scan::{self, TokenShape};
use super::words::{self, ACTIONS, JOINTS, OPERATORS};
use super::{format, parse};
use crate::diagnostic::{Diagnostic, Severity, render, to_json};
use crate::source::{SourceFile, Sources, Span, Spanned};

fn at<T>(value: T) -> Spanned<T> {
    Spanned { value, span: Span::default() }
}

fn name() -> impl Strategy<Value = String> {
    let word = "[a-z][a-z0-9]{0,6}(-[a-z0-9]{1,3}){0,2}|迷惑メール?|é[0-9]";
    word.prop_filter("no word of the language", |word: &String| {
        !words::is_reserved(word) && !matches!(word.as_str(), "header" | "env")
    })
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[ -~]{0,12}", 1 => any::<String>(), 1 => "[迷惑メールｱ\\\\\"/#{}\t\n]{0,8}"]
}

fn word(of: impl Strategy<Value = String>) -> impl Strategy<Value = SpannedText> {
    of.prop_map(at)
}

fn scalar() -> impl Strategy<Value = ValueKind> {
    let part = prop_oneof![
        "[a-z ]{1,3}",
        Just("/".into()),
        Just("\\d".into()),
        Just("\\\\".into()),
        Just("[\"#{]".into()),
        Just("迷".into()),
        Just("*".into())
    ];
    let pattern = (vec(part, 1..5), any::<bool>()).prop_map(|(parts, case_sensitive)| {
        ValueKind::Pattern { source: parts.concat(), case_sensitive }
    });
    prop_oneof![
        4 => text().prop_map(ValueKind::Text),
        1 => pattern,
        4 => quantity(),
        2 => name().prop_map(ValueKind::Name),
        1 => (quantity(), quantity()).prop_map(|(from, to)| {
            ValueKind::Range(Box::new(value(from)), Box::new(value(to)))
        }),
    ]
}

fn quantity() -> impl Strategy<Value = ValueKind> {
    prop_oneof![
        (-4000i32..4000).prop_map(|number| ValueKind::Number(f64::from(number) / 4.0)),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(ValueKind::Number),
        any::<u32>().prop_map(|kilo| ValueKind::Size(u64::from(kilo) << 10)),
        any::<u32>().prop_map(|seconds| ValueKind::Duration(u64::from(seconds))),
        (0u64..60).prop_map(|days| ValueKind::Duration(days * 86_400)),
        (0i16..10_000, 0u8..100, 0u8..100).prop_map(|(year, month, day)| ValueKind::Date {
            year,
            month,
            day
        }),
        (0u8..24, 0u8..60).prop_map(|(hour, minute)| ValueKind::Time { hour, minute }),
        instant().prop_map(ValueKind::Instant),
    ]
}

fn instant() -> impl Strategy<Value = Instant> {
    let clock = (0u8..24, 0u8..60, prop_oneof![Just(0), 0u8..60]);
    let offset = option::of(-1439i16..1440);
    (0i16..10_000, 0u8..100, 0u8..100, clock, offset).prop_map(
        |(year, month, day, (hour, minute, second), offset)| Instant {
            year,
            month,
            day,
            hour,
            minute,
            second,
            offset,
        },
    )
}

/// What may come after `reply`.
fn named_arguments() -> impl Strategy<Value = NamedArguments> {
    let lines =
        vec(prop_oneof!["[ a\t\"\\\\]{0,5}", text()], 0..4).prop_map(|lines| lines.join("\n"));
    let any_value = prop_oneof![
        2 => lines.prop_map(ValueKind::Text).prop_map(value),
        1 => scalar().prop_map(value),
        1 => set()
    ];
    let name = prop_oneof![name(), Just("text".into()), Just("from".into()), Just("is".into())];
    vec((word(name), any_value), 0..4).prop_map(|all| NamedArguments { span: Span::default(), all })
}

fn value(kind: ValueKind) -> ValueNode {
    ValueNode { span: Span::default(), kind }
}

fn set() -> impl Strategy<Value = ValueNode> {
    vec(scalar().prop_map(value), 0..6).prop_map(|elements| value(ValueKind::Set(elements)))
}

fn field() -> impl Strategy<Value = FieldNode> {
    let plain = (name(), option::of(name())).prop_map(|(name, part)| {
        let name = part.map_or(name.clone(), |part| format!("{name}.{part}"));
        FieldNode { span: Span::default(), name: at(name), argument: None, part: None }
    });
    let header = (prop_oneof!["header", "env", "address"], text(), option::of(word(name())));
    let header = header.prop_map(|(name, argument, part)| FieldNode {
        span: Span::default(),
        name: at(name),
        argument: Some(at(argument)),
        part,
    });
    prop_oneof![3 => plain, 1 => header]
}

fn fields() -> impl Strategy<Value = Fields> {
    let set = vec(field(), 0..4).prop_map(|of| Fields::Set { span: Span::default(), of });
    prop_oneof![4 => field().prop_map(Fields::One), 1 => set]
}

fn condition() -> impl Strategy<Value = ConditionNode> {
    let operator = proptest::sample::select([OPERATORS, &["=", "<", "<=", ">", ">="]].concat());
    let test = (fields(), operator, prop_oneof![scalar().prop_map(value), set()]).prop_map(
        |(fields, operator, value)| ConditionNodeKind::Test {
            fields,
            operator: at(operator.to_string()),
            value,
        },
    );
    let of = prop_oneof![word(text()).prop_map(Some), Just(None)];
    // A signed number would begin the next entry of a score.
    let within = (1..u64::from(u32::MAX)).prop_map(|s| value(ValueKind::Duration(s)));
    let duplicate = (of, option::of(within), any::<bool>())
        .prop_filter("one of both", |(of, within, _)| of.is_some() || within.is_some())
        .prop_map(|(of, within, first)| {
            let first = (first && within.is_some()).then(Span::default);
            ConditionNodeKind::Duplicate { of, within, first }
        });
    let leaf = prop_oneof![
        word(name()).prop_map(ConditionNodeKind::Name),
        duplicate,
        word(text()).prop_map(ConditionNodeKind::FolderExists),
        fields().prop_map(ConditionNodeKind::Has),
        test,
    ]
    .prop_map(|kind| ConditionNode { span: Span::default(), kind });
    leaf.prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 2..5).prop_map(ConditionNodeKind::All),
            vec(inner.clone(), 2..5).prop_map(ConditionNodeKind::Any),
            inner.prop_map(|inner| ConditionNodeKind::Not(Box::new(inner))),
        ]
        .prop_map(|kind| ConditionNode { span: Span::default(), kind })
    })
}

fn action(name: impl Strategy<Value = String>) -> impl Strategy<Value = ActionNode> {
    let argument = prop_oneof![
        text().prop_map(ValueKind::Text),
        quantity(),
        self::name().prop_map(ValueKind::Name)
    ];
    let flag =
        prop_oneof![text().prop_map(ValueKind::Text), self::name().prop_map(ValueKind::Name)];
    let arguments = vec(argument.prop_map(value), 0..3);
    let flags = vec(flag.prop_map(value), 0..3);
    (word(name), self::name(), arguments, flags, option::of(named_arguments())).prop_map(
        |(name, kept, mut arguments, mut flags, mut named_arguments)| {
            if words::WITH_NAMED_ARGUMENTS.contains(&&*name.value) {
                if named_arguments.is_some() {
                    arguments.clear();
                }
            } else {
                named_arguments = None;
            }
            if name.value == "let" {
                arguments.push(value(ValueKind::Name(kept.clone())));
                arguments.truncate(1);
                arguments.insert(0, value(ValueKind::Name(kept)));
                flags.clear();
            }
            ActionNode { span: Span::default(), name, arguments, named_arguments, flags }
        },
    )
}

fn known_action() -> impl Strategy<Value = ActionNode> {
    action(proptest::sample::select(ACTIONS).prop_map(String::from))
}

/// The first is a known action, since it is at the beginning of a statement.
fn lone_actions() -> impl Strategy<Value = Vec<ActionNode>> {
    (known_action(), actions(0..2)).prop_map(|(first, mut actions)| {
        actions.insert(0, first);
        actions
    })
}

fn actions(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<ActionNode>> {
    vec(prop_oneof![4 => known_action().boxed(), 1 => action(name()).boxed()], count)
}

fn move_end() -> impl Strategy<Value = MoveEnd> {
    (prop_oneof![Just(MoveDirection::To), Just(MoveDirection::From)], word(text()))
        .prop_map(|(way, folder)| MoveEnd { direction: at(way), folder })
}

fn statement() -> impl Strategy<Value = StatementNode> {
    let setting = prop_oneof![name(), proptest::sample::select(ACTIONS).prop_map(String::from)];
    let any_value = || prop_oneof![scalar().prop_map(value), set()];
    let list_value = prop_oneof![text().prop_map(ValueKind::Text).prop_map(value), set()];
    let weight = (-400i32..400).prop_map(|weight| at(f64::from(weight) / 4.0));
    let head = || (option::of(word(text())), option::of(condition()));
    let leaf = prop_oneof![
        (word(setting), any_value())
            .prop_map(|(name, value)| StatementNodeKind::Set { name, value }),
        (word(name()), list_value)
            .prop_map(|(name, value)| StatementNodeKind::List { name, value }),
        (word(name()), condition())
            .prop_map(|(name, condition)| StatementNodeKind::Define { name, condition }),
        (word(name()), vec((weight, condition()), 0..4))
            .prop_map(|(name, entries)| StatementNodeKind::Score { name, entries }),
        word(text()).prop_map(|file| StatementNodeKind::Include { file }),
        (word(text()), vec((word(name()), word(text())), 0..3)).prop_map(|(file, options)| {
            let option = |(name, value)| ScriptOption { name, value };
            StatementNodeKind::IncludeSieve {
                file,
                options: options.into_iter().map(option).collect(),
            }
        }),
        (word(name()), prop::sample::select(ListSource::ALL.to_vec()), word(text()))
            .prop_map(|(name, source, place)| StatementNodeKind::ListFrom { name, source, place }),
        (
            word(text()),
            (1..u64::from(u32::MAX)).prop_map(|s| value(ValueKind::Duration(s))),
            vec(word(prop::sample::select(vec!["unread".to_owned(), "flagged".to_owned()])), 0..3),
            option::of(condition()),
            actions(1..3)
        )
            .prop_map(|(folder, after, even, unless, actions)| {
                StatementNodeKind::Expire { folder, after, even, unless, actions }
            }),
        (vec(move_end(), 1..3), actions(1..3))
            .prop_map(|(ends, actions)| StatementNodeKind::OnMoved { ends, actions }),
        (word(text()), actions(1..3))
            .prop_map(|(message, actions)| StatementNodeKind::Expect { message, actions }),
        lone_actions().prop_map(StatementNodeKind::Actions),
        vec((option::of(word(prop_oneof![name(), text()])), any::<bool>()), 1..4).prop_map(
            |choices| StatementNodeKind::IspFilter {
                choices: choices
                    .into_iter()
                    .map(|(category, on)| Choice { category, on: at(on) })
                    .collect(),
            }
        ),
        (prop_oneof!["subject", "header"], word(text()))
            .prop_map(|(kind, text)| StatementNodeKind::IspLabel { kind: at(kind), text }),
        (head(), actions(1..3)).prop_map(|((label, condition), actions)| {
            StatementNodeKind::Rule { label, condition, body: Body::Actions(actions) }
        }),
    ]
    .prop_map(|kind| StatementNode { span: Span::default(), kind });
    leaf.prop_recursive(3, 12, 4, move |inner| {
        let group = (head(), vec(inner.clone(), 0..4)).prop_map(|((label, condition), body)| {
            StatementNodeKind::Rule { label, condition, body: Body::Block(body) }
        });
        let category = (word(text()), any::<bool>(), vec(inner, 0..4)).prop_map(
            |(name, mandatory, statements)| StatementNodeKind::Category {
                name,
                mandatory,
                statements,
            },
        );
        prop_oneof![3 => group, 1 => category]
            .prop_map(|kind| StatementNode { span: Span::default(), kind })
    })
}

fn ast() -> impl Strategy<Value = Ast> {
    vec(statement(), 0..6).prop_map(|statements| Ast { statements, comments: Vec::new() })
}

fn source(text: &str) -> SourceFile {
    SourceFile::new("rules", text)
}

fn errors(diagnostics: &[Diagnostic]) -> Vec<&str> {
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
    errors.map(|diagnostic| diagnostic.message.as_str()).collect()
}

fn without_comments(ast: Ast) -> Ast {
    Ast { comments: Vec::new(), ..ast.without_spans() }
}

/// Comments between tokens, but not where a word would be moved to the start of a
/// line and would begin a statement there.
fn with_comments(text: &str, places: &[(usize, bool)]) -> String {
    let tokens = scan::scan(0, text).tokens;
    let fits = |place: usize| {
        let (Some(token), before) = (tokens.get(place), tokens.get(place.wrapping_sub(1))) else {
            return true;
        };
        let Some(before) = before else { return true };
        let written = |token: &scan::SyntaxToken| &text[token.start as usize..token.end as usize];
        !matches!(token.kind, TokenShape::Word | TokenShape::Signs | TokenShape::Part)
            || token.indent.is_some()
            || matches!(written(token), "and" | "or" | "as")
            || matches!(before.kind, TokenShape::Comma | TokenShape::Arrow)
            || JOINTS.contains(&written(before))
    };
    let mut inserted: Vec<(usize, String)> = places
        .iter()
        .enumerate()
        .map(|(number, (place, own_line))| {
            let place = place % (tokens.len() + 1);
            let own_line = if *own_line { "\n\n" } else { " " };
            (place, format!("{own_line}# 「{number}」 \"{{ ->  \n"))
        })
        .filter(|(place, _)| fits(*place))
        .collect();
    inserted.sort_by_key(|(place, _)| *place);
    let mut commented = String::new();
    let mut from = 0;
    for (place, comment) in inserted {
        let to = tokens.get(place).map_or(text.len(), |token| token.start as usize);
        commented.push_str(&text[from..to]);
        commented.push_str(&comment);
        from = to;
    }
    commented.push_str(&text[from..]);
    commented
}

fn nothing_panics(text: &str) {
    let mut sources = Sources::default();
    sources.add(source(text));
    let file = &sources.files()[0];
    let (ast, diagnostics) = parse(0, file);
    let formatted = format(&ast, file);
    render(&diagnostics, &sources, false);
    to_json(&diagnostics, &sources);
    let length = file.text.len() as u32;
    for diagnostic in &diagnostics {
        let span = diagnostic.span;
        assert!(span.start <= span.end && span.end <= length, "{span:?} in {text:?}");
        assert!(file.text.is_char_boundary(span.start as usize), "{span:?} in {text:?}");
        assert!(file.text.is_char_boundary(span.end as usize), "{span:?} in {text:?}");
    }
    if diagnostics.is_empty() {
        assert!(Grammar::parse(Rule::file, &file.text).is_ok(), "the grammar refuses {text:?}");
        let again = source(&formatted);
        let (reread, diagnostics) = parse(0, &again);
        assert_eq!(errors(&diagnostics), [""; 0], "{text:?} became\n{formatted}");
        assert_eq!(without_comments(reread.clone()), without_comments(ast), "{text:?}");
        assert_eq!(format(&reread, &again), formatted, "{text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn parsing_what_was_formatted_gives_the_same_rules(ast in ast()) {
        let formatted = source(&format(&ast, &source("")));
        let (parsed, diagnostics) = parse(0, &formatted);
        prop_assert_eq!(errors(&diagnostics), [""; 0], "{}", &formatted.text);
        prop_assert_eq!(parsed.clone().without_spans(), ast, "{}", &formatted.text);
        prop_assert_eq!(format(&parsed, &formatted), &*formatted.text);
        prop_assert!(Grammar::parse(Rule::file, &formatted.text).is_ok());
    }

    #[test]
    fn comments_survive_formatting(ast in ast(), places in vec((0usize..400, any::<bool>()), 1..12)) {
        let commented = source(&with_comments(&format(&ast, &source("")), &places));
        let (parsed, diagnostics) = parse(0, &commented);
        prop_assert_eq!(errors(&diagnostics), [""; 0], "{}", &commented.text);
        prop_assert_eq!(without_comments(parsed.clone()), ast, "{}", &commented.text);
        let formatted = source(&format(&parsed, &commented));
        let (reread, diagnostics) = parse(0, &formatted);
        prop_assert_eq!(errors(&diagnostics), [""; 0], "{}\n{}", &commented.text, &formatted.text);
        prop_assert_eq!(without_comments(reread.clone()), without_comments(parsed.clone()));
        let texts = |ast: Ast| {
            let mut texts: Vec<String> = ast.without_spans().comments.into_iter().map(|comment| comment.text).collect();
            texts.sort();
            texts
        };
        prop_assert_eq!(texts(reread.clone()), texts(parsed), "{}\n{}", &commented.text, &formatted.text);
        prop_assert_eq!(format(&reread, &formatted), &*formatted.text, "{}", &commented.text);
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in vec(any::<u8>(), 0..200)) {
        nothing_panics(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,80}") {
        nothing_panics(&text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn no_tokens_make_the_parser_panic(tokens in vec(proptest::sample::select(TOKENS), 0..40)) {
        nothing_panics(&tokens.concat());
    }
}

/// Tokens that reach deep into the parser.
#[rustfmt::skip]
const TOKENS: &[&str] = &[
    "\n", "\n", "\n    ", " ", " ", " ", " ", "# c\n", "when ", "when a ", "otherwise ", "rule \"r\" ", "set ",
    "list ", "define ", "score x {\n", "include ", "expect ", "-> ", "-> ", "{", "}", "}\n", "[", "]", "(",
    ")", ",", ", ", "..", "=", "<= ", "and ", "or ", "not ", "has ", "as ", "is ", "in ", "inbox", "folder ",
    "mark ", "discard\n", "from", "from.domain ", "header ", "address ", "duplicate ", "of ", "\"x\"", ".domain ", "\"x\" ", "\"", "'", "/re/ ", "/", "/c", "5 ",
    "+3 ", "20K", "2026-12-24", "22:00", "1.2.3", "if ", "else ", "then ", "require ", ":0", "* ", ";", "=>",
    "&&", "!", "“", "＝", "\u{3000}", "\u{200b}", "迷惑 ", "a_b ", "@", ".", "$", "\\", "\r\n", "-", "+", "//",
    "x@y.z ", "reply {", "reply ", "text \"\"\"\n  a\n\"\"\" ", "\"\"\"", "T18:00", "+09:00", "wehn ", "fodler ", "isp-filter ", "isp-label ", "category ", "mandatory ", "on ", "off ",
    "default ",
];
