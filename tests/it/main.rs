//! The whole from outside: sockets, processes, and other people's stacks.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod c104_serve;
mod captures;
mod centre;
mod collection;
mod database;
mod demo;
mod dial_in;
mod disk_full;
mod durability;
mod export;
mod interop;
mod journal;
mod kills;
mod northbound;
mod outage;
mod peer;
mod peers;
mod process;
mod program;
mod serve;
mod station;
