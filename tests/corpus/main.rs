//! The classifiers do what they promise on a corpus of labelled mail, where
//! there is one.

#![allow(clippy::print_stderr)]

mod measure;
