//! IEC 60870-5-104 against other people's stacks, and against ourselves where a capture is for somebody else to read.
//!
//! Read `rows` (the matrix, as data), then `centre` and `device` (ours as they stand in it), `driver` (lib60870-C, told what to
//! do), `relay` (which keeps what was said, and cuts links) and `tally`. The tests: `controlling` and `controlled` by the
//! role that is ours, `terminal` and `above` for the program itself in the latter, `cut`, `rust_crate`, `faults`, `dissected`.

mod above;
mod centre;
mod controlled;
mod controlling;
mod cut;
mod device;
mod dissected;
mod driver;
mod faults;
mod relay;
mod rows;
mod rust_crate;
mod tally;
mod terminal;

/// The common address of every station here.
const COMMON_ADDRESS: u16 = 47;
