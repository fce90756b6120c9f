//! Which of the text that a border prints among its results the sender chose.
//!
//! A border that prints a signature's `i=`, a local part or a HELO unchanged lets
//! the sender write results: `header.i=a;dkim=pass header.d=bank.example`. The
//! header alone does not show this, but the message does: it has the same texts.
//! If one of them can be read as more than a value, a header is read up to the
//! place where such a text occurs, and no further. It is read on only if the
//! border has evidently quoted the text, so that all of it was read as one value.

use crate::classify::Mail;
use crate::classify::authentication::domain_of;
use crate::classify::authentication::grammar::{MethodResult, ResultsHeader};
use crate::classify::authentication::signature::{Signature, is_ambiguous};
use crate::classify::cfws::{Piece, pieces};
use crate::classify::received;
use crate::message::domain;
use crate::message::head::Head;
use crate::message::unfold::unfold;

/// Further signatures are not read; what borders print then is not relied on.
const MOST_SIGNATURES: usize = 100;

/// Further addresses of From are not read.
const MOST_ADDRESSES: usize = 1000;

/// How much is read of what follows an `@`, in characters.
const LONGEST_ADDRESS: usize = 1000;

/// The longest header that is read, in bytes. Longer ones are ambiguous.
const LONGEST_HEADER: usize = 64 << 10;

/// Where in the message a text of the sender's comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TextOrigin {
    Signature,
    Chain,
    EnvelopeSender,
    Helo,
    From,
}

impl TextOrigin {
    const ALL: [TextOrigin; 5] = [
        TextOrigin::Signature,
        TextOrigin::Chain,
        TextOrigin::EnvelopeSender,
        TextOrigin::Helo,
        TextOrigin::From,
    ];

    fn name(self) -> &'static str {
        match self {
            TextOrigin::Signature => "a DKIM-Signature",
            TextOrigin::Chain => "the ARC chain",
            TextOrigin::EnvelopeSender => "the envelope sender",
            TextOrigin::Helo => "the HELO",
            TextOrigin::From => "the From header",
        }
    }

    /// Where the text of a property comes from.
    fn of(method: &str, property: &str) -> Option<TextOrigin> {
        let (ptype, name) = property.split_once('.')?;
        match (method, ptype, name) {
            ("arc", ..) => Some(TextOrigin::Chain),
            (_, "smtp", "mailfrom" | "mail" | "envelope-from") => Some(TextOrigin::EnvelopeSender),
            (_, "smtp", "helo" | "ehlo") => Some(TextOrigin::Helo),
            (_, "header", "from" | "sender" | "resent-from") => Some(TextOrigin::From),
            (_, "header", _) => Some(TextOrigin::Signature),
            _ => None,
        }
    }
}

/// The texts of one origin.
#[derive(Debug, Default)]
struct Texts {
    /// Those that can only be read as one value.
    plain: Vec<String>,
    ambiguous: Vec<String>,
    /// There are more texts than were read.
    incomplete: bool,
}

impl Texts {
    fn add(&mut self, text: String, ambiguous: bool) {
        match ambiguous {
            true => self.ambiguous.push(text),
            false => self.plain.push(text),
        }
    }

    /// Whether none of them can be read as more than one value.
    fn are_plain(&self) -> bool {
        self.ambiguous.is_empty() && !self.incomplete
    }

    /// Whether a value that was read is one of the texts in full, not the
    /// beginning of an ambiguous one.
    fn hold(&self, value: &str) -> bool {
        let is = |text: &String| text.eq_ignore_ascii_case(value);
        !self.incomplete
            && !self.ambiguous.iter().any(|text| !is(text) && starts_with(text, value))
            && (self.plain.iter().any(is) || self.ambiguous.iter().any(is))
    }
}

/// The texts of one message that its sender chose.
#[derive(Debug, Default)]
pub struct SenderText {
    signatures: Vec<Signature>,
    texts: [Texts; TextOrigin::ALL.len()],
}

