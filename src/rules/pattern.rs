//! Patterns: checked with the rules, built when a message first needs them.
//!
//! Checking only parses the pattern and computes an upper bound of its size; only
//! a pattern that comes near the limit is built immediately. What passes here can
//! be built later.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use memchr::memmem;
use regex_automata::Input;
use regex_automata::meta::{Config, Regex};
use regex_syntax::hir::{
    Class, ClassBytes, ClassBytesRange, ClassUnicode, ClassUnicodeRange, Hir, HirKind,
};
use unicode_normalization::UnicodeNormalization;

use crate::message::bounded_text::floor;
use crate::rules::compiled::CompiledProgram;

/// The most memory that one built pattern may take, bytes.
const SIZE_LIMIT: usize = 4 << 20;

/// How deep groups may nest in a pattern.
const NEST_LIMIT: u32 = 100;

/// What runs a pattern; the results are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Built in a tenth of the time, for a search of a short text. With a hostile
    /// text it needs as many steps per byte as the pattern has states.
    Light,
    /// Runs through any text fast.
    Full,
}

/// How much text one light engine searches in all, bytes.
const LIGHT_TEXT: usize = 4096;
/// The most memory that a light one may take, bytes: it limits the states.
const LIGHT_LIMIT: usize = 32 << 10;

/// How many steps a pattern may take over all texts of a message, in the worst
/// case: the length of the text times the number of places in the pattern that
/// can be active at once. A step takes some nanoseconds.
const STEP_LIMIT: usize = 256 << 20;
/// How much text is searched in any case, bytes.
const SEARCHED_TEXT: usize = 64 << 10;

/// How much memory the patterns of one list may need to be built, bytes according
/// to `size_bound`, which is about four times what they really take.
pub const LIST_SIZE_LIMIT: usize = 64 << 20;
/// What building any pattern costs, in the same unit.
const BUILDING: usize = 16 << 10;

/// What cannot be used in a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternError {
    /// Why, in the words of the regex library.
    pub reason: String,
    /// Where in the pattern, bytes; `None` for the whole pattern.
    pub place: Option<Range<usize>>,
}

/// What a pattern captures.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PatternCaptures {
    /// How many groups the pattern has, besides the whole match.
    pub groups: u32,
    /// The names of the groups that have one.
    pub names: Vec<String>,
}

/// Parses a pattern without building it. What this accepts, [`build`] can build.
///
/// # Errors
/// The pattern cannot be used.
pub fn check(source: &str, case_sensitive: bool) -> Result<PatternCaptures, PatternError> {
    let hir = parse(source, case_sensitive)?;
    if size_bound(&hir) > SIZE_LIMIT {
        build(source, case_sensitive, Engine::Full)?;
    }
    let mut captures = PatternCaptures::default();
    collect_captures(&hir, &mut captures);
    Ok(captures)
}

/// What a pattern takes of [`LIST_SIZE_LIMIT`]; text that is not a pattern takes
/// little. Computed case-sensitively: a letter in either case is one state.
pub fn list_cost(source: &str) -> usize {
    BUILDING + parse(source, true).map_or(0, |hir| size_bound(&hir))
}

fn parse(source: &str, case_sensitive: bool) -> Result<Hir, PatternError> {
    let mut parser = regex_syntax::ParserBuilder::new();
    parser.case_insensitive(!case_sensitive).nest_limit(NEST_LIMIT);
    parser.build().parse(source).map_err(syntax_error)
}

/// Builds a pattern; the text to search must be decoded and NFKC-normalized.
///
/// # Errors
/// The pattern cannot be used.
pub fn build(source: &str, case_sensitive: bool, engine: Engine) -> Result<Regex, PatternError> {
    let (config, limit) = match engine {
        Engine::Light => {
            (Config::new().hybrid(false).onepass(false).auto_prefilter(false), LIGHT_LIMIT)
        }
        Engine::Full => (Config::new(), SIZE_LIMIT),
    };
    let config = config.nfa_size_limit(Some(limit));
    let pattern = cheaper(parse(source, case_sensitive)?);
    Regex::builder().configure(config).build_from_hir(&pattern).map_err(|error| PatternError {
        reason: match error.size_limit() {
            Some(limit) => format!("it needs more than {} MB of memory", limit >> 20),
            None => error.to_string(),
        },
        place: None,
    })
}

