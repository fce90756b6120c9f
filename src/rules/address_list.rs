//! Lists of addresses: the contents of a list file or of a set in the rules, indexed.
//!
//! Every exact entry becomes one key, in the form in which addresses are
//! compared, and a look-up checks the few keys that can match an address. So a
//! sorted file of the same keys can answer the same questions without reading the
//! list. Globs and patterns are tried one by one.

use std::cell::OnceCell;
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::list_entry::{
    BadEntry, BadEntryReason, LONGEST_COMMON, PUNYCODE, affordable, is_common, judge_exact,
    judge_glob, judge_patterns, key_of, key_of_exact, pattern_source, without_comment,
};
use crate::rules::glob;
use crate::rules::pattern::{self, PatternEngines};

/// A list, ready for tests.
pub struct AddressList {
    exact: ExactKeys,
    globs: Vec<String>,
    patterns: Vec<ListPattern>,
    /// How many of the patterns are used.
    used_patterns: OnceCell<usize>,
    bad: Vec<BadEntry>,
}

/// The keys of exact entries.
enum ExactKeys {
    /// Read from the list.
    Here(Table),
    /// Kept elsewhere by a caller that knows the list's keys.
    Elsewhere(Box<dyn Keys>),
}

/// Keys that are not in memory.
pub trait Keys {
    /// Whether a key is one of them.
    fn has(&self, key: &str) -> bool;

    /// Why the answers so far cannot be relied on.
    fn failure(&self) -> Option<String>;
}

/// Keys in memory.
struct Table {
    /// All keys, one after the other.
    keys: String,
    /// Where each key is in `keys`.
    index: HashTable<(u32, u32)>,
    hasher: RandomState,
}

struct ListPattern {
    source: String,
    built: PatternEngines,
}

/// The letters before a glob and before a pattern, in the text that is kept with
/// an index.
const GLOB: char = 'g';
const PATTERN: char = 'p';

