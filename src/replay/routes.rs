//! Which terminal a link's messages are of.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use headroom_rules::model::TerminalId;
use headroom_terminals::profile::Profile;

use crate::config::LinkEntry;

/// A terminal, as a link's messages find it.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) terminal: TerminalId,
    pub(super) profile: Arc<Profile>,
}

/// A terminal that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("--map {station}={terminal}: the fleet has no terminal {terminal}")]
pub struct MapError {
    station: SocketAddr,
    terminal: TerminalId,
}

/// From a station's address and a common address to a terminal: as told, else as the fleet dials it, else by a common
/// address that only one terminal has.
#[derive(Debug)]
pub struct Routes {
    told: BTreeMap<SocketAddr, Route>,
    dialled: BTreeMap<(SocketAddr, u16), Route>,
    /// None where several have it.
    by_common_address: BTreeMap<u16, Option<Route>>,
}

impl Routes {
    pub(super) fn new(
        links: &[LinkEntry],
        profiles: Vec<Arc<Profile>>,
        overrides: &[(SocketAddr, TerminalId)],
    ) -> Result<Self, MapError> {
        let mut by_terminal = BTreeMap::new();
        let (mut dialled, mut by_common_address) = (BTreeMap::new(), BTreeMap::new());
        for (entry, profile) in links.iter().zip(profiles) {
            let route = Route { terminal: entry.terminal, profile };
            by_terminal.insert(entry.terminal, route.clone());
            // A host's name is not looked up: it may be another machine's by now.
            for address in entry.addresses().iter().filter_map(|address| address.parse().ok()) {
                dialled.insert((address, entry.common_address), route.clone());
            }
            let other = by_common_address.insert(entry.common_address, Some(route));
            if other.is_some() {
                by_common_address.insert(entry.common_address, None);
            }
        }
        let mut told = BTreeMap::new();
        for &(station, terminal) in overrides {
            let route = by_terminal.get(&terminal).ok_or(MapError { station, terminal })?;
            told.insert(station, route.clone());
        }
        Ok(Self { told, dialled, by_common_address })
    }

    pub(super) fn of(&self, station: SocketAddr, common_address: u16) -> Option<Route> {
        let route = self.told.get(&station).or_else(|| self.dialled.get(&(station, common_address)));
        route.or_else(|| self.by_common_address.get(&common_address)?.as_ref()).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_found_as_told_then_as_dialled_then_by_a_common_address_of_its_own() {
        let entry = |terminal: &str, address: &str, common_address| {
            LinkEntry::dialled(terminal.parse().unwrap(), address.to_owned(), common_address)
        };
        let links = [
            entry("A", "10.0.0.1:2404", 1),
            entry("B", "10.0.0.1:2404", 2),
            entry("C", "10.0.0.3:2404", 1),
            entry("D", "d.example:2404", 4),
        ];
        let profile = Arc::new(Profile::standard());
        let station = |text: &str| -> SocketAddr { text.parse().unwrap() };
        let told = [(station("192.0.2.1:2404"), "C".parse().unwrap())];
        let routes = Routes::new(&links, vec![profile; 4], &told).unwrap();
        let found = |address: &str, ca| routes.of(station(address), ca).map(|route| route.terminal.to_string());
        for (address, common_address, wanted) in [
            ("192.0.2.1:2404", 9, Some("C")),
            ("10.0.0.1:2404", 1, Some("A")),
            ("10.0.0.1:2404", 2, Some("B")),
            ("10.0.0.3:2404", 1, Some("C")),
            ("10.9.9.9:2404", 4, Some("D")),
            ("10.9.9.9:2404", 1, None),
            ("10.9.9.9:2404", 7, None),
        ] {
            assert_eq!(found(address, common_address).as_deref(), wanted, "{address} {common_address}");
        }
        let unknown = [(station("192.0.2.1:2404"), "X".parse().unwrap())];
        assert!(Routes::new(&links, Vec::new(), &unknown).is_err());
    }
}
