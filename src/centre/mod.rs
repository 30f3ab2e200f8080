//! The centre: what carries inputs to the engine and its commands to the terminals. It decides nothing.
//!
//! Read [`Centre::start`] for who feeds whom, then `acquisition` (links to journal), `engine_task` (journal to engine to
//! everybody), `dispatch` (engine to links), `storing` (engine to store, through its outages), `recovery` and `snapshots`
//! (where a start begins), `collect` (what terminals remember), `compare` (their parameters, when a link comes up), `watching` (what the centre tells operators of its own
//! disk). [`Handle`] is what the API and others hold of a running centre.
//!
//! ```text
//!  links ──> submissions ──> journal::write ──> engine's task ──> store's writer
//!    ^            ^ outcomes of what was not sent    │  never waits
//!    └── commands ┴──────── dispatcher <─────────────┘
//! ```
//!
//! Every arrow is a bounded channel on which the left side waits, but for those that leave the engine's task: it waits
//! for nobody, so that the circle through the links can always move.

mod acquisition;
mod collect;
mod compare;
#[cfg(test)]
mod damage_tests;
mod demand;
mod dispatch;
mod engine_task;
mod error;
mod figures;
mod handle;
mod links;
mod machine;
mod notices;
mod parameters;
mod reaction;
mod recovery;
mod snapshots;
mod storing;
#[cfg(test)]
mod tests;
mod waking;
mod watching;

use std::collections::BTreeMap;
use std::future::ready;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use headroom_rules::engine::Engine;
use headroom_rules::input::Input;
use headroom_rules::model::Span;
use headroom_rules::output::AlarmCause;
use headroom_rules::policy::Policy;
use headroom_rules::view::View;
use headroom_terminals::iec104::config::RawTimers;
use headroom_terminals::iec104::task::Work;
use headroom_terminals::iec104::{LinkConfig, Timers};
use headroom_terminals::profile::Profile;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use self::acquisition::{Acquisition, LinkLog, Rejects};
use self::collect::Collector;
use self::demand::Line;
use self::dispatch::{Dispatcher, Route, return_outcomes};
use self::engine_task::EngineTask;
use self::figures::Tally;
use self::links::{Gate, described};
use self::notices::Teller;
use self::reaction::Reactions;
use self::recovery::Beginning;
use self::snapshots::Snapshots;
use self::storing::Storing;
use self::watching::{Standing, Watching};
use crate::clock::Clock;
use crate::config::{CollectionSettings, Fleet, Iec104Settings, JournalSettings, LinkEntry, Transport, profile_file};
use crate::journal::{self, Committed, Control, Gauge, Health, Journal, Position, Side, Submission};
use crate::sentence::sentence;
use crate::store::{Backlog, Store, StoreReader, StoreSettings, run_writer};

pub(crate) use acquisition::readings;
pub use collect::{Collecting, Fetcher, NotCollected, midnight};
pub use demand::{Demand, NotAsked, NotRead, Wanted};
pub(crate) use engine_task::first_inputs;
pub use error::{CentreError, StopError};
pub use figures::{Figures, OrderFigures, Peak};
pub use handle::{Handle, Question, Turns, Unavailable};
pub use parameters::NotCompared;

/// Inputs that wait for the journal before links are held back.
const SUBMISSIONS_MAX: usize = 4_096;
/// Batches that wait for the engine.
const COMMITTED_MAX: usize = 8;
/// Entries that wait for the store before it is fed from the journal.
const ENTRIES_MAX: usize = 8_192;
/// Commands that wait for one link; the session holds more.
const COMMANDS_MAX: usize = 64;
/// Questions to one terminal that wait for its link.
const ASKS_MAX: usize = 4;
/// Questions that wait for the engine's task.
const QUESTIONS_MAX: usize = 64;
/// A tick each second of the supply's time …
const TICK: Span = Span::from_s(1);
/// … but not more often than this.
const TICK_MIN: Duration = Duration::from_millis(100);

/// How long each part may take to end.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// For links to end in order.
    links: Duration,
    /// For inputs that wait to be journaled.
    journal: Duration,
    /// For inputs to be applied and for what follows from them to be stored, each.
    store: Duration,
}

const BOUNDS: Bounds =
    Bounds { links: Duration::from_secs(3), journal: Duration::from_secs(5), store: Duration::from_secs(10) };

