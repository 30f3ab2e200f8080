//! What IEC-104 costs: the codec beside the crate `iec104`, a link on loopback beside it and beside bare sockets,
//! acknowledgement after the disk beside acknowledgement at once, and idle links, plain and over TLS.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod acks;
mod codec;
mod idle;
mod links;
mod loopback;
#[path = "../machine.rs"]
#[allow(dead_code, reason = "the other benchmarks use more of it")]
mod machine;
#[path = "../../../rules/benches/measure/mod.rs"]
mod measure;

use measure::Report;

/// A runtime for each part, so that nothing of the last one runs on.
fn run(part: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(part);
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
}

fn main() {
    if let Some(part) = idle::part() {
        return run(part);
    }
    let mut report = Report::new("iec104");
    idle::measure(&mut report);
    codec::measure(&mut report);
    run(loopback::measure(&mut report));
    run(acks::measure(&mut report));
    report.print();
}
