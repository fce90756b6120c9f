//! HTML as its reader sees it: running text, without markup.
//!
//! A tokenizer and no tree: nothing nests, so depth costs nothing, and what
//! is hidden by style stays in. Block elements and `<br>` are line breaks,
//! cells are apart, images speak by their `alt`.

use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};
use html5gum::{Span, State, Tokenizer};

/// What is met on the way through a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// Text, white space folded, `\n` at line breaks.
    Text(&'a str),
    /// An address in an attribute (`href`, `src`, `action` and the like),
    /// entities decoded.
    Url {
        /// Element it stands in, lower case.
        element: &'a str,
        /// The address.
        url: &'a str,
    },
    /// `</a>`: the text since the `a`'s address is what people see of it.
    LinkEnd,
}

/// Goes through a document until `sink` has enough.
pub fn read(html: &str, sink: impl FnMut(Event<'_>) -> bool) {
    let mut reader = Reader {
        sink,
        done: false,
        element: String::new(),
        attribute: Attribute::Other,
        hidden: None,
        foreign: 0,
        preformatted: 0,
        gap: Gap::None,
        started: false,
    };
    // Whatever the callback gives makes the tokenizer pause.
    let emitter =
        CallbackEmitter::new(move |event: CallbackEvent<'_>, _: Span<()>| reader.event(event));
    let mut tokenizer = Tokenizer::new_with_emitter(html, emitter);
    while let Some(Ok(Pause::Raw(state))) = tokenizer.next() {
        tokenizer.set_state(state);
    }
}

enum Pause {
    /// The text of an element that begins here has other rules.
    Raw(State),
    /// The sink has enough.
    Enough,
}

/// What must come before the next text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    None,
    Blank,
    Line,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attribute {
    Url,
    /// `<meta http-equiv=refresh content="0; url=…">`
    Refresh,
    Alt,
    Other,
}

struct Reader<F> {
    sink: F,
    done: bool,
    element: String,
    attribute: Attribute,
    /// Inside an element whose text is not shown: until its end tag.
    hidden: Option<&'static str>,
    /// Depth in SVG and MathML, where other rules hold.
    foreign: usize,
    preformatted: usize,
    gap: Gap,
    started: bool,
}

impl<F: FnMut(Event<'_>) -> bool> Reader<F> {
    fn event(&mut self, event: CallbackEvent<'_>) -> Option<Pause> {
        let mut raw = None;
        match event {
            CallbackEvent::OpenStartTag { name } => {
                self.element.clear();
                self.element.push_str(&String::from_utf8_lossy(name));
                self.attribute = Attribute::Other;
                self.open();
            }
            CallbackEvent::AttributeName { name } => {
                self.attribute = match name {
                    b"href" | b"src" | b"action" | b"formaction" | b"background" => Attribute::Url,
                    b"content" if self.element == "meta" => Attribute::Refresh,
                    b"alt" if matches!(self.element.as_str(), "img" | "area" | "input") => {
                        Attribute::Alt
                    }
                    _ => Attribute::Other,
                };
            }
            CallbackEvent::AttributeValue { value } => match self.attribute {
                Attribute::Url | Attribute::Refresh => {
                    let value = String::from_utf8_lossy(value);
                    let url = match self.attribute {
                        Attribute::Refresh => refreshed(&value),
                        _ => Some(value.trim()),
                    };
                    if let Some(url) = url
                        && !(self.sink)(Event::Url { element: &self.element, url })
                    {
                        self.done = true;
                    }
                }
                Attribute::Alt => {
                    self.gap(Gap::Blank);
                    self.text(&String::from_utf8_lossy(value), false);
                    self.gap(Gap::Blank);
                }
                Attribute::Other => {}
            },
            CallbackEvent::EndTag { name } => self.close(name),
            CallbackEvent::String { value } => {
                self.text(&String::from_utf8_lossy(value), self.preformatted > 0);
            }
            CallbackEvent::CloseStartTag { self_closing } => raw = self.opened(self_closing),
            CallbackEvent::Comment { .. }
            | CallbackEvent::Doctype { .. }
            | CallbackEvent::Error(_) => {}
        }
        if self.done { Some(Pause::Enough) } else { raw.map(Pause::Raw) }
    }

    fn open(&mut self) {
        let gap = gap_at(self.element.as_bytes());
        self.gap(gap);
    }

    /// Behind the attributes. Gives the state that the element's text wants,
    /// HTML §13.2.6.4; scripts do not run here, so `noscript` is as any other.
    fn opened(&mut self, self_closing: bool) -> Option<State> {
        let element = self.element.as_str();
        if matches!(element, "svg" | "math") && !self_closing {
            self.foreign += 1;
        }
        let foreign = self.foreign > 0;
        if self.hidden.is_none() && !(foreign && self_closing) {
            self.hidden = NOT_SHOWN.iter().find(|name| **name == element).copied();
        }
        if matches!(element, "pre" | "textarea" | "listing" | "xmp" | "plaintext") {
            self.preformatted += 1;
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

    fn close(&mut self, name: &[u8]) {
        if self.hidden.is_some_and(|hidden| hidden.as_bytes() == name) {
            self.hidden = None;
        }
        if matches!(name, b"svg" | b"math") {
            self.foreign = self.foreign.saturating_sub(1);
        }
        if matches!(name, b"pre" | b"textarea" | b"listing" | b"xmp") {
            self.preformatted = self.preformatted.saturating_sub(1);
        }
        if name == b"a" && !(self.sink)(Event::LinkEnd) {
            self.done = true;
        }
        self.gap(gap_at(name));
    }

    fn gap(&mut self, gap: Gap) {
        self.gap = self.gap.max(gap);
    }

    fn text(&mut self, text: &str, preformatted: bool) {
        if self.hidden.is_some() {
            return;
        }
        let mut rest = text;
        loop {
            let word = rest.trim_start_matches(|char: char| char.is_ascii_whitespace());
            let (blank, _) = rest.split_at(rest.len() - word.len());
            if !blank.is_empty() {
                let line = preformatted && blank.contains('\n');
                self.gap(if line { Gap::Line } else { Gap::Blank });
            }
            if word.is_empty() || self.done {
                return;
            }
            let end = word.find(|char: char| char.is_ascii_whitespace()).unwrap_or(word.len());
            let (word, behind) = word.split_at(end);
            self.word(word);
            rest = behind;
        }
    }

    fn word(&mut self, word: &str) {
        let gap = match self.gap {
            Gap::Line if self.started => "\n",
            Gap::Blank if self.started => " ",
            _ => "",
        };
        self.gap = Gap::None;
        self.started = true;
        let more =
            (gap.is_empty() || (self.sink)(Event::Text(gap))) && (self.sink)(Event::Text(word));
        if !more {
            self.done = true;
        }
    }
}

/// Elements whose text is not shown.
const NOT_SHOWN: [&str; 7] =
    ["script", "style", "title", "iframe", "noembed", "noframes", "template"];

fn gap_at(element: &[u8]) -> Gap {
    match element {
        b"address" | b"article" | b"aside" | b"blockquote" | b"body" | b"br" | b"button"
        | b"caption" | b"center" | b"dd" | b"details" | b"dialog" | b"dir" | b"div" | b"dl"
        | b"dt" | b"fieldset" | b"figcaption" | b"figure" | b"footer" | b"form" | b"h1" | b"h2"
        | b"h3" | b"h4" | b"h5" | b"h6" | b"header" | b"hr" | b"html" | b"legend" | b"li"
        | b"listing" | b"main" | b"menu" | b"nav" | b"ol" | b"option" | b"p" | b"plaintext"
        | b"pre" | b"section" | b"select" | b"summary" | b"table" | b"tbody" | b"textarea"
        | b"tfoot" | b"thead" | b"tr" | b"ul" | b"xmp" => Gap::Line,
        b"td" | b"th" | b"input" | b"object" | b"video" | b"audio" => Gap::Blank,
        _ => Gap::None,
    }
}

/// Where `0; url=…` leads; other content of a `meta` has no such shape.
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

/// The charset that a document names in its first 1024 bytes
/// (`<meta charset=…>`, `<meta content="text/html; charset=…">`,
/// `<?xml encoding=…?>`), for one whose header names none.
pub fn declared_charset(html: &[u8]) -> Option<String> {
    let start = html.get(..1024).unwrap_or(html).to_ascii_lowercase();
    let start = String::from_utf8_lossy(&start);
    let value = ["charset", "encoding"].iter().find_map(|word| {
        start.match_indices(word).find_map(|(at, _)| {
            let behind = start.get(at + word.len()..)?;
            behind.trim_start().strip_prefix('=')
        })
    })?;
    let value = value.trim_start_matches(|char: char| char.is_whitespace() || "\"'".contains(char));
    let end = value
        .find(|char: char| !(char.is_ascii_alphanumeric() || "-_.:+".contains(char)))
        .unwrap_or(value.len());
    // A document that could be read this far is not in a charset of two bytes.
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
        let html = "<a title=x href=' http://a.example/?b=1&amp;c=2 '>go</a><IMG SRC=cid:1>";
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
        let of = |html: &str| declared_charset(html.as_bytes());
        assert_eq!(of("<meta charset=Shift_JIS>").as_deref(), Some("shift_jis"));
        let http_equiv = "<META http-equiv=content-type content=\"text/html; charset=EUC-JP\">";
        assert_eq!(of(http_equiv).as_deref(), Some("euc-jp"));
        assert_eq!(of("<?xml version='1.0' encoding='koi8-r'?>").as_deref(), Some("koi8-r"));
        assert_eq!(of("the charset is good"), None);
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
