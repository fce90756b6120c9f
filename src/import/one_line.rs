//! Commands that print at most one line, as far as that can be seen: then it does not matter
//! that mfilter keeps only the first line of what a program prints. Some of them do nothing
//! but change a text.

use super::shell::{is_program, shell_words, unquoted};

/// Programs that print one line, whatever their arguments are.
const ONE_LINE: [&str; 7] = ["basename", "date", "dirname", "expr", "hostname", "uname", "whoami"];

/// Whether a pipeline prints one line at most, if the values that are inserted in it are of
/// one line each.
pub(super) fn prints_one_line(command: &str) -> bool {
    let Some(stages) = stages(command) else { return false };
    // A program that is not known may print any number of lines.
    stages.iter().fold(false, |is_line, stage| prints_line(stage, is_line).unwrap_or(false))
}

/// Whether a program prints one line at most; `is_line` if it is given one at most. None if
/// that cannot be seen.
fn prints_line(stage: &str, is_line: bool) -> Option<bool> {
    let words: Vec<String> = shell_words(stage).iter().map(|word| unquoted(word)).collect();
    let (program, arguments) = words.split_first()?;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let is = |name: &str| is_program(program, name);
    // `date -f` reads dates from a file.
    let breaks = |word: &&str| word.contains('\n') || word.contains("\\n") && !is("tr");
    let reads_dates = is("date") && arguments.iter().any(|word| word.starts_with("-f"));
    if arguments.iter().any(breaks) || reads_dates || is("date") && stage.contains("%n") {
        return None;
    }
    if ONE_LINE.iter().any(|name| is(name)) || is("echo") && arguments.first() != Some(&"-e") {
        return Some(true);
    }
    match arguments.as_slice() {
        ["-1"] | ["-n1"] | ["-n", "1"] if is("head") || is("tail") => Some(true),
        [option] if is("wc") && option.starts_with('-') => Some(true),
        ["-c"] if is("spamc") => Some(true),
        ["-d", "\\n"] if is("tr") => Some(true),
        [.., last] if is("tr") && !last.contains("\\n") && !last.contains("\\0") => Some(is_line),
        [] if is("cat") || is("sort") || is("uniq") => Some(is_line),
        options if is("cut") => options
            .iter()
            .all(|word| {
                word.starts_with('-')
                    || word.bytes().all(|b| b.is_ascii_digit() || b",-./:".contains(&b))
            })
            .then_some(is_line),
        arguments if is("sed") => replaces(arguments).then_some(is_line),
        _ => None,
    }
}

/// Whether a pipeline only changes a text, which it prints: `echo "$MATCH" | tr A-Z a-z`.
pub(super) fn only_changes_text(command: &str) -> bool {
    let Some(stages) = stages(command) else { return false };
    stages.iter().enumerate().all(|(number, stage)| {
        let words: Vec<String> = shell_words(stage).iter().map(|word| unquoted(word)).collect();
        let arguments: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
        let is = |name: &str| words.first().is_some_and(|word| is_program(word, name));
        match number {
            0 => is("echo"),
            _ => is("tr") || is("sed") && replaces(&arguments),
        }
    })
}

/// The commands of a pipeline; none if the shell has anything else to do.
pub(super) fn stages(command: &str) -> Option<Vec<String>> {
    let (mut stages, mut quote) = (vec![String::new()], None);
    let mut chars = command.trim().chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '|') if chars.peek() != Some(&'|') => {
                stages.push(String::new());
                continue;
            }
            (None, '|' | ';' | '&' | '\n' | '<' | '>' | '(') => return None,
            (None | Some('"'), '`') => return None,
            (None | Some('"'), '$') if chars.peek() == Some(&'(') => return None,
            (None | Some('"'), '\\') => {
                let last = stages.last_mut()?;
                last.push(c);
                last.extend(chars.next());
                continue;
            }
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
        stages.last_mut()?.push(c);
    }
    quote.is_none().then_some(stages)
}

/// Whether sed only replaces texts within a line.
fn replaces(arguments: &[&str]) -> bool {
    let mut scripts = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match *argument {
            "-e" | "-re" | "-Ee" => scripts.extend(arguments.next().copied()),
            "-r" | "-E" => {}
            option if option.starts_with('-') || !scripts.is_empty() => return false,
            script => scripts.push(script),
        }
    }
    !scripts.is_empty() && scripts.iter().all(|script| only_replaces(script))
}

fn only_replaces(script: &str) -> bool {
    let mut rest = script.trim_matches([' ', ';']);
    while !rest.is_empty() {
        let Some(after) = after_substitution(rest) else { return false };
        rest = after.trim_start_matches([' ', ';']);
    }
    true
}

/// What comes after `s/…/…/g`.
fn after_substitution(script: &str) -> Option<&str> {
    let mut chars = script.strip_prefix('s')?.chars();
    let sign = chars.next().filter(|sign| !sign.is_alphanumeric() && *sign != '\\')?;
    for _ in 0..2 {
        loop {
            match chars.next()? {
                '\\' => drop(chars.next()?),
                c if c == sign => break,
                _ => {}
            }
        }
    }
    let rest = chars.as_str();
    Some(rest.trim_start_matches(|c: char| c.is_ascii_digit() || "gIi".contains(c)))
        .filter(|after| after.is_empty() || after.starts_with([' ', ';']))
}

#[cfg(test)]
mod tests {
    use super::{only_changes_text, prints_one_line};

    #[test]
    fn a_text_is_changed_and_nothing_else_done() {
        for command in ["echo $X | tr A-Z a-z", "echo \"$X\" | sed -e 's/[\\/]/_/g' | tr . -"] {
            assert!(only_changes_text(command), "{command}");
        }
        for command in [
            "date",
            "cat x | tr A-Z a-z",
            "echo $X | sed 's/x/touch y/e'",
            "echo $X | sed 's/x/y/w file'",
            "echo $X | sed 's/x/y/' file",
            "echo $X | tr a b; touch y",
            "echo $(touch y) | tr a b",
            "echo $X | tee y",
        ] {
            assert!(!only_changes_text(command), "{command}");
        }
    }

    #[test]
    fn commands_of_one_line() {
        for command in [
            "uname -n",
            "/usr/bin/uname -n | cut -f 1 -d.",
            "date +'%a, %F %R' -d \"$MATCH\"",
            "echo $MATCH | tr '/' '_' | tr -d ' '",
            "echo \"$X\" | sed -re \"s/a|b//\" -e 's/\\./,/g;s,x,y,'",
            "wc -l | tr -d \" \"",
            "df | head -1",
            "cat x | tail -n 1",
            "spamc -c",
            "df | tr -d '\\n'",
        ] {
            assert!(prints_one_line(command), "{command}");
        }
        for command in [
            "",
            "df",
            "cat",
            "formail -xSubject:",
            "echo a; echo b",
            "echo $(df)",
            "echo `df`",
            "echo 'a\nb'",
            "echo -e \"$X\"",
            "printf '%s' a",
            "date -f x",
            "sed 's/a/b/'",
            "echo a | sed p",
            "echo a | sed 's/,/\\n/g'",
            "echo a | sed 's/,/b/p'",
            "echo a | sed 's/a/b/' file",
            "echo a | tr , '\\n'",
            "echo a | grep -o .",
            "date | mail",
            "uname && df",
            "cut -f1",
        ] {
            assert!(!prints_one_line(command), "{command}");
        }
    }
}
