//! One link, one object an APDU, k = 12, w = 8: ours, the crate `iec104`, and two threads with nothing but sockets.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use headroom_terminals::iec104::apci::{self, Frame};
use headroom_terminals::iec104::asdu::{causes, pack_into};
use headroom_terminals::iec104::time::Zone;
use headroom_terminals::iec104::{Object, Value};
use iec104::asdu::Asdu;
use iec104::client::{Client, ClientCallback};
use iec104::config::{ClientConfig, ServerConfig};
use iec104::server::{ConnectionId, Server, ServerCallback};
use tokio::time::sleep;

use crate::links::{AtOnce, Links, WHEN, unbounded};
use crate::measure::{self, Report};

const K: u16 = 12;
const W: u16 = 8;

pub(crate) async fn measure(report: &mut Report) {
    let (repetitions, within) = if measure::quick() { (3, 700) } else { (9, 2_000) };
    let within = Duration::from_millis(within);
    for _ in 0..repetitions {
        let ours = ours(within).await;
        let crate_iec104 = theirs(within).await;
        let bare = tokio::task::spawn_blocking(move || bare(within)).await.unwrap();
        let mut add = |key, what, value| report.add("loopback_k12_w8_one_object_an_APDU", key, what, value);
        add("objects_per_s", "objects/s", ours);
        add("iec104_crate_objects_per_s", "  crate iec104", crate_iec104);
        add("to_iec104_crate_ratio", "  to that", ours / crate_iec104);
        add("bare_sockets_objects_per_s", "  two threads with nothing but sockets and numbers", bare);
        add("to_bare_sockets_ratio", "  to that", ours / bare);
    }
}

/// Counts a second over a window, once the first came.
#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
async fn counted(count: &AtomicU64, within: Duration) -> f64 {
    while count.load(Ordering::Relaxed) == 0 {
        sleep(Duration::from_millis(5)).await;
    }
    let (began, before) = (Instant::now(), count.load(Ordering::Relaxed));
    sleep(within).await;
    (count.load(Ordering::Relaxed) - before) as f64 / began.elapsed().as_secs_f64()
}

async fn ours(within: Duration) -> f64 {
    let count = Arc::<AtomicU64>::default();
    let mut links = Links::new();
    let address = links.pump().await;
    links.dial(unbounded(address), AtOnce(Arc::clone(&count)));
    let rate = counted(&count, within).await;
    links.end().await;
    rate
}

struct Silent;

#[async_trait::async_trait]
impl ServerCallback for Silent {
    async fn on_new_objects(&self, _: Asdu, _: ConnectionId, _: SocketAddr) {}
}

struct Count(Arc<AtomicU64>);

#[async_trait::async_trait]
impl ClientCallback for Count {
    async fn on_new_objects(&self, _: Asdu) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn one() -> Object {
    let (value, quality) = (Value::Float(1.5), headroom_rules::model::Quality::GOOD);
    Object { common_address: 1, ioa: 2_001, value, quality, time: Some(WHEN), cause: causes::SPONTANEOUS }
}

async fn theirs(within: Duration) -> f64 {
    let config = ServerConfig { port: 0, ..ServerConfig::default() };
    let (server, address) = Server::start_with_listen_addr(config, Silent).await.unwrap();
    let count = Arc::<AtomicU64>::default();
    let config = ClientConfig { port: address.port(), ..ClientConfig::default() };
    let mut client = Client::new(config, Count(Arc::clone(&count)));
    client.connect().await.unwrap();
    while client.start_receiving().await.is_err() {
        sleep(Duration::from_millis(5)).await;
    }
    let mut raw = Vec::new();
    pack_into(&[one()], Zone::UTC, &mut raw);
    let asdu = Asdu::parse(&raw).unwrap();
    let sending = async {
        loop {
            if server.broadcast_asdu(asdu.clone()).await.is_err() {
                sleep(Duration::from_millis(1)).await;
            }
        }
    };
    tokio::select! {
        rate = counted(&count, within) => rate,
        () = sending => 0.0,
    }
}

/// Objects a second between two blocking threads that number, acknowledge each eighth and write what fits as one.
#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
fn bare(within: Duration) -> f64 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut asdu = Vec::new();
    pack_into(&[one()], Zone::UTC, &mut asdu);
    let sender = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        let (mut sent, mut acknowledged) = (0_u16, 0_u16);
        let (mut input, mut output) = ([0; 4_096], Vec::new());
        loop {
            output.clear();
            while sent.wrapping_sub(acknowledged) & apci::SEQ_MASK < K {
                apci::write(Frame::I { send: sent, receive: 0, asdu: &asdu }, &mut output);
                sent = sent.wrapping_add(1) & apci::SEQ_MASK;
            }
            if stream.write_all(&output).is_err() {
                return;
            }
            let Ok(read @ 1..) = stream.read(&mut input) else { return };
            // Every S frame is six octets and comes whole on a loopback.
            if let Some([_, _, _, _, low, high]) = input[..read].as_chunks::<6>().0.last() {
                acknowledged = u16::from_le_bytes([*low, *high]) >> 1;
            }
        }
    });
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut input, mut filled) = (vec![0; 65_536], 0);
    let (mut received, mut acknowledged, mut count) = (0_u16, 0_u16, 0_u64);
    let began = Instant::now();
    while began.elapsed() < within {
        filled += stream.read(&mut input[filled..]).unwrap();
        let mut rest = &input[..filled];
        while let Ok(Some((Frame::I { .. }, taken))) = apci::split(rest) {
            rest = &rest[taken..];
            received = received.wrapping_add(1) & apci::SEQ_MASK;
            count += 1;
        }
        let left = rest.len();
        input.copy_within(filled - left..filled, 0);
        filled = left;
        if received.wrapping_sub(acknowledged) & apci::SEQ_MASK >= W {
            acknowledged = received;
            let mut out = Vec::new();
            apci::write(Frame::S { receive: received }, &mut out);
            stream.write_all(&out).unwrap();
        }
    }
    let rate = count as f64 / began.elapsed().as_secs_f64();
    drop(stream);
    sender.join().unwrap();
    rate
}
