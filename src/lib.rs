//! The centre of Headroom: what lies around the pure engine of `headroom-rules`.
//!
//! [`config`] reads what people wrote, [`clock`] tells the supply's time, [`journal`] keeps every input before anybody acts
//! on it, [`store`] what follows from them for years, [`centre`] carries inputs to the engine and commands to the terminals,
//! [`api`] lets people and their programs in over HTTP, and [`console`] is the operators' screen, a client of it. [`commands`]
//! run all of it, one for each person. ops/ARCHITECTURE.md has the whole picture.

pub mod api;
pub mod capture;
pub mod centre;
pub mod clock;
pub mod commands;
pub mod config;
pub mod console;
pub mod export;
pub mod journal;
pub mod northbound;
pub mod printable;
pub mod replay;
mod sentence;
pub mod store;
