//! Shell commands, as far as we know what they do: their words, and what some common ones
//! print.

use super::ir::{Cond, Effect, Unit, literal, quote};
use crate::source::Span;

/// Runs a program, `$0`, without the message on its standard input.
pub(super) const WITHOUT_INPUT: &str = "exec \"$0\" \"$@\" </dev/null";

/// How a program decides.
pub(super) const ASKED: &str = "a program that decides is run as a filter that leaves the message \
                                as it is; `--test` needs `--run-filters` for it";

/// A filter that leaves the message as it is and fails if the program fails, which is given
/// this half of the message, or all of it.
pub(super) fn asking(half: Option<&str>, program: Vec<String>) -> Vec<String> {
    let script = answering(&format!("{} >/dev/null; s=$?; cat \"$m\" || s=1", on_input(half)));
    ["/bin/sh".to_owned(), "-c".to_owned(), literal(&script)].into_iter().chain(program).collect()
}

/// Runs a program with half of the message in `$m`, or all of it.
fn on_input(half: Option<&str>) -> &'static str {
    match half {
        Some("header") => "sed '/^$/q' \"$m\" | \"$0\" \"$@\"",
        Some(_) => "sed '1,/^$/d' \"$m\" | \"$0\" \"$@\"",
        None => "\"$0\" \"$@\" <\"$m\"",
    }
}

/// The headers for what a program prints and for its exit status, and the one after these.
const PRINTED: &str = "X-Mfilter-Printed";
const STATUS: &str = "X-Mfilter-Status";
const END: &str = "X-Mfilter-End";

/// Effects that keep what a program prints in a variable; the program is given this half of
/// the message, or all of it. A filter puts the output before the message, and another one
/// removes it.
pub(super) fn printed(
    name: &str,
    half: Option<&str>,
    program: Vec<String>,
    span: Span,
) -> Vec<Effect> {
    let headers = format!("printf '%s: %s\\n' {PRINTED} \"$({} | head -n 1)\"", on_input(half));
    kept_of(&headers, WHOLE, program, &[(name, PRINTED)], span)
}

/// How the kept value differs.
pub(super) const ONE_BLANK: &str =
    "of what a program prints, several blanks are kept as one, and none at the end";

/// The same for a program that is given all of the message, and for its exit status, too.
pub(super) fn first_line_with_status(
    name: &str,
    status: &str,
    program: Vec<String>,
    span: Span,
) -> Vec<Effect> {
    with_status(name, status, "printf %s \"$p\" | head -n 1", program, span)
}

/// The same for all lines, with blanks between them; nothing if the program fails.
pub(super) fn printed_with_status(
    name: &str,
    status: &str,
    program: Vec<String>,
    span: Span,
) -> Vec<Effect> {
    let lines = "[ $s != 0 ] || printf %s \"$p\" | tr '\\n' ' '";
    with_status(name, status, lines, program, span)
}

/// Keeps the exit status of a program, and what the command `value` prints, which finds the
/// program's output in `$p`.
fn with_status(
    name: &str,
    status: &str,
    value: &str,
    program: Vec<String>,
    span: Span,
) -> Vec<Effect> {
    let headers = format!(
        "p=$({}); s=$?; printf '%s: %s\\n' {STATUS} $s {PRINTED} \"$({value})\"",
        on_input(None)
    );
    kept_of(&headers, WHOLE, program, &[(status, STATUS), (name, PRINTED)], span)
}

/// Effects that keep the exit status of a program that is given the message.
pub(super) fn status_of(status: &str, program: Vec<String>, span: Span) -> Vec<Effect> {
    let headers = format!("{} >/dev/null; printf '%s: %s\\n' {STATUS} $?", on_input(None));
    kept_of(&headers, WHOLE, program, &[(status, STATUS)], span)
}

/// The same for a program that filters: if it fails or prints nothing, the message stays as
/// it is.
pub(super) fn filtered_with_status(status: &str, program: Vec<String>, span: Span) -> Vec<Effect> {
    // `cat` fails where the result cannot be kept whole.
    let headers = format!(
        "o=$(mktemp) && trap 'rm \"$m\" \"$o\"' 0 && \
         s=$({{ {{ {}; echo $? >&3; }} | cat >\"$o\"; }} 3>&1) || {}; \
         printf '%s: %s\\n' {STATUS} \"$s\"",
        on_input(None),
        unasked()
    );
    let message = "if [ \"$s\" = 0 ] && [ -s \"$o\" ]; then cat \"$o\"; else cat \"$m\"; fi";
    kept_of(&headers, message, program, &[(status, STATUS)], span)
}

