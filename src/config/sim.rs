//! `sim.toml`: a simulated fleet; `terminal.toml`: one soft terminal.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use headroom_rules::model::{Power, RoundNo};
use headroom_sim::plant::LoadType;
use headroom_terminals::iec104::access::guard::Access;
use headroom_terminals::iec104::access::registration::Registration;
use headroom_terminals::iec104::access::tls::{Identity, Peer};

use super::error::ConfigErrors;
use super::fleet::{KW, KW_MAX, STANDARD_PROFILE, host_port, profile_file, take_common_address, take_round_no};
use super::maps::Maps;
use super::reader::{Section, Source, read_file};
use super::transport::{take_door, take_registration};

/// A simulated fleet, for a centre elsewhere. Paths are relative to the file's folder.
#[derive(Clone, Debug, PartialEq)]
pub struct SimConfig {
    /// Terminals, those at the feeders' heads included, 2..=5000.
    pub terminals: u32,
    /// The same seed gives the same fleet and the same loads.
    pub seed: u64,
    /// What happens, the name of a scenario that ships.
    pub scenario: String,
    /// Simulated seconds a second, 1..=600.
    pub time_factor: f64,
    /// The address that terminals listen on, and that the fleet's file names.
    pub listen_ip: IpAddr,
    /// The first terminal's TCP port, the others count up from it; 0 takes free ones.
    pub listen_from: u16,
    /// Where to write the `fleet.toml` for a centre, if anywhere.
    pub write_fleet: Option<PathBuf>,
    /// Where to write the `rules.toml` for a centre, if anywhere.
    pub write_rules: Option<PathBuf>,
}

impl SimConfig {
    /// Reads a simulation.
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
        Source::parse(file, text, |top| {
            let Some(section) = top.section("sim") else {
                top.fault("sim", "missing: wanted a table [sim]");
                return None;
            };
            let config = sim(&section, file.parent().unwrap_or(Path::new("")));
            section.end();
            top.end();
            Some(config)
        })
    }
}

fn sim(section: &Section<'_>, folder: &Path) -> SimConfig {
    let path = |key| {
        let wanted = "the path of a file to write, in a folder that exists";
        section.text_or(key, None, wanted, |text| file_to_write(folder, text).map(Some))
    };
    let config = SimConfig {
        terminals: section.int_or("terminals", 200, "whole number", 2..=5_000),
        seed: section.int_or("seed", 1, "whole number", 0..=i64::MAX),
        scenario: section.text_or("scenario", "evening-peak".to_owned(), "the name of a scenario", |text| {
            let of_a_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            (!text.is_empty() && text.chars().all(of_a_name)).then(|| text.to_owned())
        }),
        time_factor: section.float_or("time_factor", 1.0, 1.0..=600.0),
        listen_ip: section.text_or(
            "listen_ip",
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            "an IP address that centres reach, as \"10.4.0.17\"",
            |text| text.parse().ok().filter(|ip: &IpAddr| !ip.is_unspecified()),
        ),
        listen_from: section.int_or("listen_from", 0, "whole number", 0..=65_535),
        write_fleet: path("write_fleet"),
        write_rules: path("write_rules"),
    };
    if config.listen_from != 0 && u32::from(config.listen_from) + config.terminals - 1 > 65_535 {
        let most = 65_536 - config.terminals;
        let why = format!("{} terminals do not fit: wanted at most {most}, or 0 for free ports", config.terminals);
        section.fault("listen_from", why);
    }
    config
}

/// A path from a folder, where a file can be made.
fn file_to_write(folder: &Path, text: &str) -> Option<PathBuf> {
    let path = folder.join(text);
    let parent = path.parent().unwrap_or(Path::new(""));
    let there = parent.as_os_str().is_empty() || parent.is_dir();
    (!text.is_empty() && there && !path.is_dir()).then_some(path)
}

/// One soft terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TerminalConfig {
    /// The address on which it waits for a centre.
    pub listen: SocketAddr,
    /// Where it dials instead, if it does.
    pub dial: Option<DialSettings>,
    /// Who may connect where it listens.
    pub access: Access,
    /// Its certificate, and those of the centres that are allowed; none without TLS.
    pub tls: Option<(Identity, Vec<Peer>)>,
    /// Common address of its ASDUs, 1..=65534.
    pub common_address: u16,
    /// Its point map: `standard`, or a file's path relative to the configuration's folder.
    pub profile: String,
    /// The point map's file, unless it is the standard one.
    pub profile_file: Option<PathBuf>,
    /// Whether an execute without a select is refused.
    pub require_select: bool,
    /// Connections at once, of which one is started, 1..=8.
    pub connections: usize,
    /// How old a command with a time may be; none for any age.
    pub command_age_max: Option<Duration>,
    /// Where it keeps its settings and what control remembers; none to forget them with its end.
    pub state_file: Option<PathBuf>,
    /// The site behind it.
    pub site: SiteConfig,
}

/// How a terminal calls its centre.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialSettings {
    /// `host:port` of the centre.
    pub address: String,
    /// What it says and hears first, and its heartbeat.
    pub registration: Registration,
    /// Between heartbeats.
    pub heartbeat_every: Duration,
}

