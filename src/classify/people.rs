//! The people that the user knows: which addresses belong to each name, and the
//! domains they write from.

use std::collections::{HashMap, HashSet};

use super::resembles::{domain_as_seen, words_as_seen};
use super::words::people::{MAIL_PROVIDERS, ROLES, TITLES};
use crate::message::domain::{aligned, canonical};
use crate::message::fold::{fold, is_cjk};

/// How long a domain's name must be, letters: shorter ones are too often one
/// letter away from others.
const SHORTEST_LABEL: usize = 6;
/// How many kanji or kana make a name without blanks a person's.
const SHORTEST_UNSPACED: usize = 3;
/// A name with addresses at this many organizations is a common one, or not a person's.
const MOST_ORGANIZATIONS: usize = 3;

/// People and their addresses.
#[derive(Debug, Default)]
pub struct People {
    addresses: HashSet<String>,
    /// The addresses of each name, in the form in which names are compared.
    names: HashMap<String, Vec<String>>,
    /// The domains of organizations, and what each looks like.
    domains: HashMap<String, String>,
    /// Domains that are the user's own.
    own: HashSet<String>,
}

impl People {
    /// Adds a person's address, in the form in which addresses are compared; the
    /// name may be empty.
    pub fn add(&mut self, address: &str, name: &str) {
        let Some((_, domain)) = address.rsplit_once('@') else { return };
        self.add_domain(domain);
        if let Some(name) = key_of_person(name) {
            let of = self.names.entry(name).or_default();
            if of.len() < 100 && !of.iter().any(|known| known == address) {
                of.push(address.to_owned());
            }
        }
        self.addresses.insert(address.to_owned());
    }

    /// Adds an entry of `set me`: an address or a domain.
    pub fn add_me(&mut self, entry: &str) {
        let plain = |text: &str| !text.contains(['*', '?', '[', '/']);
        let Some((local, domain)) = entry.trim().rsplit_once('@').filter(|(_, host)| plain(host))
        else {
            return;
        };
        let domain = canonical(domain.trim_start_matches('.'));
        if domain.is_empty() {
            return;
        }
        if !local.is_empty() && plain(local) {
            self.addresses.insert(format!("{}@{domain}", fold(local)));
        }
        self.add_domain(&domain);
        if !is_of_provider(&domain) {
            self.own.insert(domain.into_owned());
        }
    }

    fn add_domain(&mut self, domain: &str) {
        let Some(organization) = psl::domain_str(domain) else { return };
        if !self.domains.contains_key(organization) {
            self.domains.insert(organization.to_owned(), domain_as_seen(organization));
        }
    }

    /// Whether an address is that of a known person.
    pub fn has(&self, address: &str) -> bool {
        self.addresses.contains(address)
    }

    /// Whether an address is that of a known person, or is in the user's own domain, or
    /// looks so.
    pub fn has_or_could(&self, address: &str) -> bool {
        let domain = |address: &str| address.rsplit_once('@').map_or("", |(_, it)| it).to_owned();
        let is_own = |own: &String| aligned(own, &domain(address));
        if self.has(address) || self.own.iter().any(is_own) {
            return true;
        }
        let (seen, host) = (domain_as_seen(address), domain_as_seen(&domain(address)));
        self.addresses.iter().any(|known| domain_as_seen(known) == seen)
            || self.own.iter().any(|own| domain_as_seen(own) == host)
    }

    /// An address of the person with that name, if none of theirs belongs to the
    /// organization of `domain`, or that is a mail provider, where anybody can have an
    /// address. `None` also for a name that many have.
    pub fn other_of_name(&self, name: &str, domain: &str) -> Option<&str> {
        let of = self.names.get(&key_of_person(name)?)?;
        let host = |address: &str| address.rsplit_once('@').map_or("", |(_, host)| host).to_owned();
        let mut organizations: Vec<String> = of.iter().map(|address| host(address)).collect();
        organizations.sort_unstable();
        organizations.dedup();
        if organizations.len() >= MOST_ORGANIZATIONS
            || organizations.iter().any(|known| is_one_organization(known, domain))
        {
            return None;
        }
        of.first().map(String::as_str)
    }

    /// The known domain that `domain`, in its canonical form, looks like although
    /// it belongs to another organization.
    pub fn imitated(&self, domain: &str) -> Option<&str> {
        let organization = psl::domain_str(domain)?;
        if self.domains.contains_key(organization) || is_of_provider(organization) {
            return None;
        }
        let seen = domain_as_seen(organization);
        let alike = |(known, as_seen): &(&String, &String)| {
            **as_seen == seen || is_one_edit_away(known, as_seen, organization, &seen)
        };
        self.domains.iter().filter(alike).map(|(known, _)| known.as_str()).min()
    }
}

/// Whether two domains with the same suffix differ by one letter, and not only in
/// a number.
fn is_one_edit_away(known: &str, known_seen: &str, other: &str, other_seen: &str) -> bool {
    if known_seen.len().abs_diff(other_seen.len()) > 4 {
        return false;
    }
    let (Some((_, suffix)), Some((_, other_suffix))) =
        (known.split_once('.'), other.split_once('.'))
    else {
        return false;
    };
    let label = |seen: &str| seen.split('.').next().unwrap_or_default().to_owned();
    let (one, two) = (label(known_seen), label(other_seen));
    let letters = |text: &str| text.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
    suffix == other_suffix
        && one.chars().count() >= SHORTEST_LABEL
        && letters(known) != letters(other)
        && strsim::osa_distance(&one, &two) == 1
}

