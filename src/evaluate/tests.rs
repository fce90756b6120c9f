//! Runs of rules that are written here.

use std::cell::Cell;
use std::path::Path;

use super::testing::{
    ask, compiled, confined, message, program, reasons, rules, run_on, steps, with_site,
};
use super::{Detail, FilterOutcome, FilterRunner, NoFilters, Run, TestVerdict, run};
use crate::maildir::Location;
use crate::message::{HeaderEdit, Message};
use crate::plan::StepKind;
use crate::rules::check::MAX_CONDITION_DEPTH;
use crate::rules::compiled::CompiledProgram;
use crate::rules::program::{
    Condition, ConditionKind, Layout, MailSide, Program, Statement, StatementKind,
};
use crate::rules::rule_set::RuleSet;
use crate::source::Span;
use crate::state::slots::Key;
use crate::state::{StateDir, duplicates};
use crate::world::{Correspondents, DuplicateStatus, FolderSource, SentMail, UnknownMail, World};

const MAIL: &str = "From: Hanako <hanako@example.jp>\nTo: taro@example.org\nSubject: word7\n\
                    Message-ID: <1@example.jp>\nDate: Thu, 24 Dec 2026 09:00:00 +0900\n\nhi\n";

/// More rules than are evaluated one by one.
fn many_rules() -> String {
    let rules = (0..12).map(|n| format!("when subject is \"word{n}\" -> folder \"{n}\"\n"));
    "mark flagged\n".to_owned() + &rules.collect::<String>()
}

#[test]
fn every_detail_has_the_same_plan_and_a_trace_has_every_rule() {
    let rules = rules(&many_rules());
    let ran = |detail| run_on(&rules, MAIL, &World::default(), detail);
    let (plan, count, trace) = (ran(Detail::Plan), ran(Detail::Count), ran(Detail::Trace));
    for run in [&plan, &count, &trace] {
        assert_eq!(steps(run), ["folder \"7\" as flagged"]);
    }
    let fired = |run: &Run| -> Vec<bool> {
        run.evaluation.trace.tallies.iter().map(|rule| rule.fired).collect()
    };
    // The action before the rules counts, those in a rule do not.
    let expected = [vec![true], vec![false; 7], vec![true]].concat();
    assert_eq!((fired(&count), fired(&trace)), (expected.clone(), expected));
    assert_eq!(fired(&plan), Vec::<bool>::new());
    let traced = |run: &Run| run.evaluation.trace.rules.len();
    assert_eq!((traced(&plan), traced(&count), traced(&trace)), (0, 0, 8));
}

/// A program whose first rule discards if condition `first` holds.
fn with_conditions(kinds: Vec<ConditionKind>, first: u32) -> Program {
    let mut program = program("when subject is \"word7\" -> discard\n");
    let span = Span::default();
    program.conditions.extend(kinds.into_iter().map(|kind| Condition { span, kind }));
    for statement in &mut program.statements {
        if let StatementKind::When { condition, .. } = &mut statement.kind {
            *condition = Some(first);
        }
    }
    program
}

/// `not not … subject is "word7"`
fn nested(depth: u32) -> Program {
    with_conditions((1..depth).map(|at| ConditionKind::Not(at - 1)).collect(), depth - 1)
}

#[test]
fn conditions_nest_as_deep_as_check_allows() {
    let deepest = MAX_CONDITION_DEPTH - 1;
    let mut rules = RuleSet::alone(CompiledProgram::new(nested(deepest)));
    let ran = run_on(&rules, MAIL, &World::default(), Detail::Plan);
    assert_eq!((steps(&ran), ran.damaged), (vec!["discard".to_owned()], false));
    rules.user = CompiledProgram::new(nested(MAX_CONDITION_DEPTH));
    assert!(!run_on(&rules, MAIL, &World::default(), Detail::Plan).damaged);
    // What is deep is not what is long.
    let many = "when subject is \"x\" -> discard\nmark seen\n".repeat(200);
    let ran = run_on(&super::testing::rules(&many), MAIL, &World::default(), Detail::Trace);
    assert_eq!((steps(&ran), ran.damaged), (vec!["inbox as seen".to_owned()], false));
}

