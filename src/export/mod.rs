//! What the store holds as a table in a file: CSV for people and spreadsheets, Parquet for programs.
//!
//! Read [`Subject`] (what is asked), [`Column`] and [`Cell`] (what a table is made of), [`Sheet`] (how it is written), then
//! [`export`]. `rows` makes rows of what the store answers.
//!
//! **Invariant:** whatever the length of the time, one page of the store's rows and one row group of the file are in
//! memory, and nothing is held open in the store between two pages.

mod cell;
mod csv_sheet;
mod error;
mod parquet_sheet;
mod rows;
mod sheet;
mod subject;
#[cfg(test)]
mod tests;
mod time;

pub use cell::{Cell, Column, Holds};
pub use error::ExportError;
pub use rows::{Progress, export};
pub use sheet::{Format, Sheet, Written};
pub use subject::{Points, Subject, point_kind, point_name};
pub use time::{Offset, When};
