//! Links that have nothing to say, ten thousand plain ones and a thousand over TLS: what they cost, in user space, in the
//! process of a centre. The stations are in another process.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Command as Process, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use headroom_terminals::iec104::access::refusals::Refusals;
use headroom_terminals::iec104::access::tls::{Files, Identity, MinVersion, Peer};
use headroom_terminals::iec104::apci::{self, Control};
use headroom_terminals::iec104::apdu_flow::{Flow, Flowed};
use headroom_terminals::iec104::asdu::{Asdu, causes, types};
use headroom_terminals::iec104::config::RawTimers;
use headroom_terminals::iec104::task::{Stream, TlsAddress, Way};
use headroom_terminals::iec104::{LinkConfig, Timers};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::{sleep_until, timeout};

use crate::links::{AtOnce, Links, unbounded};
use crate::measure::Report;

const LINKS: u64 = 10_000;
/// Messages of one station: the clock's confirmation, confirmation, value and termination of the interrogation,
/// confirmation and termination of the counters.
const MESSAGES: u64 = 6;
/// Links over TLS: shaking hands costs a millisecond each.
const TLS_LINKS: u64 = 1_000;
/// The arguments of the processes, and the names of their certificates.
const CENTRE: &str = "centre";
const STATIONS: &str = "stations";
const PATIENCE: Duration = Duration::from_secs(40);

/// Resident memory of this process, octets.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?.trim().strip_suffix(" kB")?;
    Some(kilobytes.parse::<u64>().ok()? * 1_024)
}

pub(crate) fn measure(report: &mut Report) {
    let group = "idle_links_10000";
    let plain = centre(report, group, LINKS, None);
    if let Some(plain) = plain {
        report.add(group, "to_12_kB_ratio", "  to 12 kB", plain / 12_000.0);
    }
    let group = "idle_links_over_tls_1000";
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let tls = centre(report, group, TLS_LINKS, Some(folder.path()));
    if let (Some(plain), Some(tls)) = (plain, tls) {
        report.add(group, "to_plain_ratio", "  to that of a link without TLS", tls / plain);
    }
}

/// Octets that a link takes in the centre's process.
fn centre(report: &mut Report, group: &str, links: u64, folder: Option<&Path>) -> Option<f64> {
    let said = this_program(CENTRE, links, folder).output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let said = String::from_utf8(said.stdout).unwrap();
    let mut figures = said.split_whitespace().map(|figure| figure.parse().unwrap());
    let seconds = figures.next().unwrap();
    report.add(group, "established_s", "until all are up, interrogated, acknowledged (t2 1 s), s", seconds);
    let octets = figures.next()?;
    report.add(group, "octets_a_link", "user-space memory of a link, octets", octets);
    Some(octets)
}

fn this_program(part: &str, links: u64, folder: Option<&Path>) -> Process {
    let mut process = Process::new(std::env::current_exe().unwrap());
    process.arg(part).arg(links.to_string()).args(folder);
    process
}

/// How many links, and the folder with the certificates where they have TLS.
fn asked(part: &str) -> Option<(u64, Option<PathBuf>)> {
    let mut arguments = std::env::args().skip_while(|argument| argument != part).skip(1);
    Some((arguments.next()?.parse().unwrap(), arguments.next().map(PathBuf::from)))
}

/// The part of this process, where it was started for one.
pub(crate) fn part() -> Option<Pin<Box<dyn Future<Output = ()>>>> {
    if let Some((links, folder)) = asked(CENTRE) {
        return Some(Box::pin(centre_alone(links, folder)));
    }
    asked(STATIONS).map(|(links, folder)| Box::pin(stations(links, folder)) as _)
}

/// A CA, and what both ends show.
fn certificates(folder: &Path) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(folder.join("ca.pem"), ca.pem()).unwrap();
    for name in [CENTRE, STATIONS] {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
        std::fs::write(folder.join(name).with_extension("pem"), certificate.pem()).unwrap();
        std::fs::write(folder.join(name).with_extension("key"), key.serialize_pem()).unwrap();
    }
}

