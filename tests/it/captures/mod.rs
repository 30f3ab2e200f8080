//! `headroom capture` and `headroom replay`: hand-built captures through the decoder and through the program.

mod commands;
mod damage;
mod reading;
mod replay;
mod streams;
pub(crate) mod writer;
