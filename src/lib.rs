//! The centre.

pub mod journal;