impl SenderText {
    /// Gathers the texts.
    pub fn of(mail: &Mail<'_>) -> SenderText {
        let head = mail.message.head();
        let mut found = SenderText::default();
        found.signatures = found.gather(head, "dkim-signature", TextOrigin::Signature);
        found.gather(head, "arc-seal", TextOrigin::Chain);
        found.gather(head, "arc-message-signature", TextOrigin::Chain);
        if let Some(sender) = &mail.envelope_sender {
            found.envelope_sender(sender);
        }
        // Borders print one of any length.
        found.texts(TextOrigin::EnvelopeSender).incomplete |= mail.has_long_sender;
        found.helo(mail);
        for value in head.values("from").take(MOST_SIGNATURES) {
            found.from(&text_of(value));
            found.texts(TextOrigin::From).incomplete |= value.len() > LONGEST_HEADER;
        }
        found
    }

    fn texts(&mut self, kind: TextOrigin) -> &mut Texts {
        &mut self.texts[kind as usize]
    }

    fn gather(&mut self, head: &Head, name: &str, kind: TextOrigin) -> Vec<Signature> {
        let mut values = head.values(name);
        let texts = self.texts(kind);
        let mut signatures = Vec::new();
        for value in values.by_ref().take(MOST_SIGNATURES) {
            if value.len() > LONGEST_HEADER {
                texts.incomplete = true;
                continue;
            }
            let signature = Signature::parse(&text_of(value));
            for text in &signature.ambiguous {
                texts.add(text.clone(), true);
            }
            texts.add(signature.identity.clone(), false);
            if !signature.encoded_identity.is_empty() {
                texts.add(signature.encoded_identity.clone(), false);
            }
            texts.add(signature.domain.clone(), false);
            signatures.push(signature);
        }
        texts.incomplete |= values.next().is_some();
        signatures
    }

    /// Adds the address with and without the quotes of RFC 5321 §4.1.2.
    fn envelope_sender(&mut self, sender: &str) {
        let texts = self.texts(TextOrigin::EnvelopeSender);
        let bare = unquoted(sender);
        let ambiguous = is_ambiguous(&bare) || bare.matches('@').count() > 1;
        if bare != sender {
            texts.add(sender.to_owned(), ambiguous);
        }
        texts.add(bare, ambiguous);
        if let Some(domain) = domain_of(sender) {
            texts.add(domain, false);
        }
    }

    fn helo(&mut self, mail: &Mail<'_>) {
        let plain = |text: &str| {
            text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:[]".contains(c) || !c.is_ascii())
        };
        let texts = self.texts(TextOrigin::Helo);
        if let Some(helo) = (mail.variable)("CLIENT_HELO") {
            let ambiguous = !plain(&helo);
            texts.add(helo, ambiguous);
        }
        let head = mail.message.head();
        let border = mail.trail().border_start;
        for line in head.named("received").take(MOST_SIGNATURES) {
            // Whoever handed over to our own machines is checked alike: it costs
            // nothing, and the border may be another than we think.
            if border.is_none_or(|border| line.range.start > border) {
                break;
            }
            // If a HELO contains the words of other clauses (`by x;spf=pass`), or
            // a parenthesis that begins or ends a comment, nobody knows where it
            // ends.
            let text = text_of(line.value);
            texts.incomplete |= received::parse(line.value).ambiguous || has_odd_parenthesis(&text);
            let (words, comments) = from_clause(&text);
            texts.add(words.join(" "), !words.iter().all(|word| plain(word)));
            for helo in comments.iter().filter_map(|comment| helo_in_comment(comment)) {
                texts.add(helo.to_owned(), !plain(helo));
            }
        }
    }

