//! Reads files for a person, and says what is in them or what is wrong with them.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use headroom_rules::model::Inventory;

use super::error::{ConfigError, ConfigErrors};
use super::fleet::Fleet;
use super::northbound::NorthboundConfig;
use super::own::{Counted, too_many_steps};
use super::reader::{read_file, top_keys};
use super::rules;
use super::serve::{ServeConfig, agree};
use super::sim::{SimConfig, TerminalConfig};

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// What a centre runs on.
    Serve,
    /// Supply tree, customers, terminals.
    Fleet,
    /// Limits.
    Rules,
    /// What a centre above sees.
    Northbound,
    /// A simulated fleet.
    Sim,
    /// One soft terminal.
    Terminal,
}

impl Kind {
    /// Each with the keys and tables that only its files have at the top.
    const MARKS: [(Self, &'static [&'static str]); 6] = [
        (
            Self::Serve,
            &[
                "api",
                "operator",
                "iec104",
                "data",
                "fleet",
                "rules",
                "northbound",
                "readings_keep_days",
                "store",
                "journal",
                "collection",
            ],
        ),
        (Self::Fleet, &["node", "customer", "terminal"]),
        (Self::Rules, &["general", "calendar", "limit", "packs", "rule", "interlock", "calculated"]),
        (Self::Northbound, &["northbound", "point", "limit_command"]),
        (Self::Sim, &["sim"]),
        (
            Self::Terminal,
            &["site", "listen", "common_address", "profile", "require_select", "connections", "dial", "tls", "access"],
        ),
    ];

    /// The kind that most of the top keys speak for; `None` when none of them does.
    fn of(keys: &[String]) -> Option<Self> {
        let votes = |marks: &[&str]| keys.iter().filter(|key| marks.contains(&key.as_str())).count();
        // The first of equals: `max_by_key` alone would take the last.
        let (votes, kind) =
            Self::MARKS.iter().rev().map(|(kind, marks)| (votes(marks), *kind)).max_by_key(|(n, _)| *n)?;
        (votes > 0).then_some(kind)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Serve => "centre",
            Self::Fleet => "fleet",
            Self::Rules => "rules",
            Self::Northbound => "northbound",
            Self::Sim => "simulation",
            Self::Terminal => "terminal",
        })
    }
}

/// A file without faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The file.
    pub file: PathBuf,
    /// What it is for.
    pub kind: Kind,
    /// What is in it, with figures.
    pub content: String,
    /// What is no fault and may become a trouble, with figures.
    pub warnings: Vec<String>,
}

/// Files without faults, in the order of their reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The files.
    pub files: Vec<Checked>,
}

impl fmt::Display for Summary {
    /// A line for each file: `fleet.toml: fleet: 5 nodes, 3 customers, 4 terminals`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, Checked { file, kind, content, warnings }) in self.files.iter().enumerate() {
            write!(f, "{}{}: {kind}: {content}", if n == 0 { "" } else { "\n" }, file.display())?;
            for warning in warnings {
                write!(f, "\n{}: warning: {warning}", file.display())?;
            }
        }
        Ok(())
    }
}

/// Reads files of any kind. A `serve.toml` brings its fleet and its rules along; rules are held against the fleet of
/// their `serve.toml`, or else the one given in the same folder, or else the only one given.
///
/// # Errors
/// Everything that is wrong with any of them.
pub fn check(files: &[PathBuf]) -> Result<Summary, ConfigErrors> {
    let mut run = Run::default();
    let mut given = Vec::new();
    for file in files {
        if let Some(kind) = run.kind(file) {
            given.push((file.as_path(), kind));
        }
    }
    // What a serve.toml names is checked by way of it, fleets before the rules held against them.
    for wanted in [Kind::Serve, Kind::Fleet, Kind::Rules, Kind::Northbound, Kind::Sim, Kind::Terminal] {
        for (file, _) in given.iter().filter(|(_, kind)| *kind == wanted) {
            match wanted {
                Kind::Serve => run.serve(file),
                Kind::Fleet => {
                    run.fleet(file);
                }
                Kind::Rules => run.rules_by_given_fleet(file),
                Kind::Northbound => run.northbound_by_given_fleet(file),
                Kind::Sim => run.sim(file),
                Kind::Terminal => run.terminal(file),
            }
        }
    }
    ConfigErrors::check(run.faults)?;
    Ok(run.summary)
}

#[derive(Default)]
struct Run {
    summary: Summary,
    faults: Vec<ConfigError>,
    /// Files read so far, by their real paths.
    seen: BTreeSet<PathBuf>,
    /// Fleets read so far; none for one with faults.
    fleets: Vec<(PathBuf, Option<Inventory>)>,
}

fn real(file: &Path) -> PathBuf {
    file.canonicalize().unwrap_or_else(|_| file.to_owned())
}

impl Run {
    fn kept<T>(&mut self, result: Result<T, ConfigErrors>) -> Option<T> {
        result.map_err(|errors| self.faults.extend(errors.into_faults())).ok()
    }

    fn note(&mut self, file: &Path, kind: Kind, content: String) {
        self.note_with(file, kind, content, Vec::new());
    }

    fn note_with(&mut self, file: &Path, kind: Kind, content: String, warnings: Vec<String>) {
        self.summary.files.push(Checked { file: file.to_owned(), kind, content, warnings });
    }

