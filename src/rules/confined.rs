//! Which parts of a confined user's rules the site decides.

use super::program::{Layout, LogSetting, Settings};
use crate::user::{Confinement, DeliveryLog};

/// Settings through which rules would reach outside the home, or affect more than
/// the user's own data: the layout of the store, which other programs read, and
/// what is run.
pub const DECIDED_BY_SITE: &[&str] =
    &["maildir", "layout", "shared", "log", "sendmail", "program-timeout"];

/// Replaces these settings of a confined user's rules by the site's.
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