/// What a centre is made of.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The folder for everything that is kept; made if it is not there.
    pub data: PathBuf,
    /// Whom it watches.
    pub fleet: Fleet,
    /// The file that names the fleet's point maps: their paths are relative to its folder. It is not read.
    pub fleet_file: PathBuf,
    /// By which rules.
    pub policy: Policy,
    /// How links behave; all in real time, whatever the clock.
    pub iec104: Iec104Settings,
    /// How they are protected, and where terminals call.
    pub transport: Transport,
    /// The supply's time.
    pub clock: Clock,
    /// Where the store is, and how long it keeps what.
    pub store: StoreSettings,
    /// How much of the journal is kept beyond what a start needs.
    pub journal: JournalSettings,
    /// When terminals' memories are read.
    pub collection: CollectionSettings,
}

/// A running centre. Dropping it without [`Centre::stop`] is a crash: nothing acknowledged is lost.
#[derive(Debug)]
pub struct Centre {
    handle: Handle,
    tally: Arc<Mutex<Tally>>,
    reactions: Arc<Reactions>,
    rejects: Arc<Rejects>,
    last_journal_error: watch::Receiver<Option<String>>,
    stop_links: watch::Sender<bool>,
    links: JoinSet<()>,
    /// Carries outcomes of what was not sent, and notes the journal's errors.
    helpers: JoinSet<()>,
    control: mpsc::Sender<Control>,
    journal: JoinHandle<Journal>,
    engine: JoinHandle<(Engine, Position)>,
    store: JoinHandle<Store>,
}

