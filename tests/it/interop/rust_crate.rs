//! Against the crate `iec104` 0.6, in both roles, as far as it goes: it has no select of its own, no quality in its
//! set-up, and loses its sequence numbers at a stop.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use headroom_rules::model::{Quality, SwitchPosition, Timestamp};
use headroom_rules::orders::{Outcome, Step};
use headroom_terminals::iec104::asdu::element::{Qcc, Qoi};
use headroom_terminals::iec104::asdu::{Bcr, causes};
use headroom_terminals::iec104::controlling::{Answer, Request};
use headroom_terminals::iec104::{CommandAnswer, CommandValue, Object, StationCommand, Value};
use iec104::asdu::Asdu;
use iec104::client::{Client, ClientCallback};
use iec104::config::{ClientConfig, ServerConfig};
use iec104::cot::Cot;
use iec104::rtu_server::{
    MapCommandsToSameIoaMonitoring, PointAddress, PointValue, RtuInitialPoint, RtuSystemHandlers,
    start_rtu_server_ephemeral,
};
use iec104::types::commands::{self, Frz, Rqt};
use iec104::types::information_elements::{Diq, Dpi, SelectExecute, Siq, Spi, Vti};
use iec104::types::quality_descriptors::{Qds, SeqQd};
use iec104::types::{
    CCiNa1, CIcNa1, GenericObject, InformationObjects, MBoNa1, MDpNa1, MItNa1, MMeNa1, MMeNb1, MMeNc1, MSpNa1, MStNa1,
};
use iec104::types_id::TypeId;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::COMMON_ADDRESS;
use super::centre::{self, Centre};
use super::device::{self, Device, Holds};
use super::relay::Relay;
use super::tally::Tally;
use crate::program::PATIENCE;

fn object(ioa: u32, value: Value, quality: Quality, cause: u8) -> Object {
    Object { common_address: COMMON_ADDRESS, ioa, value, quality, time: None, cause }
}

#[tokio::test]
async fn a_centre_reads_and_switches_a_server_of_the_iec104_crate() {
    let qds = Qds { nt: true, ov: true, ..Qds::default() };
    let marks = Quality::NOT_TOPICAL.with(Quality::OVERFLOW);
    let siq = Siq { iv: true, spi: Spi::On, ..Siq::default() };
    let diq = Diq { bl: true, dpi: Dpi::Off, ..Diq::default() };
    let vti = Vti { value: -64, transient: true, qds: qds.clone() };
    let sqd = SeqQd { seq: 31, cy: true, ..SeqQd::default() };
    let mark = qds.clone();
    let points = [
        (1, PointValue::MSpNa1(MSpNa1 { siq }), Value::Single(true), Quality::INVALID),
        (3, PointValue::MDpNa1(MDpNa1 { diq }), Value::Double(SwitchPosition::Open), Quality::BLOCKED),
        (5, PointValue::MStNa1(MStNa1 { vti }), Value::Step { position: -64, transient: true }, marks),
        (7, PointValue::MBoNa1(MBoNa1 { bsi: 0xDEAD_BEEF, qds: mark }), Value::Bits(0xDEAD_BEEF), marks),
        (9, PointValue::MMeNa1(MMeNa1 { nva: i16::MIN, qds: qds.clone() }), Value::Normalized(i16::MIN), marks),
        (11, PointValue::MMeNb1(MMeNb1 { sva: -1, qds: qds.clone() }), Value::Scaled(-1), marks),
        (13, PointValue::MMeNc1(MMeNc1 { value: -321.5, qds }), Value::Float(-321.5), marks),
    ];
    let counter = PointValue::MItNa1(MItNa1 { bcr: i32::MIN, sqd });
    let at = |ioa| PointAddress::new(COMMON_ADDRESS, ioa);
    let mut initial: Vec<RtuInitialPoint> =
        points.iter().map(|(ioa, point, ..)| (at(*ioa), point.clone()).into()).collect();
    initial.push((at(30), counter).into());
    let handler = Arc::new(MapCommandsToSameIoaMonitoring);
    let started =
        start_rtu_server_ephemeral(ServerConfig::default(), initial, handler, RtuSystemHandlers::default()).await;
    let (server, address) = started.unwrap();
    let relay = Relay::start(address, Vec::new()).await;
    let mut centre = Centre::start(centre::config(relay.address)).await;
    let mut tally = Tally::new("controlling-rust-crate");

    let heard: BTreeMap<u32, Object> = centre.settled().await.iter().map(|object| (object.ioa, *object)).collect();
    for (ioa, _, value, quality) in &points {
        let wanted = object(*ioa, *value, *quality, causes::INTERROGATED);
        tally.row(format!("interrogated {ioa}"), &heard.get(ioa), &Some(&wanted));
    }
    let counted = Value::Counter(Bcr { total: i32::MIN, notes: 31 | 0x20 });
    let wanted = object(30, counted, Quality::GOOD, causes::COUNTER_INTERROGATED);
    tally.row("counted", &heard.get(&30), &Some(&wanted));
    for request in [Request::Clock, Request::TestTimed(7), Request::Interrogate(Qoi(20)), Request::Counters(Qcc(5))] {
        tally.row(format!("{request:?}"), &centre.request(request).await.0, &Answer::Done);
    }

    server.set_point(at(13), PointValue::MMeNc1(MMeNc1 { value: 7.25, qds: Qds::default() })).await.unwrap();
    let reported = centre.object(13).await;
    tally.row("reported", &reported, &object(13, Value::Float(7.25), Quality::GOOD, causes::SPONTANEOUS));

    let commands = [
        (1, CommandValue::Single(false), Value::Single(false)),
        (3, CommandValue::Double(true), Value::Double(SwitchPosition::Closed)),
        (5, CommandValue::Step(true), Value::Step { position: -63, transient: true }),
        (9, CommandValue::SetNormalized(i16::MAX), Value::Normalized(i16::MAX)),
        (11, CommandValue::SetScaled(i16::MIN), Value::Scaled(i16::MIN)),
        (13, CommandValue::SetFloat(0.5), Value::Float(0.5)),
    ];
    for (order, (ioa, value, becomes)) in (1..).zip(commands) {
        for step in [Step::Select, Step::Execute] {
            let outcome = centre.step(order, (COMMON_ADDRESS, ioa), value, step).await;
            tally.row(format!("{step:?} {value:?}"), &outcome, &Outcome::Confirmed(step));
        }
        let (answer, objects) = centre.request(Request::Interrogate(Qoi(20))).await;
        let now = objects.iter().rfind(|object| object.ioa == ioa).map(|object| object.value);
        tally.row(format!("after {value:?}"), &(answer, now), &(Answer::Done, Some(becomes)));
    }
    let unknown = centre.step(99, (COMMON_ADDRESS, 999), CommandValue::Single(true), Step::Select).await;
    tally.row("an unknown address", &matches!(unknown, Outcome::Refused { step: Step::Select, .. }), &true);
    relay.keep("controlling-rust-crate", "1");
    tally.finish();
}

