//! The parts together: on a machine that counts, and on a simulated fleet over TCP.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use headroom_rules::groups::{Group, GroupId};
use headroom_rules::input::{Input, Origin as From, Request};
use headroom_rules::local_control::Parameters;
use headroom_rules::model::{NodeId, Power, RoundNo, TerminalId, Timestamp};
use headroom_rules::orders::{Action, Command, NotSent, OrderId, Outcome, Step};
use headroom_rules::output::{Event, Happening, Output, Reply};
use headroom_rules::view::{DryRun, NotPlanned, Resumption, TerminalDetail, View};
use headroom_sim::scenario::Scenario;
use headroom_sim::server::SimClock;
use headroom_terminals::iec104::Command as LinkCommand;
use headroom_terminals::profile::Profile;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use super::dispatch::{Dispatcher, Route, return_outcomes};
use super::engine_task::EngineTask;
use super::machine::Machine;
use super::notices::Teller;
use super::snapshots::{Snapshots, encode};
use super::storing::Storing;
use super::*;
use crate::journal::{Committed, Control, Health, Journal, JournalError, Position, Submission};
use crate::store::Entry;

/// Long enough on any machine; nothing waits for it to pass.
const SOON: Duration = Duration::from_secs(20);

/// A machine whose outputs depend on all that came before, and that commands a trip at each tick.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counter {
    applied: u32,
    busy: u32,
}

impl Machine for Counter {
    fn new() -> Self {
        Self::default()
    }
    fn apply(&mut self, input: &Input, out: &mut Vec<Output>) {
        self.applied += 1;
        match input {
            Input::Tick { at } => {
                let action = Action::Trip { round: RoundNo::ALL[0] };
                let expires_at = Timestamp::new(i64::MAX);
                let order = OrderId(self.applied.into());
                out.push(Output::Command(Command {
                    order,
                    terminal: terminal(),
                    action,
                    qualifier: None,
                    step: Step::Select,
                    expires_at,
                }));
                let what = Happening::PolicyLoaded { limits: self.applied };
                out.push(Output::Event(Event { at: *at, source_time: None, what }));
            }
            Input::Request { .. } => out.push(Output::Reply(Ok(Reply::Done))),
            Input::Outcome { outcome: Outcome::NotSent { why: NotSent::Busy, .. }, .. } => self.busy += 1,
            _ => {}
        }
    }
    fn view(&self) -> View {
        View { now: Timestamp::new(self.applied.into()), ..View::default() }
    }
    fn terminal(&self, _: TerminalId) -> Option<TerminalDetail> {
        None
    }
    fn resumption(&self) -> Option<Resumption> {
        None
    }
    fn dry_run(&self, node: NodeId, _: Option<Power>) -> Result<DryRun, NotPlanned> {
        Err(NotPlanned::UnknownNode { node })
    }
    fn group(&self, _: GroupId) -> Option<Group> {
        None
    }
}

fn terminal() -> TerminalId {
    "T-1".parse().unwrap()
}

fn tick(n: u64) -> Input {
    Input::Tick { at: Timestamp::new(i64::try_from(n).unwrap()) }
}

fn ticks(range: std::ops::RangeInclusive<u64>) -> Vec<Input> {
    range.map(tick).collect()
}

fn committed(range: std::ops::RangeInclusive<u64>) -> Vec<Committed> {
    let received = Instant::now();
    range.map(|n| Committed { position: Position(n), input: tick(n), reply: None, received }).collect()
}

/// What the store is to get for these ticks when they are all that ever happened.
fn wanted(range: std::ops::RangeInclusive<u64>) -> Vec<Entry> {
    let outputs = |n: u64| {
        let what = Happening::PolicyLoaded { limits: u32::try_from(n).unwrap() };
        vec![Output::Event(Event { at: tick(n).at(), source_time: None, what })]
    };
    range.map(|n| Entry { position: Position(n), input: tick(n), outputs: outputs(n) }).collect()
}

