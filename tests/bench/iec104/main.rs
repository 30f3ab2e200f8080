//! What IEC-104 costs: the codec beside the crate `iec104`, links on loopback beside it and beside bare sockets,
//! acknowledgement after the disk beside acknowledgement at once, and the memory of idle links.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod codec;
#[path = "../../../rules/benches/measure/mod.rs"]
mod measure;

use measure::Report;

fn main() {
    let mut report = Report::new("iec104");
    codec::measure(&mut report);
    report.print();
}
