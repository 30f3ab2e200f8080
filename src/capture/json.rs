//! An APDU, or what else a capture shows, as one JSON object with every field.

use headroom_terminals::iec104::apci::{self, Frame};
use headroom_terminals::iec104::asdu::Asdu;
use serde_json::{Map, Value, json};

use super::fields::fields;
use super::line::{cause_name, control_name, hex, type_name};
use super::moment::Moment;
use super::{Apdu, Note, Seen, What};

/// The object.
pub fn object(seen: &Seen) -> Value {
    let (packet, at, link, from_client) = match seen {
        Seen::Apdu(Apdu { packet, at, link, from_client, .. })
        | Seen::Note(Note { packet, at, link, from_client, .. }) => (packet, at, link, from_client),
    };
    let (from, to) = if *from_client { (link.client, link.server) } else { (link.server, link.client) };
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| drop(object.insert(name.to_owned(), value));
    put("packet", json!(packet));
    put("time", json!(at.to_string()));
    put("link", json!(link.number));
    put("from", json!(from.to_string()));
    put("to", json!(to.to_string()));
    put("from_client", json!(from_client));
    match seen {
        Seen::Note(Note { what, .. }) => {
            put("note", json!(what.text()));
            put("ended", json!(matches!(what, What::Ended(_))));
        }
        Seen::Apdu(apdu) => {
            put("faults", json!(apdu.faults));
            put("octets", json!(hex(&apdu.octets)));
            match apci::split(&apdu.octets) {
                Ok(Some((Frame::I { send, receive, asdu }, _))) => {
                    put("format", json!("I"));
                    put("send", json!(send));
                    put("receive", json!(receive));
                    put("asdu", Asdu::parse(asdu).map_or(Value::Null, |asdu| message(&asdu, *at)));
                }
                Ok(Some((Frame::S { receive }, _))) => {
                    put("format", json!("S"));
                    put("receive", json!(receive));
                }
                Ok(Some((Frame::U(control), _))) => {
                    put("format", json!("U"));
                    put("control", json!(control_name(control)));
                }
                _ => {}
            }
        }
    }
    Value::Object(object)
}

fn message(asdu: &Asdu<'_>, at: Moment) -> Value {
    let objects = asdu.information().map(|information| {
        let mut object: Map<_, _> = fields(&information, at).into_iter().map(|(n, v)| (n.to_owned(), v)).collect();
        object.insert("ioa".to_owned(), json!(information.ioa));
        Value::Object(object)
    });
    json!({
        "type": asdu.type_id,
        "type_name": type_name(asdu.type_id),
        "sequence": asdu.sequence,
        "count": asdu.count,
        "cause": asdu.cause,
        "cause_name": cause_name(asdu.cause),
        "negative": asdu.negative,
        "test": asdu.test,
        "originator": asdu.originator,
        "common_address": asdu.common_address,
        "objects": objects.collect::<Vec<_>>(),
        "octets": if asdu.is_known() { Value::Null } else { json!(hex(asdu.body)) },
    })
}