/// An engine's task with every end of its ways in hand.
struct Bench {
    task: EngineTask<Counter>,
    entries: mpsc::Receiver<Entry>,
    commands: mpsc::Receiver<LinkCommand>,
    unsent: mpsc::UnboundedReceiver<Input>,
    controls: mpsc::Receiver<Control>,
    backlog: watch::Sender<Backlog>,
    view: watch::Receiver<Arc<View>>,
}

fn bench(folder: &Path, entries_max: usize, machine: Counter, position: Position) -> Bench {
    let (entries_to, entries) = mpsc::channel(entries_max);
    let (commands_to, commands) = mpsc::channel(1);
    let (unsent_to, unsent) = mpsc::unbounded_channel();
    let (control, controls) = mpsc::channel(1);
    let (backlog, backlog_seen) = watch::channel(Backlog::default());
    let (view_to, view) = watch::channel(Arc::new(View::default()));
    let clock = Clock::from_source(1.0, || Timestamp::new(0));
    let route = Route { commands: commands_to, profile: Arc::new(Profile::standard()), common_address: 1 };
    let (submissions, _) = mpsc::channel(1);
    let task = EngineTask {
        machine,
        position,
        teller: Teller::new(Arc::default(), submissions, clock.clone()),
        dispatcher: Dispatcher::new(BTreeMap::from([(terminal(), route)]), unsent_to, clock, Arc::default()),
        storing: Storing::new(entries_to, backlog_seen.clone(), folder.to_owned()),
        snapshots: Snapshots::new(control, position),
        backlog: backlog_seen,
        tally: Arc::default(),
        view: view_to,
        view_due: tokio::time::Instant::now(),
        changed: false,
        trouble: watch::channel(None).1,
    };
    Bench { task, entries, commands, unsent, controls, backlog, view }
}

async fn receive(entries: &mut mpsc::Receiver<Entry>, count: usize) -> Vec<Entry> {
    let mut received = Vec::new();
    while received.len() < count {
        received.push(timeout(SOON, entries.recv()).await.unwrap().unwrap());
    }
    received
}

#[tokio::test]
async fn a_store_that_takes_nothing_does_not_hold_the_engine_and_gets_everything_once_in_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path()).await.unwrap();
    let Bench { mut task, mut entries, .. } = bench(folder.path(), 4, Counter::default(), Position::START);
    journal.append(&ticks(1..=600)).await.unwrap();
    journal.append(&ticks(601..=700)).await.unwrap();
    // `take` does not wait for anything: this returns although nobody takes an entry.
    task.take(committed(1..=600)).unwrap();
    task.take(committed(601..=700)).unwrap();
    assert_eq!(task.position, Position(700));
    assert_eq!(receive(&mut entries, 700).await, wanted(1..=700));
    let mut next = 701;
    while task.storing.is_behind() {
        tokio::task::yield_now().await;
        journal.append(&[tick(next)]).await.unwrap();
        task.take(committed(next..=next)).unwrap();
        assert_eq!(receive(&mut entries, 1).await, wanted(next..=next));
        next += 1;
        assert!(next < 2_000, "the store has caught up long since");
    }
    task.take(committed(next..=next)).unwrap();
    assert_eq!(entries.try_recv().unwrap(), wanted(next..=next)[0], "straight from the engine's task");
    assert!(entries.try_recv().is_err());
}

#[tokio::test]
async fn a_stopping_engine_waits_for_the_store_to_be_fed_from_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path()).await.unwrap();
    let Bench { mut task, mut entries, .. } = bench(folder.path(), 2, Counter::default(), Position::START);
    journal.append(&ticks(1..=20)).await.unwrap();
    task.take(committed(1..=20)).unwrap();
    let (_, committed) = mpsc::channel(1);
    let (_, questions) = mpsc::channel(1);
    let ending = tokio::spawn(task.run(committed, questions));
    assert_eq!(receive(&mut entries, 20).await, wanted(1..=20));
    let (machine, position) = timeout(SOON, ending).await.unwrap().unwrap();
    assert_eq!((machine.applied, position), (20, Position(20)));
    assert!(entries.recv().await.is_none());
}

