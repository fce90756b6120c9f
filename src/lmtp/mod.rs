//! `mfilter lmtp`: mail for many users over LMTP (RFC 2033), each message filed by
//! the recipient's own rules.
//!
//! There are three roles, and the program starts itself again for each. The **front**
//! accepts connections and speaks LMTP; it does not look into messages. A **worker** has
//! the uid of the user and delivers, one job after the other, with the rules kept warm.
//! Where users have uids of their own, a **launcher** is root, starts the workers and
//! sees no mail at all. A message that breaks a worker costs that worker and one 451; the
//! session with the MTA goes on, since two broken sessions make an MTA hold back all
//! mail.

pub mod account_user;
pub mod accounts;
pub mod config;
pub mod data;
pub mod deaths;
pub mod exporter;
pub mod launcher;
pub mod listen;
pub mod metrics;
pub mod pool;
pub mod protocol;
pub mod readiness;
pub mod record;
pub mod reply;
pub mod server;
pub mod session;
pub mod settings;
pub mod spawn;
pub mod spool;
pub mod unheard;
pub mod warm_worker;
pub mod wire;
pub mod worker;

mod child;
mod connections;
mod rule_cache;
mod signals;