    /// Adds what a border could take for the domain of each address.
    fn from(&mut self, text: &str) {
        let texts = self.texts(TextOrigin::From);
        let mut signs = text.match_indices('@');
        for (at, _) in signs.by_ref().take(MOST_ADDRESSES) {
            let rest = &text[at + 1..];
            let long = rest.char_indices().nth(LONGEST_ADDRESS).map_or(rest.len(), |char| char.0);
            let rest = &rest[..long];
            let end = rest.find([' ', '\t', '\r', '\n', '>', ',', '"']).unwrap_or(rest.len());
            let (name, behind) = rest.split_at(end);
            let goes_on = pieces(behind).find_map(|piece| match piece {
                Piece::Word(word) => Some(word.starts_with('.')),
                Piece::Comment(_) => None,
            });
            let ambiguous = name.trim_end_matches(';').contains([';', '(', ')', '=', '\\', '<']);
            texts.add(name.to_owned(), ambiguous || goes_on == Some(true));
        }
        texts.incomplete |= signs.next().is_some();
    }

    /// Removes from a header a text of the sender's that could be read as
    /// results, and everything after it. Returns why.
    pub fn cut(&self, header: &mut ResultsHeader) -> Option<String> {
        for at in 0..header.results.len() {
            let Some((properties, kind)) = self.place_in(&header.results[at]) else { continue };
            let result = &mut header.results[at];
            let place = match result.properties.get(properties) {
                Some((name, _)) => format!("`{name}`"),
                None => "a comment".to_owned(),
            };
            result.properties.truncate(properties);
            result.flaw = Some("it contains text that the sender chose");
            result.cut = true;
            header.results.truncate(at + 1);
            return Some(format!(
                "read up to {place} only: the sender could have written what follows, {} contains text that can be read as results",
                kind.name()
            ));
        }
        None
    }

    /// The number of properties of a result before such a text, and its origin.
    fn place_in(&self, result: &MethodResult) -> Option<(usize, TextOrigin)> {
        for at in 0..=result.properties.len() {
            let comments = result.comments.iter().filter(|(place, _)| *place == at);
            for (_, comment) in comments {
                if let Some(kind) = self.in_comment(&result.method, comment) {
                    return Some((at, kind));
                }
            }
            if let Some((name, value)) = result.properties.get(at)
                && let Some(kind) = self.in_property(&result.method, name, value)
            {
                return Some((at, kind));
            }
        }
        None
    }

    fn in_property(&self, method: &str, name: &str, value: &str) -> Option<TextOrigin> {
        let begins = |kind: &TextOrigin| {
            let texts = &self.texts[*kind as usize];
            texts.ambiguous.iter().any(|text| is_beginning(value, text))
        };
        match TextOrigin::of(method, name) {
            Some(TextOrigin::Signature) if name != "header.i" && name != "header.d" => {
                TextOrigin::ALL.into_iter().find(begins)
            }
            Some(kind) => {
                let texts = &self.texts[kind as usize];
                let ambiguous = !texts.are_plain() && !texts.hold(value);
                let unknown = name == "header.i"
                    && kind == TextOrigin::Signature
                    && !value.starts_with('@')
                    && !texts.hold(value);
                (ambiguous || unknown).then_some(kind)
            }
            None => TextOrigin::ALL.into_iter().find(begins),
        }
    }

    /// Comments name the envelope sender and the HELO (`domain of a@b
    /// designates`), and who sealed a chain. A text that a comment does not hold
    /// in full has ended that comment.
    fn in_comment(&self, method: &str, comment: &str) -> Option<TextOrigin> {
        let named: &[TextOrigin] = match method {
            "dkim" | "dmarc" => &[],
            "arc" => &[TextOrigin::Chain],
            _ => &[TextOrigin::EnvelopeSender, TextOrigin::Helo],
        };
        let ends = |kind: &TextOrigin| {
            let texts = &self.texts[*kind as usize];
            texts.incomplete
                || texts
                    .ambiguous
                    .iter()
                    .any(|text| text.contains(['(', ')', '\\']) && !comment.contains(text.as_str()))
        };
        let begins = |kind: &TextOrigin| {
            let texts = &self.texts[*kind as usize];
            texts.ambiguous.iter().any(|text| {
                let beginning = text.split(['(', ')', '\\']).next().unwrap_or_default();
                beginning.len() >= 3
                    && beginning.len() < text.len()
                    && comment.contains(beginning)
                    && !comment.contains(text.as_str())
            })
        };
        named.iter().copied().find(ends).or_else(|| TextOrigin::ALL.into_iter().find(begins))
    }

