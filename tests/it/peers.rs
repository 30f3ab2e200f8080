//! Against lib60870-C (PyPI `c104`), in both roles. `ops/test` installs it and names its Python in
//! `HEADROOM_TEST_PYTHON`; `cargo test` alone leaves these tests out by name.

use std::time::Duration;

use headroom_rules::model::{PointKind, Quality, Reading, RoundNo, SwitchPosition, Timestamp};
use headroom_rules::orders::{Action, Outcome, Step};
use headroom_terminals::iec104::{AckTicket, Command, LinkConfig, LinkHandler, Malformed, Object, run_controlling};
use headroom_terminals::profile::Profile;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::peer::{Peer, free_port, now};
use crate::process::listening;
use crate::program::{PATIENCE, Program};

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
    async fn outcome(&mut self, command: u64, outcome: Outcome, ack: Option<AckTicket>) {
        let _ = self.heard.send(Heard::Outcome(command, outcome)).await;
        if let Some(ack) = ack {
            ack.durable();
        }
    }
    async fn link(&mut self, _: bool, _: &str) {}
    fn malformed(&mut self, octets: &[u8], why: &str, _: Malformed) {
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
    let command = |step| Command {
        id: 9,
        common_address: 47,
        ioa,
        value,
        qualifier: 0,
        step,
        expires_in: Duration::from_secs(30),
    };
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

const TERMINAL: &str = r#"
listen = "127.0.0.1:0"
common_address = 47

[site]
contract_kw = 400
load = "three_shift"
rounds = [{ no = 1, name = "furnace", share_percent = 40 }, { no = 2, name = "lighting", share_percent = 10 }]
"#;

#[tokio::test]
#[ignore = "needs the c104 peer: run ops/test"]
async fn a_client_of_lib60870_reads_and_switches_a_soft_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("terminal.toml");
    std::fs::write(&config, TERMINAL).unwrap();
    let mut terminal = Program::headroom(&["terminal", "--config", config.to_str().unwrap()]);
    let address = terminal.line("where it listens", listening).await;

    let mut client = Peer::start("c104_client.py", &[address.port().to_string(), "47".into()]);
    client.step("connected").await;
    client.step("started").await;
    // Single and double points and measured values, then counters: all without time tags.
    let interrogated = client.step("interrogated").await;
    assert_eq!(interrogated["types"], serde_json::json!([1, 3, 13]));
    let power_kw = client.step("power").await["kw"].as_f64().unwrap();
    assert!((200.0..320.0).contains(&power_kw), "a three-shift load of 400 kW draws {power_kw} kW");
    assert_eq!(client.step("counted").await["types"], serde_json::json!([15]));
    client.step("clock set").await;
    for name in ["trip", "restore"] {
        for step in ["select confirmed", "execute confirmed", "switch reported"] {
            client.step(&format!("{name}: {step}")).await;
        }
    }
    client.step("execute without select refused").await;
    client.step("ended").await;
    assert_eq!(terminal.terminate().await.code(), Some(0));
}
