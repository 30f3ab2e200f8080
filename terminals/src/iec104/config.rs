//! Configuration, parsed once: what comes out of here is consistent.

use std::time::Duration;

use serde::Deserialize;

use super::time::Zone;

/// Windows and time-outs of a link (IEC 60870-5-104, 9.6), whole seconds on the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawTimers")]
pub struct Timers {
    k: u16,
    w: u16,
    t0: Duration,
    t1: Duration,
    t2: Duration,
    t3: Duration,
}

/// As on the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawTimers {
    /// Most unacknowledged I frames sent, 1..=32767.
    pub k: u16,
    /// Acknowledge at the latest after so many, 1..=k.
    pub w: u16,
    /// Connection establishment, 1..=255 s.
    pub t0_s: u16,
    /// Answer to a sent or test APDU, 1..=255 s.
    pub t1_s: u16,
    /// Acknowledgement without data, 1..=254 s, below t1.
    pub t2_s: u16,
    /// Test frames after an idle time, 1..=172800 s.
    pub t3_s: u32,
}

impl Default for RawTimers {
    fn default() -> Self {
        Self { k: 12, w: 8, t0_s: 30, t1_s: 15, t2_s: 10, t3_s: 20 }
    }
}

/// Timers that contradict each other or the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimersError {
    /// Out of its range.
    #[error("{key} = {value}: wanted 1 to {most}")]
    Range {
        /// Which.
        key: &'static str,
        /// Value.
        value: u32,
        /// Upper end.
        most: u32,
    },
    /// The peer's t1 would run out before our t2.
    #[error("t2_s = {t2} must be below t1_s = {t1}")]
    AckTooLate {
        /// t2, s.
        t2: u16,
        /// t1, s.
        t1: u16,
    },
    /// The sender would stall at k before we acknowledge.
    #[error("w = {w} must not be above k = {k}")]
    WindowTooWide {
        /// w.
        w: u16,
        /// k.
        k: u16,
    },
}

impl TryFrom<RawTimers> for Timers {
    type Error = TimersError;
    fn try_from(raw: RawTimers) -> Result<Self, TimersError> {
        let ranges = [
            ("k", u32::from(raw.k), 32_767),
            ("w", u32::from(raw.w), 32_767),
            ("t0_s", u32::from(raw.t0_s), 255),
            ("t1_s", u32::from(raw.t1_s), 255),
            ("t2_s", u32::from(raw.t2_s), 254),
            ("t3_s", raw.t3_s, 172_800),
        ];
        for (key, value, most) in ranges {
            if !(1..=most).contains(&value) {
                return Err(TimersError::Range { key, value, most });
            }
        }
        if raw.t2_s >= raw.t1_s {
            return Err(TimersError::AckTooLate { t2: raw.t2_s, t1: raw.t1_s });
        }
        if raw.w > raw.k {
            return Err(TimersError::WindowTooWide { w: raw.w, k: raw.k });
        }
        let s = |n: u16| Duration::from_secs(u64::from(n));
        Ok(Self {
            k: raw.k,
            w: raw.w,
            t0: s(raw.t0_s),
            t1: s(raw.t1_s),
            t2: s(raw.t2_s),
            t3: Duration::from_secs(u64::from(raw.t3_s)),
        })
    }
}

impl Default for Timers {
    /// k = 12, w = 8, t0 = 30 s, t1 = 15 s, t2 = 10 s, t3 = 20 s.
    fn default() -> Self {
        let s = Duration::from_secs;
        Self { k: 12, w: 8, t0: s(30), t1: s(15), t2: s(10), t3: s(20) }
    }
}

