//! `headroom sim`: a simulated fleet on sockets, for a centre elsewhere.

use std::fmt::Write as _;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use headroom_rules::model::Span;
use headroom_rules::policy::Policy;
use headroom_sim::fleet::Fleet;
use headroom_sim::scenario::Scenario;
use headroom_sim::server::{Running, ServeError, SimClock, serve_on};
use tokio::sync::watch;

use super::stop::{self, FAREWELL};
use super::{logging, say, whole_file};
use crate::clock::Clock;
use crate::config::{self, LinkEntry, SimConfig};

/// Runs the fleet of a `sim.toml`, and writes the files that a centre needs, until asked to stop.
///
/// # Errors
/// When the file has faults, a port is taken, open files run out, or a file cannot be written. Nothing runs then.
pub async fn run(file: &Path) -> anyhow::Result<()> {
    logging::to_stderr("warn");
    let asked_to_stop = stop::asked_to_stop();
    let config = SimConfig::read(file)?;
    // The terminals' clocks must not be ahead of the centre's, or what they report before it sets them is of tomorrow.
    let scenario = Scenario::named(&config.scenario)
        .with_context(|| format!("{}: sim.scenario", file.display()))?
        .started_before(Clock::wall().now());
    let about = scenario.about.clone();
    let fleet = Fleet::generate(config.terminals, config.seed, scenario).context(file.display().to_string())?;
    let (inventory, links, policy) = (fleet.inventory.clone(), fleet.links.clone(), for_real_time(&fleet.policy));
    let clock = SimClock::new(fleet.plant.start(), config.time_factor);
    let (stopper, stopped) = watch::channel(false);
    let first_port = (config.listen_from != 0).then_some(config.listen_from);
    let running = serve_on(fleet, clock, config.listen_ip, first_port, stopped)
        .await
        .map_err(|error| why_not_listening(file, &config, error))?;

    let links = links.into_iter().filter_map(|(terminal, common_address)| {
        let address = running.addresses.get(&terminal)?.to_string();
        Some(LinkEntry::dialled(terminal, address, common_address))
    });
    let mut links: Vec<_> = links.collect();
    links.sort_by_key(|link| link.terminal);
    let fleet = config::Fleet { inventory, links };
    write(file, "write_fleet", config.write_fleet.as_deref(), &fleet.to_toml())?;
    write(file, "write_rules", config.write_rules.as_deref(), &config::rules::to_toml(&policy))?;
    say(&report(file, &config, &about, &running));

    asked_to_stop.await;
    stopper.send_replace(true);
    if tokio::time::timeout(FAREWELL, running.ended()).await.is_err() {
        tracing::warn!("simulated fleet: some links did not end in time");
    }
    Ok(())
}

/// The fleet's rules are for a centre that shares its simulated time. One elsewhere runs on real time, in which an order
/// of twenty minutes would outlive its select at the terminal: with it these two are as in a `rules.toml` without them.
fn for_real_time(policy: &Policy) -> Policy {
    Policy { order_expiry: Span::from_s(120), select_timeout: Span::from_s(30), ..policy.clone() }
}

fn write(file: &Path, key: &str, path: Option<&Path>, text: &str) -> anyhow::Result<()> {
    let Some(path) = path else { return Ok(()) };
    let text =
        format!("# Written by headroom sim, by {key} of {}; it is written anew at each start.\n\n{text}", name(file));
    whole_file::write(path, &text).with_context(|| {
        format!(
            "{}: cannot be written; change sim.{key} in {}, or make its folder writable",
            path.display(),
            file.display()
        )
    })
}

fn name(file: &Path) -> String {
    file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned()
}

