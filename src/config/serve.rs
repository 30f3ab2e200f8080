//! `serve.toml`: what the centre runs on.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use headroom_rules::input::Authority;
use headroom_rules::model::NodeId;
use headroom_rules::policy::Policy;

use super::collection::{self, CollectionSettings};
use super::error::{ConfigError, ConfigErrors};
use super::fleet::{Fleet, Reached};
use super::northbound::NorthboundConfig;
use super::reader::{Section, Source, read_file};
use super::rules;
use super::store;
use super::transport::{Transport, take_dial_in, take_identity};
use crate::store::StoreSettings;

/// What the centre runs on. Paths stand as they are opened: those of the file are relative to its folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServeConfig {
    /// The folder for everything that is kept.
    pub data: PathBuf,
    /// The fleet's file.
    pub fleet: PathBuf,
    /// The rules' file.
    pub rules: PathBuf,
    /// The file of what a centre above sees, if there is one.
    pub northbound: Option<PathBuf>,
    /// The API's address.
    pub listen: SocketAddr,
    /// Who may use the API. When empty, the centre makes a token of its own.
    pub operators: Vec<OperatorEntry>,
    /// How links to terminals behave.
    pub iec104: Iec104Settings,
    /// How they are protected, and where terminals call.
    pub transport: Transport,
    /// Where the store is, and how long it keeps what.
    pub store: StoreSettings,
    /// How much of the journal is kept.
    pub journal: JournalSettings,
    /// When terminals' memories are read.
    pub collection: CollectionSettings,
}

/// How much of the journal is kept beyond what a start needs: that and what the store lacks stay in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalSettings {
    /// Inputs older than this go, 0..=3660 days.
    pub keep_days: u32,
    /// The oldest go when the file holds more, 16..=1000000 MB of 10^6 bytes.
    pub keep_mb: u32,
}

impl Default for JournalSettings {
    /// Enough to look into what happened a while ago, on any disk.
    fn default() -> Self {
        Self { keep_days: 30, keep_mb: 1_000 }
    }
}

/// A person who may use the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorEntry {
    /// The name that the audit log shows, unique.
    pub name: String,
    /// SHA-256 of the token's text.
    pub token_sha256: [u8; 32],
    /// What the person may decide about.
    pub authority: Authority,
    /// Where the area stands in the file, for what turns out to be wrong with it; none where there is no file.
    pub area_line: Option<usize>,
}

/// Windows, time-outs and cycles of every link, consistent: `w <= k`, `t2_s < t1_s` (IEC 60870-5-104, 9.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Iec104Settings {
    /// Most unacknowledged I frames sent, 1..=32767.
    pub k: u16,
    /// Acknowledge at the latest after so many, 1..=k.
    pub w: u16,
    /// Connection establishment, 1..=255 s.
    pub t0_s: u16,
    /// Answer to a sent or test APDU, 1..=255 s.
    pub t1_s: u16,
    /// Acknowledgement without data, 1..=254 s.
    pub t2_s: u16,
    /// Test frames after an idle time, 1..=172800 s.
    pub t3_s: u32,
    /// Between general interrogations, 10..=86400 s.
    pub interrogation_every_s: u32,
    /// Between counter interrogations, 10..=86400 s.
    pub counter_every_s: u32,
    /// Between clock synchronizations, 10..=86400 s.
    pub clock_every_s: u32,
    /// Objects a second that are taken from a station for long, 1..=1000000.
    pub objects_per_s: u32,
    /// Objects that a station may send at once before it is held back, 1..=1000000.
    pub objects_burst: u32,
    /// How long a command waits for its confirmation, 1..=600 s.
    pub command_timeout_s: u32,
}

impl Default for Iec104Settings {
    /// The standard's k, w, t0 to t3 (IEC 60870-5-104, 9.6), but t0 at its 30 s for slow radio links; interrogations each
    /// quarter of an hour, the clock each hour.
    fn default() -> Self {
        Self {
            k: 12,
            w: 8,
            t0_s: 30,
            t1_s: 15,
            t2_s: 10,
            t3_s: 20,
            interrogation_every_s: 900,
            counter_every_s: 900,
            clock_every_s: 3_600,
            objects_per_s: 2_000,
            objects_burst: 20_000,
            command_timeout_s: 10,
        }
    }
}

const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8104);

