//! The whole from outside: sockets, processes, and other people's stacks.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod c104_serve;
mod captures;
mod centre;
mod demo;
mod dial_in;
mod durability;
mod interop;
mod northbound;
mod peer;
mod peers;
mod process;
mod program;
mod serve;
mod station;
