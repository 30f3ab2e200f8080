//! Writes captures as tcpdump and Wireshark do: packets from TCP segments, files from packets.

use std::net::{IpAddr, SocketAddr};

use headroom::capture::{Apdu, Decoder, Seen};
use headroom_terminals::iec104::apci::{Control, Frame, write};

pub(crate) const CLIENT: &str = "10.0.0.1:41000";
pub(crate) const SERVER: &str = "10.0.0.2:2404";
/// 2026-11-24T12:00:00Z.
pub(crate) const START_NS: u64 = 1_795_521_600_000_000_000;
pub(crate) const SYN: u8 = 2;
pub(crate) const ACK: u8 = 16;
pub(crate) const FIN: u8 = 1;
pub(crate) const RST: u8 = 4;

/// A TCP segment.
#[derive(Clone, Debug)]
pub(crate) struct Tcp {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) sequence: u32,
    pub(crate) acknowledged: u32,
    pub(crate) flags: u8,
    pub(crate) payload: Vec<u8>,
}

/// How a packet is wrapped below IP.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Below {
    Ethernet,
    Vlan,
    DoubleVlan,
    Sll,
    Sll2,
    Raw,
    Null,
}

impl Below {
    pub(crate) const ALL: [Self; 7] =
        [Self::Ethernet, Self::Vlan, Self::DoubleVlan, Self::Sll, Self::Sll2, Self::Raw, Self::Null];

    pub(crate) const fn link_type(self) -> u16 {
        match self {
            Self::Ethernet | Self::Vlan | Self::DoubleVlan => 1,
            Self::Sll => 113,
            Self::Sll2 => 276,
            Self::Raw => 101,
            Self::Null => 0,
        }
    }

    fn wrap(self, ip: &[u8]) -> Vec<u8> {
        let is_v6 = ip[0] >> 4 == 6;
        let ether: [u8; 2] = if is_v6 { [0x86, 0xDD] } else { [8, 0] };
        let mut out = match self {
            Self::Ethernet => [&[2; 12][..], &ether].concat(),
            Self::Vlan => [&[2; 12][..], &[0x81, 0, 0, 7], &ether].concat(),
            Self::DoubleVlan => [&[2; 12][..], &[0x88, 0xA8, 0, 9, 0x81, 0, 0, 7], &ether].concat(),
            Self::Sll => [&[0, 0, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0][..], &ether].concat(),
            Self::Sll2 => [&ether[..], &[0; 18]].concat(),
            Self::Raw => Vec::new(),
            Self::Null => vec![if is_v6 { 30 } else { 2 }, 0, 0, 0],
        };
        out.extend_from_slice(ip);
        // A frame is padded to its smallest size, and the padding is none of TCP's.
        if matches!(self, Self::Ethernet) && out.len() < 60 {
            out.resize(60, 0xEE);
        }
        out
    }
}

impl Tcp {
    pub(crate) fn packet(&self, below: Below) -> Vec<u8> {
        let mut tcp = Vec::new();
        tcp.extend(self.from.port().to_be_bytes());
        tcp.extend(self.to.port().to_be_bytes());
        tcp.extend(self.sequence.to_be_bytes());
        tcp.extend(self.acknowledged.to_be_bytes());
        tcp.extend([5 << 4, self.flags, 0xFF, 0xFF, 0, 0, 0, 0]);
        tcp.extend(&self.payload);
        below.wrap(&ip(self.from.ip(), self.to.ip(), &tcp, 0))
    }
}

/// An IP packet; `fragment` is IPv4's word of flags and offset.
pub(crate) fn ip(from: IpAddr, to: IpAddr, tcp: &[u8], fragment: u16) -> Vec<u8> {
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let [l1, l2] = u16::try_from(20 + tcp.len()).unwrap().to_be_bytes();
            let [f1, f2] = fragment.to_be_bytes();
            let head = [0x45, 0, l1, l2, 0, 1, f1, f2, 64, 6, 0, 0];
            [&head[..], &from.octets(), &to.octets(), tcp].concat()
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            // With a hop-by-hop extension header before TCP.
            let [l1, l2] = u16::try_from(8 + tcp.len()).unwrap().to_be_bytes();
            let head = [0x60, 0, 0, 0, l1, l2, 0, 64];
            [&head[..], &from.octets(), &to.octets(), &[6, 0, 1, 4, 0, 0, 0, 0], tcp].concat()
        }
        _ => panic!("addresses of two versions"),
    }
}

/// Formats of files.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Format {
    Pcap { big: bool, nanos: bool },
    Ng { big: bool },
}

impl Format {
    pub(crate) const ALL: [Self; 6] = [
        Self::Pcap { big: false, nanos: false },
        Self::Pcap { big: true, nanos: false },
        Self::Pcap { big: false, nanos: true },
        Self::Pcap { big: true, nanos: true },
        Self::Ng { big: false },
        Self::Ng { big: true },
    ];
    pub(crate) const USUAL: Self = Self::Pcap { big: false, nanos: false };
}

/// A file with packets, 10 ms apart.
pub(crate) fn file(format: Format, link_type: u16, packets: &[Vec<u8>]) -> Vec<u8> {
    let times = (0..).map(|n: u64| START_NS + n * 10_000_000);
    let timed: Vec<_> = times.zip(packets.iter().cloned()).collect();
    timed_file(format, link_type, &timed)
}

