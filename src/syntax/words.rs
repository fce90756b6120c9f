//! The words of the language, and the names of the parts of the grammar for people.

use super::grammar::Rule;
use crate::spelling::nearest;

/// Words that begin a statement.
#[rustfmt::skip]
pub const STATEMENTS: &[&str] = &[
    "set", "list", "define", "score", "include", "expect", "expire", "isp-filter", "isp-label", "category",
    "when", "otherwise", "rule",
];

/// Begins `on moved …`, but may also be a name.
pub const ON: &str = "on";

/// Words that begin an action.
#[rustfmt::skip]
pub const ACTIONS: &[&str] = &[
    "inbox", "folder", "copy", "fileinto", "let", "mark", "unmark", "discard", "reject", "defer", "add-header",
    "set-header", "remove-header", "log", "stop",
    "forward", "pipe", "run", "filter", "reply", "add", "remove",
];

/// Actions that may be followed by `{ NAME VALUE … }`.
pub const WITH_NAMED_ARGUMENTS: &[&str] = &["reply"];

/// What may come after the file of `include sieve`.
pub const SCRIPT_OPTIONS: &[&str] = &["separator", "prefix"];

/// The beginning of a comment in place of a foreign rule that could not be
/// translated: `check` reports it until it is removed.
pub const UNTRANSLATED: &str = "# todo import";

/// Operators that are words.
pub const OPERATORS: &[&str] =
    &["is", "contains", "starts", "ends", "like", "matches", "resembles", "in"];

/// The words that join conditions and actions.
pub const JOINTS: &[&str] = &["and", "or", "not", "has", "as"];

/// The condition that is followed by the name of a folder.
pub const FOLDER_EXISTS: &str = "folder-exists";

/// Words of other languages that cannot be names, so that a slip is reported at
/// its place.
pub const SLIPS: &[&str] = &["if", "unless", "elseif", "elsif", "elif", "else", "then"];

/// What other programs call a rule that keeps a sender out.
pub(super) const BLOCKS: &[&str] = &["block", "ban", "blacklist", "deny"];

/// Fields that are often written without an operator.
pub(super) const TEXT_FIELDS: &[&str] = &[
    "from",
    "to",
    "cc",
    "sender",
    "reply-to",
    "recipient",
    "subject",
    "body",
    "envelope-from",
    "envelope-to",
];

/// Whether a word cannot be the name of a list, a score or a classifier.
pub fn is_reserved(word: &str) -> bool {
    [STATEMENTS, ACTIONS, OPERATORS, JOINTS, SLIPS].iter().any(|words| words.contains(&word))
}

/// Whether people write it after a number, as a unit.
pub(super) fn is_unit(word: &str) -> bool {
    unit(word).is_some() || days_of(word).is_some()
}

/// The days of a unit that the language does not have, because it is not always equally long.
pub(super) fn days_of(word: &str) -> Option<u64> {
    Some(match word {
        "mo" | "month" | "months" => 30,
        "y" | "yr" | "year" | "years" => 365,
        _ => return None,
    })
}

/// The unit of a size or a duration that was meant.
pub(super) fn unit(word: &str) -> Option<&'static str> {
    Some(match word {
        "K" | "k" | "kb" | "kB" | "KB" | "KiB" => "K",
        "M" | "mb" | "MB" | "MiB" => "M",
        "G" | "g" | "gb" | "GB" | "GiB" => "G",
        "s" | "sec" | "secs" | "second" | "seconds" => "s",
        "m" | "min" | "mins" | "minute" | "minutes" => "m",
        "h" | "H" | "hour" | "hours" => "h",
        "d" | "D" | "day" | "days" => "d",
        "w" | "W" | "week" | "weeks" => "w",
        _ => return None,
    })
}

/// The duration that was meant: `7d`, `1 week`, `2 months`.
pub(super) fn duration(text: &str) -> Option<String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, word) = text.split_at(digits);
    let (count, word) = (number.parse::<u64>().ok()?, word.trim());
    match unit(word) {
        Some(unit) => "smhdw".contains(unit).then(|| format!("{number}{unit}")),
        None => Some(format!("{}d", count.checked_mul(days_of(word)?)?)),
    }
}

/// The size that was meant, `5 MB`, or else the text.
pub(super) fn size(text: &str) -> String {
    let digits = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    let (number, word) = text.split_at(digits);
    match unit(word.trim()) {
        Some(unit @ ("K" | "M" | "G")) => format!("{number}{unit}"),
        _ => text.to_owned(),
    }
}

/// The number of a month in English, in full or shortened.
pub(super) fn month(word: &str) -> Option<i8> {
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let word = word.to_ascii_lowercase();
    let at = MONTHS.iter().position(|month| word.len() >= 3 && month.starts_with(&word))?;
    i8::try_from(at + 1).ok()
}