    /// Names a text that could have misled a border that extracts others' results
    /// from a header, or domains from an address: what it concludes from them is
    /// no better than they are.
    pub fn misleads(&self) -> Option<&'static str> {
        let misleading = |kind: &TextOrigin| !self.texts[*kind as usize].are_plain();
        let kinds =
            [TextOrigin::Signature, TextOrigin::EnvelopeSender, TextOrigin::Helo, TextOrigin::From];
        kinds.into_iter().find(misleading).map(TextOrigin::name)
    }

    /// Everything that a border could take for a domain of From.
    pub fn from_domains(&self) -> impl Iterator<Item = &str> {
        self.texts[TextOrigin::From as usize].plain.iter().map(String::as_str)
    }

    /// Checks that the envelope sender and the HELO in a `Received-SPF` line are
    /// complete.
    ///
    /// # Errors
    /// Why one of them is not, in words.
    pub fn is_whole(&self, sender: Option<&str>, helo: Option<&str>) -> Result<(), &'static str> {
        let whole = |kind: TextOrigin, value: Option<&str>| {
            let texts = &self.texts[kind as usize];
            texts.are_plain() || value.is_some_and(|value| texts.hold(value))
        };
        match (whole(TextOrigin::EnvelopeSender, sender), whole(TextOrigin::Helo, helo)) {
            (true, true) => Ok(()),
            (false, _) => {
                Err("the envelope sender contains text that can be read as more than one value")
            }
            (_, false) => Err("the HELO contains text that can be read as more than one value"),
        }
    }

    /// The domain of the signature that a result is about: `header.d` equals its
    /// `d=`, or else `header.i` is within it, and `header.b` is the beginning of
    /// its `b=`. `None` if the message has no such signature.
    pub fn signer(&self, result: &MethodResult) -> Option<&str> {
        let identity = match result.property("header.i") {
            Some(identity) => Some(domain_of(identity)?),
            None => None,
        };
        let signer = result.property("header.d").map(domain::canonical);
        let data = result.property("header.b");
        let fits = |signature: &&Signature| {
            let domain = signature.domain.as_str();
            let within = |name: &str| {
                let sub = name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
                name == domain || sub
            };
            !domain.is_empty()
                && signer.as_deref().is_none_or(|signer| signer == domain)
                && identity.as_deref().is_none_or(within)
                && data.is_none_or(|data| signature.data.starts_with(data))
        };
        let found = self.signatures.iter().filter(fits).map(|each| each.domain.as_str());
        // The longest is the closest to `header.i`.
        found.max_by_key(|domain| domain.len())
    }
}

fn text_of(value: &[u8]) -> String {
    let value = &value[..value.len().min(LONGEST_HEADER)];
    String::from_utf8_lossy(&unfold(value)).into_owned()
}

fn starts_with(text: &str, beginning: &str) -> bool {
    text.get(..beginning.len()).is_some_and(|start| start.eq_ignore_ascii_case(beginning))
}

/// Whether a value of the border's own is the beginning of an ambiguous text;
/// with one or two letters that may be chance.
fn is_beginning(value: &str, text: &str) -> bool {
    value.len() >= 3 && value.len() < text.len() && starts_with(text, value)
}

