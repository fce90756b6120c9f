//! Ast to text in the canonical layout: four blanks per level, one statement per
//! line, arrows of adjacent rules aligned, comments where they were, and several
//! blank lines reduced to one.
//!
//! The text has the same meaning: parsing it produces the same Ast. Formatting it
//! again changes nothing.

mod nodes;

use std::collections::{HashMap, VecDeque};

use unicode_width::UnicodeWidthStr;

use self::nodes::{end_of, end_of_expiry, on_moved, signed};
use super::ast::{Ast, Body, Comment, ConditionNode, StatementNode, StatementNodeKind};
use super::layout::{BreakComment, Doc, WIDTH};
use super::literal;
use super::scan::{self, TokenShape};
use crate::source::{SourceFile, Span, Spanned};

/// Arrows are aligned if what is before them is not wider than this.
const WIDEST_ALIGNED: usize = 60;

/// A text in the canonical layout, and where in it the parts of its Ast begin.
#[derive(Debug)]
pub struct FormattedRules {
    /// The text.
    pub text: String,
    /// The statements, each before those in its block.
    pub statements: Vec<u32>,
    /// The comments, by their order in the Ast; none for one on the line of something else.
    pub comments: Vec<Option<u32>>,
}

/// The canonical text of `ast`; `source` is the text to which its spans refer.
pub(super) fn format(ast: &Ast, source: &SourceFile) -> FormattedRules {
    let text = source.text.as_str();
    let blocks = if ast.comments.is_empty() { HashMap::new() } else { blocks(text) };
    let mut formatter = Formatter {
        text,
        comments: &ast.comments,
        next: 0,
        inside: VecDeque::new(),
        above: Vec::new(),
        blocks,
        out: String::new(),
        starts: Vec::new(),
        is_started: true,
        comment_starts: vec![None; ast.comments.len()],
    };
    let items: Vec<LayoutItem> = ast.statements.iter().map(LayoutItem::Statement).collect();
    formatter.items(&items, BlockRange { depth: 0, open: None, end: u32::MAX });
    let Formatter { out: text, starts: statements, comment_starts: comments, .. } = formatter;
    FormattedRules { text, statements, comments }
}

/// The place of each `{` by the place after its `}`.
fn blocks(text: &str) -> HashMap<u32, u32> {
    let mut open = Vec::new();
    let mut blocks = HashMap::new();
    for token in scan::scan(0, text).tokens {
        match token.kind {
            TokenShape::OpenBlock => open.push(token.start),
            TokenShape::CloseBlock => {
                if let Some(start) = open.pop() {
                    blocks.insert(token.end, start);
                }
            }
            _ => {}
        }
    }
    blocks
}

/// An item on a line of its own in a block.
#[derive(Clone, Copy)]
enum LayoutItem<'a> {
    Statement(&'a StatementNode),
    /// An entry of a score, its weight padded to a width.
    Entry(&'a (Spanned<f64>, ConditionNode), usize),
}

impl LayoutItem<'_> {
    fn start(self) -> u32 {
        match self {
            LayoutItem::Statement(statement) => statement.span.start,
            LayoutItem::Entry((weight, _), _) => weight.span.start,
        }
    }

    fn end(self) -> u32 {
        match self {
            LayoutItem::Statement(statement) => statement.span.end,
            LayoutItem::Entry((_, condition), _) => condition.span.end,
        }
    }
}

/// A block, or the file.
#[derive(Clone, Copy)]
struct BlockRange {
    depth: usize,
    /// After the `{`; `None` for the file.
    open: Option<u32>,
    /// The place of the `}`.
    end: u32,
}

struct Formatter<'a> {
    text: &'a str,
    comments: &'a [Comment],
    /// The first comment that has not been written yet.
    next: usize,
    /// Comments inside the current statement that may still get a place in it.
    inside: VecDeque<&'a Comment>,
    /// Those without a place in it; they go above it.
    above: Vec<&'a Comment>,
    blocks: HashMap<u32, u32>,
    out: String,
    /// Where each statement begins in `out`.
    starts: Vec<u32>,
    /// The line that comes next does not begin a statement.
    is_started: bool,
    /// Where each comment begins that has a line of its own.
    comment_starts: Vec<Option<u32>>,
}

impl<'a> Formatter<'a> {
    /// The number of line breaks between two places.
    fn breaks(&self, from: u32, to: u32) -> usize {
        let between = self.text.get(from as usize..to as usize).unwrap_or_default();
        memchr::memchr_iter(b'\n', between.as_bytes()).count()
    }

    /// Where the text of the next line begins.
    fn place(&self, depth: usize) -> u32 {
        (self.out.len() + 4 * depth) as u32
    }

