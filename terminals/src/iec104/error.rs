//! What a peer can do wrong, one enum per layer.

/// A stream that is not IEC 60870-5-104; the link is closed (60870-5-104, 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Wanted 68H.
    #[error("start byte {0:#04x}: wanted 0x68")]
    Start(u8),
    /// Wanted 4..=253, and 4 for S and U.
    #[error("APDU length {0}: wanted 4 to 253, and exactly 4 for S and U frames")]
    Length(u8),
    /// Control octets that no format defines.
    #[error("control octets {0:02x?}: no I, S or U format")]
    Control([u8; 4]),
}

/// A breach of the numbering or of the control procedures; the link is closed (60870-5-104, 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlowError {
    /// The peer's stream cannot be split.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// An I frame was lost or doubled.
    #[error("sequence error: N(S) {got}, wanted {wanted}")]
    Sequence {
        /// Came.
        got: u16,
        /// Was due.
        wanted: u16,
    },
    /// N(R) outside of what is outstanding.
    #[error("N(R) {got} acknowledges what was not sent: wanted {oldest} to {next}")]
    AckOfUnsent {
        /// Came.
        got: u16,
        /// Oldest unacknowledged.
        oldest: u16,
        /// Next to be sent.
        next: u16,
    },
    /// The peer sends more than k without our acknowledgement.
    #[error("the peer has {0} APDUs unacknowledged, more than the 32767 that numbers can tell apart")]
    Overrun(u64),
    /// t1 ran out.
    #[error("no {0} within t1")]
    Unanswered(&'static str),
    /// A confirmation of something that was not asked.
    #[error("unasked {0}")]
    Unasked(&'static str),
}

/// An ASDU that does not parse; it is skipped and counted, the link stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AsduError {
    /// Shorter than the data unit identifier.
    #[error("ASDU of {0} bytes: wanted at least 6")]
    Short(usize),
    /// The number of objects and the length contradict each other.
    #[error("type {type_id}: {count} objects in {bytes} bytes")]
    Size {
        /// Type identification.
        type_id: u8,
        /// As the structure qualifier says.
        count: u8,
        /// Bytes after the identifier.
        bytes: usize,
    },
    /// A sequence runs past the highest address.
    #[error("{count} addresses from {first} on run past 16777215")]
    Addresses {
        /// First address.
        first: u32,
        /// Objects.
        count: u8,
    },
}
