//! `headroom serve` and a station of lib60870-C (PyPI `c104`), see `peers`.

use std::net::{Ipv4Addr, SocketAddr};

use headroom_rules::model::{PointKind, Quality, RoundNo, SwitchPosition};
use headroom_rules::orders::{OrderId, OrderState};
use headroom_rules::view::View;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::centre::{Centre, Site, customer};
use crate::peer::{Peer, free_port, now};

const COMMON_ADDRESS: u16 = 47;

pub(crate) async fn request(centre: &Centre, body: Value) -> OrderId {
    let (status, reply) = centre.post(&body).await;
    assert_eq!(status, StatusCode::OK, "{reply}");
    OrderId(reply["order"].as_u64().unwrap())
}

/// Until an order is in `state`; in another final one it never will be.
pub(crate) async fn until_order(centre: &Centre, id: OrderId, state: OrderState) {
    let there = |view: &View| {
        let order = view.orders.iter().find(|order| order.id == id)?;
        assert!(order.state == state || !order.state.is_final(), "wanted {state:?}: {order:#?}");
        (order.state == state).then_some(())
    };
    centre.until(&format!("{id} {state:?}"), there).await;
}

#[tokio::test]
#[ignore = "needs the c104 peer: run ops/test"]
async fn a_centre_reads_and_switches_a_station_of_lib60870() {
    let port = free_port();
    let start_ms = now().get() - 60_000;
    let arguments = [port.to_string(), COMMON_ADDRESS.to_string(), start_ms.to_string()];
    let mut station = Peer::start("c104_station.py", &arguments);
    station.line("listening", |line| line["seen"] == "listening").await;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let site = Site::new(&customer(address, COMMON_ADDRESS), "w = 1\n");
    let centre = site.start().await;

    // As the centre goes about it: the clock, then everything, then the counters.
    let clock = station.line("the clock", |line| line["seen"] == "clock").await;
    let theirs_s = clock["time"].as_f64().unwrap();
    assert!((theirs_s - now().get() as f64 / 1_000.0).abs() < 60.0, "the clock was set to {clock}");
    let asked = |what: &'static str| move |line: &Value| line["seen"] == what && line["cause"] == 6;
    station.line("the interrogation", asked("interrogation")).await;
    station.line("the counter interrogation", asked("counter interrogation")).await;
    let closed = |view: &View| {
        let terminal = &view.terminals[0];
        let known = terminal.power.is_some() && terminal.rounds[0].position == Some(SwitchPosition::Closed);
        known.then(|| (terminal.power.unwrap().get(), terminal.rounds[0].power.map(|power| power.get())))
    };
    assert_eq!(centre.until("what was interrogated", closed).await, (100_500, Some(40_000)));

    station.say(&format!("power 321.5 {}", start_ms + 1_234)).await;
    let spontaneous = |view: &View| (view.terminals[0].power?.get() == 321_500).then_some(());
    centre.until("the spontaneous power", spontaneous).await;
    station.say("invalid").await;

    let action = json!({ "action": "trip", "round": 1 });
    let select = json!({ "request": "select", "terminal": "T-1", "action": action, "reason": "try-out" });
    let order = request(&centre, select).await;
    until_order(&centre, order, OrderState::Selected).await;
    request(&centre, json!({ "request": "execute", "order": order })).await;
    // Its stack answers the select by itself and tells nobody.
    let seen = station.line("the execute", |line| line["seen"] == "command").await;
    assert_eq!((&seen["ioa"], &seen["select"]), (&json!(6001), &json!(false)), "{seen}");
    until_order(&centre, order, OrderState::Confirmed).await;
    let open = |view: &View| {
        let round = &view.terminals[0].rounds[0];
        (round.position == Some(SwitchPosition::Open) && round.held_by_operator).then_some(())
    };
    centre.until("the open switch, held by its operator", open).await;

    let (status, said) = centre.stop("TERM").await;
    assert_eq!(status.code(), Some(0), "{said:#?}");
    assert!(
        !said.iter().any(|line| line.contains("malformed") || line.contains("not in the terminal's point map")),
        "{said:#?}"
    );
    station.say("quit").await;

    let rows = site.readings().await;
    let of = |kind: PointKind, cause: u8| {
        let rows = rows.iter().filter(move |row| row.kind == kind.code() && row.cause == cause);
        rows.map(|row| (row.value, row.quality, row.source_time)).collect::<Vec<_>>()
    };
    let (good, invalid) = (Quality::GOOD.bits(), Quality::INVALID.bits());
    let switch = PointKind::RoundPosition(RoundNo::ALL[0]);
    // This stack answers an interrogation with the times of its points, where they are of a type that has one.
    assert_eq!(of(PointKind::ActivePower, 20), [(100_500, good, Some(start_ms))]);
    assert_eq!(of(PointKind::ActivePower, 3), [(321_500, good, Some(start_ms + 1_234))]);
    assert_eq!(of(PointKind::VoltageA, 3), [(0, invalid, None)]);
    assert_eq!(of(switch, 20), [(SwitchPosition::Closed.value(), good, Some(start_ms))]);
    let counters = of(PointKind::ImportEnergy, 37);
    assert_eq!(counters.iter().map(|(value, quality, _)| (*value, *quality)).collect::<Vec<_>>(), [(1_234_500, good)]);
    let switched: Vec<_> = rows.iter().filter(|row| row.kind == switch.code() && row.cause != 20).collect();
    assert!(switched.iter().any(|row| row.value == SwitchPosition::Open.value() && row.quality == good), "{rows:#?}");
}
