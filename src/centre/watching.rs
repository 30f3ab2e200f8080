//! What the centre tells operators of its own disk and clock.
//!
//! While the journal cannot be written no input can tell it, so its alarm is put on the picture as it is; when it is over
//! an input tells it, for the record.

use std::sync::Arc;
use std::time::Duration;

use headroom_rules::input::Input;
use headroom_rules::model::{Span, Timestamp};
use headroom_rules::output::{Alarm, AlarmCause, AlarmId, AlarmState};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};

use crate::clock::{Clock, Difference};
use crate::journal::{Gauge, Health, Submission};
use crate::store::Backlog;

/// Between two looks at a disk that may have stopped answering, and at the clock.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The supply's time and the machine's clock are one up to here.
const CLOCKS_DIFFER: Span = Span::from_s(2);

/// Who watches.
#[derive(Debug)]
pub(super) struct Watching {
    pub(super) health: watch::Receiver<Health>,
    pub(super) gauge: Arc<Gauge>,
    pub(super) backlog: watch::Receiver<Backlog>,
    pub(super) keep_bytes: u64,
    pub(super) clock: Clock,
    pub(super) submissions: mpsc::Sender<Submission>,
    pub(super) trouble: watch::Sender<Option<Alarm>>,
    /// What stands already, from an earlier life.
    pub(super) standing: Standing,
}

/// Which of the alarms that are told here stand.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Standing {
    oversize: bool,
    clock: bool,
}

impl Standing {
    pub(super) fn of(alarms: &[Alarm]) -> Self {
        let stands = |cause| {
            alarms.iter().any(|alarm| {
                alarm.cause == cause && matches!(alarm.state, AlarmState::Unacknowledged | AlarmState::Acknowledged)
            })
        };
        Self { oversize: stands(AlarmCause::JournalOversize), clock: stands(AlarmCause::ClockMoved) }
    }
}

impl Watching {
    /// Until it is aborted, or nobody takes inputs any more.
    pub(super) async fn run(mut self) {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut damaged = None;
        loop {
            let writer_gone = tokio::select! {
                _ = looks.tick() => false,
                changed = self.health.changed() => changed.is_err(),
            };
            if writer_gone
                || !self.look_at_the_disk().await
                || !self.look_at_the_size().await
                || !self.look_at_the_clock().await
                || !self.look_at_the_store(&mut damaged).await
            {
                return;
            }
        }
    }

    /// Whether there is still somebody to tell.
    async fn look_at_the_disk(&mut self) -> bool {
        let told = self.health.borrow_and_update().clone();
        let now = self.clock.now();
        match self.gauge.judge(told) {
            Health::Failing { error, .. } => {
                self.trouble.send_if_modified(|alarm| match alarm {
                    Some(alarm) if alarm.detail == error => false,
                    Some(alarm) => {
                        alarm.detail = error;
                        true
                    }
                    None => {
                        *alarm = Some(failing(now, error));
                        true
                    }
                });
                true
            }
            Health::Good => {
                let Some(over) = self.trouble.send_replace(None) else { return true };
                let lasted = now.since(over.raised_at);
                let detail = format!("for {lasted}, since {}: {}", over.raised_at, over.detail);
                self.tell(Input::told_when_over(now, AlarmCause::JournalFailing, detail)).await
            }
        }
    }

    /// Nothing that the store lacks is given up, however much that is; so somebody has to know while there is room.
    async fn look_at_the_size(&mut self) -> bool {
        let bytes = self.gauge.bytes();
        // What was given up since the last snapshot goes with the next one.
        let large = bytes > self.keep_bytes.saturating_add(self.keep_bytes / 4);
        let oversize = &mut self.standing.oversize;
        if *oversize && bytes > self.keep_bytes || *oversize == large {
            return true;
        }
        *oversize = large;
        let detail = large.then(|| {
            let backlog = self.backlog.borrow();
            let why = backlog.failing.as_deref().unwrap_or("it is slower than what comes in");
            let mb = |bytes: u64| bytes / 1_000_000;
            format!(
                "it holds {} MB of {} (keep_mb), because the store has taken inputs up to position {} only ({why}); \
                 nothing is given up before it is stored",
                mb(bytes),
                mb(self.keep_bytes),
                backlog.stored
            )
        });
        if let Some(detail) = &detail {
            tracing::warn!(detail, "the journal is larger than configured");
        }
        self.tell([Input::Trouble { at: self.clock.now(), cause: AlarmCause::JournalOversize, detail }]).await
    }

