//! Any bytes as a Sieve script, a procmailrc, a maildrop filter, Thunderbird's filters and
//! Gmail's: the results are rules without a mistake, and each unit is counted once.

#![no_main]

use std::io::{Error, ErrorKind};
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use mfilter::import::{Options, gmail, maildrop, procmail, report, sieve, thunderbird};
use mfilter::language::Language;

fuzz_target!(|data: &[u8]| {
    for import in
        [sieve::import, procmail::import, maildrop::import, thunderbird::import, gmail::import]
    {
        let mut included = false;
        // The file may include itself once.
        let load = &mut |_: &Path| {
            let first = !std::mem::replace(&mut included, true);
            if first { Ok(data.to_vec()) } else { Err(Error::from(ErrorKind::NotFound)) }
        };
        let imported = import(Path::new("x"), data, &Options::default(), load);
        let imported = imported.unwrap_or_else(|bug| panic!("{}\n{}", bug.mistakes, bug.rules));
        let totals = report::totals(&imported);
        assert_eq!(totals.all, totals.exact + totals.approximate + totals.not);
        for language in [Language::English, Language::Japanese] {
            let _ = report::text(&imported, language, Some(40));
        }
    }
});
