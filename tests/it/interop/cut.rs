//! Links that are cut after a random number of octets, in the middle of frames and of orders.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use headroom_rules::model::{Quality, Timestamp};
use headroom_rules::orders::{NotSent, Outcome, Step};
use headroom_terminals::iec104::asdu::{Asdu, causes, types};
use headroom_terminals::iec104::{
    AckTicket, Command, CommandValue, LinkConfig, LinkHandler, Malformed, Object, StationConfig, Value, run_controlling,
};
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::COMMON_ADDRESS;
use super::device::{self, Device, Holds};
use super::driver::Driver;
use super::relay::Relay;
use super::tally::Tally;
use crate::peer::now;
use crate::program::PATIENCE;

const SWITCH: u32 = 6_001;
const COUNTED: u32 = 2_001;

/// So many octets for each of four connections: drawn from the seed (SplitMix64).
fn cuts(seed: u64, octets: Range<usize>) -> Vec<usize> {
    let draw = |n: u64| {
        let mut z = seed.wrapping_add(n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        octets.start + usize::try_from(z >> 33).unwrap() % octets.len()
    };
    (1..=4).map(draw).collect()
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Heard {
    Up(bool),
    Object(Object),
    Outcome(u64, Outcome),
    /// The command's bytes were written.
    Written(u64),
}

pub(super) struct Listening(pub(super) mpsc::UnboundedSender<Heard>);

impl LinkHandler for Listening {
    async fn objects(&mut self, objects: &[Object], ack: AckTicket) {
        for object in objects {
            let _ = self.0.send(Heard::Object(*object));
        }
        ack.durable();
    }
    async fn outcome(&mut self, command: u64, outcome: Outcome, ack: Option<AckTicket>) {
        let _ = self.0.send(Heard::Outcome(command, outcome));
        if let Some(ack) = ack {
            ack.durable();
        }
    }
    async fn link(&mut self, up: bool, _: &str) {
        let _ = self.0.send(Heard::Up(up));
    }
    fn malformed(&mut self, octets: &[u8], why: &str, what: Malformed) {
        panic!("{what:?}, {why}: {octets:02x?}");
    }
    fn written(&mut self, command: u64) {
        let _ = self.0.send(Heard::Written(command));
    }
}

/// Our link, as a centre runs it.
pub(super) struct Linked {
    pub(super) commands: mpsc::Sender<Command>,
    heard: mpsc::UnboundedReceiver<Heard>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Linked {
    pub(super) fn start(address: SocketAddr) -> Self {
        let (tell, heard) = mpsc::unbounded_channel();
        Self::with(address, Listening(tell), heard, mpsc::channel(8))
    }

    pub(super) fn with<H: LinkHandler>(
        address: SocketAddr,
        handler: H,
        heard: mpsc::UnboundedReceiver<Heard>,
        (commands, commanded): (mpsc::Sender<Command>, mpsc::Receiver<Command>),
    ) -> Self {
        let config = LinkConfig {
            command_timeout: Duration::from_secs(3),
            ..LinkConfig::new(address.to_string(), COMMON_ADDRESS)
        };
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(run_controlling(config, commanded, now, handler, stopped));
        Self { commands, heard, stop, task }
    }

    pub(super) async fn hear<T>(&mut self, what: &str, mut find: impl FnMut(&Heard) -> Option<T>) -> T {
        let found = timeout(PATIENCE, async {
            loop {
                if let Some(found) = find(&self.heard.recv().await.expect("the link goes on")) {
                    return found;
                }
            }
        });
        found.await.unwrap_or_else(|_| panic!("never heard: {what}"))
    }

    pub(super) async fn up(&mut self, up: bool) {
        self.hear(&format!("the link's end or start: {up}"), |heard| (*heard == Heard::Up(up)).then_some(())).await;
    }

    pub(super) async fn order(&self, id: u64, value: CommandValue, step: Step) {
        let expires_in = Duration::from_secs(60);
        let command =
            Command { id, common_address: COMMON_ADDRESS, ioa: SWITCH, value, qualifier: 0, step, expires_in };
        self.commands.send(command).await.unwrap();
    }

    /// What became of it, a termination apart.
    pub(super) async fn outcome(&mut self, id: u64) -> Outcome {
        self.hear(&format!("the outcome of {id}"), |heard| match heard {
            Heard::Outcome(of, outcome) if *of == id && *outcome != Outcome::Terminated => Some(*outcome),
            _ => None,
        })
        .await
    }

    pub(super) async fn end(self) {
        self.stop.send(true).unwrap();
        timeout(PATIENCE, self.task).await.expect("it stops").unwrap();
    }
}

#[tokio::test]
#[ignore = "needs the c104 peer: run ops/test"]
async fn however_a_link_to_lib60870_is_cut_each_order_has_one_outcome_and_at_most_one_effect() {
    let (mut station, address) = Driver::station();
    let ca = COMMON_ADDRESS;
    station.tell("add", json!({ "ca": ca, "ioa": SWITCH, "type": "C_SE_NB_1", "mode": "select" })).await;
    station.tell("add", json!({ "ca": ca, "ioa": COUNTED, "type": "M_ME_NB_1" })).await;
    station.tell("start", json!({})).await;
    // A start with clock, interrogation and counters takes some 200 octets, an order some 120.
    let cuts = cuts(104, 150..700);
    let relay = Relay::start(address, cuts.clone()).await;
    let mut link = Linked::start(relay.address);
    let mut tally = Tally::new("controlling-cut");
    let (mut order, mut written) = (0_i16, 0);
    for cut in &cuts {
        link.up(true).await;
        // Until the link is lost, order after order, each with a value of its own.
        let last = loop {
            order += 1;
            let (id, value) = (u64::from(order.unsigned_abs()), CommandValue::SetScaled(order));
            link.order(id, value, Step::Select).await;
            let mut outcome = link.outcome(id).await;
            if outcome == Outcome::Confirmed(Step::Select) {
                link.order(id, value, Step::Execute).await;
                written += 1;
                outcome = link.outcome(id).await;
            }
            // It may refuse: the end of the link before, heard late, takes the select of this one away.
            if !matches!(outcome, Outcome::Confirmed(_) | Outcome::Refused { .. }) {
                break outcome;
            }
        };
        let of_a_lost_link = matches!(last, Outcome::LinkLost(_) | Outcome::NotSent { why: NotSent::NoLink, .. });
        tally.row(format!("the order under way at octet {cut}, {last:?}"), &of_a_lost_link, &true);
    }
    relay.over(cuts.len()).await;
    // The one that stays.
    link.up(true).await;
    order += 1;
    let (id, value) = (u64::from(order.unsigned_abs()), CommandValue::SetScaled(order));
    for step in [Step::Select, Step::Execute] {
        link.order(id, value, step).await;
        tally.row("an order after them", &link.outcome(id).await, &Outcome::Confirmed(step));
    }
    station.tell("set", json!({ "ca": ca, "ioa": COUNTED, "type": "M_ME_NB_1", "fields": [order] })).await;
    station.tell("report", json!({ "ca": ca, "ioa": COUNTED, "cause": causes::SPONTANEOUS })).await;
    let wanted = Value::Scaled(order);
    link.hear("the report", |heard| match heard {
        Heard::Object(object) => (object.ioa == COUNTED && object.value == wanted).then_some(()),
        _ => None,
    })
    .await;
    link.end().await;
    station.seen("the last execute", |told| told["seen"] == "command" && told["fields"] == json!([order])).await;

    // What the station carried out: no order twice, and nothing that was not selected.
    let mut executed = BTreeSet::new();
    for told in station.unlooked().iter().filter(|told| told["seen"] == "command") {
        let first = executed.insert(told["fields"][0].as_i64().unwrap());
        tally.row(format!("once: {told}"), &first, &true);
    }
    assert!(executed.len() <= written, "{executed:?} were executed, {written} were sent");
    relay.keep("controlling-cut", "1");
    tally.finish();
}

#[tokio::test]
#[ignore = "needs the c104 peer: run ops/test"]
async fn however_a_client_of_lib60870_is_cut_off_it_gets_every_report_of_ours() {
    // The lost connection need not be gone when the next one comes.
    let config = StationConfig { connections_max: 2, ..device::config() };
    let device = Device::start(config, Holds::default()).await;
    let cuts = cuts(60_870, 60..900);
    let relay = Relay::start(device.address, cuts.clone()).await;
    let report = |n: i16| Object {
        common_address: COMMON_ADDRESS,
        ioa: COUNTED,
        value: Value::Scaled(n),
        quality: Quality::GOOD,
        time: Some(Timestamp::new(1_795_521_600_000 + i64::from(n))),
        cause: causes::SPONTANEOUS,
    };
    let points = [json!({ "ca": COMMON_ADDRESS, "ioa": COUNTED, "type": "M_ME_TE_1" })];
    let mut tally = Tally::new("controlled-cut");
    let mut centre = Driver::centre(&relay, &points).await;
    let mut next = 0_i16;
    for over in 1..=cuts.len() {
        // More than fits before the cut; the rest waits for the next start.
        for _ in 0..60 {
            next += 1;
            device.report([report(next)]);
        }
        relay.over(over).await;
        // It connects again by itself, and is told to start again.
        centre.startdt().await;
    }
    next += 1;
    device.report([report(next)]);
    for n in 1..=next {
        let fits = |told: &serde_json::Value| told["seen"] == "point" && told["fields"] == json!([n]);
        let told = centre.seen(&format!("report {n} of {next}"), fits).await;
        tally.row(format!("report {n}"), &told["time"].as_i64(), &Some(1_795_521_600_000 + i64::from(n)));
    }
    let again = centre.unlooked().iter().filter(|told| told["seen"] == "point").count();
    let sent = relay.asdus().iter().filter(|(_, asdu)| Asdu::parse(asdu).unwrap().type_id == types::M_ME_TE).count();
    // Only what was not acknowledged comes again: k messages at most, of 16 objects, for each cut.
    assert!(again <= cuts.len() * 12 * 16, "{again} reports came again, in {sent} messages");
    relay.keep("controlled-cut", "2");
    tally.finish();
}
