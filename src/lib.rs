//! The centre.

pub mod journal;
pub mod store;