impl AddressList {
    /// Reads a list file: one entry per line; `#` begins a comment at the start
    /// of a line and after a blank.
    pub fn parse(text: &str) -> AddressList {
        let mut list = AddressList::empty();
        let lines = memchr::memchr_iter(b'\n', text.as_bytes()).count() + 1;
        list.exact = ExactKeys::Here(Table::with_capacity(text.len(), lines));
        for (line, entry) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
            list.add(line, without_comment(entry));
        }
        list
    }

    /// Makes a list from the entries of a set in the rules.
    pub fn from_entries<'a>(entries: impl IntoIterator<Item = &'a str>) -> AddressList {
        let mut list = AddressList::empty();
        for (line, entry) in (1..).zip(entries) {
            list.add(line, entry.trim());
        }
        list
    }

    /// A list whose keys are elsewhere; `loose` contains its other entries, one
    /// per line, as [`AddressList::loose_entries`] returns them.
    pub fn with_keys(keys: Box<dyn Keys>, loose: &str) -> AddressList {
        let mut list = AddressList { exact: ExactKeys::Elsewhere(keys), ..AddressList::empty() };
        for line in loose.lines() {
            if let Some(glob) = line.strip_prefix(GLOB) {
                list.globs.push(glob.to_owned());
            } else if let Some(source) = line.strip_prefix(PATTERN) {
                let (source, built) = (source.to_owned(), PatternEngines::default());
                list.patterns.push(ListPattern { source, built });
            }
        }
        list
    }

    /// Whether an address is in the list. The address is in the form of
    /// [`Address::canonical`](crate::message::address::Address::canonical).
    pub fn matches(&self, canonical: &str) -> bool {
        let (local, domain) = canonical.rsplit_once('@').unwrap_or((canonical, ""));
        self.has_key(canonical)
            || !domain.is_empty() && self.has_domain_key(domain)
            || self.has_key(&format!("{local}@"))
            || self.matches_loose(canonical)
    }

    /// Whether a domain is in the list: as `@host`, `@.host`, or the domain
    /// itself, with or without the root's dot. The domain is in
    /// `message::domain::canonical`'s form.
    pub fn matches_domain(&self, canonical: &str) -> bool {
        let rooted = || self.has_key(&format!("{canonical}."));
        self.has_key(canonical)
            || !canonical.is_empty() && (self.has_domain_key(canonical) || rooted())
            || self.matches_loose(canonical)
    }

    /// Whether an entry equals a text as people read it, or is a glob or pattern
    /// that matches it. The text is in `message::fold::fold`'s form.
    pub fn matches_text(&self, folded: &str) -> bool {
        let other_form = || {
            let key = key_of(folded);
            self.has_key(&key) || self.globs.iter().any(|glob| glob::matches(glob, &key))
        };
        self.has_key(folded)
            || self.matches_loose(folded)
            || (folded.contains('@') || folded.contains(PUNYCODE)) && other_form()
    }

    /// The keys of all exact entries, if they are in memory.
    pub fn keys(&self) -> Option<Vec<&str>> {
        match &self.exact {
            ExactKeys::Here(table) => Some(table.all().collect()),
            ExactKeys::Elsewhere(_) => None,
        }
    }

    /// Why the answers so far cannot be relied on: keys that are not in memory could not
    /// be read.
    pub fn failure(&self) -> Option<String> {
        match &self.exact {
            ExactKeys::Here(_) => None,
            ExactKeys::Elsewhere(keys) => keys.failure(),
        }
    }

    /// Globs and patterns in the form in which they are compared, one per line,
    /// each after a letter for its kind: a glob's key can look like a pattern.
    pub fn loose_entries(&self) -> String {
        let globs = self.globs.iter().map(|glob| format!("{GLOB}{glob}\n"));
        let patterns = self.patterns.iter().map(|pattern| format!("{PATTERN}{}\n", pattern.source));
        globs.chain(patterns).collect()
    }

    /// Entries that no address can match, in the order of the list. Patterns are
    /// only checked by [`check_patterns`](Self::check_patterns).
    pub fn bad_entries(&self) -> &[BadEntry] {
        &self.bad
    }

    /// Checks the patterns too, for callers that want all mistakes.
    pub fn check_patterns(text: &str) -> Vec<BadEntry> {
        let entries = text.lines().map(without_comment);
        judge_patterns((1..).zip(entries))
    }

    /// Whether an exact entry is in the list, as written except for case and width.
    pub fn has_same(&self, entry: &str) -> bool {
        key_of_exact(entry).is_some_and(|key| self.has_key(&key))
    }

    fn empty() -> AddressList {
        let exact = ExactKeys::Here(Table::with_capacity(0, 0));
        AddressList {
            exact,
            globs: Vec::new(),
            patterns: Vec::new(),
            used_patterns: OnceCell::new(),
            bad: Vec::new(),
        }
    }

    /// Adds an entry, as in a list file's line, to a list that has been read.
    pub fn push(&mut self, entry: &str) {
        self.add(0, entry);
    }

    fn add(&mut self, line: u32, entry: &str) {
        if entry.is_empty() {
            return;
        }
        let ExactKeys::Here(table) = &mut self.exact else { return };
        let fits = table.keys.len() + entry.len() * 4 < u32::MAX as usize;
        if fits && is_common(entry) && entry.len() <= LONGEST_COMMON {
            table.insert(entry, true);
        } else if let Some(source) = pattern_source(entry) {
            let source = pattern::normalize(source).unwrap_or_else(|| source.to_owned());
            self.patterns.push(ListPattern { source, built: PatternEngines::default() });
            self.used_patterns.take();
        } else if glob::is_glob(entry) {
            self.globs.push(key_of(entry));
            if let Some(reason) = judge_glob(entry) {
                self.bad.push(BadEntry { line, entry: entry.to_owned(), reason });
            }
        } else {
            let bad = if fits { judge_exact(entry) } else { Some(BadEntryReason::TooLong) };
            // No address has the key of a bad entry, but a text may.
            if fits {
                table.insert(entry, false);
            }
            if let Some(reason) = bad {
                self.bad.push(BadEntry { line, entry: entry.to_owned(), reason });
            }
        }
    }

    /// Whether an exact entry has this key.
    pub fn has_key(&self, key: &str) -> bool {
        match &self.exact {
            ExactKeys::Here(table) => table.has(key),
            ExactKeys::Elsewhere(keys) => keys.has(key),
        }
    }

    /// Whether the list has `@host`, or `@.host` for the host or a domain above it, the
    /// nearest first.
    fn has_domain_key(&self, domain: &str) -> bool {
        let above = std::iter::successors(Some(domain), |domain| {
            domain.split_once('.').map(|(_, above)| above)
        });
        self.has_key(&format!("@{domain}"))
            || above.take(128).any(|domain| self.has_key(&format!("@.{domain}")))
    }

    /// Whether a glob or a pattern matches a text.
    fn matches_loose(&self, text: &str) -> bool {
        let fits = |pattern: &ListPattern| {
            let search = pattern.built.get(&pattern.source, false, text.len());
            search.is_some_and(|search| search.is_match(text))
        };
        self.globs.iter().any(|glob| glob::matches(glob, text))
            || self.affordable_patterns().iter().any(fits)
    }

    /// The patterns that are used: those before the limit is reached.
    fn affordable_patterns(&self) -> &[ListPattern] {
        let used = self.used_patterns.get_or_init(|| {
            let costs = self.patterns.iter().map(|pattern| pattern::list_cost(&pattern.source));
            affordable(costs)
        });
        self.patterns.get(..*used).unwrap_or(&self.patterns)
    }
}

