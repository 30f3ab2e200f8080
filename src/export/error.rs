//! Why an export ends before its end.

use std::io;

use crate::store::StoreError;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store gave no answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nobody knows what was asked for.
    #[error("{what} {id} is not known: the store has nothing of it, and it is not in the fleet")]
    Unknown {
        /// As `terminal`.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// The file, or whoever reads the output, takes no more.
    #[error("the rows cannot be written; check that there is room and that the place may be written to")]
    Write(#[source] io::Error),
    /// Parquet does not take what it was given.
    #[error("the rows cannot be put into Parquet")]
    Parquet(#[source] parquet::errors::ParquetError),
}

impl From<csv::Error> for ExportError {
    fn from(error: csv::Error) -> Self {
        match error.into_kind() {
            csv::ErrorKind::Io(error) => Self::Write(error),
            other => Self::Write(io::Error::other(format!("{other:?}"))),
        }
    }
}

impl From<parquet::errors::ParquetError> for ExportError {
    fn from(error: parquet::errors::ParquetError) -> Self {
        match error {
            parquet::errors::ParquetError::External(cause) => match cause.downcast::<io::Error>() {
                Ok(error) => Self::Write(*error),
                Err(cause) => Self::Parquet(parquet::errors::ParquetError::External(cause)),
            },
            error => Self::Parquet(error),
        }
    }
}