/// The cached rules of a user can be damaged in any place.
#[test]
fn what_damaged_rules_say_is_not_believed() {
    for (what, program) in [
        ("a condition that is not there", with_conditions(vec![], 7)),
        ("one that contains itself", with_conditions(vec![ConditionKind::Not(1)], 1)),
        (
            "one that contains a later one",
            with_conditions(vec![ConditionKind::Not(2), ConditionKind::Not(0)], 1),
        ),
        ("too deep", nested(MAX_CONDITION_DEPTH + 1)),
        ("a field that is not there", with_conditions(vec![ConditionKind::Has(7)], 1)),
        ("a classifier", with_conditions(vec![ConditionKind::Classifier(u32::MAX)], 1)),
        ("a definition", with_conditions(vec![ConditionKind::Define(0)], 1)),
        ("a list", with_conditions(vec![ConditionKind::In { field: 0, list: 3 }], 1)),
        (
            "a pattern",
            with_conditions(vec![ConditionKind::Matches { field: 0, patterns: vec![3] }], 1),
        ),
    ] {
        let rules = RuleSet::alone(CompiledProgram::new(program));
        let ran = run_on(&rules, MAIL, &World::default(), Detail::Plan);
        assert!(ran.damaged, "{what}");
        assert!(!steps(&ran).contains(&"discard".to_owned()), "{what}");
    }
}

/// A filter that always finds something.
struct AlwaysFiltering;

impl FilterRunner for AlwaysFiltering {
    fn filter(&mut self, _: &[String], _: &Message, _: &[HeaderEdit]) -> FilterOutcome {
        FilterOutcome::Replaced(Box::new(message("Subject: filtered\n\n")))
    }
}

#[test]
fn fresh_rules_take_the_place_of_damaged_ones_from_the_beginning() {
    let mut damaged =
        program("filter \"stamp\"\nmark seen\nlog \"damaged\"\nwhen subject is \"x\" -> discard\n");
    for statement in &mut damaged.statements {
        if let StatementKind::When { condition, .. } = &mut statement.kind {
            *condition = Some(99);
        }
    }
    let reloaded = |with: fn() -> Option<CompiledProgram>| {
        let mut rules = RuleSet::alone(CompiledProgram::new(damaged.clone()));
        rules.reload = Some(Box::new(with));
        run(&rules, message(MAIL), &World::default(), Detail::Plan, &mut AlwaysFiltering)
    };
    let ran = reloaded(|| Some(compiled("when subject is \"word7\" -> folder \"Fresh\"\n")));
    assert_eq!((steps(&ran), ran.damaged), (vec!["folder \"Fresh\"".to_owned()], false));
    assert_eq!(ran.filtered.len(), 0);
    assert!(reloaded(|| None).damaged);
    let again = || Some(CompiledProgram::new(with_conditions(vec![], 7)));
    assert!(reloaded(again).damaged);
}