/// The local part without the quotes of RFC 5321 §4.1.2.
fn unquoted(address: &str) -> String {
    match address.rsplit_once('@') {
        Some((local, domain)) if local.len() > 1 && local.starts_with('"') => {
            let inside = local.trim_matches('"');
            let mut text = String::with_capacity(inside.len());
            let mut chars = inside.chars();
            while let Some(char) = chars.next() {
                text.push(if char == '\\' { chars.next().unwrap_or(char) } else { char });
            }
            format!("{text}@{domain}")
        }
        _ => address.to_owned(),
    }
}

/// Whether the parentheses do not balance, or one may be escaped.
fn has_odd_parenthesis(text: &str) -> bool {
    let mut depth = 0_usize;
    for byte in text.bytes() {
        match byte {
            b'(' => depth += 1,
            b')' if depth > 0 => depth -= 1,
            b')' | b'\\' => return true,
            _ => {}
        }
    }
    depth > 0
}

/// The words and the comments of a Received line's `from` clause. A HELO may have
/// made more than one word of it.
fn from_clause(text: &str) -> (Vec<&str>, Vec<&str>) {
    let (mut words, mut comments) = (Vec::new(), Vec::new());
    let mut pieces = pieces(text);
    match pieces.next() {
        Some(Piece::Word(word)) if word.eq_ignore_ascii_case("from") => {}
        _ => return (words, comments),
    }
    for piece in pieces {
        match piece {
            Piece::Word(word) => {
                let ends = ["by", "via", "with"].iter().any(|end| word.eq_ignore_ascii_case(end));
                if ends && !words.is_empty() {
                    break;
                }
                words.push(word);
            }
            Piece::Comment(comment) => comments.push(comment),
        }
    }
    (words, comments)
}

/// `(HELO name)`, `([192.0.2.1] helo=name)`
fn helo_in_comment(comment: &str) -> Option<&str> {
    let start = comment.get(..5).is_some_and(|start| {
        start.eq_ignore_ascii_case("helo ") || start.eq_ignore_ascii_case("ehlo ")
    });
    match start {
        true => comment.get(5..).map(str::trim),
        false => comment.split_once("helo=").map(|(_, helo)| helo.trim()),
    }
}

#[cfg(test)]
mod tests {
    use crate::classify::authentication::{Results, Verdict, of};
    use crate::classify::testing::{TestWorld, with_mail};

    const BORDER: &str = "Received: from pc (mail.evil.example [192.0.2.1]) by mx.example.jp \
        (Postfix) with ESMTP id 1; x\n";

    fn results(text: &str, sender: Option<&str>) -> Results {
        let world = TestWorld {
            trust: &["mx.example.jp"],
            envelope_sender: sender,
            ..TestWorld::default()
        };
        with_mail(text, &world, of)
    }

    /// The results of `printed`, for a message in bank.example's name with a copy
    /// of its signature beside the sender's own.
    fn of_evil(printed: &str, identity: &str, sender: Option<&str>) -> Results {
        results(
            &format!(
                "Authentication-Results: mx.example.jp; {printed}\n{BORDER}\
                 DKIM-Signature: d=evil.example; {identity}; b=abcdefghij\n\
                 DKIM-Signature: d=bank.example; b=bankbankbank\nFrom: info@bank.example\n\n"
            ),
            sender,
        )
    }

    #[track_caller]
    fn assert_not_believed(found: &Results) {
        assert!(found.spf != Some(Verdict::Pass) || found.spf_domain.is_none(), "{found:#?}");
        assert!(found.dkim_domains.iter().all(|each| each != "bank.example"), "{found:#?}");
        assert_eq!(found.dmarc, None, "{found:#?}");
        assert!(!found.ignored.is_empty(), "{found:#?}");
    }

