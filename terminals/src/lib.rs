//! Headroom's drivers and the soft terminal.
//!
//! Read [`profile`] (which point stands at which address), [`iec104`] (the link), then [`agent`] (the terminal).

pub mod agent;
pub mod iec104;
pub mod profile;