#[test]
fn the_users_rules_start_fresh_after_the_sites() {
    let site = "category \"tags\" {\n  let where = \"Site\"\n  mark seen\n  \
                rule \"site\" when subject contains \"word\" { add-header \"X-A\" \"a\" }\n}\n";
    let user = "when subject is \"x\" { let other = \"Mine\" }\nlog \"<{other}>\"\n\
                when subject is \"word7\" -> folder \"A\"\n";
    let ran = run_on(&with_site(site, user), MAIL, &World::default(), Detail::Trace);
    let last = ran.evaluation.plan.steps.iter().rev().take(2).rev();
    let last = last.map(|step| (step.kind.sentence(), step.rule.clone().expect("a rule")));
    let shown: Vec<_> =
        last.map(|(sentence, rule)| (sentence, rule.line, rule.label, rule.category)).collect();
    let of_user =
        |sentence: &str, line| (sentence.to_owned(), line, None::<String>, None::<String>);
    assert_eq!(shown, [of_user("log \"<>\"", 2), of_user("folder \"A\" as seen", 3)]);
    // The places of the site's tests are in its own files.
    let places = ran.evaluation.trace.rules.iter();
    let files: Vec<(u32, Vec<u32>)> = places
        .map(|rule| (rule.span.file, rule.tests.iter().map(|test| test.span.file).collect()))
        .collect();
    assert_eq!(files, [(1, vec![]), (1, vec![1]), (0, vec![0]), (0, vec![0])]);
}

#[test]
fn site_rules_that_are_off_are_in_a_trace_alone() {
    let rules =
        with_site("isp-filter default off\ncategory \"a\" {\n  inbox\n}\n", "folder \"A\"\n");
    let ran = |detail| run_on(&rules, MAIL, &World::default(), detail);
    for detail in [Detail::Plan, Detail::Trace] {
        assert_eq!(steps(&ran(detail)), ["folder \"A\""]);
    }
    let rules = ran(Detail::Trace).evaluation.trace.rules;
    let off = TestVerdict::Skipped("off unless it is switched on".into());
    assert_eq!(rules.first().map(|rule| rule.verdict.clone()), Some(off));
}

/// Stamps each message, and notes with which edits it got it.
#[derive(Default)]
struct NotedEdits(Vec<usize>);

impl FilterRunner for NotedEdits {
    fn filter(&mut self, argv: &[String], old: &Message, edits: &[HeaderEdit]) -> FilterOutcome {
        self.0.push(edits.len());
        AlwaysFiltering.filter(argv, old, edits)
    }
}

#[test]
fn what_rules_have_done_still_holds_after_a_filter() {
    let text = "mark seen\nadd-header \"X-A\" \"a\"\nadd-header \"X-B\" \"b\"\n\
                filter \"one\"\nadd-header \"X-C\" \"c\"\nfilter \"two\"\n\
                when subject is \"filtered\" -> folder \"A\"\n";
    let mut filters = NotedEdits::default();
    let ran = run(&rules(text), message(MAIL), &World::default(), Detail::Plan, &mut filters);
    assert_eq!(filters.0, [2, 1], "each edit once");
    assert_eq!(steps(&ran).last().map(String::as_str), Some("folder \"A\" as seen"));
    assert_eq!(ran.filtered.len(), 2);
    // The message that came is remembered, not what a filter made of it.
    let key = |text: &str| {
        let ran =
            run(&rules(text), message(MAIL), &World::default(), Detail::Plan, &mut AlwaysFiltering);
        let mut steps = ran.evaluation.plan.steps.into_iter();
        steps.find_map(|step| match step.kind {
            StepKind::Remember { key, .. } => Some(key),
            _ => None,
        })
    };
    let plain = key("when duplicate -> discard\n");
    assert!(plain.is_some());
    assert_eq!(key("filter \"one\"\nwhen duplicate -> discard\n"), plain);
    assert_eq!(key("when duplicate -> discard\nfilter \"one\"\n"), plain);
}

#[test]
fn headers_name_what_a_sites_filter_did_if_it_did_it() {
    let rules = with_site("category \"a\" {\n  filter \"/bin/x\"\n}\n", "inbox\n");
    let site_headers = |filters: &mut dyn FilterRunner| {
        let ran = run(&rules, message(MAIL), &World::default(), Detail::Plan, filters);
        steps(&ran).into_iter().filter(|step| step.contains("X-Mfilter-Site")).collect::<Vec<_>>()
    };
    let header = "category=\"a\"; rule=\"rules:2\"; action=\"filter /bin/x\"";
    assert_eq!(
        site_headers(&mut AlwaysFiltering),
        [format!("add-header \"X-Mfilter-Site\" \"{header}\"")]
    );
    assert_eq!(site_headers(&mut NoFilters), [""; 0]);
}