impl Centre {
    /// Brings the engine to where it was, tells it that the centre started, its fleet and its rules, then dials all
    /// terminals. When this returns, the picture stands and links are coming up.
    ///
    /// # Errors
    /// Before anything is dialled: a point map that cannot be used, a data folder that cannot be written to, is in use
    /// or holds what does not belong together.
    pub async fn start(parts: Parts) -> Result<Self, CentreError> {
        let Parts { data, fleet, fleet_file, policy, iec104, transport, clock, store, journal: kept, collection } =
            parts;
        let Fleet { mut inventory, links: entries } = fleet;
        let profiles = profiles(&fleet_file, &entries)?;
        for (entry, profile) in entries.iter().zip(&profiles) {
            if let Some(terminal) = inventory.terminals.get_mut(&entry.terminal) {
                terminal.warns_for = profile.warns_for();
            }
        }
        let timers = timers(&iec104)?;
        let mut gate = Gate::open(&transport).await?;
        // One time-out for both: an order that the engine holds for selected is selected on its link.
        let select_timeout = clock.real(policy.select_timeout);
        let journal = Journal::open(&data).await?;
        let mut store_writer = Store::begin(&store, &data).await?;
        let store_reader = StoreReader::begin(&store, &data).await?;
        let (known, store_damaged) = (store_writer.position(), store_writer.told());
        // Every snapshot is of what was stored: where a server does not say, the newest one does.
        let assumed = known.unwrap_or(journal.end());
        let Beginning { mut journal, machine, position, marks } = recovery::begin::<Engine>(journal, assumed).await?;
        let stored = known.unwrap_or(position);
        // What was not found to lie before a snapshot that is beyond the store is gone, and so is what lay in a gap; the log
        // has said so.
        let forgotten = known.map_or(Position::START, |known| known.max(position)).max(journal.last_gap());
        store_writer.belongs_to(journal.end(), forgotten);

        let (entries_to, entries_from) = mpsc::channel(ENTRIES_MAX);
        let (backlog_to, backlog) = watch::channel(Backlog { stored, ..Backlog::default() });
        let journal_keep = journal::Retention::new(clock.clone(), kept);
        let gauge = Arc::<Gauge>::default();
        let store = tokio::spawn(run_writer(store_writer, entries_from, backlog_to, clock.clone()));

        let (submissions, submissions_from) = mpsc::channel(SUBMISSIONS_MAX);
        let (control, control_from) = mpsc::channel(2);
        let (committed_to, committed) = mpsc::channel(COMMITTED_MAX);
        let (questions, questions_from) = mpsc::channel(QUESTIONS_MAX);
        let (health_to, health) = watch::channel(Health::Good);
        let (trouble_to, trouble) = watch::channel(None);
        let (view_to, view) = watch::channel(Arc::new(View::default()));
        let (unsent, unsent_from) = mpsc::unbounded_channel();
        let tally = Arc::new(Mutex::new(Tally::new(&inventory)));
        let reactions = Arc::<Reactions>::default();
        let mut ways = Vec::with_capacity(entries.len());
        let (mut routes, mut lines) = (BTreeMap::new(), BTreeMap::new());
        for (entry, profile) in entries.into_iter().zip(profiles) {
            let way = gate.way(&entry)?;
            let (commands, commands_from) = mpsc::channel(COMMANDS_MAX);
            let (asks, asks_from) = mpsc::channel(ASKS_MAX);
            let common_address = entry.common_address;
            lines.insert(entry.terminal, Line { asks, profile: Arc::clone(&profile), common_address });
            routes.insert(entry.terminal, Route { commands, profile: Arc::clone(&profile), common_address });
            ways.push((entry, way, profile, Work { commands: commands_from, asks: asks_from }));
        }
        let lines = Arc::new(lines);
        let storing = Storing::new(entries_to, backlog.clone(), data);
        let applied = storing.applied();
        let mut engine = EngineTask {
            machine,
            position,
            teller: Teller::new(Arc::clone(&lines), submissions.clone(), clock.clone()),
            dispatcher: Dispatcher::new(routes, unsent, clock.clone(), Arc::clone(&reactions)),
            storing,
            snapshots: Snapshots::new(control.clone(), position),
            backlog: backlog.clone(),
            tally: Arc::clone(&tally),
            view: view_to,
            view_due: Instant::now(),
            changed: true,
            trouble,
        };
        let differences = engine.replay(&mut journal, stored, &marks).await?;
        clock.go_on_from(engine.machine.now())?;
        // Straight into the journal: a disk that takes nothing is said here, not after the links were dialled.
        let now = clock.now();
        let mut inputs = Vec::new();
        for detail in differences {
            tracing::error!(detail, "replay-equals-live does not hold");
            inputs.extend(Input::told_when_over(now, AlarmCause::ReplayDiffers, detail));
        }
        if let Some(detail) = store_damaged {
            inputs.extend(Input::told_when_over(now, AlarmCause::StoreDamaged, detail));
        }
        inputs.extend(first_inputs(now, inventory, policy));
        let (journal, before, first) = recovery::begin_anew(journal, now, inputs).await?;
        let received = std::time::Instant::now();
        let positions = (before.plus(1).0..).map(Position);
        let first = positions.zip(first).map(|(position, input)| Committed { position, input, reply: None, received });
        engine.take(first.collect()).map_err(|_| CentreError::StoreWriterEnded)?;
        engine.publish();

        let side = Side { health: health_to, gauge: Arc::clone(&gauge), retention: journal_keep.clone() };
        let journal = tokio::spawn(journal::write(journal, submissions_from, control_from, committed_to, side));
        let engine = tokio::spawn(engine.run(committed, questions_from));
        let (stop_links, stopped) = watch::channel(false);
        let (error_to, last_journal_error) = watch::channel(None);
        let mut helpers = JoinSet::new();
        helpers.spawn(return_outcomes(unsent_from, submissions.clone()));
        helpers.spawn(note_errors(health.clone(), error_to));
        let watching = Watching {
            health: health.clone(),
            gauge: Arc::clone(&gauge),
            backlog: backlog.clone(),
            keep_bytes: journal_keep.keep_bytes,
            clock: clock.clone(),
            submissions: submissions.clone(),
            trouble: trouble_to,
            standing: Standing::of(&view.borrow().alarms),
        };
        helpers.spawn(watching.run());
        let rejects = Arc::<Rejects>::default();
        let mut links = JoinSet::new();
        links.spawn(tick(clock.clone(), submissions.clone(), stopped.clone()));
        for (entry, way, profile, work) in ways {
            let (terminal, common_address, address) = (entry.terminal, entry.common_address, described(&entry));
            let config = LinkConfig {
                select_timeout,
                zone: profile.zone(),
                timed_commands: profile.timed_commands(),
                ..link_config(&iec104, timers, address.clone(), common_address)
            };
            let acquisition = Acquisition {
                terminal,
                address,
                common_address,
                profile,
                clock: clock.clone(),
                submissions: submissions.clone(),
                reactions: Arc::clone(&reactions),
                rejects: Arc::clone(&rejects),
                log: LinkLog::default(),
            };
            way.run(&mut links, config, work, acquisition, stopped.clone());
        }
        let refusals = gate.refusals();
        gate.take_calls(&mut links, stopped.clone());
        let demand = Demand::new(Arc::clone(&lines));
        let fetcher = Fetcher::new(lines, submissions.clone(), store_reader.clone(), clock.clone());
        let (standing, collecting) = watch::channel(Collecting::default());
        let collector = Collector {
            settings: collection,
            fetcher: fetcher.clone(),
            view: view.clone(),
            clock: clock.clone(),
            standing,
        };
        links.spawn(collect::run(collector, stopped.clone()));
        let handle = Handle {
            view,
            submissions,
            questions,
            turns: Default::default(),
            demand,
            fetcher,
            collecting,
            health,
            gauge,
            backlog,
            applied,
            refusals,
            refusals_above: Arc::default(),
            store: store_reader,
            utc_offset: collection.utc_offset(),
            clock,
        };
        links.spawn(compare::run(handle.clone(), handle.view.clone(), stopped));
        Ok(Self {
            handle,
            tally,
            reactions,
            rejects,
            last_journal_error,
            stop_links,
            links,
            helpers,
            control,
            journal,
            engine,
            store,
        })
    }

