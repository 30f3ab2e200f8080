//! Ours is the controlling station, lib60870-C (PyPI `c104`) the controlled one.

use std::collections::BTreeMap;

use headroom_rules::orders::{NotSent, Outcome, Step};
use headroom_terminals::iec104::asdu::element::{Qcc, Qoi, Qpm, Qrp};
use headroom_terminals::iec104::asdu::{Asdu, causes};
use headroom_terminals::iec104::controlling::{Answer, ParameterValue, Request, State};
use headroom_terminals::iec104::{CommandValue, LinkConfig, Object};
use serde_json::json;

use super::COMMON_ADDRESS;
use super::centre::{self, Centre};
use super::driver::Driver;
use super::relay::Relay;
use super::rows::{self, Row};
use super::tally::Tally;
use crate::peer::now;

const SPONTANEOUS: u8 = causes::SPONTANEOUS;

async fn station_with(rows: &[Row]) -> (Driver, Relay) {
    let (mut station, address) = Driver::station();
    for row in rows {
        let (ca, ioa, type_name) = (COMMON_ADDRESS, row.ioa, row.type_name);
        station.tell("add", json!({ "ca": ca, "ioa": ioa, "type": type_name })).await;
        station.tell("set", row.said()).await;
    }
    station.tell("start", json!({})).await;
    (station, Relay::start(address, Vec::new()).await)
}

#[tokio::test]
#[ignore = "needs the c104 peer: run ops/test"]
async fn a_centre_hears_every_value_of_every_type_that_lib60870_sends() {
    let rows = rows::monitored();
    let (mut station, relay) = station_with(&rows).await;
    let mut centre = Centre::start(centre::config(relay.address)).await;
    let mut tally = Tally::new("controlling-monitored");

    let objects: BTreeMap<u32, Object> = centre.settled().await.iter().map(|object| (object.ioa, *object)).collect();
    for row in &rows {
        // This stack interrogates and reads with the times of its points, where they are of a type that has one.
        let cause = if row.is_counter() { causes::COUNTER_INTERROGATED } else { causes::INTERROGATED };
        let wanted = row.is_interrogated().then(|| row.heard(cause));
        tally.row(format!("interrogated {}", row.name()), &objects.get(&row.ioa), &wanted.as_ref());
    }
    // It looks at what it has to send every 50 ms, so all are told first.
    for row in &rows {
        station.tell("report", json!({ "ca": COMMON_ADDRESS, "ioa": row.ioa, "cause": SPONTANEOUS })).await;
    }
    for row in &rows {
        let heard = centre.object(row.ioa).await;
        tally.row(format!("reported {}", row.name()), &heard, &row.heard(SPONTANEOUS));
    }
    for row in &rows {
        let read = centre.request(Request::Read { ioa: row.ioa }).await;
        let wanted = if row.is_readable() {
            (Answer::Done, vec![row.heard(causes::REQUEST)])
        } else {
            (Answer::Refused { cause: causes::ACTIVATION_CON }, Vec::new())
        };
        tally.row(format!("read {}", row.name()), &read, &wanted);
    }
    for of_type in rows.chunk_by(|a, b| a.type_name == b.type_name) {
        // As many as fit: the longest of these objects has 15 octets.
        for batch in of_type.chunks(16) {
            let ioas: Vec<_> = batch.iter().map(|row| row.ioa).collect();
            station.tell("batch", json!({ "ca": COMMON_ADDRESS, "ioas": ioas, "cause": SPONTANEOUS })).await;
            let heard = centre.objects().await;
            let wanted: Vec<_> = batch.iter().map(|row| row.heard(SPONTANEOUS)).collect();
            tally.row(format!("{} in one message", batch[0].type_name), &heard, &wanted);
        }
    }
    let sequences = relay.asdus().iter().filter(|(_, asdu)| Asdu::parse(asdu).unwrap().sequence).count();
    assert!(sequences > 0, "this stack sends sequences, of single objects and of those with time, too");
    relay.keep("controlling-monitored", "1");
    tally.finish();
}

