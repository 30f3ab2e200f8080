//! The file of revoked certificates: read again when it changed, for links that run for months.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rustls::pki_types::CertificateRevocationListDer;
use webpki::{CertRevocationList, OwnedCertRevocationList};

use super::files::read;

type Lists = Arc<Vec<CertRevocationList<'static>>>;
/// When the file changed last, and its octets; none where that cannot be told.
type Stamp = Option<(SystemTime, u64)>;

/// What the file holds, or held when it could be read last.
#[derive(Debug)]
pub(super) struct Revoked {
    file: PathBuf,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    lists: Lists,
    /// Of the file at the last attempt, also one that failed: each state of the file is tried, and told, once.
    stamp: Stamp,
    /// Whether the log says that a peer would not come in again.
    told: bool,
}

impl Revoked {
    /// Reads the file.
    ///
    /// # Errors
    /// What is wrong with it, and what was wanted.
    pub(super) fn load(file: &Path) -> Result<Self, String> {
        let stamp = stamp(file);
        let kept = Kept { lists: lists(file)?, stamp, told: false };
        Ok(Self { file: file.to_owned(), kept: Mutex::new(kept) })
    }

    /// What holds now. A file that cannot be read leaves what it held before in force: an attempt to replace it that went
    /// wrong neither lets revoked ones in nor ends every link.
    pub(super) fn lists(&self) -> Lists {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the reading: what is written meanwhile is another state.
        let stamp = stamp(&self.file);
        if stamp != kept.stamp {
            kept.stamp = stamp;
            let file = self.file.display();
            match lists(&self.file) {
                Ok(lists) => {
                    (kept.lists, kept.told) = (lists, false);
                    tracing::info!(%file, "the list of revoked certificates was read again");
                }
                Err(why) => {
                    tracing::warn!(%file, why, "the list of revoked certificates: what it held before stays in force");
                }
            }
        }
        Arc::clone(&kept.lists)
    }

    /// Says, once for each state of the file, why the peer of a running link would not come in again.
    pub(super) fn tell(&self, why: &str) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::replace(&mut kept.told, true) {
            tracing::warn!(file = %self.file.display(), why, "running links stay, but a new one would be refused");
        }
    }
}

fn stamp(file: &Path) -> Stamp {
    let about = std::fs::metadata(file).ok()?;
    Some((about.modified().ok()?, about.len()))
}

fn lists(file: &Path) -> Result<Lists, String> {
    let wanted = "a list of revoked certificates";
    let parse = |list: CertificateRevocationListDer<'_>| {
        let parsed = OwnedCertRevocationList::from_der(&list).map_err(|error| format!("{error}: wanted {wanted}"))?;
        Ok(parsed.into())
    };
    read(file, wanted)?.into_iter().map(parse).collect::<Result<_, _>>().map(Arc::new)
}
