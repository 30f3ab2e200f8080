//! The only door for time into the centre: the supply's time, which limits, delays and ages are in.
//!
//! A centre on a real fleet runs on the machine's clock, as far as that can be trusted (`pace`). A demonstration runs on simulated time, which may be faster; protocol
//! timers (t0..t3, time-outs of commands) are in real time in either case.

mod pace;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use headroom_rules::model::{Span, Timestamp};

use pace::Pace;

/// A centre that was away for longer says so, instead of believing the clock.
const AWAY_MAX: Span = Span::from_s(31 * 86_400);

/// The machine's clock may be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this machine's clock says {now}, {days} days after the newest input in the journal ({at}): put it right if it is wrong, or \
     start once with --accept-clock if it is right; a wrong time that was taken over stays for good"
)]
pub struct AwayTooLong {
    /// What it says.
    pub now: Timestamp,
    /// What the journal says.
    pub at: Timestamp,
    /// Between them.
    pub days: i64,
}

/// Tells the supply's time. Cheap to clone.
#[derive(Clone)]
pub struct Clock {
    source: Source,
    factor: f64,
}

#[derive(Clone)]
enum Source {
    Machine(Arc<Machine>),
    Other(Arc<dyn Fn() -> Timestamp + Send + Sync>),
}

struct Machine {
    /// Believed at a start, however far it is from where the last life ended.
    accepted: bool,
    started: Instant,
    pace: Mutex<Pace>,
}

impl Machine {
    fn steady(&self) -> i128 {
        nanos(self.started.elapsed())
    }

    fn pace<T>(&self, ask: impl FnOnce(&mut Pace) -> T) -> T {
        ask(&mut self.pace.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Since 1970; a machine that believes to be before that has no time at all.
fn machine_time() -> i128 {
    nanos(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn nanos(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
}

/// How the supply's time and the machine's clock stand to each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// How far the supply's time is ahead, negative when it is behind.
    pub ahead: Span,
    /// By how much the machine's clock was moved since this was asked last, if it was.
    pub stepped: Option<Span>,
}

impl Clock {
    /// The machine's clock, but never back and never standing still.
    pub fn wall() -> Self {
        Self::machine(false)
    }

    /// The same, when a person says that it is right, however long the centre was away.
    pub fn accepted_wall() -> Self {
        Self::machine(true)
    }

    fn machine(accepted: bool) -> Self {
        let pace = Mutex::new(Pace::new(0, machine_time()));
        Self { source: Source::Machine(Arc::new(Machine { accepted, started: Instant::now(), pace })), factor: 1.0 }
    }

    /// Another source of time that runs `factor` times as fast as the wall clock; a factor that is no positive number
    /// counts as 1.
    pub fn from_source(factor: f64, read: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        let factor = if factor.is_finite() && factor > 0.0 { factor } else { 1.0 };
        Self { source: Source::Other(Arc::new(read)), factor }
    }

    /// The supply's time now.
    pub fn now(&self) -> Timestamp {
        match &self.source {
            Source::Machine(machine) => machine.pace(|pace| pace.tell(machine.steady(), machine_time())),
            Source::Other(read) => read(),
        }
    }

    /// The supply's time was this late already, as an earlier life has told. Another source than the machine's clock knows by
    /// itself.
    ///
    /// # Errors
    /// When the machine's clock is so much later that it may well be wrong: the supply's time would be wrong for good, as it
    /// never goes back.
    pub fn go_on_from(&self, at: Timestamp) -> Result<(), AwayTooLong> {
        let Source::Machine(machine) = &self.source else { return Ok(()) };
        let now = self.now();
        let away = now.since(at);
        if at > Timestamp::new(0) && away > AWAY_MAX && !machine.accepted {
            return Err(AwayTooLong { now, at, days: away.s() / 86_400 });
        }
        machine.pace(|pace| pace.not_before(at));
        Ok(())
    }

    /// None to be told of where the source is another than the machine's clock.
    pub fn difference(&self) -> Difference {
        match &self.source {
            Source::Machine(machine) => machine.pace(|pace| {
                pace.tell(machine.steady(), machine_time());
                Difference { ahead: pace.ahead(), stepped: pace.take_step() }
            }),
            Source::Other(_) => Difference::default(),
        }
    }

    /// Seconds of the supply's time in one second of the wall clock.
    pub const fn factor(&self) -> f64 {
        self.factor
    }

    /// How long a span of the supply's time takes on the wall clock; nothing for a negative one.
    #[allow(clippy::cast_precision_loss, reason = "spans of hours")]
    pub fn real(&self, span: Span) -> Duration {
        Duration::try_from_secs_f64(span.get().max(0) as f64 / 1_000.0 / self.factor).unwrap_or(Duration::MAX)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("factor", &self.factor).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_clock_takes_less_real_time_for_the_same_span() {
        let clock = Clock::from_source(60.0, || Timestamp::new(7));
        assert_eq!(clock.now(), Timestamp::new(7));
        assert_eq!(clock.real(Span::from_s(30)), Duration::from_millis(500));
        assert_eq!(clock.real(Span::from_s(-1)), Duration::ZERO);
    }

    #[test]
    fn a_factor_that_is_no_number_counts_as_one() {
        for factor in [f64::NAN, 0.0, -3.0, f64::INFINITY] {
            assert_eq!(Clock::from_source(factor, || Timestamp::new(0)).factor(), 1.0);
        }
    }

    #[test]
    fn a_clock_that_is_months_later_than_the_journal_is_not_believed_until_a_person_says_so() {
        let day = Span::from_s(86_400);
        let now = Clock::wall().now();
        let ago = |days: i64| now.after(Span::new(-days * day.get()));
        assert_eq!(Clock::wall().go_on_from(ago(30)), Ok(()));
        assert_eq!(Clock::wall().go_on_from(ago(1_500)).unwrap_err().days, 1_500);
        assert_eq!(Clock::accepted_wall().go_on_from(ago(1_500)), Ok(()));
        // A journal in which nothing ever was.
        assert_eq!(Clock::wall().go_on_from(Timestamp::new(0)), Ok(()));
    }
}
