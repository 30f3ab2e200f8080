//! The three, behind one face.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, ErrorKind, Read as _, Write as _};
use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use headroom::journal::{Journal, Position};
use headroom_rules::input::Input;
use tokio::runtime::Runtime;

use crate::record;

/// Inputs that are read at once, as a starting centre does it.
const CHUNK: usize = 1_024;

/// What a base is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Raw,
    Sqlite,
    Fjall,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Raw, Self::Sqlite, Self::Fjall];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Raw => "plain_file",
            Self::Sqlite => "sqlite",
            Self::Fjall => "fjall",
        }
    }
}

pub(crate) enum Base {
    Raw(File),
    Sqlite(Runtime, Box<Journal>),
    Fjall(Database, Keyspace),
}

impl Base {
    pub(crate) fn open(kind: Kind, folder: &Path) -> Self {
        match kind {
            Kind::Raw => {
                let file = folder.join("journal");
                Self::Raw(OpenOptions::new().create(true).append(true).read(true).open(file).unwrap())
            }
            Kind::Sqlite => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let journal = runtime.block_on(Journal::open(folder)).unwrap();
                Self::Sqlite(runtime, Box::new(journal))
            }
            Kind::Fjall => {
                let database = Database::builder(folder.join("fjall")).open().unwrap();
                let keyspace = database.keyspace("batch", KeyspaceCreateOptions::default).unwrap();
                Self::Fjall(database, keyspace)
            }
        }
    }

    /// Returns when the batch that begins at `first` is synced.
    pub(crate) fn append(&mut self, first: u64, inputs: &[Input]) {
        match self {
            Self::Raw(file) => {
                let bytes = framed(first, inputs);
                file.write_all(&u32::try_from(bytes.len()).unwrap().to_le_bytes()).unwrap();
                file.write_all(&bytes).unwrap();
                file.sync_data().unwrap();
            }
            Self::Sqlite(runtime, journal) => {
                runtime.block_on(journal.append(inputs)).unwrap();
            }
            Self::Fjall(database, keyspace) => {
                let mut batch = database.batch().durability(Some(PersistMode::SyncAll));
                batch.insert(keyspace, first.to_be_bytes(), framed(first, inputs));
                batch.commit().unwrap();
            }
        }
    }

    /// Gives up the batches that begin at `going`, the last of which ends at `until`.
    pub(crate) fn forget(&mut self, going: &[u64], until: u64) {
        match self {
            Self::Raw(_) => {}
            Self::Sqlite(runtime, journal) => runtime.block_on(journal.forget_until(Position(until))).unwrap(),
            Self::Fjall(database, keyspace) => {
                let mut batch = database.batch();
                for first in going {
                    batch.remove(keyspace, first.to_be_bytes());
                }
                batch.commit().unwrap();
            }
        }
    }

    /// Reads, checks and decodes all from the beginning; how many inputs.
    pub(crate) fn read_back(&mut self) -> u64 {
        let mut end = 0;
        match self {
            Self::Raw(file) => {
                let mut file = BufReader::with_capacity(1 << 20, file);
                let (mut length, mut bytes) = ([0; 4], Vec::new());
                loop {
                    match file.read_exact(&mut length) {
                        Ok(()) => {}
                        Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
                        Err(error) => panic!("{error}"),
                    }
                    bytes.resize(u32::from_le_bytes(length).try_into().unwrap(), 0);
                    file.read_exact(&mut bytes).unwrap();
                    end += checked(end + 1, &bytes);
                }
            }
            Self::Sqlite(runtime, journal) => {
                while end < journal.end().0 {
                    end += runtime.block_on(journal.read_from(Position(end), CHUNK)).unwrap().len() as u64;
                }
            }
            Self::Fjall(_, keyspace) => {
                for entry in keyspace.iter() {
                    let (key, framed) = entry.into_inner().unwrap();
                    end += checked(u64::from_be_bytes((*key).try_into().unwrap()), &framed);
                }
            }
        }
        end
    }
}

/// Sum and bytes of a batch.
fn framed(first: u64, inputs: &[Input]) -> Vec<u8> {
    let bytes = record::encode(inputs).unwrap();
    let mut framed = Vec::with_capacity(bytes.len() + 4);
    framed.extend(record::checksum(first, &bytes).to_le_bytes());
    framed.extend(&bytes);
    framed
}

/// How many inputs a framed batch holds.
fn checked(first: u64, framed: &[u8]) -> u64 {
    let (sum, bytes) = framed.split_first_chunk().unwrap();
    assert_eq!(u32::from_le_bytes(*sum), record::checksum(first, bytes));
    record::decode(bytes).unwrap().len() as u64
}
