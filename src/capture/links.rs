//! Who talks to whom: connections by their two addresses, each with both its streams.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;

use headroom_terminals::iec104::apci::{self, Frame};
use headroom_terminals::iec104::asdu::Asdu;

use super::apdus::{Cutter, Piece, is_sound};
use super::moment::Moment;
use super::packet::Segment;
use super::stream::{Flow, Stream};
use super::summary::{LeftOut, LinkSummary, Summary};
use super::watch::Watch;
use super::{Apdu, Link, Note, Seen, What};

/// The port of the standard.
const PORT: u16 = 2_404;
/// Connections at a time; beyond, the quarter of them goes that was silent longest.
const CONNECTIONS_MAX: usize = 16_384;
/// Octets that wait for what is missing before them, over all connections.
const WAITING_OCTETS_MAX: usize = 64 * 1_024 * 1_024;
/// What is kept of a connection that may yet turn out to be a link.
const HELD_MAX: usize = 8;
/// Segments without a sound APDU after which a connection is none.
const FOREIGN_AFTER: u32 = 64;
/// Links that a summary tells apart; a hostile file has as many as it pleases.
const LINKS_MAX: usize = 65_536;

type Ends = (SocketAddr, SocketAddr);

#[derive(Debug, Default)]
struct Direction {
    stream: Stream,
    cutter: Cutter,
}

/// What a connection is taken for.
#[derive(Debug)]
enum Kind {
    /// Not known yet; this waits for the decision.
    Open { held: VecDeque<Seen>, segments: u32 },
    /// A link; its place in the summary.
    Link(usize),
    /// Something else.
    Foreign,
}

#[derive(Debug)]
struct Connection {
    link: Rc<Link>,
    kind: Kind,
    /// The controlled station's, the controlling station's.
    directions: [Direction; 2],
    watch: Watch,
    packets: u64,
    last_packet: u64,
    at: Moment,
    over: bool,
    /// Its port says that it is a link, whatever it carries.
    is_wanted: bool,
}

/// All connections of a capture.
#[derive(Debug)]
pub(super) struct Links {
    ports: Vec<u16>,
    connections: BTreeMap<Ends, Connection>,
    waiting_octets: usize,
}

impl Links {
    pub(super) const fn new(ports: Vec<u16>) -> Self {
        Self { ports, connections: BTreeMap::new(), waiting_octets: 0 }
    }

    /// Takes a segment of any connection in.
    pub(super) fn on_segment(&mut self, segment: &Segment<'_>, seen: &mut VecDeque<Seen>, summary: &mut Summary) {
        let Segment { source, destination, .. } = *segment;
        let by_port = |port: u16| self.ports.contains(&port);
        if !self.ports.is_empty() && !by_port(source.port()) && !by_port(destination.port()) {
            summary.other_ports += 1;
            return;
        }
        let ends = (source.min(destination), source.max(destination));
        if self.connections.get(&ends).is_some_and(|connection| connection.is_succeeded_by(segment)) {
            self.end(ends, "another connection follows", seen, summary);
        }
        if !self.connections.contains_key(&ends) {
            if segment.payload.is_empty() && !segment.syn {
                return;
            }
            if self.connections.len() >= CONNECTIONS_MAX {
                self.make_room(seen, summary);
            }
            self.connections.insert(ends, Connection::new(segment, &self.ports));
        }
        let Some(connection) = self.connections.get_mut(&ends) else { return };
        let before = connection.waiting_octets();
        connection.on_segment(segment, self.waiting_octets > WAITING_OCTETS_MAX, seen, summary);
        self.waiting_octets = (self.waiting_octets + connection.waiting_octets()).saturating_sub(before);
    }

    fn make_room(&mut self, seen: &mut VecDeque<Seen>, summary: &mut Summary) {
        let mut oldest: Vec<_> = self.connections.iter().map(|(&ends, c)| (c.last_packet, ends)).collect();
        oldest.sort_unstable();
        oldest.truncate(CONNECTIONS_MAX / 4);
        for (_, ends) in oldest {
            self.end(ends, "too many connections at a time, this one was silent longest", seen, summary);
        }
    }

