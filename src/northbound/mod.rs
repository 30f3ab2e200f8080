//! The centre as a controlled station of IEC 60870-5-104, to a dispatch centre above it.
//!
//! Read `points` (what is shown), then `Northbound` (the station). What the centre above sets goes as a request through
//! the journal to the engine, by the same rules and into the same audit log as an operator's, and is confirmed only when
//! the engine has granted it.

mod points;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use headroom_rules::input::{Origin, Request};
use headroom_rules::model::{NodeId, Power, Timestamp};
use headroom_rules::orders::Step;
use headroom_rules::view::View;
use headroom_terminals::iec104::task::{Arrivals, Entrance, run_station};
use headroom_terminals::iec104::{
    CommandAnswer, CommandToken, CommandValue, Object, Station, StationCommand, StationConfig,
};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::centre::Handle;
use crate::clock::Clock;
use crate::config::{NorthboundConfig, NorthboundPoint};
use points::{Picture, Shown};

/// Between two looks at the picture.
const SCAN: Duration = Duration::from_millis(200);
/// Settings under way at once; more are refused.
const SETTINGS_MAX: usize = 32;
/// Largest limit that a set point can name, kW.
const LIMIT_KW_MAX: f32 = 10_000_000.0;

/// A limit that the centre above wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Setting {
    token: CommandToken,
    node: NodeId,
    limit: Power,
}

type Answers = mpsc::Receiver<(CommandToken, CommandAnswer)>;

/// The station.
struct Northbound {
    view: watch::Receiver<Arc<View>>,
    clock: Clock,
    points: Vec<(u32, NorthboundPoint)>,
    /// What was told last of each point.
    told: Vec<Option<Shown>>,
    limits: BTreeMap<u32, NodeId>,
    settings: mpsc::Sender<Setting>,
    answers: Answers,
}

impl Northbound {
    /// Every point that `wanted` picks, with what is shown now.
    fn tell(&mut self, out: &mut Vec<Object>, wanted: fn(&NorthboundPoint, Option<Shown>, Shown) -> bool) {
        let view = Arc::clone(&self.view.borrow_and_update());
        let picture = Picture::new(&view);
        let time = Some(self.clock.now());
        for ((ioa, point), told) in self.points.iter().zip(&mut self.told) {
            let shown = picture.shown(point.shows);
            if wanted(point, *told, shown) {
                *told = Some(shown);
                let (value, quality) = shown;
                out.push(Object { common_address: 0, ioa: *ioa, value, quality, time, cause: 3 });
            }
        }
    }

    /// The limit that a set point names, if it can be one: the engine judges by the rules.
    fn limit(&self, ioa: u32, value: CommandValue) -> Result<(NodeId, Power), CommandAnswer> {
        let node = *self.limits.get(&ioa).ok_or(CommandAnswer::UnknownObject)?;
        let CommandValue::SetFloat(kw) = value else { return Err(CommandAnswer::UnknownObject) };
        if !(kw > 0.0 && kw <= LIMIT_KW_MAX) {
            return Err(CommandAnswer::Refused);
        }
        #[allow(clippy::cast_possible_truncation, reason = "bounds checked above")]
        Ok((node, Power::new((f64::from(kw) * 1_000.0).round() as i64)))
    }

    /// What can be said before the engine is asked: a select is not confirmed for what its execute must refuse.
    fn permitted(&self, node: NodeId, limit: Power) -> bool {
        let view = self.view.borrow();
        let rated = view.nodes.iter().find(|view| view.id == node).and_then(|node| node.rated);
        rated.is_some_and(|rated| limit <= rated)
    }
}

impl Station for Northbound {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn interrogated(&mut self, out: &mut Vec<Object>) {
        self.tell(out, |_, _, _| true);
    }

    fn counters(&mut self, _: &mut Vec<Object>) {}

    fn spontaneous(&mut self, out: &mut Vec<Object>) {
        // A picture that is gone does not change either.
        if self.view.has_changed().unwrap_or(false) {
            self.tell(out, |point, told, now| told.is_none_or(|told| points::differs(point, told, now)));
        }
    }

