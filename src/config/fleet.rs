//! `fleet.toml`: the supply tree, the customers and the terminals, with how each is reached.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use headroom_rules::model::{
    Customer, CustomerId, Inventory, Node, NodeId, NodeKind, Power, PriorityClass, Round, RoundNo, Span, SupplyError,
    Terminal, TerminalId,
};

use headroom_terminals::iec104::access::registration::{Registration, Registry};
use headroom_terminals::iec104::access::tls::Peer;

use super::error::ConfigErrors;
use super::maps::{Maps, missing_for};
use super::measures;
use super::reader::{Origins, Section, Source, read_file};
use super::transport::{take_peers, take_registration, written};

/// Whom the centre watches, and by which links.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fleet {
    /// The supply tree, free of contradictions.
    pub inventory: Inventory,
    /// One for each terminal, in order of the ids.
    pub links: Vec<LinkEntry>,
}

/// How a terminal is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkEntry {
    /// Which.
    pub terminal: TerminalId,
    /// Who begins its connections.
    pub reached: Reached,
    /// Whose certificate it shows; none where its link has no TLS.
    pub tls: Option<Vec<Peer>>,
    /// Common address of its ASDUs, 1..=65534.
    pub common_address: u16,
    /// Its point map: `standard`, or a file's path as written, see [`profile_file`].
    pub profile: String,
}

/// Who begins the connections of a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reached {
    /// The centre dials `host:port`; several are a redundancy group (IEC 60870-5-104, 10), not none.
    Dialled(Vec<String>),
    /// The terminal calls the centre.
    Calls(Registration),
}

impl LinkEntry {
    /// A terminal at one address, with the point map that ships.
    pub fn dialled(terminal: TerminalId, address: String, common_address: u16) -> Self {
        let (reached, profile) = (Reached::Dialled(vec![address]), STANDARD_PROFILE.to_owned());
        Self { terminal, reached, tls: None, common_address, profile }
    }

    /// The addresses that are dialled.
    pub fn addresses(&self) -> &[String] {
        match &self.reached {
            Reached::Dialled(addresses) => addresses,
            Reached::Calls(_) => &[],
        }
    }
}

/// The point map that ships.
pub const STANDARD_PROFILE: &str = "standard";

/// The file of a point map that does not ship: `profile`, relative to the folder of the file that names it.
pub fn profile_file(named_in: &Path, profile: &str) -> Option<PathBuf> {
    (profile != STANDARD_PROFILE).then(|| named_in.parent().unwrap_or(Path::new("")).join(profile))
}

/// Takes a section's `common_address` (IEC 60870-5-101, 7.2.4: 0 is not used, 65535 calls everybody).
pub(super) fn take_common_address(section: &Section<'_>) -> Option<u16> {
    section.int("common_address", "whole number", 1..=65_534)
}

pub(super) const KW: &str = "whole number of kW";
pub(super) const KW_MAX: i64 = 1_000_000;

type Sections<'a, K> = BTreeMap<K, Section<'a>>;

/// Keeps an entry under its id, which nobody else may have.
fn keep<'a, K: Ord + Copy, V>(
    entries: &mut BTreeMap<K, V>,
    sections: &mut Sections<'a, K>,
    id: K,
    entry: V,
    section: Section<'a>,
) {
    if let Some(first) = sections.get(&id) {
        section.fault("id", format_args!("taken at {}: wanted an id of its own", first.place_of("id")));
        return;
    }
    entries.insert(id, entry);
    sections.insert(id, section);
}

impl Fleet {
    /// Reads a fleet.
    ///
    /// # Errors
    /// Everything that is wrong with the file.
    pub fn read(file: &Path) -> Result<Self, ConfigErrors> {
        Self::parse(file, &read_file(file)?)
    }

