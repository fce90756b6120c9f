//! A language server for rules: what `mfilter check`, `fmt` and the manual know, while
//! somebody writes in an editor. The Language Server Protocol 3.17 over standard input
//! and output.
//!
//! Nothing is written but answers, and no program is run. What is read is what `check`
//! reads, where the texts that are open count instead of their files.

mod completion;
mod definition;
mod diagnostics;
mod document;
mod frame;
mod hover;
mod manual;
mod names;
mod rule_files;
mod server;

pub use server::serve;