    fn command(&mut self, command: StationCommand) -> CommandAnswer {
        let StationCommand { token, ioa, value, step, .. } = command;
        let (node, limit) = match self.limit(ioa, value) {
            Ok(wanted) => wanted,
            Err(answer) => return answer,
        };
        match step {
            Step::Select if self.permitted(node, limit) => CommandAnswer::Accepted,
            Step::Select | Step::ReadBack => CommandAnswer::Refused,
            Step::Cancel => CommandAnswer::Accepted,
            Step::Execute => match self.settings.try_send(Setting { token, node, limit }) {
                Ok(()) => CommandAnswer::Later,
                Err(_) => CommandAnswer::Refused,
            },
        }
    }

    fn answered(&mut self) -> Option<(CommandToken, CommandAnswer)> {
        self.answers.try_recv().ok()
    }

    /// The clock of a centre is that of its machine, kept by other means: confirmed, the centre above would take our times
    /// for its own.
    fn set_clock(&mut self, time: Timestamp) -> bool {
        tracing::debug!(%time, "northbound: the centre above would set the clock, and is refused");
        false
    }
}

/// Puts settings through the journal to the engine, one after another.
async fn carry(
    mut settings: mpsc::Receiver<Setting>,
    answers: mpsc::Sender<(CommandToken, CommandAnswer)>,
    handle: Handle,
    origin: Origin,
) {
    while let Some(Setting { token, node, limit }) = settings.recv().await {
        let request = Request::SetLimit {
            node,
            limit,
            // A set point is absolute: the centre above does not say what it saw.
            expected: None,
            reason: "set by the centre above".to_owned(),
        };
        let answer = match handle.request(origin.clone(), request).await {
            Ok(Ok(_)) => CommandAnswer::Accepted,
            Ok(Err(refusal)) => {
                tracing::info!(%node, %limit, %refusal, "northbound: limit refused");
                CommandAnswer::Refused
            }
            Err(unavailable) => {
                tracing::warn!(%node, %limit, error = %unavailable, "northbound: limit not set");
                CommandAnswer::Refused
            }
        };
        if answers.send((token, answer)).await.is_err() {
            return;
        }
    }
}

/// A running northbound station.
#[derive(Debug)]
pub struct Running {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Running {
    /// Ends its connections.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

/// The door of a file: bound, with its certificates.
///
/// # Errors
/// A sentence for the person who starts it: the address cannot be had.
pub async fn open(config: &NorthboundConfig) -> anyhow::Result<Entrance> {
    let tls = match &config.tls {
        None => None,
        Some((identity, peers)) => Some(identity.listening(Some(peers.clone())).context("northbound: [tls]")?),
    };
    let listener = TcpListener::bind(config.listen).await.with_context(|| {
        format!("northbound: listen on {}: wanted another `listen` under [northbound]", config.listen)
    })?;
    let within = StationConfig::new(config.common_address).timers.t0();
    Ok(Entrance { access: config.access.clone(), tls, ..Entrance::open(listener, within) })
}

/// Serves the centre above, behind its door, until stopped.
pub fn start(config: &NorthboundConfig, entrance: Entrance, handle: Handle) -> Running {
    let entrance = Entrance { refusals: Arc::clone(&handle.refusals_above), ..entrance };
    let (settings, wanted) = mpsc::channel(SETTINGS_MAX);
    let (answers_to, answers) = mpsc::channel(SETTINGS_MAX);
    let station = Northbound {
        view: handle.view.clone(),
        clock: handle.clock.clone(),
        points: config.points.iter().map(|(&ioa, &point)| (ioa, point)).collect(),
        told: vec![None; config.points.len()],
        limits: config.limits.clone(),
        settings,
        answers,
    };
    let station_config = StationConfig {
        require_select: config.require_select,
        scan: SCAN,
        connections_max: usize::from(config.connections_max),
        ..StationConfig::new(config.common_address)
    };
    let origin = Origin::new(config.name.clone(), format!("northbound {}", config.listen));
    let (stop, stopped) = watch::channel(false);
    let mut tasks = JoinSet::new();
    tasks.spawn(carry(wanted, answers_to, handle, origin));
    tasks.spawn(run_station(Arrivals::Listen(entrance), station_config, station, stopped));
    Running { stop, tasks }
}
