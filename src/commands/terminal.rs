//! `headroom terminal`: one soft terminal on a simulated site.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use headroom_rules::model::{RoundNo, Span, TerminalId};
use headroom_sim::fleet::Post;
use headroom_sim::plant::{Feeder, Load, Plant, PlantRound};
use headroom_sim::scenario::Scenario;
use headroom_sim::server::{PlantSite, SharedPlant, SimClock, agent_at, run_plant, scan_interval};
use headroom_terminals::iec104::StationConfig;
use headroom_terminals::iec104::access::refusals::Refusals;
use headroom_terminals::iec104::access::registration::Registration;
use headroom_terminals::iec104::task::{
    Address, Arrivals, Dial, Entrance, Heartbeat, Registering, TlsAddress, Wire, run_station,
};
use headroom_terminals::profile::Profile;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::stop::{self, FAREWELL};
use super::{logging, say};
use crate::clock::Clock;
use crate::config::{DialSettings, SiteConfig, TerminalConfig};

/// From a command to the contacts' end position.
const SWITCH_DELAY: Span = Span::from_s(1);

/// Runs the terminal of a `terminal.toml` until asked to stop.
///
/// # Errors
/// When the file or its point map has faults, or the port is taken.
pub async fn run(file: &Path) -> anyhow::Result<()> {
    logging::to_stderr("warn");
    let asked_to_stop = stop::asked_to_stop();
    let config = TerminalConfig::read(file)?;
    let profile = profile(&config)?;
    let common_address = config.common_address;
    // It has no id of its own: the fleet of its centre names it.
    let terminal: TerminalId = format!("CA-{common_address}").parse()?;
    let post = Post {
        terminal,
        common_address,
        load: Some(0),
        feeder: 0,
        contract: config.site.contract,
        safety_floor: config.site.safety_floor,
        guaranteed: config.site.guaranteed,
    };
    let plant = plant(&config.site)?;
    let clock = SimClock::new(plant.start(), 1.0);
    let plant = SharedPlant::new(plant);
    let zone = profile.zone();
    let mut at = PlantSite::new(plant.clone(), clock, post);
    if let Some(kept) = &config.state_file {
        at = at.keeping(kept.clone());
    }
    let agent = agent_at(at, profile);
    let station = StationConfig {
        require_select: config.require_select,
        connections_max: config.connections,
        command_age_max: config.command_age_max,
        scan: scan_interval(&clock),
        zone,
        ..StationConfig::new(common_address)
    };
    let (arrivals, reached) = arrivals(file, &config, station.timers.t0()).await?;
    let (stopper, stopped) = watch::channel(false);
    let mut site = tokio::spawn(run_plant(plant, clock, stopped.clone()));
    let mut link = tokio::spawn(run_station(arrivals, station, agent, stopped));
    say(&report(&config, &reached));

    tokio::select! {
        () = asked_to_stop => {}
        // Unasked, either ends by a fault only.
        ended = &mut site => return ended.context("the terminal's site failed"),
        ended = &mut link => return ended.context("the terminal's link failed"),
    }
    stopper.send_replace(true);
    if tokio::time::timeout(FAREWELL, async { tokio::join!(site, link) }).await.is_err() {
        tracing::warn!("terminal: the link did not end in time");
    }
    Ok(())
}

/// Where its connections come from, also for people.
async fn arrivals(file: &Path, config: &TerminalConfig, t0: Duration) -> anyhow::Result<(Arrivals, String)> {
    let with = if config.tls.is_some() { " with TLS" } else { "" };
    if let Some(DialSettings { address, registration, heartbeat_every }) = &config.dial {
        let dial: Box<dyn Dial<Wire>> = match &config.tls {
            None => Box::new(Address(address.clone())),
            Some((identity, peers)) => {
                let (tls, refusals) = (identity.dialling(peers.clone())?, Arc::<Refusals>::default());
                Box::new(TlsAddress { address: address.clone(), tls, refusals })
            }
        };
        let Registration { packet, heartbeat, answer } = registration.clone();
        let heartbeat = (!heartbeat.is_empty()).then_some(Heartbeat { octets: heartbeat, every: *heartbeat_every });
        let arrivals = Arrivals::Dial(Box::new(Registering { dial, packet, answer }), heartbeat);
        return Ok((arrivals, format!("dials {address}{with}")));
    }
    let listener = TcpListener::bind(config.listen).await.map_err(|error| why_not_listening(file, config, error))?;
    let address = listener.local_addr().with_context(|| format!("listen on {}", config.listen))?;
    let tls = config.tls.as_ref().map(|(identity, peers)| identity.listening(Some(peers.clone()))).transpose()?;
    let entrance = Entrance { access: config.access.clone(), tls, ..Entrance::open(listener, t0) };
    Ok((Arrivals::Listen(entrance), format!("listens on {address}{with}")))
}

