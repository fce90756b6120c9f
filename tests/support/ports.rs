//! Ports on 127.0.0.1 for servers that are told a number.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

/// Below them are the ports of services, above them those that the kernel chooses: any
/// connection or listener of another test can get one of these at any time.
const PORTS: std::ops::Range<u16> = 20_000..32_768;

/// A port where nothing listens, and that no other call in this process gives. It is still
/// free when the server binds it.
pub fn free_port() -> u16 {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    // Other runs of the tests begin elsewhere.
    let first = std::process::id().wrapping_mul(97);
    let count = u32::from(PORTS.end - PORTS.start);
    (0..count)
        .map(|_| first.wrapping_add(CALLS.fetch_add(1, Ordering::Relaxed)) % count)
        .map(|number| PORTS.start + u16::try_from(number).expect("below the count"))
        .find(|&port| TcpListener::bind(("127.0.0.1", port)).is_ok())
        .expect("a free port")
}
