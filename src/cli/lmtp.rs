//! `mfilter lmtp`: mail for many users, from an MTA over LMTP.

use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::args::Lmtp;
use super::{CommandOutcome, output};
use crate::file::ANYWHERE;
use crate::lmtp::account_user::judge_state;
use crate::lmtp::config::{self, CONFIG};
use crate::lmtp::listen::Listener;
use crate::lmtp::server::Server;
use crate::lmtp::settings::{Identity, LmtpSettings};
use crate::lmtp::spawn::{OwnUid, Role};
use crate::lmtp::{accounts, launcher, worker};
use crate::source::read_bytes;
use crate::user::make_private;

/// Longer lists of users are not read, bytes.
const USERS_LIMIT: u64 = 16 << 20;

pub(super) fn run(call: &Lmtp) -> Result<CommandOutcome, String> {
    let settings = settings(call)?;
    if call.check {
        accounts::open(&settings.users)?;
        if !settings.own_uids {
            judge_state(
                &settings.state,
                settings.identity.unwrap_or_else(Identity::of_process).uid,
            )?;
        }
        return Ok(CommandOutcome::Fine);
    }
    let is_root = rustix::process::geteuid().is_root();
    match (is_root, settings.identity) {
        (true, None) => Err("started as root it needs to know whom to become: --user-id for one \
                             account that has all mail, or --front-id where users have uids of \
                             their own"
            .into()),
        (true, Some(_)) if settings.own_uids => {
            let listener = listener(&settings)?;
            output::error(&format!("listening at {}", listener.place()));
            let again = call.clone();
            let reload = move || self::settings(&again);
            launcher::run(&listener, settings, &reload, &tell).map(|()| CommandOutcome::Fine)
        }
        (true, Some(identity)) => Err(become_user(&settings, identity)),
        (false, Some(identity)) if identity != Identity::of_process() || settings.own_uids => {
            Err("only root can become another user".into())
        }
        (false, _) => serve(settings, call),
    }
}

/// All mail belongs to this process's uid.
fn serve(settings: LmtpSettings, call: &Lmtp) -> Result<CommandOutcome, String> {
    let listener = listener(&settings)?;
    // Where it cannot be made the next line says why.
    let _ = make_private(&settings.state, None);
    judge_state(&settings.state, Identity::of_process().uid)?;
    output::error(&format!("listening at {}", listener.place()));
    let server = Server::new(settings, Box::new(OwnUid), Arc::new(tell))?;
    let call = call.clone();
    let served = Arc::new(server).serve(listener, &move || self::settings(&call));
    served.map_err(|error| format!("nobody can connect any more: {error}"))?;
    Ok(CommandOutcome::Fine)
}

/// Starts this program anew as another user, with the listening socket as standard
/// input. Returns only if that fails.
fn become_user(settings: &LmtpSettings, identity: Identity) -> String {
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_default();
    let mut command = std::process::Command::new("/proc/self/exe");
    command.arg0(program).args(arguments).gid(identity.gid).uid(identity.uid);
    if settings.listen.is_some() {
        let bound = listener(settings).and_then(|mut listener| {
            // It stays where it is for the program that is this one from now on.
            std::mem::forget(listener.leave());
            listener.to_owned_fd().map_err(|error| error.to_string())
        });
        match bound {
            Ok(socket) => command.stdin(socket).arg("--inherited"),
            Err(why) => return why,
        };
    }
    format!("cannot become uid {}: {}", identity.uid, command.exec())
}

fn listener(settings: &LmtpSettings) -> Result<Listener, String> {
    match &settings.listen {
        Some(address) => Listener::bind(address, settings.socket_mode, settings.identity),
        None => Listener::inherited(),
    }
}

/// One line for the log. What clients send is in it.
fn tell(text: &str) {
    output::error(&crate::text::shown_sentence(text));
}

/// The settings that the command line asks for.
fn settings(call: &Lmtp) -> Result<LmtpSettings, String> {
    let file = call.config.as_deref().unwrap_or(Path::new(CONFIG));
    let mut settings = config::read(file, call.config.is_some()).map_err(|why| why.to_string())?;
    if let Some(listen) = &call.listen {
        settings.listen = Some(listen.clone());
    }
    if call.inherited {
        settings.listen = None;
    }
    if let Some(state) = &call.state {
        settings.state = state.clone();
    }
    if let Some(site) = &call.site {
        settings.site = Some(site.clone());
    }
    if let Some(name) = call.user_id.as_deref().or(call.front_id.as_deref()) {
        settings.identity = Some(identity_of(name)?);
        settings.own_uids = call.front_id.is_some();
    }
    if let Some(users) = &call.users {
        settings.users = users.clone();
    }
    if let Some(store) = &call.store {
        settings.store = store.clone();
    }
    if let Some(workers) = call.workers {
        settings.workers = workers.into();
    }
    if let Some(connections) = call.connections {
        settings.connections = connections.into();
    }
    if let Some(delimiter) = &call.delimiter {
        settings.delimiter = delimiter.clone();
    }
    if let Some(size) = call.message_size {
        settings.message_size = size;
    }
    if let Some(mode) = call.socket_mode {
        settings.socket_mode = mode;
    }
    Ok(settings)
}

fn identity_of(name: &str) -> Result<Identity, String> {
    let users = read_bytes(&ANYWHERE, "/etc/passwd".as_ref(), USERS_LIMIT);
    Identity::of(name, &users.unwrap_or_default())
}

/// The roles in which a server starts itself, told apart before anything else is read.
pub(super) fn role(arguments: &[std::ffi::OsString]) -> Option<Role> {
    let [_, command, role] = arguments else { return None };
    if command != "lmtp" { None } else { Role::of(role.to_str()?) }
}

/// Plays such a role.
pub(super) fn play(role: Role) -> ExitCode {
    if role == Role::Worker {
        // Who ends the server tells all of its processes; a worker ends when its message is
        // delivered and the front closes the socket.
        for signal in [SIGTERM, SIGINT, SIGHUP] {
            let _ = signal_hook::flag::register(signal, Arc::default());
        }
    }
    let socket = rustix::stdio::stdin().try_clone_to_owned().map(UnixStream::from);
    let played = match (role, socket) {
        (_, Err(error)) => Err(error.to_string()),
        (Role::Worker, Ok(socket)) => worker::run(&socket).map_err(|error| error.to_string()),
        (Role::Front, Ok(_)) => launcher::front(Arc::new(tell)),
    };
    match played {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            output::error(&why);
            ExitCode::FAILURE
        }
    }
}