/// Sends on what comes; by hand what `async_trait` would write.
struct Callback {
    asdus: mpsc::UnboundedSender<Asdu>,
    started: mpsc::UnboundedSender<()>,
}

type Done<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

impl ClientCallback for Callback {
    fn on_new_objects<'life, 'all>(&'life self, asdu: Asdu) -> Done<'all>
    where
        'life: 'all,
        Self: 'all,
    {
        let _ = self.asdus.send(asdu);
        Box::pin(std::future::ready(()))
    }
    fn on_connection_started<'life, 'all>(&'life self) -> Done<'all>
    where
        'life: 'all,
        Self: 'all,
    {
        let _ = self.started.send(());
        Box::pin(std::future::ready(()))
    }
}

async fn next<T>(from: &mut mpsc::UnboundedReceiver<T>, what: &str, fits: impl Fn(&T) -> bool) -> T {
    let found = timeout(PATIENCE, async {
        loop {
            let next = from.recv().await.unwrap();
            if fits(&next) {
                return next;
            }
        }
    });
    found.await.unwrap_or_else(|_| panic!("never came: {what}"))
}

#[tokio::test]
async fn a_client_of_the_iec104_crate_reads_and_switches_a_station_of_ours() {
    let marks = Quality::INVALID.with(Quality::SUBSTITUTED);
    let holds = Holds {
        objects: vec![
            object(1, Value::Single(true), marks, 0),
            object(2, Value::Single(false), Quality::GOOD, 0),
            object(13, Value::Float(-321.5), Quality::GOOD, 0),
        ],
        counters: vec![object(30, Value::Counter(Bcr { total: -7, notes: 31 | 0x40 }), Quality::INVALID, 0)],
        answers: [(6_001, CommandAnswer::Accepted), (6_002, CommandAnswer::Refused)].into(),
        ..Holds::default()
    };
    let mut device = Device::start(device::config(), holds).await;
    let relay = Relay::start(device.address, Vec::new()).await;
    let (asdus, mut came) = mpsc::unbounded_channel();
    let (started, mut starts) = mpsc::unbounded_channel();
    let (address, port) = (relay.address.ip().to_string(), relay.address.port());
    let mut client =
        Client::new(ClientConfig { address, port, ..ClientConfig::default() }, Callback { asdus, started });
    client.connect().await.unwrap();
    client.start_receiving().await.unwrap();
    next(&mut starts, "the start", |()| true).await;
    let mut tally = Tally::new("controlled-rust-crate");

    let ask = |type_id, information_objects| Asdu {
        type_id,
        cot: Cot::Activation,
        originator_address: 0,
        address_field: COMMON_ADDRESS,
        sequence: false,
        test: false,
        negative: false,
        information_objects,
    };
    let interrogation = GenericObject { address: 0, object: CIcNa1 { qoi: commands::Qoi::Global } };
    client.send_asdu(ask(TypeId::C_IC_NA_1, InformationObjects::CIcNa1(vec![interrogation]))).await.unwrap();
    let singles = next(&mut came, "the single points", |asdu| asdu.type_id == TypeId::M_SP_NA_1).await;
    let siq = |iv, sb, spi| Siq { iv, sb, spi, ..Siq::default() };
    let single = |address, siq| GenericObject { address, object: MSpNa1 { siq } };
    let wanted = vec![single(1, siq(true, true, Spi::On)), single(2, siq(false, false, Spi::Off))];
    tally.row("interrogated, a sequence", &singles.information_objects, &InformationObjects::MSpNa1(wanted));
    let floats = next(&mut came, "the short float", |asdu| asdu.type_id == TypeId::M_ME_NC_1).await;
    let wanted = GenericObject { address: 13, object: MMeNc1 { value: -321.5, qds: Qds::default() } };
    tally.row("interrogated", &floats.information_objects, &InformationObjects::MMeNc1(vec![wanted]));
    let ended = next(&mut came, "the end", |asdu| asdu.cot == Cot::ActivationTermination).await;
    tally.row("its end", &(ended.type_id, ended.negative), &(TypeId::C_IC_NA_1, false));

    let counters = GenericObject { address: 0, object: CCiNa1 { rqt: Rqt::ReqCoGen, frz: Frz::Read } };
    client.send_asdu(ask(TypeId::C_CI_NA_1, InformationObjects::CCiNa1(vec![counters]))).await.unwrap();
    let counted = next(&mut came, "the counter", |asdu| asdu.type_id == TypeId::M_IT_NA_1).await;
    let sqd = SeqQd { iv: true, ca: true, cy: false, seq: 31 };
    let wanted = GenericObject { address: 30, object: MItNa1 { bcr: -7, sqd } };
    tally.row("counted", &counted.information_objects, &InformationObjects::MItNa1(vec![wanted]));

    let time = Some(Timestamp::new(1_795_521_600_123));
    device.report([Object { time, ..object(13, Value::Float(7.25), Quality::GOOD, causes::SPONTANEOUS) }]);
    let reported = next(&mut came, "the report", |asdu| asdu.type_id == TypeId::M_ME_TF_1).await;
    tally.row("reported", &reported.cot, &Cot::SpontaneousData);

    for (se, step) in [(SelectExecute::Select, Step::Select), (SelectExecute::Execute, Step::Execute)] {
        client.send_command_dp(COMMON_ADDRESS, 6_001, Dpi::On, None, Some(se), None).await.unwrap();
        let StationCommand { ioa, value, step: got, .. } = device.command().await;
        tally.row(format!("{step:?}"), &(ioa, value, got), &(6_001, CommandValue::Double(true), step));
        let confirmed = next(&mut came, "its confirmation", |asdu| asdu.type_id == TypeId::C_DC_NA_1).await;
        tally.row("confirmed", &(confirmed.cot, confirmed.negative), &(Cot::ActivationConfirmation, false));
    }
    let ended = next(&mut came, "the termination", |asdu| asdu.type_id == TypeId::C_DC_NA_1).await;
    tally.row("terminated", &(ended.cot, ended.negative), &(Cot::ActivationTermination, false));
    for (ioa, se, cot) in [
        (6_001, SelectExecute::Execute, Cot::ActivationConfirmation),
        (6_002, SelectExecute::Select, Cot::ActivationConfirmation),
        (6_999, SelectExecute::Select, Cot::UnknownObjectAddress),
    ] {
        client.send_command_dp(COMMON_ADDRESS, ioa, Dpi::On, None, Some(se), None).await.unwrap();
        let refused = next(&mut came, "the refusal", |asdu| asdu.type_id == TypeId::C_DC_NA_1).await;
        tally.row(format!("refused at {ioa}"), &(refused.cot, refused.negative), &(cot, true));
    }
    relay.keep("controlled-rust-crate", "2");
    tally.finish();
}
