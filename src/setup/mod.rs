//! First-time setup: what mail setup a machine and a home have, and what has to be done
//! so that mfilter delivers there. `look` only reads, `steps` decides, `write` writes
//! what it is given, with a backup.

pub mod look;
pub mod steps;
pub mod write;
