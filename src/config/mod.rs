//! Configuration files, parsed once: what comes out of here is consistent, and nothing is validated later.
//!
//! Read [`Centre`] (what `serve` runs on), [`Fleet`], [`rules`], [`NorthboundConfig`], then [`SimConfig`] and [`TerminalConfig`]. [`check`] reads
//! any of them for a person.
//!
//! **Invariant:** a file with any fault is refused whole, with every fault found: file, line, key and what was wanted.

mod calendar;
mod check;
mod collection;
mod error;
mod fleet;
mod flow;
mod maps;
mod measures;
mod northbound;
mod notices;
mod own;
mod reader;
pub mod rules;
mod serve;
mod sim;
mod store;
pub mod tables;
#[cfg(test)]
mod tests;
mod transport;

pub use check::{Checked, Kind, Summary, check};
pub use collection::CollectionSettings;
pub use error::{ConfigError, ConfigErrors};
pub use fleet::{Fleet, LinkEntry, Reached, STANDARD_PROFILE, profile_file};
pub use northbound::{NorthboundConfig, NorthboundPoint, Shows};
pub use reader::{LABEL_WANTED, label};
pub use serve::{Centre, Iec104Settings, JournalSettings, OperatorEntry, ServeConfig};
pub use sim::{DialSettings, RoundEntry, SimConfig, SiteConfig, TerminalConfig};
pub use transport::{DialInSettings, Transport};