/// Whether two domains belong to the same people.
pub fn is_one_organization(one: &str, other: &str) -> bool {
    aligned(one, other) && !is_of_provider(other)
}

/// Whether a domain is a mail provider's, where all kinds of people have their mail.
pub fn is_of_provider(domain: &str) -> bool {
    MAIL_PROVIDERS.contains(&domain)
}

/// A folded name without the titles before and after it.
fn without_titles(folded: &str) -> &str {
    let trim = |text| str::trim_matches(text, |c: char| !c.is_alphanumeric());
    let mut name = trim(folded);
    while let Some(rest) = TITLES.iter().find_map(|title| without_title(name, title)) {
        name = trim(rest);
    }
    name
}

/// A name without a title, which is a separate word in scripts that separate words.
fn without_title<'a>(name: &'a str, title: &str) -> Option<&'a str> {
    let is_word = |next: Option<char>| {
        title.contains(is_cjk) || next.is_some_and(|letter| !letter.is_alphanumeric())
    };
    let before = name.strip_suffix(title).filter(|rest| is_word(rest.chars().next_back()));
    before.or_else(|| name.strip_prefix(title).filter(|rest| is_word(rest.chars().next())))
}

/// The form in which a person's name is compared: its words as they look, in any
/// order, without titles and initials. `None` for a name that is not a person's:
/// one word, an office, an address.
fn key_of_person(name: &str) -> Option<String> {
    let folded = fold(name);
    let folded = without_titles(&folded);
    let plain: Vec<&str> = folded.split(|c: char| !c.is_alphanumeric() && c != '-').collect();
    let role = |word: &&str| ROLES.contains(word);
    let unspaced = folded.chars().any(is_cjk);
    let has_role = plain.iter().any(role)
        || unspaced && ROLES.iter().any(|role| role.chars().any(is_cjk) && folded.contains(role));
    if has_role || folded.contains('@') {
        return None;
    }
    let mut words = words_as_seen(folded);
    let letters = |word: &String| word.chars().count();
    if !unspaced {
        words.retain(|word| letters(word) >= 2);
    }
    let is_person = if unspaced {
        (SHORTEST_UNSPACED..=12).contains(&words.iter().map(letters).sum::<usize>())
    } else {
        (2..=5).contains(&words.len())
    };
    if !is_person {
        return None;
    }
    if unspaced {
        // So that it is the same with and without a blank between family and given name.
        return Some(words.concat());
    }
    words.sort_unstable();
    Some(words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_people_are_compared_as_they_look() {
        let one = key_of_person("Hanako Yamada");
        for name in [
            "YAMADA, Hanako",
            "hanako.yamada",
            "Hаnаko Yаmаdа",
            "Hanako  YAM4DA",
            "\"Hanako\" Yamada",
            "Hanako Yamada, CEO",
            "Hanako Yamada (President & CEO)",
            "Mr. Hanako K. Yamada, Ph.D.",
            "Hanako Yamada | Chief Executive Officer",
        ] {
            assert_eq!(key_of_person(name), one, "{name}");
        }
        for name in ["山田花子", "山田 花子 様", "山田花子（代表取締役社長）", "部長 山田花子"]
        {
            assert_eq!(key_of_person("山田 花子"), key_of_person(name), "{name}");
        }
        assert_ne!(key_of_person("Sirhan Yamada"), key_of_person("Han Yamada"));
        assert_eq!(key_of_person("氏家 博").as_deref(), Some("氏家博"), "no title");
        for name in [
            "",
            "Hanako",
            "IT Support",
            "Example Support",
            "Hanako via Lists",
            "the team",
            "taro@example.jp",
            "A B",
            "山田",
            "株式会社山田商店",
            "お客様サポート",
            "The New York Times Daily",
            "Hanako Yamada, Sales Manager",
            "General Manager",
            "代表取締役社長",
        ] {
            assert_eq!(key_of_person(name), None, "{name}");
        }
    }

    #[test]
    fn a_domain_is_imitated_by_what_looks_like_it() {
        let mut people = People::default();
        people.add_me("@example-corp.co.jp");
        people.add("a@paypal.com", "");
        people.add("b@gmail.com", "");
        people.add("c@server12.example", "");
        people.add("d@short.example", "");
        for (domain, imitated) in [
            ("paypa1.com", Some("paypal.com")),
            ("mail.paypai.com", Some("paypal.com")),
            ("pаypal.com", Some("paypal.com")),
            ("paypall.com", Some("paypal.com")),
            ("papyal.com", Some("paypal.com")),
            ("exarnple-corp.co.jp", Some("example-corp.co.jp")),
            ("gmai1.com", Some("gmail.com")),
            ("paypal.com", None),
            ("mail.paypal.com", None),
            ("paypal.jp", None),
            ("payback.com", None),
            ("ymail.com", None),
            ("server13.example", None),
            ("shore.example", None),
            ("", None),
            ("com", None),
        ] {
            assert_eq!(people.imitated(domain), imitated, "{domain}");
        }
    }
}
