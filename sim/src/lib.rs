//! Headroom's simulated fleet: loads behind switches, feeders with losses, and a soft terminal on every customer.
//!
//! Read [`scenario`] (what happens), [`plant`] (loads, pure), [`fleet`] (who is supplied and measured), then [`server`]
//! (its terminals) and [`story`] (all of it with the engine, on virtual time).

pub mod fleet;
pub mod plant;
pub mod scenario;
pub mod server;
pub mod story;

#[cfg(test)]
mod rehearsal;
