//! From what was written to what is evaluated: names resolved, types checked.

pub mod actions;
pub mod blocks;
pub mod index;
pub mod compiled;
mod settings;
pub mod program;
pub mod explanation;
pub mod field;
pub mod folder_name;
pub mod glob;
pub mod list_entry;
pub mod listing;
pub mod pattern;
pub mod address_list;
pub mod template;
pub mod mistake;
pub mod switch;
pub mod rule_set;
pub mod script;
pub mod confined;
pub mod check;
