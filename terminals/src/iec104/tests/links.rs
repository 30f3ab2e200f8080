use std::time::Duration;

use headroom_rules::model::{Quality, SwitchPosition, Timestamp};
use headroom_rules::orders::{Outcome, Step};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use crate::iec104::{
    AckTicket, Command, CommandAnswer, CommandValue, LinkConfig, LinkHandler, Object, Station, StationConfig, Value,
    run_controlled, run_controlling,
};

#[derive(Debug, PartialEq)]
enum Seen {
    Up(bool),
    Object(u32, Value),
    Outcome(u64, Outcome),
    Written(u64),
}

struct Recorder(mpsc::UnboundedSender<Seen>);

impl LinkHandler for Recorder {
    async fn objects(&mut self, objects: &[Object], ack: AckTicket) {
        for object in objects {
            let _ = self.0.send(Seen::Object(object.ioa, object.value));
        }
        ack.durable();
    }
    async fn outcome(&mut self, command: u64, outcome: Outcome, ack: Option<AckTicket>) {
        let _ = self.0.send(Seen::Outcome(command, outcome));
        if let Some(ack) = ack {
            ack.durable();
        }
    }
    async fn link(&mut self, up: bool, _: &str) {
        let _ = self.0.send(Seen::Up(up));
    }
    fn malformed(&mut self, bytes: &[u8], why: &str) {
        panic!("{why}: {bytes:02x?}");
    }
    fn written(&mut self, command: u64) {
        let _ = self.0.send(Seen::Written(command));
    }
}

/// One switch at object 10 that reports its movement.
pub(super) struct Switch {
    pub(super) closed: bool,
    pub(super) moved: bool,
}

impl Switch {
    fn object(&self) -> Object {
        let position = if self.closed { SwitchPosition::Closed } else { SwitchPosition::Open };
        let (value, quality) = (Value::Double(position), Quality::GOOD);
        Object { common_address: 1, ioa: 10, value, quality, time: None, cause: 3 }
    }
}

impl Station for Switch {
    fn interrogated(&mut self, out: &mut Vec<Object>) {
        out.push(self.object());
    }
    fn counters(&mut self, out: &mut Vec<Object>) {
        out.push(Object { ioa: 90, value: Value::Counter(5), ..self.object() });
    }
    fn spontaneous(&mut self, out: &mut Vec<Object>) {
        if std::mem::take(&mut self.moved) {
            out.push(self.object());
        }
    }
    fn command(&mut self, ioa: u32, value: CommandValue, step: Step) -> CommandAnswer {
        match value {
            CommandValue::Double(on) if ioa == 10 => {
                if step == Step::Execute {
                    (self.closed, self.moved) = (on, true);
                }
                CommandAnswer::Accepted
            }
            _ => CommandAnswer::UnknownObject,
        }
    }
    fn set_clock(&mut self, _: Timestamp) {}
}

#[tokio::test]
async fn an_order_goes_over_tcp_and_its_effect_comes_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (stop, stopped) = watch::channel(false);
    let station = Switch { closed: true, moved: false };
    let served = tokio::spawn(run_controlled(listener, StationConfig::new(1), station, stopped.clone()));
    let (tell, mut seen) = mpsc::unbounded_channel();
    let (order, orders) = mpsc::channel(4);
    let clock = || Timestamp::new(1_769_882_712_000);
    let config = LinkConfig::new(address, 1);
    let linked = tokio::spawn(run_controlling(config, orders, clock, Recorder(tell), stopped));
    let mut until = async |wanted: Seen| while seen.recv().await.expect("the link went on") != wanted {};

    until(Seen::Up(true)).await;
    until(Seen::Object(10, Value::Double(SwitchPosition::Closed))).await;
    until(Seen::Object(90, Value::Counter(5))).await;
    let (value, expires_in) = (CommandValue::Double(false), Duration::from_secs(60));
    for step in [Step::Select, Step::Execute] {
        order.send(Command { id: 1, common_address: 1, ioa: 10, value, step, expires_in }).await.unwrap();
        until(Seen::Written(1)).await;
        until(Seen::Outcome(1, Outcome::Confirmed(step))).await;
    }
    until(Seen::Object(10, Value::Double(SwitchPosition::Open))).await;
    stop.send(true).unwrap();
    until(Seen::Up(false)).await;
    linked.await.unwrap();
    served.await.unwrap();
}
