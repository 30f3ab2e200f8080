//! The whole from outside: sockets, processes, and other people's stacks.

mod peers;
mod process;
