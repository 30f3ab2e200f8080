//! Who may connect, and how terminals are reached: keys that several files share.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use headroom_terminals::iec104::access::guard::Access;
use headroom_terminals::iec104::access::registration::Registration;
use headroom_terminals::iec104::access::tls::{FileFault, Files, Identity, MinVersion, PEER_WANTED, Peer};

use super::reader::Section;
use super::serve::ADDRESS;

/// How a centre's links are protected, and where terminals call it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transport {
    /// Certificates, as read; none where no link has TLS.
    pub tls: Option<Identity>,
    /// Where terminals dial in; none where none does.
    pub dial_in: Option<DialInSettings>,
}

/// The socket on which terminals register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialInSettings {
    /// Its address.
    pub listen: SocketAddr,
    /// Whether they show certificates.
    pub tls: bool,
    /// For TLS and registration together.
    pub within: Duration,
    /// From where, and how many.
    pub access: Access,
}

/// Links of one address and in all on the socket for terminals that call: an operator of GPRS lends one address to many.
const CALLS_MAX: usize = 4_096;

/// Octets as text, or in hexadecimal behind `hex:`.
pub(super) const OCTETS: &str = "a text, or \"hex:\" and pairs of hexadecimal digits, 1 to 256 octets";

/// Reads [`OCTETS`].
pub(super) fn octets(text: &str) -> Option<Vec<u8>> {
    let octets = match text.strip_prefix("hex:") {
        None => text.as_bytes().to_vec(),
        Some(hex) => {
            let digits = hex.chars().filter(|c| !c.is_ascii_whitespace()).map(|c| c.to_digit(16));
            let digits = digits.map(|digit| digit.and_then(|digit| u8::try_from(digit).ok()));
            let digits = digits.collect::<Option<Vec<u8>>>()?;
            let (pairs, odd) = digits.as_chunks::<2>();
            if !odd.is_empty() {
                return None;
            }
            pairs.iter().map(|[high, low]| high << 4 | low).collect()
        }
    };
    (1..=256).contains(&octets.len()).then_some(octets)
}

/// What [`octets`] reads back.
pub(super) fn written(octets: &[u8]) -> String {
    octets.iter().fold("hex:".to_owned(), |text, octet| format!("{text}{octet:02x}"))
}

fn minimum(text: &str) -> Option<MinVersion> {
    match text {
        "1.2" => Some(MinVersion::Tls12),
        "1.3" => Some(MinVersion::Tls13),
        _ => None,
    }
}

/// Takes and reads the files of one end; the section is not ended.
pub(super) fn take_identity(section: &Section<'_>, folder: &Path) -> Option<Identity> {
    let path = |text: &str| (!text.is_empty() && !text.contains('\0')).then(|| folder.join(text));
    let file = |key| section.text_as::<PathBuf>(key, "the path of a PEM file", path);
    let (ca, certificate, key) = (file("ca"), file("certificate"), file("key"));
    let crl = section.text_or("crl", None, "the path of a PEM file", |text| path(text).map(Some));
    let min_version = section.text_or("min_version", MinVersion::default(), "\"1.2\" or \"1.3\"", minimum);
    let every_s = Files::CHECK_EVERY.as_secs();
    let check_every_s = section.int_or("check_every_s", every_s, "whole number of seconds", 1..=86_400);
    let check_every = Duration::from_secs(check_every_s);
    let files = Files { ca: ca?, certificate: certificate?, key: key?, crl, min_version, check_every };
    let faults = |faults: Vec<FileFault>| faults.iter().for_each(|fault| section.fault(fault.key, &fault.why));
    Identity::load(&files).map_err(faults).ok()
}

/// Takes a list of certificates that are allowed.
pub(super) fn take_peers(section: &Section<'_>, key: &'static str) -> Option<Vec<Peer>> {
    section.texts(key, PEER_WANTED, |text| text.parse().ok())
}

/// Takes who may connect.
pub(super) fn take_access(section: &Section<'_>, default: &Access) -> Access {
    let networks = "IP addresses or networks, as \"10.4.0.0/16\"";
    let network = |text: &str| text.parse().ok().or_else(|| text.parse::<std::net::IpAddr>().ok().map(Into::into));
    let allowed = if section.has("allowed") { section.texts("allowed", networks, network) } else { None };
    let links = "whole number of links";
    Access {
        allowed: allowed.unwrap_or_default(),
        per_address_max: section.int_or("links_per_address_max", default.per_address_max, links, 1..=100_000),
        links_max: section.int_or("links_max", default.links_max, links, 1..=100_000),
    }
}

/// Takes `[access]` and `[tls]` of a file: who may connect, and the certificates of this end with whose are let in.
pub(super) fn take_door(top: &Section<'_>, file: &Path) -> (Access, Option<(Identity, Vec<Peer>)>) {
    let access = top.section("access").map_or_else(Access::default, |section| {
        let access = take_access(&section, &Access::default());
        section.end();
        access
    });
    let tls = top.section("tls").and_then(|section| {
        let folder = file.parent().unwrap_or(Path::new(""));
        let tls = take_identity(&section, folder).zip(take_peers(&section, "peer"));
        section.end();
        tls
    });
    (access, tls)
}

/// Takes the socket for terminals that call.
pub(super) fn take_dial_in(section: &Section<'_>) -> Option<DialInSettings> {
    let listen = section.text_as("listen", ADDRESS, |text| text.parse().ok());
    let tls = section.flag_or("tls", false);
    let within_s: u32 = section.int_or("within_s", 30, "whole number of seconds", 1..=255);
    let access = Access { allowed: Vec::new(), per_address_max: CALLS_MAX, links_max: CALLS_MAX };
    let access = take_access(section, &access);
    section.end();
    Some(DialInSettings { listen: listen?, tls, within: Duration::from_secs(within_s.into()), access })
}

/// Takes a registration; the section is not ended.
pub(super) fn take_registration(section: &Section<'_>) -> Option<Registration> {
    let packet = section.text_as("registration", OCTETS, octets);
    let heartbeat = section.text_or("heartbeat", Vec::new(), OCTETS, octets);
    let answer = section.text_or("answer", Vec::new(), OCTETS, octets);
    let registration = Registration { packet: packet?, heartbeat, answer };
    if let Err(error) = registration.check() {
        section.fault("heartbeat", error);
    }
    Some(registration)
}
