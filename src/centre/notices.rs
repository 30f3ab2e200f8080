//! Texts for customers' displays on their way to the terminals: the settings file with nothing in it but the text.
//!
//! **Invariants:** `expired-never-sent`: what is too late is not sent, and nothing waits for a later link; nothing here holds up
//! the engine's task; a text that a newer one for the same terminal follows is not sent behind it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use headroom_rules::input::Input;
use headroom_rules::model::TerminalId;
use headroom_rules::notices::{NoticeId, Telling};
use headroom_terminals::agent::{SETTINGS_FILE, notice_text};
use headroom_terminals::iec104::controlling::FileRequest;
use headroom_terminals::iec104::files::Failure;
use headroom_terminals::iec104::task::Ask;
use tokio::runtime::Handle;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep_until, timeout_at};

use super::demand::{Line, NotAsked};
use crate::clock::Clock;
use crate::journal::Submission;
use crate::sentence::sentence;

/// Between two tries while another file is on the link.
const BUSY_FOR: Duration = Duration::from_millis(250);
/// A file's answer is not waited for any longer than this, however early the notice was.
const WITHIN: Duration = Duration::from_secs(120);

/// Sends texts. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Teller {
    lines: Arc<BTreeMap<TerminalId, Line>>,
    submissions: mpsc::Sender<Submission>,
    clock: Clock,
    newest: Arc<Mutex<BTreeMap<TerminalId, NoticeId>>>,
}

/// Why a text did not reach its terminal. Told to people as it stands.
#[derive(Debug, thiserror::Error)]
enum NotTold {
    #[error("no link is configured to it")]
    Unknown,
    #[error("{0}")]
    NotAsked(#[from] NotAsked),
    #[error("its link carried other files until it was too late")]
    TooLate,
    #[error("a newer text took its place")]
    Superseded,
    #[error("the text was not taken")]
    NotTaken {
        #[source]
        source: Failure,
    },
}

impl Teller {
    pub(super) fn new(
        lines: Arc<BTreeMap<TerminalId, Line>>,
        submissions: mpsc::Sender<Submission>,
        clock: Clock,
    ) -> Self {
        Self { lines, submissions, clock, newest: Arc::default() }
    }

    /// Sends a text in a task of its own, and tells the engine what came of it.
    pub(super) fn tell(&self, telling: Telling) {
        let Telling { notice, terminal, .. } = telling;
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).insert(terminal, notice);
        let teller = self.clone();
        // Outside of a runtime nobody has links either.
        let Ok(runtime) = Handle::try_current() else { return };
        drop(runtime.spawn(async move {
            let failed = teller.send(&telling).await.err().map(|why| sentence(&why));
            if let Some(why) = &failed {
                tracing::debug!(%notice, %terminal, why, "notice not delivered");
            }
            let input = Input::Told { at: teller.clock.now(), notice, failed };
            let submission = Submission { input, durable: None, reply: None, received: Instant::now() };
            // Without a receiver the centre is stopping: the next start knows that it has no answer.
            let _ = teller.submissions.send(submission).await;
        }));
    }