impl ServeConfig {
    /// Reads one file, not those that it names.
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
        let folder = file.parent().unwrap_or(Path::new(""));
        Source::parse(file, text, |top| {
            let path =
                |key, default: &str| top.text_or(key, folder.join(default), "a path", |text| joined(folder, text));
            let (data, fleet, rules) =
                (path("data", "headroom-data"), path("fleet", "fleet.toml"), path("rules", "rules.toml"));
            let northbound = top.text_or("northbound", None, "a path", |text| joined(folder, text).map(Some));
            let listen = top.section("api").map_or(LISTEN, |api| {
                let listen = api.text_or("listen", LISTEN, ADDRESS, |text| text.parse().ok());
                api.end();
                listen
            });
            let operators = operators(&top);
            let journal = top.section("journal").map(|section| journal(&section)).unwrap_or_default();
            let (iec104, transport) = top.section("iec104").map(|section| iec104(&section, folder)).unwrap_or_default();
            let store = store::take(&top, folder);
            let collection = top.section("collection").as_ref().map(collection::take).unwrap_or_default();
            let config = Self {
                data,
                fleet,
                rules,
                northbound,
                listen,
                operators,
                iec104,
                transport,
                store,
                journal,
                collection,
            };
            top.end();
            Some(config)
        })
    }
}

pub(super) const ADDRESS: &str = "IP:PORT, as \"127.0.0.1:8104\"";

fn joined(folder: &Path, text: &str) -> Option<PathBuf> {
    (!text.is_empty() && !text.contains('\0')).then(|| folder.join(text))
}

const AREA_WANTED: &str = "ids of nodes, at least one, as \"F03\"; without the key the operator answers for all";

fn operators(top: &Section<'_>) -> Vec<OperatorEntry> {
    let mut names = BTreeMap::new();
    let mut tokens = BTreeMap::new();
    let mut operators = Vec::new();
    for section in top.sections("operator") {
        let name = section.label("name");
        // A token pasted in place of its digest must not come back in an error.
        let digest =
            section.secret("token_sha256", "64 hexadecimal digits, as `headroom token NAME` prints them", hex32);
        let area = section.has("area").then(|| section.texts("area", AREA_WANTED, |id| id.parse::<NodeId>().ok()));
        let authority =
            Authority { area: area.map(Option::unwrap_or_default), supervisor: section.flag_or("supervisor", false) };
        section.end();
        let (Some(name), Some(token_sha256)) = (name, digest) else { continue };
        if let Some(line) = names.insert(name.clone(), section.line_of("name")) {
            section.fault("name", format_args!("taken at line {line}: wanted a name of its own"));
        }
        if let Some(line) = tokens.insert(token_sha256, section.line()) {
            section.fault("name", format_args!("has the token of line {line}: wanted a token of its own"));
        }
        let area_line = section.has("area").then(|| section.line_of("area"));
        operators.push(OperatorEntry { name, token_sha256, authority, area_line });
    }
    operators
}

/// 32 bytes from 64 hexadecimal digits.
fn hex32(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let mut digits = pair.iter().map(|&digit| char::from(digit).to_digit(16));
        let (high, low) = (digits.next()??, digits.next()??);
        *byte = u8::try_from(high << 4 | low).ok()?;
    }
    Some(bytes)
}

fn journal(section: &Section<'_>) -> JournalSettings {
    let default = JournalSettings::default();
    let settings = JournalSettings {
        keep_days: section.int_or("keep_days", default.keep_days, "whole number of days", 0..=3_660),
        keep_mb: section.int_or("keep_mb", default.keep_mb, "whole number of megabytes", 16..=1_000_000),
    };
    section.end();
    settings
}

