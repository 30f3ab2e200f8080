//! The fleet on sockets: each terminal of a [`Fleet`] listens as a controlled station of IEC 60870-5-104, on one
//! shared plant.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use headroom_rules::local_control::Parameters;
use headroom_rules::model::{Current, RoundNo, Span, TerminalId, Timestamp, Voltage};
use headroom_terminals::agent::{Agent, AgentConfig, Notice, RoundSample, Sample, Site};
use headroom_terminals::iec104::{StationConfig, run_controlled};
use headroom_terminals::profile::Profile;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::fleet::{Fleet, Post};
use crate::plant::Plant;

/// Simulated time: `start` when made, then `factor` times as fast as tokio's clock.
#[derive(Clone, Copy, Debug)]
pub struct SimClock {
    start: Timestamp,
    factor: f64,
    origin: Instant,
}

impl SimClock {
    /// Factors below or above this are held to it.
    const FACTOR_RANGE: (f64, f64) = (0.01, 10_000.0);

    /// Runs from now on; a factor that is no number counts as 1.
    pub fn new(start: Timestamp, factor: f64) -> Self {
        let (slowest, fastest) = Self::FACTOR_RANGE;
        let factor = if factor.is_nan() { 1.0 } else { factor.clamp(slowest, fastest) };
        Self { start, factor, origin: Instant::now() }
    }

    /// The simulated instant.
    #[allow(clippy::cast_possible_truncation, reason = "a float cast saturates")]
    pub fn now(&self) -> Timestamp {
        let ms = self.origin.elapsed().as_secs_f64() * 1_000.0 * self.factor;
        self.start.after(Span::new(ms as i64))
    }

    /// How much faster than real time.
    pub const fn factor(&self) -> f64 {
        self.factor
    }

    /// How long a simulated span takes.
    #[allow(clippy::cast_precision_loss, reason = "spans of a simulation")]
    pub fn real(&self, span: Span) -> Duration {
        Duration::from_secs_f64(span.get().max(0) as f64 / 1_000.0 / self.factor)
    }
}

/// The plant, shared by all terminals. A terminal that dies while it holds the plant leaves it usable: every change is
/// whole within one call.
#[derive(Clone, Debug)]
pub struct SharedPlant(Arc<Mutex<Plant>>);

impl SharedPlant {
    /// For many hands.
    pub fn new(plant: Plant) -> Self {
        Self(Arc::new(Mutex::new(plant)))
    }

    /// Takes it; not to be held over an await.
    pub fn lock(&self) -> MutexGuard<'_, Plant> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One terminal's meters and switches in the plant.
#[derive(Clone, Debug)]
pub struct PlantSite {
    plant: SharedPlant,
    /// None where time is the plant's own.
    clock: Option<SimClock>,
    post: Post,
    /// Where it keeps what a restart must not forget; it tells its customer by the log then.
    kept: Option<PathBuf>,
}

impl PlantSite {
    /// The site of a post, which forgets with its end.
    pub const fn new(plant: SharedPlant, clock: SimClock, post: Post) -> Self {
        Self { plant, clock: Some(clock), post, kept: None }
    }

    /// Likewise, on the plant's own time, which somebody advances.
    pub const fn on_plant_time(plant: SharedPlant, post: Post) -> Self {
        Self { plant, clock: None, post, kept: None }
    }

