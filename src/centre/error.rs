//! Why a centre does not start, or did not end as it should.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use headroom_terminals::iec104::config::TimersError;
use headroom_terminals::iec104::task::Alike;
use headroom_terminals::profile::ProfileError;

use crate::clock::AwayTooLong;
use crate::journal::{JournalError, Position};
use crate::store::StoreError;

/// Why a centre does not start.
#[derive(Debug, thiserror::Error)]
pub enum CentreError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A point map cannot be read.
    #[error("{file}: the point map cannot be read; check the terminal's profile in the fleet's file")]
    ProfileRead {
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A point map is wrong.
    #[error("{file}: the point map cannot be used")]
    Profile {
        /// Which.
        file: PathBuf,
        /// What is wrong.
        #[source]
        source: ProfileError,
    },
    /// Time-outs of links that contradict each other.
    #[error("section iec104: the time-outs cannot be used")]
    Timers(#[from] TimersError),
    /// A link wants TLS.
    #[error("a link wants TLS, but there are no certificates: wanted a table [iec104.tls]")]
    NoCertificates,
    /// A defect: files that were checked do not make a TLS end.
    #[error("section iec104.tls: the files cannot be used")]
    Tls(#[source] headroom_terminals::iec104::access::tls::TlsError),
    /// The socket for terminals that call.
    #[error("terminals cannot call at {listen}: change `listen` under [iec104.dial_in]")]
    DialIn {
        /// Where.
        listen: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Two terminals that register alike.
    #[error(transparent)]
    Alike(Alike),
    /// The store knows inputs that the journal does not.
    #[error(
        "the store has everything up to position {stored}, but the journal ends at {journaled}: they do not belong \
         together; restore journal.db from the same backup as headroom.db, or move headroom.db away to begin a new one"
    )]
    StoreAhead {
        /// Where the store stands.
        stored: Position,
        /// Where the journal ends.
        journaled: Position,
    },
    /// The machine's clock is far from where the journal ends.
    #[error(transparent)]
    Clock(#[from] AwayTooLong),
    /// A defect.
    #[error("the store's writer ended by itself while the centre started; the log before this says why")]
    StoreWriterEnded,
}

/// What a centre could not bring to its end. Nothing that was acknowledged is lost: it is in the journal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", problems.join("; "))]
pub struct StopError {
    /// Each in a sentence.
    pub problems: Vec<String>,
}