    async fn send(&self, telling: &Telling) -> Result<(), NotTold> {
        let Telling { notice, terminal, text, expires_at, .. } = telling;
        let line = self.lines.get(terminal).ok_or(NotTold::Unknown)?;
        let left = self.clock.real(expires_at.since(self.clock.now())).min(WITHIN);
        let until = tokio::time::Instant::now() + left;
        let file = FileRequest::SendFile(SETTINGS_FILE, notice_text(text).into_bytes());
        loop {
            if tokio::time::Instant::now() >= until {
                return Err(NotTold::TooLate);
            }
            if self.newest.lock().unwrap_or_else(PoisonError::into_inner).get(terminal) != Some(notice) {
                return Err(NotTold::Superseded);
            }
            let (reply, answer) = oneshot::channel();
            match line.asks.try_send(Ask::Files(file.clone(), reply)) {
                // Dropped at its time, a question that still waits for its link is not asked any more.
                Ok(()) => match timeout_at(until, answer).await {
                    Ok(Ok(Err(Failure::Busy))) | Err(_) => {}
                    Ok(Ok(Err(Failure::LinkLost))) => return Err(NotAsked::NoLink.into()),
                    Ok(Ok(Err(source))) => return Err(NotTold::NotTaken { source }),
                    Ok(Ok(Ok(_))) => return Ok(()),
                    Ok(Err(_)) => return Err(NotAsked::Stopping.into()),
                },
                Err(TrySendError::Full(_)) => {}
                Err(TrySendError::Closed(_)) => return Err(NotAsked::Stopping.into()),
            }
            sleep_until((tokio::time::Instant::now() + BUSY_FOR).min(until)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use headroom_rules::model::{Span, Timestamp};
    use headroom_terminals::iec104::controlling::FileAnswer;
    use headroom_terminals::profile::Profile;

    use super::*;

    const NOW: i64 = 1_000_000;

    fn terminal() -> TerminalId {
        "T-1".parse().unwrap()
    }

    fn telling(notice: u64, expires_at: i64) -> Telling {
        Telling {
            notice: NoticeId(notice),
            terminal: terminal(),
            text: "停电 \"22:15\"".into(),
            expires_at: Timestamp::new(expires_at),
            group: None,
        }
    }

    fn bench() -> (Teller, mpsc::Receiver<Ask>, mpsc::Receiver<Submission>) {
        let (asks, asked) = mpsc::channel(4);
        let line = Line { asks, profile: Arc::new(Profile::standard()), common_address: 1 };
        let lines = Arc::new(BTreeMap::from([(terminal(), line)]));
        let (submissions, submitted) = mpsc::channel(4);
        (Teller::new(lines, submissions, Clock::from_source(1.0, || Timestamp::new(NOW))), asked, submitted)
    }

    async fn outcome(submitted: &mut mpsc::Receiver<Submission>) -> (u64, Option<String>) {
        match submitted.recv().await.unwrap().input {
            Input::Told { notice, failed, .. } => (notice.0, failed),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_text_goes_as_the_settings_file_and_its_confirmation_is_told() {
        let (teller, mut asked, mut submitted) = bench();
        teller.tell(telling(1, NOW + 60_000));
        let Some(Ask::Files(FileRequest::SendFile(SETTINGS_FILE, octets), reply)) = asked.recv().await else {
            panic!("a file is sent")
        };
        assert_eq!(String::from_utf8(octets).unwrap().trim(), "notice = '停电 \"22:15\"'");
        reply.send(Ok(FileAnswer::Sent)).unwrap();
        assert_eq!(outcome(&mut submitted).await, (1, None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_text_waits_for_the_file_that_is_on_the_link_and_not_longer_than_it_lives() {
        let (teller, mut asked, mut submitted) = bench();
        teller.tell(telling(1, NOW + 1_000));
        let answering = tokio::spawn(async move {
            while let Some(Ask::Files(_, reply)) = asked.recv().await {
                let _ = reply.send(Err(Failure::Busy));
            }
        });
        let (_, failed) = outcome(&mut submitted).await;
        assert_eq!(failed.as_deref(), Some("its link carried other files until it was too late"));
        answering.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_too_late_is_not_sent() {
        let (teller, mut asked, mut submitted) = bench();
        teller.tell(telling(1, NOW));
        assert!(outcome(&mut submitted).await.1.is_some());
        assert!(asked.try_recv().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_text_that_is_refused_or_without_a_link_says_why() {
        for (failure, wanted) in [(Failure::Refused, "the text was not taken: "), (Failure::LinkLost, "it has no link")]
        {
            let (teller, mut asked, mut submitted) = bench();
            teller.tell(telling(1, NOW + 60_000));
            let Some(Ask::Files(_, reply)) = asked.recv().await else { panic!("a file is sent") };
            reply.send(Err(failure)).unwrap();
            let failed = outcome(&mut submitted).await.1.unwrap();
            assert!(failed.starts_with(wanted), "{failed}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_older_text_is_never_sent_behind_a_newer_one() {
        let (teller, mut asked, mut submitted) = bench();
        teller.tell(telling(1, NOW + 60_000));
        teller.tell(telling(2, NOW + 60_000));
        assert_eq!(outcome(&mut submitted).await, (1, Some("a newer text took its place".into())));
        assert!(matches!(asked.recv().await, Some(Ask::Files(..))));
        assert!(asked.try_recv().is_err());
        assert_eq!(Timestamp::new(NOW).after(Span::from_s(60)), Timestamp::new(NOW + 60_000));
    }
}