    fn end(&mut self, ends: Ends, why: &str, seen: &mut VecDeque<Seen>, summary: &mut Summary) {
        if let Some(mut connection) = self.connections.remove(&ends) {
            self.waiting_octets = self.waiting_octets.saturating_sub(connection.waiting_octets());
            connection.finish(Some(why), seen, summary);
        }
    }

    /// The capture has ended.
    pub(super) fn finish(&mut self, seen: &mut VecDeque<Seen>, summary: &mut Summary) {
        let mut connections: Vec<_> = std::mem::take(&mut self.connections).into_values().collect();
        // In the order in which they fell silent.
        connections.sort_by_key(|connection| connection.last_packet);
        for mut connection in connections {
            connection.finish(None, seen, summary);
        }
        self.waiting_octets = 0;
    }
}

impl Connection {
    fn new(segment: &Segment<'_>, ports: &[u16]) -> Self {
        let Segment { source, destination, .. } = *segment;
        let listens = |end: SocketAddr| ports.contains(&end.port()) || end.port() == PORT;
        let source_listens = if segment.syn {
            segment.acknowledged.is_some()
        } else if listens(source) == listens(destination) {
            // Whoever dials takes a port from the upper range.
            source.port() < destination.port()
        } else {
            listens(source)
        };
        let (client, server) = if source_listens { (destination, source) } else { (source, destination) };
        Self {
            link: Rc::new(Link { number: 0, client, server }),
            kind: Kind::Open { held: VecDeque::new(), segments: 0 },
            directions: [Direction::default(), Direction::default()],
            watch: Watch::default(),
            packets: 0,
            last_packet: segment.packet,
            at: segment.at,
            over: false,
            is_wanted: !ports.is_empty(),
        }
    }

    /// Whether a segment is of a later connection between the same two.
    fn is_succeeded_by(&self, segment: &Segment<'_>) -> bool {
        let from_client = segment.source == self.link.client;
        let [server, client] = &self.directions;
        let own = if from_client { client } else { server };
        // After a reset nothing but stragglers comes on the same connection.
        segment.syn && own.stream.is_of_another(segment.sequence)
    }

    fn waiting_octets(&self) -> usize {
        self.directions.iter().map(|direction| direction.stream.waiting_octets()).sum()
    }

    fn on_segment(
        &mut self,
        segment: &Segment<'_>,
        memory_is_full: bool,
        seen: &mut VecDeque<Seen>,
        summary: &mut Summary,
    ) {
        self.packets += 1;
        (self.last_packet, self.at) = (segment.packet, segment.at);
        if segment.syn && matches!(&self.kind, Kind::Open { .. }) {
            // Who opens is the controlling station, whatever the ports say.
            let opens = segment.acknowledged.is_none();
            let (client, server) = (segment.source, segment.destination);
            let (client, server) = if opens { (client, server) } else { (server, client) };
            if self.link.client != client {
                self.link = Rc::new(Link { number: 0, client, server });
                self.directions.swap(0, 1);
            }
            self.watch = Watch::from_start();
        }
        if self.over {
            if !segment.payload.is_empty() {
                summary.leave_out(segment.packet, "it came after its connection was reset".to_owned());
            }
            return;
        }
        if matches!(self.kind, Kind::Foreign) {
            return;
        }
        if segment.cut {
            summary.leave_out(segment.packet, "cut by the capture: the octets beyond are missing".to_owned());
        }
        let from_client = segment.source == self.link.client;
        if let Some(sequence) = segment.acknowledged {
            self.stream(!from_client).on_acknowledged(sequence);
        }
        self.flow(from_client, seen, summary, |stream, out| {
            stream.on_segment(segment, out);
            if memory_is_full {
                stream.finish(out);
            }
        });
        let (packets, at) = (self.packets, self.at);
        for side in [false, true] {
            self.flow(side, seen, summary, |stream, out| stream.settle(packets, at, out));
        }
        let both_over = self.directions.iter().all(|direction| direction.stream.is_over());
        if segment.rst || both_over {
            let why = if both_over { "closed" } else { "reset" };
            self.finish(Some(why), seen, summary);
            self.over = true;
        }
    }

    fn stream(&mut self, from_client: bool) -> &mut Stream {
        let [server, client] = &mut self.directions;
        &mut if from_client { client } else { server }.stream
    }