/// A pattern that matches the same in NFKC-normalized text and has fewer classes
/// beyond ASCII: to build the first one, the library clears a third of a
/// megabyte. The parser limits how deep patterns are nested.
fn cheaper(pattern: Hir) -> Hir {
    match pattern.into_kind() {
        HirKind::Class(Class::Unicode(class)) => cheaper_class(class),
        HirKind::Class(class) => Hir::class(class),
        HirKind::Repetition(mut repetition) => {
            repetition.sub = Box::new(cheaper(*repetition.sub));
            Hir::repetition(repetition)
        }
        HirKind::Capture(mut capture) => {
            capture.sub = Box::new(cheaper(*capture.sub));
            Hir::capture(capture)
        }
        HirKind::Concat(parts) => Hir::concat(parts.into_iter().map(cheaper).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.into_iter().map(cheaper).collect()),
        HirKind::Literal(literal) => Hir::literal(literal.0),
        HirKind::Look(look) => Hir::look(look),
        HirKind::Empty => Hir::empty(),
    }
}

fn cheaper_class(mut class: ClassUnicode) -> Hir {
    let bytes = |first, last| {
        Hir::class(Class::Bytes(ClassBytes::new([ClassBytesRange::new(first, last)])))
    };
    let whole = |range: &ClassUnicodeRange| range.start() <= '\u{80}' && range.end() == char::MAX;
    if class.ranges().last().is_some_and(whole) {
        // As in `.` and `[^x]`: everything that begins with such a byte, in UTF-8.
        let more = || bytes(0x80, 0xbf);
        class.intersect(&ClassUnicode::new([ClassUnicodeRange::new('\0', '\u{7f}')]));
        return Hir::alternation(vec![
            Hir::class(Class::Unicode(class)),
            Hir::concat(vec![bytes(0xc2, 0xdf), more()]),
            Hir::concat(vec![bytes(0xe0, 0xef), more(), more()]),
            Hir::concat(vec![bytes(0xf0, 0xf4), more(), more(), more()]),
        ]);
    }
    // The long s and the Kelvin sign, other cases of `s` and `k`, do not occur in
    // normalized text.
    let never = ['\u{17f}', '\u{212a}'].map(|letter| ClassUnicodeRange::new(letter, letter));
    class.difference(&ClassUnicode::new(never));
    Hir::class(Class::Unicode(class))
}

/// The pattern for NFKC-normalized text: its own letters are normalized too, so
/// that a full-width letter or half-width kana matches. What would become an
/// operator is escaped.
pub fn normalize(source: &str) -> Option<String> {
    if source.is_ascii() {
        return None;
    }
    let mut normal = String::with_capacity(source.len());
    let mut rest = source;
    while !rest.is_empty() {
        let ascii = rest.find(|letter: char| !letter.is_ascii()).unwrap_or(rest.len());
        let (plain, after) = rest.split_at(ascii);
        normal.push_str(plain);
        let foreign = after.find(|letter: char| letter.is_ascii()).unwrap_or(after.len());
        let (run, after) = after.split_at(foreign);
        for letter in run.nfkc() {
            if letter.is_ascii() && regex_syntax::is_meta_character(letter) {
                normal.push('\\');
            }
            normal.push(letter);
        }
        rest = after;
    }
    (normal != source).then_some(normal)
}

/// Sets of texts; a text can match the pattern only if it contains one text of
/// each set, see [`Pattern::literals`](crate::rules::program::Pattern::literals).
/// In NFKC-normalized text no other letter is an ASCII letter in another case, so
/// ASCII alone can be searched without Unicode's tables.
pub fn literals(source: &str) -> Vec<Vec<String>> {
    // Parsed case-sensitively: a letter in either case is still one literal.
    let hir = regex_syntax::ParserBuilder::new().nest_limit(NEST_LIMIT).build().parse(source);
    hir.map(|hir| required(&hir)).unwrap_or_default()
}