    /// Parses the text of `file`.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(file: &Path, text: &str) -> Result<Self, ConfigErrors> {
        Self::parse_from(file, text, None)
    }

    /// Parses a text that will be in `file`, and whose lines come from elsewhere.
    pub(super) fn parse_from(file: &Path, text: &str, origins: Option<&Origins>) -> Result<Self, ConfigErrors> {
        Source::parse_from(file, text, origins, |top| {
            let mut inventory = Inventory::default();
            let (mut nodes, mut customers, mut terminals) = (Sections::new(), Sections::new(), Sections::new());
            // An entry left out for its own faults would be blamed on those who name it.
            let mut complete = true;
            for section in top.sections("node") {
                match node(&section) {
                    Some((id, entry)) => keep(&mut inventory.nodes, &mut nodes, id, entry, section),
                    None => complete = false,
                }
            }
            for section in top.sections("customer") {
                match customer(&section) {
                    Some((id, entry)) => keep(&mut inventory.customers, &mut customers, id, entry, section),
                    None => complete = false,
                }
            }
            let maps = Maps::default();
            let mut links = BTreeMap::new();
            for section in top.sections("terminal") {
                match terminal(&section, file, &maps) {
                    Some((entry, link)) => {
                        let id = link.terminal;
                        links.entry(id).or_insert(link);
                        keep(&mut inventory.terminals, &mut terminals, id, entry, section);
                    }
                    None => complete = false,
                }
            }
            top.end();
            reached_twice(&links, &terminals);
            register_alike(&links, &terminals);
            if complete {
                for error in inventory.check() {
                    blame(&error, &nodes, &customers, &terminals);
                }
            }
            Some(Self { inventory, links: links.into_values().collect() })
        })
    }

    /// A `fleet.toml` that parses back to the same when powers are whole kilowatts, as those of a file are; otherwise
    /// they are rounded up.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        for (id, node) in &self.inventory.nodes {
            let _ = write!(
                text,
                "[[node]]\nid = \"{id}\"\nkind = \"{}\"\nname = {}\n",
                kind_name(node.kind),
                quoted(&node.name)
            );
            if let Some(parent) = node.parent {
                let _ = writeln!(text, "parent = \"{parent}\"");
            }
            if let Some(terminal) = node.measured_by {
                let _ = writeln!(text, "measured_by = \"{terminal}\"");
            }
            text.push('\n');
        }
        for (id, customer) in &self.inventory.customers {
            let _ = write!(
                text,
                "[[customer]]\nid = \"{id}\"\nname = {}\nsupplied_by = \"{}\"\ncontract_kw = {}\nguaranteed = {}\n\
                 safety_floor_kw = {}\npriority = {}\n\n",
                quoted(&customer.name),
                customer.supplied_by,
                whole_kw(customer.contract),
                customer.guaranteed,
                whole_kw(customer.safety_floor),
                customer.priority
            );
            text.extend(customer.measures.iter().map(measures::to_toml));
        }
        for link in &self.links {
            let _ = writeln!(text, "[[terminal]]\nid = \"{}\"", link.terminal);
            let terminal = self.inventory.terminals.get(&link.terminal);
            if let Some(customer) = terminal.and_then(|terminal| terminal.customer) {
                let _ = writeln!(text, "customer = \"{customer}\"");
            }
            write_reached(&mut text, link);
            let _ = write!(text, "common_address = {}\nprofile = {}\n", link.common_address, quoted(&link.profile));
            let rounds = terminal.map(|terminal| &terminal.rounds).filter(|rounds| !rounds.is_empty());
            if let Some(rounds) = rounds {
                text.push_str("rounds = [\n");
                for (no, round) in rounds {
                    let _ = writeln!(text, "  {{ no = {no}, name = {} }},", quoted(&round.name));
                }
                text.push_str("]\n");
            }
            text.push('\n');
        }
        text
    }
}

fn write_reached(text: &mut String, link: &LinkEntry) {
    // Writing to a string cannot fail.
    let _ = match &link.reached {
        Reached::Dialled(addresses) => match addresses.as_slice() {
            [one] => writeln!(text, "address = {}", quoted(one)),
            several => writeln!(text, "address = {}", list(several.iter().map(|address| quoted(address)))),
        },
        Reached::Calls(Registration { packet, heartbeat, answer }) => {
            let keys = [("registration", packet), ("heartbeat", heartbeat), ("answer", answer)];
            let keys = keys.iter().filter(|(_, octets)| !octets.is_empty());
            let keys: Vec<_> = keys.map(|(key, octets)| format!("{key} = {}", quoted(&written(octets)))).collect();
            writeln!(text, "dial_in = {{ {} }}", keys.join(", "))
        }
    };
    if let Some(peers) = &link.tls {
        let _ = writeln!(text, "tls = true\npeer = {}", list(peers.iter().map(|peer| quoted(&peer.to_string()))));
    }
}

