//! One recipient that could not be reached.

use super::{status, words};

/// One recipient of a delivery report (RFC 3464 §2.3).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecipientFailure {
    /// Address.
    pub recipient: Option<String>,
    /// RFC 3463 code.
    pub status: Option<String>,
    /// In the mail system's words, one line.
    pub reason: Option<String>,
    /// RFC 3464 §2.3.3, lower case; empty while it is neither stated nor completed.
    pub action: String,
}

impl RecipientFailure {
    /// Not delivered, not relayed, not expanded.
    pub(super) fn is_bad(&self) -> bool {
        match self.action.as_str() {
            "" => self.status.as_ref().is_none_or(|status| !status.starts_with('2')),
            "delivered" | "relayed" | "expanded" | "deliverable" => false,
            _ => true,
        }
    }

    /// Fills in a missing action and status: from the words of the reason, from
    /// those of the whole report, from the reply code. If no reply says
    /// otherwise, a delivery that was given up counts as a permanent failure,
    /// even if it was time that ran out (RFC 3463 §3.5 and its appendix B).
    pub(super) fn complete(&mut self, delayed: bool, report: &str) {
        let reason = self.reason.as_deref().unwrap_or_default();
        let stated = self.status.take();
        let reply = status::reply(reason);
        let temporary = delayed || reply.is_some_and(|code| code < 500);
        let class = if temporary { '4' } else { '5' };
        let status = status::refine(stated, reason)
            .or_else(|| words::status_of(&reason.to_lowercase(), class))
            .or_else(|| words::status_of(report, class))
            .or_else(|| reply.map(|code| status::of_reply(code).to_owned()))
            .unwrap_or_else(|| format!("{class}.0.0"));
        if self.action.is_empty() {
            self.action = if delayed { "delayed" } else { "failed" }.to_owned();
        }
        self.status = Some(status);
    }
}
