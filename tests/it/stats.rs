//! `mfilter stats`: bars on a terminal, and the page for a browser, opened in one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Home, MFILTER, Run, run, skipped};

const CHROMIUM: &str = "/usr/bin/chromium";

const RULES: &str = "rule \"<b>shops & offers</b>\" when subject contains \"sale\" -> folder \"Shops\"\n\
     when subject contains \"list\" -> folder \"Lists/a\"\n\
     when subject contains \"never\" -> folder \"Never\"\n\
     when subject contains \"no\" -> reject \"5.7.1 <script>alert(1)</script>\"\n";

/// A home in which rules have handled some mail.
fn home() -> Home {
    let home = Home::with_rules(RULES);
    for (number, subject) in ["sale", "sale", "list", "hello", "no", "sale"].into_iter().enumerate()
    {
        let message =
            format!("From: a@b.example\nSubject: {subject}\nMessage-ID: <{number}@b>\n\nx\n");
        home.run(&["-f", "bounces@shop.example"], message.as_bytes());
    }
    // Some days before, with one long name and one in Japanese.
    let log = home.path().join(".local/state/mfilter/log");
    let long = "a-very-long-folder-name-without-any-blank".repeat(4);
    let old: String = (1..20)
        .map(|day| {
            let folder = if day % 3 == 0 { "仕事/請求書" } else { long.as_str() };
            format!(
                "2026-11-{day:02}T08:00:00.000Z delivered folder=\"{folder}\" id=\"<o{day}@b>\" \
                 from=\"x@lists.example\" ms=2.0\n"
            )
            .repeat(day)
        })
        .collect();
    let now = fs::read_to_string(&log).expect("a log");
    fs::write(&log, old + &now).expect("written");
    home
}

fn page(home: &Home) -> (PathBuf, String) {
    let page = home.path().join("page.html");
    let output = home.run(&["stats", "--html", page.to_str().unwrap()], b"");
    assert_eq!((output.code, output.stdout.as_str()), (Some(0), ""), "{output:?}");
    let text = fs::read_to_string(&page).unwrap();
    (page, text)
}

#[test]
fn the_page_is_self_contained_and_nothing_of_a_message_is_markup() {
    let (_, page) = page(&home());
    for part in ["Shops", "仕事/請求書", "Rules that never fired", "shop.example", "5.7.1"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    for part in ["<script", "<b>shops", "http:", "https:", "url(", "@import", " src=", "<link"] {
        assert!(!page.contains(part), "{part}: {page}");
    }
    assert!(page.contains("&lt;b&gt;shops &amp; offers&lt;/b&gt;"), "{page}");
}

#[test]
fn a_page_that_cannot_be_written_is_reported() {
    let home = home();
    let output = home.run(&["stats", "--html", "/nowhere/page.html"], b"");
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(output.stderr.contains("cannot write"), "{output:?}");
    // A device or a link is not replaced by a file.
    let link = home.path().join("page.html");
    std::os::unix::fs::symlink("elsewhere.html", &link).unwrap();
    let output = home.run(&["stats", "--html", link.to_str().unwrap()], b"");
    assert!(output.code == Some(2) && output.stderr.contains("regular file"), "{output:?}");
    assert!(link.is_symlink());
}

fn chromium(arguments: &[String]) -> Run {
    let mut command = Command::new(CHROMIUM);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"]);
    command.args(arguments);
    run(command, b"")
}

/// `MFILTER_SCREENSHOTS=FOLDER` keeps the pictures, to look at them.
#[test]
fn a_browser_shows_the_page_on_a_phone_and_in_the_dark() {
    if skipped("the look at the page of stats", &[CHROMIUM], false) {
        return;
    }
    let home = home();
    let (page, _) = page(&home);
    let data = format!("--user-data-dir={}", home.path().join("chromium").display());

    // Nothing is wider than a phone; the enclosing page checks, since this has no script.
    let outer = home.path().join("outer.html");
    fs::write(
        &outer,
        "<iframe id=f src=page.html style=\"width:360px;height:640px;border:0\"></iframe>\
         <script>onload = () => { const e = document.getElementById('f').contentDocument;\
         document.title = e.documentElement.scrollWidth + ' ' + e.querySelectorAll('tr').length }\
         </script>",
    )
    .unwrap();
    let url = |path: &Path| format!("file://{}", path.display());
    let output = chromium(&[data.clone(), "--dump-dom".into(), url(&outer)]);
    let title = output.stdout.split("<title>").nth(1).and_then(|rest| rest.split('<').next());
    let (width, rows) = title.and_then(|title| title.split_once(' ')).unwrap_or_default();
    assert!(width.parse::<u32>().is_ok_and(|width| width <= 360), "{title:?} {output:?}");
    assert!(rows.parse::<u32>().is_ok_and(|rows| rows > 8), "{title:?} {output:?}");

    let folder = std::env::var_os("MFILTER_SCREENSHOTS").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| home.path().to_owned());
    let mut pictures = Vec::new();
    for (name, size, scheme) in
        [("wide", "1000,1400", 1), ("phone", "500,1400", 1), ("dark", "500,1400", 0)]
    {
        let picture = folder.join(format!("stats-{name}.png"));
        let output = chromium(&[
            data.clone(),
            format!("--screenshot={}", picture.display()),
            format!("--window-size={size}"),
            "--hide-scrollbars".into(),
            format!("--blink-settings=preferredColorScheme={scheme}"),
            url(&page),
        ]);
        pictures.push(fs::read(&picture).unwrap_or_else(|error| panic!("{error} {output:?}")));
    }
    assert!(pictures.iter().all(|picture| picture.starts_with(b"\x89PNG") && picture.len() > 5000));
    assert_ne!(pictures[1], pictures[2], "the dark is another one");
}

#[test]
fn a_terminal_gets_bars_and_a_pipe_does_not() {
    let home = home();
    let plain = home.run(&["stats"], b"").stdout;
    assert!(plain.starts_with("the log from 2026-11-01T08:00:00Z to "), "{plain}");
    assert!(!plain.contains('█') && !plain.contains("by day"), "{plain}");
    if skipped("bars on a terminal", &["/usr/bin/script"], false) {
        return;
    }
    let shown = |term: &str, lang: &str, columns: u32| {
        let mut command = Command::new("/usr/bin/script");
        let call = format!("stty cols {columns}; {MFILTER} stats");
        command.args(["-qec", &call, "/dev/null"]);
        command.env("HOME", home.path()).env("TERM", term).env("LC_ALL", lang);
        run(command, b"").stdout
    };
    let bars = shown("xterm", "C.UTF-8", 100);
    assert!(bars.contains('█') && bars.contains("messages by day"), "{bars}");
    let ascii = shown("xterm", "C", 100);
    assert!(ascii.contains("####") && !ascii.contains('█'), "{ascii}");
    for (term, columns) in [("dumb", 100), ("xterm", 40)] {
        let none = shown(term, "C.UTF-8", columns);
        assert!(!none.contains('█') && !none.contains('#'), "{term}: {none}");
    }
}
