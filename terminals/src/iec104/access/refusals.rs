//! Connections that were turned away: each counts, and each address and kind has one line a minute in the log.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two lines of one address and kind.
const LINE_EVERY: Duration = Duration::from_secs(60);
/// Addresses and kinds that are told apart at once; more share a line of their kind.
const TOLD_APART_MAX: usize = 1_024;

/// Why a connection was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// Its address is not among those allowed.
    Address,
    /// Its address has as many links as are allowed.
    LinksOfAddress,
    /// There are as many links as are allowed.
    Links,
    /// Its TLS or its certificate, where it came to us.
    Tls,
    /// As that, where we dialled it.
    TlsDialled,
    /// Its certificate expired or was revoked while its link ran.
    TlsEnded,
    /// It said nothing of use in time.
    Silent,
    /// It said too much before the start of data transfer.
    TooMuch,
    /// Its registration is not known.
    Registration,
    /// It came again too soon.
    TooSoon,
}

impl Refusal {
    /// Each with its name in figures.
    pub const ALL: [(Self, &'static str); 10] = [
        (Self::Address, "address"),
        (Self::LinksOfAddress, "links_of_address"),
        (Self::Links, "links"),
        (Self::Tls, "tls"),
        (Self::TlsDialled, "tls_dialled"),
        (Self::TlsEnded, "tls_ended"),
        (Self::Silent, "silent"),
        (Self::TooMuch, "too_much"),
        (Self::Registration, "registration"),
        (Self::TooSoon, "too_soon"),
    ];
}

/// Counts and logs them.
#[derive(Debug, Default)]
pub struct Refusals {
    counts: [AtomicU64; Refusal::ALL.len()],
    lines: Mutex<Lines>,
}

impl Refusals {
    /// One was turned away at `now`.
    pub fn note(&self, now: Instant, peer: IpAddr, refusal: Refusal, why: &str) {
        if let Some(count) = self.counts.get(refusal as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let line = self.lines.lock().unwrap_or_else(PoisonError::into_inner).note(now, peer.to_canonical(), refusal);
        let said = match refusal {
            Refusal::TlsDialled => "connection given up",
            Refusal::TlsEnded => "running link ended",
            _ => "connection refused",
        };
        match line {
            Some((Some(peer), count)) => tracing::warn!(%peer, why, count, "{said}"),
            Some((None, count)) => tracing::warn!(why, count, "{said}, of many addresses"),
            None => {}
        }
    }

    /// How many by name, those that never happened included.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        Refusal::ALL.iter().zip(&self.counts).map(|(&(_, name), n)| (name, n.load(Ordering::Relaxed))).collect()
    }
}

/// When each was told last, and how many there were since.
#[derive(Debug, Default)]
struct Lines(BTreeMap<(Option<IpAddr>, Refusal), (Instant, u64)>);

impl Lines {
    /// Whose line is due (none stands for many), and how many it is about.
    fn note(&mut self, now: Instant, peer: IpAddr, refusal: Refusal) -> Option<(Option<IpAddr>, u64)> {
        let mut key = (Some(peer), refusal);
        if !self.0.contains_key(&key) && self.0.len() >= TOLD_APART_MAX {
            self.0.retain(|_, &mut (told, _)| now.saturating_duration_since(told) < LINE_EVERY);
            if self.0.len() >= TOLD_APART_MAX {
                key.0 = None;
            }
        }
        let Some((told, since)) = self.0.get_mut(&key) else {
            self.0.insert(key, (now, 0));
            return Some((key.0, 1));
        };
        *since += 1;
        if now.saturating_duration_since(*told) < LINE_EVERY {
            return None;
        }
        *told = now;
        Some((key.0, std::mem::take(since)))
    }
}

/// For a peer without an address.
pub const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(n: u16) -> IpAddr {
        let [high, low] = n.to_be_bytes();
        IpAddr::from([10, 0, high, low])
    }

    #[test]
    fn an_address_has_one_line_a_minute_for_each_kind() {
        let (mut lines, now) = (Lines::default(), Instant::now());
        assert_eq!(lines.note(now, peer(1), Refusal::Tls), Some((Some(peer(1)), 1)));
        assert_eq!(lines.note(now, peer(1), Refusal::Links), Some((Some(peer(1)), 1)));
        for _ in 0..9 {
            assert_eq!(lines.note(now, peer(1), Refusal::Tls), None);
        }
        assert_eq!(lines.note(now + LINE_EVERY, peer(1), Refusal::Tls), Some((Some(peer(1)), 10)));
    }

    #[test]
    fn many_addresses_share_a_line_and_no_more_memory() {
        let (mut lines, now) = (Lines::default(), Instant::now());
        let told = (0..60_000).filter(|&n| lines.note(now, peer(n), Refusal::Address).is_some()).count();
        assert_eq!((told, lines.0.len()), (TOLD_APART_MAX + 1, TOLD_APART_MAX + 1));
        // A minute later the old ones make room.
        assert_eq!(lines.note(now + LINE_EVERY, peer(60_001), Refusal::Address), Some((Some(peer(60_001)), 1)));
        assert_eq!(lines.0.len(), 1);
    }
}