impl Timers {
    /// Most unacknowledged I frames sent.
    pub const fn k(&self) -> u16 {
        self.k
    }
    /// Acknowledge at the latest after so many.
    pub const fn w(&self) -> u16 {
        self.w
    }
    /// Connection establishment.
    pub const fn t0(&self) -> Duration {
        self.t0
    }
    /// Answer to a sent or test APDU.
    pub const fn t1(&self) -> Duration {
        self.t1
    }
    /// Acknowledgement without data.
    pub const fn t2(&self) -> Duration {
        self.t2
    }
    /// Test frames after an idle time.
    pub const fn t3(&self) -> Duration {
        self.t3
    }
}

/// One controlled station, as the controlling station dials it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkConfig {
    /// `host:port`, usually port 2404.
    pub address: String,
    /// Common address of ASDUs, 1..=65534.
    pub common_address: u16,
    /// Windows and time-outs.
    pub timers: Timers,
    /// How long a command waits for its confirmation.
    pub command_timeout: Duration,
    /// How long a confirmed select permits its execute.
    pub select_timeout: Duration,
    /// Between general interrogations.
    pub interrogation_every: Duration,
    /// Between counter interrogations.
    pub counter_every: Duration,
    /// Objects a second that are taken from the station for long.
    pub objects_per_s: u32,
    /// Objects that it may send at once before that holds it back.
    pub objects_burst: u32,
    /// Between clock synchronizations: a station's clock drifts, and its time tags with it.
    pub clock_every: Duration,
    /// The clock of the station's time tags.
    pub zone: Zone,
    /// Whether commands carry the time of their sending (types 58 to 64), for stations that refuse late ones.
    pub timed_commands: bool,
}

impl LinkConfig {
    /// With the usual time-outs: 10 s to confirm, 30 s to execute, both interrogations every 15 minutes, the clock every
    /// hour; 2 000 objects a second, 20 000 at once.
    pub fn new(address: impl Into<String>, common_address: u16) -> Self {
        Self {
            address: address.into(),
            common_address,
            timers: Timers::default(),
            command_timeout: Duration::from_secs(10),
            select_timeout: Duration::from_secs(30),
            interrogation_every: Duration::from_secs(900),
            counter_every: Duration::from_secs(900),
            objects_per_s: 2_000,
            objects_burst: 20_000,
            clock_every: Duration::from_secs(3_600),
            zone: Zone::UTC,
            timed_commands: false,
        }
    }
}

/// One controlled station, as it serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StationConfig {
    /// Common address of ASDUs, 1..=65534.
    pub common_address: u16,
    /// Windows and time-outs.
    pub timers: Timers,
    /// Whether an execute without a select is refused.
    pub require_select: bool,
    /// How long a select holds.
    pub select_timeout: Duration,
    /// Between two looks at the device's spontaneous objects.
    pub scan: Duration,
    /// Most objects kept while they cannot be sent; the oldest goes first, and is counted.
    pub pending_max: usize,
    /// The clock of its time tags.
    pub zone: Zone,
    /// How far the time of a time-tagged command may be from the station's clock; one beyond it, or with an invalid
    /// time, is refused. None takes commands of any age.
    pub command_age_max: Option<Duration>,
    /// How long the device may think about a command before it is refused.
    pub answer_timeout: Duration,
    /// Connections at once, at least 1; one of them is started, the others stand by (60870-5-104, 10).
    pub connections_max: usize,
    /// Octets that a file sent to the station may have.
    pub file_max: usize,
}

impl StationConfig {
    /// With select required and held for 30 s, a scan each second, 4096 objects kept, commands of any age, answered
    /// within 8 s (a centre waits for 10 by default), one connection, files of 1 MiB.
    pub fn new(common_address: u16) -> Self {
        Self {
            common_address,
            timers: Timers::default(),
            require_select: true,
            select_timeout: Duration::from_secs(30),
            scan: Duration::from_secs(1),
            pending_max: 4_096,
            zone: Zone::UTC,
            command_age_max: None,
            answer_timeout: Duration::from_secs(8),
            connections_max: 1,
            file_max: 1_048_576,
        }
    }
}