#[test]
fn what_the_site_asks_for_is_remembered_once() {
    let answer_of = |site: &str| {
        let site = format!("category \"a\" {{\n  {site}\n}}\n");
        remembered(&run_on(&with_site(&site, "inbox\n"), MAIL, &World::default(), Detail::Plan))
    };
    assert_eq!(answer_of("when duplicate -> mark seen").len(), 1);
    assert_eq!(answer_of("when duplicate -> mark seen\n  folder \"A\"").len(), 1);
    assert_eq!(answer_of("when duplicate -> mark seen\n  copy \"A\"").len(), 1);
    assert_eq!(answer_of("mark seen").len(), 0);
}

/// Whatever a damaged jump says, a run goes forward and ends.
#[test]
fn a_run_goes_forward() {
    let mut program = program("folder \"A\"\n");
    let kinds = [StatementKind::Leave, StatementKind::Script { end: 0 }, StatementKind::Leave];
    let jumps = kinds.map(|kind| Statement { span: Span::default(), line: 1, kind });
    program.statements.splice(0..0, jumps);
    let rules = RuleSet::alone(CompiledProgram::new(program));
    assert_eq!(steps(&run_on(&rules, MAIL, &World::default(), Detail::Plan)), ["folder \"A\""]);
}

#[test]
fn a_script_that_has_filed_ends_the_run_after_it() {
    let mut program = program("fileinto \"A\"\nlog \"in it\"\nlog \"behind it\"\n");
    let kind = StatementKind::Script { end: 3 };
    program.statements.insert(0, Statement { span: Span::default(), line: 1, kind });
    let rules = RuleSet::alone(CompiledProgram::new(program));
    let ran = run_on(&rules, MAIL, &World::default(), Detail::Plan);
    assert_eq!(steps(&ran), ["fileinto \"A\"", "log \"in it\""]);
}

#[test]
fn until_the_rules_say_who_the_user_is_it_is_unknown() {
    let ran = |me: &str| {
        let text = format!("{me}\nwhen not addressed-to-me -> discard\n");
        steps(&run_on(&rules(&text), MAIL, &World::default(), Detail::Plan))
    };
    assert_eq!(ran(""), ["inbox"]);
    assert_eq!(ran("set me [\"taro@example.org\"]"), ["inbox"]);
    assert_eq!(ran("set me [\"jiro@example.org\"]"), ["discard"]);
}

#[test]
fn duplicate_of_first_does_not_renew_what_is_remembered() {
    let renewed = |of_first: &str| {
        let text = format!("when duplicate of \"{{subject}}\" within 1d{of_first} -> log \"x\"\n");
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path());
        let now: jiff::Timestamp = "2026-12-24T11:00:00Z".parse().unwrap();
        let world = World { state: Some(state.clone()), now: Some(now), ..World::default() };
        let ran = || run_on(&rules(&text), MAIL, &world, Detail::Plan);
        let first = ran().evaluation.plan.steps.into_iter().find_map(|step| match step.kind {
            StepKind::Remember { key, within, .. } => Some((Key(key), within)),
            _ => None,
        });
        let (key, within) = first.expect("to be remembered");
        duplicates::remember(&state, key, now.as_second(), within).unwrap();
        assert_eq!(steps(&ran()).iter().filter(|step| *step == "log \"x\"").count(), 1);
        remembered(&ran()).len()
    };
    assert_eq!((renewed(""), renewed(" of first")), (1, 0));
}