#[tokio::test]
#[ignore = "needs the c104 peer: run ops/test"]
async fn a_centre_switches_every_type_of_command_that_lib60870_takes() {
    switch_all("controlling-commands", false).await;
}

#[tokio::test]
#[ignore = "needs the c104 peer: run ops/test"]
async fn a_centre_switches_every_type_of_command_with_time_that_lib60870_takes() {
    switch_all("controlling-timed-commands", true).await;
}

async fn switch_all(name: &'static str, timed: bool) {
    let rows = rows::commands();
    let (mut station, address) = Driver::station();
    for row in &rows {
        let mode = if row.value.can_be_selected() { "select" } else { "direct" };
        let (ioa, type_name) = (row.ioa, row.types[usize::from(timed)]);
        station.tell("add", json!({ "ca": COMMON_ADDRESS, "ioa": ioa, "type": type_name, "mode": mode })).await;
    }
    station.tell("start", json!({})).await;
    let relay = Relay::start(address, Vec::new()).await;
    let config = LinkConfig { timed_commands: timed, ..centre::config(relay.address) };
    let mut centre = Centre::start(config).await;
    centre.settled().await;
    let mut tally = Tally::new(name);
    for (order, row) in (100..).zip(&rows) {
        let to = (COMMON_ADDRESS, row.ioa);
        // QU in turn: none, short and long pulse, persistent; QL: none.
        let qualifier = if row.value.is_switching() { u8::try_from(order % 4).unwrap() } else { 0 };
        let selected = centre.pulse(order, to, (row.value, qualifier), Step::Select).await;
        if !row.value.can_be_selected() {
            let refused = Outcome::NotSent { step: Step::Select, why: NotSent::NotSelected };
            tally.row(format!("select {}", row.name(timed)), &selected, &refused);
            continue;
        }
        tally.row(format!("select {}", row.name(timed)), &selected, &Outcome::Confirmed(Step::Select));
        let executed = centre.pulse(order, to, (row.value, qualifier), Step::Execute).await;
        tally.row(format!("execute {}", row.name(timed)), &executed, &Outcome::Confirmed(Step::Execute));
        centre.terminated(order).await;
        let seen = station.seen("the execute", |told| told["seen"] == "command" && told["ioa"] == row.ioa).await;
        tally.row(format!("{} as it came", row.name(timed)), &seen["fields"], row.fields());
        tally.row(format!("its qualifier {qualifier}"), &seen["quality"], &json!(qualifier));
        if timed {
            let late_ms = now().get() - seen["time"].as_i64().unwrap();
            tally.row(
                format!("the time of {}, {late_ms} ms ago", row.name(timed)),
                &(0..60_000).contains(&late_ms),
                &true,
            );
        }
    }
    let unseen: Vec<_> = station.unlooked().iter().filter(|told| told["seen"] == "command").collect();
    assert!(unseen.is_empty(), "executed without a select: {unseen:?}");
    relay.keep(name, "1");
    tally.finish();
}

