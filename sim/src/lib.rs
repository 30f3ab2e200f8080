//! Headroom's simulated fleet: loads behind switches, feeders with losses, and a soft terminal on every customer.
//!
//! Read [`scenario`] (what happens), then [`plant`] (loads, pure).

pub mod plant;
pub mod scenario;
