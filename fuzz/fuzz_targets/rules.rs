//! Any bytes as a rule file: parsed, checked, formatted; formatting the result must not
//! change it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mfilter::source::SourceFile;
use mfilter::syntax;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = syntax::decode(data) else { return };
    let file = SourceFile::new("rules", text);
    let (ast, diagnostics) = syntax::parse(0, &file);
    if diagnostics.is_empty() {
        let once = SourceFile::new("rules", syntax::format(&ast, &file));
        let (again, diagnostics) = syntax::parse(0, &once);
        assert!(diagnostics.is_empty(), "what was formatted does not parse");
        assert_eq!(syntax::format(&again, &once), once.text);
    }
});
