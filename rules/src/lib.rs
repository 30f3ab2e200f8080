//! The pure part of Headroom: the model of what is supplied, and the engine that watches and limits it.
//!
//! Read [`model`] (units, ids, points, quality, supply tree), then [`input`] and [`output`] (what the engine takes and
//! gives). [`view`] is the picture of the engine's state that operators see.
//!
//! **Invariants:** nothing here reads a clock, draws a random number, does I/O or iterates in random order; the same
//! inputs give the same outputs, bit for bit (`replay-equals-live`).

pub mod calendar;
pub mod dressing;
pub mod engine;
pub mod expression;
pub mod groups;
pub mod input;
mod limiting;
pub mod local_control;
pub mod measures;
pub mod model;
pub mod notices;
pub mod orders;
pub mod outlook;
pub mod output;
pub mod own;
pub mod policy;
pub mod restoration;
mod state;
pub mod tags;
pub mod target;
#[cfg(test)]
mod testing;
pub mod view;