    /// A clock that was moved is for somebody to look at, also where the supply's time has followed it.
    async fn look_at_the_clock(&mut self) -> bool {
        let Difference { ahead, stepped } = self.clock.difference();
        let differ = ahead >= CLOCKS_DIFFER || ahead <= -CLOCKS_DIFFER;
        let detail = || {
            let moved = stepped.map(|by| {
                let (way, by) = if by < Span::ZERO { ("back", -by) } else { ("forward", by) };
                format!("this machine's clock went {way} by {by}; ")
            });
            let now = if !differ {
                "the supply's time followed".to_owned()
            } else if ahead > Span::ZERO {
                format!(
                    "the supply's time is ahead of it by {ahead} and runs at nine tenths of its pace until they are one; \
                     put the clock right if it is wrong, or begin with a new data folder if that is too long to wait for"
                )
            } else {
                format!(
                    "it says {} later than the supply's time, which is not believed; put the clock right, or start the \
                     centre anew if it is right",
                    -ahead
                )
            };
            format!("{}{now}", moved.unwrap_or_default())
        };
        let (now, cause) = (self.clock.now(), AlarmCause::ClockMoved);
        let inputs = match (std::mem::replace(&mut self.standing.clock, differ), differ) {
            (true, false) => vec![Input::Trouble { at: now, cause, detail: None }],
            (false, true) => vec![Input::Trouble { at: now, cause, detail: Some(detail()) }],
            (false, false) if stepped.is_some() => Input::told_when_over(now, cause, detail()).to_vec(),
            // Moved once more: what was told is no longer so.
            (true, true) if stepped.is_some() => {
                [None, Some(detail())].map(|detail| Input::Trouble { at: now, cause, detail }).into()
            }
            (false, false) | (true, true) => Vec::new(),
        };
        if stepped.is_some() || differ && !inputs.is_empty() {
            tracing::warn!("{}", detail());
        } else if !inputs.is_empty() {
            tracing::info!("the supply's time and this machine's clock are one again");
        }
        self.tell(inputs).await
    }

    /// A damaged file of the store is replaced behind everybody's back, so it is told afterwards.
    async fn look_at_the_store(&self, told: &mut Option<String>) -> bool {
        let damaged = self.backlog.borrow().damaged.clone();
        if damaged == *told {
            return true;
        }
        told.clone_from(&damaged);
        let now = self.clock.now();
        let inputs = damaged.map(|detail| Input::told_when_over(now, AlarmCause::StoreDamaged, detail));
        self.tell(inputs.into_iter().flatten()).await
    }

    async fn tell(&self, inputs: impl IntoIterator<Item = Input>) -> bool {
        for input in inputs {
            let submission = Submission { input, durable: None, reply: None, received: std::time::Instant::now() };
            if self.submissions.send(submission).await.is_err() {
                return false;
            }
        }
        true
    }
}