#[tokio::test]
async fn a_restart_replays_to_the_same_state_feeds_the_store_what_it_lacks_and_dispatches_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path()).await.unwrap();
    journal.append(&ticks(1..=30)).await.unwrap();
    let snapshot = |applied| encode(&Counter { applied, busy: 0 }).unwrap();
    journal.save_snapshot(Position(10), &snapshot(10)).await.unwrap();
    journal.save_snapshot(Position(20), &snapshot(20)).await.unwrap();
    // With the newest, with the older one, and from the beginning.
    for (stored, from) in [(25, 20), (15, 10), (5, 0)] {
        let stored = Position(stored);
        let beginning = recovery::begin::<Counter>(journal, stored).await.unwrap();
        let Beginning { machine, position, marks, .. } = beginning;
        journal = beginning.journal;
        assert_eq!(position, Position(from));
        let mut bench = bench(folder.path(), 2, machine, position);
        let missing = stored.0 + 1..=30;
        let replaying = bench.task.replay(&mut journal, stored, &marks);
        let differences = timeout(SOON, replaying).await.unwrap().unwrap();
        assert!(differences.is_empty(), "{differences:?}");
        assert_eq!(receive(&mut bench.entries, missing.clone().count()).await, wanted(missing));
        assert_eq!((bench.task.machine.applied, bench.task.position), (30, Position(30)));
        assert!(bench.commands.try_recv().is_err() && bench.unsent.try_recv().is_err());
        // What comes new is dispatched.
        bench.task.take(committed(31..=31)).unwrap();
        assert_eq!(bench.commands.try_recv().unwrap().id, 31);
    }
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_understood_falls_back_and_a_store_without_its_journal_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path()).await.unwrap();
    journal.append(&ticks(1..=10)).await.unwrap();
    journal.append(&ticks(11..=30)).await.unwrap();
    journal.save_snapshot(Position(10), &encode(&Counter { applied: 10, busy: 0 }).unwrap()).await.unwrap();
    journal.save_snapshot(Position(20), b"{\"of\": \"another version\"}").await.unwrap();
    let Beginning { machine, position, journal, .. } = recovery::begin::<Counter>(journal, Position(30)).await.unwrap();
    assert_eq!((machine.applied, position), (10, Position(10)));
    let Beginning { journal, .. } = recovery::begin::<Counter>(journal, Position(31)).await.unwrap();
    let gap = journal.gap_at_end().unwrap();
    assert!(gap.why.contains("up to 31, but the journal ends at 30"), "{gap:?}");
    assert_eq!((gap.first, gap.last), (Position(31), Position(31)));
    drop(journal);
    let empty = Journal::open(&folder.path().join("empty")).await.unwrap();
    let ahead = recovery::begin::<Counter>(empty, Position(31)).await.unwrap_err();
    assert!(ahead.to_string().contains("up to position 31, but the journal ends at 0"), "{ahead}");
    // A store that was begun anew, and a journal that no longer has its beginning: the centre starts nevertheless.
    let mut journal = Journal::open(folder.path()).await.unwrap();
    journal.forget_until(Position(10)).await.unwrap();
    let Beginning { position, mut journal, .. } = recovery::begin::<Counter>(journal, Position::START).await.unwrap();
    assert_eq!(position, Position(10));
    journal.save_snapshot(Position(10), b"{}").await.unwrap();
    let error = recovery::begin::<Counter>(journal, Position::START).await.unwrap_err();
    assert!(matches!(error, CentreError::Journal(JournalError::Forgotten { .. })), "{error}");
}