    /// What others hold of it.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// What happened in this run so far.
    pub fn figures(&self) -> Figures {
        let mut figures = self.tally.lock().unwrap_or_else(PoisonError::into_inner).figures();
        let backlog = self.handle.backlog.borrow();
        figures.readings_stored = backlog.readings;
        figures.stored = backlog.stored;
        figures.store_error.clone_from(&backlog.failing);
        drop(backlog);
        (figures.reactions, figures.reaction_ms_p50, figures.reaction_ms_p99) = self.reactions.figures();
        figures.malformed_messages = self.rejects.malformed.load(Ordering::Relaxed);
        figures.unmapped_objects = self.rejects.unmapped.load(Ordering::Relaxed);
        figures.connections_refused = self.handle.refusals.counts();
        figures.last_journal_error.clone_from(&self.last_journal_error.borrow());
        figures
    }

    /// Returns when the centre has ended by itself, which only a defect makes it do: then [`Self::stop`] says more, and
    /// the process should end, to be started anew.
    pub async fn ended(&self) {
        let mut view = self.handle.view.clone();
        while view.changed().await.is_ok() {}
    }

    /// Ends in order: links with STOPDT, the journal with all that came in, the engine, the store; then a snapshot. Each
    /// has its time, so that this ends within about half a minute whatever hangs. Nothing acknowledged is lost in
    /// either case: what is not stored is in the journal, and the next start goes on from there.
    ///
    /// # Errors
    /// What could not be brought to its end. The figures are those of the end.
    pub async fn stop(self) -> Result<Figures, StopError> {
        self.stop_within(BOUNDS).await
    }

    async fn stop_within(mut self, bounds: Bounds) -> Result<Figures, StopError> {
        let mut problems = Vec::new();
        self.stop_links.send_replace(true);
        let all = async { while self.links.join_next().await.is_some() {} };
        if timeout(bounds.links, all).await.is_err() {
            tracing::warn!(links = self.links.len(), "links did not end in order and were cut");
            self.links.shutdown().await;
        }
        let tell = async {
            // A writer that is gone needs no telling.
            let _ = self.control.send(Control::End).await;
        };
        let journal = ended("journal", bounds.journal, &mut self.journal, tell).await;
        let because = |why: String, error: Option<&String>| match error {
            Some(error) => format!("{why} ({error})"),
            None => why,
        };
        let mut journal = journal.map_err(|why| match self.handle.journal_health() {
            Health::Failing { error, .. } => problems.push(because(why, Some(&error))),
            Health::Good => problems.push(why),
        });
        let engine = ended("engine", bounds.store, &mut self.engine, ready(())).await;
        let engine = engine.map_err(|why| problems.push(why));
        let store = ended("store", bounds.store, &mut self.store, ready(())).await;
        let store = store.map_err(|why| problems.push(because(why, self.handle.backlog.borrow().failing.as_ref())));
        self.helpers.shutdown().await;
        if let (Ok(journal), Ok((machine, position)), Ok(store)) = (&mut journal, engine, store)
            && store.position() == Some(position)
            && let Err(why) = last_snapshot(journal, &machine, position).await
        {
            problems.push(why);
        }
        if let Ok(journal) = journal {
            journal.close().await;
        }
        if problems.is_empty() { Ok(self.figures()) } else { Err(StopError { problems }) }
    }
}

