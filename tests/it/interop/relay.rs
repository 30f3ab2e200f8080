//! Stands between a station and its centre: keeps what they say, as a capture, and cuts links, when told or after so many
//! octets.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use headroom_terminals::iec104::apci::{self, Frame};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::tally;
use crate::captures::writer::{ACK, FIN, Format, Talk, file};

/// A running relay; it ends with the test.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    talks: Arc<Mutex<Vec<Talk>>>,
    over: watch::Receiver<usize>,
    cut: watch::Sender<usize>,
    task: JoinHandle<()>,
}

impl Relay {
    /// To `target`. The n-th connection is cut after `cuts[n]` octets, both directions counted; later ones never are.
    pub(crate) async fn start(target: SocketAddr, cuts: Vec<usize>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let talks: Arc<Mutex<Vec<Talk>>> = Arc::default();
        let (tell, over) = watch::channel(0);
        let cut = watch::Sender::new(0);
        let cutting = cut.clone();
        let kept = Arc::clone(&talks);
        let task = tokio::spawn(async move {
            for n in 0.. {
                let (centre, _) = listener.accept().await.unwrap();
                let Ok(station) = TcpStream::connect(target).await else { continue };
                let client = format!("10.0.0.1:{}", 41_000 + n);
                kept.lock().unwrap().push(Talk::open(&client, "10.0.0.2:2404", (1_000, 2_000)));
                let at = kept.lock().unwrap().len() - 1;
                let room = cuts.get(at).copied().unwrap_or(usize::MAX);
                let (kept, tell, mut cut) = (Arc::clone(&kept), tell.clone(), cutting.subscribe());
                tokio::spawn(async move {
                    let seen = |from_client, flags, octets: &[u8]| {
                        kept.lock().unwrap()[at].push(from_client, flags, octets);
                    };
                    tokio::select! {
                        () = carry([centre, station], room, seen) => {}
                        _ = cut.changed() => kept.lock().unwrap()[at].push(true, ACK | FIN, &[]),
                    }
                    tell.send_modify(|over| *over += 1);
                });
            }
        });
        Self { address, talks, over, cut, task }
    }

    /// Ends the connections that there are, wherever they stand.
    pub(crate) fn cut(&self) {
        self.cut.send_modify(|cuts| *cuts += 1);
    }

    /// Until so many connections are over.
    pub(crate) async fn over(&self, count: usize) {
        let mut over = self.over.clone();
        let reached = tokio::time::timeout(crate::program::PATIENCE, over.wait_for(|&over| over >= count)).await;
        assert!(reached.is_ok(), "{} of {count} connections are over", *self.over.borrow());
    }

    /// Messages that went through so far, with whether the controlling station sent them.
    pub(crate) fn asdus(&self) -> Vec<(bool, Vec<u8>)> {
        let mut asdus = Vec::new();
        for talk in self.talks.lock().unwrap().iter() {
            for from_client in [true, false] {
                let sent = talk.segments.iter().filter(|segment| (segment.from == talk.client) == from_client);
                let stream: Vec<u8> = sent.flat_map(|segment| segment.payload.clone()).collect();
                let mut rest = stream.as_slice();
                while let Some((frame, taken)) = apci::split(rest).unwrap() {
                    if let Frame::I { asdu, .. } = frame {
                        asdus.push((from_client, asdu.to_vec()));
                    }
                    rest = &rest[taken..];
                }
            }
        }
        asdus
    }

    /// Writes the capture where `ops/test` looks for it: `NAME.OURS.pcap`, where `ours` are the addresses 1 (the
    /// controlling station) and 2 that are ours.
    pub(crate) fn keep(&self, name: &str, ours: &str) {
        let Some(folder) = tally::folder() else { return };
        let packets: Vec<_> = self.talks.lock().unwrap().iter().flat_map(Talk::packets).collect();
        tally::keep(&folder, &format!("{name}.{ours}.pcap"), &file(Format::USUAL, 1, &packets));
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Until one side ends or no room is left.
async fn carry(mut ends: [TcpStream; 2], mut room: usize, mut seen: impl FnMut(bool, u8, &[u8])) {
    for end in &ends {
        end.set_nodelay(true).unwrap();
    }
    let (mut from_centre, mut from_station) = (vec![0; 4_096], vec![0; 4_096]);
    loop {
        let [centre, station] = &mut ends;
        let (from_client, read) = tokio::select! {
            read = centre.read(&mut from_centre) => (true, read),
            read = station.read(&mut from_station) => (false, read),
        };
        let (octets, to) = if from_client { (&from_centre, station) } else { (&from_station, centre) };
        let count = read.unwrap_or(0).min(room);
        if count > 0 {
            seen(from_client, ACK, &octets[..count]);
        }
        room -= count;
        if count == 0 || to.write_all(&octets[..count]).await.is_err() || room == 0 {
            seen(from_client, ACK | FIN, &[]);
            return;
        }
    }
}
