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
mod duplicates;
mod fetchers;
mod history;
mod hostile;
mod import;
mod import_maildrop;
mod import_mail;
mod import_mutated;
mod import_procmail;
mod import_readers;
mod import_try;
mod include_sieve;
mod inbox_folder;
mod isp_filter;
mod judge;
mod kinds;
mod licences;
mod link;
mod managesieve;
mod mbsync;
mod moves;
mod output;
mod packages;
mod pigeonhole;
mod places;
mod processes;
mod qmail;
mod quota;
mod reach;
mod scanners;
mod sender_text;
mod sharing;
mod shortcuts;
mod sieve_differential;
mod soak;
mod sort;
mod stand_ins;
mod states;
mod subscriptions;
mod users;
mod watch;
mod why;
mod writers;