    fn kind(&mut self, file: &Path) -> Option<Kind> {
        let text = self.kept(read_file(file))?;
        let keys = self.kept(top_keys(file, &text))?;
        let kind = Kind::of(&keys);
        if kind.is_none() {
            let wanted =
                "the tables of a serve.toml, fleet.toml, rules.toml, northbound.toml, sim.toml or terminal.toml";
            self.faults.push(ConfigError::new(file, None, &format!("of no known kind: wanted {wanted}")));
        }
        kind
    }

    fn serve(&mut self, file: &Path) {
        if !self.seen.insert(real(file)) {
            return;
        }
        let Some(serve) = self.kept(ServeConfig::read(file)) else { return };
        let who = match serve.operators.len() {
            0 => "no operators, so a token is made at the start".to_owned(),
            count => counted(count, "operator"),
        };
        self.note(file, Kind::Serve, format!("API at {}, {who}", serve.listen));
        let fleet = self.fleet(&serve.fleet);
        if let Ok(read) = Fleet::read(&serve.fleet) {
            self.kept(agree(file, &serve, &read));
        }
        self.rules(&serve.rules, fleet);
        if let Some(northbound) = &serve.northbound {
            let inventory = self.fleets.get(fleet).and_then(|(_, inventory)| inventory.clone());
            self.northbound(northbound, inventory.as_ref(), "");
        }
    }

    /// Reads a fleet unless that has been done. Gives its place among the fleets.
    fn fleet(&mut self, file: &Path) -> usize {
        let path = real(file);
        if let Some(place) = self.fleets.iter().position(|(known, _)| *known == path) {
            return place;
        }
        let fleet = self.kept(Fleet::read(file));
        if let Some(Fleet { inventory, .. }) = &fleet {
            let content = [
                counted(inventory.nodes.len(), "node"),
                counted(inventory.customers.len(), "customer"),
                counted(inventory.terminals.len(), "terminal"),
            ];
            self.note(file, Kind::Fleet, content.join(", "));
        }
        self.fleets.push((path, fleet.map(|fleet| fleet.inventory)));
        self.fleets.len() - 1
    }

    fn rules(&mut self, file: &Path, fleet: usize) {
        // With a fleet that has faults, the nodes are not to be told; the rest is.
        let inventory = self.fleets.get(fleet).and_then(|(_, inventory)| inventory.clone());
        self.rules_against(file, inventory.as_ref(), "");
    }

    /// The fleet that a file on its own is held against, and what to say where there is none.
    fn given_fleet(&self, file: &Path) -> (Option<Inventory>, &'static str) {
        let folder = real(file).parent().map(Path::to_owned);
        let mut beside = self.fleets.iter().filter(|(path, _)| path.parent().map(Path::to_owned) == folder);
        let fleet = match (beside.next(), beside.next(), self.fleets.as_slice()) {
            (Some(one), None, _) | (_, _, [one]) => Some(one),
            _ => None,
        };
        let note = if fleet.is_some() { "" } else { "; nodes not checked, no one fleet was given" };
        (fleet.and_then(|(_, inventory)| inventory.clone()), note)
    }

    fn rules_by_given_fleet(&mut self, file: &Path) {
        let (inventory, note) = self.given_fleet(file);
        self.rules_against(file, inventory.as_ref(), note);
    }

    fn northbound_by_given_fleet(&mut self, file: &Path) {
        let (inventory, note) = self.given_fleet(file);
        self.northbound(file, inventory.as_ref(), note);
    }

    fn northbound(&mut self, file: &Path, inventory: Option<&Inventory>, note: &str) {
        if !self.seen.insert(real(file)) {
            return;
        }
        if let Some(north) = self.kept(NorthboundConfig::read(file, inventory)) {
            let NorthboundConfig { listen, points, limits, .. } = north;
            let (points, limits) = (counted(points.len(), "point"), counted(limits.len(), "limit"));
            self.note(file, Kind::Northbound, format!("listens at {listen}, {points}, {limits} to set{note}"));
        }
    }

    fn rules_against(&mut self, file: &Path, inventory: Option<&Inventory>, note: &str) {
        if !self.seen.insert(real(file)) {
            return;
        }
        if let Some(policy) = self.kept(rules::read(file, inventory)) {
            let content = format!("{}{}{note}", counted(policy.limits.len(), "limit"), Counted(&policy.own));
            let warnings = inventory.and_then(|fleet| too_many_steps(&policy.own, fleet));
            self.note_with(file, Kind::Rules, content, warnings.into_iter().collect());
        }
    }

    fn sim(&mut self, file: &Path) {
        if !self.seen.insert(real(file)) {
            return;
        }
        if let Some(sim) = self.kept(SimConfig::read(file)) {
            let SimConfig { terminals, scenario, time_factor, .. } = sim;
            self.note(file, Kind::Sim, format!("{terminals} terminals, {scenario}, {time_factor} times real time"));
        }
    }

    fn terminal(&mut self, file: &Path) {
        if !self.seen.insert(real(file)) {
            return;
        }
        if let Some(terminal) = self.kept(TerminalConfig::read(file)) {
            let TerminalConfig { listen, dial, common_address, site, .. } = terminal;
            let reached = match dial {
                Some(dial) => format!("dials {}", dial.address),
                None => format!("listens at {listen}"),
            };
            let content = format!("{reached}, common address {common_address}, {}", site.contract);
            self.note(file, Kind::Terminal, content);
        }
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
