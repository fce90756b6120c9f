//! First-time setup: what mail setup a machine and a home have, and what has to be done
//! so that mfilter delivers there. `survey` only reads, `steps` decides, `write` writes
//! what it is given, with a backup.

pub mod steps;
pub mod survey;
pub mod write;
