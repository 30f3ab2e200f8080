//! `headroom demo`: a whole centre on a simulated fleet, every link a real TCP socket, in one process and in fast time.

mod progress;
mod report;

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use headroom_rules::model::{Span, Timestamp};
use headroom_rules::policy::{GroupRules, Policy};
use headroom_sim::fleet::Fleet;
use headroom_sim::scenario::Scenario;
use headroom_sim::server::{self, SimClock};
use tokio::sync::watch;

use crate::centre::Parts;
use crate::clock::Clock;
use crate::commands::served::Served;
use crate::commands::{logging, stop};
use crate::config::{self, CollectionSettings, Iec104Settings, JournalSettings, LinkEntry, Transport};
use crate::store::StoreSettings;
use crate::{api, console, journal};
use progress::Progress;
use report::Report;

/// What a demonstration is asked to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// Terminals, those at the feeders' heads included, 2..=5000.
    pub terminals: u32,
    /// The same seed gives the same fleet and the same loads.
    pub seed: u64,
    /// Name of a scenario that ships.
    pub scenario: String,
    /// Seconds of the supply's time in one second, 1..=600.
    pub time_factor: f64,
    /// The folder for everything that is kept.
    pub data: PathBuf,
    /// The API's address; none takes a free port.
    pub listen: SocketAddr,
    /// Without the console: for how long.
    pub headless_for: Option<Duration>,
}

const DAY_S: i64 = 86_400;

/// Runs until the operator quits the console, the time is up, or the process is told to stop.
///
/// # Errors
/// A sentence for the person who started it, before anything runs or when something could not be flushed at the end.
pub async fn run(options: Options) -> anyhow::Result<()> {
    if options.headless_for.is_some() {
        logging::to_stderr("warn");
    } else {
        let tty = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        anyhow::ensure!(tty, "this is not a terminal: use `headroom demo --headless` for figures as JSON");
        journal::make_folder(&options.data)
            .and_then(|()| logging::to_file(&options.data.join("headroom.log")))
            .with_context(|| {
                format!("data folder {}: cannot write there; name another with --data", options.data.display())
            })?;
    }
    let listener = api::bind(options.listen, "with --listen").await?;
    let mut scenario = Scenario::named(&options.scenario)?;
    if let Some(last) = journal::last_time(&options.data).await? {
        // A journal's time never runs backwards: a later demonstration in the same folder plays on a later day.
        scenario = scenario.starting_on(last.after(Span::from_s(DAY_S)));
    }
    let fleet = Fleet::generate(options.terminals, options.seed, scenario)?;
    let start = fleet.plant.start();
    let sim_clock = SimClock::new(start, options.time_factor);
    let (inventory, links) = (fleet.inventory.clone(), fleet.links.clone());
    let policy = on_the_clock(&fleet.policy, options.time_factor);
    let (stop_fleet, fleet_stopped) = watch::channel(false);
    let running = server::serve(fleet, sim_clock, fleet_stopped).await?;
    let links = links.into_iter().filter_map(|(terminal, common_address)| {
        let address = running.addresses.get(&terminal)?.to_string();
        Some(LinkEntry::dialled(terminal, address, common_address))
    });
    let parts = Parts {
        data: options.data.clone(),
        fleet: config::Fleet { inventory, links: links.collect() },
        // All profiles are the one that ships.
        fleet_file: PathBuf::new(),
        policy,
        iec104: settings(options.time_factor),
        transport: Transport::default(),
        clock: Clock::from_source(options.time_factor, move || sim_clock.now()),
        store: StoreSettings::default(),
        journal: JournalSettings::default(),
        collection: CollectionSettings::default(),
    };
    let served = Served::start(parts, Vec::new(), listener).await?;
    let result = match options.headless_for {
        Some(time) => headless(&options, time, start, &sim_clock, served).await,
        None => with_console(served).await,
    };
    stop_fleet.send_replace(true);
    running.ended().await;
    result
}

/// An operator's time does not run faster: a select holds for twenty seconds on the clock, and an order lives as long.
#[allow(clippy::cast_possible_truncation, reason = "a float cast saturates")]
fn on_the_clock(policy: &Policy, time_factor: f64) -> Policy {
    const HOLDS_S: f64 = 20.0;
    /// A group order's list is read, and talked over.
    const LIST_READ_S: f64 = 300.0;
    let select_timeout = Span::from_s((HOLDS_S * time_factor) as i64);
    let order_expiry = select_timeout.max(Span::from_s(120));
    let expiry = policy.groups.expiry.max(Span::from_s((LIST_READ_S * time_factor) as i64));
    let groups = GroupRules { expiry, ..policy.groups };
    Policy { select_timeout, order_expiry, groups, ..policy.clone() }
}

/// Interrogations come as often in the supply's time as they would on the clock, so that meters are seen to turn.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float cast saturates, and this is above 0"
)]
fn settings(time_factor: f64) -> Iec104Settings {
    const EVERY_S_MIN: u32 = 10;
    let usual = Iec104Settings::default();
    let scaled = |every_s: u32| ((f64::from(every_s) / time_factor) as u32).max(EVERY_S_MIN);
    Iec104Settings {
        interrogation_every_s: scaled(usual.interrogation_every_s),
        counter_every_s: scaled(usual.counter_every_s),
        ..usual
    }
}

async fn with_console(served: Served) -> anyhow::Result<()> {
    let url = format!("http://{}", served.address());
    let token = served.own_token().context("a demonstration makes its own token")?.token.clone();
    let shown = console::run(console::Options { url, token, once: false, json: false, size: None }).await;
    let stopped = served.stop().await;
    shown.and(stopped.map(|_| ()))
}

async fn headless(
    options: &Options,
    time: Duration,
    start: Timestamp,
    clock: &SimClock,
    served: Served,
) -> anyhow::Result<()> {
    let mut progress = Progress::new(time);
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    let mut asked = std::pin::pin!(stop::asked_to_stop());
    let end = tokio::time::sleep(time);
    tokio::pin!(end);
    loop {
        tokio::select! {
            () = &mut end => break,
            () = &mut asked => break,
            () = served.ended() => break,
            _ = tick.tick() => progress.show(&served.figures(), &served.handle().view()),
        }
    }
    let links_up = served.figures().links_up;
    let supply: Span = clock.now().since(start);
    let figures = served.stop().await?;
    progress.end();
    let report = Report::new(options, links_up, supply.s(), &figures);
    writeln!(std::io::stdout().lock(), "{}", serde_json::to_string(&report)?).context("the figures cannot be written")
}