    /// Lets a stream work, and takes what comes out of it.
    fn flow(
        &mut self,
        from_client: bool,
        seen: &mut VecDeque<Seen>,
        summary: &mut Summary,
        work: impl FnOnce(&mut Stream, &mut dyn FnMut(Flow<'_>)),
    ) {
        let mut stream = std::mem::take(self.stream(from_client));
        let repeated = stream.repeated;
        work(&mut stream, &mut |flow| self.on_flow(from_client, &flow, seen, summary));
        summary.repeated += stream.repeated - repeated;
        if !matches!(self.kind, Kind::Foreign) {
            *self.stream(from_client) = stream;
        }
    }

    fn on_flow(&mut self, from_client: bool, flow: &Flow<'_>, seen: &mut VecDeque<Seen>, summary: &mut Summary) {
        let [server, client] = &mut self.directions;
        let cutter = &mut if from_client { client } else { server }.cutter;
        match *flow {
            Flow::Octets { packet, at, octets } => {
                let mut cutter = std::mem::take(cutter);
                let mut found = Vec::new();
                cutter.on_octets(octets, &mut |piece| {
                    found.push(match piece {
                        Piece::Apdu(octets) => Ok(octets.to_vec()),
                        Piece::Broken(error) => Err(format!("{error}: skipped from here on")),
                        Piece::Found { skipped: 0 } => return,
                        Piece::Found { skipped } => Err(format!("{skipped} octets skipped up to here")),
                    });
                });
                let skipped_now = cutter.skipped();
                let [server, client] = &mut self.directions;
                if from_client { client } else { server }.cutter = cutter;
                for piece in found {
                    match piece {
                        Ok(octets) => self.on_apdu(from_client, packet, at, octets, seen, summary),
                        Err(text) => {
                            self.watch.on_gap(from_client);
                            self.note(from_client, packet, at, What::Missing(text), seen, summary);
                        }
                    }
                }
                self.count_segment(skipped_now.is_some(), summary);
            }
            Flow::Gap { octets, after, before, at } => {
                let half = cutter.give_up();
                cutter.lose();
                self.watch.on_gap(from_client);
                let half =
                    if half == 0 { String::new() } else { format!(", with the APDU of {half} octets begun there") };
                let text = format!("{octets} octets between packets {after} and {before} are not in the capture{half}");
                self.note(from_client, before, at, What::Missing(text), seen, summary);
            }
            Flow::Midstream { packet, at } => {
                cutter.lose();
                let text = "the capture begins within this stream: from the first sound APDU on".to_owned();
                self.note(from_client, packet, at, What::Missing(text), seen, summary);
            }
        }
    }

    fn on_apdu(
        &mut self,
        from_client: bool,
        packet: u64,
        at: Moment,
        octets: Vec<u8>,
        seen: &mut VecDeque<Seen>,
        summary: &mut Summary,
    ) {
        let Ok(Some((frame, _))) = apci::split(&octets) else { return };
        let is_behind = self.stream(!from_client).is_behind();
        let mut faults = self.watch.on_frame(from_client, &frame, packet, at, is_behind);
        if let Frame::I { asdu, .. } = frame
            && let Err(error) = Asdu::parse(asdu)
        {
            faults.push(error.to_string());
        }
        let sound = is_sound(&octets);
        let apdu = Apdu { packet, at, link: Rc::clone(&self.link), from_client, octets, faults };
        self.show(Seen::Apdu(apdu), seen, summary);
        if sound {
            self.is_link(seen, summary);
        }
    }

    fn note(
        &mut self,
        from_client: bool,
        packet: u64,
        at: Moment,
        what: What,
        seen: &mut VecDeque<Seen>,
        summary: &mut Summary,
    ) {
        let note = Note { packet, at, link: Rc::clone(&self.link), from_client, what };
        self.show(Seen::Note(note), seen, summary);
    }

    /// Shows what a link has, and holds what may be a link's.
    fn show(&mut self, mut what: Seen, seen: &mut VecDeque<Seen>, summary: &mut Summary) {
        if self.is_wanted && matches!(self.kind, Kind::Open { .. }) {
            self.is_link(seen, summary);
            what.set_link(&self.link);
        }
        match &mut self.kind {
            Kind::Link(place) => {
                if let Some(link) = summary.links.get_mut(*place) {
                    count(&what, link);
                }
                seen.push_back(what);
            }
            Kind::Open { held, .. } => {
                if held.len() >= HELD_MAX {
                    held.pop_front();
                }
                held.push_back(what);
            }
            Kind::Foreign => {}
        }
    }

    /// There is no doubt any more.
    fn is_link(&mut self, seen: &mut VecDeque<Seen>, summary: &mut Summary) {
        let Kind::Open { held, .. } = &mut self.kind else { return };
        let held = std::mem::take(held);
        if summary.links.len() >= LINKS_MAX {
            self.be_foreign(summary);
            return;
        }
        let number = u32::try_from(summary.links.len() + 1).unwrap_or(u32::MAX);
        let Link { client, server, .. } = *self.link;
        self.link = Rc::new(Link { number, client, server });
        summary.links.push(LinkSummary {
            link: Rc::clone(&self.link),
            first: self.at,
            last: self.at,
            apdus: (0, 0),
            objects: 0,
            marked: 0,
            interrupted: LeftOut::default(),
        });
        self.kind = Kind::Link(summary.links.len() - 1);
        for mut what in held {
            what.set_link(&self.link);
            self.show(what, seen, summary);
        }
    }

    /// A connection on which nothing sound is found for long, or whose both sides speak something else, is none.
    fn count_segment(&mut self, lost: bool, summary: &mut Summary) {
        let Kind::Open { segments, .. } = &mut self.kind else { return };
        *segments += u32::from(lost);
        if *segments >= FOREIGN_AFTER {
            self.be_foreign(summary);
        }
    }

    fn be_foreign(&mut self, summary: &mut Summary) {
        self.kind = Kind::Foreign;
        summary.foreign += 1;
        self.directions = [Direction::default(), Direction::default()];
    }

    /// Gives what waits, and says what stays open.
    fn finish(&mut self, why: Option<&str>, seen: &mut VecDeque<Seen>, summary: &mut Summary) {
        if self.over || matches!(self.kind, Kind::Foreign) {
            return;
        }
        // Whatever was captured first goes first.
        let first = |connection: &mut Self, side| connection.stream(side).first_waiting();
        while let Some((_, side)) = [true, false].into_iter().filter_map(|side| Some((first(self, side)?, side))).min()
        {
            self.flow(side, seen, summary, Stream::skip);
        }
        if matches!(self.kind, Kind::Open { .. }) {
            let spoke = self.directions.iter().any(|d| d.cutter.skipped().is_some() || d.cutter.unfinished() > 0);
            if spoke {
                self.be_foreign(summary);
            }
            return;
        }
        let (packet, at) = (self.last_packet, self.at);
        for (from_client, direction) in [true, false].into_iter().zip([1, 0]) {
            let Some(Direction { cutter, .. }) = self.directions.get(direction) else { continue };
            let text = match (cutter.skipped(), cutter.unfinished()) {
                (Some(skipped), rest) => {
                    format!("{} octets skipped up to the end", skipped + u64::try_from(rest).unwrap_or(0))
                }
                (None, 0) => continue,
                (None, rest) => format!("ends with {rest} octets of an APDU that is not whole"),
            };
            self.note(from_client, packet, at, What::Missing(text), seen, summary);
        }
        let mut texts = self.watch.unanswered();
        texts.splice(0..0, why.map(str::to_owned));
        if why.is_some() {
            self.note(true, packet, at, What::Ended(texts.join("; ")), seen, summary);
        } else if !texts.is_empty() {
            self.note(true, packet, at, What::Missing(texts.join("; ")), seen, summary);
        }
    }
}

fn count(what: &Seen, link: &mut LinkSummary) {
    match what {
        Seen::Apdu(apdu) => {
            let side = if apdu.from_client { &mut link.apdus.0 } else { &mut link.apdus.1 };
            *side += 1;
            link.marked += u64::from(!apdu.faults.is_empty());
            (link.first, link.last) = (link.first.min(apdu.at), link.last.max(apdu.at));
            if let Ok(Some((Frame::I { asdu, .. }, _))) = apci::split(&apdu.octets)
                && let Ok(asdu) = Asdu::parse(asdu)
            {
                link.objects += u64::from(asdu.count);
            }
        }
        Seen::Note(Note { packet, what: What::Missing(_), .. }) => link.interrupted.add(*packet),
        Seen::Note(_) => {}
    }
}