/// Operators of other languages, and ours.
#[rustfmt::skip]
const SYNONYMS: &[(&str, &str)] = &[
    ("equals", "is"), ("equal", "is"), ("eq", "is"), ("are", "is"), ("has", "contains"),
    ("includes", "contains"), ("containing", "contains"), ("contain", "contains"),
    ("match", "matches"), ("start", "starts"), ("end", "ends"), ("begins", "starts"),
    ("startswith", "starts"), ("starts-with", "starts"), ("begins-with", "starts"),
    ("prefix", "starts"), ("endswith", "ends"), ("ends-with", "ends"), ("suffix", "ends"),
    ("glob", "like"), ("regex", "matches"), ("regexp", "matches"), ("matching", "matches"),
    ("include", "contains"), ("含む", "contains"), ("を含む", "contains"), ("一致", "is"),
    ("within", "in"), ("between", "in"), ("over", ">"), ("above", ">"), ("under", "<"),
    ("below", "<"),
];

/// Whether a word is an operator of another language.
pub(super) fn is_synonym(word: &str) -> bool {
    SYNONYMS.iter().any(|(foreign, _)| *foreign == word)
}

/// The operator that was probably meant.
pub(super) fn nearest_operator(word: &str) -> Option<&'static str> {
    let word = &word.replace('_', "-");
    own_word(SYNONYMS, word).or_else(|| nearest(word, OPERATORS.iter().copied()))
}

/// The operator of `not-contains`, `isnt`: one with its negation in one word.
pub(super) fn negated_operator(word: &str) -> Option<&'static str> {
    let operator = match word {
        "isnt" | "arent" => "is",
        _ => word.strip_prefix("doesnot").or(word.strip_prefix("not"))?.trim_start_matches('-'),
    };
    nearest_operator(operator)
}

/// The action for mail that people throw away, and for mail that they do not want.
pub const TRASH: &str = "folder \"Trash\"";
/// The same for junk.
pub const JUNK: &str = "folder \"Junk\"";

/// Words that may mean `discard`, which keeps nothing.
pub const DELETES: &[&str] = &["delete", "drop", "ignore"];

/// Actions of other filters, and ours.
#[rustfmt::skip]
const FOREIGN_ACTIONS: &[(&str, &str)] = &[
    ("save", "folder"), ("deliver", "folder"), ("move", "folder"),
    ("file", "folder"), ("keep", "inbox"), ("delete", TRASH), ("drop", TRASH), ("ignore", TRASH),
    ("trash", TRASH), ("redirect", "forward"), ("resend", "forward"), ("vacation", "reply"),
    ("autoreply", "reply"), ("answer", "reply"), ("bounce", "reject"), ("ereject", "reject"),
    ("refuse", "reject"), ("flag", "mark flagged"), ("addflag", "mark"), ("setflag", "mark"),
    ("star", "mark flagged"), ("label", "mark"), ("tag", "mark"), ("removeflag", "unmark"),
    ("unflag", "unmark flagged"), ("addheader", "add-header"), ("deleteheader", "remove-header"),
    ("starred", "mark flagged"), ("important", "mark flagged"),
    ("read", "mark seen"), ("unread", "unmark seen"),
    ("execute", "run"), ("exec", "run"), ("notify", "run"),
    ("go", "folder"), ("goto", "folder"), ("send", "folder"), ("skip", "folder \"Archive\""),
    ("フォルダー", "folder"), ("フォルダ", "folder"), ("移動", "folder"), ("受信箱", "inbox"),
    ("受信トレイ", "inbox"), ("削除", TRASH), ("ごみ箱", TRASH), ("転送", "forward"), ("返信", "reply"),
    ("既読", "mark seen"), ("迷惑メール", JUNK), ("コピー", "copy"), ("破棄", "discard"),
    ("store", "folder"), ("put", "folder"), ("archive", "folder \"Archive\""), ("junk", JUNK), ("spam", JUNK),
    ("quarantine", JUNK), ("moveto", "folder"), ("move-to", "folder"), ("file-into", "folder"),
];

/// Fields of other filters and words of mail readers, and our fields.
#[rustfmt::skip]
const FOREIGN_FIELDS: &[(&str, &str)] = &[
    ("text", "body"), ("message", "body"), ("mail", "body"), ("content", "body"),
    ("title", "subject"), ("topic", "subject"), ("author", "from"), ("from-address", "from"),
    ("domain", "from.domain"), ("from-domain", "from.domain"), ("from-name", "from.name"),
    ("to-or-cc", "recipient"), ("to-cc", "recipient"), ("rcpt", "recipient"),
    ("filename", "attachment.name"), ("file", "attachment.name"), ("list-address", "list-id"),
    ("mailing-list", "list-id"), ("mailinglist", "list-id"), ("today", "now"), ("hour", "time"),
    ("day", "weekday"), ("url", "link"), ("html", "body"), ("attachment", "attachment.name"),
    ("件名", "subject"), ("題名", "subject"), ("差出人", "from"), ("送信者", "from"), ("宛先", "to"),
    ("受信者", "recipient"), ("本文", "body"), ("サイズ", "size"), ("日付", "date"), ("曜日", "weekday"),
    ("時刻", "time"),
];

