//! Against lib60870-C (PyPI `c104`), in both roles. `ops/test` installs it and names its Python in
//! `HEADROOM_TEST_PYTHON`; `cargo test` alone leaves these tests out by name.

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use headroom_rules::model::{PointKind, Quality, Reading, RoundNo, SwitchPosition, Timestamp};
use headroom_rules::orders::{Action, Outcome, Step};
use headroom_sim::fleet::Fleet;
use headroom_sim::scenario::Scenario;
use headroom_sim::server::{SimClock, serve_on};
use headroom_terminals::iec104::{AckTicket, Command, LinkConfig, LinkHandler, Object, run_controlling};
use headroom_terminals::profile::Profile;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

/// Nothing here takes longer, on a machine that is busy with everything else.
const PATIENCE: Duration = Duration::from_secs(60);

struct Peer {
    _child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    fn start(script: &str, arguments: &[String]) -> Self {
        let python = std::env::var("HEADROOM_TEST_PYTHON").expect("ops/test names the Python that has c104");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers").join(script);
        let mut child = tokio::process::Command::new(python)
            .arg(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { _child: child, stdin, lines }
    }

    async fn say(&mut self, line: &str) {
        self.stdin.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// The first line from here on that is JSON and fits.
    async fn line(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let found = timeout(PATIENCE, async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if let Ok(value) = serde_json::from_str(&line)
                    && fits(&value)
                {
                    return Some(value);
                }
            }
            None
        });
        found.await.ok().flatten().unwrap_or_else(|| panic!("never said: {what}"))
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::new(i64::try_from(since_epoch.as_millis()).unwrap())
}

#[derive(Debug)]
enum Heard {
    Reading(Reading),
    Outcome(u64, Outcome),
}

struct Listening {
    profile: Profile,
    heard: mpsc::Sender<Heard>,
}

impl LinkHandler for Listening {
    async fn objects(&mut self, objects: &[Object], ack: AckTicket) {
        for reading in objects.iter().filter_map(|object| self.profile.reading(object)) {
            let _ = self.heard.send(Heard::Reading(reading)).await;
        }
        ack.durable();
    }
    async fn outcome(&mut self, command: u64, outcome: Outcome) {
        let _ = self.heard.send(Heard::Outcome(command, outcome)).await;
    }
    async fn link(&mut self, _: bool, _: &str) {}
    fn malformed(&mut self, octets: &[u8], why: &str) {
        panic!("{why}: {octets:02x?}");
    }
    fn written(&mut self, _: u64) {}
}

/// The first thing heard from here on that fits.
async fn hear<T>(heard: &mut mpsc::Receiver<Heard>, what: &str, fits: impl Fn(&Heard) -> Option<T>) -> T {
    let found = timeout(PATIENCE, async {
        loop {
            if let Some(found) = fits(&heard.recv().await.unwrap()) {
                return found;
            }
        }
    });
    found.await.unwrap_or_else(|_| panic!("never heard: {what}"))
}

fn reading_of(kind: PointKind, cause: u8) -> impl Fn(&Heard) -> Option<Reading> {
    move |heard| match heard {
        Heard::Reading(reading) if reading.point == kind && reading.cause == cause => Some(*reading),
        _ => None,
    }
}

fn confirmed(order: u64, step: Step) -> impl Fn(&Heard) -> Option<()> {
    move |heard| match heard {
        Heard::Outcome(id, outcome) if *id == order => {
            (*outcome != Outcome::Terminated).then(|| assert_eq!(*outcome, Outcome::Confirmed(step)))
        }
        _ => None,
    }
}

#[tokio::test]
#[ignore = "needs the c104 peer: run ops/test"]
async fn a_link_reads_and_switches_a_station_of_lib60870() {
    let port = free_port();
    let start = Timestamp::new(now().get() - 60_000);
    let mut station = Peer::start("c104_station.py", &[port.to_string(), "47".into(), start.get().to_string()]);
    station.line("listening", |line| line["seen"] == "listening").await;

    let profile = Profile::standard();
    let (sender, mut heard) = mpsc::channel(1_024);
    let (commands, commanded) = mpsc::channel(8);
    let (stopper, stop) = watch::channel(false);
    let handler = Listening { profile: profile.clone(), heard: sender };
    let config = LinkConfig::new(format!("127.0.0.1:{port}"), 47);
    let link = tokio::spawn(run_controlling(config, commanded, now, handler, stop));

    let clock = station.line("the clock", |line| line["seen"] == "clock").await;
    let theirs_s = clock["time"].as_f64().unwrap();
    assert!((theirs_s - now().get() as f64 / 1_000.0).abs() < 60.0, "the clock was set to {clock}");

    let reading = hear(&mut heard, "the switch", reading_of(PointKind::RoundPosition(RoundNo::ALL[0]), 20)).await;
    assert_eq!(reading.value, SwitchPosition::Closed.value());
    let reading = hear(&mut heard, "the power", reading_of(PointKind::ActivePower, 20)).await;
    assert_eq!((reading.value, reading.quality), (100_500, Quality::GOOD));
    hear(&mut heard, "the counter", reading_of(PointKind::ImportEnergy, 37)).await;

    station.say(&format!("power 321.5 {}", start.get() + 1_234)).await;
    let reading = hear(&mut heard, "the new power", reading_of(PointKind::ActivePower, 3)).await;
    assert_eq!((reading.value, reading.source_time), (321_500, Some(Timestamp::new(start.get() + 1_234))));
    station.say("invalid").await;
    let reading = hear(&mut heard, "the invalid voltage", reading_of(PointKind::VoltageA, 3)).await;
    assert!(reading.quality.has(Quality::INVALID) && !reading.quality.decides());

    let action = Action::Trip { round: RoundNo::ALL[0] };
    let (ioa, value) = profile.command_address(action).unwrap();
    let command = |step| Command { id: 9, common_address: 47, ioa, value, step, expires_in: Duration::from_secs(30) };
    commands.send(command(Step::Select)).await.unwrap();
    hear(&mut heard, "the check-back", confirmed(9, Step::Select)).await;
    commands.send(command(Step::Execute)).await.unwrap();
    hear(&mut heard, "the confirmation", confirmed(9, Step::Execute)).await;
    station.line("the execute", |line| line["seen"] == "command" && line["select"] == false).await;
    let open = SwitchPosition::Open.value();
    hear(&mut heard, "the open switch", |heard| match heard {
        Heard::Reading(reading) if reading.point == PointKind::RoundPosition(RoundNo::ALL[0]) => {
            (reading.value == open).then_some(())
        }
        _ => None,
    })
    .await;

    stopper.send(true).unwrap();
    drop(heard);
    timeout(PATIENCE, link).await.unwrap().unwrap();
    station.say("quit").await;
}

#[tokio::test]
#[ignore = "needs the c104 peer: run ops/test"]
async fn a_client_of_lib60870_reads_and_switches_a_soft_terminal() {
    let fleet = Fleet::generate(2, 1, Scenario::named("quiet").unwrap()).unwrap();
    let customer = fleet.inventory.terminals.iter().find(|(_, terminal)| !terminal.rounds.is_empty());
    let (terminal, common_address) =
        *fleet.links.iter().find(|(terminal, _)| customer.is_some_and(|(id, _)| id == terminal)).unwrap();
    let clock = SimClock::new(fleet.plant.start(), 1.0);
    let (stopper, stop) = watch::channel(false);
    let running = serve_on(fleet, clock, IpAddr::V4(Ipv4Addr::LOCALHOST), None, stop).await.unwrap();
    let port = running.addresses[&terminal].port();

    let mut client = Peer::start("c104_client.py", &[port.to_string(), common_address.to_string()]);
    let result = client.line("the result", |line| line["connected"].is_boolean()).await;
    for done in
        ["connected", "interrogated", "counted", "clock", "trip_accepted", "tripped", "restore_accepted", "restored"]
    {
        assert_eq!(result[done], true, "{done}: {result}");
    }
    assert_eq!(result["execute_without_select_accepted"], false, "{result}");
    // Double points, measured values and counters without time tags.
    assert_eq!(result["interrogated_types"], serde_json::json!([1, 3, 13, 15]), "{result}");
    assert!(result["power_kw"].as_f64().unwrap() > 0.0, "{result}");
    stopper.send(true).unwrap();
    timeout(PATIENCE, running.ended()).await.unwrap();
}
