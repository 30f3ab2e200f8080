//! `headroom serve` as the controlled station of a centre above it, which is our own controlling station here; `peers`
//! does the same with lib60870-C.

use std::net::SocketAddr;
use std::time::Duration;

use headroom_rules::model::{Power, Quality, Timestamp};
use headroom_rules::orders::{Outcome, Step};
use headroom_rules::view::View;
use headroom_terminals::iec104::{
    AckTicket, Command, CommandValue, LinkConfig, LinkHandler, Malformed, Object, Value, run_controlling,
};
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::centre::{Site, feeders};
use crate::peer::{free_port, now};
use crate::program::PATIENCE;
use crate::station::{Sample, Station};

#[derive(Debug, PartialEq)]
enum Heard {
    Object(u32, Value, Quality),
    Outcome(u64, Outcome),
}

struct Above(mpsc::UnboundedSender<Heard>);

impl LinkHandler for Above {
    async fn objects(&mut self, objects: &[Object], ack: AckTicket) {
        for object in objects {
            let _ = self.0.send(Heard::Object(object.ioa, object.value, object.quality));
        }
        ack.durable();
    }
    async fn outcome(&mut self, command: u64, outcome: Outcome, ack: Option<AckTicket>) {
        let _ = self.0.send(Heard::Outcome(command, outcome));
        ack.into_iter().for_each(AckTicket::durable);
    }
    async fn link(&mut self, _: bool, _: &str) {}
    fn malformed(&mut self, bytes: &[u8], why: &str, _: Malformed) {
        panic!("{why}: {bytes:02x?}");
    }
    fn written(&mut self, _: u64) {}
}

/// A centre above that is linked.
struct Dispatch {
    heard: mpsc::UnboundedReceiver<Heard>,
    commands: mpsc::Sender<Command>,
    _stop: watch::Sender<bool>,
}

impl Dispatch {
    fn dial(address: SocketAddr) -> Self {
        let (tell, heard) = mpsc::unbounded_channel();
        let (commands, orders) = mpsc::channel(4);
        let (stop, stopped) = watch::channel(false);
        let config = LinkConfig::new(address.to_string(), 7);
        tokio::spawn(run_controlling(config, orders, now, Above(tell), stopped));
        Self { heard, commands, _stop: stop }
    }

    async fn until(&mut self, wanted: Heard) {
        let found = timeout(PATIENCE, async { while self.heard.recv().await.unwrap() != wanted {} });
        found.await.unwrap_or_else(|_| panic!("never heard: {wanted:?}"));
    }

    async fn outcome(&mut self, id: u64) -> Outcome {
        let found = timeout(PATIENCE, async {
            loop {
                if let Heard::Outcome(command, outcome) = self.heard.recv().await.unwrap()
                    && command == id
                {
                    return outcome;
                }
            }
        });
        found.await.unwrap()
    }

    async fn command(&mut self, id: u64, step: Step, kw: f32) -> Outcome {
        let (value, expires_in) = (CommandValue::SetFloat(kw), Duration::from_secs(60));
        self.commands
            .send(Command { id, common_address: 7, ioa: 6_001, value, qualifier: 0, step, expires_in })
            .await
            .unwrap();
        self.outcome(id).await
    }
}

