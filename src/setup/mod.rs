//! The first hour: what a machine and a home have of mail, and what is to be done so
//! that mfilter delivers there. `look` only reads, `steps` decides, `write` writes what
//! it is told to, with a backup.

pub mod look;
pub mod steps;
pub mod write;