/// More sets, or more texts in one set, are not worth searching.
const MOST_LITERALS: usize = 8;

/// The parser limits how deep patterns are nested.
fn required(hir: &Hir) -> Vec<Vec<String>> {
    match hir.kind() {
        HirKind::Literal(literal) => {
            let text = String::from_utf8_lossy(&literal.0).to_ascii_lowercase();
            let plain = text.split(|c: char| !c.is_ascii_graphic());
            let longest = plain.max_by_key(|part| part.len()).filter(|part| !part.is_empty());
            longest.map(|part| vec![part.to_owned()]).into_iter().collect()
        }
        HirKind::Capture(capture) => required(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => required(&repetition.sub),
        HirKind::Concat(parts) => {
            let mut all: Vec<Vec<String>> = parts.iter().flat_map(required).collect();
            all.sort_by_key(|set| std::cmp::Reverse(shortest(set)));
            all.truncate(MOST_LITERALS);
            all
        }
        HirKind::Alternation(parts) => {
            let best = |part| required(part).into_iter().max_by_key(|set| shortest(set));
            let all: Option<Vec<_>> = parts.iter().map(best).collect();
            let all: Vec<String> = all.unwrap_or_default().into_iter().flatten().collect();
            if all.is_empty() || all.len() > MOST_LITERALS { Vec::new() } else { vec![all] }
        }
        _ => Vec::new(),
    }
}

fn shortest(set: &[String]) -> usize {
    set.iter().map(String::len).min().unwrap_or(0)
}

/// The engines of a pattern that have been built so far.
#[derive(Default)]
pub struct PatternEngines {
    light: OnceCell<Option<Rc<Regex>>>,
    full: OnceCell<Option<Rc<Regex>>>,
    /// How much text has been requested so far, bytes.
    text: Cell<usize>,
    /// How much text it may search in all, bytes.
    most: OnceCell<usize>,
}

/// A built pattern, and how much it may search.
pub struct Search {
    /// The pattern.
    pub regex: Rc<Regex>,
    length: usize,
}

impl Search {
    /// The text to be searched. The engine still sees that text follows after it,
    /// so that nothing matches only because the text seems to end.
    pub fn input<'t>(&self, text: &'t str) -> Input<'t> {
        Input::new(text).range(..floor(text, self.length))
    }

    /// Whether the pattern is found in a text.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(self.input(text))
    }

    /// Whether the text is longer than what is searched.
    pub fn is_cut(&self, text: &str) -> bool {
        self.length < text.len()
    }
}

impl PatternEngines {
    /// The pattern for a text of that length, built now if necessary; `None` if
    /// it cannot be built.
    pub fn get(&self, source: &str, case_sensitive: bool, length: usize) -> Option<Search> {
        let before = self.text.get();
        self.text.set(before.saturating_add(length));
        let build = |engine| build(source, case_sensitive, engine).ok().map(Rc::new);
        if self.text.get() <= LIGHT_TEXT
            && let Some(light) = self.light.get_or_init(|| build(Engine::Light))
        {
            return Some(Search { regex: light.clone(), length });
        }
        let regex = self.full.get_or_init(|| build(Engine::Full)).clone()?;
        if self.text.get() <= SEARCHED_TEXT {
            return Some(Search { regex, length });
        }
        // Parsed case-sensitively: a letter in either case is still one literal.
        let width = || parse(source, true).map_or(1, |hir| width(&hir)).max(1);
        let most = *self.most.get_or_init(|| (STEP_LIMIT / width()).max(SEARCHED_TEXT));
        Some(Search { regex, length: length.min(most.saturating_sub(before)) })
    }
}

/// The patterns of one program, each built when it is first needed.
pub struct Patterns<'p> {
    program: &'p CompiledProgram,
    built: RefCell<HashMap<u32, PatternEngines>>,
    cut: Cell<bool>,
}

