//! A message's file in a folder, and what its name says.

use std::fmt;

use super::name::{self, INFO, split_info};

/// Which of the two directories with messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sub {
    /// `new`: no mail reader has seen it.
    New,
    /// `cur`
    Cur,
}

impl Sub {
    /// The directory's name.
    pub fn name(self) -> &'static str {
        match self {
            Sub::New => "new",
            Sub::Cur => "cur",
        }
    }

    /// The directory of that name.
    pub fn of(name: &str) -> Option<Sub> {
        [Sub::New, Sub::Cur].into_iter().find(|sub| sub.name() == name)
    }
}

impl fmt::Display for Sub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A message's file in a folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Entry {
    /// The directory.
    pub sub: Sub,
    /// The file's name.
    pub name: String,
}

impl Entry {
    /// The entry of `new/NAME` or `cur/NAME`; none if it is anything else.
    pub fn of(file: &str) -> Option<Entry> {
        let (sub, name) = file.split_once('/')?;
        let sub = Sub::of(sub)?;
        let odd = matches!(name, "" | "." | "..") || name.contains(['/', '\0']);
        (!odd).then(|| Entry { sub, name: name.to_owned() })
    }

    /// The name without the flags.
    pub fn base(&self) -> &str {
        split_info(&self.name).map_or(&self.name, |(base, _)| base)
    }

    /// What follows `:2,`: flags, `a` to `z` for keywords, from some programs more.
    pub fn info(&self) -> &str {
        name::flags(&self.name).unwrap_or_default()
    }

    /// The delimiter between name and flags: `:2,`, or what a program writes that is set
    /// to do without colons.
    pub fn delimiter(&self) -> &str {
        split_info(&self.name).and_then(|(_, info)| info.get(..INFO.len())).unwrap_or(INFO)
    }

    /// The letters of [`Entry::info`].
    pub fn letters(&self) -> &str {
        let info = self.info();
        let end = info.find(|letter: char| !letter.is_ascii_alphabetic());
        info.get(..end.unwrap_or(info.len())).unwrap_or_default()
    }

    /// The part of the name that stays when the file is renamed in its folder.
    pub fn key(&self) -> String {
        key_of(self.base())
    }

    /// The same without isync's UID.
    pub fn without_uid(&self) -> Entry {
        let rest = self.name.get(self.base().len()..).unwrap_or_default();
        Entry { sub: self.sub, name: format!("{}{rest}", without_uid(self.base())) }
    }

    /// Whether the name has the form that its directory requires.
    pub fn is_regular(&self) -> bool {
        self.sub == Sub::New || split_info(&self.name).is_some()
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.sub, self.name)
    }
}

/// A name without the `,U=<n>` by which isync's mbsync identifies a message in its
/// folder: in another folder it would belong to some other message, and mbsync refuses a
/// folder in which a number occurs twice.
pub fn without_uid(base: &str) -> String {
    without(base, |letter, value| {
        letter == "U" && !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// The part of a name without flags that stays when programs rename the file: they add,
/// correct and drop fields of one letter. `U=` is isync's; of the sizes `S=` and `W=`
/// Dovecot corrects wrong ones, and GNU Mailutils has `a=` and `u=` in place of them.
pub fn key_of(base: &str) -> String {
    without(base, |letter, _| letter.len() == 1)
}

/// A name without some of its fields, `,NAME=VALUE`.
fn without(base: &str, is_dropped: impl Fn(&str, &str) -> bool) -> String {
    let mut parts = base.split(',');
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        if part.split_once('=').is_some_and(|(field, value)| is_dropped(field, value)) {
            continue;
        }
        name.push(',');
        name.push_str(part);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_parts() {
        let entry = Entry::of("cur/1.a,S=3,U=12,W=4:2,FSab,x").unwrap();
        assert_eq!((entry.base(), entry.info()), ("1.a,S=3,U=12,W=4", "FSab,x"));
        assert_eq!((entry.letters(), entry.key().as_str()), ("FSab", "1.a"));
        assert_eq!(entry.without_uid().name, "1.a,S=3,W=4:2,FSab,x");
        assert_eq!(without_uid("1.a,U=,U=x,XU=1,U=7"), "1.a,U=,U=x,XU=1");
        for base in ["1.a", "1.a,S=3", "1.a,S=3,U=12,W=4", "1.a,a=FO,u=2"] {
            assert_eq!(key_of(base), "1.a");
        }
        assert_eq!(key_of("1.a,b,FMD5=1,U=7"), "1.a,b,FMD5=1");
        for odd in ["tmp/a", "cur/", "cur/..", "new/a/b", "a", "../cur/a"] {
            assert_eq!(Entry::of(odd), None, "{odd}");
        }
        assert!(!Entry::of("cur/a").unwrap().is_regular());
        assert_eq!(entry.to_string(), "cur/1.a,S=3,U=12,W=4:2,FSab,x");
    }
}
