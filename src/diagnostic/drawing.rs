//! Mistakes drawn for people, with the lines that they are in.

use std::ops::{Range, RangeInclusive};

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};
use unicode_width::UnicodeWidthChar;

use super::columns::Columns;
use super::{Diagnostic, Severity};
use crate::language::Language;
use crate::page::{ESCAPE, RESET, hanging, shown_width, visible, wrapped};
use crate::source::{SourceFile, Sources, Span};
use crate::text::{escape, is_invisible};
use crate::translation::translated;

/// Displays mistakes for people, in English, each with file, line, source line, caret and
/// hint.
///
/// Control characters are replaced: the output is safe for a terminal.
pub fn render(diagnostics: &[Diagnostic], sources: &Sources, colour: bool) -> String {
    render_within(diagnostics, sources, colour, None, Language::English)
}

/// The same in a language, for a terminal with this many columns: a longer source line is
/// drawn only around the mistake, so that the caret stays below it.
pub fn render_within(
    diagnostics: &[Diagnostic],
    sources: &Sources,
    colour: bool,
    terminal: Option<usize>,
    language: Language,
) -> String {
    /// With fewer columns there is no room for a word and its line number.
    const COLUMNS_MIN: usize = 24;
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let terminal = terminal.map(|columns| columns.max(COLUMNS_MIN));
    let renderer = match terminal {
        Some(columns) => renderer.term_width(columns),
        None => renderer,
    };
    let mut canvas = Canvas { sources, columns: Columns::default(), renderer, language, terminal };
    let mut out = String::new();
    for diagnostic in diagnostics {
        if !out.is_empty() {
            out.push('\n');
        }
        let drawing = canvas.draw(&diagnostic.in_language(language));
        out.push_str(&match terminal {
            Some(terminal) => fitted(&drawing, terminal),
            None => drawing,
        });
        out.push('\n');
    }
    out
}

/// A drawing whose title, labels and hint are wrapped to the terminal.
fn fitted(drawing: &str, columns: usize) -> String {
    let mut out = String::new();
    for (number, line) in drawing.lines().enumerate() {
        if number > 0 {
            out.push('\n');
        }
        let shown: String = visible(line).map(|(_, c)| c).collect();
        let begins = shown.trim_start();
        out.push_str(&match () {
            () if shown_width(line) <= columns => line.to_owned(),
            () if number == 0 => wrapped(line, columns),
            () if begins.starts_with("= ") => hanging_hint(line, columns),
            () if begins.starts_with('|') => below_the_mark(line, columns),
            () => cut(line, columns),
        });
    }
    out
}

/// A source line without what does not fit: some characters are wider here than where
/// lines are drawn.
fn cut(line: &str, columns: usize) -> String {
    const DOTS: &str = "...";
    let is_source = visible(line).any(|(_, c)| c == '|');
    if !is_source {
        return line.to_owned();
    }
    let mut used = 0;
    let mut ends = visible(line).map(|(at, c)| (at, c.width().unwrap_or(0)));
    let end = ends.find(|(_, width)| {
        used += width;
        used + DOTS.len() > columns
    });
    let visible_part = end.map_or(line, |(at, _)| &line[..at]);
    let reset = if visible_part.contains(ESCAPE) { RESET } else { "" };
    format!("{visible_part}{reset}{DOTS}")
}

/// `  = hint: …`; further lines begin where the text of the hint does.
fn hanging_hint(line: &str, columns: usize) -> String {
    let start = visible(line).find(|(_, c)| *c == ':').map_or(0, |(at, _)| at + 1);
    let text = line.get(start..).unwrap_or_default();
    let start = start + visible(text).find(|(_, c)| *c != ' ').map_or(0, |(at, _)| at);
    let (before, text) = line.split_at(start);
    hanging(before, text, Some(columns)).trim_end().to_owned()
}

