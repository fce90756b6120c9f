//! Signals as sockets that can be waited for together with others.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

/// A socket for each kind of signal, which becomes readable when one arrives.
pub(super) struct Signals {
    /// SIGTERM and SIGINT: it is time to end.
    pub(super) end: UnixStream,
    /// SIGHUP: the settings are to be read again.
    pub(super) renew: UnixStream,
}

impl Signals {
    /// From now on these signals are heard, and do not kill this process.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn register() -> io::Result<Signals> {
        let (end, end_sent) = UnixStream::pair()?;
        let (renew, renew_sent) = UnixStream::pair()?;
        for signal in [SIGTERM, SIGINT] {
            pipe::register(signal, end_sent.try_clone()?)?;
        }
        pipe::register(SIGHUP, renew_sent)?;
        renew.set_nonblocking(true)?;
        Ok(Signals { end, renew })
    }

    /// Makes `renew` wait for the next signal.
    pub(super) fn clear_renew(&self) {
        let _ = (&self.renew).read(&mut [0; 64]);
    }
}
