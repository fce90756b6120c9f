//! (room: world)