#[test]
fn a_folder_whose_name_is_not_known_neither_exists_nor_not() {
    let text = "list gone \"~/gone\"\nscore sum { +1 from in gone }\n\
                when folder-exists \"A{sum}\" -> discard\n\
                when not folder-exists \"A{sum}\" -> discard\n";
    let home = tempfile::tempdir().unwrap();
    let location = Location::new(home.path().to_owned(), Layout::Fs, None);
    let world = World { folders: FolderSource::Maildir(location), ..World::default() };
    assert_eq!(steps(&run_on(&rules(text), MAIL, &world, Detail::Plan)), ["inbox"]);
}

#[test]
fn arguments_are_cut_between_letters() {
    let argument = |text: &str| {
        let mail = format!("Subject: {text}\n\n");
        let run =
            run_on(&rules("pipe \"x\" \"{subject}\"\n"), &mail, &World::default(), Detail::Plan);
        match &run.evaluation.plan.steps.first().expect("a step").kind {
            StepKind::Pipe { argv } => argv.last().cloned().unwrap_or_default(),
            other => panic!("{other:?}"),
        }
    };
    let most = 64 << 10;
    assert_eq!(argument(&"a".repeat(most + 1)), "a".repeat(most));
    assert_eq!(argument(&"\u{3042}".repeat(most / 3 + 1)), "\u{3042}".repeat(most / 3));
    assert_eq!(argument(&"\u{3042}".repeat(9)), "\u{3042}".repeat(9));
}

/// What a filter would have said is then not known: neither answer may let rules drop mail.
#[test]
fn a_filter_that_cannot_be_run_now_has_neither_failed_nor_worked() {
    struct NotNow;
    impl FilterRunner for NotNow {
        fn filter(&mut self, _: &[String], _: &Message, _: &[HeaderEdit]) -> FilterOutcome {
            FilterOutcome::Unavailable("too many open files".into())
        }
    }
    for (asks, ends) in [
        ("when filter-failed -> discard\n", true),
        ("when not filter-failed -> discard\n", true),
        ("when subject is \"word7\" -> folder \"A\"\n", false),
    ] {
        let (rules, world) = (rules(&format!("filter \"x\"\n{asks}")), World::default());
        let run = run(&rules, message(MAIL), &world, Detail::Plan, &mut NotNow);
        assert_eq!(world.temporary_failure(), ends.then_some("too many open files"), "{asks}");
        assert!(!steps(&run).contains(&"discard".to_owned()), "{asks}");
    }
}

/// A megabyte of rules could make a text of any length: each line holds the one before it
/// twice.
#[test]
fn a_text_that_doubles_with_each_rule_is_cut() {
    let doubled = "let a = \"{a}{a}\"\n".repeat(22);
    let rules = rules(&format!("let a = \"\u{3042}\"\n{doubled}log \"{{a}}\"\n"));
    let run = run_on(&rules, MAIL, &World::default(), Detail::Plan);
    let lengths: Vec<usize> = run
        .evaluation
        .plan
        .steps
        .iter()
        .filter_map(|step| match &step.kind {
            StepKind::Log(text) => Some(text.len()),
            _ => None,
        })
        .collect();
    assert_eq!(lengths, [(1 << 20) / 3 * 3]);
}

/// What is remembered, and for how long.
fn remembered(run: &Run) -> Vec<u64> {
    let kinds = run.evaluation.plan.steps.iter().map(|step| &step.kind);
    kinds
        .filter_map(|kind| match kind {
            StepKind::Remember { within, .. } => Some(*within),
            _ => None,
        })
        .collect()
}