/// `  |   ^^^ label` with the label on a line of its own.
fn below_the_mark(line: &str, columns: usize) -> String {
    let gutter = visible(line).find(|(_, c)| *c == '|').map_or(0, |(at, _)| at + 1);
    let marks = line.get(gutter..).unwrap_or_default();
    let label = visible(marks).find(|(_, c)| !" ^-_|".contains(*c)).map(|(at, _)| gutter + at);
    let Some(label) = label else { return line.to_owned() };
    let (drawing, text) = line.split_at(label);
    let marks = visible(marks).take_while(|(at, _)| gutter + at < label);
    let end = marks.filter(|(_, c)| *c != ' ').last().map(|(at, _)| gutter + at + 1);
    // The colours of the label.
    let style = drawing.rfind(RESET).map_or(0, |at| at + RESET.len());
    let style: String = drawing
        .get(style..)
        .unwrap_or_default()
        .split(ESCAPE)
        .skip(1)
        .filter_map(|part| Some(format!("{ESCAPE}{}m", part.split_once('m')?.0)))
        .collect();
    let (gutter, reset) = (&line[..gutter], if line.contains(ESCAPE) { RESET } else { "" });
    let first = end.map(|end| format!("{}{reset}\n", &line[..end])).unwrap_or_default();
    let room = columns.saturating_sub(shown_width(gutter) + 1);
    let text = wrapped(text, room);
    let widest = text.lines().map(shown_width).max().unwrap_or(0);
    let indent = " ".repeat(1 + room.saturating_sub(widest));
    let lines = text.lines().map(|text| format!("{gutter}{reset}{indent}{style}{text}"));
    first + &lines.collect::<Vec<_>>().join("\n")
}

/// Where and how mistakes are drawn.
struct Canvas<'s> {
    sources: &'s Sources,
    columns: Columns,
    renderer: Renderer,
    language: Language,
    terminal: Option<usize>,
}

impl Canvas<'_> {
    fn draw(&mut self, diagnostic: &Diagnostic) -> String {
        let say = |text| translated(text, self.language);
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR.with_name(say("error")),
            Severity::Warning => Level::WARNING.with_name(say("warning")),
        };
        let excerpts = excerpts(diagnostic, self.sources);
        let title = level.primary_title(escape(&diagnostic.message)).id(diagnostic.code);
        let mut group = Group::with_title(title);
        for excerpt in &excerpts {
            group = group.element(excerpt.snippet(self.sources, self.terminal));
        }
        if let Some(hint) = &diagnostic.hint {
            group = group.element(Level::HELP.with_name(say("hint")).message(escape(hint)));
        }
        let mut drawing = self.renderer.render(&[group]);
        // Columns were counted from the point where a line is cut.
        for excerpt in &excerpts {
            let Some(span) = excerpt.cut else { continue };
            let path = escape(&self.sources.shown(&excerpt.file.path));
            let place = |column: usize| format!("{path}:{}:{column}", excerpt.lines.start());
            let column = self.columns.of(span, self.sources);
            drawing = drawing.replacen(&place(excerpt.column_of_cut(span)), &place(column), 1);
        }
        drawing
    }
}

/// The lines to draw, those of places near to each other together.
fn excerpts<'a>(diagnostic: &'a Diagnostic, sources: &'a Sources) -> Vec<Excerpt<'a>> {
    let primary = (AnnotationKind::Primary, diagnostic.span, diagnostic.label.as_str());
    let related = diagnostic.related.iter();
    let related = related.map(|(span, label)| (AnnotationKind::Context, *span, label.as_str()));
    let mut excerpts: Vec<Excerpt> = Vec::new();
    for mark in std::iter::once(primary).chain(related) {
        let Some(excerpt) = Excerpt::new(mark, sources) else { continue };
        match excerpts.iter_mut().find(|other| other.is_near(&excerpt)) {
            Some(near) => near.join(excerpt),
            None => excerpts.push(excerpt),
        }
    }
    excerpts
}

