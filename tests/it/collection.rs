//! Meter reading over real sockets: what a cut link lost comes from the terminal's memory.

use std::net::SocketAddr;
use std::sync::Arc;

use headroom::centre::{Centre, Parts};
use headroom::clock::Clock;
use headroom::config::{CollectionSettings, Fleet, Iec104Settings, JournalSettings, LinkEntry, Transport};
use headroom::store::StoreSettings;
use headroom_rules::model::{PointKind, Span, Timestamp};
use headroom_rules::view::View;
use headroom_sim::scenario::Scenario;
use headroom_sim::server::{self, SimClock};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::centre::{LOOK_EVERY, Row, readings};
use crate::program::PATIENCE;

/// An hour takes fifteen seconds.
const FACTOR: f64 = 240.0;
const QUARTER_MS: i64 = 900_000;

/// A wire that can be cut.
struct Wire {
    address: SocketAddr,
    to: SocketAddr,
    carrying: JoinHandle<()>,
}

impl Wire {
    async fn new(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { address: listener.local_addr().unwrap(), to, carrying: tokio::spawn(carry(listener, to)) }
    }

    async fn cut(&mut self) {
        self.carrying.abort();
        let _ = (&mut self.carrying).await;
    }

    async fn mend(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.carrying = tokio::spawn(carry(listener, self.to));
    }
}

/// One link at a time, which ends with this.
async fn carry(listener: TcpListener, to: SocketAddr) {
    loop {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut far = TcpStream::connect(to).await.unwrap();
        // Either end may go at any time.
        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
    }
}

async fn until(view: &mut watch::Receiver<Arc<View>>, what: &str, seen: impl Fn(&View) -> bool) -> Timestamp {
    let found = timeout(PATIENCE, view.wait_for(|view| seen(view))).await;
    found.unwrap_or_else(|_| panic!("never seen: {what}")).unwrap().now
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_hour_without_a_link_is_filled_from_the_terminals_memory_and_marked_so() {
    let fleet = headroom_sim::fleet::Fleet::generate(2, 1, Scenario::named("quiet").unwrap()).unwrap();
    let clock = SimClock::new(fleet.plant.start(), FACTOR);
    let (stop, stopped) = watch::channel(false);
    let (inventory, policy, stations) = (fleet.inventory.clone(), fleet.policy.clone(), fleet.links.clone());
    let running = server::serve(fleet, clock, stopped).await.unwrap();
    let (terminal, _) = stations[0];
    let mut wire = Wire::new(running.addresses[&terminal]).await;
    let links = stations.iter().map(|&(id, common_address)| {
        let address = if id == terminal { wire.address } else { running.addresses[&id] };
        LinkEntry::dialled(id, address.to_string(), common_address)
    });
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let parts = Parts {
        data: data.clone(),
        fleet: Fleet { inventory, links: links.collect() },
        fleet_file: "fleet.toml".into(),
        policy,
        iec104: Iec104Settings::default(),
        transport: Transport::default(),
        clock: Clock::from_source(FACTOR, move || clock.now()),
        store: StoreSettings::default(),
        journal: JournalSettings::default(),
        collection: CollectionSettings::default(),
    };
    let centre = Box::pin(Centre::start(parts)).await.unwrap();
    let mut view = centre.handle().view;
    let is_up = move |view: &View| view.terminals.iter().any(|line| line.id == terminal && line.link_up);
    let up = until(&mut view, "the link", is_up).await;
    until(&mut view, "half an hour", |view| view.now.since(up) > Span::from_s(1_800)).await;

    wire.cut().await;
    let cut = until(&mut view, "the cut", |view| !is_up(view)).await;
    until(&mut view, "an hour more", |view| view.now.since(cut) > Span::from_s(3_600)).await;
    wire.mend().await;
    let back = until(&mut view, "the link again", is_up).await;

    // What ended around the cut and the return may have come either way.
    let margin = Span::from_s(120);
    let ends = |after: Timestamp, to: Timestamp| {
        let quarter = |at: Timestamp| at.get().div_euclid(QUARTER_MS);
        (quarter(after) + 1..=quarter(to)).map(|number| number * QUARTER_MS).collect::<Vec<_>>()
    };
    let lost = ends(cut.after(margin), back.after(-margin));
    assert!(lost.len() >= 3, "{cut} to {back}");
    let curve = |rows: Vec<Row>| -> Vec<Row> {
        let code = PointKind::LoadCurve.code();
        rows.into_iter().filter(|row| row.kind == code && row.terminal == terminal.as_str()).collect()
    };
    let end = Instant::now() + PATIENCE;
    let rows = loop {
        let rows = curve(readings(&data).await);
        if lost.iter().all(|end| rows.iter().any(|row| row.source_time == Some(*end))) {
            break rows;
        }
        assert!(Instant::now() < end, "{lost:?} were never all filled: {rows:#?}");
        sleep(LOOK_EVERY).await;
    };
    let causes =
        |at: i64| -> Vec<u8> { rows.iter().filter(|row| row.source_time == Some(at)).map(|row| row.cause).collect() };
    for end in &lost {
        assert_eq!(causes(*end), [13], "{end}: filled, once");
    }
    for end in ends(up.after(margin), cut.after(-margin)) {
        assert_eq!(causes(end)[..1], [3], "{end}: came by itself");
    }
    let collecting = centre.handle().collecting.borrow().clone();
    assert!(collecting.values >= 2 * lost.len() as u64 && collecting.given_up == 0, "{collecting:?}");
    let figures = centre.stop().await.unwrap();
    assert_eq!((figures.malformed_messages, figures.unmapped_objects), (0, 0));
    stop.send(true).unwrap();
    running.ended().await;
}
