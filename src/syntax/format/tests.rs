//! Rules as people write them, and the same in the canonical layout.

use crate::source::SourceFile;
use crate::syntax::ast::{Body, StatementNode, StatementNodeKind};
use crate::syntax::{format, formatted_rules, parse};

fn formatted(text: &str) -> String {
    let source = SourceFile::new("rules", text);
    let (ast, told) = parse(0, &source);
    assert_eq!(told, [], "{text}");
    let formatted = SourceFile::new("rules", format(&ast, &source));
    let (again, told) = parse(0, &formatted);
    assert_eq!(told, [], "{}", formatted.text);
    assert_eq!(format(&again, &formatted), formatted.text);
    let places = formatted_rules(&ast, &source);
    let mut starts = Vec::new();
    starts_of(&again.statements, &mut starts);
    assert_eq!(places.statements, starts, "{}", formatted.text);
    for (place, comment) in places.comments.iter().zip(&ast.comments) {
        let start = place.map(|place| place as usize);
        assert!(
            start.is_none_or(|start| formatted.text[start..].starts_with(comment.text.trim_end()))
        );
    }
    formatted.text
}

fn starts_of(statements: &[StatementNode], starts: &mut Vec<u32>) {
    for statement in statements {
        starts.push(statement.span.start);
        if let StatementNodeKind::Rule { body: Body::Block(inner), .. }
        | StatementNodeKind::Category { statements: inner, .. } = &statement.kind
        {
            starts_of(inner, starts);
        }
    }
}

#[test]
fn the_first_rules_of_a_user_are_laid_out() {
    let written = r##"# ~/.mailrules            check: mfilter check      try: mfilter --test message.eml

set me      ["taro@example.jp", "@taro.example"]
set trust   ["mx.example.jp"]          # whose Authentication-Results count

list white  "~/.mail/white"            # one address, @domain or pattern a line
list black  "~/.mail/black"
list team   ["hanako@example.jp", "@.work.example"]

define newsletter = has list-unsubscribe and not mailing-list

score junk {
    +3    spf is fail
    +2.5  forged-self
    +1    subject matches /v[i1]agra/
    +4    attachment.name like ["*.exe", "*.scr", "*.pif"]
    -10   from in white
}

when from in white and verified          -> inbox
when from in black                       -> discard
when duplicate                           -> discard
when bounce and not backscatter          -> folder "Bounces"
when daemon and not mailing-list         -> folder "System" as seen
when mailing-list                        -> folder "Lists/{list-name}"
when newsletter                          -> folder "News" as seen
when junk >= 5 or spam                   -> folder "迷惑メール" as seen

rule "team mail" when from in team {
    when subject starts "[build]"        -> folder "Work/Builds" as seen
    when subject contains "至急"         -> mark flagged, copy "Urgent"
    otherwise                            -> folder "Work"
}
"##;
    let expected = r##"# ~/.mailrules            check: mfilter check      try: mfilter --test message.eml

set me ["taro@example.jp", "@taro.example"]
set trust ["mx.example.jp"]  # whose Authentication-Results count

list white "~/.mail/white"  # one address, @domain or pattern a line
list black "~/.mail/black"
list team ["hanako@example.jp", "@.work.example"]

define newsletter = has list-unsubscribe and not mailing-list

score junk {
    +3    spf is fail
    +2.5  forged-self
    +1    subject matches /v[i1]agra/
    +4    attachment.name like ["*.exe", "*.scr", "*.pif"]
    -10   from in white
}

when from in white and verified  -> inbox
when from in black               -> discard
when duplicate                   -> discard
when bounce and not backscatter  -> folder "Bounces"
when daemon and not mailing-list -> folder "System" as seen
when mailing-list                -> folder "Lists/{list-name}"
when newsletter                  -> folder "News" as seen
when junk >= 5 or spam           -> folder "迷惑メール" as seen

rule "team mail" when from in team {
    when subject starts "[build]" -> folder "Work/Builds" as seen
    when subject contains "至急"  -> mark flagged, copy "Urgent"
    otherwise                     -> folder "Work"
}
"##;
    assert_eq!(formatted(written), expected);
}

#[test]
fn comments_stay_and_what_is_long_is_broken() {
    let written = r##"

# first
set   me ["a",  # home
  # and
  "b" # work
  ]  # all


define friends = from in white   # friends
    or to in me # direct

    # own
    or ((subject contains "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" and subject contains "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb" and has x))
when not (a or b)  and size > 20K and age < 7d and from in ["aaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbb", "cccccccc",] -> discard
when # inside
  a -> inbox
when size > 1024K and age < 168h and (from.local is "aaaaaaaaaaaaaaa" or from is "b") and fooooooooo or bar { # hi

  mark flagged,   copy "X\u{41}" # yes

  # end
}  # after
score x { # a
  # b
  +3 (a or b) # c

  -10.50 x
  # d
}
when a {}
expect "a.eml" -> mark  seen ,folder "X" as   seen flagged


# last
"##;
    let expected = r##"# first
set me [
    "a",  # home
    # and
    "b",  # work
]  # all

define friends = from in white  # friends
    or to in me  # direct
    # own
    or subject contains "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        and subject contains "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
        and has x
when not (a or b)
    and size > 20K
    and age < 7d
    and from in ["aaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbb", "cccccccc"]
    -> discard
# inside
when a -> inbox
when size > 1024K and age < 168h and (from.local is "aaaaaaaaaaaaaaa" or from is "b") and fooooooooo
    or bar
{  # hi
    mark flagged, copy "XA"  # yes

    # end
}  # after
score x {  # a
    # b
    +3     a or b  # c

    -10.5  x
    # d
}
when a {
}
expect "a.eml" -> mark seen, folder "X" as seen flagged

# last
"##;
    assert_eq!(formatted(written), expected);
}

#[test]
fn values_are_written_in_one_way_and_units_as_they_were() {
    assert_eq!(
        formatted(
            "set\n a \"\\u{41}\\u{1b}迷\\\\\"  set b 2.50\nset c 28d set d 1024K set e /a\\/b/c set f 7:05..22:00"
        ),
        "set a \"A\\u{1b}迷\\\\\"\nset b 2.5\nset c 28d\nset d 1024K\nset e /a\\/b/c\nset f 07:05..22:00\n"
    );
}

#[test]
fn arrows_align_by_what_a_terminal_shows_and_only_among_neighbours() {
    assert_eq!(
        formatted(
            "when 迷惑 -> inbox\r\nwhen a -> stop # c\r\n\r\nwhen b -> stop\r\ninclude \"x\" when cc -> stop"
        ),
        "when 迷惑 -> inbox\nwhen a    -> stop  # c\n\nwhen b -> stop\ninclude \"x\"\nwhen cc -> stop\n"
    );
}

#[test]
fn an_answer_is_on_one_line_or_each_part_on_its_own() {
    let written = "when a -> reply {text \"x\" every 3d}, mark seen\nreply { # b\n  text \"\"\"\n x\n\n   y\n \"\"\" }\nset a 2026-12-24T07:05:00+00:00\n";
    let expected = "when a -> reply { text \"x\" every 3d }, mark seen\nreply {  # b\n    text \"\"\"\n        x\n\n          y\n        \"\"\"\n}\nset a 2026-12-24T07:05Z\n";
    assert_eq!(formatted(written), expected);
}

#[test]
fn an_empty_file_stays_empty_and_comments_stay() {
    assert_eq!(formatted(" \n\n"), "");
    assert_eq!(formatted("\n\n# a  \n\n\n\n  # b"), "# a\n\n# b\n");
}