/// A file with packets, each with its time in ns.
pub(crate) fn timed_file(format: Format, link_type: u16, packets: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let (big, mut out) = match format {
        Format::Pcap { big, .. } | Format::Ng { big } => (big, Vec::new()),
    };
    let u32 = |n: u64| {
        let n = u32::try_from(n).unwrap();
        if big { n.to_be_bytes() } else { n.to_le_bytes() }
    };
    let u16 = |n: u16| if big { n.to_be_bytes() } else { n.to_le_bytes() };
    match format {
        Format::Pcap { nanos, .. } => {
            out.extend(u32(if nanos { 0xA1B2_3C4D } else { 0xA1B2_C3D4 }));
            out.extend([u16(2), u16(4)].concat());
            out.extend([u32(0), u32(0), u32(262_144), u32(link_type.into())].concat());
            for (ns, packet) in packets {
                let part = ns % 1_000_000_000 / if nanos { 1 } else { 1_000 };
                let length = packet.len() as u64;
                out.extend([u32(ns / 1_000_000_000), u32(part), u32(length), u32(length)].concat());
                out.extend(packet);
            }
        }
        Format::Ng { .. } => {
            let mut block = |kind: u64, body: &[u8]| {
                let padded = body.len().next_multiple_of(4);
                let length = u32(padded as u64 + 12);
                out.extend([&u32(kind)[..], &length, body, &vec![0; padded - body.len()], &length].concat());
            };
            block(0x0A0D_0D0A, &[&u32(0x1A2B_3C4D)[..], &u16(1), &u16(0), &[0xFF; 8]].concat());
            // Times in ns: if_tsresol 9.
            let options = [&u16(9)[..], &u16(1), &[9, 0, 0, 0], &[0; 4]].concat();
            block(1, &[&u16(link_type)[..], &u16(0), &u32(0), &options].concat());
            for (ns, packet) in packets {
                let length = u32(packet.len() as u64);
                let head = [u32(0), u32(ns >> 32), u32(ns & 0xFFFF_FFFF), length, length].concat();
                block(6, &[&head[..], packet].concat());
                // Statistics of an interface, which are no packet.
                block(5, &[u32(0), u32(0), u32(0)].concat());
            }
        }
    }
    out
}

pub(crate) fn u(control: Control) -> Vec<u8> {
    let mut out = Vec::new();
    write(Frame::U(control), &mut out);
    out
}

pub(crate) fn i(send: u16, receive: u16, asdu: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write(Frame::I { send, receive, asdu }, &mut out);
    out
}

pub(crate) fn s(receive: u16) -> Vec<u8> {
    let mut out = Vec::new();
    write(Frame::S { receive }, &mut out);
    out
}

/// M_ME_NC_1, spontaneous, one object.
pub(crate) fn float(common_address: u16, ioa: u32, value: f32) -> Vec<u8> {
    let ([ca1, ca2], [a, b, c, _]) = (common_address.to_le_bytes(), ioa.to_le_bytes());
    [&[13, 1, 3, 0, ca1, ca2, a, b, c][..], &value.to_le_bytes(), &[0]].concat()
}

/// Two ends that talk; every octet is acknowledged by what follows.
pub(crate) struct Talk {
    pub(crate) client: SocketAddr,
    pub(crate) server: SocketAddr,
    /// Next sequence numbers of the client, of the server.
    pub(crate) next: (u32, u32),
    pub(crate) segments: Vec<Tcp>,
}

impl Talk {
    /// With the three segments that open a connection.
    pub(crate) fn open(client: &str, server: &str, first: (u32, u32)) -> Self {
        let mut talk = Self::midstream(client, server, first);
        talk.push(true, SYN, &[]);
        talk.push(false, SYN | ACK, &[]);
        talk.push(true, ACK, &[]);
        talk
    }

    pub(crate) fn midstream(client: &str, server: &str, first: (u32, u32)) -> Self {
        let (client, server) = (client.parse().unwrap(), server.parse().unwrap());
        Self { client, server, next: first, segments: Vec::new() }
    }

    pub(crate) fn push(&mut self, from_client: bool, flags: u8, payload: &[u8]) {
        let (from, to) = if from_client { (self.client, self.server) } else { (self.server, self.client) };
        let (sequence, acknowledged) = if from_client { self.next } else { (self.next.1, self.next.0) };
        let length = u32::try_from(payload.len()).unwrap() + u32::from(flags & (SYN | FIN) != 0);
        let next = if from_client { &mut self.next.0 } else { &mut self.next.1 };
        *next = next.wrapping_add(length);
        self.segments.push(Tcp { from, to, sequence, acknowledged, flags, payload: payload.to_vec() });
    }

    pub(crate) fn say(&mut self, from_client: bool, payload: &[u8]) {
        self.push(from_client, ACK, payload);
    }

    /// STARTDT, and its confirmation.
    pub(crate) fn started(client: &str, server: &str, first: (u32, u32)) -> Self {
        let mut talk = Self::open(client, server, first);
        talk.say(true, &u(Control::StartAct));
        talk.say(false, &u(Control::StartCon));
        talk
    }

    /// The packets on Ethernet.
    pub(crate) fn packets(&self) -> Vec<Vec<u8>> {
        self.segments.iter().map(|segment| segment.packet(Below::Ethernet)).collect()
    }

    pub(crate) fn file(&self) -> Vec<u8> {
        file(Format::USUAL, 1, &self.packets())
    }
}

pub(crate) fn decode(file: &[u8]) -> Vec<Seen> {
    Decoder::new(file, Vec::new()).unwrap().collect()
}

pub(crate) fn lines(file: &[u8]) -> String {
    decode(file).iter().map(|seen| format!("{seen}\n")).collect()
}

/// Direction and octets of every APDU.
pub(crate) fn apdus(file: &[u8]) -> Vec<(bool, Vec<u8>)> {
    let apdu = |seen| match seen {
        Seen::Apdu(Apdu { from_client, octets, .. }) => Some((from_client, octets)),
        Seen::Note(_) => None,
    };
    decode(file).into_iter().filter_map(apdu).collect()
}
