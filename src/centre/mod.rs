//! The centre: what carries inputs to the engine and its commands to the terminals. It decides nothing.
//!
//! [`Handle`] is what the API and others hold of a running centre.

mod handle;

pub use handle::{Handle, Question, Unavailable};