/// Prints the message.
const WHOLE: &str = "cat \"$m\"";

/// Runs a command that prints headers and one that prints the message, keeps the headers in
/// variables, and removes them.
fn kept_of(
    headers: &str,
    message: &str,
    program: Vec<String>,
    kept: &[(&str, &str)],
    span: Span,
) -> Vec<Effect> {
    // The last header is there so that the message's first line continues none of the others.
    let script = answering(&format!("{headers}; printf '%s:\\n' {END}; {message}; s=$?"));
    let shell = ["/bin/sh".to_owned(), "-c".to_owned(), literal(&script)];
    let filter = |words| Effect::Program("filter", words);
    let set = |name: &str, value: String| Effect::Let(name.to_owned(), value);
    let mut effects: Vec<Effect> = kept.iter().map(|(name, _)| set(name, String::new())).collect();
    effects.push(filter(shell.into_iter().chain(program).collect()));
    effects.push(if_unasked(span));
    let mut taken: Vec<Effect> = kept
        .iter()
        .map(|(name, header)| set(name, format!("{{header {}}}", quote(header))))
        .collect();
    taken.push(filter(vec!["sed".into(), format!("1,{}d", kept.len() + 1)]));
    let worked = Cond::not(Cond::Word("filter-failed".into()));
    effects.push(Effect::Rule(Unit::part(span, worked, taken)));
    effects
}

/// How the kept output of a program differs.
pub(super) const FIRST_LINE: &str =
    "of what a program prints, the first line is kept, with single blanks";

/// Commands for which the message is kept in the file `$m`; they leave their status in `$s`.
/// Where it cannot be kept whole, for example on a full disk, the filter fails, so that the
/// message stays as it is.
pub(super) fn kept_in_file(commands: &str) -> String {
    format!("{KEPT_IN_FILE} || exit; {commands}; exit $s")
}

const KEPT_IN_FILE: &str = "m=$(mktemp) && trap 'rm \"$m\"' 0 && trap 'exit 1' 15 && cat >\"$m\"";

/// The header of what is printed instead of a message that cannot be kept.
const UNASKED: &str = "X-Mfilter-Unasked";

/// [`kept_in_file`] where the rules depend on what the program says. A filter that fails
/// would be an answer, so it prints something else than the message, and [`if_unasked`]
/// has to follow.
fn answering(commands: &str) -> String {
    format!("{KEPT_IN_FILE} || {}; {commands}; exit $s", unasked())
}

/// Ends without an answer.
fn unasked() -> String {
    format!("{{ printf '%s: yes\\n\\n' {UNASKED}; exit; }}")
}

/// Has the mail server try again if a program could not be asked: there was no room for
/// the message. No message that was sent is so short.
pub(super) fn if_unasked(span: Span) -> Effect {
    let printed = Cond::texts(format!("header {}", quote(UNASKED)), "is", ["yes"]);
    let condition = Cond::all([printed, Cond::plain("size", "<", "40")]);
    let defers = vec![Effect::Defer("4.3.0 no room for the message".into())];
    Effect::Rule(Unit::part(span, condition, defers))
}

/// A command without the comment at its end, which a shell and procmail ignore: what is
/// put after the command would be part of it.
pub(super) fn without_comment(command: &str) -> &str {
    let (mut quote, mut is_start) = (None, true);
    let mut chars = command.char_indices();
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (None, '#') if is_start => {
                let (before, comment) = command.split_at(at);
                return if comment.contains('\n') { command } else { before.trim_end() };
            }
            (None, '"' | '\'' | '`') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None | Some('"' | '`'), '\\') => {
                chars.next();
            }
            _ => {}
        }
        is_start = c.is_whitespace() || ";&|()".contains(c);
    }
    command
}

/// A command as one of several: in braces, after which a redirection is for all of it.
pub(super) fn in_braces(command: &str) -> String {
    let command = command.trim();
    let end = if command.ends_with(['&', ';']) { "" } else { ";" };
    format!("{{ {command}{end} }}")
}

/// The words of a command as a shell separates them, with all their quotes.
pub(super) fn shell_words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    let mut chars = command.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, ' ' | '\t' | '\n') => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            (None, '"' | '\'' | '`') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None | Some('"'), '\\') => {
                word.push(c);
                word.extend(chars.next());
                continue;
            }
            _ => {}
        }
        word.push(c);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// A word without its quotes.
