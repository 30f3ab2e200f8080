//! Ten thousand links that have nothing to say: what they cost, in user space, in the process of the centre. The
//! stations are in another process.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Command as Process, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use headroom_terminals::iec104::Timers;
use headroom_terminals::iec104::apci::{self, Control};
use headroom_terminals::iec104::apdu_flow::{Flow, Flowed};
use headroom_terminals::iec104::asdu::{Asdu, causes, types};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep_until, timeout};

use crate::links::{AtOnce, Links, unbounded};
use crate::measure::Report;

const LINKS: u64 = 10_000;
/// Messages of one station: the clock's confirmation, confirmation, value and termination of the interrogation,
/// confirmation and termination of the counters.
const MESSAGES: u64 = 6;
/// The argument of the process with the stations.
pub(crate) const STATIONS: &str = "stations";
const PATIENCE: Duration = Duration::from_secs(40);

/// Resident memory of this process, octets.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?.trim().strip_suffix(" kB")?;
    Some(kilobytes.parse::<u64>().ok()? * 1_024)
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) async fn measure(report: &mut Report) {
    let mut child = Process::new(std::env::current_exe().unwrap())
        .arg(STATIONS)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address: SocketAddr = lines.next().unwrap().unwrap().parse().unwrap();
    let before = resident();
    let began = Instant::now();
    let count = Arc::<AtomicU64>::default();
    let mut links = Links::new();
    for _ in 0..LINKS {
        links.dial(unbounded(address), AtOnce(Arc::clone(&count)));
    }
    // The stations' process says when the last message of the last one is acknowledged.
    let acknowledged = tokio::task::spawn_blocking(move || lines.next().unwrap().unwrap());
    assert_eq!(timeout(PATIENCE, acknowledged).await.expect("all links within 40 s").unwrap(), "acknowledged");
    let seconds = began.elapsed().as_secs_f64();
    assert_eq!(count.load(Ordering::Relaxed), LINKS, "each station has one value");
    let mut add = |key, what, value| report.add("idle_links_10000", key, what, value);
    add("established_s", "until all are established, interrogated and acknowledged, s", seconds);
    if let (Some(before), Some(after)) = (before, resident()) {
        let octets = after.saturating_sub(before) as f64 / LINKS as f64;
        add("octets_a_link", "user-space memory of a link, octets", octets);
        add("to_12_kB_ratio", "  to 12 kB", octets / 12_000.0);
    }
    links.end().await;
    drop(child.stdin.take());
    child.wait().unwrap();
}

/// The other process: every connection is a station; ends with its standard input.
pub(crate) async fn stations() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    say(listener.local_addr().unwrap());
    let done = Arc::<AtomicU64>::default();
    let serving = async {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(station(stream, Arc::clone(&done)));
        }
    };
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().lines().count());
    tokio::select! {
        () = serving => {}
        _ = ended => {}
    }
}

async fn station(mut stream: TcpStream, done: Arc<AtomicU64>) {
    let mut flow = Flow::new(Timers::default(), Instant::now());
    let mut input = Vec::new();
    let mut told = false;
    loop {
        if let Some(bytes) = flow.take_output()
            && stream.write_all(&bytes).await.is_err()
        {
            return;
        }
        if !told && flow.acknowledged_by_peer() == MESSAGES {
            told = true;
            if done.fetch_add(1, Ordering::Relaxed) + 1 == LINKS {
                say("acknowledged");
            }
        }
        tokio::select! {
            read = stream.read_buf(&mut input) => match read {
                Ok(0) | Err(_) => return,
                Ok(_) => answer(&mut flow, &mut input),
            },
            () = sleep_until(flow.next_deadline().into()) => if flow.on_deadline(Instant::now()).is_err() {
                return;
            },
        }
    }
}

fn answer(flow: &mut Flow, input: &mut Vec<u8>) {
    let now = Instant::now();
    let mut taken = 0;
    while let Some((frame, length)) = apci::split(&input[taken..]).unwrap() {
        taken += length;
        match flow.on_frame(now, frame).unwrap() {
            Flowed::Asdu(raw, count) => {
                let asdu = Asdu::parse(raw).unwrap();
                flow.send(now, &asdu.mirrored(causes::ACTIVATION_CON, false));
                if asdu.type_id == types::C_IC_NA {
                    flow.send(now, &[types::M_ME_NC, 1, 20, 0, 1, 0, 0xD1, 7, 0, 0, 0, 0xC0, 0x3F, 0]);
                }
                if asdu.type_id != types::C_CS_NA {
                    flow.send(now, &asdu.mirrored(causes::TERMINATION, false));
                }
                flow.durable(now, count);
            }
            Flowed::Control(Control::StartAct) => flow.control(now, Control::StartCon),
            Flowed::Control(Control::StopAct) => flow.control(now, Control::StopCon),
            Flowed::Control(_) | Flowed::Done => {}
        }
    }
    input.drain(..taken);
}

fn say(line: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
}