fn identity(folder: &Path, name: &str) -> Identity {
    let file = folder.join(name);
    let files = Files {
        ca: folder.join("ca.pem"),
        certificate: file.with_extension("pem"),
        key: file.with_extension("key"),
        crl: None,
        min_version: MinVersion::Tls12,
        check_every: Files::CHECK_EVERY,
    };
    Identity::load(&files).unwrap()
}

fn peer(name: &str) -> Vec<Peer> {
    vec![Peer::Name(name.to_owned())]
}

/// The process of the centre, so that its allocator holds nothing that the links could take. Says how long it took, s,
/// and what a link takes, octets.
#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
async fn centre_alone(many: u64, folder: Option<PathBuf>) {
    let mut child =
        this_program(STATIONS, many, folder.as_deref()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address: SocketAddr = lines.next().unwrap().unwrap().parse().unwrap();
    let identity = folder.map(|folder| identity(&folder, CENTRE));
    let refusals = Arc::<Refusals>::default();
    let before = resident();
    let began = Instant::now();
    let count = Arc::<AtomicU64>::default();
    let mut links = Links::new();
    // The last message of a link is acknowledged when t2 has passed: not to be waited for.
    let timers = Timers::try_from(RawTimers { t2_s: 1, ..RawTimers::default() }).unwrap();
    for _ in 0..many {
        let (config, handler) = (LinkConfig { timers, ..unbounded(address) }, AtOnce(Arc::clone(&count)));
        match &identity {
            None => links.dial(config, handler),
            Some(identity) => {
                // As the centre does: each terminal has peers of its own.
                let tls = identity.dialling(peer(STATIONS)).unwrap();
                let dial = TlsAddress { address: config.address.clone(), tls, refusals: Arc::clone(&refusals) };
                links.over(Way::dial(dial), config, handler);
            }
        }
    }
    // The stations' process says when the last message of the last one is acknowledged.
    let acknowledged = tokio::task::spawn_blocking(move || lines.next().unwrap().unwrap());
    assert_eq!(timeout(PATIENCE, acknowledged).await.expect("all links within 40 s").unwrap(), "acknowledged");
    let seconds = began.elapsed().as_secs_f64();
    assert_eq!(count.load(Ordering::Relaxed), many, "each station has one value");
    let octets = before.zip(resident()).map(|(before, after)| after.saturating_sub(before) as f64 / many as f64);
    say(format!("{seconds} {}", octets.map(|octets| octets.to_string()).unwrap_or_default()));
    links.end().await;
    drop(child.stdin.take());
    child.wait().unwrap();
}

/// The process of the stations: every connection is one; ends with its standard input.
async fn stations(links: u64, folder: Option<PathBuf>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tls = folder.map(|folder| identity(&folder, STATIONS).listening(Some(peer(CENTRE))).unwrap());
    let refusals = Arc::<Refusals>::default();
    say(listener.local_addr().unwrap());
    let waiting = Arc::new(AtomicU64::new(links));
    let serving = async {
        loop {
            let (stream, from) = listener.accept().await.unwrap();
            let (tls, refusals, waiting) = (tls.clone(), Arc::clone(&refusals), Arc::clone(&waiting));
            tokio::spawn(async move {
                match tls {
                    None => station(stream, waiting).await,
                    Some(tls) => station(tls.handshake(stream, from.ip(), &refusals).await.unwrap(), waiting).await,
                }
            });
        }
    };
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().lines().count());
    tokio::select! {
        () = serving => {}
        _ = ended => {}
    }
}

async fn station<S: Stream>(mut stream: S, waiting: Arc<AtomicU64>) {
    let mut flow = Flow::new(Timers::default(), Instant::now());
    let mut input = Vec::new();
    let mut told = false;
    loop {
        if let Some(bytes) = flow.take_output()
            && (stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err())
        {
            return;
        }
        if !told && flow.acknowledged_by_peer() == MESSAGES {
            told = true;
            if waiting.fetch_sub(1, Ordering::Relaxed) == 1 {
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
