//! Rules of confined users, whose files all belong to the same uid: attempts to get out
//! of their home have no effect.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;

use mfilter::load::{self, Verification};
use mfilter::mda::{ActiveRules, Delivery, RuleFiles};
use mfilter::message::Message;
use mfilter::outcome::Outcome;
use mfilter::plan::{Plan, StepKind};
use mfilter::rules::program::LogSetting;
use mfilter::state::StateDir;
use mfilter::user::{Confinement, User};
use mfilter::world::World;

const MAIL: &str = "From: hana@x.example\nTo: a@site.example\nSubject: hello\n\nhi\n";

/// User `a`, whose rules are tried, and user `b`, who has what those rules try to
/// reach.
struct Site {
    root: TempDir,
    confinement: Confinement,
}

/// The result of rules that try to get out: in each case nothing of `b`'s or of the
/// site's has changed, no program has run, and nothing of `b`'s was found or sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Comes {
    /// To the inbox.
    Inbox,
    /// To a folder of the user's own.
    Folder(&'static str),
    /// Deferred.
    Back,
}
use Comes::{Back, Folder, Inbox};

impl Site {
    fn new() -> Site {
        // In memory, if there is such a place: much is synced.
        let memory = Path::new("/dev/shm");
        let root = match memory.is_dir() {
            true => tempfile::tempdir_in(memory).unwrap(),
            false => tempfile::tempdir().unwrap(),
        };
        let at = |path: &str| root.path().join(path);
        for directory in ["a", "data", "site", "b/Maildir", "b/lists", "b/cards"] {
            fs::create_dir_all(at(directory)).unwrap();
        }
        for folder in ["b/Maildir", "b/Maildir/.Sent", "b/Maildir/.Box"] {
            for sub in ["new", "cur", "tmp"] {
                fs::create_dir_all(at(folder).join(sub)).unwrap();
            }
        }
        for (file, text) in [
            ("b/rules", "folder \"Hit\"\n"),
            ("b/script", "require \"fileinto\"; fileinto \"Hit\";\n"),
            ("b/lists/friends", "hana@x.example\n"),
            ("b/away", "Subject: secret\n\nsecret\n"),
            ("b/Maildir/.Sent/cur/1.x:2,S", "To: hana@x.example\nSubject: x\n\nx\n"),
            ("b/Maildir/dovecot-keywords", "0 Secret\n"),
            ("b/cards/1.vcf", "BEGIN:VCARD\nVERSION:3.0\nFN:H\nEMAIL:hana@x.example\nEND:VCARD\n"),
            ("site/list", "hana@x.example\n"),
        ] {
            fs::write(at(file), text).unwrap();
        }
        // Runs, and records that it did.
        let marker = "#!/bin/sh\ncat >> \"${0%/*}/../ran\"; echo \"$@\" >> \"${0%/*}/../ran\"\n";
        fs::create_dir_all(at("a/bin")).unwrap();
        for program in ["site/marker", "a/bin/marker"] {
            fs::write(at(program), marker).unwrap();
            fs::set_permissions(at(program), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let sendmail = "#!/bin/sh\n(echo \"args $*\"; cat) >> \"${0%/*}/../sent\"\n";
        fs::write(at("site/sendmail"), sendmail).unwrap();
        fs::set_permissions(at("site/sendmail"), fs::Permissions::from_mode(0o755)).unwrap();
        let sendmail = Some(at("site/sendmail").display().to_string());
        let programs = BTreeMap::from([("allowed".to_owned(), PathBuf::from("/bin/cat"))]);
        let confinement = Confinement { sendmail, programs, ..Confinement::default() };
        Site { root, confinement }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn user(&self) -> User {
        let home = self.at("a");
        let site = Arc::new(self.confinement.clone());
        User::confined("a@site.example", &home, &home.join("Maildir"), &self.at("data/a"), site)
    }

    /// Writes the rules of `a`: `%` is the directory above all homes.
    fn rules(&self, rules: &str) {
        let rules = rules.replace('%', &self.root.path().display().to_string());
        fs::write(self.at("a/.mailrules"), rules).unwrap();
    }

    fn deliver(&self, mail: &str) -> Delivered {
        let user = self.user();
        let files = RuleFiles { rules: None, site: Some(Path::new("/dev/null")) };
        let rules = ActiveRules::load(files, &user, Verification::OnRead).unwrap();
        let world = World {
            sender: Some("hana@x.example".into()),
            recipients: vec!["a@site.example".into()],
            state: StateDir::of(&user),
            user,
            ..World::default()
        };
        let before = self.stored();
        let message = Message::from_bytes(mail.as_bytes().to_vec());
        let delivered = Delivery::now(None).deliver(&rules, world, |_| Ok(message));
        let (report, plan) = delivered.unwrap();
        let log = fs::read_to_string(self.at("data/a/state/log")).unwrap_or_default();
        let stored = self.stored().into_iter().filter(|file| !before.contains(file)).collect();
        Delivered { outcome: report.outcome, plan, log, stored }
    }

    /// The messages in the Maildir of `a`, relative to it; links are not followed.
    fn stored(&self) -> Vec<PathBuf> {
        let maildir = self.at("a/Maildir");
        let plain = |path: &Path| fs::symlink_metadata(path).is_ok_and(|about| about.is_dir());
        let mut folders = vec![maildir.clone()];
        folders.extend(fs::read_dir(&maildir).into_iter().flatten().flatten().map(|it| it.path()));
        let mut found = Vec::new();
        for folder in folders.into_iter().filter(|folder| plain(folder)) {
            for sub in ["new", "cur"].map(|sub| folder.join(sub)).into_iter().filter(|it| plain(it))
            {
                // It may have become another directory.
                for entry in fs::read_dir(sub).into_iter().flatten() {
                    found.push(entry.unwrap().path().strip_prefix(&maildir).unwrap().to_owned());
                }
            }
        }
        found.sort();
        found
    }

    /// Everything that is not `a`'s own: paths, kinds, modes and content.
    fn others(&self) -> BTreeMap<PathBuf, String> {
        let mut all = BTreeMap::new();
        let mut left = vec![self.root.path().to_owned()];
        while let Some(directory) = left.pop() {
            for entry in fs::read_dir(&directory).unwrap() {
                let path = entry.unwrap().path();
                if [self.at("a"), self.at("data"), self.at("sent")].contains(&path) {
                    continue;
                }
                let about = fs::symlink_metadata(&path).unwrap();
                let text = match about.is_file() {
                    true => fs::read_to_string(&path).unwrap(),
                    false => String::new(),
                };
                all.insert(path.clone(), format!("{:o} {text}", about.mode()));
                if about.is_dir() {
                    left.push(path);
                }
            }
        }
        all
    }
}

/// The result of a delivery.
#[derive(Debug)]
struct Delivered {
    outcome: Outcome,
    plan: Plan,
    log: String,
    /// What has been stored, relative to the Maildir.
    stored: Vec<PathBuf>,
}

type Case = (&'static str, &'static [(&'static str, &'static str)], &'static str, Comes);

/// What is tried, links in the home of `a` and their targets, rules, and the result.
#[rustfmt::skip]
const CASES: &[Case] = &[
    // Rule files. One that cannot be read is a mistake in the rules, so none of them
    // apply.
    ("include by ..", &[], "include \"../b/rules\"\n", Inbox),
    ("include by path", &[], "include \"%/b/rules\"\n", Inbox),
    ("include by ~/..", &[], "include \"~/../b/rules\"\n", Inbox),
    ("include by a link", &[("more", "../b/rules")], "include \"more\"\n", Inbox),
    ("include by an absolute link", &[("more", "%/b/rules")], "include \"~/more\"\n", Inbox),
    ("include behind a linked directory", &[("d", "../b")], "include \"d/rules\"\n", Inbox),
    ("include by a chain of links", &[("l1", "l2"), ("l2", "bin/../../b/rules")], "include \"l1\"\n", Inbox),
    ("include by /proc", &[], "include \"/proc/self/root%/b/rules\"\n", Inbox),
    ("include by a link to /proc", &[("p", "/proc/self/root")], "include \"p%/b/rules\"\n", Inbox),
    ("include by a descriptor", &[("p", "/proc/self/fd")], "include \"p/0\"\n", Inbox),
    ("rules that are a link", &[(".mailrules", "../b/rules")], "", Inbox),
    ("rules that are an absolute link", &[(".mailrules", "%/b/rules")], "", Inbox),
    // Scripts. Without one, the rest of the rules continues.
    ("script by ..", &[], "include sieve \"../b/script\"\n", Inbox),
    ("script by path", &[], "include sieve \"%/b/script\"\n", Inbox),
    ("script by a link", &[(".dovecot.sieve", "../b/script")], "include sieve\n", Inbox),
    ("script behind a link", &[("s", "%/b")], "include sieve \"s/script\"\n", Inbox),
    // Lists.
    ("list by ..", &[], "list x \"../b/lists/friends\"\nwhen from in x -> folder \"Hit\"\n", Inbox),
    ("list by path", &[], "list x \"%/b/lists/friends\"\nwhen from in x -> folder \"Hit\"\n", Inbox),
    ("list of the site's", &[], "list x \"%/site/list\"\nwhen from in x -> folder \"Hit\"\n", Inbox),
    ("list by a link", &[("l", "../b/lists/friends")], "list x \"l\"\nwhen from in x -> folder \"Hit\"\n", Inbox),
    ("list behind a link", &[("l", "%/b/lists")], "list x \"l/friends\"\nwhen from in x -> folder \"Hit\"\n", Inbox),
    ("list by /proc", &[], "list x \"/proc/self/root%/b/lists/friends\"\nwhen from in x -> folder \"Hit\"\n", Inbox),
    ("that there is a list", &[], "list x \"%/b/lists/friends\"\nwhen from in x -> add from to x\nwhen not (from in x) -> folder \"Hit\"\n", Inbox),
    // Edits of lists.
    ("edit by ..", &[], "list x \"../b/lists/friends\"\nadd recipient to x\n", Inbox),
    ("edit by path", &[], "list x \"%/b/lists/friends\"\nadd recipient to x\n", Inbox),
    ("edit by a link", &[("l", "../b/lists/friends")], "list x \"l\"\nadd recipient to x\n", Inbox),
    ("edit behind a link", &[("l", "../b/lists")], "list x \"l/friends\"\nadd recipient to x\n", Inbox),
    ("a new list", &[], "list x \"../b/lists/new\"\nadd recipient to x\n", Inbox),
    ("a new list by path", &[], "list x \"%/b/lists/new\"\nadd recipient to x\n", Inbox),
    ("a new list by a link", &[("l", "../b/lists/new")], "list x \"l\"\nadd recipient to x\n", Inbox),
    ("a new list behind a link", &[("l", "../b/lists")], "list x \"l/new\"\nadd recipient to x\n", Inbox),
    ("a new directory behind a link", &[("l", "../b/lists")], "list x \"l/d/e/new\"\nadd recipient to x\n", Inbox),
    ("removal by a link", &[("l", "../b/lists/friends")], "list x \"l\"\nremove from from x\n", Inbox),
    ("removal by path", &[], "list x \"%/b/lists/friends\"\nremove from from x\n", Inbox),
    // Texts of answers.
    ("answer by ..", &[], "set me \"a@site.example\"\nreply \"../b/away\"\n", Inbox),
    ("answer by path", &[], "set me \"a@site.example\"\nreply \"/etc/passwd\"\n", Inbox),
    ("answer by a link", &[("t", "../b/away")], "set me \"a@site.example\"\nreply \"~/t\"\n", Inbox),
    ("answer behind a link", &[("t", "%/b")], "set me \"a@site.example\"\nreply \"t/away\"\n", Inbox),
    // Settings that lead the mail elsewhere.
    ("Maildir by path", &[], "set maildir \"%/b/Maildir\"\ninbox\n", Inbox),
    ("Maildir by ..", &[], "set maildir \"~/../b/Maildir\"\ninbox\n", Inbox),
    ("a layout", &[], "set layout fs\nfolder \"A/B\"\n", Folder(".A.B")),
    ("a Maildir that is a link", &[("Maildir", "../b/Maildir")], "inbox\n", Back),
    ("a Maildir that is an absolute link", &[("Maildir", "%/b/Maildir")], "inbox\n", Back),
    ("a folder that is a link", &[("Maildir/.F", "../../b/Maildir/.Box")], "folder \"F\"\n", Inbox),
    ("a folder that is an absolute link", &[("Maildir/.F", "%/b/Maildir/.Box")], "folder \"F\"\n", Inbox),
    ("a folder of the inbox of others", &[("Maildir/.F", "../../b/Maildir")], "copy \"F\"\ninbox\n", Inbox),
    ("a folder's new that is a link", &[("Maildir/.F/cur", "../../bin"), ("Maildir/.F/tmp", "../../bin"), ("Maildir/.F/new", "../../../b/Maildir/new")], "folder \"F\"\n", Inbox),
    ("an inbox's tmp that is a link", &[("Maildir/tmp", "../../b/Maildir/tmp")], "inbox\n", Back),
    ("that there is a folder in a link", &[("Maildir/.F", "../../b/Maildir/.Box")], "when folder-exists \"F\" -> folder \"Hit\"\n", Inbox),
    ("that there is a folder by ..", &[], "when folder-exists \"{subject}\" -> folder \"Hit\"\nwhen folder-exists \"../../b/Maildir/.Box\" -> folder \"Hit\"\n", Inbox),
    ("that the site has a folder", &[("Maildir/.F/cur", "%/b/Maildir/cur")], "when folder-exists \"F\" -> folder \"Hit\"\n", Inbox),
    // The log.
    ("log by ..", &[], "set log \"../b/log\"\n", Inbox),
    ("log by path", &[], "set log \"%/b/lists/friends\"\n", Inbox),
    ("log by a link", &[("log", "../b/lists/friends")], "set log \"log\"\n", Inbox),
    ("no log", &[], "set log off\n", Inbox),
    // Programs.
    ("run by path", &[], "run \"%/site/marker\"\n", Inbox),
    ("run by ~", &[], "run \"~/bin/marker\"\n", Inbox),
    ("run by ..", &[], "run \"../site/marker\"\n", Inbox),
    ("run by name", &[], "run \"sh\" \"-c\" \"echo x >> %/ran\"\n", Inbox),
    ("run behind an allowed name", &[("allowed", "bin")], "run \"allowed/marker\"\n", Inbox),
    ("pipe by path", &[], "pipe \"%/site/marker\"\n", Inbox),
    ("pipe by name", &[], "pipe \"tee\" \"%/ran\"\n", Inbox),
    ("filter by path", &[], "filter \"%/site/marker\"\ninbox\n", Inbox),
    ("filter by name", &[], "filter \"tee\" \"%/ran\"\ninbox\n", Inbox),
    ("sendmail", &[], "set sendmail \"%/site/marker\"\nforward copy \"x@y.example\"\ninbox\n", Inbox),
    ("a program's time", &[], "set program-timeout 4m\ninbox\n", Inbox),
    ("sharing", &[], "set shared on\nfolder \"F\"\n", Folder(".F")),
    // Whom others have written to.
    ("sent mail that is a link", &[("Maildir/.Sent", "../../b/Maildir/.Sent")], "list x sent \"Sent\"\nwhen from in x -> folder \"Hit\"\n", Inbox),
    ("sent mail in a link", &[("Maildir/.Sent/cur", "../../../b/Maildir/.Sent/cur")], "list x sent \"Sent\"\nwhen from in x -> folder \"Hit\"\n", Inbox),
    ("a sent message that is a link", &[("Maildir/.Sent/cur/1.x:2,S", "../../../../b/Maildir/.Sent/cur/1.x:2,S")], "list x sent \"Sent\"\nwhen from in x -> folder \"Hit\"\n", Inbox),
    // Address books.
    ("cards by path", &[], "list x vcard \"%/b/cards\"\nwhen from in x -> folder \"Hit\"\n", Inbox),
    ("cards by a link", &[("c", "../b/cards")], "list x vcard \"c\"\nwhen from in x -> folder \"Hit\"\n", Inbox),
    ("a card that is a link", &[("c/1.vcf", "../../b/cards/1.vcf")], "list x vcard \"c\"\nwhen from in x -> folder \"Hit\"\n", Inbox),
    ("a folder of cards that is a link", &[("c/d", "../../b/cards")], "list x vcard \"c\"\nwhen from in x -> folder \"Hit\"\n", Inbox),
    // Files of servers in the Maildir.
    ("subscriptions that are a link", &[("Maildir/subscriptions", "../../b/lists/friends")], "set subscribe on\nfolder \"F\"\n", Folder(".F")),
    ("a quota that is a link", &[("Maildir/maildirsize", "../../b/lists/friends")], "inbox\n", Inbox),
    ("keywords that are a link", &[("Maildir/dovecot-keywords", "../../b/Maildir/dovecot-keywords")], "mark \"Secret\" \"Other\"\ninbox\n", Inbox),
];

#[test]
fn rules_that_try_to_leave_the_home_have_no_effect() {
    assert!(CASES.len() >= 40);
    let mut wrong = Vec::new();
    for (name, links, rules, comes) in CASES {
        let site = Site::new();
        let root = site.root.path().display().to_string();
        for (link, to) in *links {
            let link = site.at("a").join(link);
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            symlink(to.replace('%', &root), link).unwrap();
        }
        if !rules.is_empty() {
            site.rules(rules);
        }
        let before = site.others();
        let delivered = site.deliver(MAIL);
        let first = delivered.stored.last().and_then(|file| file.iter().next()?.to_str());
        let came = match (&delivered.outcome, first) {
            (Outcome::Deferred { .. }, None) => Back,
            (Outcome::Delivered, Some("new" | "cur")) => Inbox,
            (Outcome::Delivered, Some(folder)) => Folder(folder.to_owned().leak()),
            _ => Folder("elsewhere"),
        };
        let sent = fs::read_to_string(site.at("sent")).unwrap_or_default();
        if came != *comes {
            wrong.push(format!("{name}: {came:?}, {delivered:?}"));
        }
        if site.others() != before {
            wrong.push(format!("{name}: something has changed, {delivered:?}"));
        }
        if sent.contains("secret") || sent.contains("root:") {
            wrong.push(format!("{name}: sent {sent}"));
        }
        if *comes != Back && !delivered.log.contains("delivered") {
            wrong.push(format!("{name}: no log: {}", delivered.log));
        }
        for folder in fs::read_dir(site.at("a/Maildir")).into_iter().flatten().flatten() {
            let about = fs::symlink_metadata(folder.path()).unwrap();
            if about.is_dir() && about.mode() & 0o077 != 0 && name == &"sharing" {
                wrong.push(format!("{name}: {} is open", folder.path().display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), CASES.len(), wrong.join("\n"));
}

#[test]
fn within_the_home_rules_do_what_they_say() {
    let site = Site::new();
    symlink("lists/white", site.at("a/link")).unwrap();
    fs::create_dir(site.at("a/lists")).unwrap();
    fs::write(site.at("a/lists/white"), "hana@x.example\n").unwrap();
    fs::write(site.at("a/away"), "Subject: away\n\nnot here\n").unwrap();
    fs::write(site.at("a/more"), "list x \"~/link\"\n").unwrap();
    site.rules(
        "set me \"a@site.example\"\ninclude \"more\"\nlist new \"d/new\"\n\
         add from to new\nadd recipient to x\nreply \"away\"\n\
         filter \"allowed\"\nrun \"allowed\"\n\
         when from in x -> folder \"Hit\"\n",
    );
    let delivered = site.deliver(MAIL);
    assert_eq!(delivered.outcome, Outcome::Delivered, "{delivered:?}");
    assert!(delivered.stored[0].starts_with(".Hit"), "{delivered:?}");
    assert!(delivered.log.contains("`/bin/cat` says: hi"), "{}", delivered.log);
    let text = |path: &str| fs::read_to_string(site.at(path)).unwrap();
    assert_eq!(text("a/d/new"), "hana@x.example\n");
    assert_eq!(text("a/lists/white"), "hana@x.example\na@site.example\n");
    assert!(fs::symlink_metadata(site.at("a/link")).unwrap().is_symlink());
    assert!(text("sent").contains("not here"));
    assert!(delivered.plan.steps.iter().any(|step| matches!(&step.kind,
        StepKind::Filter { argv, applied: true } if argv == &["/bin/cat"])));
}

#[test]
fn a_link_that_is_put_there_meanwhile_leads_nowhere() {
    let site = Site::new();
    for directory in ["a/real", "a/Maildir/.F", "a/Maildir/.Real"] {
        fs::create_dir_all(site.at(directory)).unwrap();
    }
    for sub in ["new", "cur", "tmp"] {
        fs::create_dir_all(site.at("a/Maildir/.F").join(sub)).unwrap();
    }
    site.rules("list x \"lists/d/friends\"\nadd recipient to x\nfolder \"F\"\n");
    let before = site.others();
    let over = Arc::new(AtomicBool::new(false));
    let swap = {
        let (over, at) = (over.clone(), site.root.path().to_owned());
        std::thread::spawn(move || {
            let (lists, box_) = (at.join("a/lists"), at.join("a/Maildir/.F"));
            let (aside, box_aside) = (at.join("a/aside"), at.join("a/Maildir/.Aside"));
            while !over.load(Ordering::Relaxed) {
                let _ = symlink("../b/lists", &lists);
                let _ = fs::rename(&box_, &box_aside);
                let _ = symlink("../../b/Maildir/.Box", &box_);
                std::thread::yield_now();
                let _ = fs::remove_file(&lists);
                let _ = fs::create_dir(&lists);
                let _ = fs::remove_file(&box_);
                let _ = fs::rename(&box_aside, &box_);
                std::thread::yield_now();
                let _ = fs::rename(&lists, &aside);
                let _ = fs::remove_dir_all(&aside);
            }
        })
    };
    for _ in 0..200 {
        let delivered = site.deliver(MAIL);
        assert!(!matches!(delivered.outcome, Outcome::Refused { .. }), "{delivered:?}");
    }
    over.store(true, Ordering::Relaxed);
    swap.join().unwrap();
    assert_eq!(site.others(), before);
}

#[test]
fn forwarding_is_limited_and_what_is_not_forwarded_is_kept() {
    let mut site = Site::new();
    site.confinement.forwards_per_hour = 3;
    site.rules("forward \"x@y.example\" \"z@y.example\"\n");
    let first = site.deliver(MAIL);
    assert_eq!((&first.outcome, first.stored.len()), (&Outcome::Delivered, 0), "{first:?}");
    let second = site.deliver(MAIL);
    assert_eq!((&second.outcome, second.stored.len()), (&Outcome::Delivered, 1), "the inbox");
    assert!(second.log.contains("3 addresses per hour"), "{}", second.log);
    assert_eq!(fs::read_to_string(site.at("sent")).unwrap().matches("args").count(), 1);
    // Mail that cannot be sent does not count.
    fs::remove_file(site.at("sent")).unwrap();
    let failing = site.at("site/failing");
    fs::write(&failing, "#!/bin/sh\nexit 75\n").unwrap();
    fs::set_permissions(&failing, fs::Permissions::from_mode(0o755)).unwrap();
    let working = site.confinement.sendmail.replace(failing.display().to_string());
    site.rules("forward \"x@y.example\"\n");
    for _ in 0..5 {
        let delivered = site.deliver(MAIL);
        assert!(matches!(delivered.outcome, Outcome::Deferred { .. }), "{delivered:?}");
    }
    site.confinement.sendmail = working;
    let last = site.deliver(MAIL);
    assert_eq!((&last.outcome, last.stored.len()), (&Outcome::Delivered, 0), "{last:?}");
}

#[test]
fn the_check_reports_what_is_not_allowed() {
    let site = Site::new();
    site.rules(
        "set maildir \"~/Mail\"\nset log off\nset sendmail \"/bin/x\"\nset layout fs\n\
         set shared on\nset program-timeout 1m\nlist x \"../b/lists/friends\"\n\
         run \"allowed\"\nrun \"/bin/true\"\nfilter \"true\"\npipe \"~/bin/x\"\n",
    );
    let (sources, checked) = load::check(&site.at("a/.mailrules"), &site.user()).unwrap();
    let program = checked.program.expect("no more than warnings");
    assert_eq!((&program.settings.maildir, &program.settings.log), (&None, &LogSetting::State));
    assert_eq!(program.settings.sendmail, site.confinement.sendmail);
    let found: Vec<(&str, u32)> =
        checked.diagnostics.iter().map(|each| (each.code, sources.line(each.span))).collect();
    let expected = [
        ("set-by-provider", 1),
        ("set-by-provider", 2),
        ("set-by-provider", 3),
        ("set-by-provider", 4),
        ("set-by-provider", 5),
        ("set-by-provider", 6),
        ("program-not-allowed", 9),
        ("program-not-allowed", 10),
        ("program-not-allowed", 11),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_confined_user_sees_nothing_of_the_process() {
    let site = Site::new();
    let user = site.user();
    assert_eq!(user.variable("HOME").as_deref(), Some(site.at("a").as_os_str()));
    assert_eq!(user.variable("LOGNAME").unwrap(), "a@site.example");
    for name in ["PATH", "XDG_STATE_HOME", "TMPDIR", "CARGO_MANIFEST_DIR"] {
        assert_eq!(user.variable(name), None, "{name}");
    }
    for directory in [user.state_dir(), user.cache_dir(), user.config_dir()] {
        assert!(directory.unwrap().starts_with(site.at("data/a")));
    }
    site.rules("when env \"CARGO_MANIFEST_DIR\" contains \"/\" -> folder \"Hit\"\n");
    let delivered = site.deliver(MAIL);
    assert!(delivered.stored[0].starts_with("new"), "{delivered:?}");
}
