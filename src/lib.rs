//! The centre of Headroom: what lies around the pure engine of `headroom-rules`.
//!
//! [`config`] reads what people wrote, [`clock`] tells the supply's time, [`journal`] keeps every input before anybody acts
//! on it, [`store`] what follows from them for years, [`centre`] carries inputs to the engine and commands to the terminals,
//! [`api`] lets people and their programs in over HTTP, and [`console`] is the operators' screen, a client of it. [`serve`] and
//! [`demo`] run all of it; [`simulate`] and [`terminal`] are what there is to watch without a grid, [`token`] lets an
//! operator in. ops/ARCHITECTURE.md has the whole picture.

pub mod api;
pub mod centre;
pub mod clock;
pub mod config;
pub mod console;
pub mod demo;
pub mod journal;
mod logging;
mod sentence;
pub mod serve;
mod served;
pub mod simulate;
pub mod stop;
pub mod store;
pub mod terminal;
pub mod token;
pub mod whole_file;