fn list(values: impl Iterator<Item = String>) -> String {
    format!("[{}]", values.collect::<Vec<_>>().join(", "))
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

pub(super) fn whole_kw(power: Power) -> i64 {
    let watts = power.get();
    watts / 1_000 + i64::from(watts % 1_000 > 0)
}

const KINDS: [(&str, NodeKind); 4] = [
    ("region", NodeKind::Region),
    ("substation", NodeKind::Substation),
    ("feeder", NodeKind::Feeder),
    ("transformer_area", NodeKind::TransformerArea),
];

pub(super) fn kind_name(kind: NodeKind) -> &'static str {
    KINDS.iter().find(|(_, of)| *of == kind).map_or("region", |(name, _)| name)
}

fn node(section: &Section<'_>) -> Option<(NodeId, Node)> {
    let id = section.id("id");
    let kind = section.text_as("kind", "region, substation, feeder or transformer_area", |text| {
        KINDS.iter().find(|(name, _)| *name == text).map(|(_, kind)| *kind)
    });
    let name = section.label("name");
    let parent = section.id_if_any("parent");
    let measured_by = section.id_if_any("measured_by");
    section.end();
    Some((id?, Node { kind: kind?, name: name?, parent: parent?, measured_by: measured_by? }))
}

fn customer(section: &Section<'_>) -> Option<(CustomerId, Customer)> {
    let id = section.id("id");
    let name = section.label("name");
    let supplied_by = section.id("supplied_by");
    let contract_kw = section.int("contract_kw", KW, 1..=KW_MAX);
    let guaranteed = section.flag_or("guaranteed", false);
    let floor_kw = section.int_or("safety_floor_kw", 0, KW, 0..=KW_MAX);
    let class = section.int::<u8>("priority", "priority class (1 is shed last)", 1..=5);
    let measures = measures::take_all(section, contract_kw.map(Power::from_kw), Power::from_kw(floor_kw));
    section.end();
    Some((
        id?,
        Customer {
            name: name?,
            supplied_by: supplied_by?,
            contract: Power::from_kw(contract_kw?),
            guaranteed,
            safety_floor: Power::from_kw(floor_kw),
            priority: PriorityClass::try_from(class?).ok()?,
            measures: measures?,
        },
    ))
}

fn terminal(section: &Section<'_>, file: &Path, maps: &Maps) -> Option<(Terminal, LinkEntry)> {
    let id = section.id("id");
    let customer = section.id_if_any("customer");
    let reached = take_reached(section);
    let tls = take_tls(section);
    let common_address = take_common_address(section);
    let (profile, map) = maps.take(section, file);
    let (mut rounds, mut taken) = (BTreeMap::new(), BTreeMap::new());
    let mut complete = true;
    for entry in section.sections("rounds") {
        let (no, name) = (take_round_no(&entry), entry.label("name"));
        entry.end();
        let (Some(no), Some(name)) = (no, name) else {
            complete = false;
            continue;
        };
        if let Some(missing) = map.as_ref().and_then(|map| missing_for(no, map)) {
            entry.fault(
                "no",
                format_args!("the point map \"{profile}\" has not {missing} of round {no}: wanted one there"),
            );
        }
        if let Some(first) = taken.insert(no, entry.place_of("no")) {
            entry.fault("no", format_args!("taken at {first}: wanted each round once"));
        }
        rounds.insert(no, Round { name });
    }
    section.end();
    let terminal = Terminal { customer: customer?, rounds, warns_for: Span::ZERO };
    let link = LinkEntry { terminal: id?, reached: reached?, tls: tls?, common_address: common_address?, profile };
    complete.then_some((terminal, link))
}

/// Takes `address` or `dial_in`.
fn take_reached(section: &Section<'_>) -> Option<Reached> {
    let wanted = "HOST:PORT, as \"10.4.0.17:2404\"";
    let calls = section.has("dial_in");
    if calls && section.has("address") {
        section.fault("dial_in", "beside address: wanted one of them, as either the centre dials or the terminal does");
    }
    if !calls {
        return section.texts("address", wanted, host_port).map(Reached::Dialled);
    }
    let dial_in = section.section("dial_in")?;
    let registration = take_registration(&dial_in);
    dial_in.end();
    registration.map(Reached::Calls)
}

/// Takes `tls` and `peer`.
#[allow(clippy::option_option, reason = "absent and wrong are different things")]
fn take_tls(section: &Section<'_>) -> Option<Option<Vec<Peer>>> {
    let tls = section.flag_or("tls", false);
    if tls {
        return take_peers(section, "peer").map(Some);
    }
    if section.has("peer") {
        section.fault("peer", "without tls: wanted tls = true beside it, or none");
    }
    Some(None)
}

