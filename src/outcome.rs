//! Delivered, deferred or refused: what an MTA is told, and the only place that knows exit codes.