impl Table {
    fn with_capacity(bytes: usize, keys: usize) -> Table {
        Table {
            keys: String::with_capacity(bytes),
            index: HashTable::with_capacity(keys),
            hasher: RandomState::new(),
        }
    }

    fn insert(&mut self, entry: &str, plain: bool) {
        let start = self.keys.len();
        if plain {
            self.keys.push_str(entry);
            if let Some(key) = self.keys.get_mut(start..) {
                key.make_ascii_lowercase();
            }
        } else {
            self.keys.push_str(&key_of(entry));
        }
        let (keys, hasher) = (&self.keys, &self.hasher);
        let place = (start as u32, keys.len() as u32);
        let text = |place: &(u32, u32)| keys.get(place.0 as usize..place.1 as usize);
        let expected = text(&place);
        let known = self.index.entry(
            hasher.hash_one(expected),
            |found| text(found) == expected,
            |place| hasher.hash_one(text(place)),
        );
        match known {
            Entry::Occupied(_) => self.keys.truncate(start),
            Entry::Vacant(free) => {
                free.insert(place);
            }
        }
    }

    fn has(&self, key: &str) -> bool {
        let text = |place: &(u32, u32)| self.keys.get(place.0 as usize..place.1 as usize);
        self.index.find(self.hasher.hash_one(Some(key)), |place| text(place) == Some(key)).is_some()
    }

