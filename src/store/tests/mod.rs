//! One list of promises, held against every engine that is there; what only one engine does stands beside it.

mod bed;
mod contract;
mod damage;
pub(crate) mod life;
mod paging;
mod servers;
mod writer;