#[tokio::test]
async fn a_centre_above_sees_the_load_and_sets_a_limit_by_the_rules_and_into_the_audit_log() {
    let station = Station::start(1).await;
    let site = Site::new(&feeders(&[station.address()]), "w = 1\n");
    let port = free_port();
    let listen = SocketAddr::from(([127, 0, 0, 1], port));
    site.write("rules.toml", "[[limit]]\nnode = \"F-1\"\nlimit_kw = 2400\n");
    site.write(
        "northbound.toml",
        &format!(
            "[northbound]\nlisten = \"{listen}\"\ncommon_address = 7\nname = \"regional dispatch\"\n\
             [[point]]\nioa = 1\nshows = \"load\"\nnode = \"F-1\"\n\
             [[point]]\nioa = 2\nshows = \"limit\"\nnode = \"F-1\"\n\
             [[limit_command]]\nioa = 6001\nnode = \"F-1\"\n"
        ),
    );
    let serve = std::fs::read_to_string(site.file("serve.toml")).unwrap();
    site.write("serve.toml", &format!("northbound = \"northbound.toml\"\n{serve}"));
    let centre = site.start().await;
    let mut dispatch = Dispatch::dial(listen);
    let good = Quality::GOOD;
    dispatch.until(Heard::Object(2, Value::Float(2_400.0), good)).await;
    station.send(Sample { at: Timestamp::new(now().get()), kw: 1_234, quality: good });
    dispatch.until(Heard::Object(1, Value::Float(1_234.0), good)).await;

    // Above the rating no select is confirmed.
    let refused = Outcome::Refused { step: Step::Select, cause: 7 };
    assert_eq!(dispatch.command(1, Step::Select, 2_401.0).await, refused);
    assert_eq!(dispatch.command(2, Step::Select, 1_800.0).await, Outcome::Confirmed(Step::Select));
    assert_eq!(dispatch.command(2, Step::Execute, 1_800.0).await, Outcome::Confirmed(Step::Execute));
    assert_eq!(dispatch.outcome(2).await, Outcome::Terminated);
    dispatch.until(Heard::Object(2, Value::Float(1_800.0), good)).await;
    let in_force = |view: &View| {
        let node = view.nodes.iter().find(|node| node.id.as_str() == "F-1")?;
        (node.limit == Some(Power::from_kw(1_800))).then_some(node.rated)
    };
    assert_eq!(centre.until("the limit that was set", in_force).await, Some(Power::from_kw(2_400)));
    let end = Instant::now() + PATIENCE;
    let set = loop {
        // The store follows behind the engine.
        let (_, page) = centre.get("/api/v1/audit").await;
        let mut entries = page["audit"].as_array().unwrap().iter();
        if let Some(set) = entries.find(|entry| entry["who"] == json!("regional dispatch")) {
            break set.clone();
        }
        assert!(Instant::now() < end, "never in the audit log: {page}");
        sleep(Duration::from_millis(50)).await;
    };
    assert!(set["from"].as_str().unwrap().starts_with("northbound "), "{set}");

    // The limit outlives the centre.
    let (status, said) = centre.stop("TERM").await;
    assert_eq!(status.code(), Some(0), "{said:#?}");
    let centre = site.start().await;
    assert_eq!(centre.until("the limit of before", in_force).await, Some(Power::from_kw(2_400)));
}

#[tokio::test]
async fn who_is_turned_away_at_the_northbound_door_is_counted_there_and_not_with_the_terminals() {
    let site = Site::new("[[node]]\nid = \"R\"\nkind = \"region\"\nname = \"Region\"\n", "");
    let listen = SocketAddr::from(([127, 0, 0, 1], free_port()));
    site.write(
        "northbound.toml",
        &format!(
            "[northbound]\nlisten = \"{listen}\"\ncommon_address = 7\nname = \"d\"\n\
             [access]\nallowed = [\"192.0.2.0/24\"]\n\
             [[point]]\nioa = 1\nshows = \"load\"\nnode = \"R\"\n"
        ),
    );
    let serve = std::fs::read_to_string(site.file("serve.toml")).unwrap();
    site.write("serve.toml", &format!("northbound = \"northbound.toml\"\n{serve}"));
    let centre = site.start().await;
    let mut stranger = TcpStream::connect(listen).await.unwrap();
    while stranger.read(&mut [0; 64]).await.is_ok_and(|n| n > 0) {}
    let (_, health) = centre.get("/api/v1/health").await;
    assert_eq!(
        (&health["northbound"]["refused"]["address"], &health["links"]["refused"]["address"]),
        (&json!(1), &json!(0))
    );
    let (status, said) = centre.stop("TERM").await;
    assert_eq!(status.code(), Some(0), "{said:#?}");
}

#[tokio::test]
async fn a_northbound_address_in_use_is_one_line_with_its_key_and_nothing_starts() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap();
    let site = Site::new("[[node]]\nid = \"R\"\nkind = \"region\"\nname = \"Region\"\n", "");
    site.write(
        "northbound.toml",
        &format!(
            "[northbound]\nlisten = \"{listen}\"\ncommon_address = 7\nname = \"d\"\n\
             [[point]]\nioa = 1\nshows = \"load\"\nnode = \"R\"\n"
        ),
    );
    let serve = std::fs::read_to_string(site.file("serve.toml")).unwrap();
    site.write("serve.toml", &format!("northbound = \"northbound.toml\"\n{serve}"));
    let said = site.refusal().await;
    for part in [&listen.to_string(), "`listen` under [northbound]"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!site.data().exists());
}