#[tokio::test]
async fn full_queues_all_around_do_not_stop_the_circle() {
    const TICKS: u64 = 500;
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).await.unwrap();
    // Room for one in every channel; nobody takes a command or an entry.
    let bench = bench(folder.path(), 1, Counter::default(), Position::START);
    let (submit, submissions) = mpsc::channel(1);
    let (control, controls) = mpsc::channel(1);
    let (next, committed) = mpsc::channel(1);
    let (_, questions) = mpsc::channel(1);
    let retention = journal::Retention::new(Clock::wall(), JournalSettings::default());
    let side = Side { health: watch::channel(Health::Good).0, gauge: Arc::default(), retention };
    let writing = tokio::spawn(journal::write(journal, submissions, controls, next, side));
    let returning = tokio::spawn(return_outcomes(bench.unsent, submit.clone()));
    let mut entries = bench.entries;
    let (finished, mut finish) = oneshot::channel();
    let mut view = bench.view;
    let running = tokio::spawn(async move {
        let ended = bench.task.run(committed, questions).await;
        let _ = finished.send(());
        ended
    });
    for n in 1..=TICKS {
        let submission = Submission { input: tick(n), durable: None, reply: None, received: Instant::now() };
        timeout(SOON, submit.send(submission)).await.expect("the circle stands still").unwrap();
    }
    // One command is on the link; each other tick's came back as busy, which is an input too.
    let all = i64::try_from(2 * TICKS - 1).unwrap();
    timeout(SOON, view.wait_for(|view| view.now == Timestamp::new(all))).await.unwrap().unwrap();
    control.send(Control::End).await.unwrap();
    let end = timeout(SOON, writing).await.unwrap().unwrap().end();
    assert_eq!(end, Position(2 * TICKS - 1));
    assert!(finish.try_recv().is_err(), "the store still lacks most of it");
    let stored = receive(&mut entries, usize::try_from(end.0).unwrap()).await;
    assert!(stored.iter().map(|entry| entry.position.0).eq(1..=end.0), "each once and in order");
    let (machine, position) = timeout(SOON, running).await.unwrap().unwrap();
    assert_eq!((u64::from(machine.busy), position), (TICKS - 1, end));
    timeout(SOON, returning).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_request_is_answered_and_a_reply_is_not_stored() {
    let folder = tempfile::tempdir().unwrap();
    let Bench { mut task, mut entries, .. } = bench(folder.path(), 4, Counter::default(), Position::START);
    let (reply, replied) = oneshot::channel();
    let origin = From::new("wang", "10.0.0.7");
    let request = Request::Cancel { order: OrderId(1) };
    let input = Input::Request { at: Timestamp::new(0), origin, request };
    let committed = Committed { position: Position(1), input, reply: Some(reply), received: Instant::now() };
    task.take(vec![committed]).unwrap();
    assert_eq!(replied.await.unwrap(), Ok(Reply::Done));
    assert!(entries.try_recv().unwrap().outputs.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_running_engine_saves_snapshots_of_what_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = bench(folder.path(), 64, Counter::default(), Position::START);
    tokio::time::advance(Duration::from_secs(700)).await;
    bench.task.take(committed(1..=3)).unwrap();
    assert_eq!(snapshot_after_three(bench).await.applied, 3);
}

#[tokio::test(start_paused = true)]
async fn damage_of_the_journal_is_followed_by_a_snapshot_that_needs_nothing_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = bench(folder.path(), 64, Counter::default(), Position::START);
    let at = Timestamp::new(3);
    let input = Input::Trouble { at, cause: AlarmCause::JournalDamaged, detail: Some(String::new()) };
    bench.task.take(committed(1..=2)).unwrap();
    bench.task.take(vec![Committed { position: Position(3), input, reply: None, received: Instant::now() }]).unwrap();
    assert_eq!(snapshot_after_three(bench).await.applied, 3);
}

