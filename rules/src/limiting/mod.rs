//! Limiting: which rounds to shed, and a second opinion on it.
//!
//! [`plan`] chooses and gives a reason for each round that it sheds and each that it spares. [`check`] is not the planner:
//! it derives from the inventory and the readings anew that a plan, or a stage of restoration, breaks no invariant;
//! `on_times` is its part about rounds that have hardly come back. [`step_back`] chooses among those that came back last.

pub(crate) mod check;
mod interlocks;
mod on_times;
pub(crate) mod plan;
pub(crate) mod reach;
pub(crate) mod step_back;

#[cfg(test)]
mod tests;
