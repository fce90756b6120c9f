//! Publishes the metrics: in a file that is replaced, and to whoever connects to a
//! socket.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::listen::{Listener, wait_for};
use super::metrics::Metrics;
use super::pool::PoolLog;
use super::settings::{ListenAddress, MetricsPlaces};
use crate::file;

/// How often the file is written.
const FILE_INTERVAL: Duration = Duration::from_secs(5);
/// The file's mode: the program that collects metrics runs as another user.
const FILE_MODE: u32 = 0o644;
/// The socket's mode.
const SOCKET_MODE: u32 = 0o660;

/// Publishes the metrics until it is ended.
pub struct Exporter {
    end: UnixStream,
    thread: JoinHandle<()>,
}

impl Exporter {
    /// Begins to publish them; none if no place is set for them. What goes wrong here is
    /// logged and costs no mail.
    pub fn start(
        places: &MetricsPlaces,
        metrics: Arc<Metrics>,
        tell: Arc<PoolLog>,
    ) -> Option<Exporter> {
        if *places == MetricsPlaces::default() {
            return None;
        }
        let bound = places.socket.clone().map(|path| {
            let listener = Listener::bind(&ListenAddress::Unix(path), SOCKET_MODE, None)?;
            listener.set_nonblocking(true).map_err(|error| error.to_string())?;
            Ok(listener)
        });
        let listener = bound.transpose().unwrap_or_else(|why: String| {
            tell(&format!("metrics: {why}"));
            None
        });
        let file = places.file.clone();
        let run = {
            let tell = Arc::clone(&tell);
            move |ended: UnixStream| export(&ended, file, listener, &metrics, &*tell)
        };
        let started = UnixStream::pair().and_then(|(end, ended)| {
            let thread = thread::Builder::new().name("metrics".into());
            Ok(Exporter { end, thread: thread.spawn(move || run(ended))? })
        });
        started.map_err(|error| tell(&format!("metrics: {error}"))).ok()
    }

    /// Writes the file for the last time.
    pub fn end(self) {
        drop(self.end);
        let _ = self.thread.join();
    }
}

fn export(
    ended: &UnixStream,
    file: Option<PathBuf>,
    listener: Option<Listener>,
    metrics: &Metrics,
    tell: &PoolLog,
) {
    let mut failure = None;
    let mut write = || {
        let Some(path) = &file else { return };
        let failed = file::replace(path, metrics.text().as_bytes(), FILE_MODE).err();
        let why = failed.map(|error| format!("metrics: {}: {error}", path.display()));
        // Logged once, not every few seconds.
        if let Some(why) = why.as_ref().filter(|_| why != failure) {
            tell(why);
        }
        failure = why;
    };
    let mut due = Instant::now();
    loop {
        if due <= Instant::now() {
            write();
            due = Instant::now() + FILE_INTERVAL;
        }
        let mut watched: Vec<&dyn AsFd> = vec![ended];
        let socket = listener.as_ref().map(Listener::as_fd);
        watched.extend(socket.as_ref().map(|socket| socket as &dyn AsFd));
        let Ok(ready) = wait_for(&watched, due.saturating_duration_since(Instant::now())) else {
            break;
        };
        if let (Some(true), Some(listener)) = (ready.get(1), &listener)
            && answer(listener, metrics).is_err()
        {
            // For example no descriptors are left: do not try again at once.
            thread::sleep(Duration::from_millis(20));
        }
        if ready.first() == Some(&true) {
            break;
        }
    }
    write();
}

/// Sends the metrics to one client. The text fits into the socket's buffer; if that is
/// smaller, the client gets what fits, since we never wait for a client.
fn answer(listener: &Listener, metrics: &Metrics) -> io::Result<()> {
    let client = listener.accept()?;
    rustix::io::ioctl_fionbio(&client, true)?;
    let _ = (&client).write_all(metrics.text().as_bytes());
    Ok(())
}
