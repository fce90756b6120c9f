//! The pest grammar's only user: text to [`ast::Ast`] and back.

pub mod ast;
