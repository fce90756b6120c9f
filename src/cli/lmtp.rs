//! `mfilter lmtp`: mail for many users, from an MTA over LMTP.

use std::ffi::CStr;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::output::{localized, say};
use super::{CommandOutcome, output};
use crate::lmtp::account_user::{judge_future_state, judge_state};
use crate::lmtp::config::{self, CONFIG, ConfigError};
use crate::lmtp::listen::Listener;
use crate::lmtp::readiness::{self, ServerNeed};
use crate::lmtp::server::Server;
use crate::lmtp::settings::{Identity, LmtpSettings};
use crate::lmtp::settings::{ListenAddress, StoreSetting, UserSource};
use crate::lmtp::spawn::{OwnUid, Role};
use crate::lmtp::{launcher, worker};
use crate::platform::name_process;
use crate::text::shown_sentence;
use crate::user::make_private;

/// `mfilter lmtp`
#[derive(clap::Args, Debug, Clone)]
pub(super) struct LmtpArgs {
    /// The settings; options win [default: /etc/mfilter/lmtp.conf]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// Where MTAs connect, on this machine: `unix:PATH` or `HOST:PORT` [default: standard
    /// input is the listening socket, as systemd gives it]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) listen: Option<ListenAddress>,

    /// The mode of the unix socket [default: 0660]
    #[arg(long, value_name = "MODE", value_parser = octal)]
    pub(super) socket_mode: Option<u32>,

    /// Where users are looked up: `dovecot:PATH`, `passwd`, `passwd-file:PATH`,
    /// `template:DIR/{user}` [default: passwd]
    #[arg(long, value_name = "SOURCE")]
    pub(super) users: Option<UserSource>,

    /// Where mail is stored: `maildir`, or `lmtp:` or `imap:` and `unix:PATH` or `HOST:PORT`
    /// [default: maildir]
    #[arg(long, value_name = "STORE")]
    pub(super) store: Option<StoreSetting>,

    /// Where the state of users who share a uid is kept [default: /var/lib/mfilter]
    #[arg(long, value_name = "DIR")]
    pub(super) state: Option<PathBuf>,

    /// Started as root: the account that has all mail, and that the server becomes
    #[arg(long, value_name = "USER", conflicts_with = "front_id")]
    pub(super) user_id: Option<String>,

    /// Started as root, where users have uids of their own: the account that speaks to
    /// clients, and has no mail
    #[arg(long, value_name = "USER")]
    pub(super) front_id: Option<String>,

    /// Deliveries at the same time [default: twice the processors, at least 16]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) workers: Option<u16>,

    /// Connections at the same time [default: 100]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) connections: Option<u16>,

    /// The characters that separate an address's detail; empty for none [default: +]
    #[arg(long, value_name = "SIGNS")]
    pub(super) delimiter: Option<String>,

    /// The largest message; an MTA that takes larger ones bounces them [default: no limit]
    #[arg(long, value_name = "BYTES")]
    pub(super) message_size: Option<u64>,

    /// The provider's site rules [default: /etc/mfilter/site.mailrules]
    #[arg(long, value_name = "FILE")]
    pub(super) site: Option<PathBuf>,

    /// Check whether it could start and deliver, and say what is wrong
    #[arg(long)]
    pub(super) check: bool,

    /// With --check: look this user up, too
    #[arg(long, value_name = "ADDRESS", requires = "check")]
    pub(super) user: Option<String>,

    /// The listening socket is standard input, whatever `--listen` says; its place is for
    /// the log.
    #[arg(long, hide = true, value_name = "PLACE")]
    pub(super) inherited: Option<String>,
}

/// A mode as chmod(1) accepts it.
fn octal(written: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(written, 8).ok().filter(|mode| *mode <= 0o777);
    mode.ok_or_else(|| "it is three or four octal digits".into())
}

/// What ps(1) shows.
const NAME: &CStr = c"mfilter";

pub(super) fn run(call: &LmtpArgs) -> Result<CommandOutcome, String> {
    name_process(NAME);
    let settings = settings(call)?;
    let is_root = rustix::process::geteuid().is_root();
    match (is_root, settings.identity) {
        (true, None) => Err("started as root it needs to know whom to become: --user-id for one \
                             account that has all mail, or --front-id where users have uids of \
                             their own"
            .into()),
        (false, Some(identity)) if identity != Identity::of_process() || settings.own_uids => Err(
            format!("only root can become uid {}: run this as root, or as that user", identity.uid),
        ),
        (_, identity) if call.check => check(call, &settings, identity.filter(|_| is_root)),
        (true, Some(_)) if settings.own_uids => {
            let listener = listener(&settings)?;
            let reload = reload(call);
            let ready = || tell_place(&listener.place());
            launcher::run(&listener, settings, &reload, &tell, ready).map(|()| CommandOutcome::Fine)
        }
        (true, Some(identity)) => Err(become_user(&settings, identity)),
        (false, _) => serve(settings, call),
    }
}