/// Takes an entry's round.
pub(super) fn take_round_no(section: &Section<'_>) -> Option<RoundNo> {
    RoundNo::try_from(section.int::<u8>("no", "whole number", 1..=8)?).ok()
}

/// A host's name, IPv4 or `[IPv6]` with a port; whether it answers shows when it is dialled.
pub(super) fn host_port(text: &str) -> Option<String> {
    let (host, port) = text.rsplit_once(':')?;
    let port: u16 = port.parse().ok()?;
    let bare = match host.strip_prefix('[') {
        Some(rest) => {
            let inner = rest.strip_suffix(']')?;
            inner.parse::<std::net::Ipv6Addr>().ok()?;
            inner
        }
        None => host,
    };
    let of_a_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let fits = !host.is_empty() && (bare.len() < host.len() || host.chars().all(of_a_name));
    (fits && port != 0).then(|| text.to_owned())
}

/// Two terminals behind one address need two common addresses.
fn reached_twice(links: &BTreeMap<TerminalId, LinkEntry>, sections: &Sections<'_, TerminalId>) {
    let mut reached = BTreeMap::new();
    for (id, link) in links {
        for address in link.addresses() {
            if let Some(first) = reached.insert((address, link.common_address), id)
                && let Some(section) = sections.get(id)
            {
                let why =
                    format!("terminal {id} is reached like {first}: wanted an address or a common_address of its own");
                section.fault("address", why);
            }
        }
    }
}

/// A terminal that calls is known by its registration alone.
fn register_alike(links: &BTreeMap<TerminalId, LinkEntry>, sections: &Sections<'_, TerminalId>) {
    let mut registry = Registry::default();
    for (id, link) in links {
        if let Reached::Calls(registration) = &link.reached
            && let Err(first) = registry.add(registration.packet.clone(), *id)
            && let Some(section) = sections.get(id)
        {
            let why = format!(
                "terminal {id} registers with octets that begin like those of {first}: wanted ones that begin otherwise"
            );
            section.fault("dial_in", why);
        }
    }
}

/// Puts a contradiction on the line of the key that makes it.
fn blame(
    error: &SupplyError,
    nodes: &Sections<'_, NodeId>,
    customers: &Sections<'_, CustomerId>,
    terminals: &Sections<'_, TerminalId>,
) {
    let (section, key) = match error {
        SupplyError::UnknownParent { node, .. }
        | SupplyError::ParentBelow { node, .. }
        | SupplyError::NoParent { node, .. } => (nodes.get(node), "parent"),
        SupplyError::UnknownMeasuring { node, .. } | SupplyError::MeasuredByCustomer { node, .. } => {
            (nodes.get(node), "measured_by")
        }
        SupplyError::UnknownSupply { customer, .. } | SupplyError::SupplyTooHigh { customer, .. } => {
            (customers.get(customer), "supplied_by")
        }
        SupplyError::FloorAboveContract { customer, .. } => (customers.get(customer), "safety_floor_kw"),
        SupplyError::Measure { customer, .. } => (customers.get(customer), "measure"),
        SupplyError::UnknownCustomer { terminal, .. } | SupplyError::SecondTerminal { terminal, .. } => {
            (terminals.get(terminal), "customer")
        }
        SupplyError::RoundsWithoutCustomer { terminal } => (terminals.get(terminal), "rounds"),
    };
    if let Some(section) = section {
        let wanted = match error {
            SupplyError::UnknownParent { .. } | SupplyError::ParentBelow { .. } => ": wanted a node of a higher kind",
            SupplyError::NoParent { .. } => ": wanted the id of a node of a higher kind",
            SupplyError::UnknownMeasuring { .. } | SupplyError::MeasuredByCustomer { .. } => {
                ": wanted a terminal without a customer"
            }
            SupplyError::UnknownSupply { .. } => ": wanted a feeder or a transformer area",
            SupplyError::SupplyTooHigh { .. } | SupplyError::Measure { .. } => "",
            SupplyError::FloorAboveContract { .. } => ": wanted at most contract_kw",
            SupplyError::UnknownCustomer { .. } => ": wanted the id of a customer",
            SupplyError::RoundsWithoutCustomer { .. } => ": wanted a customer or no rounds",
            SupplyError::SecondTerminal { .. } => ": wanted one terminal for each customer",
        };
        section.fault(key, format_args!("{error}{wanted}"));
    }
}
