//! Limiting: which rounds to shed, and a second opinion on it.
//!
//! [`plan`] says who is shed and who is spared, each with a reason, and what to expect (`outlook`); `choose` is whose turn it
//! is, `fit` which of the last ones come closest. [`check`] (with `by_hand`) is not the planner: it derives from the inventory and the readings
//! anew that a plan, or a stage of restoration, breaks no invariant; `group` is its word on group
//! orders, `on_times` its part about rounds that have hardly
//! come back, `turns` that about whose turn it is, `notice` about customers to be told first, `ahead` about limits that
//! are known to come, `measures` about what customers agreed to do themselves. [`step_back`] chooses among
//! those that came back last.

pub(crate) mod ahead;
mod by_hand;
pub(crate) mod check;
mod choose;
mod fit;
pub(crate) mod group;
mod interlocks;
pub(crate) mod measures;
pub(crate) mod need;
pub(crate) mod notice;
mod on_times;
mod outlook;
pub(crate) mod plan;
pub(crate) mod reach;
pub(crate) mod step_back;
mod turns;

#[cfg(test)]
mod tests;
