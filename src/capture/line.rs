//! An APDU, or what else a capture shows, as one line of text. All text is made of numbers here, so nothing from the wire
//! can steer a terminal.

use std::fmt::{self, Write as _};

use headroom_terminals::iec104::apci::{self, Control, Frame};
use headroom_terminals::iec104::asdu::{Asdu, causes, types};
use serde_json::Value;

use super::fields::{Field, fields};
use super::moment::Moment;
use super::{Apdu, Note, Seen};

/// Octets as people compare them with other tools.
pub(super) fn hex(octets: &[u8]) -> String {
    let mut text = String::with_capacity(3 * octets.len());
    for (n, octet) in octets.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = write!(text, "{}{octet:02x}", if n == 0 { "" } else { " " });
    }
    text
}

/// The name of a control function.
pub(super) const fn control_name(control: Control) -> &'static str {
    match control {
        Control::StartAct => "STARTDT act",
        Control::StartCon => "STARTDT con",
        Control::StopAct => "STOPDT act",
        Control::StopCon => "STOPDT con",
        Control::TestAct => "TESTFR act",
        Control::TestCon => "TESTFR con",
    }
}

/// The name of a type; its number where it has none.
pub(super) fn type_name(type_id: u8) -> String {
    types::name(type_id).map_or_else(|| format!("type {type_id}"), str::to_owned)
}

/// The name of a cause; its number where it has none.
pub(super) fn cause_name(cause: u8) -> String {
    causes::name(cause).map_or_else(|| format!("cause {cause}"), str::to_owned)
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (packet, at, link, from_client) = match self {
            Self::Apdu(Apdu { packet, at, link, from_client, .. })
            | Self::Note(Note { packet, at, link, from_client, .. }) => (packet, at, link, from_client),
        };
        let (from, to) = if *from_client { (link.client, link.server) } else { (link.server, link.client) };
        write!(f, "{packet:>6} {at} {from} → {to} ")?;
        match self {
            Self::Note(note) => write!(f, "-- {}", note.what.text()),
            Self::Apdu(apdu) => {
                frame(f, apdu)?;
                apdu.faults.iter().try_for_each(|fault| write!(f, " !! {fault}"))
            }
        }
    }
}

fn frame(f: &mut fmt::Formatter<'_>, apdu: &Apdu) -> fmt::Result {
    match apci::split(&apdu.octets) {
        Ok(Some((Frame::I { send, receive, asdu }, _))) => {
            write!(f, "I {send}/{receive} ")?;
            match Asdu::parse(asdu) {
                Ok(asdu) => message(f, &asdu, apdu.at),
                Err(_) => write!(f, "ASDU {}", hex(asdu)),
            }
        }
        Ok(Some((Frame::S { receive }, _))) => write!(f, "S {receive}"),
        Ok(Some((Frame::U(control), _))) => write!(f, "U {}", control_name(control)),
        _ => write!(f, "{}", hex(&apdu.octets)),
    }
}

fn message(f: &mut fmt::Formatter<'_>, asdu: &Asdu<'_>, at: Moment) -> fmt::Result {
    write!(f, "{} {}", type_name(asdu.type_id), cause_name(asdu.cause))?;
    f.write_str(if asdu.negative { " negative" } else { "" })?;
    f.write_str(if asdu.test { " test" } else { "" })?;
    if asdu.originator != 0 {
        write!(f, " OA {}", asdu.originator)?;
    }
    write!(f, " CA {}:", asdu.common_address)?;
    if !asdu.is_known() {
        return write!(f, " {} objects in {}", asdu.count, hex(asdu.body));
    }
    for (n, information) in asdu.information().enumerate() {
        write!(f, "{} {}", if n == 0 { "" } else { "," }, information.ioa)?;
        fields(&information, at).iter().try_for_each(|field| show(f, field))?;
    }
    Ok(())
}

/// The value stands bare, a good quality and what is not so is left out, the time follows an @.
fn show(f: &mut fmt::Formatter<'_>, (name, value): &Field) -> fmt::Result {
    match (*name, value) {
        ("value", Value::Bool(on)) => write!(f, " = {}", if *on { "on" } else { "off" }),
        ("value", Value::String(text)) => write!(f, " = {text}"),
        ("value", value) => write!(f, " = {value}"),
        ("quality", Value::String(text)) if text == "good" => Ok(()),
        ("quality", Value::String(text)) => write!(f, " [{text}]"),
        ("time", Value::String(text)) => write!(f, " @{text}"),
        ("time", _) => f.write_str(" @invalid"),
        ("raw", _) | (_, Value::Bool(false)) => Ok(()),
        (name, Value::Bool(true)) => write!(f, " {name}"),
        (name, Value::String(text)) => write!(f, " {name} {text}"),
        (name, Value::Null) => write!(f, " {name} invalid"),
        (name, value) => write!(f, " {name} {value}"),
    }
}