/// Parts of an address by which other filters mean the whole of it.
pub const WHOLE_ADDRESS: &[&str] = &["address", "addr", "email", "mail", "addr-spec", "all"];

/// Conditions in words of other filters, and ours.
#[rustfmt::skip]
const FOREIGN_CONDITIONS: &[(&str, &str)] = &[
    ("attachment", "has attachments"), ("has-attachment", "has attachments"),
    ("has-attachments", "has attachments"), ("attached", "has attachments"), ("hasattachment", "has attachments"),
    ("添付ファイル", "has attachments"), ("迷惑メール", "spam"), ("junk", "spam"),
    ("weekend", "weekday is [saturday, sunday]"),
];

/// How other languages and people ask whether a folder exists.
#[rustfmt::skip]
const FOLDER_TESTS: &[&[&str]] = &[
    &["mailboxexists"], &["mailbox-exists"], &["mailbox", "exists"], &["folderexists"], &["folder", "exists"],
    &["folder", "exist"], &["exists", "folder"], &["has", "folder"], &["has-folder"], &["is-folder"],
];

/// Whether these words before a name were meant to be `folder-exists`.
pub(super) fn is_folder_test(words: &[&str]) -> bool {
    let near = |word: &str| word != FOLDER_EXISTS && nearest(word, [FOLDER_EXISTS]).is_some();
    FOLDER_TESTS.contains(&words) || matches!(words, [word] if near(word))
}

/// Flags of other programs, and ours.
#[rustfmt::skip]
const FOREIGN_FLAGS: &[(&str, &str)] = &[
    ("read", "seen"), ("starred", "flagged"), ("star", "flagged"), ("important", "flagged"),
    ("answered", "replied"), ("deleted", "trashed"), ("forwarded", "passed"), ("drafts", "draft"),
    ("flag", "flagged"), ("既読", "seen"), ("重要", "flagged"), ("返信済み", "replied"),
];

fn own_word(foreign: &[(&str, &'static str)], word: &str) -> Option<&'static str> {
    let word = word.to_ascii_lowercase();
    foreign.iter().find(|(known, _)| *known == word).map(|(_, own_word)| *own_word)
}

/// The action that corresponds to a word of another filter, only its own word if it has
/// arguments.
pub fn suggest_action(word: &str, has_arguments: bool) -> Option<&'static str> {
    let suggestion = own_word(FOREIGN_ACTIONS, word)?;
    if has_arguments { suggestion.split(' ').next() } else { Some(suggestion) }
}

/// The field that corresponds to a word of another filter.
pub fn suggest_field(word: &str) -> Option<&'static str> {
    own_word(FOREIGN_FIELDS, word)
}

/// The condition that corresponds to a word of another filter.
pub fn suggest_condition(word: &str) -> Option<&'static str> {
    own_word(FOREIGN_CONDITIONS, word)
}

/// The flag that a keyword was probably meant to be: one of ours in another case,
/// or one of another program.
pub fn flag_of_keyword(keyword: &str) -> Option<&'static str> {
    let own_words = FOREIGN_FLAGS.iter().map(|(_, own_word)| *own_word);
    suggest_flag(keyword)
        .or_else(|| own_words.into_iter().find(|flag| keyword.eq_ignore_ascii_case(flag)))
}

/// The flag that corresponds to a word of another program.
pub fn suggest_flag(word: &str) -> Option<&'static str> {
    own_word(FOREIGN_FLAGS, word)
}

/// The first word of a statement that was probably meant.
pub(super) fn nearest_opening(word: &str, has_arguments: bool) -> Option<&'static str> {
    if let Some(action) = suggest_action(word, has_arguments) {
        return Some(action);
    }
    match word {
        "var" | "let" => Some("set"),
        "import" => Some("include"),
        "default" => Some("otherwise"),
        "def" => Some("define"),
        "もし" => Some("when"),
        _ => nearest(word, STATEMENTS.iter().chain(ACTIONS).copied()),
    }
}

/// All operators, for a hint.
pub(super) fn operators() -> String {
    let quoted: Vec<String> = OPERATORS
        .iter()
        .chain(&["<", "<=", "=", ">=", ">"])
        .map(|word| format!("`{word}`"))
        .collect();
    quoted.join(" ")
}