    /// Keeps over restarts what its terminal gives it to keep, in a file, and shows its notices in the log.
    #[must_use]
    pub fn keeping(self, file: PathBuf) -> Self {
        Self { kept: Some(file), ..self }
    }
}

/// Writes a file whole, or leaves the one before.
fn write_whole(file: &Path, text: &str) -> io::Result<()> {
    let beside = file.with_extension("new");
    let mut new = std::fs::File::create(&beside)?;
    new.write_all(text.as_bytes())?;
    new.sync_all()?;
    std::fs::rename(&beside, file)
}

impl Site for PlantSite {
    fn sample(&mut self) -> Sample {
        /// Phase to neutral, mV: a low-voltage customer, and the head of a 10 kV feeder.
        const CUSTOMER_MV: f64 = 230_000.0;
        const HEAD_MV: f64 = 5_774_000.0;
        const HEAD_TANGENT: f64 = 0.33;
        let plant = self.plant.lock();
        let feeder = plant.feeders().get(self.post.feeder);
        let load = self.post.load.and_then(|load| plant.loads().get(load));
        let mut rounds = [None; 8];
        let (power, energy, tangent, voltage_mv) = match (load, feeder) {
            (Some(load), feeder) => {
                for (sample, round) in rounds.iter_mut().zip(&load.rounds) {
                    *sample = round.wired.then(|| RoundSample { power: round.power(), position: round.position() });
                }
                let share = feeder.map_or(1.0, |feeder| feeder.voltage_share());
                (load.power(), load.energy(), load.tangent, CUSTOMER_MV * share)
            }
            (None, Some(feeder)) => (feeder.power(), feeder.energy(), HEAD_TANGENT, HEAD_MV),
            (None, None) => Default::default(),
        };
        drop(plant);
        #[allow(clippy::cast_precision_loss, reason = "watts of one feeder")]
        let watts = power.get() as f64;
        let apparent_va = watts * tangent.hypot(1.0);
        let milliamperes = if voltage_mv > 0.0 { apparent_va / 3.0 / voltage_mv * 1_000_000.0 } else { 0.0 };
        #[allow(clippy::cast_possible_truncation, reason = "a float cast saturates; loads are far below")]
        Sample {
            power,
            reactive_var: (watts * tangent).round() as i64,
            voltage: [Voltage::new(voltage_mv.round() as i64); 3],
            current: [Current::new(milliamperes.round() as i64); 3],
            energy,
            rounds,
            cover_open: false,
        }
    }

    fn now(&self) -> Timestamp {
        self.clock.map_or_else(|| self.plant.lock().now(), |clock| clock.now())
    }

    fn notify(&mut self, notice: &Notice) {
        if self.kept.is_some() {
            tracing::warn!("to the customer: {notice}");
        }
    }

    fn kept(&mut self) -> Option<String> {
        let file = self.kept.as_ref()?;
        match std::fs::read_to_string(file) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::error!(%error, "{}: cannot be read, the terminal starts with the settings of its file", file.display());
                None
            }
        }
    }

    fn keep(&mut self, text: &str) {
        let Some(file) = &self.kept else { return };
        if let Err(error) = write_whole(file, text) {
            tracing::error!(%error, "{}: cannot be written, a restart will forget what was set", file.display());
        }
    }

    fn switch(&mut self, round: RoundNo, closed: bool) {
        if let Some(load) = self.post.load {
            self.plant.lock().switch(load, round, closed);
        }
    }
}

/// The terminal of one post. It has been powered for long, the process's start is no return of power: no trip lock.
pub fn agent(post: Post, profile: Profile, plant: SharedPlant, clock: SimClock) -> Agent<PlantSite> {
    agent_at(PlantSite::new(plant, clock, post), profile)
}

/// Likewise, at a site.
pub fn agent_at(site: PlantSite, profile: Profile) -> Agent<PlantSite> {
    let post = site.post;
    let config = AgentConfig {
        common_address: post.common_address,
        profile,
        contract: post.contract,
        guaranteed: post.guaranteed,
        trip_lock: Span::ZERO,
        report_every: Span::from_s(30),
        floor: post.safety_floor,
        control: Parameters::default(),
    };
    Agent::new(config, site)
}

/// The terminals of a fleet, each with its post, on a shared plant.
pub fn agents(fleet: &Fleet, plant: &SharedPlant, clock: SimClock) -> Vec<(Post, Agent<PlantSite>)> {
    let profile = Profile::standard();
    fleet.posts.iter().map(|post| (*post, agent(*post, profile.clone(), plant.clone(), clock))).collect()
}

/// How often, in real time, a terminal looks at its site: each 10 simulated seconds, but at least each second, as
/// terminals do, and not faster than each 20 ms.
pub fn scan_interval(clock: &SimClock) -> Duration {
    clock.real(Span::from_s(10)).clamp(Duration::from_millis(20), Duration::from_secs(1))
}

/// Lets the plant follow the clock until told to stop.
pub async fn run_plant(plant: SharedPlant, clock: SimClock, mut stop: watch::Receiver<bool>) {
    let mut tick = tokio::time::interval(scan_interval(&clock) / 2);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            // A sender that is gone means stop too.
            _ = stop.wait_for(|stop| *stop) => return,
            _ = tick.tick() => plant.lock().advance(clock.now()),
        }
    }
}