    #[test]
    fn an_identity_that_is_printed_decoded() {
        for smuggled in [
            "a;dkim=pass header.d=bank.example;",
            "a;dkim=pass header.d=bank.example header.b=bankbank header.i=x",
            "a;dmarc=pass header.from=bank.example header.i=x",
            "a;dmarc=pass header.from=bank.example;",
            "a ;spf=pass smtp.mailfrom=bank.example x=",
            "@evil.example;dmarc=pass header.from=bank.example;dkim=pass header.i=x",
            "a header.d=bank.example header.i=",
            "a(",
            "\"a\\\";dmarc=pass header.from=bank.example header.i=\"",
        ] {
            let encoded: String = smuggled
                .chars()
                .map(|c| match c {
                    'a'..='z' | '@' | '.' => c.to_string(),
                    _ => format!("={:02X}", c as u32),
                })
                .collect();
            let identity = format!("i={encoded}@evil.example");
            let printed = format!(
                "dkim=pass (2048-bit key) header.d=evil.example header.i={smuggled}@evil.example \
                 header.a=rsa-sha256 header.b=abcdefgh; dmarc=pass header.from=bank.example"
            );
            let found = of_evil(&printed, &identity, None);
            assert_not_believed(&found);
            if !smuggled.ends_with(['(', '"']) {
                assert_eq!(found.dkim_domains, ["evil.example"], "{smuggled}");
                let why = "read up to `header.i` only: the sender could have written what \
                           follows, a DKIM-Signature contains text that can be read as results";
                assert_eq!(found.ignored[0].why, why);
            }
        }
    }

    #[test]
    fn a_signature_that_fails_whatever_it_holds() {
        let identity = "i=a=3Bdkim=3Dpass=20header.d=3Dbank.example@evil.example";
        let found = of_evil(
            "dkim=fail header.d=evil.example header.i=a;dkim=pass header.d=bank.example",
            identity,
            None,
        );
        assert_eq!(found.dkim, Some(Verdict::Fail), "{found:#?}");
        assert!(found.dkim_domains.is_empty(), "{found:#?}");
    }

    #[test]
    fn an_identity_that_another_signature_has_too() {
        let printed = "dkim=pass header.d=evil.example header.i=x@evil.example;\
            dmarc=pass header.from=bank.example header.i=y@evil.example";
        let text = format!(
            "Authentication-Results: mx.example.jp; {printed}\n{BORDER}\
             DKIM-Signature: d=evil.example; b=aa; i=x@evil.example=3Bdmarc=3Dpass\n\
             \t=20header.from=3Dbank.example=20header.i=3Dy@evil.example\n\
             DKIM-Signature: d=evil.example; i=x@evil.example; b=bb\nFrom: info@bank.example\n\n"
        );
        assert_not_believed(&results(&text, None));
        // Nor one whose signature the message no longer shows.
        let text = text.replace("DKIM-Signature", "X-Was");
        assert_not_believed(&results(&text, None));
    }

    #[test]
    fn more_signatures_than_are_read() {
        let many = "DKIM-Signature: d=evil.example; i=x@evil.example; b=bb\n".repeat(101);
        let text = format!(
            "Authentication-Results: mx.example.jp; dkim=pass header.d=evil.example \
             header.i=x@evil.example;dmarc=pass header.from=bank.example\n{BORDER}{many}\
             From: info@bank.example\n\n"
        );
        assert_not_believed(&results(&text, None));
    }

    #[test]
    fn an_envelope_sender_that_is_printed_without_its_quotes() {
        for (local, in_comment) in [
            ("a;dkim=pass header.d=bank.example header.b=bank;x=", false),
            ("a;dmarc=pass header.from=bank.example;spf=pass smtp.mailfrom=x", false),
            ("a@bank.example;dmarc=pass header.from=bank.example smtp.x=", false),
            ("a) smtp.mailfrom=bank.example; dmarc=pass header.from=bank.example (", true),
            ("a@bank.example (", false),
        ] {
            let sender = format!("{local}@evil.example");
            let quoted = format!("\"{}\"@evil.example", local.replace('"', "\\\""));
            let printed = match in_comment {
                true => format!("spf=pass (domain of {sender} designates) smtp.mailfrom={sender}"),
                false => format!("spf=pass smtp.mailfrom={sender}"),
            };
            for envelope in [&sender, &quoted] {
                let found = of_evil(&printed, "", Some(envelope));
                assert_not_believed(&found);
                assert_eq!(found.spf, None, "{found:#?}");
            }
            // If it is quoted as it should be, it is one value.
            let printed = format!("spf=pass smtp.mailfrom={quoted}; dmarc=fail");
            let found = of_evil(&printed, "", Some(&quoted));
            assert_eq!(found.spf_domain.as_deref(), Some("evil.example"), "{found:#?}");
            assert_eq!(found.dmarc, Some(Verdict::Fail));
        }
    }

