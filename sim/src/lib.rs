//! Headroom's simulated fleet: loads behind switches, feeders with losses, and a soft terminal on every customer.
//!
//! Read [`scenario`] (what happens), [`plant`] (loads, pure), then [`fleet`] (who is supplied and measured).

pub mod fleet;
pub mod plant;
pub mod scenario;