impl<'p> Patterns<'p> {
    /// The patterns of a program; each is built when it is first used.
    pub fn new(program: &'p CompiledProgram) -> Patterns<'p> {
        Patterns { program, built: RefCell::default(), cut: Cell::new(false) }
    }

    /// Whether a pattern was searched only at the start of some text.
    pub fn is_cut(&self) -> bool {
        self.cut.get()
    }

    /// Whether a text can match the pattern with that number; `lower` is the text
    /// with its ASCII letters in lower case. No pattern is built.
    pub fn is_possible(&self, index: u32, lower: &str) -> bool {
        let Some(pattern) = self.program.pattern(index) else { return true };
        let find = |literal: &str| memmem::find(lower.as_bytes(), literal.as_bytes()).is_some();
        pattern.literals.iter().all(|set| set.iter().any(|literal| find(literal)))
    }

    /// The pattern with that number for a text; `None` if it cannot be built,
    /// which does not happen in a checked program.
    pub fn get(&self, index: u32, text: &str) -> Option<Search> {
        let pattern = self.program.pattern(index)?;
        let mut built = self.built.borrow_mut();
        let built = built.entry(index).or_default();
        let search = built.get(&pattern.source, pattern.case_sensitive, text.len())?;
        if search.is_cut(text) {
            self.cut.set(true);
        }
        Some(search)
    }
}

fn syntax_error(error: regex_syntax::Error) -> PatternError {
    let (reason, span) = match &error {
        regex_syntax::Error::Parse(error) => (error.kind().to_string(), *error.span()),
        regex_syntax::Error::Translate(error) => (error.kind().to_string(), *error.span()),
        other => return PatternError { reason: other.to_string(), place: None },
    };
    PatternError { reason, place: Some(span.start.offset..span.end.offset) }
}

/// An upper bound of the bytes that the built pattern takes. The nest limit
/// limits the recursion.
fn size_bound(hir: &Hir) -> usize {
    const STATE: usize = 64;
    // What one range of characters can need as ranges of UTF-8 bytes, both ways.
    const RANGE: usize = 512;
    let inner = match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 0,
        HirKind::Literal(literal) => literal.0.len() * STATE,
        HirKind::Class(Class::Unicode(class)) => class.ranges().len() * RANGE,
        HirKind::Class(Class::Bytes(class)) => class.ranges().len() * STATE,
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min.saturating_add(1));
            size_bound(&repetition.sub).saturating_add(STATE).saturating_mul(times.max(1) as usize)
        }
        HirKind::Capture(capture) => size_bound(&capture.sub).saturating_add(2 * STATE),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().fold(0, |sum: usize, part| sum.saturating_add(size_bound(part)))
        }
    };
    inner.saturating_add(2 * STATE)
}

/// An upper bound of how many places in a pattern can be active at once; about
/// one for a literal. A character beyond ASCII has places between its bytes, too.
/// The nest limit limits the recursion.
fn width(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 0,
        HirKind::Literal(literal) => 1 + literal.0.len() / 8,
        HirKind::Class(Class::Unicode(class)) if !class.is_ascii() => 3,
        HirKind::Class(_) => 1,
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min.saturating_add(1));
            width(&repetition.sub).saturating_mul(times.max(1) as usize)
        }
        HirKind::Capture(capture) => width(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().fold(0, |sum: usize, part| sum.saturating_add(width(part)))
        }
    }
}