/// Why a fleet does not listen.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ServeError {
    #[error("{terminal}: listen on {address}")]
    Listen { terminal: TerminalId, address: SocketAddr, source: io::Error },
    #[error("{terminal}: no port is left: start at a lower one")]
    NoPort { terminal: TerminalId },
}

/// A fleet that listens.
#[derive(Debug)]
pub struct Running {
    /// Where each terminal listens.
    pub addresses: BTreeMap<TerminalId, SocketAddr>,
    /// The plant behind all of them.
    pub plant: SharedPlant,
    tasks: Vec<JoinHandle<()>>,
}

impl Running {
    /// Waits until all terminals and the plant have ended, which they do when told to stop.
    pub async fn ended(self) {
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "simulated fleet: a task did not end by itself");
            }
        }
    }
}

/// Listens on the loopback, on a free port for each terminal, until `stop` is true or its sender is gone.
///
/// # Errors
/// When a port cannot be had, naming the terminal; 5000 terminals take more than the usual 1024 open files.
pub async fn serve(fleet: Fleet, clock: SimClock, stop: watch::Receiver<bool>) -> Result<Running, ServeError> {
    serve_on(fleet, clock, Ipv4Addr::LOCALHOST.into(), None, stop).await
}

/// As [`serve`], on another address, and on ports that count up from `first_port` in the order of the fleet's links.
///
/// # Errors
/// As [`serve`], and when the ports run out.
pub async fn serve_on(
    fleet: Fleet,
    clock: SimClock,
    host: IpAddr,
    first_port: Option<u16>,
    stop: watch::Receiver<bool>,
) -> Result<Running, ServeError> {
    let plant = SharedPlant::new(fleet.plant.clone());
    let mut addresses = BTreeMap::new();
    let mut listening = Vec::new();
    for (number, (post, agent)) in agents(&fleet, &plant, clock).into_iter().enumerate() {
        let terminal = post.terminal;
        let port = first_port.map_or(Some(0), |first| first.checked_add(u16::try_from(number).ok()?));
        let address = SocketAddr::new(host, port.ok_or(ServeError::NoPort { terminal })?);
        let failed = |source| ServeError::Listen { terminal, address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        addresses.insert(terminal, listener.local_addr().map_err(failed)?);
        listening.push((post, agent, listener));
    }
    // Only when every port is had does anything run.
    let mut tasks = vec![tokio::spawn(run_plant(plant.clone(), clock, stop.clone()))];
    for (post, agent, listener) in listening {
        let config = StationConfig { scan: scan_interval(&clock), ..StationConfig::new(post.common_address) };
        tasks.push(tokio::spawn(run_controlled(listener, config, agent, stop.clone())));
    }
    Ok(Running { addresses, plant, tasks })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plant::{Feeder, Load, LoadType, PlantRound};
    use crate::scenario::Scenario;
    use headroom_rules::model::{Power, SwitchPosition};
    use headroom_rules::orders::Step;
    use headroom_terminals::iec104::{CommandAnswer, CommandValue, Object, Station, StationCommand, Value};

    fn fleet() -> Fleet {
        Fleet::generate(60, 1, Scenario::named("evening-peak").unwrap()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn simulated_time_runs_by_its_factor() {
        let clock = SimClock::new(Timestamp::new(5_000), 60.0);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(clock.now(), Timestamp::new(125_000));
        assert_eq!(scan_interval(&clock).as_millis(), 166);
        assert_eq!(scan_interval(&SimClock::new(Timestamp::new(0), 5_000.0)), Duration::from_millis(20));
        assert_eq!(scan_interval(&SimClock::new(Timestamp::new(0), 1.0)), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_trip_over_a_terminal_opens_its_switch_in_the_plant_and_guaranteed_customers_refuse() {
        let fleet = fleet();
        let plant = SharedPlant::new(fleet.plant.clone());
        let clock = SimClock::new(fleet.plant.start(), 60.0);
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(run_plant(plant.clone(), clock, stopped));
        let mut agents = agents(&fleet, &plant, clock);
        for (post, agent) in &mut agents {
            let answer = agent.command(StationCommand::new(6001, CommandValue::Double(false), Step::Execute));
            let wanted = match (post.load, post.guaranteed) {
                (None, _) => CommandAnswer::UnknownObject,
                (Some(_), true) => CommandAnswer::Refused,
                (Some(_), false) => CommandAnswer::Accepted,
            };
            assert_eq!(answer, wanted, "{}", post.terminal);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        for (post, agent) in &mut agents {
            let Some(load) = post.load else { continue };
            let wanted = if post.guaranteed { SwitchPosition::Closed } else { SwitchPosition::Open };
            assert_eq!(plant.lock().loads()[load].rounds[0].position(), wanted);
            let mut told: Vec<Object> = Vec::new();
            agent.interrogated(&mut told);
            assert!(told.iter().any(|object| object.ioa == 1001 && object.value == Value::Double(wanted)));
        }
        stop.send(true).unwrap();
        running.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_without_a_switch_is_no_round_of_the_terminal() {
        let rounds = vec![PlantRound::unwired(), PlantRound::new(0.4, Span::from_s(1), false)];
        let load = Load::new(0, LoadType::Shop, Power::from_kw(100), 0.3, rounds, 1);
        let start = Timestamp::new(1_777_680_123_456);
        let quiet = Scenario::named("quiet").unwrap().starting_at(start);
        let plant = Plant::new(quiet, vec![load], vec![Feeder::new(false, Power::from_kw(100))]);
        let post = Post {
            terminal: "T-1".parse().unwrap(),
            common_address: 7,
            load: Some(0),
            feeder: 0,
            contract: Power::from_kw(100),
            safety_floor: Power::ZERO,
            guaranteed: false,
        };
        let clock = SimClock::new(plant.start(), 1.0);
        let mut agent = agent(post, Profile::standard(), SharedPlant::new(plant), clock);
        assert_eq!(agent.site().now(), start);
        let select = |agent: &mut Agent<PlantSite>, ioa| {
            agent.command(StationCommand::new(ioa, CommandValue::Double(false), Step::Select))
        };
        assert_eq!(select(&mut agent, 6001), CommandAnswer::UnknownObject);
        assert_eq!(select(&mut agent, 6002), CommandAnswer::Accepted);
        let mut told: Vec<Object> = Vec::new();
        agent.interrogated(&mut told);
        assert!(told.iter().all(|object| object.ioa != 1001) && told.iter().any(|object| object.ioa == 1002));
    }

    #[tokio::test]
    async fn every_terminal_answers_on_its_own_port_and_ends_when_told() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        const STARTDT_ACT: [u8; 6] = [0x68, 4, 0x07, 0, 0, 0];
        const STARTDT_CON: [u8; 6] = [0x68, 4, 0x0B, 0, 0, 0];
        let fleet = fleet();
        let terminals: Vec<_> = fleet.links.iter().map(|(terminal, _)| *terminal).collect();
        let clock = SimClock::new(fleet.plant.start(), 60.0);
        let (stop, stopped) = watch::channel(false);
        let running = serve(fleet, clock, stopped).await.unwrap();
        assert!(running.addresses.keys().eq(std::collections::BTreeSet::from_iter(terminals).iter()));
        for address in running.addresses.values() {
            let mut link = tokio::net::TcpStream::connect(address).await.unwrap();
            link.write_all(&STARTDT_ACT).await.unwrap();
            let mut answer = [0; 6];
            link.read_exact(&mut answer).await.unwrap();
            assert_eq!(answer, STARTDT_CON);
        }
        stop.send(true).unwrap();
        running.ended().await;
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_named_with_its_terminal() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let fleet = fleet();
        let clock = SimClock::new(fleet.plant.start(), 60.0);
        let (_stop, stopped) = watch::channel(false);
        let error = serve_on(fleet, clock, Ipv4Addr::LOCALHOST.into(), Some(port), stopped).await.unwrap_err();
        assert_eq!(error.to_string(), format!("H-01: listen on 127.0.0.1:{port}"));
        let ServeError::Listen { source, .. } = error else { panic!("{error}") };
        assert_eq!(source.kind(), io::ErrorKind::AddrInUse);
    }
}
