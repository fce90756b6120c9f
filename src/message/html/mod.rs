//! HTML as its reader sees it: running text without markup.
//!
//! This is a tokenizer: no tree is built, only the open elements are tracked (`element`),
//! because what an element hides ends where the element does. Block elements and
//! `<br>` become line breaks, cells are separated, and images are represented by
//! their `alt`.

mod element;

use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};
use html5gum::{Span, State, Tokenizer};

use self::element::{Gap, NOT_SHOWN, Name, OpenElements, VOID, gap_at, name_of};
use super::fold::is_cjk;
use super::silent_emitter::SilentEmitter;
use super::style::Style;
use super::style_sheet::Sheet;

/// An item of a document, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// Text, with white space collapsed and `\n` at line breaks.
    Text(&'a str),
    /// Text that nobody sees, in the same form: hidden by a style, by the
    /// attribute `hidden` or by a zero size.
    Hidden(&'a str),
    /// A URL in an attribute (`href`, `src`, `action` and similar), entities decoded.
    Url {
        /// The element that contains it, lower case.
        element: &'a str,
        /// The URL.
        url: &'a str,
    },
    /// `</a>`: the text since the `a`'s URL is what people see of the link.
    LinkEnd,
}

/// How many classes of one element are used.
const CLASSES_LIMIT: usize = 20;

/// Passes a document to `sink` until it has enough.
pub fn read(html: &str, mut sink: impl FnMut(Event<'_>) -> bool) {
    read_with(html, &mut sink, false);
}

/// `in_comment` is for text that only Microsoft's programs read; comments within
/// it are ignored.
fn read_with(html: &str, sink: &mut dyn FnMut(Event<'_>) -> bool, in_comment: bool) {
    let mut reader = HtmlReader {
        sink,
        in_comment,
        done: false,
        element: String::new(),
        attribute: Attribute::Other,
        attributes: Vec::new(),
        tag: Style::default(),
        by_sheet: Style::default(),
        sheet: Sheet::default(),
        alt: None,
        open: OpenElements::default(),
        raw: None,
        foreign: 0,
        preformatted: 0,
        shown: TextFlow::default(),
        hidden: TextFlow::default(),
    };
    // Whatever the callback returns makes the tokenizer pause.
    let emitter =
        CallbackEmitter::new(move |event: CallbackEvent<'_>, _: Span<()>| reader.event(event));
    let mut tokenizer = Tokenizer::new_with_emitter(html, SilentEmitter(emitter));
    while let Some(Ok(Pause::Raw(state))) = tokenizer.next() {
        tokenizer.set_state(state);
    }
}

enum Pause {
    /// The text of the element that begins here is tokenized by other rules.
    Raw(State),
    /// The sink has enough.
    Enough,
}

/// The state of the text that is being passed on.
#[derive(Debug, Default)]
struct TextFlow {
    gap: Gap,
    /// The last character that was passed on.
    last: Option<char>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attribute {
    Url,
    /// Several URLs, each with its purpose.
    UrlSet,
    /// `<meta http-equiv=refresh content="0; url=…">`
    Refresh,
    Alt,
    Style,
    Class,
    Id,
    Other,
}

struct HtmlReader<'s> {
    sink: &'s mut dyn FnMut(Event<'_>) -> bool,
    in_comment: bool,
    done: bool,
    element: String,
    attribute: Attribute,
    /// The attributes of the current tag: the first one of each name counts.
    attributes: Vec<Name>,
    /// The style that the attributes of the current tag give its element.
    tag: Style,
    /// The style that style sheets give it by its class and its identifier.
    by_sheet: Style,
    sheet: Sheet,
    alt: Option<String>,
    open: OpenElements,
    /// The element whose text is not part of the document, until its end tag.
    raw: Option<&'static str>,
    /// The depth in SVG and MathML, where other rules apply.
    foreign: usize,
    preformatted: usize,
    shown: TextFlow,
    hidden: TextFlow,
}

impl HtmlReader<'_> {
    fn event(&mut self, event: CallbackEvent<'_>) -> Option<Pause> {
        let mut raw = None;
        match event {
            CallbackEvent::OpenStartTag { name } => self.begin_tag(name),
            CallbackEvent::AttributeName { name } => self.attribute = self.attribute_named(name),
            CallbackEvent::AttributeValue { value } => {
                self.attribute_value(&String::from_utf8_lossy(value));
            }
            CallbackEvent::EndTag { name } => self.close(name),
            CallbackEvent::String { value } => {
                self.text(&String::from_utf8_lossy(value), self.preformatted > 0);
            }
            CallbackEvent::CloseStartTag { self_closing } => raw = self.opened(self_closing),
            CallbackEvent::Comment { value } => self.comment(&String::from_utf8_lossy(value)),
            CallbackEvent::Doctype { .. } | CallbackEvent::Error(_) => {}
        }
        if self.done { Some(Pause::Enough) } else { raw.map(Pause::Raw) }
    }

    fn begin_tag(&mut self, name: &[u8]) {
        self.element.clear();
        self.element.push_str(&String::from_utf8_lossy(name));
        self.attribute = Attribute::Other;
        self.attributes.clear();
        self.tag = Style::default();
        self.by_sheet = Style::default();
        self.alt = None;
    }

    /// What an attribute's value means.
    fn attribute_named(&mut self, name: &[u8]) -> Attribute {
        let attribute = match name {
            b"href" | b"src" | b"action" | b"formaction" | b"background" | b"poster"
            | b"xlink:href" | b"ping" | b"lowsrc" | b"dynsrc" => Attribute::Url,
            b"data" if self.element == "object" => Attribute::Url,
            b"srcset" | b"imagesrcset" => Attribute::UrlSet,
            b"content" if self.element == "meta" => Attribute::Refresh,
            b"alt" if matches!(self.element.as_str(), "img" | "area" | "input") => Attribute::Alt,
            b"style" => Attribute::Style,
            b"class" if self.sheet.hides() => Attribute::Class,
            b"id" if self.sheet.hides() => Attribute::Id,
            // A style sheet of the browser's own says it.
            b"hidden" => {
                self.by_sheet.is_gone = true;
                return Attribute::Other;
            }
            _ => return Attribute::Other,
        };
        let name = name_of(name);
        if self.attributes.contains(&name) {
            return Attribute::Other;
        }
        self.attributes.push(name);
        attribute
    }

    fn attribute_value(&mut self, value: &str) {
        match self.attribute {
            Attribute::Url => self.url(value.trim()),
            Attribute::UrlSet => {
                for url in value.split_ascii_whitespace() {
                    self.url(url.trim_matches(','));
                }
            }
            Attribute::Refresh => {
                if let Some(url) = refreshed(value) {
                    self.url(url);
                }
            }
            Attribute::Alt => self.alt = Some(value.to_owned()),
            Attribute::Style => self.tag.add(value),
            Attribute::Class => {
                for class in value.split_ascii_whitespace().take(CLASSES_LIMIT) {
                    let style = self.sheet.style(&self.element, '.', class);
                    self.by_sheet = self.by_sheet.and(style);
                }
            }
            Attribute::Id => {
                let style = self.sheet.style(&self.element, '#', value.trim());
                self.by_sheet = self.by_sheet.and(style);
            }
            Attribute::Other => {}
        }
    }

    fn url(&mut self, url: &str) {
        if !self.done && !(self.sink)(Event::Url { element: &self.element, url }) {
            self.done = true;
        }
    }

    /// For Outlook, `<!--[if mso]> … <![endif]-->` is part of the document: its
    /// links lead somewhere, too.
    fn comment(&mut self, comment: &str) {
        if self.in_comment || !comment.trim_start().starts_with("[if") {
            return;
        }
        if let Some((_, inside)) = comment.split_once('>') {
            let (sink, done) = (&mut *self.sink, &mut self.done);
            let mut urls = |event: Event<'_>| match event {
                Event::Url { .. } => {
                    *done = !sink(event);
                    !*done
                }
                _ => true,
            };
            read_with(inside, &mut urls, true);
        }
    }

    /// Called after the attributes. Returns the state that the element's text
    /// requires, HTML §13.2.6.4; scripts do not run here, so `noscript` is an
    /// ordinary element.
    fn opened(&mut self, self_closing: bool) -> Option<State> {
        self.open.end_implied(&self.element);
        let style = self.open.style().inherited(self.tag.over(self.by_sheet));
        self.gap(gap_at(self.element.as_bytes()), style.is_gone);
        if let Some(alt) = self.alt.take() {
            self.gap(Gap::Blank, style.is_gone);
            self.put(&alt, false, style);
            self.gap(Gap::Blank, style.is_gone);
        }
        let element = self.element.as_str();
        if matches!(element, "svg" | "math") && !self_closing {
            self.foreign += 1;
        }
        let foreign = self.foreign > 0;
        if self.raw.is_none() && !(foreign && self_closing) {
            self.raw = NOT_SHOWN.iter().find(|name| **name == element).copied();
        }
        if matches!(element, "pre" | "textarea" | "listing" | "xmp" | "plaintext") {
            self.preformatted += 1;
        }
        let empty = VOID.contains(&element) || foreign && self_closing;
        if !empty {
            self.open.push(element, style);
        }
        match element {
            _ if foreign => None,
            "title" | "textarea" => Some(State::RcData),
            "script" => Some(State::ScriptData),
            "style" | "xmp" | "iframe" | "noembed" | "noframes" => Some(State::RawText),
            "plaintext" => Some(State::PlainText),
            _ => None,
        }
    }

    fn close(&mut self, element: &[u8]) {
        if self.raw.is_some_and(|raw| raw.as_bytes() == element) {
            self.raw = None;
            self.sheet.end();
        }
        let is_gone = self.open.end(element).is_gone;
        if matches!(element, b"svg" | b"math") {
            self.foreign = self.foreign.saturating_sub(1);
        }
        if matches!(element, b"pre" | b"textarea" | b"listing" | b"xmp") {
            self.preformatted = self.preformatted.saturating_sub(1);
        }
        if element == b"a" && !(self.sink)(Event::LinkEnd) {
            self.done = true;
        }
        self.gap(gap_at(element), is_gone);
    }

    /// An element that is removed separates nothing; one that is only invisible does.
    fn gap(&mut self, gap: Gap, is_gone: bool) {
        self.hidden.gap = self.hidden.gap.max(gap);
        if !is_gone {
            self.shown.gap = self.shown.gap.max(gap);
        }
    }

    fn text(&mut self, text: &str, preformatted: bool) {
        if self.raw == Some("style") {
            self.sheet.push(text);
        }
        self.put(text, preformatted, self.open.style());
    }

    fn put(&mut self, text: &str, preformatted: bool, style: Style) {
        if self.raw.is_some() {
            return;
        }
        let hidden = style.is_hidden();
        let flow = if hidden { &mut self.hidden } else { &mut self.shown };
        let mut rest = text;
        loop {
            let words = rest.trim_start_matches(|char: char| char.is_ascii_whitespace());
            let (blank, _) = rest.split_at(rest.len() - words.len());
            if !blank.is_empty() {
                let gap = match blank.contains(['\n', '\r']) {
                    true if preformatted => Gap::Line,
                    true => Gap::Wrap,
                    false => Gap::Blank,
                };
                flow.gap = flow.gap.max(gap);
            }
            if words.is_empty() || self.done {
                return;
            }
            let (words, after) = words.split_at(tidy(words));
            let wide = |char: Option<char>| char.is_some_and(is_cjk);
            let gap = match flow.gap {
                _ if flow.last.is_none() => "",
                Gap::None => "",
                Gap::Wrap if wide(flow.last) && wide(words.chars().next()) => "",
                Gap::Wrap | Gap::Blank => " ",
                Gap::Line => "\n",
            };
            flow.gap = Gap::None;
            flow.last = words.chars().next_back();
            let event = |text| if hidden { Event::Hidden(text) } else { Event::Text(text) };
            let more = (gap.is_empty() || (self.sink)(event(gap))) && (self.sink)(event(words));
            self.done |= !more;
            rest = after;
        }
    }
}

/// The length of the words at the start of a text that are separated by exactly
/// one blank.
fn tidy(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if byte.is_ascii_whitespace()
            && !(*byte == b' ' && bytes.get(at + 1).is_some_and(|next| !next.is_ascii_whitespace()))
        {
            return at;
        }
        at += 1;
    }
    bytes.len()
}

