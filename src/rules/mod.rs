//! From what was written to what is evaluated: names resolved, types checked.

pub mod program;