    fn all(&self) -> impl Iterator<Item = &str> {
        self.index.iter().filter_map(|place| self.keys.get(place.0 as usize..place.1 as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::AddressList;
    use crate::rules::list_entry::BadEntryReason;

    const TEXT: &str = "\u{feff}# friends\r\n\
        Taro@Example.JP\r\n\
        \t@work.example   # all of them\r\n\
        @.deep.example\n\
        postmaster@\n\
        *-bounces@*.list.example\n\
        /^a\\d+@num\\.example$/\n\
        ｊｉｒｏ@日本語.jp\n\
        ＨＡＮＡ@wide.example\n\
        /^(c|d #)1@num\\.example$/\n\
        c#@sharp.example\n\
        just words\n";

    #[test]
    fn the_patterns_of_a_list_are_bounded_together() {
        let costly = |n: u32| format!("/\\w{{1,50}}{n}@/\n");
        let text: String = (1..=300).map(costly).collect();
        let bad = AddressList::check_patterns(&text.lines().take(6).collect::<Vec<_>>().join("\n"));
        assert_eq!(bad.len(), 1);
        assert_eq!((bad[0].line, &bad[0].reason), (4, &BadEntryReason::ManyPatterns));
        let list = AddressList::parse(&text);
        assert!(list.matches("a3@x.example") && !list.matches("a4@x.example"));
        // What people write is far below the limit.
        let plain: String = (0..3000).map(|n| format!("/^user{n}@.*\\.example$/\n")).collect();
        assert_eq!(AddressList::check_patterns(&plain), []);
        let words: String = (0..70).map(|n| format!("/^\\w+{n}@spam\\.example$/\n")).collect();
        assert_eq!(AddressList::check_patterns(&words), []);
    }

    #[test]
    fn every_kind_of_entry_is_found() {
        let list = AddressList::parse(TEXT);
        for (address, entry) in [
            ("taro@example.jp", true),
            ("x@work.example", true),
            ("x@sub.work.example", false),
            ("x@deep.example", true),
            ("x@a.b.deep.example", true),
            ("x@notdeep.example", false),
            ("postmaster@anywhere.example", true),
            ("rust-bounces@a.list.example", true),
            ("a12@num.example", true),
            ("jiro@日本語.jp", true),
            ("hana@wide.example", true),
            ("c1@num.example", true),
            ("c#@sharp.example", true),
            ("", false),
            ("taro", false),
            ("@", false),
        ] {
            assert_eq!(list.matches(address), entry, "{address}");
        }
    }

    #[test]
    fn punycode_and_unicode_are_one() {
        for entry in ["@xn--wgv71a119e.jp", "@日本語.jp", "@.XN--WGV71A119E.JP"] {
            let list = AddressList::from_entries([entry]);
            assert!(list.matches("x@日本語.jp"), "{entry}");
            assert!(list.matches_domain("日本語.jp"), "{entry}");
        }
        let list = AddressList::from_entries(["XN--WGV71A119E.jp", "*.xn--wgv71a119e.jp"]);
        for host in ["日本語.jp", "a.日本語.jp"] {
            assert!(list.matches_domain(host) && list.matches_text(host), "{host}");
        }
        for text in ["xn--wgv71a119e.jp", "a.xn--wgv71a119e.jp"] {
            assert!(list.matches_text(text), "{text}");
        }
        assert!(!list.matches_text("b.xn--wgv71a119e.example"));
    }

    /// RFC 1034 §3.1: a name that ends with a dot is the same name, written completely.
    #[test]
    fn a_dot_at_the_end_of_a_domain_does_not_count() {
        for entry in ["work.example.", "@work.example.", "@.work.example."] {
            assert!(AddressList::from_entries([entry]).matches_domain("work.example"), "{entry}");
        }
        for entry in ["@work.example.", "a@work.example.", "a*@work.example."] {
            assert!(AddressList::from_entries([entry]).matches("a@work.example"), "{entry}");
        }
        // Of a text, a dot is a part.
        let list = AddressList::from_entries(["see you.", "."]);
        assert!(list.matches_text("see you.") && !list.matches_text("see you"));
        assert!(!list.matches_domain(""));
    }

    #[test]
    fn texts_and_domains() {
        let list =
            AddressList::from_entries(["Just Words", "work.example", "@.deep.example", "*ale"]);
        assert!(list.matches_text("just words"));
        assert!(list.matches_text("big sale"));
        assert!(!list.matches_text("words"));
        assert!(!list.matches_text("just words @ work"));
        assert!(list.matches_domain("work.example"));
        assert!(list.matches_domain("a.deep.example"));
        assert!(list.matches("just words"));
    }

    #[test]
    fn an_at_sign_in_full_width_is_one() {
        let list =
            AddressList::from_entries(["taro＠xn--r8jz45g.jp", "＠x.example", "＠.y.example"]);
        assert_eq!(list.bad_entries(), []);
        for address in ["taro@例え.jp", "a@x.example", "a@b.y.example"] {
            assert!(list.matches(address), "{address}");
        }
    }

    #[test]
    fn bad_lines_have_their_number_and_the_rest_works() {
        let list = AddressList::parse(
            "a b@x.example\na@b@c.example\n@\n@a..b\nplain\n<a@b.example>\n\"a b\"@x.example\nok@x.example\n[x\n",
        );
        let bad: Vec<_> =
            list.bad_entries().iter().map(|bad| (bad.line, bad.reason.clone())).collect();
        assert_eq!(
            bad,
            [
                (1, BadEntryReason::NotBare),
                (2, BadEntryReason::ManyAts),
                (3, BadEntryReason::BadDomain),
                (4, BadEntryReason::BadDomain),
                (5, BadEntryReason::NoAt),
                (6, BadEntryReason::NotBare),
                (9, BadEntryReason::NoAt),
            ]
        );
        assert!(list.matches("ok@x.example"));
        let bad = AddressList::check_patterns("/a/\n/(/ # no\n");
        assert_eq!((bad[0].line, bad[0].entry.as_str()), (2, "/(/"));
        let long = format!("{}@x.example", "a".repeat(320));
        assert_eq!(AddressList::parse(&long).bad_entries()[0].reason, BadEntryReason::LongAddress);
    }

    #[test]
    fn what_is_added_later_is_in_the_list() {
        let mut list = AddressList::parse("/^a@/\n");
        assert!(!list.matches("b@x.example") && !list.matches("c@x.example"));
        list.push("B@x.example");
        list.push("/^c@/");
        assert!(list.matches("b@x.example") && list.matches("c@x.example"));
    }

    #[test]
    fn entries_count_once_and_a_domain_of_many_parts_is_looked_up() {
        let list = AddressList::parse("a@b.example\nA@B.EXAMPLE.\n\n# c\n");
        assert_eq!(list.keys().map(|keys| keys.len()), Some(1));
        let deep = format!("x@{}b.example", "a.".repeat(100_000));
        assert!(!list.matches(&deep));
    }
}
