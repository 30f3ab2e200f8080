//! One list of promises, held against every engine that is there; what only one engine does stands beside it.

mod bed;
mod contract;
mod servers;
mod writer;
