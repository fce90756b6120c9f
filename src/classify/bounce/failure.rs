//! One recipient that could not be reached.

use super::{status, words};

/// One recipient of a delivery report (RFC 3464 §2.3).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Failure {
    /// Address.
    pub recipient: Option<String>,
    /// RFC 3463 code.
    pub status: Option<String>,
    /// In the words of the mail system, one line.
    pub reason: Option<String>,
    /// RFC 3464 §2.3.3, lower case; empty where it is not stated.
    pub action: String,
}

impl Failure {
    /// Not delivered, not relayed, not expanded.
    pub(super) fn is_bad(&self) -> bool {
        match self.action.as_str() {
            "" => self.status.as_ref().is_none_or(|status| !status.starts_with('2')),
            "delivered" | "relayed" | "expanded" | "deliverable" => false,
            _ => true,
        }
    }

    /// A status where none, or none but a vague one, is stated; `otherwise` is
    /// what the report as a whole means.
    pub(super) fn complete(&mut self, delayed: bool, otherwise: impl FnOnce() -> String) {
        let reason = self.reason.as_deref().unwrap_or_default();
        let stated = self.status.take();
        let status = status::refine(stated, reason)
            .or_else(|| words::status_of(&reason.to_lowercase(), delayed));
        self.status = Some(status.unwrap_or_else(otherwise));
    }
}
