//! What in the rules of a confined user is the site's to say.

use super::program::{Layout, LogSetting, Settings};
use crate::user::{Confinement, DeliveryLog};

/// Settings by which rules would reach out of the home, or at what is not the user's
/// alone: how the store is laid out, which other programs read, and what runs.
pub const SITE_SETTINGS: &[&str] =
    &["maildir", "layout", "shared", "log", "sendmail", "program-timeout"];

/// Puts what the site says in the place of what a confined user's rules say.
pub fn set_by_site(settings: &mut Settings, confinement: Option<&Confinement>) {
    let Some(site) = confinement else { return };
    settings.maildir = None;
    settings.layout = if site.fs_layout { Layout::Fs } else { Layout::MaildirPlusPlus };
    settings.shared = false;
    settings.log = match site.log {
        DeliveryLog::State => LogSetting::State,
        DeliveryLog::Syslog => LogSetting::Syslog,
        DeliveryLog::Off => LogSetting::Off,
    };
    settings.sendmail = site.sendmail.clone();
    settings.program_timeout = site.program_timeout;
}

/// Why a program is not run.
pub fn not_allowed(program: &str) -> String {
    format!("the provider does not let rules run `{program}`")
}