    /// Without the envelope sender, only what is left of it shows that it was broken.
    #[test]
    fn a_sender_that_the_message_does_not_show() {
        for local in [
            "a;dmarc=pass header.from=bank.example;",
            "a;dmarc=pass header.from=bank.example;x",
            "a;dmarc=pass header.from=bank.example;x=y",
            "bank.example;",
            "x@bank.example;y",
            "bank.example smtp.mailfrom=x",
        ] {
            let found = of_evil(&format!("spf=pass smtp.mailfrom={local}@evil.example"), "", None);
            assert_not_believed(&found);
            assert_eq!(found.spf, None, "{found:#?}");
        }
    }

    #[test]
    fn a_sender_that_is_too_long_to_be_used() {
        let printed = "spf=pass smtp.mailfrom=a;dmarc=pass header.from=bank.example;\
                       iprev=none smtp.helo=xxx@evil.example";
        let text = format!(
            "Authentication-Results: mx.example.jp; {printed}\n{BORDER}From: info@bank.example\n\n"
        );
        let world =
            TestWorld { trust: &["mx.example.jp"], has_long_sender: true, ..TestWorld::default() };
        assert_not_believed(&with_mail(&text, &world, of));
    }

    #[test]
    fn a_helo_that_is_printed_as_it_came() {
        for helo in [
            "x;dmarc=pass header.from=bank.example",
            // With the words of other clauses, nobody knows how far it goes.
            "by mx.example.jp (Postfix) with ESMTPA id 3;dmarc=pass header.from=bank.example",
            "x by y;dmarc=pass header.from=bank.example",
            "x via y;dmarc=pass header.from=bank.example",
        ] {
            let printed =
                format!("spf=none smtp.helo={helo}; spf=pass smtp.mailfrom=a@evil.example");
            let text = format!(
                "Authentication-Results: mx.example.jp; {printed}\n\
                 Received: from {helo} (mail.evil.example [192.0.2.1])\n\tby mx.example.jp \
                 (Postfix) with ESMTP id 1; x\nFrom: info@bank.example\n\n"
            );
            assert_not_believed(&results(&text, Some("a@evil.example")));
            let plain = text.replace(&format!("from {helo}"), "from x");
            let variables = [("CLIENT_HELO", helo)];
            let world = TestWorld {
                trust: &["mx.example.jp"],
                variables: &variables,
                envelope_sender: Some("a@evil.example"),
                ..TestWorld::default()
            };
            assert_not_believed(&with_mail(&plain, &world, of));
        }
    }

    #[test]
    fn a_from_that_two_read_differently() {
        for from in [
            "info@bank.example;x.evil.example",
            "info@bank.example(x).evil.example",
            "info@bank.example .evil.example",
            "info@bank.example (x) .evil.example",
        ] {
            let text = format!(
                "Authentication-Results: mx.example.jp; dmarc=pass header.from=bank.example\n\
                 {BORDER}From: <{from}>\n\n"
            );
            assert_not_believed(&results(&text, None));
            // Nor does it prevent a failure.
            let found = results(&text.replace("dmarc=pass", "dmarc=fail"), None);
            assert_eq!(found.dmarc, Some(Verdict::Fail), "{from}: {found:#?}");
        }
    }