pub(super) fn unquoted(word: &str) -> String {
    let (mut out, mut quote) = (String::new(), None);
    let mut chars = word.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, '\\') => out.extend(chars.next()),
            (Some('"'), '\\') => match chars.next() {
                Some(next @ ('"' | '\\' | '$' | '`')) => out.push(next),
                Some(next) => out.extend(['\\', next]),
                None => out.push('\\'),
            },
            (_, c) => out.push(c),
        }
    }
    out
}

/// Whether a word runs a program, perhaps by its path.
pub(super) fn is_program(word: &str, name: &str) -> bool {
    word.rsplit('/').next() == Some(name) || word == format!("${}", name.to_uppercase())
}

/// `formail -D 8192 cache`
pub(super) fn is_duplicate_check(command: &str) -> bool {
    let mut words = command.split_whitespace();
    words.next().is_some_and(|word| is_program(word, "formail"))
        && words.next().is_some_and(|word| word.starts_with("-D"))
}

/// What a program prints, if that can be expressed: the date, and headers of the message;
/// as a template.
///
/// # Errors
/// It cannot be expressed.
pub(super) fn command_value(command: &str) -> Result<String, String> {
    let unknown = || Err(format!("its value is what the program `{command}` prints"));
    let words: Vec<String> = shell_words(command).iter().map(|word| unquoted(word)).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["date" | "/bin/date" | "/usr/bin/date", format] => match format.strip_prefix('+') {
            Some(format) if !format.contains(['{', '}', '$', '`']) => Ok(now(format)),
            _ => unknown(),
        },
        // Without `z` the blank after the colon stays, which nobody intends.
        [program, "-x" | "-zx" | "-xz", name] | [program, "-z", "-x", name]
            if is_program(program, "formail") || is_program(program, "reformail") =>
        {
            header_value(name).map_or_else(unknown, Ok)
        }
        [program, joined]
            if (is_program(program, "formail") || is_program(program, "reformail"))
                && joined.starts_with("-x") =>
        {
            header_value(joined.trim_start_matches("-x")).map_or_else(unknown, Ok)
        }
        _ => unknown(),
    }
}

/// What `date` prints: only what is a date is inserted, since an inserted dot or slash is
/// none in the name of a folder.
fn now(format: &str) -> String {
    let bounds = || {
        let (start, last) = (format.find('%')?, format.rfind('%')?);
        let is_end = |c: char| c.is_ascii_alphabetic() && !matches!(c, 'E' | 'O');
        let end = last + 1 + format.get(last + 1..)?.find(is_end)? + 1;
        (!format.contains("%%")).then_some((start, end))
    };
    let parts = bounds().and_then(|(start, end)| {
        Some((format.get(..start)?, format.get(start..end)?, format.get(end..)?))
    });
    match parts {
        Some((before, date, after)) => format!("{before}{{now:{date}}}{after}"),
        None => format!("{{now:{format}}}"),
    }
}

/// Whether a command prints the working directory: maildrop works in the user's home.
pub(super) fn prints_directory(command: &str) -> bool {
    matches!(command.trim(), "pwd" | "/bin/pwd" | "/usr/bin/pwd")
}

fn header_value(name: &str) -> Option<String> {
    let name = name.trim_end_matches(':');
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (is_name && !name.is_empty()).then(|| format!("{{header \"{name}\"}}"))
}

/// Why there is nothing to do for what only creates folders.
pub(super) const MAKES_FOLDERS: &str = "mfilter creates folders itself";

/// How a test for a folder differs in rules that create folders.
pub(super) const MADE_LATER: &str =
    "a folder that it creates is created here when mail comes for it";

/// Whether rules may create folders.
pub(super) fn may_make_folders(rules: &str) -> bool {
    rules.contains("maildirmake") || rules.contains("mkdir")
}

