//! Links that a mail filter rewrote so that it sees who follows them: where they
//! really lead. Each form is that of its vendor's documents or of the URLs that
//! the filter writes.

use crate::ascii_case;
use crate::text;
use data_encoding::BASE64URL_NOPAD;

/// How the original address is contained in the rewritten one.
#[derive(Debug, Clone, Copy)]
enum RewriteForm {
    /// The value of one of these parameters of the query.
    Parameter(&'static [&'static str]),
    /// A parameter with `-` for `%` and `_` for `/` (Proofpoint URL Defense v2).
    Dashed(&'static str),
    /// Between `__` and `__;` or at `___` (URL Defense v3, Check Point, Avanan).
    Underscores,
    /// The path after this many segments.
    Path(usize),
    /// A parameter in base64 (Sophos).
    Base64(&'static str),
}

/// Hosts, or their ends if they begin with a dot, and the form that each writes.
static REWRITERS: &[(&str, RewriteForm)] = &[
    // Microsoft Defender for Office 365
    (".safelinks.protection.outlook.com", RewriteForm::Parameter(&["url"])),
    (".safelinks.protection.office365.us", RewriteForm::Parameter(&["url"])),
    ("statics.teams.cdn.office.net", RewriteForm::Parameter(&["url"])),
    // Proofpoint, v1 and v2; v3
    ("urldefense.proofpoint.com", RewriteForm::Dashed("u")),
    ("urldefense.com", RewriteForm::Underscores),
    ("urldefense.us", RewriteForm::Underscores),
    // Barracuda
    ("linkprotect.cudasvc.com", RewriteForm::Parameter(&["a"])),
    // Trellix, FireEye
    (".fireeye.com", RewriteForm::Parameter(&["u"])),
    // Cisco
    ("secure-web.cisco.com", RewriteForm::Path(1)),
    // Symantec, Broadcom
    ("clicktime.symantec.com", RewriteForm::Parameter(&["u"])),
    ("clicktime.cloud.postoffice.net", RewriteForm::Parameter(&["u"])),
    // Trend Micro
    (".trendmicro.com", RewriteForm::Parameter(&["url"])),
    // Check Point, Avanan
    ("url.avanan.click", RewriteForm::Underscores),
    (".url-protection.com", RewriteForm::Parameter(&["o"])),
    ("protect.checkpoint.com", RewriteForm::Underscores),
    // Sophos
    (".protection.sophos.com", RewriteForm::Base64("u")),
    // Libraesva, Mimecast (which names the host alone), Vade, AppRiver
    ("urlsand.esvalabs.com", RewriteForm::Parameter(&["u"])),
    (".mimecast.com", RewriteForm::Parameter(&["url", "domain"])),
    (".mimecastprotect.com", RewriteForm::Parameter(&["url", "domain"])),
    (".vadesecure.com", RewriteForm::Parameter(&["u", "url"])),
    ("link.edgepilot.com", RewriteForm::Parameter(&["u"])),
    // Trustwave, and Inky, which names the host alone
    ("scanmail.trustwave.com", RewriteForm::Parameter(&["u"])),
    (".inky.com", RewriteForm::Parameter(&["domain"])),
    // Mailers and sites that pass on links that people write
    ("www.google.com", RewriteForm::Parameter(&["q", "url"])),
    ("www.google.co.jp", RewriteForm::Parameter(&["q", "url"])),
    ("l.facebook.com", RewriteForm::Parameter(&["u"])),
    ("lm.facebook.com", RewriteForm::Parameter(&["u"])),
    ("l.instagram.com", RewriteForm::Parameter(&["u"])),
    ("l.messenger.com", RewriteForm::Parameter(&["u"])),
    ("out.reddit.com", RewriteForm::Parameter(&["url"])),
    ("www.youtube.com", RewriteForm::Parameter(&["q"])),
    ("www.linkedin.com", RewriteForm::Parameter(&["url"])),
    ("slack-redir.net", RewriteForm::Parameter(&["url"])),
    ("duckduckgo.com", RewriteForm::Parameter(&["uddg"])),
    ("t.umblr.com", RewriteForm::Parameter(&["z"])),
    ("vk.com", RewriteForm::Parameter(&["to"])),
    ("away.vk.com", RewriteForm::Parameter(&["to"])),
    ("steamcommunity.com", RewriteForm::Parameter(&["u", "url"])),
    ("deref-gmx.net", RewriteForm::Parameter(&["redirectUrl"])),
    ("deref-gmx.com", RewriteForm::Parameter(&["redirectUrl"])),
    ("deref-web.de", RewriteForm::Parameter(&["redirectUrl"])),
    ("deref-mail.com", RewriteForm::Parameter(&["redirectUrl"])),
];

/// The address that a link was rewritten from; `host` and `url` as in
/// [`super::link::Link`].
pub fn original(host: &str, url: &str) -> Option<String> {
    let is_host = |name: &str| match name.strip_prefix('.') {
        Some(end) => host.strip_suffix(end).is_some_and(|start| start.ends_with('.')),
        None => host == name,
    };
    let (_, form) = REWRITERS.iter().find(|(name, _)| is_host(name))?;
    let after = url.split_once("://")?.1;
    // Sophos writes no slash before the query.
    let (_, path) = after.split_at(after.find(['/', '?'])?);
    let found = match form {
        RewriteForm::Parameter(names) => names.iter().find_map(|name| parameter(path, name))?,
        RewriteForm::Dashed(name) => {
            let value = parameter(path, name)?;
            match value.contains("://") {
                true => value,
                false => percent_decoded(&value.replace('-', "%").replace('_', "/")),
            }
        }
        RewriteForm::Underscores => {
            let (_, rest) = path.split_once("__")?;
            let rest = rest.trim_start_matches('_');
            let end = rest.find("__").unwrap_or(rest.len());
            rest[..end].to_owned()
        }
        RewriteForm::Path(segments) => {
            let rest = path.splitn(segments + 2, '/').nth(segments + 1)?;
            percent_decoded(rest)
        }
        RewriteForm::Base64(name) => {
            let value = parameter(path, name)?;
            let value = value.trim_end_matches('=').replace('+', "-").replace('/', "_");
            String::from_utf8(BASE64URL_NOPAD.decode(value.as_bytes()).ok()?).ok()?
        }
    };
    absolute(found)
}

/// Filters lose one of two slashes, and some write only the host.
fn absolute(found: String) -> Option<String> {
    let scheme = ["https:", "http:"].iter().find(|scheme| ascii_case::starts_with(&found, scheme));
    match scheme {
        Some(scheme) => {
            let rest = found[scheme.len()..].trim_start_matches('/');
            Some(format!("{scheme}//{rest}"))
        }
        None if found.contains('.') && !found.contains([':', ' ']) && !found.starts_with('/') => {
            Some(format!("http://{found}"))
        }
        None => None,
    }
}

/// The decoded value of a query's parameter.
fn parameter(path: &str, name: &str) -> Option<String> {
    let (_, query) = path.split_once('?')?;
    let query = query.split('#').next().unwrap_or_default();
    // Text may still have `&amp;`.
    let mut pairs = query.split('&').map(|pair| pair.strip_prefix("amp;").unwrap_or(pair));
    let value = pairs.find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    Some(percent_decoded(value)).filter(|value| !value.is_empty())
}

/// A name with the escapes of RFC 3986 §2.1 decoded.
pub fn percent_decoded(name: &str) -> String {
    String::from_utf8_lossy(&text::percent_decoded(name.as_bytes())).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_undone() {
        for (host, url, want) in [
            (
                "eur01.safelinks.protection.outlook.com",
                "https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fbad.example%2Fa%3Fb&data=05",
                "https://bad.example/a?b",
            ),
            (
                "urldefense.proofpoint.com",
                "https://urldefense.proofpoint.com/v2/url?u=https-3A__bad.example_a-3Fb&d=x",
                "https://bad.example/a?b",
            ),
            (
                "urldefense.proofpoint.com",
                "https://urldefense.proofpoint.com/v1/url?u=http%3A%2F%2Fbad-one.example/&k=x",
                "http://bad-one.example/",
            ),
            (
                "urldefense.com",
                "https://urldefense.com/v3/__https://bad.example/a__;!!x$",
                "https://bad.example/a",
            ),
            (
                "url.avanan.click",
                "https://url.avanan.click/v2/___https://bad.example/___.YXAz",
                "https://bad.example/",
            ),
            (
                "secure-web.cisco.com",
                "https://secure-web.cisco.com/1abc/https%3A%2F%2Fbad.example%2Fx",
                "https://bad.example/x",
            ),
            (
                "eu-west-1.protection.sophos.com",
                "https://eu-west-1.protection.sophos.com/?d=bad.example&u=aHR0cHM6Ly9iYWQuZXhhbXBsZS8=&i=x",
                "https://bad.example/",
            ),
            (
                "us-west-2.protection.sophos.com",
                "https://us-west-2.protection.sophos.com?d=bad.example&u=aHR0cHM6Ly9iYWQuZXhhbXBsZS8=",
                "https://bad.example/",
            ),
            (
                "checkpoint.url-protection.com",
                "https://checkpoint.url-protection.com/v1/r01/url?o=https%3A%2F%2Fbad.example%2F&g=x",
                "https://bad.example/",
            ),
            (
                "protect.mimecast.com",
                "https://protect.mimecast.com/s/abc?domain=bad.example",
                "http://bad.example",
            ),
            (
                "www.google.com",
                "https://www.google.com/url?sa=D&q=http://bad.example/",
                "http://bad.example/",
            ),
        ] {
            assert_eq!(original(host, url).as_deref(), Some(want), "{url}");
        }
    }

    #[test]
    fn what_was_not_rewritten_leads_where_it_says() {
        for (host, url) in [
            ("bad.example", "https://bad.example/?url=https://good.example/"),
            ("safelinks.example", "https://safelinks.example/?url=https://good.example/"),
            ("www.google.com", "https://www.google.com/search?q=two%20words"),
            ("urldefense.com", "https://urldefense.com/"),
        ] {
            assert_eq!(original(host, url), None, "{url}");
        }
    }
}
