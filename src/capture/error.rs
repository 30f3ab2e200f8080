//! A file that cannot be read at all.

use std::io;

/// Why nothing of a file can be read.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// Neither of the two formats.
    #[error("no capture: it begins with {0}; wanted pcap or pcapng, as tcpdump -w and Wireshark write them")]
    Foreign(String),
    /// Ends within its own header.
    #[error("no capture: it ends within its header, after {0} octets")]
    Short(usize),
    /// A compressed file.
    #[error("compressed ({0}): unpack it first")]
    Compressed(&'static str),
    /// The disk's answer.
    #[error("cannot be read")]
    Read(#[from] io::Error),
}
