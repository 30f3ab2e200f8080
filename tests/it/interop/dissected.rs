//! Both ends are ours, and say all that they can: for a capture that somebody else's dissector reads (`ops/test`).

use std::collections::BTreeSet;

use headroom_rules::orders::{Outcome, Step};
use headroom_terminals::iec104::asdu::element::{Qcc, Qoi, Qpa, Qpm, Qrp};
use headroom_terminals::iec104::asdu::{Asdu, causes};
use headroom_terminals::iec104::controlling::{Answer, FileAnswer, FileRequest, ParameterValue, Request, State};
use headroom_terminals::iec104::files::{EVENTS, FileId, TRANSPARENT};
use headroom_terminals::iec104::{CommandAnswer, LinkConfig, Object, StationConfig};

use super::COMMON_ADDRESS;
use super::centre::{self, Centre};
use super::device::{self, Device, Holds};
use super::relay::Relay;
use super::rows::{self, Row};
use super::tally::Tally;
use crate::peer::now;

/// Every type that a station of ours or a centre of ours can send.
const TYPES: [u8; 52] = [
    1, 3, 5, 7, 9, 11, 13, 15, 20, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 45, 46, 47, 48, 49, 50, 58, 59, 60, 61,
    62, 63, 70, 100, 101, 102, 103, 104, 105, 107, 110, 111, 112, 113, 120, 121, 122, 123, 124, 125, 126, 127,
];

#[tokio::test]
async fn both_ends_of_ours_say_all_that_they_can_to_each_other() {
    let mut tally = Tally::new("both");
    let rows: Vec<Row> = rows::monitored().into_iter().filter(|row| row.sent).collect();
    let of = |keep: fn(&Row) -> bool| rows.iter().filter(|row| keep(row)).map(|row| row.object(0)).collect::<Vec<_>>();
    let objects = of(|row| !row.is_timed() && !row.is_counter());
    let commands: Vec<_> = rows::commands().into_iter().filter(|row| row.value.can_be_selected()).collect();
    let log: Vec<u8> = (0..=255).cycle().take(5_000).collect();
    let events = FileId { ioa: 9_001, name: EVENTS };
    let holds = Holds {
        group: objects.clone(),
        objects,
        counters: of(|row| !row.is_timed() && row.is_counter()),
        answers: commands.iter().map(|row| (row.ioa, CommandAnswer::Accepted)).collect(),
        files: [((events.ioa, events.name), log.clone())].into(),
        ..Holds::default()
    };
    // The first connection need not be gone when the second one comes.
    let config = StationConfig { connections_max: 2, ..device::config() };
    let device = Device::start(config, holds).await;
    let relay = Relay::start(device.address, Vec::new()).await;
    for timed in [false, true] {
        let config = LinkConfig { timed_commands: timed, ..centre::config(relay.address) };
        let mut centre = Centre::start(config).await;
        let told: Vec<Object> = centre.settled().await;
        let plain = rows.iter().filter(|row| !row.is_timed()).count();
        tally.row("objects at the start", &(told.len() >= plain), &true);
        for (order, row) in (1..).zip(&commands) {
            for step in [Step::Select, Step::Execute] {
                let outcome = centre.step(order, (COMMON_ADDRESS, row.ioa), row.value, step).await;
                tally.row(row.name(timed), &outcome, &Outcome::Confirmed(step));
            }
        }
        device.report(rows.iter().map(|row| row.object(causes::SPONTANEOUS)));
        for row in &rows {
            tally.row(row.name(), &centre.object(row.ioa).await, &row.object(causes::SPONTANEOUS));
        }
        if timed {
            ask(&mut centre, &mut tally).await;
            transfer(&mut centre, &mut tally, events, &log).await;
        }
        centre.ask(|session, now| session.pause(now));
        centre.state(State::Stopped).await;
    }
    let mut raw = relay.asdus();
    raw.retain(|(_, asdu)| Asdu::parse(asdu).is_ok());
    let seen: BTreeSet<u8> = raw.iter().map(|(_, asdu)| asdu[0]).collect();
    tally.row("the types that were said", &seen, &TYPES.into());
    relay.keep("both", "12");
    tally.finish();
}

async fn ask(centre: &mut Centre, tally: &mut Tally) {
    let parameter = |ioa, value| Request::Parameter { ioa, value, qualifier: Qpm(1) };
    let requests = [
        Request::Interrogate(Qoi(21)),
        Request::Counters(Qcc(1)),
        Request::Counters(Qcc(0x45)),
        Request::Read { ioa: 1_001 },
        Request::Test,
        Request::TestTimed(0xFFFF),
        parameter(7_001, ParameterValue::Normalized(-1)),
        parameter(7_002, ParameterValue::Scaled(i16::MIN)),
        parameter(7_003, ParameterValue::Float(0.5)),
        Request::ParameterActivation { ioa: 7_003, qualifier: Qpa(3) },
        Request::Reset(Qrp(1)),
    ];
    for request in requests {
        tally.row(format!("{request:?}"), &centre.request(request).await.0, &Answer::Done);
    }
    let unknown = Answer::Refused { cause: causes::UNKNOWN_OBJECT };
    tally.row("an unknown address", &centre.request(Request::Read { ioa: 8_888 }).await.0, &unknown);
}

async fn transfer(centre: &mut Centre, tally: &mut Tally, events: FileId, log: &[u8]) {
    let Ok(FileAnswer::Directory(files)) = centre.transfer(FileRequest::Directory).await else {
        panic!("no directory");
    };
    tally.row("the directory", &files.iter().map(|info| info.file).collect(), &vec![events]);
    let read = Ok(FileAnswer::Read(log.to_vec()));
    tally.row("a file of events", &centre.transfer(FileRequest::ReadFile(events)).await, &read);
    tally.row("a part of it", &centre.transfer(FileRequest::QueryLog(events, [now(); 2])).await, &read);
    let settings = FileId { ioa: 9_002, name: TRANSPARENT };
    let sent = centre.transfer(FileRequest::SendFile(settings, log.to_vec())).await;
    tally.row("a transparent file", &sent, &Ok(FileAnswer::Sent));
    let read = centre.transfer(FileRequest::ReadFile(settings)).await;
    tally.row("the same read back", &read, &Ok(FileAnswer::Read(log.to_vec())));
}