/// The URL in `0; url=…`; other contents of a `meta` do not have this form.
fn refreshed(content: &str) -> Option<&str> {
    let (seconds, rest) = content.split_once([';', ','])?;
    seconds.trim().parse::<f64>().ok()?;
    let rest = rest.trim_start();
    let (word, url) = rest.split_at_checked(3)?;
    let url = match word.eq_ignore_ascii_case("url") {
        true => url.trim_start().strip_prefix('=')?,
        false => rest,
    };
    Some(url.trim().trim_matches(['"', '\'']))
}

/// The charset that a document names in its first 1024 bytes (`<meta charset=…>`,
/// `<meta content="text/html; charset=…">`, `<?xml encoding=…?>`), for a part
/// whose header names none.
pub fn declared_charset(html: &[u8]) -> Option<String> {
    let start = html.get(..1024).unwrap_or(html).to_ascii_lowercase();
    let start = String::from_utf8_lossy(&start);
    let value = ["charset", "encoding"].iter().find_map(|word| {
        start.match_indices(word).find_map(|(at, _)| {
            let after = start.get(at + word.len()..)?;
            after.trim_start().strip_prefix('=')
        })
    })?;
    let value = value.trim_start_matches(|char: char| char.is_whitespace() || "\"'".contains(char));
    let end = value
        .find(|char: char| !(char.is_ascii_alphanumeric() || "-_.:+".contains(char)))
        .unwrap_or(value.len());
    // A document that could be read this far is not in a two-byte charset.
    value.get(..end).filter(|label| !label.is_empty() && !label.contains("16")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(html: &str) -> String {
        let mut text = String::new();
        read(html, |event| {
            if let Event::Text(piece) = event {
                text.push_str(piece);
            }
            true
        });
        text
    }

    #[test]
    fn where_a_document_leads_by_itself() {
        for (content, url) in [
            ("0; url=http://a.example/", Some("http://a.example/")),
            ("1.5;URL='http://a.example/'", Some("http://a.example/")),
            ("0, http://a.example/", Some("http://a.example/")),
            ("text/html; charset=utf-8", None),
            ("10", None),
            ("0; é", None),
        ] {
            assert_eq!(refreshed(content), url, "{content}");
        }
        let mut urls = Vec::new();
        read("<meta http-equiv=refresh content='0; url=http://a.example/?a&amp;b'>", |event| {
            if let Event::Url { url, .. } = event {
                urls.push(url.to_owned());
            }
            true
        });
        assert_eq!(urls, ["http://a.example/?a&b"]);
    }

    #[test]
    fn addresses_and_hidden_text() {
        let (mut urls, mut hidden) = (Vec::new(), String::new());
        let html = "<img srcset='http://a.example/1 1x, http://b.example/2 2x'>\
            <object data=http://c.example/></object><video poster=http://d.example/>\
            <svg><use xlink:href=http://e.example/ /></svg><p data=http://no.example/>\
            <!--[if mso]><a href='http://f.example/'>x</a><![endif]-->\
            <!-- <a href='http://no.example/'> -->\
            <b style=display:none>one <i>two</i></b><a href=http://g.example/>";
        read(html, |event| {
            match event {
                Event::Url { url, .. } => urls.push(url.to_owned()),
                Event::Hidden(text) => hidden.push_str(text),
                _ => {}
            }
            true
        });
        let hosts: Vec<&str> = urls.iter().filter_map(|url| url.get(7..8)).collect();
        assert_eq!((hosts.concat().as_str(), hidden.as_str()), ("abcdefg", "one two"));
    }

    #[test]
    fn text_as_it_is_seen() {
        for (html, want) in [
            ("plain\ntext", "plain text"),
            ("<p>one</p><p>two<br>three", "one\ntwo\nthree"),
            ("V<b>ia</b>g<i></i>ra", "Viagra"),
            ("V<!-- x -->iagra", "Viagra"),
            ("a &amp; b&nbsp;&eacute; &#x8fc7;&#36855;", "a & b\u{a0}é 过迷"),
            ("<table><tr><td>a</td><td>b</td></tr><tr><td>c", "a b\nc"),
            ("<title>not me</title><style>p{}</style><script>if(a<b)</script>me", "me"),
            ("<img src=x alt='the  picture'>", "the picture"),
            ("<pre>two\n  lines</pre>and\none", "two\nlines\nand one"),
            ("<noscript>seen <b>too</b></noscript>", "seen too"),
            ("<svg><style/></svg>behind", "behind"),
            ("<textarea><b>", "<b>"),
            ("日本<wbr>語", "日本語"),
            ("重要\n  なお<b>\n知</b>らせ ok\nok", "重要なお知らせ ok ok"),
            ("v<span style='display:none'> x </span>iagra", "viagra"),
            ("<div hidden>a<div>b</div>c</div>d", "d"),
            ("<div hidden style='display:block'>a</div>b<p hidden>c", "a\nb"),
            ("<table><tr style='display:none'><td>a<tr><td>b</table>", "b"),
            ("<table><tbody hidden><tr><td>a<tbody><tr><td>b<table><tr><td>c</table>", "b\nc"),
            ("<p style='display:none'>a<p>b", "b"),
            ("<div><span style=font-size:0>a</div>b", "b"),
            (
                "<table><tr><td style='font-size:0px'><div style='font-size:13px'>a</div></td><td>b",
                "a\nb",
            ),
            ("<p style='visibility:hidden'>a<b style='visibility:visible'>b</b></p>c", "b\nc"),
            ("<img alt=a style=display:none>b<br hidden>c", "bc"),
            ("<!--[if mso]><p>a</p><![endif]-->b", "b"),
            ("<style>.x, p#y{display:none}</style>a<b class='z x'>b</b><p id=y>c</p>d", "ad"),
            ("<style>.x{display:none}</style><b class=x style='display:inline'>a</b>b", "ab"),
            ("<style>.x{font-size:0}</style><b class=x>a<i style='font-size:9px'>b</i></b>", "b"),
            ("<svg><style>.x{display:none}</style></svg><b class=x>a</b>", ""),
            ("a < b and 1<2", "a < b and 1<2"),
            ("  <div> </div> ", ""),
            ("", ""),
            ("<", "<"),
        ] {
            assert_eq!(text(html), want, "{html}");
        }
    }

    #[test]
    fn addresses_of_links_and_pictures() {
        let mut events = Vec::new();
        let html =
            "<a title=x href=' http://a.example/?b=1&amp;c=2 '>go</a><IMG SRC=cid:1 src=cid:2>";
        read(html, |event| {
            events.push(format!("{event:?}"));
            true
        });
        assert_eq!(
            events,
            [
                "Url { element: \"a\", url: \"http://a.example/?b=1&c=2\" }",
                "Text(\"go\")",
                "LinkEnd",
                "Url { element: \"img\", url: \"cid:1\" }",
            ]
        );
    }

    #[test]
    fn stops_when_the_sink_has_enough() {
        let mut count = 0;
        read(&"<p>word ".repeat(1000), |_| {
            count += 1;
            count < 10
        });
        assert_eq!(count, 10);
    }

    #[test]
    fn charset_of_a_document() {
        let charset = |html: &str| declared_charset(html.as_bytes());
        assert_eq!(charset("<meta charset=Shift_JIS>").as_deref(), Some("shift_jis"));
        let http_equiv = "<META http-equiv=content-type content=\"text/html; charset=EUC-JP\">";
        assert_eq!(charset(http_equiv).as_deref(), Some("euc-jp"));
        assert_eq!(charset("<?xml version='1.0' encoding='koi8-r'?>").as_deref(), Some("koi8-r"));
        assert_eq!(charset("the charset is good"), None);
    }

    #[test]
    fn depth_and_length_cost_nothing_special() {
        for html in [
            "<div>".repeat(100_000),
            "<a href=x>".repeat(50_000),
            "&am".repeat(100_000),
            "<!--".repeat(100_000),
            "<style></styl".repeat(50_000),
            "<".repeat(300_000),
            format!("<a {}>", "b=c ".repeat(50_000)),
        ] {
            text(&html);
        }
    }

    proptest! {
        #[test]
        fn any_markup_is_read(pieces in proptest::collection::vec(prop_oneof![
            Just("<"), Just(">"), Just("</"), Just("/>"), Just("script"), Just("style"),
            Just("title"), Just("svg"), Just("pre"), Just("a"), Just(" href="), Just("\""),
            Just("'"), Just("&"), Just("#"), Just("x110000;"), Just("amp;"), Just("<!--"),
            Just("-->"), Just("<![CDATA["), Just("]]>"), Just("é"), Just("\0"), Just("\r"),
            Just("\n"), Just("!doctype "), Just("plaintext"), Just(" "),
        ], 0..60)) {
            let text = text(&pieces.concat());
            prop_assert!(!text.starts_with([' ', '\n']) && !text.ends_with([' ', '\n']));
        }
    }
}