/// A place, and the text for it.
type MarkedSpan<'a> = (AnnotationKind, Span, &'a str);

/// A line with more bytes than this is drawn only around the mistake: otherwise each of
/// thousands of mistakes in one line would draw the whole line.
const LONG_LINE: usize = 4096;

/// How many bytes before and after a mistake are looked at: more than a drawing shows.
const AROUND: usize = 1024;

/// Some lines of a file and the marks below them.
struct Excerpt<'a> {
    file: &'a SourceFile,
    /// The lines, from 1.
    lines: RangeInclusive<u32>,
    /// Their bytes, without the last line end.
    bytes: Range<usize>,
    /// The mistake, if only a part of its line is drawn.
    cut: Option<Span>,
    marks: Vec<MarkedSpan<'a>>,
}

impl<'a> Excerpt<'a> {
    fn new(mark: MarkedSpan<'a>, sources: &'a Sources) -> Option<Excerpt<'a>> {
        let span = mark.1;
        let file = sources.files().get(span.file as usize)?;
        let text = file.text.as_str();
        let first = (span.start as usize).min(text.len());
        let last = (span.end as usize).saturating_sub(1).clamp(first, text.len());
        let lines = file.line(first as u32)..=file.line(last as u32);
        let (start, end) = (file.line_start(*lines.start()), file.line_end(*lines.end()));
        let is_long = lines.start() == lines.end() && end - start > LONG_LINE;
        if !is_long {
            return Some(Excerpt { file, lines, bytes: start..end, cut: None, marks: vec![mark] });
        }
        let start = text.floor_char_boundary(first.saturating_sub(AROUND).max(start));
        let end = text.ceil_char_boundary((first + 2 * AROUND).min(end));
        Some(Excerpt { file, lines, bytes: start..end, cut: Some(span), marks: vec![mark] })
    }

    /// Whether the two are better drawn together.
    fn is_near(&self, other: &Excerpt) -> bool {
        const LINES: u32 = 8;
        std::ptr::eq(self.file, other.file)
            && self.cut.is_none()
            && other.cut.is_none()
            && other.lines.start().saturating_sub(LINES) <= *self.lines.end()
            && self.lines.start().saturating_sub(LINES) <= *other.lines.end()
    }

    fn join(&mut self, other: Excerpt<'a>) {
        self.lines =
            *self.lines.start().min(other.lines.start())..=*self.lines.end().max(other.lines.end());
        self.bytes = self.bytes.start.min(other.bytes.start)..self.bytes.end.max(other.bytes.end);
        self.marks.extend(other.marks);
    }

    /// The column of a mistake, counted from the point where the line is cut.
    fn column_of_cut(&self, span: Span) -> usize {
        let before = self.file.text.get(self.bytes.start..span.start as usize);
        before.unwrap_or_default().chars().count() + 1
    }

    fn snippet(
        &self,
        sources: &Sources,
        terminal: Option<usize>,
    ) -> Snippet<'static, Annotation<'static>> {
        let text = self.file.text.get(self.bytes.clone()).unwrap_or_default();
        let marks = self.marks.iter().map(|(kind, span, label)| {
            let within = |at: u32| {
                let at = (at as usize).saturating_sub(self.bytes.start).min(text.len());
                (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
            };
            let (from, to) = (within(span.start), within(span.end));
            let to = match terminal {
                Some(columns) if to > from => from + room_for_mark(text, from..to, columns),
                _ => to,
            };
            let mark = kind.span(from..to.max(from));
            if label.is_empty() { mark } else { mark.label(escape(label)) }
        });
        Snippet::source(mask(text))
            .path(escape(&sources.shown(&self.file.path)))
            .line_start(*self.lines.start() as usize)
            .annotations(marks)
    }
}