    #[test]
    fn received_spf_with_text_of_the_sender() {
        let line = |rest: &str| {
            format!(
                "Received-SPF: pass (mailfrom) identity=mailfrom; {rest}\n{BORDER}From: a@bank.example\n\n"
            )
        };
        let sender = "a; envelope-from=x@bank.example ;b@evil.example";
        let found = results(&line(&format!("envelope-from={sender}; helo=pc")), Some(sender));
        assert_eq!((found.spf, found.spf_domain.as_deref()), (None, None));
        let quoted = "\"a; envelope-from=x@bank.example ;b\"@evil.example";
        let found = results(&line(&format!("envelope-from={quoted}; helo=pc")), Some(quoted));
        assert_eq!(found.spf_domain.as_deref(), Some("evil.example"));
        let text = line("helo=x; envelope-from=a@bank.example")
            .replace("from pc (", "from x; envelope-from=a@bank.example (");
        assert_eq!(results(&text, Some("a@evil.example")).spf, None);
    }

    #[test]
    fn honest_mail_keeps_its_results() {
        for (printed, signatures, sender) in [
            // OpenDKIM, an identity of a user
            (
                "dkim=pass (2048-bit key; unprotected) header.d=bank.example \
                 header.i=info+x@bank.example header.a=rsa-sha256 header.s=s header.b=bankbank",
                "DKIM-Signature: d=bank.example; s=s; i=info=2Bx@bank.example; b=bank\n\tbankbank",
                Some("info@bank.example"),
            ),
            // Haraka prints it in encoded form
            (
                "dkim=pass header.i=info=2Bx@bank.example header.d=bank.example header.s=s",
                "DKIM-Signature: d=bank.example; s=s; i=info=2Bx@bank.example; b=bank",
                None,
            ),
            // Gmail
            (
                "dkim=pass header.i=@bank.example header.s=s header.b=\"bank/+\"; spf=pass \
                 (google.com: domain of bounce+a=example.jp@bank.example designates 192.0.2.1 as \
                 permitted sender) smtp.mailfrom=\"bounce+a=example.jp@bank.example\"; dmarc=pass \
                 (p=NONE sp=NONE dis=NONE) header.from=bank.example",
                "DKIM-Signature: d=bank.example; s=s; b=bank/+bank",
                Some("bounce+a=example.jp@bank.example"),
            ),
            // Two signatures, one of the list
            (
                "dkim=fail header.d=bank.example header.b=xyz; dkim=pass header.d=bank.example \
                 header.b=bank; dkim=pass header.d=list.example",
                "DKIM-Signature: d=bank.example; b=xyz\nDKIM-Signature: d=bank.example; b=bank\n\
                 DKIM-Signature: d=list.example; b=q",
                Some("list-bounces@list.example"),
            ),
            // rspamd
            (
                "dkim=pass header.d=bank.example header.s=s header.b=bankbank; spf=pass \
                 (mx.example.jp: domain of \"john doe\"@bank.example designates 192.0.2.1 as \
                 permitted sender) smtp.mailfrom=\"john doe\"@bank.example; dmarc=pass \
                 (policy=none) header.from=bank.example",
                "DKIM-Signature: d=bank.example; s=s; b=bankbank",
                None,
            ),
        ] {
            let text = format!(
                "Authentication-Results: mx.example.jp; {printed}\n{BORDER}{signatures}\n\
                 From: \"Bank (x), Inc.\" <info@bank.example> (info)\n\n"
            );
            let found = results(&text, sender);
            assert_eq!(found.dkim, Some(Verdict::Pass), "{found:#?}");
            assert_eq!(found.dkim_domains[0], "bank.example", "{found:#?}");
            assert!(found.ignored.is_empty(), "{found:#?}");
            if printed.contains("dmarc") {
                assert_eq!(found.dmarc, Some(Verdict::Pass), "{found:#?}");
                assert_eq!(found.spf_domain.as_deref(), Some("bank.example"));
            }
        }
    }
}