/// Of an engine that took three inputs, when they are stored and more come.
async fn snapshot_after_three(mut bench: Bench) -> Counter {
    bench.backlog.send_modify(|backlog| backlog.stored = Position(3));
    let mut next = 4;
    let saved = loop {
        bench.task.take(committed(next..=next)).unwrap();
        next += 1;
        assert!(next < 10_000, "no snapshot");
        match bench.controls.try_recv() {
            Ok(saved) => break saved,
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
        while bench.entries.try_recv().is_ok() {}
    };
    let Control::Snapshot { at: Position(3), bytes } = saved else { panic!("{saved:?}") };
    serde_json::from_slice(&bytes).unwrap()
}

/// A quiet simulated fleet on sockets, and what a centre on it is made of.
struct Simulated {
    parts: Parts,
    stop: watch::Sender<bool>,
    running: headroom_sim::server::Running,
    _folder: tempfile::TempDir,
}

async fn simulated(terminals: u32) -> Simulated {
    let fleet = headroom_sim::fleet::Fleet::generate(terminals, 1, Scenario::named("quiet").unwrap()).unwrap();
    let clock = SimClock::new(fleet.plant.start(), 60.0);
    let (stop, stopped) = watch::channel(false);
    let (inventory, policy, addressed) = (fleet.inventory.clone(), fleet.policy.clone(), fleet.links.clone());
    let running = headroom_sim::server::serve(fleet, clock, stopped).await.unwrap();
    let mut links: Vec<_> = addressed
        .into_iter()
        .map(|(terminal, common_address)| {
            LinkEntry::dialled(terminal, running.addresses[&terminal].to_string(), common_address)
        })
        .collect();
    links.sort_by_key(|link| link.terminal);
    let folder = tempfile::tempdir().unwrap();
    let parts = Parts {
        data: folder.path().join("data"),
        fleet: Fleet { inventory, links },
        fleet_file: "fleet.toml".into(),
        policy,
        iec104: Iec104Settings::default(),
        transport: Transport::default(),
        clock: Clock::from_source(clock.factor(), move || clock.now()),
        store: StoreSettings::default(),
        journal: JournalSettings::default(),
        collection: CollectionSettings::default(),
    };
    Simulated { parts, stop, running, _folder: folder }
}

#[tokio::test]
async fn a_fleet_is_acquired_and_what_was_received_is_stored_over_a_restart() {
    let Simulated { parts, stop, running, _folder } = simulated(12).await;
    let mut total = 0;
    for _ in 0..2 {
        let centre = Centre::start(parts.clone()).await.unwrap();
        let handle = centre.handle();
        let mut backlog = handle.backlog.clone();
        let all_there = async {
            while centre.figures().links_up < 12 || centre.figures().readings_stored < 12 * 3 {
                backlog.changed().await.unwrap();
            }
        };
        timeout(SOON, all_there).await.expect("all links up, all interrogated");
        assert_eq!(handle.terminal(terminal()).await.map(|_| ()), Ok(()));
        let figures = timeout(SOON, centre.stop()).await.unwrap().unwrap();
        assert_eq!(figures.readings_stored, figures.readings_received);
        assert_eq!((figures.readings_recovered, figures.links_up), (0, 0), "links told that they went down");
        assert_eq!((figures.malformed_messages, figures.unmapped_objects), (0, 0));
        assert_eq!(figures.stored, figures.applied);
        total += figures.readings_received;
        assert_eq!(handle.store.count_readings().await.unwrap(), total);
        let late = handle.request(From::new("wang", "10.0.0.7"), Request::Cancel { order: OrderId(1) });
        assert_eq!(late.await.unwrap_err(), Unavailable::Stopping);
    }
    stop.send(true).unwrap();
    running.ended().await;
}

#[tokio::test]
async fn parameters_are_compared_when_a_link_comes_up_and_nothing_is_written() {
    let Simulated { parts, stop, running, _folder } = simulated(2).await;
    let (one, other) = (parts.fleet.links[0].terminal, parts.fleet.links[1].terminal);
    let centre = Centre::start(parts.clone()).await.unwrap();
    let wanted = Parameters { window_min: 7, ..Parameters::default() };
    let request = Request::SetParameters { terminal: one, parameters: Box::new(wanted), reason: String::new() };
    centre.handle().request(From::new("wang", "10.0.0.7"), request).await.unwrap().unwrap();
    timeout(SOON, centre.stop()).await.unwrap().unwrap();
    // As if the terminal had been exchanged meanwhile: what it has is not what is wanted.
    let centre = Centre::start(parts).await.unwrap();
    let handle = centre.handle();
    let mut view = handle.view.clone();
    let differs =
        |view: &Arc<View>| view.alarms.iter().any(|it| it.cause == AlarmCause::ParametersDiffer { terminal: one });
    timeout(SOON, view.wait_for(differs)).await.unwrap().unwrap();
    let known = handle.terminal(one).await.unwrap().unwrap().parameters.unwrap();
    assert_eq!(known.differences(), [("window_min", "7".to_owned(), "1".to_owned())]);
    assert_eq!(handle.read_parameters(one).await.unwrap().read.unwrap().window_min, 1, "nothing was written");
    // Of the other one nothing is wanted: it was not asked.
    assert!(handle.terminal(other).await.unwrap().unwrap().parameters.is_none());
    timeout(SOON, centre.stop()).await.unwrap().unwrap();
    stop.send(true).unwrap();
    running.ended().await;
}

#[tokio::test]
async fn a_centre_that_was_killed_loses_nothing_that_was_acknowledged() {
    let Simulated { parts, stop, running, _folder } = simulated(4).await;
    let centre = Centre::start(parts.clone()).await.unwrap();
    let mut backlog = centre.handle().backlog;
    let some = backlog.wait_for(|backlog| backlog.readings > 0);
    timeout(SOON, some).await.unwrap().unwrap();
    // All of its tasks cut at once, wherever they stand.
    let Centre { journal, engine, store, mut links, mut helpers, .. } = centre;
    journal.abort();
    engine.abort();
    store.abort();
    let _ = (links.shutdown().await, helpers.shutdown().await, journal.await, engine.await, store.await);
    let mut journal = Journal::open(&parts.data).await.unwrap();
    let count = |input: &Input| if let Input::Readings { readings, .. } = input { readings.len() as u64 } else { 0 };
    let mut journaled = 0;
    let mut after = Position::START;
    while after < journal.end() {
        for (position, input) in journal.read_from(after, 1_000).await.unwrap() {
            journaled += count(&input);
            after = position;
        }
    }
    drop(journal);
    let centre = Centre::start(parts).await.unwrap();
    let reader = centre.handle().store;
    let figures = timeout(SOON, centre.stop()).await.unwrap().unwrap();
    let stored = reader.count_readings().await.unwrap();
    assert_eq!(stored, journaled + figures.readings_received);
    stop.send(true).unwrap();
    running.ended().await;
}

#[tokio::test]
async fn a_blocked_store_holds_nobody_up_and_has_everything_after_the_next_start() {
    use sqlx::Connection as _;
    let Simulated { parts, stop, running, _folder } = simulated(4).await;
    let centre = Centre::start(parts.clone()).await.unwrap();
    let mut view = centre.handle().view;
    // Somebody else writes to the store's file and does not come to an end.
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(parts.data.join("headroom.db"));
    let mut other = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let before = centre.figures();
    let going_on = async {
        while centre.figures().readings_received < before.readings_received + 20 {
            view.changed().await.unwrap();
        }
    };
    timeout(SOON, going_on).await.expect("acquisition goes on");
    let reader = centre.handle().store;
    let bounds = Bounds { store: Duration::from_millis(300), ..BOUNDS };
    let received = Arc::clone(&centre.tally);
    let error = timeout(SOON, centre.stop_within(bounds)).await.unwrap().unwrap_err();
    assert!(error.to_string().starts_with("store: not done within"), "{error}");
    let first = received.lock().unwrap().figures().readings_received;
    let stored = reader.count_readings().await.unwrap();
    other.close().await.unwrap();
    let centre = Centre::start(parts).await.unwrap();
    let figures = timeout(SOON, centre.stop()).await.unwrap().unwrap();
    assert_eq!(figures.readings_recovered, first - stored);
    assert_eq!(reader.count_readings().await.unwrap(), first + figures.readings_received);
    stop.send(true).unwrap();
    running.ended().await;
}

#[tokio::test]
async fn a_folder_in_use_a_missing_map_and_a_folder_that_is_a_file_are_said_at_once() {
    let Simulated { parts, stop, running, _folder } = simulated(2).await;
    let centre = Centre::start(parts.clone()).await.unwrap();
    let error = Centre::start(parts.clone()).await.unwrap_err();
    assert!(matches!(error, CentreError::Journal(JournalError::InUse { .. })), "{error}");
    centre.stop().await.unwrap();
    let mut unmapped = parts.clone();
    unmapped.fleet.links[0].profile = "maps/none.toml".into();
    unmapped.fleet_file = "/nowhere/fleet.toml".into();
    let error = Centre::start(unmapped).await.unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/maps/none.toml: the point map cannot be read"), "{error}");
    let file = parts.data.join("file");
    std::fs::write(&file, "").unwrap();
    let error = Centre::start(Parts { data: file, ..parts }).await.unwrap_err();
    assert!(matches!(error, CentreError::Journal(JournalError::Folder { .. })), "{error}");
    stop.send(true).unwrap();
    running.ended().await;
}

#[tokio::test]
async fn the_tick_comes_in_the_supplys_time_and_is_skipped_when_the_journal_is_busy() {
    tokio::time::pause();
    let (submit, mut submissions) = mpsc::channel(1);
    let (stop, stopped) = watch::channel(false);
    let at = Arc::new(Mutex::new(0));
    let read = Arc::clone(&at);
    let clock = Clock::from_source(4.0, move || Timestamp::new(*read.lock().unwrap()));
    let began = tokio::time::Instant::now();
    let ticking = tokio::spawn(super::tick(clock, submit, stopped));
    submissions.recv().await.unwrap();
    submissions.recv().await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(250) && began.elapsed() < Duration::from_millis(300));
    // Nobody takes one for a while: one waits, the others are skipped.
    tokio::time::sleep(Duration::from_secs(5)).await;
    *at.lock().unwrap() = 7;
    assert_eq!(submissions.recv().await.unwrap().input, tick(0));
    assert_eq!(submissions.recv().await.unwrap().input, tick(7));
    stop.send(true).unwrap();
    ticking.await.unwrap();
}

