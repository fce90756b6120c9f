//! The progress of a walk, for a person who waits: a bar on standard error, if that is a
//! terminal.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output;
use crate::mailbox;

/// Whether standard error is a terminal that can move its cursor, and nothing else is
/// printed there.
fn is_shown(quiet: bool) -> bool {
    let free = quiet || !std::io::stdout().is_terminal();
    free && std::io::stderr().is_terminal() && !output::is_dumb()
}

/// A bar, or none.
pub(super) struct ProgressMeter(Option<ProgressBar>);

const MESSAGES: &str = "{wide_bar} {pos} of {len} messages, {eta} left";
const BYTES: &str = "{wide_bar} {bytes} of {total_bytes}, {eta} left";

impl ProgressMeter {
    fn new(length: impl FnOnce() -> u64, style: &str, quiet: bool) -> ProgressMeter {
        if !is_shown(quiet) {
            return ProgressMeter(None);
        }
        let bar = match length() {
            // Not known yet, or nothing to do: with a length of 0 the bar would be full.
            0 => ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()),
            length => ProgressBar::new(length),
        };
        bar.set_style(
            ProgressStyle::with_template(&output::say(style))
                .unwrap_or(ProgressStyle::default_bar()),
        );
        bar.enable_steady_tick(Duration::from_millis(200));
        ProgressMeter(Some(bar))
    }

    /// A bar for what is below these paths; `quiet` says that nothing else is printed.
    /// The files are counted while the work goes on.
    pub(super) fn start(paths: &[PathBuf], quiet: bool) -> ProgressMeter {
        let meter = match paths.is_empty() {
            true => ProgressMeter(None),
            false => ProgressMeter::new(|| 0, MESSAGES, quiet),
        };
        if let Some(bar) = &meter.0 {
            let (counted, paths) = (bar.clone(), paths.to_owned());
            // The thread ends by itself; if it cannot be started, the bar shows no total.
            let count = move || lengthen(&counted, mailbox::count(paths) as u64);
            let _ = std::thread::Builder::new().spawn(count);
        }
        meter
    }

    /// A bar for messages, which are counted only if there is a bar.
    pub(super) fn of_messages(count: impl FnOnce() -> usize, quiet: bool) -> ProgressMeter {
        ProgressMeter::new(|| count() as u64, MESSAGES, quiet)
    }

    /// A bar for a number of bytes.
    pub(super) fn of_bytes(bytes: u64, quiet: bool) -> ProgressMeter {
        ProgressMeter::new(|| bytes, BYTES, quiet)
    }

    /// How many messages are still to be done: never more than were left before.
    pub(super) fn left(&self, count: usize) {
        if let Some(bar) = &self.0 {
            let length = bar.length().unwrap_or(0).max(count as u64);
            if length == 0 {
                return;
            }
            bar.set_length(length);
            bar.set_position(length - count as u64);
            show(bar);
        }
    }

    /// `bytes` more are done.
    pub(super) fn done_bytes(&self, bytes: u64) {
        if let Some(bar) = &self.0 {
            bar.inc(bytes);
            show(bar);
        }
    }

    /// One more message is done; `number` is its place in an mbox.
    pub(super) fn done(&self, number: usize) {
        if let Some(bar) = &self.0 {
            // An mbox counts as one file until its messages are known.
            if number > 1 {
                lengthen(bar, 1);
            }
            bar.inc(1);
            show(bar);
        }
    }

    /// Reports a problem without disturbing the bar.
    pub(super) fn error(&self, text: &str) {
        match &self.0 {
            Some(bar) => bar.suspend(|| output::error(text)),
            None => output::error(text),
        }
    }

    /// Removes the bar.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// Shows a bar that was hidden while there was nothing to do.
fn show(bar: &ProgressBar) {
    if bar.is_hidden() {
        bar.set_draw_target(ProgressDrawTarget::stderr());
        bar.force_draw();
    }
}

/// Adds to the length of a bar, even if it has none yet.
fn lengthen(bar: &ProgressBar, by: u64) {
    bar.update(|state| state.set_len(state.len().unwrap_or(0).saturating_add(by)));
    if by > 0 {
        show(bar);
    }
}