/// `a`, `a or b`, `a, b or c`
pub(super) fn listing(items: &[&str], last_joint: &str) -> String {
    match items {
        [] => String::from("something else"),
        [one] => (*one).to_string(),
        [most @ .., last] => format!("{} {last_joint} {last}", most.join(", ")),
    }
}

/// What messages call a part of the grammar; nothing else names it for people.
pub(super) fn name_of(rule: Rule) -> &'static str {
    match rule {
        Rule::file
        | Rule::only_statement
        | Rule::only_group_head
        | Rule::only_score_head
        | Rule::only_category_head
        | Rule::isp_filter
        | Rule::isp_label
        | Rule::category
        | Rule::category_head
        | Rule::statement
        | Rule::set
        | Rule::expire
        | Rule::list
        | Rule::define
        | Rule::score
        | Rule::include
        | Rule::expect
        | Rule::on_move
        | Rule::filter_rule
        | Rule::score_head
        | Rule::group_head => "a statement",
        Rule::only_score_entry | Rule::score_entry => "a weight and a condition",
        Rule::actions
        | Rule::action
        | Rule::action_name
        | Rule::action_word
        | Rule::forward_word
        | Rule::reply_word => "an action",
        Rule::let_word => "`let`",
        Rule::argument => "an argument",
        Rule::named_arguments => "`{`",
        Rule::named_argument | Rule::argument_name => "an argument (`text`, `subject`, …)",
        Rule::flag => "a flag",
        Rule::condition
        | Rule::all
        | Rule::unary
        | Rule::has
        | Rule::duplicate
        | Rule::duplicate_word
        | Rule::folder_exists
        | Rule::folder_exists_word
        | Rule::test => "a condition",
        Rule::field
        | Rule::keyed_field
        | Rule::field_set
        | Rule::field_name
        | Rule::field_with_string => "a field",
        Rule::field_part => "a part (`.domain`)",
        Rule::value | Rule::element | Rule::bound => "a value",
        Rule::set_of_values | Rule::open_set => "a set `[…]`",
        Rule::string | Rule::long_string => "a string `\"…\"`",
        Rule::pattern => "a pattern `/…/`",
        Rule::quantity | Rule::quantity_rest | Rule::offset => "a number",
        Rule::weight => "a weight like `+3`",
        Rule::name | Rule::name_or_domain | Rule::word | Rule::layout => "a name",
        Rule::setting => "the name of a setting",
        Rule::statement_word => "a statement",
        Rule::joint_word => "`and` or `or`",
        Rule::operator | Rule::operator_word | Rule::sign => "an operator (`is`, `contains`, …)",
        Rule::slip_word => "a word",
        Rule::name_rest | Rule::letter | Rule::digit => "a letter or a digit",
        Rule::set_word => "`set`",
        Rule::list_word => "`list`",
        Rule::define_word => "`define`",
        Rule::score_word => "`score`",
        Rule::include_word => "`include`",
        Rule::sieve_word => "`sieve`",
        Rule::script_option => "`separator` or `prefix`",
        Rule::expect_word => "`expect`",
        Rule::isp_filter_word => "`isp-filter`",
        Rule::isp_label_word => "`isp-label`",
        Rule::category_word => "`category`",
        Rule::mandatory_word => "`mandatory`",
        Rule::label_kind => "`subject` or `header`",
        Rule::switch => "`on` or `off`",
        Rule::isp_choice => "a category",
        Rule::opens_move => "a statement",
        Rule::on_word => "`on`",
        Rule::moved_word => "`moved`",
        Rule::move_way | Rule::move_end => "`to` or `from`",
        Rule::expire_word => "`expire`",
        Rule::after_word => "`after`",
        Rule::even_word => "`even`",
        Rule::kept_mail => "`unread` or `flagged`",
        Rule::unless_word => "`unless`",
        Rule::list_source => "`sent`, `senders` or `vcard`",
        Rule::when_word => "`when`",
        Rule::otherwise_word => "`otherwise`",
        Rule::rule_word => "`rule`",
        Rule::and_word => "`and`",
        Rule::or_word => "`or`",
        Rule::not_word => "`not`",
        Rule::has_word => "`has`",
        Rule::as_word => "`as`",
        Rule::of_word => "`of`",
        Rule::within_word => "`within`",
        Rule::of_first => "`of first`",
        Rule::first_word => "`first`",
        Rule::copy_word => "`copy`",
        Rule::arrow => "`->`",
        Rule::comma => "`,`",
        Rule::dots => "`..`",
        Rule::equals => "`=`",
        Rule::block | Rule::open_block => "`{`",
        Rule::close_block => "`}`",
        Rule::close_set => "`]`",
        Rule::open_paren => "`(`",
        Rule::close_paren => "`)`",
        Rule::EOI | Rule::WHITESPACE | Rule::COMMENT | Rule::in_line => "the end of the statement",
    }
}