fn why_not_listening(file: &Path, config: &SimConfig, error: ServeError) -> anyhow::Error {
    let file = file.display();
    let listen = error.to_string();
    let (address, source) = match error {
        ServeError::NoPort { .. } => return anyhow::anyhow!("{listen}: change sim.listen_from in {file}"),
        ServeError::Listen { address, source, .. } => (address, source),
    };
    let advice = match source.kind() {
        _ if is_too_many_open_files(&source) => format!(
            "{} terminals take about {} open files, one to listen and one for the link of each: raise the limit of this \
             shell with `ulimit -n`, or lower sim.terminals in {file}",
            config.terminals,
            open_files(config.terminals)
        ),
        ErrorKind::AddrInUse => format!(
            "port {} is taken by another program: change sim.listen_from in {file}, where 0 takes free ports",
            address.port()
        ),
        ErrorKind::AddrNotAvailable => {
            format!("{} is no address of this machine: change sim.listen_ip in {file}", address.ip())
        }
        _ => format!("change sim.listen_ip or sim.listen_from in {file}"),
    };
    anyhow::Error::new(source).context(format!("{listen}: {advice}"))
}

/// How many a process with so many terminals has open, when each is connected.
const fn open_files(terminals: u32) -> u32 {
    terminals * 2 + 50
}

/// How many this process may have open, where the system tells (Linux).
fn open_files_max() -> Option<u32> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let soft = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().next()?;
    soft.parse().ok()
}

/// EMFILE of the process or ENFILE of the machine, the same numbers on all Unix systems.
fn is_too_many_open_files(error: &io::Error) -> bool {
    cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24))
}

fn report(file: &Path, config: &SimConfig, about: &str, running: &Running) -> String {
    let mut ports: Vec<SocketAddr> = running.addresses.values().copied().collect();
    ports.sort_unstable();
    let range = match ports.as_slice() {
        [first, .., last] => format!("{first} to {}", last.port()),
        _ => config.listen_ip.to_string(),
    };
    let mut text = format!(
        "{} terminals listen on {range} (IEC 60870-5-104)\nscenario {}: {about}; seed {}, {} times real time\n",
        ports.len(),
        config.scenario,
        config.seed,
        config.time_factor
    );
    // Writing to a string cannot fail.
    let _ = match (&config.write_fleet, &config.write_rules) {
        (Some(fleet), rules) => {
            let rules = rules.as_deref().map_or_else(
                || "rules = FILE, a rules.toml for its nodes".to_owned(),
                |rules| format!("rules = {}", quoted(rules)),
            );
            writeln!(
                text,
                "next: headroom serve --config serve.toml, with these lines in serve.toml\n  fleet = {}\n  {rules}",
                quoted(fleet)
            )
        }
        (None, _) => writeln!(
            text,
            "next: set sim.write_fleet and sim.write_rules in {}, or no centre knows these terminals",
            file.display()
        ),
    };
    let wanted = open_files(config.terminals);
    if let Some(allowed) = open_files_max().filter(|allowed| *allowed < wanted) {
        let _ = writeln!(
            text,
            "warning: with all links this takes about {wanted} open files, of which {allowed} are allowed: raise the limit \
             of this shell with `ulimit -n`, or some terminals cannot be reached"
        );
    }
    text.push_str("Ctrl-C ends it\n");
    text
}

/// A path as it can stand in a file in any folder.
fn quoted(path: &Path) -> String {
    let path: PathBuf = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    toml::Value::String(path.display().to_string()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_fleet_and_its_rules_parse_back() {
        let fleet = Fleet::generate(30, 1, Scenario::named("evening-peak").unwrap()).unwrap();
        let policy = for_real_time(&fleet.policy);
        let text = config::rules::to_toml(&policy);
        let read = config::rules::parse(Path::new("rules.toml"), &text, Some(&fleet.inventory)).unwrap();
        assert_eq!(read, policy);
        assert!(read.select_timeout <= read.order_expiry);
    }

    #[test]
    fn out_of_files_says_how_many_and_what_to_raise() {
        let config = SimConfig::parse(Path::new("sim.toml"), "[sim]\nterminals = 600\n").unwrap();
        let error = ServeError::Listen {
            terminal: "T-0500".parse().unwrap(),
            address: "127.0.0.1:0".parse().unwrap(),
            source: io::Error::from_raw_os_error(24),
        };
        let said = format!("{:#}", why_not_listening(Path::new("sim.toml"), &config, error));
        for part in ["ulimit -n", "about 1250 open files", "T-0500", "sim.toml"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
}
