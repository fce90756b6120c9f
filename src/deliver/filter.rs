//! The programs of `filter`, the only ones that run before there is a plan.

use super::context::{DeliveryContext, printed_lines};
use super::program;
use crate::evaluate::{FilterOutcome, FilterRunner};
use crate::message::{HeaderEdit, Message};

/// Runs filters as a delivery does.
pub struct Programs<'a> {
    context: &'a DeliveryContext,
    /// What they printed, and why one failed.
    pub notes: Vec<String>,
}

impl<'a> Programs<'a> {
    /// Runs filters with what a delivery may use.
    pub fn new(context: &'a DeliveryContext) -> Programs<'a> {
        Programs { context, notes: Vec::new() }
    }
}

impl FilterRunner for Programs<'_> {
    fn filter(
        &mut self,
        argv: &[String],
        message: &Message,
        edits: &[HeaderEdit],
    ) -> FilterOutcome {
        let name = argv.first().map_or("", String::as_str);
        // Room for what a filter may add, but no more.
        let limit = message.size().unwrap_or(0).saturating_mul(4) + (16 << 20);
        let result = program::filter(&self.context.call(argv), message, edits, limit);
        self.notes.extend(printed_lines(name, result.printed));
        match result.message {
            Ok(replacement) => FilterOutcome::Replaced(Box::new(replacement)),
            Err(why) => {
                self.notes.push(format!("`{name}` {why}; the message stays as it was"));
                match result.may_pass {
                    true => FilterOutcome::Unavailable(format!("`{name}` {why}")),
                    false => FilterOutcome::Failed,
                }
            }
        }
    }
}
