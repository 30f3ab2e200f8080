//! What `headroom export` is told.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use headroom_rules::model::{NodeId, PointKind, RuleId, Span, TerminalId};

use crate::export::{Offset, Points, Subject, When, point_kind, point_name};
use crate::store::Resolution;

/// What is exported, and how.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

/// What every export is told.
#[derive(Debug, Args)]
pub struct Common {
    /// The file: its name ends with .csv or .parquet; - for CSV on stdout
    pub(super) out: PathBuf,
    /// What the centre runs on, as of `headroom serve`: the store is found by it
    #[arg(long, value_name = "FILE")]
    pub(super) config: PathBuf,
    /// From then on: 2026-01-31, 2026-01-31T18:00 or 2026-01-31T18:00:00+08:00
    #[arg(long, value_name = "TIME")]
    pub(super) from: When,
    /// Before then; now unless set
    #[arg(long, value_name = "TIME")]
    pub(super) to: Option<When>,
    /// How far the clocks are ahead of UTC by which times are given and CSV shows them, as +08:00
    #[arg(long, value_name = "OFFSET", default_value = "Z", allow_hyphen_values = true)]
    pub(super) offset: Offset,
    /// Replaces a file that is there
    #[arg(long)]
    pub(super) force: bool,
    /// Without progress on stderr
    #[arg(long)]
    pub(super) quiet: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Single readings, by point and time
    Readings {
        #[command(flatten)]
        points: PointArguments,
        #[command(flatten)]
        common: Common,
    },
    /// Readings whose source time cannot be true, by their arrival
    SetAside {
        #[command(flatten)]
        points: PointArguments,
        #[command(flatten)]
        common: Common,
    },
    /// Lowest, highest, mean, first and last of each stretch of time of a point
    Rollups {
        #[command(flatten)]
        points: PointArguments,
        /// Length of a stretch: 1m, 15m, 1h or 1d, in UTC
        #[arg(long, value_name = "LENGTH", value_parser = every, default_value = "15m")]
        every: Resolution,
        #[command(flatten)]
        common: Common,
    },
    /// Loads of nodes in stretches of time, with their limits and the time above them
    Load {
        /// A node, may be given more than once; all unless set
        #[arg(long = "node", value_name = "NODE")]
        nodes: Vec<NodeId>,
        /// Length of a stretch: 1m, 15m, 1h or 1d, in UTC
        #[arg(long, value_name = "LENGTH", value_parser = every, default_value = "15m")]
        every: Resolution,
        #[command(flatten)]
        common: Common,
    },
    /// Values of calculated points in stretches of time, in their units
    Calculated {
        /// A calculated point, may be given more than once; all unless set
        #[arg(long = "point", value_name = "POINT")]
        points: Vec<RuleId>,
        /// Length of a stretch: 1m, 15m, 1h or 1d, in UTC
        #[arg(long, value_name = "LENGTH", value_parser = every, default_value = "15m")]
        every: Resolution,
        #[command(flatten)]
        common: Common,
    },
    /// What happened
    Events(History),
    /// Orders, by the time at which they were issued
    Orders {
        /// A terminal; all unless set
        #[arg(long, value_name = "TERMINAL")]
        terminal: Option<TerminalId>,
        #[command(flatten)]
        common: Common,
    },
    /// Alarms, by the time at which they were raised
    Alarms(History),
    /// Who did what, from where
    Audit {
        /// One person; all unless set
        #[arg(long, value_name = "NAME")]
        who: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Stretches without a reading
    Gaps {
        #[command(flatten)]
        points: PointArguments,
        /// A stretch of more seconds than these is a gap
        #[arg(long, value_name = "SECONDS", default_value_t = 900, value_parser = clap::value_parser!(u32).range(1..))]
        longest: u32,
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Debug, Args)]
struct PointArguments {
    /// A terminal, may be given more than once; all unless set
    #[arg(long = "terminal", value_name = "TERMINAL")]
    terminals: Vec<TerminalId>,
    /// A point, as active_power or its code 1, may be given more than once; all unless set, for gaps active_power
    #[arg(long = "point", value_name = "POINT", value_parser = kind)]
    kinds: Vec<PointKind>,
}

#[derive(Debug, Args)]
struct History {
    /// The terminal or node that it is about; all unless set
    #[arg(long, value_name = "ID")]
    about: Option<String>,
    #[command(flatten)]
    common: Common,
}

impl From<PointArguments> for Points {
    fn from(PointArguments { terminals, kinds }: PointArguments) -> Self {
        Self { terminals, kinds }
    }
}

impl Arguments {
    pub(super) fn into_parts(self) -> (Common, Subject) {
        match self.what {
            What::Readings { points, common } => (common, Subject::Readings(points.into())),
            What::SetAside { points, common } => (common, Subject::SetAside(points.into())),
            What::Rollups { points, every, common } => (common, Subject::Rollups(points.into(), every)),
            What::Load { nodes, every, common } => (common, Subject::Load(nodes, every)),
            What::Calculated { points, every, common } => (common, Subject::Calculated(points, every)),
            What::Events(History { about, common }) => (common, Subject::Events(about)),
            What::Orders { terminal, common } => (common, Subject::Orders(terminal.map(|id| id.to_string()))),
            What::Alarms(History { about, common }) => (common, Subject::Alarms(about)),
            What::Audit { who, common } => (common, Subject::Audit(who)),
            What::Gaps { points, longest, common } => {
                let mut points = Points::from(points);
                if points.kinds.is_empty() {
                    points.kinds.push(PointKind::ActivePower);
                }
                (common, Subject::Gaps(points, Span::from_s(longest.into())))
            }
        }
    }
}

fn every(text: &str) -> Result<Resolution, &'static str> {
    match text {
        "1m" => Ok(Resolution::Minute),
        "15m" => Ok(Resolution::Quarter),
        "1h" => Ok(Resolution::Hour),
        "1d" => Ok(Resolution::Day),
        _ => Err("wanted 1m, 15m, 1h or 1d"),
    }
}

fn kind(text: &str) -> Result<PointKind, String> {
    point_kind(text).ok_or_else(|| {
        let kinds = (0..=u16::from(u8::MAX)).filter_map(PointKind::from_code).map(point_name);
        format!("wanted one of {}", kinds.collect::<Vec<_>>().join(", "))
    })
}