/// How many bytes of a mark are drawn: half a terminal's columns where its line is too
/// long, so that there is room for what is around it.
fn room_for_mark(text: &str, mark: Range<usize>, terminal: usize) -> usize {
    /// The line number and the lines around it, columns.
    const GUTTER: usize = 8;
    let length = mark.len();
    let marked = text.get(mark.clone()).unwrap_or_default();
    let before = text.get(..mark.start).unwrap_or_default().rsplit('\n').next();
    let after = text.get(mark.end..).unwrap_or_default().split('\n').next();
    let line = [before.unwrap_or_default(), marked, after.unwrap_or_default()];
    let whole: usize = line.iter().map(|part| shown_width(part)).sum();
    if marked.contains('\n') || whole + GUTTER <= terminal {
        return length;
    }
    let mut used = 0;
    let mut ends = marked.char_indices().map(|(at, c)| (at, c.width().unwrap_or(0)));
    let end = ends.find(|(_, width)| {
        used += width;
        used > terminal / 2
    });
    end.map_or(length, |(at, _)| at)
}

/// Source text with invisible characters replaced by something of the same length in
/// bytes, so that marks stay in place. Line ends and tabs are left to annotate-snippets,
/// and so are ASCII control characters, for which it has symbols.
fn mask(text: &str) -> String {
    text.chars()
        .map(|c| match (is_invisible(c), c.len_utf8()) {
            (false, _) | (true, 1) => c,
            (true, 2) => '¤',
            (true, 3) => '\u{fffd}',
            (true, _) => '\u{1fb95}',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(text: &str) -> Sources {
        let mut sources = Sources::default();
        sources.add(SourceFile::new("~/.mailrules", text));
        sources
    }

    fn mistake(text: &str, marked: &str) -> Diagnostic {
        let start = text.find(marked).expect("the marked text is in the text") as u32;
        Diagnostic {
            severity: Severity::Error,
            code: "unknown-name",
            message: String::from("nothing is called `blakc`"),
            span: Span { file: 0, start, end: start + marked.len() as u32 },
            label: String::from("here"),
            related: Vec::new(),
            hint: Some(String::from("did you mean `black`?")),
            fix: None,
        }
    }

    #[test]
    fn a_mistake_is_drawn_with_place_source_line_caret_and_hint() {
        let text = "set a b\nwhen from in blakc -> discard\nstop\n";
        let drawing = render(&[mistake(text, "blakc")], &sources(text), false);
        assert_eq!(
            drawing,
            "\
error[unknown-name]: nothing is called `blakc`
 --> ~/.mailrules:2:14
  |
2 | when from in blakc -> discard
  |              ^^^^^ here
  |
  = hint: did you mean `black`?
"
        );
    }

    #[test]
    fn the_caret_is_below_text_after_wide_characters() {
        let text = "when subject is \"迷惑ﾒｰﾙ\" and blakc -> stop";
        let drawing = render(&[mistake(text, "blakc")], &sources(text), false);
        let lines: Vec<&str> = drawing.lines().collect();
        let (before, _) = lines[3].split_once("blakc").expect("the source line is drawn");
        let caret = lines[4].find('^').expect("there is a caret");
        assert_eq!(unicode_width::UnicodeWidthStr::width(before), caret);
    }

    #[test]
    fn related_places_are_drawn_near_or_in_a_drawing_of_their_own() {
        let text = format!("list a \"x\"\n{}list black \"y\"\nwhen blakc -> stop", "\n".repeat(50));
        let mut mistake = mistake(&text, "blakc");
        mistake.related.push((Span { file: 0, start: 5, end: 6 }, String::from("far")));
        let near = text.find("black").expect("it is in the text") as u32;
        mistake.related.push((Span { file: 0, start: near, end: near + 5 }, String::from("near")));
        let drawing = render(&[mistake], &sources(&text), false);
        assert!(drawing.contains("52 | list black \"y\"\n   |      ----- near\n"), "{drawing}");
        assert!(drawing.contains("1 | list a \"x\"\n   |      - far\n"), "{drawing}");
    }

    #[test]
    fn no_control_character_reaches_the_terminal() {
        let hostile =
            "a\u{1b}]0;x\u{7}\u{9b}31m\u{202e}\u{200b}\u{feff}\r\u{0}\u{7f}\u{ad}\u{e0041}b";
        let text = format!("when {hostile} is blakc\n");
        let mut mistake = mistake(&text, "blakc");
        mistake.message.push_str(hostile);
        mistake.label.push_str(hostile);
        mistake.hint = Some(hostile.to_string());
        let mut sources = Sources::default();
        sources.add(SourceFile::new(hostile, text));
        let drawing = render(&[mistake], &sources, false);
        let shown: Vec<char> = drawing.chars().filter(|c| is_invisible(*c) && *c != '\n').collect();
        assert!(shown.is_empty(), "{shown:?} in {drawing}");
    }

    #[test]
    fn colour_is_only_there_when_asked_for() {
        let text = "when blakc -> stop";
        assert!(render(&[mistake(text, "blakc")], &sources(text), true).contains("\u{1b}["));
    }

    #[test]
    fn a_place_outside_of_the_text_is_drawn_all_the_same() {
        for (start, end) in [(18, 18), (400, 900), (5, 2), (20, 21)] {
            let text = "when blakc -> stop 迷惑";
            let mut mistake = mistake(text, "blakc");
            mistake.span = Span { file: 0, start, end };
            assert!(render(&[mistake.clone()], &sources(text), false).contains("blakc"));
            mistake.span.file = 7;
            assert!(render(&[mistake], &sources(text), false).contains("hint"));
        }
    }

    /// The part of a long line with the mistake is drawn as in the whole line.
    #[test]
    fn a_part_of_a_long_line_is_drawn() {
        let line = |count: usize| format!("when {}from in blakc", "迷惑 or ".repeat(count));
        let drawing = |text: &str| render(&[mistake(text, "blakc")], &sources(text), false);
        let text = format!("set a b\n{} -> discard\nstop\n", line(2000));
        let (short, long) = (drawing(&line(300)), drawing(&text));
        assert!(long.contains("\n --> ~/.mailrules:2:12014\n"), "{long}");
        let text_before_caret = |drawing: &str| {
            let lines: Vec<&str> = drawing.lines().skip(3).take(2).collect();
            let (before, _) = lines[0].split_once("blakc").expect("it is drawn");
            let caret = lines[1].find('^').expect("there is a caret");
            assert_eq!(unicode_width::UnicodeWidthStr::width(before), caret, "{drawing}");
            before[before.ceil_char_boundary(before.len() - 60)..].to_owned()
        };
        assert_eq!(text_before_caret(&short), text_before_caret(&long));
    }

    /// A mistake does not cost time proportional to its line; only all mistakes together
    /// do, once.
    #[test]
    fn each_of_many_mistakes_in_a_line_is_drawn_once() {
        let text = "blakc 迷惑 ".repeat(20_000);
        let mistake = mistake(&text, "blakc");
        let starts = text.match_indices("blakc").map(|(at, _)| at as u32);
        let mistakes: Vec<Diagnostic> = starts
            .map(|start| {
                let span = Span { file: 0, start, end: start + 5 };
                Diagnostic { span, ..mistake.clone() }
            })
            .collect();
        let sources = sources(&text);
        let drawing = render(&mistakes[..200], &sources, false);
        assert_eq!(drawing.matches("^^^^^ here").count(), 200);
        let one = Excerpt::new((AnnotationKind::Primary, mistakes[9000].span, ""), &sources);
        assert!(one.is_some_and(|excerpt| excerpt.bytes.len() < 10_000));
        let mut columns = Columns::default();
        for (number, mistake) in mistakes.iter().enumerate() {
            assert_eq!(columns.of(mistake.span, &sources), 9 * number + 1);
        }
    }
}