#[test]
fn a_message_is_remembered_if_it_is_delivered_and_a_rule_may_ask() {
    let remembered_by =
        |text: &str| remembered(&run_on(&rules(text), MAIL, &World::default(), Detail::Plan));
    let week = 7 * 24 * 3600;
    assert_eq!(remembered_by("set duplicates-for 1w\nwhen duplicate -> folder \"A\"\n"), [week]);
    assert_eq!(
        remembered_by("set duplicates-for 1w\nwhen duplicate within 1d -> folder \"A\"\n"),
        [week]
    );
    assert_eq!(
        remembered_by("set duplicates-for 1d\nwhen duplicate within 1w -> folder \"A\"\n"),
        [week]
    );
    let rule = "when duplicate of \"{subject}\" within 1w -> folder \"A\"\n";
    let twice = format!("set duplicates-for 1d\n{rule}{rule}");
    assert_eq!(remembered_by(&twice), [week], "the same value once");
    // Another rule came first, or it goes nowhere, or it comes again.
    let first = format!("when subject is \"word7\" -> inbox\n{rule}");
    assert_eq!(remembered_by(&first), Vec::<u64>::new());
    for end in ["discard", "defer \"4.3.0 later\"", "copy \"B\"\nreject \"5.7.1 no\""] {
        assert_eq!(
            remembered_by(&format!("{rule}when duplicate -> inbox\n{end}\n")),
            Vec::<u64>::new(),
            "{end}"
        );
    }
}

#[test]
fn for_existing_mail_it_is_known_when_it_came_before() {
    let trace = |text: &str, before| {
        let world = World { before: Cell::new(Some(before)), ..World::default() };
        reasons(&run_on(&rules(&format!("when {text} -> discard\n")), MAIL, &world, Detail::Trace))
            .join("")
    };
    let ago = DuplicateStatus::Ago;
    for (text, before, shown) in [
        ("duplicate", ago(0), "delivered 0s ago"),
        ("duplicate", ago(59), "delivered 59s ago"),
        ("duplicate", ago(60), "delivered 1m ago"),
        ("duplicate", ago(3599), "delivered 59m ago"),
        ("duplicate", ago(3600), "delivered 1h ago"),
        ("duplicate", ago(24 * 3600 - 1), "delivered 23h ago"),
        ("duplicate", ago(24 * 3600), "delivered 1d ago"),
        ("duplicate within 1h", ago(3600), "delivered 1h ago"),
        ("duplicate within 1h", ago(3601), "not delivered before, as far as mfilter remembers"),
        ("duplicate", DuplicateStatus::First, "the first one of these messages"),
        ("duplicate", DuplicateStatus::Again, "one of these messages came before it"),
        ("duplicate within 1h", DuplicateStatus::Again, super::duplicate::NOT_REMEMBERED),
        ("duplicate of \"{subject}\"", DuplicateStatus::Again, super::duplicate::NOT_REMEMBERED),
        ("duplicate of \"{reply-to}\"", DuplicateStatus::Again, "it has no such value"),
    ] {
        assert_eq!(trace(text, before), shown, "{text}");
    }
}

#[test]
fn a_score_between_patterns_hides_no_captures() {
    let text = "score dull { +1 subject matches /w(.)/ }\n\
                when dull > 0 and subject matches /w(o)rd/ -> folder \"{1}\"\n";
    assert_eq!(
        steps(&run_on(&rules(text), MAIL, &World::default(), Detail::Plan)),
        ["folder \"o\""]
    );
}

