//! `mfilter managesieve`: the pass-through that refuses scripts which cannot be run.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use super::args::{LayoutName, separator};
use super::{CommandOutcome, output};
use crate::load::script::{Namespace, check_script};
use crate::managesieve::Gateway;
use crate::rules::program::{Layout, Settings};
use crate::user::User;

/// `mfilter managesieve`
#[derive(clap::Args, Debug)]
pub(super) struct ManageSieveArgs {
    /// Where Dovecot's login process connects
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:4191")]
    pub(super) listen: SocketAddr,

    /// The ManageSieve server that keeps the scripts
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:4192")]
    pub(super) server: SocketAddr,

    /// The separator between folder levels in scripts [default: .]
    #[arg(long, value_name = "SIGN", value_parser = separator)]
    pub(super) separator: Option<char>,

    /// The prefix of folder names [default: nothing]
    #[arg(long, value_name = "TEXT")]
    pub(super) prefix: Option<String>,

    /// The layout of folders in the Maildirs [default: maildir++]
    #[arg(long, value_enum, value_name = "LAYOUT")]
    pub(super) layout: Option<LayoutName>,

    /// Connections at the same time [default: 200]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) connections: Option<u16>,
}

pub(super) fn run(call: &ManageSieveArgs) -> Result<CommandOutcome, String> {
    let listener = TcpListener::bind(call.listen)
        .map_err(|error| format!("cannot listen at {}: {error}", call.listen))?;
    let listening: SocketAddr = listener.local_addr().map_err(|error| error.to_string())?;
    if listening == call.server {
        return Err(
            "it would connect to itself: `--server` is the server that keeps the scripts".into()
        );
    }
    let layout = match call.layout {
        Some(LayoutName::Fs) => Layout::Fs,
        Some(LayoutName::MaildirPlusPlus) | None => Layout::MaildirPlusPlus,
    };
    let namespace = Namespace {
        separator: call.separator.unwrap_or('.'),
        prefix: call.prefix.clone().unwrap_or_default(),
        settings: Settings { layout, ..Settings::default() },
    };
    let judge = move |script: &[u8]| faults(script, &namespace);
    let tell = |text: &str| output::log_line(text);
    output::log_line(&format!("listening at {listening} for {}", call.server));
    let mut gateway = Gateway::new(call.server, Box::new(judge), Box::new(tell));
    if let Some(most) = call.connections {
        gateway.limits.connections = usize::from(most);
    }
    let served = Arc::new(gateway).serve(&listener);
    served.map_err(|error| format!("cannot accept connections: {error}"))?;
    Ok(CommandOutcome::Fine)
}

/// What in a script cannot be done, one line each. It must not include other scripts:
/// their owner is not known here.
fn faults(script: &[u8], namespace: &Namespace) -> Vec<String> {
    let nobody = User::default();
    let (diagnostics, sources) =
        check_script(Path::new("script"), None, script, namespace, &nobody);
    let line =
        |span| match sources.path(span) == Path::new("script") && !sources.text(span).is_empty() {
            true => format!("line {}: ", sources.line(span)),
            false => String::new(),
        };
    diagnostics
        .iter()
        .map(|diagnostic| format!("{}{}", line(diagnostic.span), diagnostic.message))
        .collect()
}