fn profile(config: &TerminalConfig) -> anyhow::Result<Profile> {
    let Some(file) = &config.profile_file else { return Ok(Profile::standard()) };
    let text = std::fs::read_to_string(file).with_context(|| format!("{}: cannot be read", file.display()))?;
    Profile::parse(&text).with_context(|| file.display().to_string())
}

/// The site from now on, at the time of day that it is: one load, on a feeder whose only customer it is.
fn plant(site: &SiteConfig) -> anyhow::Result<Plant> {
    let kind = site.load;
    let last = site.rounds.iter().map(|round| round.no).max();
    let rounds = RoundNo::ALL.into_iter().filter(|no| Some(*no) <= last).map(|no| {
        site.rounds.iter().find(|round| round.no == no).map_or_else(PlantRound::unwired, |round| {
            PlantRound::new(f64::from(round.share_percent) / 100.0, SWITCH_DELAY, false)
        })
    });
    let load = Load::new(0, kind, site.contract, kind.tangent(), rounds.collect(), site.seed);
    let quiet = Scenario::named("quiet")?.starting_at(Clock::wall().now());
    Ok(Plant::new(quiet, vec![load], vec![Feeder::new(false, site.contract)]))
}

fn why_not_listening(file: &Path, config: &TerminalConfig, error: io::Error) -> anyhow::Error {
    let (file, listen) = (file.display(), config.listen);
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!(
                "port {} is taken by another program: change listen in {file}, where port 0 takes a free one",
                listen.port()
            )
        }
        io::ErrorKind::AddrNotAvailable => {
            format!("{} is no address of this machine: change listen in {file}", listen.ip())
        }
        io::ErrorKind::PermissionDenied => {
            format!(
                "port {} needs rights that this user lacks: change listen in {file} to a port above 1023",
                listen.port()
            )
        }
        _ => format!("change listen in {file}"),
    };
    anyhow::Error::new(error).context(format!("terminal {}: listen on {listen}: {advice}", config.common_address))
}

fn report(config: &TerminalConfig, reached: &str) -> String {
    let SiteConfig { contract, guaranteed, safety_floor, rounds, .. } = &config.site;
    let rounds: Vec<_> =
        rounds.iter().map(|round| format!("{} {} ({} %)", round.no, round.name, round.share_percent)).collect();
    format!(
        "a terminal {reached} (IEC 60870-5-104), common address {}, profile {}, select {}\n\
         site: contract {contract}, safety floor {safety_floor}, {}, rounds: {}\n\
         Ctrl-C ends it\n",
        config.common_address,
        config.profile,
        if config.require_select { "required" } else { "not required" },
        if *guaranteed { "supply guaranteed" } else { "supply not guaranteed" },
        if rounds.is_empty() { "none".to_owned() } else { rounds.join(", ") }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_rules::model::SwitchPosition;

    fn config(site: &str) -> TerminalConfig {
        let text = format!("common_address = 7\n[site]\ncontract_kw = 1000\nload = \"three_shift\"\n{site}");
        TerminalConfig::parse(Path::new("terminal.toml"), &text).unwrap()
    }

    #[test]
    fn a_site_has_its_rounds_where_the_file_says_with_their_shares() {
        let config = config(
            "rounds = [{ no = 3, name = \"c\", share_percent = 20 }, { no = 1, name = \"a\", share_percent = 40 }]",
        );
        let plant = plant(&config.site).unwrap();
        let load = &plant.loads()[0];
        let shares: Vec<_> = load.rounds.iter().map(|round| (round.wired, round.share)).collect();
        assert_eq!(shares, [(true, 0.4), (false, 0.0), (true, 0.2)]);
        assert_eq!(load.rounds[0].position(), SwitchPosition::Closed);
        let percent = load.rounds[0].power().get() * 100 / load.power().get();
        assert!((39..=40).contains(&percent), "{percent}");
        // Three shifts draw 60 to 72 % of the contract at any time of day.
        assert!((580_000..740_000).contains(&load.power().get()), "{}", load.power());
    }

    #[test]
    fn a_site_without_rounds_has_none() {
        assert!(plant(&config("").site).unwrap().loads()[0].rounds.is_empty());
    }
}