fn dial(section: &Section<'_>) -> Option<DialSettings> {
    let address = section.text_as("address", "HOST:PORT, as \"10.4.0.1:2405\"", host_port);
    let registration = take_registration(section);
    let every_s: u32 = section.int_or("heartbeat_every_s", 30, "whole number of seconds", 1..=3_600);
    section.end();
    let heartbeat_every = Duration::from_secs(every_s.into());
    Some(DialSettings { address: address?, registration: registration?, heartbeat_every })
}

/// A simulated site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteConfig {
    /// Contract power, whole kW.
    pub contract: Power,
    /// Supply guarantee at the terminal: blocks every trip.
    pub guaranteed: bool,
    /// No trip takes the load below this.
    pub safety_floor: Power,
    /// How its load runs over the day.
    pub load: LoadType,
    /// The same seed gives the same load.
    pub seed: u64,
    /// Its rounds, by number; shares sum up to 100 % at most.
    pub rounds: Vec<RoundEntry>,
}

/// One switchable part of a site's load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundEntry {
    /// Which.
    pub no: RoundNo,
    /// What hangs on it.
    pub name: String,
    /// Share of the site's load behind it, 1..=100 %.
    pub share_percent: u8,
}

/// How a site's load runs over the day, by its name in files.
pub(super) const LOADS: [(&str, LoadType); 6] = [
    ("residential", LoadType::Residential),
    ("office", LoadType::Office),
    ("two_shift", LoadType::TwoShift),
    ("three_shift", LoadType::ThreeShift),
    ("shop", LoadType::Shop),
    ("cold_store", LoadType::ColdStore),
];

const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 2404);

impl TerminalConfig {
    /// Reads a terminal.
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
        Source::parse(file, text, |top| {
            let wanted = "IP:PORT, as \"0.0.0.0:2404\"";
            let listen = top.text_or("listen", LISTEN, wanted, |text| text.parse().ok());
            let dial = top.section("dial").and_then(|section| dial(&section));
            if dial.is_some() && top.has("listen") {
                top.fault("listen", "beside [dial]: wanted one of them, as a terminal either listens or dials");
            }
            let (access, tls) = take_door(&top, file);
            let common_address = take_common_address(&top);
            let (profile, _) = Maps::default().take(&top, file);
            let require_select = top.flag_or("require_select", true);
            let connections = top.int_or("connections", 1, "whole number", 1..=8);
            let age_max_s: u32 = top.int_or("command_age_max_s", 0, "whole number of s", 0..=86_400);
            let command_age_max = (age_max_s > 0).then(|| Duration::from_secs(age_max_s.into()));
            let folder = file.parent().unwrap_or(Path::new(""));
            let wanted = "the path of a file to keep its settings in, in a folder that exists";
            let state_file = top.text_or("state_file", None, wanted, |text| file_to_write(folder, text).map(Some));
            let site = match top.section("site") {
                Some(section) => site(&section),
                None => {
                    top.fault("site", "missing: wanted a table [site]");
                    None
                }
            };
            top.end();
            let profile_file = (profile != STANDARD_PROFILE).then(|| profile_file(file, &profile)).flatten();
            Some(Self {
                listen,
                dial,
                access,
                tls,
                common_address: common_address?,
                profile,
                profile_file,
                require_select,
                connections,
                command_age_max,
                state_file,
                site: site?,
            })
        })
    }
}

fn site(section: &Section<'_>) -> Option<SiteConfig> {
    let contract_kw = section.int::<i32>("contract_kw", KW, 1..=KW_MAX);
    let guaranteed = section.flag_or("guaranteed", false);
    let floor_kw = section.int_or("safety_floor_kw", 0, KW, 0..=KW_MAX);
    let shapes = "residential, office, two_shift, three_shift, shop or cold_store";
    let load = section.text_or("load", LoadType::TwoShift, shapes, |text| {
        LOADS.iter().find(|(name, _)| *name == text).map(|(_, shape)| *shape)
    });
    let seed = section.int_or("seed", 1, "whole number", 0..=i64::MAX);
    let mut rounds: Vec<RoundEntry> = Vec::new();
    for entry in section.sections("rounds") {
        let (no, name) = (take_round_no(&entry), entry.label("name"));
        let share = entry.int("share_percent", "whole number of %", 1..=100);
        entry.end();
        let (Some(no), Some(name), Some(share_percent)) = (no, name, share) else { continue };
        if rounds.iter().any(|round| round.no == no) {
            entry.fault("no", "taken by an earlier entry: wanted each round once");
        }
        rounds.push(RoundEntry { no, name, share_percent });
    }
    section.end();
    let shares: u32 = rounds.iter().map(|round| u32::from(round.share_percent)).sum();
    if shares > 100 {
        section.fault("rounds", format_args!("the shares sum up to {shares} %: wanted 100 % at most"));
    }
    if contract_kw.is_some_and(|contract| floor_kw > contract) {
        section.fault("safety_floor_kw", "above the contract: wanted at most contract_kw");
    }
    rounds.sort_by_key(|round| round.no);
    Some(SiteConfig {
        contract: Power::from_kw(contract_kw?),
        guaranteed,
        safety_floor: Power::from_kw(floor_kw),
        load,
        seed,
        rounds,
    })
}