/// Whether a command only creates folders, or checks whether they exist: mfilter creates
/// them itself.
pub(super) fn makes_folders(command: &str) -> Option<bool> {
    let mut makes = false;
    for part in command.split(['\n', ';']).flat_map(|part| part.split("&&")) {
        for part in part.split("||").map(str::trim).filter(|part| !part.is_empty()) {
            let words = shell_words(part);
            let program = words.iter().find(|word| *word != "!").map(|word| unquoted(word));
            let program = program.unwrap_or_default();
            let program = program.rsplit('/').next().unwrap_or_default();
            match program {
                "test" | "[" | "true" | ":" => {}
                "maildirmake"
                | "maildirmake.maildrop"
                | "maildirmake++"
                | "mkdir"
                | "chmod"
                | "chown"
                | "chgrp" => makes = true,
                "echo" if part.contains("subscri") && part.contains(">>") => makes = true,
                _ if program.starts_with('$') && program.to_lowercase().contains("maildirmake") => {
                    makes = true;
                }
                _ => return None,
            }
            if part.contains(['|', '<'])
                || part.contains('>') && !part.contains("/dev/null") && program != "echo"
            {
                return None;
            }
        }
    }
    Some(makes)
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};
    use std::process::Command;

    use super::*;

    /// On a full disk, whose place a limit on file sizes takes here, half a message would
    /// pass for what a filter has made of it.
    #[test]
    fn a_message_that_cannot_be_kept_whole_makes_the_filter_fail() {
        let script = kept_in_file("true <\"$m\"; s=$?; cat \"$m\" || s=1");
        let run = |limit: &str| {
            let mut input = tempfile::tempfile().unwrap();
            input.write_all(&b"x".repeat(4096)).unwrap();
            input.rewind().unwrap();
            let script = format!("ulimit -f {limit}; {script}");
            Command::new("/bin/sh").args(["-c", &script]).stdin(input).output().unwrap()
        };
        let output = run("unlimited");
        assert!(output.status.success() && output.stdout.len() == 4096, "{output:?}");
        assert!(!run("1").status.success());
    }

    /// There it is no answer of the program's, whichever that would be.
    #[test]
    fn a_program_that_cannot_be_asked_has_not_answered() {
        for (program, limit, want) in [
            ("true", "unlimited", Some(4096)),
            ("false", "unlimited", None),
            ("true", "1", Some(24)),
            ("false", "1", Some(24)),
        ] {
            let mut input = tempfile::tempfile().unwrap();
            input.write_all(&b"x".repeat(4096)).unwrap();
            input.rewind().unwrap();
            let words = asking(None, vec![program.into()]);
            let script = words[2].replace("{{", "{").replace("}}", "}");
            let script = format!("ulimit -f {limit}; {script}");
            let mut shell = Command::new(&words[0]);
            let output = shell.args(["-c", &script, program]).stdin(input).output().unwrap();
            let printed = output.status.success().then_some(output.stdout.len());
            assert_eq!(printed, want, "{program} {limit}: {output:?}");
            let said = String::from_utf8_lossy(&output.stdout) == "X-Mfilter-Unasked: yes\n\n";
            assert_eq!(said, limit == "1");
        }
    }

    /// The shell that is told to end takes the message along.
    #[test]
    fn a_filter_that_is_ended_leaves_no_file() {
        let place = tempfile::tempdir().unwrap();
        let script = kept_in_file("kill $$; sleep 0; cat \"$m\"; s=0");
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &script]).env("TMPDIR", place.path()).stdin(std::process::Stdio::null());
        let output = shell.output().unwrap();
        assert!(!output.status.success(), "{output:?}");
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
    }

    #[test]
    fn comments_are_no_part_of_a_command() {
        for (command, want) in [
            ("a b # c", "a b"),
            ("a; #c", "a;"),
            ("a b#c '# d' \"e # f\" \\# `g # h`", "a b#c '# d' \"e # f\" \\# `g # h`"),
            ("# a", ""),
            ("a # b\nc", "a # b\nc"),
        ] {
            assert_eq!(without_comment(command), want);
        }
    }

    #[test]
    fn words_and_values() {
        assert_eq!(shell_words("a 'b c' \"d\\\"e\" f"), ["a", "'b c'", "\"d\\\"e\"", "f"]);
        assert_eq!(unquoted("-a'X: y'\"\\\"z\""), "-aX: y\"z");
        for (command, want) in [
            ("date '+%Y %m'", Some("{now:%Y %m}")),
            ("formail -zx \"List-Id:\"", Some("{header \"List-Id\"}")),
            ("reformail -xSubject:", Some("{header \"Subject\"}")),
            ("uname", None),
            ("date", None),
        ] {
            assert_eq!(command_value(command).ok().as_deref(), want, "{command}");
        }
    }

    #[test]
    fn commands_that_make_folders() {
        for (command, want) in [
            ("test -d \"$A/\" || maildirmake \"$A/\"", Some(true)),
            ("test -d $A", Some(false)),
            ("maildirmake -f x $A; echo x >> $A/subscriptions", Some(true)),
            ("mkdir a && rm -r b", None),
            ("test -d x | mail", None),
            ("chmod 600 a < b", None),
        ] {
            assert_eq!(makes_folders(command), want, "{command}");
        }
    }
}
