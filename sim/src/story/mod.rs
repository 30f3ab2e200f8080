//! Stories: a scenario with what people and faults do in it and what has to come of it, told line by line in the supply's
//! time, in milliseconds of ours. The whole engine and the whole fleet take part, without sockets.
//!
//! Read [`mod@file`] (what a story says), then [`telling`] (how it runs). The stories that ship are in `scenarios/stories`.

pub mod file;
pub mod telling;

#[cfg(test)]
mod tests;

pub use file::{Story, StoryError};
pub use telling::{Line, Unmet};