/// It has no number: it is not the engine's, and nobody can acknowledge what cannot be journaled.
fn failing(at: Timestamp, detail: String) -> Alarm {
    let cause = AlarmCause::JournalFailing;
    Alarm {
        id: AlarmId(0),
        cause,
        priority: cause.priority(),
        state: AlarmState::Unacknowledged,
        raised_at: at,
        changed_at: at,
        detail,
        acknowledged_by: None,
        comment: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use headroom_rules::model::Timestamp;

    use super::*;
    use crate::journal::Position;

    struct Bench {
        health: watch::Sender<Health>,
        gauge: Arc<Gauge>,
        backlog: watch::Sender<Backlog>,
        submitted: mpsc::Receiver<Submission>,
        trouble: watch::Receiver<Option<Alarm>>,
    }

    fn watched(clock: Clock, standing: Standing) -> Bench {
        let (health, healths) = watch::channel(Health::Good);
        let (submissions, submitted) = mpsc::channel(8);
        let (trouble_to, trouble) = watch::channel(None);
        let gauge = Arc::<Gauge>::default();
        let behind = Backlog { stored: Position(7), failing: Some("disk full".into()), ..Backlog::default() };
        let (backlog, backlogs) = watch::channel(behind);
        let watching = Watching {
            health: healths,
            gauge: Arc::clone(&gauge),
            backlog: backlogs,
            keep_bytes: 100_000_000,
            clock,
            submissions,
            trouble: trouble_to,
            standing,
        };
        tokio::spawn(watching.run());
        Bench { health, gauge, backlog, submitted, trouble }
    }

    fn still() -> Clock {
        Clock::from_source(1.0, || Timestamp::new(5_000))
    }

    async fn told(submitted: &mut mpsc::Receiver<Submission>) -> (AlarmCause, Option<String>) {
        match submitted.recv().await.unwrap().input {
            Input::Trouble { cause, detail, .. } => (cause, detail),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_journal_that_cannot_be_written_is_an_alarm_at_once_and_on_record_when_it_is_over() {
        let mut bench = watched(still(), Standing::default());
        let since = std::time::Instant::now();
        bench.health.send_replace(Health::Failing { since, error: "database or disk is full".into() });
        let alarm = bench.trouble.wait_for(Option::is_some).await.unwrap().clone().unwrap();
        assert_eq!((alarm.cause, alarm.state), (AlarmCause::JournalFailing, AlarmState::Unacknowledged));
        assert!(alarm.detail.contains("disk is full"), "{alarm:?}");
        assert!(bench.submitted.try_recv().is_err(), "nothing can be journaled now");
        bench.health.send_replace(Health::Good);
        bench.trouble.wait_for(Option::is_none).await.unwrap();
        let (cause, detail) = told(&mut bench.submitted).await;
        assert_eq!(cause, AlarmCause::JournalFailing);
        assert!(detail.unwrap().contains("disk is full"));
        assert_eq!(told(&mut bench.submitted).await, (AlarmCause::JournalFailing, None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_backlog_that_outgrows_the_journal_is_an_alarm_until_it_is_gone() {
        let mut bench = watched(still(), Standing::default());
        bench.gauge.holds(126_000_000);
        let (cause, detail) = told(&mut bench.submitted).await;
        assert_eq!(cause, AlarmCause::JournalOversize);
        let detail = detail.unwrap();
        assert!(
            detail.contains("126 MB of 100") && detail.contains("position 7") && detail.contains("disk full"),
            "{detail}"
        );
        bench.gauge.holds(110_000_000);
        tokio::time::advance(Duration::from_secs(3)).await;
        assert!(bench.submitted.try_recv().is_err(), "neither again nor over");
        bench.gauge.holds(99_000_000);
        assert_eq!(told(&mut bench.submitted).await, (AlarmCause::JournalOversize, None));
    }

    #[tokio::test(start_paused = true)]
    async fn what_an_earlier_life_told_is_over_when_it_is() {
        let mut bench = watched(still(), Standing { oversize: true, clock: true });
        assert_eq!(told(&mut bench.submitted).await, (AlarmCause::JournalOversize, None));
        assert_eq!(told(&mut bench.submitted).await, (AlarmCause::ClockMoved, None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_not_the_supplys_time_is_an_alarm_until_they_are_one() {
        let clock = Clock::wall();
        // As after a restart on a machine whose clock went back by an hour.
        clock.go_on_from(clock.now().after(Span::from_s(3_600))).unwrap();
        let mut bench = watched(clock.clone(), Standing::default());
        let (cause, detail) = told(&mut bench.submitted).await;
        let detail = detail.unwrap();
        assert_eq!(cause, AlarmCause::ClockMoved);
        assert!(
            detail.starts_with("the supply's time is ahead of it by ") && detail.contains("nine tenths"),
            "{detail}"
        );
        tokio::time::advance(Duration::from_secs(3)).await;
        assert!(bench.submitted.try_recv().is_err(), "told once");
    }

    #[tokio::test(start_paused = true)]
    async fn a_damaged_store_is_told_once_for_each_time() {
        let mut bench = watched(still(), Standing::default());
        for kept in ["damaged-1", "damaged-2"] {
            bench.backlog.send_modify(|backlog| backlog.damaged = Some(kept.to_owned()));
            assert_eq!(told(&mut bench.submitted).await, (AlarmCause::StoreDamaged, Some(kept.to_owned())));
            assert_eq!(told(&mut bench.submitted).await, (AlarmCause::StoreDamaged, None));
            // Of virtual time, with a look at each second of it.
            tokio::time::sleep(Duration::from_secs(3)).await;
            assert!(bench.submitted.try_recv().is_err());
        }
    }
}
