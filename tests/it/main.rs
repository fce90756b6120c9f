//! Tests of the whole program that any user can run: one binary, one module
//! for each subject, so that the library is linked once.

#[path = "../support/mod.rs"]
mod support;

mod advisories;
mod architecture;
mod backtest;
mod callers;
mod cases;
mod completions;
mod corpus;
mod documents;
mod dovecot;
mod history;
mod fetchers;
mod hostile;
mod isp_filter;
mod kinds;
mod large;
mod licences;
mod mbsync;
mod moves;
mod processes;
mod qmail;
mod reach;
mod scanners;
mod sharing;
mod shortcuts;
mod soak;
mod sort;
mod users;
mod watch;
mod why;
mod writers;