#[tokio::test]
#[ignore = "needs the c104 peer: run ops/test"]
async fn a_centre_takes_lib60870s_refusals_and_oddities_one_outcome_each() {
    const SWITCH: (u16, u32) = (COMMON_ADDRESS, 6_001);
    const DIRECT: (u16, u32) = (COMMON_ADDRESS, 6_002);
    const NOWHERE: (u16, u32) = (COMMON_ADDRESS, 6_999);
    let ((mut station, address), on) = (Driver::station(), CommandValue::Double(true));
    for ((ca, ioa), mode) in [(SWITCH, "select"), (DIRECT, "direct")] {
        station.tell("add", json!({ "ca": ca, "ioa": ioa, "type": "C_DC_NA_1", "mode": mode })).await;
    }
    station.tell("add", json!({ "ca": COMMON_ADDRESS, "ioa": 1_001, "type": "M_SP_NA_1" })).await;
    station.tell("add", json!({ "ca": COMMON_ADDRESS, "ioa": 3_001, "type": "M_IT_NA_1" })).await;
    station.tell("start", json!({})).await;
    let relay = Relay::start(address, Vec::new()).await;
    let mut centre = Centre::start(centre::config(relay.address)).await;
    centre.settled().await;
    let mut tally = Tally::new("controlling-refusals");
    let confirmed = Outcome::Confirmed;
    let refused = |step, cause| Outcome::Refused { step, cause };

    // Deactivation is confirmed with cause 7 instead of 9.
    tally.row("select", &centre.step(1, SWITCH, on, Step::Select).await, &confirmed(Step::Select));
    tally.row("cancel", &centre.step(1, SWITCH, on, Step::Cancel).await, &confirmed(Step::Cancel));
    let not_selected = Outcome::NotSent { step: Step::Execute, why: NotSent::NotSelected };
    tally.row("execute after it", &centre.step(1, SWITCH, on, Step::Execute).await, &not_selected);

    let (ca, ioa) = SWITCH;
    station.tell("answer", json!({ "ca": ca, "ioa": ioa, "with": "FAILURE" })).await;
    tally.row("select again", &centre.step(2, SWITCH, on, Step::Select).await, &confirmed(Step::Select));
    let failed = centre.step(2, SWITCH, on, Step::Execute).await;
    tally.row("an execute that fails", &failed, &refused(Step::Execute, causes::ACTIVATION_CON));
    let direct = centre.step(3, DIRECT, on, Step::Select).await;
    tally.row("select where it knows none", &direct, &refused(Step::Select, causes::ACTIVATION_CON));

    // Two replies to each: cause 7 with P/N = 1, then 46 or 47 with P/N = 0, which must not count for what follows.
    for (what, order, to) in [("address", 4, NOWHERE), ("station", 5, (99, 6_001))] {
        let unknown = centre.step(order, to, on, Step::Select).await;
        tally.row(format!("an unknown {what}"), &unknown, &refused(Step::Select, causes::ACTIVATION_CON));
    }

    let done = Answer::Done;
    let no = |cause| Answer::Refused { cause };
    let requests = [
        (Request::Clock, done),
        (Request::Interrogate(Qoi(20)), done),
        // It has no groups.
        (Request::Interrogate(Qoi(21)), no(causes::ACTIVATION_CON)),
        (Request::Counters(Qcc(5)), done),
        (Request::Counters(Qcc(1)), no(causes::ACTIVATION_CON)),
        (Request::Counters(Qcc(0x45)), done),
        (Request::Read { ioa: 1_001 }, done),
        (Request::Read { ioa: 1_999 }, no(causes::ACTIVATION_CON)),
        (Request::Reset(Qrp(1)), no(causes::ACTIVATION_CON)),
        (
            Request::Parameter { ioa: 7_001, value: ParameterValue::Scaled(7), qualifier: Qpm(1) },
            no(causes::ACTIVATION_CON),
        ),
        // No reply to some that it does not know.
        (Request::Test, Answer::TimedOut),
        (Request::TestTimed(0xBEEF), done),
    ];
    for (request, wanted) in requests {
        tally.row(format!("{request:?}"), &centre.request(request).await.0, &wanted);
    }
    station.tell("answer", json!({ "with": "FAILURE" })).await;
    tally.row("a clock that fails", &centre.request(Request::Clock).await.0, &no(causes::ACTIVATION_CON));
    station.tell("answer", json!({ "with": "SUCCESS" })).await;

    // Sequence numbers go on over a stop.
    centre.ask(|session, now| session.pause(now));
    centre.state(State::Stopped).await;
    tally.row("a stopped link", &centre.request(Request::Test).await.0, &Answer::NotSent(NotSent::NoLink));
    centre.ask(|session, now| session.start(now));
    centre.state(State::Started).await;
    centre.settled().await;
    tally.row("after a stop", &centre.request(Request::Read { ioa: 1_001 }).await.0, &done);
    let (ca, ioa) = SWITCH;
    station.tell("answer", json!({ "ca": ca, "ioa": ioa, "with": "SUCCESS" })).await;
    for step in [Step::Select, Step::Execute] {
        tally.row("a switch after a stop", &centre.step(7, SWITCH, on, step).await, &confirmed(step));
    }
    relay.keep("controlling-refusals", "1");
    tally.finish();
}