#[tokio::test]
async fn parameters_go_over_a_real_link_are_read_back_and_compared() {
    use headroom_rules::local_control::{Guarantee, Parameters};
    let Simulated { parts, stop, running, _folder } = simulated(12).await;
    let chosen = parts.fleet.inventory.terminals.iter().find(|(_, entry)| !entry.rounds.is_empty());
    let terminal = *chosen.expect("a customer that can be switched").0;
    let centre = Centre::start(parts).await.unwrap();
    let handle = centre.handle();
    let mut view = handle.view.clone();
    let up = |view: &Arc<View>| view.terminals.iter().any(|line| line.id == terminal && line.link_up);
    timeout(SOON, view.wait_for(up)).await.expect("its link comes up").unwrap();
    let read = timeout(SOON, handle.read_parameters(terminal)).await.unwrap().unwrap();
    assert_eq!((read.read, read.wanted), (Some(Parameters::default()), None));

    let wanted = Parameters {
        guarantee: Guarantee { on: true, half_h: 0, automatic_after_h: 8 },
        exclusion: true,
        message: "检修通知".into(),
        ..Parameters::default()
    };
    let request = || Request::SetParameters { terminal, parameters: Box::new(wanted.clone()), reason: String::new() };
    handle.request(From::new("li", "10.0.0.7"), request()).await.unwrap().unwrap();
    // Not sent yet: what the terminal has is another thing, and an alarm.
    timeout(SOON, handle.read_parameters(terminal)).await.unwrap().unwrap();
    let alarm = |detail: &TerminalDetail| {
        detail.alarms.iter().find(|alarm| alarm.cause == AlarmCause::ParametersDiffer { terminal }).cloned()
    };
    let detail = handle.terminal(terminal).await.unwrap().unwrap();
    assert!(alarm(&detail).expect("an alarm").detail.contains("guarantee.on: wanted true, read false"));

    let told = timeout(SOON, handle.send_parameters(terminal, &wanted)).await.unwrap().unwrap();
    assert_eq!((told.read.as_ref(), told.differences()), (Some(&wanted), vec![]));
    let guaranteed = |view: &Arc<View>| view.terminals.iter().any(|line| line.id == terminal && line.guaranteed);
    timeout(SOON, view.wait_for(guaranteed)).await.expect("the terminal tells its guarantee").unwrap();
    let unknown: TerminalId = "NOBODY".parse().unwrap();
    assert!(matches!(handle.read_parameters(unknown).await, Err(NotCompared::Unknown(_))));
    timeout(SOON, centre.stop()).await.unwrap().unwrap();
    stop.send(true).unwrap();
    running.ended().await;
}