/// Folders of sent mail: one that was read, one that was half read, one that is gone.
struct FoldersOfMail(&'static str);

impl SentMail for FoldersOfMail {
    fn known(&self, folder: &str, _: MailSide) -> Result<Correspondents, UnknownMail> {
        let incomplete = match folder {
            "Gone" => return Err(UnknownMail { why: "it is gone".into(), may_pass: false }),
            "Half" => Some("there is more".to_owned()),
            _ => None,
        };
        Ok(Correspondents { file: None, more: vec![self.0.to_owned()], incomplete })
    }
}

/// Whether the first rule holds, where sent mail names `known`.
fn verdict(rules_text: &str, known: &'static str, mail: &str) -> TestVerdict {
    let world = World { sent: Some(Box::new(FoldersOfMail(known))), ..World::default() };
    let run = run_on(&rules(rules_text), &format!("{mail}\n\n"), &world, Detail::Trace);
    run.evaluation.trace.rules.first().expect("a rule").verdict.clone()
}

#[test]
fn people_who_are_not_in_half_read_mail_may_be_known() {
    let test = |folder: &str, from: &str| {
        let text =
            format!("list known sent \"{folder}\"\nwhen from in known -> folder \"Known\"\n");
        verdict(&text, "hanako@example.jp", &format!("From: {from}"))
    };
    assert_eq!(test("Sent", "hanako@example.jp"), TestVerdict::Yes);
    assert_eq!(test("Sent", "jiro@example.jp"), TestVerdict::No);
    assert_eq!(test("Half", "hanako@example.jp"), TestVerdict::Yes);
    assert_eq!(test("Half", "jiro@example.jp"), TestVerdict::Skipped("there is more".into()));
}

#[test]
fn an_answer_to_mail_that_may_be_there_is_neither_mine_nor_not() {
    // The hash of <1@a.example>.
    let hash = "0f8490f7fe793dd6";
    let test = |folders: &[&str], head: &str| {
        let lists = folders.iter().zip(1..);
        let lists = lists.map(|(folder, at)| format!("list l{at} sent \"{folder}\"\n"));
        let text = lists.collect::<String>() + "when in-my-thread -> folder \"Mine\"\n";
        verdict(&text, hash, head)
    };
    let skipped = |why: &str| TestVerdict::Skipped(why.into());
    let (mine, other) = ("In-Reply-To: <1@a.example>", "In-Reply-To: <2@a.example>");
    assert_eq!(test(&["Sent"], mine), TestVerdict::Yes);
    assert_eq!(test(&["Sent"], other), TestVerdict::No);
    assert_eq!(test(&["Gone", "Half"], mine), TestVerdict::Yes);
    assert_eq!(test(&["Gone", "Sent"], other), skipped("it is gone"));
    assert_eq!(test(&["Sent", "Half"], other), skipped("there is more"));
    // What names no message is no answer, wherever it may be.
    assert_eq!(test(&["Gone"], "Message-ID: <1@a.example>"), TestVerdict::No);
    let why = "no folder is known for your own mail: `list NAME sent \"Sent\"`";
    assert_eq!(test(&[], mine), skipped(why));
    let shown = |head: &str| {
        let world = World { sent: Some(Box::new(FoldersOfMail(hash))), ..World::default() };
        let text = "list l sent \"Sent\"\nwhen in-my-thread -> folder \"Mine\"\n";
        reasons(&run_on(&rules(text), &format!("{head}\n\n"), &world, Detail::Trace)).join("")
    };
    assert_eq!(shown(mine), "it answers mail that you have sent or kept");
    assert_eq!(shown(other), "it is not an answer to mail that you have sent or kept");
}

#[test]
fn a_message_goes_to_few_addresses_and_not_in_circles() {
    let addresses = |letter: &str, count: usize| -> String {
        (0..count).map(|at| format!(" \"{letter}{at}@x.example\"")).collect()
    };
    let ran = |text: &str, mail: &str, sender: &str| {
        let world = World { sender: Some(sender.into()), ..World::default() };
        run_on(&rules(text), mail, &world, Detail::Plan)
    };
    let text =
        format!("forward copy{}\nforward copy{}\ninbox\n", addresses("a", 6), addresses("b", 6));
    let planned = steps(&ran(&text, MAIL, "x@y.example"));
    let skipped = "no forward: more than 10 addresses";
    assert_eq!(planned[0], format!("forward copy{}", addresses("a", 6)));
    assert_eq!(planned[1..3], [skipped, skipped]);
    assert_eq!(planned[3], format!("forward copy{}", addresses("b", 4)));
    assert_eq!(planned[4..], ["inbox"]);
    let hops = |count: usize| "Received: from a by b\n".repeat(count) + MAIL;
    let forward = "forward \"a@x.example\"\n";
    assert_eq!(steps(&ran(forward, &hops(40), "x@y.example")), ["forward \"a@x.example\""]);
    let circle = "no forward: it went through 41 servers, so it is going in circles";
    assert_eq!(steps(&ran(forward, &hops(41), "x@y.example")), [circle, "inbox"]);
    // A bounce stays one.
    let senders = ["x@y.example", ""].map(|sender| {
        let text = format!("set forward-sender \"taro+{{sender}}@example.jp\"\n{forward}");
        let steps = ran(&text, MAIL, sender).evaluation.plan.steps;
        match &steps.first().expect("a step").kind {
            StepKind::Forward { sender, .. } => sender.clone(),
            other => panic!("{other:?}"),
        }
    });
    assert_eq!(senders, ["taro+x=y.example@example.jp", ""]);
}

#[test]
fn a_program_that_the_site_does_not_list_is_not_run() {
    let user = confined(Path::new("/nowhere/h"));
    let ran = |text: &str| {
        let world = World { user: user.clone(), ..World::default() };
        steps(&run_on(&rules(text), MAIL, &world, Detail::Plan))
    };
    let refused = |action| format!("no {action}: the provider does not let rules run `other`");
    assert_eq!(ran("pipe \"spamc\" \"-x\"\n"), ["pipe \"/usr/bin/spamc\" \"-x\""]);
    assert_eq!(ran("pipe \"other\"\n"), [refused("pipe"), "inbox".into()]);
    assert_eq!(ran("run \"other\"\ninbox\n"), [refused("run"), "inbox".into()]);
    assert_eq!(
        ran("filter \"other\"\nwhen filter-failed -> folder \"A\"\n"),
        [refused("filter"), "folder \"A\"".into()]
    );
}

#[test]
fn only_a_whole_address_becomes_an_entry_of_a_list() {
    let added = |field: &str, mail: &str| {
        let text = format!("list l \"~/l\"\nadd {field} to l\n");
        let run = run_on(&rules(&text), &format!("{mail}\n\n"), &World::default(), Detail::Plan);
        steps(&run).swap_remove(0)
    };
    assert_eq!(added("from", "From: Hanako@Example.jp"), "add hanako@example.jp to l");
    let alone = "cannot be a list entry that matches only itself";
    assert_eq!(added("from", "From: hanako:;, <jiro>"), format!("no add: `jiro` {alone}"));
    assert_eq!(added("list-id", "List-Id: <Dev.l.example>"), "add dev.l.example to l");
    assert_eq!(added("list-id", "From: x"), "no add: the message has nothing to add");
}

#[test]
fn a_long_text_is_searched_for_patterns_at_its_start_and_a_trace_says_so() {
    let rules = rules("when body matches /[ab]{1000}x/ -> folder \"A\"\n");
    let warnings = |length| {
        let mail = format!("Subject: x\n\n{}\n", "x-".repeat(length));
        run_on(&rules, &mail, &World::default(), Detail::Trace).evaluation.trace.warnings
    };
    assert_eq!(warnings(10), Vec::<String>::new());
    assert_eq!(warnings(140_000), ["long texts were searched for patterns only at the start"]);
}

#[test]
fn conditions_of_a_plan_skip_rules_that_cannot_hold() {
    let program = compiled(&many_rules());
    let first = |detail| {
        ask(&program, &message(MAIL), &World::default(), detail, |on| on.next_candidate(1))
    };
    // Each rule is a test and an action.
    assert_eq!(first(Detail::Plan), 1 + 2 * 7);
    assert_eq!((first(Detail::Count), first(Detail::Trace)), (1, 1));
}

#[test]
fn a_test_with_an_empty_set_never_holds() {
    for test in ["size = []", "size in []", "[] is \"x\"", "has []", "subject is []"] {
        let rules = rules(&format!("when {test} -> discard\n"));
        let run = run_on(&rules, MAIL, &World::default(), Detail::Plan);
        assert_eq!(steps(&run), ["inbox"], "{test}");
    }
}