fn iec104(section: &Section<'_>, folder: &Path) -> (Iec104Settings, Transport) {
    let default = Iec104Settings::default();
    let (s, objects) = ("whole number of seconds", "whole number of objects");
    let settings = Iec104Settings {
        k: section.int_or("k", default.k, "whole number of frames", 1..=32_767),
        w: section.int_or("w", default.w, "whole number of frames", 1..=32_767),
        t0_s: section.int_or("t0_s", default.t0_s, s, 1..=255),
        t1_s: section.int_or("t1_s", default.t1_s, s, 1..=255),
        t2_s: section.int_or("t2_s", default.t2_s, s, 1..=254),
        t3_s: section.int_or("t3_s", default.t3_s, s, 1..=172_800),
        interrogation_every_s: section.int_or("interrogation_every_s", default.interrogation_every_s, s, 10..=86_400),
        counter_every_s: section.int_or("counter_every_s", default.counter_every_s, s, 10..=86_400),
        clock_every_s: section.int_or("clock_every_s", default.clock_every_s, s, 10..=86_400),
        objects_per_s: section.int_or("objects_per_s", default.objects_per_s, objects, 1..=1_000_000),
        objects_burst: section.int_or("objects_burst", default.objects_burst, objects, 1..=1_000_000),
        command_timeout_s: section.int_or("command_timeout_s", default.command_timeout_s, s, 1..=600),
    };
    if settings.w > settings.k {
        let key = if section.has("w") { "w" } else { "k" };
        let why = format!("w = {} is above k = {}: wanted w at most k", settings.w, settings.k);
        section.fault(key, why);
    }
    if settings.t2_s >= settings.t1_s {
        let key = if section.has("t2_s") { "t2_s" } else { "t1_s" };
        let why = format!("t2_s = {} is not below t1_s = {}: wanted t2_s below t1_s", settings.t2_s, settings.t1_s);
        section.fault(key, why);
    }
    let tls = section.section("tls").and_then(|section| {
        let identity = take_identity(&section, folder);
        section.end();
        identity
    });
    let dial_in = section.section("dial_in").and_then(|section| {
        let dial_in = take_dial_in(&section);
        if dial_in.as_ref().is_some_and(|dial_in| dial_in.tls) && !section.has("tls") {
            section.fault("tls", "without certificates: wanted a table [iec104.tls]");
        }
        dial_in
    });
    section.end();
    (settings, Transport { tls, dial_in })
}

/// What the fleet wants of the centre and the centre does not have.
///
/// # Errors
/// All of it, at the fleet's file.
pub(super) fn agree(file: &Path, serve: &ServeConfig, fleet: &Fleet) -> Result<(), ConfigErrors> {
    let Transport { tls, dial_in } = &serve.transport;
    let mut faults = Vec::new();
    for entry in &fleet.links {
        let wanted = match (&entry.reached, &entry.tls, tls, dial_in) {
            (Reached::Calls(_), _, _, None) => "dial_in: wanted a table [iec104.dial_in] in the centre's file",
            (Reached::Calls(_), Some(_), _, Some(dial_in)) if !dial_in.tls => {
                "tls: wanted tls = true under [iec104.dial_in] in the centre's file"
            }
            (Reached::Calls(_), None, _, Some(dial_in)) if dial_in.tls => {
                "dial_in: wanted tls = true and peer, as [iec104.dial_in] in the centre's file has tls"
            }
            (Reached::Dialled(_), Some(_), None, _) => "tls: wanted a table [iec104.tls] in the centre's file",
            _ => continue,
        };
        faults.push(ConfigError::new(&serve.fleet, None, &format!("terminal {}: {wanted}", entry.terminal)));
    }
    for OperatorEntry { name, authority, area_line, .. } in &serve.operators {
        for node in authority.area.iter().flatten().filter(|node| !fleet.inventory.nodes.contains_key(node)) {
            let text = format!("operator.area: {node} of {name} is not in the fleet: wanted ids of its nodes");
            faults.push(ConfigError::new(file, *area_line, &text));
        }
    }
    ConfigErrors::check(faults)
}

/// A centre's files together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Centre {
    /// What it runs on.
    pub serve: ServeConfig,
    /// Whom it watches.
    pub fleet: Fleet,
    /// By which rules.
    pub policy: Policy,
    /// What a centre above sees.
    pub northbound: Option<NorthboundConfig>,
}

impl Centre {
    /// Reads `serve.toml` and the files that it names.
    ///
    /// # Errors
    /// Everything that is wrong with them. Rules are only read with a fleet to hold them against.
    pub fn read(file: &Path) -> Result<Self, ConfigErrors> {
        let serve = ServeConfig::read(file)?;
        let fleet = Fleet::read(&serve.fleet)?;
        agree(file, &serve, &fleet)?;
        let policy = rules::read(&serve.rules, Some(&fleet.inventory))?;
        let northbound = serve.northbound.as_deref();
        let northbound = northbound.map(|file| NorthboundConfig::read(file, Some(&fleet.inventory))).transpose()?;
        Ok(Self { serve, fleet, policy, northbound })
    }
}