/// Waits for a task to give back what it had; after `within` it is cut.
async fn ended<T>(
    what: &str,
    within: Duration,
    task: &mut JoinHandle<T>,
    tell: impl Future<Output = ()>,
) -> Result<T, String> {
    let ending = async {
        tell.await;
        (&mut *task).await
    };
    match timeout(within, ending).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(format!("{what}: its task failed: {error}")),
        Err(_) => {
            task.abort();
            Err(format!(
                "{what}: not done within {} s and cut; what was acknowledged is in the journal, and the next start goes \
                 on from there",
                within.as_secs()
            ))
        }
    }
}

async fn last_snapshot(journal: &mut Journal, machine: &Engine, position: Position) -> Result<(), String> {
    let bytes = snapshots::encode(machine).map_err(|error| format!("engine: its state cannot be encoded: {error}"))?;
    journal.save_snapshot(position, &bytes).await.map_err(|error| sentence(&error))
}

/// Each entry's point map, every file read once.
pub(crate) fn profiles(fleet_file: &Path, entries: &[LinkEntry]) -> Result<Vec<Arc<Profile>>, CentreError> {
    let mut known = BTreeMap::new();
    let profile = |entry: &LinkEntry| -> Result<Arc<Profile>, CentreError> {
        if let Some(profile) = known.get(&entry.profile) {
            return Ok(Arc::clone(profile));
        }
        let profile = match profile_file(fleet_file, &entry.profile) {
            None => Profile::standard(),
            Some(file) => {
                let text = std::fs::read_to_string(&file)
                    .map_err(|source| CentreError::ProfileRead { file: file.clone(), source })?;
                Profile::parse(&text).map_err(|source| CentreError::Profile { file, source })?
            }
        };
        let profile = Arc::new(profile);
        known.insert(entry.profile.clone(), Arc::clone(&profile));
        Ok(profile)
    };
    entries.iter().map(profile).collect()
}

fn timers(settings: &Iec104Settings) -> Result<Timers, CentreError> {
    let &Iec104Settings { k, w, t0_s, t1_s, t2_s, t3_s, .. } = settings;
    Ok(Timers::try_from(RawTimers { k, w, t0_s, t1_s, t2_s, t3_s })?)
}

fn link_config(settings: &Iec104Settings, timers: Timers, address: String, common_address: u16) -> LinkConfig {
    let s = |seconds: u32| Duration::from_secs(u64::from(seconds));
    LinkConfig {
        timers,
        command_timeout: s(settings.command_timeout_s),
        interrogation_every: s(settings.interrogation_every_s),
        counter_every: s(settings.counter_every_s),
        clock_every: s(settings.clock_every_s),
        objects_per_s: settings.objects_per_s,
        objects_burst: settings.objects_burst,
        ..LinkConfig::new(address, common_address)
    }
}

/// Tells the engine the time. When the journal is busy a tick is skipped: the inputs before it carry the time too.
async fn tick(clock: Clock, submissions: mpsc::Sender<Submission>, mut stop: watch::Receiver<bool>) {
    let mut ticks = interval(clock.real(TICK).max(TICK_MIN));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            // A sender that is gone means the end too.
            _ = stop.wait_for(|stop| *stop) => return,
            _ = ticks.tick() => {
                let (input, received) = (Input::Tick { at: clock.now() }, std::time::Instant::now());
                let submission = Submission { input, durable: None, reply: None, received };
                if let Err(mpsc::error::TrySendError::Closed(_)) = submissions.try_send(submission) {
                    return;
                }
            }
        }
    }
}

/// Keeps the journal's last error when it is written again.
async fn note_errors(mut health: watch::Receiver<Health>, last: watch::Sender<Option<String>>) {
    while health.changed().await.is_ok() {
        if let Health::Failing { error, .. } = &*health.borrow_and_update() {
            last.send_replace(Some(error.clone()));
        }
    }
}
