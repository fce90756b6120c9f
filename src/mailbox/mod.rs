//! (room: mailbox)
