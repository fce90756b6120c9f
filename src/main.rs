//! The thin binary: see [`mfilter::cli`].

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    mfilter::cli::main(std::env::args_os().collect())
}
