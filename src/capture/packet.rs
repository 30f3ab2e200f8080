//! From a packet to its TCP segment.

use std::net::{IpAddr, SocketAddr};

use etherparse::{EtherType, IpNumber, LaxNetSlice, LaxSlicedPacket, TransportSlice};

use super::file::Packet;
use super::moment::Moment;

/// A TCP segment, borrowed from its packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment<'a> {
    pub(super) packet: u64,
    pub(super) at: Moment,
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) sequence: u32,
    pub(super) acknowledged: Option<u32>,
    pub(super) syn: bool,
    pub(super) fin: bool,
    pub(super) rst: bool,
    /// The capture holds less of the packet than there was.
    pub(super) cut: bool,
    pub(super) payload: &'a [u8],
}

/// The numbers that tcpdump.org gives to the kinds of links.
mod link_types {
    pub(super) const NULL: u16 = 0;
    pub(super) const ETHERNET: u16 = 1;
    pub(super) const LOOP: u16 = 108;
    pub(super) const LINUX_SLL: u16 = 113;
    pub(super) const LINUX_SLL2: u16 = 276;
    /// Raw IP: by its own number, those of BSDs, and of one version each.
    pub(super) const RAW: [u16; 5] = [101, 12, 14, 228, 229];
}

/// The TCP segment of a packet; none when it carries something else.
pub(super) fn segment<'a>(packet: &Packet<'a>) -> Result<Option<Segment<'a>>, String> {
    let octets = packet.octets;
    let behind = |head: usize| octets.get(head..).ok_or_else(|| String::from("cut within its link header"));
    let of_type = |at: usize, head: usize| {
        let protocol = octets.get(at..).and_then(<[u8]>::first_chunk::<2>).copied().map(u16::from_be_bytes);
        Ok::<_, String>(LaxSlicedPacket::from_ether_type(EtherType(protocol.unwrap_or(0)), behind(head)?))
    };
    let ip = |octets: &'a [u8]| LaxSlicedPacket::from_ip(octets).map_err(|error| error.to_string());
    let sliced = match packet.link_type {
        link_types::ETHERNET => LaxSlicedPacket::from_ethernet(octets).map_err(|error| error.to_string())?,
        link_types::LINUX_SLL => of_type(14, 16)?,
        link_types::LINUX_SLL2 => of_type(0, 20)?,
        // Four octets of address family, in the byte order of whoever captured; the IP header says the version too.
        link_types::NULL | link_types::LOOP => ip(behind(4)?)?,
        raw if link_types::RAW.contains(&raw) => ip(octets)?,
        other => return Err(format!("link type {other} is not read")),
    };
    let (source, destination, payload) = match &sliced.net {
        Some(LaxNetSlice::Ipv4(ip)) => {
            let header = ip.header();
            (IpAddr::V4(header.source_addr()), IpAddr::V4(header.destination_addr()), ip.payload())
        }
        Some(LaxNetSlice::Ipv6(ip)) => {
            let header = ip.header();
            (IpAddr::V6(header.source_addr()), IpAddr::V6(header.destination_addr()), ip.payload())
        }
        Some(LaxNetSlice::Arp(_)) => return Ok(None),
        None => return sliced.stop_err.map_or(Ok(None), |(error, layer)| Err(format!("{layer}: {error}"))),
    };
    let Some(TransportSlice::Tcp(tcp)) = &sliced.transport else {
        return match &sliced.stop_err {
            Some((error, layer)) => Err(format!("{layer}: {error}")),
            None if payload.fragmented && payload.ip_number == IpNumber::TCP => Err("an IP fragment".to_owned()),
            None => Ok(None),
        };
    };
    if payload.fragmented {
        return Err("an IP fragment".to_owned());
    }
    Ok(Some(Segment {
        packet: packet.number,
        at: packet.at,
        source: SocketAddr::new(source, tcp.source_port()),
        destination: SocketAddr::new(destination, tcp.destination_port()),
        sequence: tcp.sequence_number(),
        acknowledged: tcp.ack().then(|| tcp.acknowledgment_number()),
        syn: tcp.syn(),
        fin: tcp.fin(),
        rst: tcp.rst(),
        cut: payload.incomplete,
        payload: tcp.payload(),
    }))
}