/// Checks what the server needs; what its uid must be able to do is checked by a process
/// with that uid, if root would switch to it.
fn check(
    call: &LmtpArgs,
    settings: &LmtpSettings,
    become_one: Option<Identity>,
) -> Result<CommandOutcome, String> {
    let mut needs = Vec::new();
    if call.inherited.is_none() {
        let version = Ok(env!("CARGO_PKG_VERSION").to_owned());
        needs.push(ServerNeed { name: "mfilter".into(), found: version });
        needs.push(readiness::settings_file(settings_file(call)));
        needs.push(readiness::listening(settings));
    }
    let identity = become_one.filter(|_| !settings.own_uids);
    if identity.is_none() {
        needs.extend(readiness::look(settings, call.user.as_deref()));
    }
    for ServerNeed { name, found } in &needs {
        output::print(&match found {
            Ok(how) => format!("{name}: {}\n", shown_sentence(&localized(how))),
            Err(why) => {
                format!("{name}: {} {}\n", say("error:"), shown_sentence(&localized(why)))
            }
        });
    }
    let own = needs.iter().all(|need| need.found.is_ok());
    let others = match identity {
        Some(identity) => {
            let mut command = std::process::Command::new("/proc/self/exe");
            command.args(std::env::args_os().skip(1)).arg("--inherited=");
            let status = command.gid(identity.gid).uid(identity.uid).status();
            status
                .map_err(|error| format!("cannot become uid {}: {error}", identity.uid))?
                .success()
        }
        None => true,
    };
    Ok(CommandOutcome::found_if(!own || !others))
}

/// Serves where all mail belongs to this process's uid.
fn serve(settings: LmtpSettings, call: &LmtpArgs) -> Result<CommandOutcome, String> {
    // If it cannot be created, the next line says why.
    let _ = make_private(&settings.state, None);
    judge_state(&settings.state, Identity::of_process().uid)?;
    readiness::confined(&settings.state)?;
    let server = Server::new(settings.clone(), Box::new(OwnUid), Arc::new(tell))?;
    // It takes the place of the socket of a server that runs: only when nothing else can
    // be wrong.
    let mut listener = listener(&settings)?;
    if let Some(place) = &call.inherited {
        listener.adopt(place);
    }
    let place = listener.place();
    let reload = reload(call);
    let served = Arc::new(server).serve(listener, &reload, || tell_place(&place));
    served.map_err(|error| format!("nobody can connect any more: {error}"))?;
    Ok(CommandOutcome::Fine)
}

fn tell_place(place: &str) {
    output::log_line(&format!("listening at {place}"));
}

/// Starts this program again as another user, with the listening socket as standard
/// input. Returns only if that fails.
fn become_user(settings: &LmtpSettings, identity: Identity) -> String {
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_default();
    let mut command = std::process::Command::new("/proc/self/exe");
    command.arg0(program).args(arguments).gid(identity.gid).uid(identity.uid);
    if settings.listen.is_some() {
        // The other user could refuse to serve, but not put back the socket of a server
        // that runs.
        if let Err(why) = judge_future_state(&settings.state, identity.uid) {
            return why;
        }
        let bound = listener(settings).and_then(|mut listener| {
            command.arg(format!("--inherited={}", listener.place()));
            // The socket file stays for the program that replaces this process.
            std::mem::forget(listener.leave());
            listener.to_owned_fd().map_err(|error| error.to_string())
        });
        match bound {
            Ok(socket) => command.stdin(socket),
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

/// Writes one line to the log, with paths as they are: the homes in it are those of many
/// users. It may contain what clients sent.
fn tell(text: &str) {
    output::to_stderr(&format!("mfilter: {}\n", text.replace('\n', " ")));
}

/// The settings as they are at the start.
fn settings(call: &LmtpArgs) -> Result<LmtpSettings, String> {
    with_options(call, config::read(settings_file(call), call.config.is_some()))
}

/// Reads the settings again. A file that had some is then needed.
fn reload(call: &LmtpArgs) -> impl Fn() -> Result<LmtpSettings, String> + Send + Sync + 'static {
    let call = call.clone();
    let had_some = config::read_again(settings_file(&call)).is_ok();
    move || match had_some {
        true => with_options(&call, config::read_again(settings_file(&call))),
        false => settings(&call),
    }
}

fn settings_file(call: &LmtpArgs) -> &Path {
    call.config.as_deref().unwrap_or(Path::new(CONFIG))
}

/// The settings that the file and the command line ask for.
fn with_options(
    call: &LmtpArgs,
    read: Result<LmtpSettings, ConfigError>,
) -> Result<LmtpSettings, String> {
    let mut settings = read.map_err(|why| why.to_string())?;
    if let Some(listen) = &call.listen {
        settings.listen = Some(listen.clone());
    }
    if call.inherited.is_some() {
        settings.listen = None;
    }
    if let Some(state) = &call.state {
        settings.state = state.clone();
    }
    if let Some(site) = &call.site {
        settings.site = Some(site.clone());
    }
    if let Some(name) = call.user_id.as_deref().or(call.front_id.as_deref()) {
        settings.identity = Some(config::identity(name)?);
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
    if settings.own_uids && settings.create_homes_below.is_some() {
        return Err("`create-homes-below` is for users who share a uid; others cannot create \
                    their homes"
            .into());
    }
    // Workers, which need it, would say so to nobody.
    settings.mail_store()?;
    Ok(settings)
}

/// The role in which a server starts itself, recognized before anything else is read.
pub(super) fn role(arguments: &[std::ffi::OsString]) -> Option<Role> {
    let [_, command, role] = arguments else { return None };
    if command != "lmtp" { None } else { Role::of(role.to_str()?) }
}

/// Runs in such a role.
pub(super) fn play(role: Role) -> ExitCode {
    name_process(NAME);
    if role == Role::Worker {
        // Stopping the server signals all of its processes; a worker ends when its
        // message is delivered and the front closes the socket.
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
            output::log_line(&why);
            ExitCode::FAILURE
        }
    }
}