fn collect_captures(hir: &Hir, captures: &mut PatternCaptures) {
    match hir.kind() {
        HirKind::Capture(capture) => {
            captures.groups = captures.groups.max(capture.index);
            captures.names.extend(capture.name.as_deref().map(str::to_owned));
            collect_captures(&capture.sub, captures);
        }
        HirKind::Repetition(repetition) => collect_captures(&repetition.sub, captures),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().for_each(|part| collect_captures(part, captures));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use regex_automata::util::syntax;

    use super::{
        CompiledProgram, Engine, PatternEngines, Patterns, Regex, STEP_LIMIT, build, check,
        literals, normalize, parse, width,
    };
    use crate::rules::program::{Pattern, Program};

    /// Found by fuzzing: the bound of the enclosing group overflowed, so that a
    /// pattern passed that cannot be built.
    #[test]
    fn a_group_around_what_is_too_large_is_too_large() {
        let large = format!("a{}", "{99}".repeat(12));
        assert!(check(&large, false).is_err());
        assert!(check(&format!("({large})"), false).is_err());
        assert!(check(&format!("x({})b", "a".to_owned() + &"+".repeat(90)), false).is_ok());
    }

    #[test]
    fn a_wide_pattern_looks_at_less_of_a_long_text() {
        let width = |source| width(&parse(source, true).unwrap());
        assert_eq!((width("needle"), width(r"\w{20,60}!"), width("(a|b)+x")), (1, 181, 3));
        assert_eq!(width("a literal of 24 bytes!!!"), 4);
        assert_eq!(width(r"(([a-z0-9]{1,40}){1,100})!"), 4001);

        let found = |source: &str, text: &str| {
            let search = PatternEngines::default().get(source, false, text.len()).unwrap();
            (search.is_match(text), search.is_cut(text))
        };
        let wide = "[ab]{1000}x";
        let most = STEP_LIMIT / 1001;
        let text =
            |before: usize| "-".repeat(before) + &"a".repeat(1000) + "x\n" + &"-".repeat(most);
        assert_eq!(found(wide, &text(most - 1001)), (true, true));
        assert_eq!(found(wide, &text(most - 1000)), (false, true));
        assert_eq!(found("ax\n-", &text(most)), (true, false));
        // The text continues after the part that is searched.
        let before = "-".repeat(STEP_LIMIT / 1000 - 1000);
        assert_eq!(found("[ab]{1000}$", &(before.clone() + &"a".repeat(1002))), (false, true));
        assert_eq!(found("[ab]{1000}$", &(before + &"a".repeat(1000))), (true, false));
        // All texts count together.
        let built = PatternEngines::default();
        let text = "-".repeat(most / 2 + 1);
        let cut = || built.get(wide, false, text.len()).unwrap().is_cut(&text);
        assert_eq!([cut(), cut(), cut()], [false, true, true]);
        // The patterns of a program report it.
        let pattern = Pattern { source: wide.into(), case_sensitive: false, literals: Vec::new() };
        let program = Program { patterns: vec![pattern], ..Program::default() };
        let program = CompiledProgram::new(program);
        let patterns = Patterns::new(&program);
        assert!(patterns.get(0, "x").is_some() && !patterns.is_cut());
        assert!(patterns.get(0, &"-".repeat(most + 1)).is_some() && patterns.is_cut());
    }

    #[test]
    fn a_class_has_only_its_own_letters_beyond_ascii() {
        let build = |source| build(source, true, Engine::Full).unwrap();
        let high = build("^[\u{3000}-\u{10ffff}]$");
        assert!(high.is_match("日") && !high.is_match("é") && !high.is_match("a"));
        let beyond = build("^[^\\x00-\\x7f]$");
        assert!(beyond.is_match("日") && beyond.is_match("\u{80}") && !beyond.is_match("a"));
    }

    #[test]
    fn captures_are_counted_and_named() {
        let found = check(r"\[(?<tag>[^\]]+)\] (\d+)", false).unwrap();
        assert_eq!(found.groups, 2);
        assert_eq!(found.names, ["tag"]);
    }

    #[test]
    fn a_mistake_has_its_place() {
        let error = check("abc(def", false).unwrap_err();
        assert_eq!(error.place, Some(3..4));
        assert_eq!(error.reason, "unclosed group");
    }

    #[test]
    fn what_is_too_large_fails_when_checked() {
        for source in [r"\w{1000}{1000}", "(?:a{1000}){1000}", r"(\pL{99}){99}"] {
            let error = check(source, false).unwrap_err();
            assert!(error.reason.contains("memory"), "{source}: {}", error.reason);
        }
    }

    #[test]
    fn what_passes_can_be_built() {
        for source in [
            r"\w+@\w+\.\w+",
            r"(?:\w\w\w\w\w\w\w\w\w\w)",
            r"\W\W\W\W\W\W\W\W\W",
            r"\pL{10}",
            r"[^a]{400}",
            r".{1,900}",
            r"(?:[a-z0-9]+\.)*example",
            "ab?c*d+{2,3}e{0}",
            r"\p{Cyrillic}\p{Han}\p{Greek}",
            &"(".repeat(90).chars().chain(")".repeat(90).chars()).collect::<String>(),
        ] {
            for case_sensitive in [false, true] {
                if check(source, case_sensitive).is_ok() {
                    assert!(build(source, case_sensitive, Engine::Full).is_ok(), "{source}");
                }
            }
        }
    }

    #[test]
    fn deep_nesting_is_refused() {
        let source = "(".repeat(100_000) + &")".repeat(100_000);
        assert!(check(&source, false).is_err());
    }

    #[test]
    fn letters_are_normalized_and_stay_letters() {
        assert_eq!(normalize("ＳＡＬＥ").as_deref(), Some("SALE"));
        assert_eq!(normalize("ﾊﾞｰｹﾞﾝ").as_deref(), Some("バーゲン"));
        assert_eq!(normalize("（株）.*").as_deref(), Some(r"\(株\).*"));
        assert_eq!(normalize("日本"), None);
    }

    #[test]
    fn literals_are_what_must_be_there() {
        for (source, expected) in [
            ("needle", "needle"),
            ("NEE(dle|t)-[0-9]+-There", "-there nee dle|t -"),
            ("(viagra|Cialis)!", "viagra|cialis !"),
            ("a*b?", ""),
            ("(?:ab)+c", "ab c"),
            ("x|", ""),
            ("至急 sale", "sale"),
            (".*", ""),
            ("(?i)needle", ""),
        ] {
            let found: Vec<String> = literals(source).iter().map(|set| set.join("|")).collect();
            assert_eq!(found.join(" "), expected, "{source}");
        }
    }

    proptest::proptest! {
        #[test]
        fn engines_find_what_the_pattern_says(
            source in "([abAKs.日é]|[(][?]:a|[)]|[|*+?^$]|\\\\[wdbSB]|[(]|\\[[^a]k\\]|\\[[s日]\\]|\\{2\\}){1,12}",
            text in "[abAKks1 日é\u{301}\u{10ffff}\n]{0,24}",
            case_sensitive: bool,
        ) {
            use unicode_normalization::UnicodeNormalization;
            let text: String = text.nfkc().collect();
            let reference = syntax::Config::new().case_insensitive(!case_sensitive);
            let reference = Regex::builder().syntax(reference).build(&source);
            for engine in [Engine::Light, Engine::Full] {
                let built = build(&source, case_sensitive, engine);
                // If it has too many states for the light engine, the full one is used.
                if engine == Engine::Full || reference.is_err() {
                    proptest::prop_assert_eq!(built.is_ok(), reference.is_ok());
                }
                if let (Ok(built), Ok(reference)) = (built, &reference) {
                    let groups = |regex: &Regex| {
                        let mut found = regex.create_captures();
                        regex.captures(&text, &mut found);
                        found.iter().collect::<Vec<_>>()
                    };
                    proptest::prop_assert_eq!(groups(&built), groups(reference), "{} in {}", source, text);
                    proptest::prop_assert_eq!(built.is_match(&text), reference.is_match(&text));
                }
            }
        }

        #[test]
        fn what_cannot_be_is_not(
            source in "[a-cA-CkKsS|()*+?.ſ\\u{212a} -]{1,12}",
            text in "[a-cA-CkKsSſİı\\u{212a}é -]{0,16}",
            case_sensitive: bool,
        ) {
            use unicode_normalization::UnicodeNormalization;
            let source = normalize(&source).unwrap_or(source);
            let text: String = text.nfkc().collect();
            if let Ok(regex) = build(&source, case_sensitive, Engine::Light) {
                let literals = literals(&source);
                let lower = text.to_ascii_lowercase();
                let there = |set: &Vec<String>| set.iter().any(|literal| lower.contains(literal));
                if !literals.iter().all(there) {
                    proptest::prop_assert!(!regex.is_match(&text), "{source:?} in {text:?}");
                }
            }
        }
    }
}