    /// A statement begins on the next line.
    fn start(&mut self, depth: usize) {
        let place = self.place(depth);
        self.starts.push(place);
        self.is_started = true;
    }

    fn line(&mut self, depth: usize, text: &str) {
        self.out.push_str(&"    ".repeat(depth));
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    fn items(&mut self, items: &[LayoutItem<'a>], range: BlockRange) {
        // Where in the source the text ends that was written last.
        let mut following = range.open;
        if let Some(open) = range.open {
            let first = items.first().map_or(range.end, |item| item.start());
            following = Some(self.trailing(open, first));
        }
        let mut first = true;
        let heads = self.aligned(items, range.depth);
        for (at, item) in items.iter().enumerate() {
            self.own_lines(&mut following, item.start(), range.depth, &mut first);
            self.blank_line(following, item.start(), first);
            first = false;
            let (head, rest) = match heads.get(at) {
                Some(Some((head, rest))) => (head.as_str(), rest.as_str()),
                _ => ("", ""),
            };
            if head.is_empty() {
                self.item(*item, range.depth);
            } else {
                self.gather(item.start(), item.end());
                self.put_above(range.depth);
                self.start(range.depth);
                self.line(range.depth, &format!("{head}{rest}"));
            }
            let next = items.get(at + 1).map_or(range.end, |next| next.start());
            following = Some(self.trailing(item.end(), next));
        }
        self.own_lines(&mut following, range.end, range.depth, &mut first);
    }

    /// Writes a comment that follows `end` on the same line; returns where that
    /// line's text ends.
    fn trailing(&mut self, end: u32, next: u32) -> u32 {
        match self.comments.get(self.next) {
            Some(comment)
                if comment.span.start >= end
                    && comment.span.start < next
                    && self.breaks(end, comment.span.start) == 0 =>
            {
                self.next += 1;
                if self.out.ends_with('\n') {
                    self.out.pop();
                }
                self.out.push_str("  ");
                self.out.push_str(comment.text.trim_end());
                self.out.push('\n');
                comment.span.end
            }
            _ => end,
        }
    }

    fn blank_line(&mut self, following: Option<u32>, start: u32, first: bool) {
        if let Some(following) = following
            && !first
            && self.breaks(following, start) > 1
        {
            self.out.push('\n');
        }
    }

    /// Writes the comments before `end`, each on a line of its own.
    fn own_lines(&mut self, following: &mut Option<u32>, end: u32, depth: usize, first: &mut bool) {
        while let Some(comment) = self.comments.get(self.next)
            && comment.span.start < end
        {
            self.blank_line(*following, comment.span.start, *first);
            *first = false;
            let start = self.place(depth);
            if let Some(known) = self.comment_starts.get_mut(self.next) {
                *known = Some(start);
            }
            self.next += 1;
            self.line(depth, &comment.text);
            *following = Some(comment.span.end);
        }
    }

    /// For each rule on one line next to others of its kind: the part before the
    /// arrow, padded, and the rest.
    fn aligned(&mut self, items: &[LayoutItem<'a>], depth: usize) -> Vec<Option<(String, String)>> {
        let mut heads: Vec<Option<(String, String)>> = Vec::with_capacity(items.len());
        for item in items {
            let head = self.one_line(*item, depth);
            heads.push(head);
        }
        let mut start = 0;
        while start < heads.len() {
            let mut end = start + 1;
            if heads[start].is_some() {
                while end < heads.len() && heads[end].is_some() && self.neighbours(items, end) {
                    end += 1;
                }
            }
            align(heads.get_mut(start..end).unwrap_or_default(), depth);
            start = end;
        }
        heads
    }

    /// Whether nothing is between an item and the one before it.
    fn neighbours(&self, items: &[LayoutItem<'a>], at: usize) -> bool {
        let (Some(item), Some(before)) = (items.get(at), items.get(at.wrapping_sub(1))) else {
            return false;
        };
        if let LayoutItem::Statement(statement) = item
            && !self.comments_in(statement.span).is_empty()
        {
            return false;
        }
        let (from, to) = (before.end(), item.start());
        let first = self.comments.partition_point(|comment| comment.span.start < from);
        let mut following = from;
        for comment in self.comments.iter().skip(first) {
            if comment.span.start >= to {
                break;
            }
            if self.breaks(following, comment.span.start) > 0 {
                return false;
            }
            following = comment.span.end;
        }
        self.breaks(following, to) < 2
    }

    fn comments_in(&self, span: Span) -> &'a [Comment] {
        let from = self.comments.partition_point(|comment| comment.span.start < span.start);
        let to = self.comments.partition_point(|comment| comment.span.start < span.end);
        self.comments.get(from..to).unwrap_or_default()
    }

    fn one_line(&mut self, item: LayoutItem<'a>, depth: usize) -> Option<(String, String)> {
        let LayoutItem::Statement(statement) = item else { return None };
        self.inside.extend(self.comments_in(statement.span));
        let (head, end, actions) = match &statement.kind {
            StatementNodeKind::Rule { label, condition, body: Body::Actions(actions) } => {
                let head = self.head(label.as_ref(), condition.as_ref());
                let end = condition.as_ref().map(|condition| condition.span.end);
                (head, end.unwrap_or(statement.span.start), actions)
            }
            StatementNodeKind::Expire { folder, after, even, unless, actions } => (
                self.expire(folder, after, even, unless.as_ref()),
                end_of_expiry(after, even, unless.as_ref()),
                actions,
            ),
            StatementNodeKind::OnMoved { ends, actions } => {
                (vec![on_moved(ends)], end_of(ends, statement.span.start), actions)
            }
            _ => {
                self.inside.clear();
                return None;
            }
        };
        let start = actions.first().map_or(end, |action| action.span.start);
        let line = self.line_between("", end, start);
        let rest = Doc::group(vec![line, Doc::text(" -> "), self.actions(actions)]);
        // We only need to know whether they have a place; they are written with the rule.
        self.inside.clear();
        self.above.clear();
        let (head, rest) = (Doc::group(head).flat()?, rest.flat()?);
        let fits =
            head.width() <= WIDEST_ALIGNED && depth * 4 + head.width() + rest.width() <= WIDTH;
        fits.then_some((head, rest))
    }

    fn item(&mut self, item: LayoutItem<'a>, depth: usize) {
        match item {
            LayoutItem::Statement(statement) => self.statement(statement, depth),
            LayoutItem::Entry((weight, condition), width) => {
                self.gather(weight.span.start, condition.span.end);
                let doc = Doc::Nest(vec![self.condition(condition)]);
                let weight = signed(weight.value);
                let fill = " ".repeat(width.saturating_sub(weight.len()));
                self.finish(doc, &format!("{weight}{fill}  "), depth);
            }
        }
    }

    fn statement(&mut self, statement: &'a StatementNode, depth: usize) {
        let span = statement.span;
        self.is_started = false;
        let head_end = match &statement.kind {
            StatementNodeKind::Rule { body: Body::Block(_), .. }
            | StatementNodeKind::Score { .. }
            | StatementNodeKind::Category { .. } => {
                self.blocks.get(&span.end).copied().unwrap_or(span.start)
            }
            _ => span.end,
        };
        self.gather(span.start, head_end);
        let doc = match &statement.kind {
            StatementNodeKind::Set { name, value } => {
                Doc::group(vec![Doc::text(format!("set {} ", name.value)), self.value(value)])
            }
            StatementNodeKind::List { name, value } => {
                Doc::group(vec![Doc::text(format!("list {} ", name.value)), self.value(value)])
            }
            StatementNodeKind::ListFrom { name, source, place } => {
                let place = literal::quote(&place.value);
                Doc::text(format!("list {} {} {place}", name.value, source.word()))
            }
            StatementNodeKind::Expire { folder, after, even, unless, actions } => {
                let head = self.expire(folder, after, even, unless.as_ref());
                self.arrow(head, end_of_expiry(after, even, unless.as_ref()), actions)
            }
            StatementNodeKind::OnMoved { ends, actions } => {
                self.arrow(vec![on_moved(ends)], end_of(ends, statement.span.start), actions)
            }
            StatementNodeKind::Define { name, condition } => Doc::group(vec![
                Doc::text(format!("define {} = ", name.value)),
                Doc::Nest(vec![self.condition(condition)]),
            ]),
            StatementNodeKind::Include { file } => {
                Doc::text(format!("include {}", literal::quote(&file.value)))
            }
            StatementNodeKind::IncludeSieve { file, options } => {
                let mut text = format!("include sieve {}", literal::quote(&file.value));
                for option in options {
                    let value = literal::quote(&option.value.value);
                    text.push_str(&format!(" {} {value}", option.name.value));
                }
                Doc::text(text)
            }
            StatementNodeKind::Expect { message, actions } => {
                let head = format!("expect {}", literal::quote(&message.value));
                self.arrow(vec![Doc::text(head)], message.span.end, actions)
            }
            StatementNodeKind::Actions(actions) => self.actions(actions),
            StatementNodeKind::Rule { label, condition, body: Body::Actions(actions) } => {
                let head = self.head(label.as_ref(), condition.as_ref());
                let end = condition.as_ref().map_or(span.start, |condition| condition.span.end);
                self.arrow(head, end, actions)
            }
            StatementNodeKind::Rule { label, condition, body: Body::Block(statements) } => {
                let mut head = self.head(label.as_ref(), condition.as_ref());
                let end = condition.as_ref().map_or(span.start, |condition| condition.span.end);
                head.push(self.line_between(" ", end, head_end));
                head.push(Doc::text("{"));
                self.finish(Doc::group(head), "", depth);
                let items: Vec<LayoutItem> = statements.iter().map(LayoutItem::Statement).collect();
                self.block(&items, head_end, span.end, depth);
                return;
            }
            StatementNodeKind::Score { name, entries } => {
                self.finish(Doc::text(format!("score {} {{", name.value)), "", depth);
                let width =
                    entries.iter().map(|(weight, _)| signed(weight.value).len()).max().unwrap_or(0);
                let items: Vec<LayoutItem> =
                    entries.iter().map(|entry| LayoutItem::Entry(entry, width)).collect();
                self.block(&items, head_end, span.end, depth);
                return;
            }
            StatementNodeKind::IspFilter { choices } => self.choices(choices),
            StatementNodeKind::IspLabel { kind, text } => {
                Doc::text(format!("isp-label {} {}", kind.value, literal::quote(&text.value)))
            }
            StatementNodeKind::Category { name, mandatory, statements } => {
                let mandatory = if *mandatory { " mandatory" } else { "" };
                let head = format!("category {}{mandatory} {{", literal::quote(&name.value));
                self.finish(Doc::text(head), "", depth);
                let items: Vec<LayoutItem> = statements.iter().map(LayoutItem::Statement).collect();
                self.block(&items, head_end, span.end, depth);
                return;
            }
            StatementNodeKind::Broken { .. } => {
                self.inside.clear();
                self.above.clear();
                let written = self.text.get(span.start as usize..span.end as usize);
                Doc::text(written.unwrap_or_default())
            }
        };
        self.finish(doc, "", depth);
    }

    /// The contents of a block, and its `}`.
    fn block(&mut self, items: &[LayoutItem<'a>], open: u32, end: u32, depth: usize) {
        let range =
            BlockRange { depth: depth + 1, open: Some(open + 1), end: end.saturating_sub(1) };
        self.items(items, range);
        self.line(depth, "}");
    }

    /// Collects the comments between two places; the docs will give them places.
    fn gather(&mut self, start: u32, end: u32) {
        while let Some(comment) = self.comments.get(self.next)
            && (start..end).contains(&comment.span.start)
        {
            self.inside.push_back(comment);
            self.next += 1;
        }
    }

    fn put_above(&mut self, depth: usize) {
        let above = std::mem::take(&mut self.above);
        let inside = std::mem::take(&mut self.inside);
        for comment in above.into_iter().chain(inside) {
            self.line(depth, &comment.text);
        }
    }

    /// Writes a statement; comments without a line in it go above it.
    fn finish(&mut self, doc: Doc, before: &str, depth: usize) {
        self.put_above(depth);
        if !self.is_started {
            self.start(depth);
        }
        self.out.push_str(doc.lay_out(before, depth).trim_end());
        self.out.push('\n');
    }

    /// A line break with the comments between two places; must be called in
    /// order, from the start of a statement to its end.
    fn line_between(&mut self, flat: &'static str, from: u32, to: u32) -> Doc {
        let mut comments = Vec::new();
        let mut following = from;
        while let Some(comment) = self.inside.pop_front() {
            let start = comment.span.start;
            if start < from {
                self.above.push(comment);
                continue;
            }
            if start >= to {
                self.inside.push_front(comment);
                break;
            }
            let on_line = comments.is_empty() && self.breaks(following, start) == 0;
            comments
                .push(BreakComment { text: comment.text.trim_end().to_string(), after: on_line });
            following = comment.span.end;
        }
        Doc::Line { flat, comments }
    }
}

fn align(heads: &mut [Option<(String, String)>], depth: usize) {
    let widest = heads.iter().flatten().map(|(head, _)| head.width()).max().unwrap_or(0);
    let fits = heads.iter().flatten().all(|(_, rest)| depth * 4 + widest + rest.width() <= WIDTH);
    for (head, _) in heads.iter_mut().flatten().filter(|_| fits) {
        head.push_str(&" ".repeat(widest - head.width()));
    }
}

#[cfg(test)]
mod tests {
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
                start.is_none_or(
                    |start| formatted.text[start..].starts_with(comment.text.trim_end())
                )
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
}
