//! What a capture held, and what of it was left out.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use serde::Serialize;

use super::Link;
use super::moment::Moment;

/// Ranges of packet numbers that are named for one reason; more are counted.
const RANGES_MAX: usize = 16;
/// Reasons that are told apart; a hostile file has as many as it pleases.
const REASONS_MAX: usize = 64;
const OTHER_REASONS: &str = "other reasons";

/// Packets that were left out for one reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// How many.
    pub packets: u64,
    /// First and last of each run of them, the first sixteen runs.
    pub ranges: Vec<(u64, u64)>,
}

impl LeftOut {
    pub(super) fn add(&mut self, number: u64) {
        let last = self.ranges.last_mut().map(|(_, last)| last);
        if last.as_deref() == Some(&number) {
            return;
        }
        self.packets += 1;
        if let Some(last) = last.filter(|last| **last + 1 == number) {
            *last = number;
        } else if self.ranges.len() < RANGES_MAX {
            self.ranges.push((number, number));
        }
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.packets == 1 { "packet " } else { "packets " })?;
        let mut named = 0;
        for (n, &(first, last)) in self.ranges.iter().enumerate() {
            f.write_str(if n == 0 { "" } else { ", " })?;
            if first == last {
                write!(f, "{first}")?
            } else {
                write!(f, "{first}-{last}")?
            }
            named += last - first + 1;
        }
        let more = self.packets.saturating_sub(named);
        if more > 0 { write!(f, " and {more} more") } else { Ok(()) }
    }
}

/// One link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkSummary {
    /// Which.
    pub link: Rc<Link>,
    /// Its first APDU.
    pub first: Moment,
    /// Its last one.
    pub last: Moment,
    /// APDUs of the controlling station, of the controlled one.
    pub apdus: (u64, u64),
    /// Information objects, both directions.
    pub objects: u64,
    /// APDUs with a mark.
    pub marked: u64,
    /// Packets at which octets showed to be missing, or not to be of any APDU.
    pub interrupted: LeftOut,
}

/// A whole capture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Packets, all.
    pub packets: u64,
    /// Of them without TCP.
    pub not_tcp: u64,
    /// TCP segments of other ports than those asked for.
    pub other_ports: u64,
    /// TCP segments whose octets had come before.
    pub repeated: u64,
    /// Connections without IEC 60870-5-104.
    pub foreign: u64,
    /// The links, by number.
    pub links: Vec<LinkSummary>,
    /// What was left out, by reason.
    pub left_out: BTreeMap<String, LeftOut>,
    /// Why the file was not read to its end.
    pub damaged: Option<String>,
}

impl Summary {
    pub(super) fn leave_out(&mut self, number: u64, why: String) {
        let known = self.left_out.contains_key(&why) || self.left_out.len() < REASONS_MAX;
        self.left_out.entry(if known { why } else { OTHER_REASONS.to_owned() }).or_default().add(number);
    }

    /// APDUs of all links.
    pub fn apdus(&self) -> u64 {
        self.links.iter().map(|link| link.apdus.0 + link.apdus.1).sum()
    }

    /// As one JSON object.
    pub fn json(&self) -> serde_json::Value {
        let link = |summary: &LinkSummary| {
            serde_json::json!({
                "link": summary.link.number,
                "client": summary.link.client.to_string(),
                "server": summary.link.server.to_string(),
                "first": summary.first.to_string(),
                "last": summary.last.to_string(),
                "apdus_from_client": summary.apdus.0,
                "apdus_from_server": summary.apdus.1,
                "objects": summary.objects,
                "marked": summary.marked,
                "interrupted": summary.interrupted,
            })
        };
        serde_json::json!({
            "packets": self.packets,
            "packets_without_tcp": self.not_tcp,
            "segments_of_other_ports": self.other_ports,
            "segments_repeated": self.repeated,
            "connections_foreign": self.foreign,
            "links": self.links.iter().map(link).collect::<Vec<_>>(),
            "left_out": self.left_out,
            "damaged": self.damaged,
        })
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { packets, not_tcp, other_ports, repeated, foreign, links, .. } = self;
        let (apdus, objects) = (self.apdus(), links.iter().map(|link| link.objects).sum::<u64>());
        writeln!(f, "{packets} packets, {} links, {apdus} APDUs, {objects} objects", links.len())?;
        for LinkSummary { link, first, last, apdus, objects, marked, interrupted } in links {
            let Link { number, client, server } = &**link;
            write!(f, "link {number}: {client} → {server}: {} and {} APDUs, {objects} objects", apdus.0, apdus.1)?;
            if *marked > 0 {
                write!(f, ", {marked} marked")?;
            }
            writeln!(f, ", {first} to {last}")?;
            if interrupted.packets > 0 {
                writeln!(f, "link {number}: octets are missing or of no APDU at {interrupted}")?;
            }
        }
        let others = [
            (*not_tcp, "packets without TCP"),
            (*other_ports, "segments of other ports"),
            (*foreign, "connections without IEC 60870-5-104"),
            (*repeated, "segments that had come before"),
        ];
        for (count, what) in others.into_iter().filter(|(count, _)| *count > 0) {
            writeln!(f, "not shown: {count} {what}")?;
        }
        for (why, left_out) in &self.left_out {
            writeln!(f, "left out: {left_out}: {why}")?;
        }
        self.damaged.iter().try_for_each(|why| writeln!(f, "not read to its end: {why}"))
    }
}
