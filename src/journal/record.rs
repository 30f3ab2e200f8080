//! An input as bytes.
//!
//! What comes often (readings, links, outcomes, ticks) is postcard. What comes seldom and grows with the product
//! (the supply tree, the rules, requests, troubles) is JSON inside it: postcard cannot read back enums that carry their tag
//! among their fields, and named fields may be added without a new file format.

use headroom_rules::input::Input;
use headroom_rules::model::{Reading, TerminalId, Timestamp};
use headroom_rules::orders::{OrderId, Outcome};
use serde::{Deserialize, Serialize};

/// One input on disk. The order of the variants is the file format: new ones go to the end.
#[derive(Serialize, Deserialize)]
enum Record {
    Started(Timestamp),
    Tick(Timestamp),
    Link { at: Timestamp, terminal: TerminalId, up: bool },
    Readings { at: Timestamp, terminal: TerminalId, readings: Vec<Reading> },
    Outcome { at: Timestamp, order: OrderId, outcome: Outcome },
    Json(String),
}

impl Record {
    fn of(input: &Input) -> Result<Self, String> {
        Ok(match input {
            Input::Started { at } => Self::Started(*at),
            Input::Tick { at } => Self::Tick(*at),
            Input::Link { at, terminal, up } => Self::Link { at: *at, terminal: *terminal, up: *up },
            Input::Readings { at, terminal, readings } => {
                Self::Readings { at: *at, terminal: *terminal, readings: readings.clone() }
            }
            Input::Outcome { at, order, outcome } => Self::Outcome { at: *at, order: *order, outcome: *outcome },
            Input::Inventory { .. }
            | Input::Policy { .. }
            | Input::Request { .. }
            | Input::Parameters { .. }
            | Input::Told { .. }
            | Input::Trouble { .. } => Self::Json(serde_json::to_string(input).map_err(|e| e.to_string())?),
        })
    }

    fn input(self) -> Result<Input, String> {
        Ok(match self {
            Self::Started(at) => Input::Started { at },
            Self::Tick(at) => Input::Tick { at },
            Self::Link { at, terminal, up } => Input::Link { at, terminal, up },
            Self::Readings { at, terminal, readings } => Input::Readings { at, terminal, readings },
            Self::Outcome { at, order, outcome } => Input::Outcome { at, order, outcome },
            Self::Json(text) => serde_json::from_str(&text).map_err(|e| e.to_string())?,
        })
    }
}

/// A batch as bytes.
pub(super) fn encode(inputs: &[Input]) -> Result<Vec<u8>, String> {
    let records = inputs.iter().map(Record::of).collect::<Result<Vec<_>, _>>()?;
    postcard::to_stdvec(&records).map_err(|e| e.to_string())
}

/// A batch from bytes.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<Input>, String> {
    let (records, rest): (Vec<Record>, _) = postcard::take_from_bytes(bytes).map_err(|e| e.to_string())?;
    if !rest.is_empty() {
        return Err(format!("{} bytes too many", rest.len()));
    }
    records.into_iter().map(Record::input).collect()
}

/// CRC-32 (ISO-HDLC) over the position and the bytes, so that a batch in the wrong place is found too.
pub(super) fn checksum(position: u64, bytes: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&position.to_le_bytes());
    crc.update(bytes);
    crc.finalize()
}
