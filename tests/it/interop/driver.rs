//! A script that does what it is told, and tells what it sees.

use std::net::SocketAddr;

use headroom_terminals::iec104::asdu::{Asdu, causes};
use serde_json::{Value, json};

use super::COMMON_ADDRESS;
use super::relay::Relay;
use super::tally::Tally;
use crate::peer::{Peer, free_port, now};

/// What it said is kept until it is looked for: its threads say things in any order.
pub(crate) struct Driver {
    peer: Peer,
    kept: Vec<Value>,
}

impl Driver {
    /// A controlled station of lib60870-C, not started yet, and where it will listen.
    pub(crate) fn station() -> (Self, SocketAddr) {
        let port = free_port();
        (Self::start("c104_server.py", port), SocketAddr::from(([127, 0, 0, 1], port)))
    }

    /// A controlling station of lib60870-C, connected and started through `relay`, for the points that `add` adds.
    pub(crate) async fn centre(relay: &Relay, add: &[Value]) -> Self {
        let mut driver = Self::start("c104_centre.py", relay.address.port());
        for point in add {
            driver.tell("add", point.clone()).await;
        }
        driver.tell("connect", json!({})).await;
        driver.startdt().await;
        driver
    }

    fn start(script: &str, port: u16) -> Self {
        Self { peer: Peer::start(script, &[port.to_string()]), kept: Vec::new() }
    }

    /// Once it is connected: STARTDT, until it is confirmed.
    pub(crate) async fn startdt(&mut self) {
        self.seen("connected", |told| told["state"] == "OPEN_MUTED").await;
        self.tell("start", json!({})).await;
        self.seen("started", |told| told["state"] == "OPEN").await;
    }

    /// Tells it to do one thing, and whether it says that this went well.
    pub(crate) async fn ask(&mut self, what: &str, mut how: Value) -> bool {
        how["do"] = what.into();
        self.peer.say(&how.to_string()).await;
        let answer = self.seen(what, |told| told["did"] == what).await;
        assert!(answer["error"].is_null(), "{answer}");
        answer["ok"] == true
    }

    /// As [`Self::ask`]; it has to go well.
    pub(crate) async fn tell(&mut self, what: &str, how: Value) {
        assert!(self.ask(what, how.clone()).await, "{what} {how}");
    }

    /// The first thing that it said or says that fits, each but once.
    pub(crate) async fn seen(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.kept.iter().position(&fits) {
            return self.kept.remove(at);
        }
        let kept = std::cell::RefCell::new(Vec::new());
        let found = self
            .peer
            .line(what, |told| {
                let found = fits(told);
                if !found {
                    kept.borrow_mut().push(told.clone());
                }
                found
            })
            .await;
        self.kept.extend(kept.into_inner());
        found
    }

    /// Type and P/N of an answer that came for an address, as lib60870 explains them.
    pub(crate) async fn answer(&mut self, ioa: u32, cause: u8, select: bool) -> (Value, bool) {
        let frame = self.frame(ioa, cause, select).await;
        (frame["type"].clone(), frame["negative"] == true)
    }

    /// The whole of such an answer.
    pub(crate) async fn frame(&mut self, ioa: u32, cause: u8, select: bool) -> Value {
        let fits = |told: &Value| {
            let of = told["seen"] == "frame" && told["ioa"] == ioa && told["cause"] == cause;
            of && is_select(told) == select
        };
        self.seen(&format!("an answer for {ioa} by cause {cause}"), fits).await
    }

    /// The next object at an address that came by a cause, as [`object`] has it.
    pub(crate) async fn object(&mut self, ioa: u32, cause: u8) -> Value {
        let fits = |told: &Value| told["seen"] == "point" && told["ioa"] == ioa && told["cause"] == cause;
        object(&self.seen(&format!("an object at {ioa} by cause {cause}"), fits).await)
    }

    /// Until an object at an address came with these fields; it comes by this cause.
    pub(crate) async fn until(&mut self, ioa: u32, cause: u8, fields: &Value) -> Value {
        let fits = |told: &Value| told["seen"] == "point" && told["ioa"] == ioa && told["fields"] == *fields;
        let told = self.seen(&format!("{fields} at {ioa}"), fits).await;
        assert_eq!(told["cause"], cause, "{told}");
        object(&told)
    }

    /// Gives a command that is taken: its confirmations and its termination.
    pub(crate) async fn taken(&mut self, tally: &mut Tally, what: &str, said: &Value) {
        let selected = said["mode"] == "select";
        if selected {
            self.give(said).await;
        } else {
            // What c104 says of it counts for nothing: it may miss the confirmation.
            self.ask("command", said.clone()).await;
        }
        let answers = [(causes::ACTIVATION_CON, true), (causes::ACTIVATION_CON, false), (causes::TERMINATION, false)];
        for (cause, select) in answers.into_iter().skip(usize::from(!selected)) {
            let answer = self.answer(address(said), cause, select).await;
            tally.row(format!("{what}, cause {cause}"), &answer, &(said["type"].clone(), false));
        }
    }

    /// Asks what the station refuses, each by a cause and in a type, and then for an address that it does not have.
    pub(crate) async fn asked_in_vain<const N: usize>(
        &mut self,
        tally: &mut Tally,
        refusals: [(&str, Value, u8, &str); N],
    ) {
        for (what, how, cause, type_name) in refusals {
            self.ask(what, how.clone()).await;
            tally.row(format!("{what} {how}"), &self.answer(0, cause, false).await, &(json!(type_name), true));
        }
        self.ask("read", json!({ "ca": COMMON_ADDRESS, "ioa": 1_999 })).await;
        let answer = self.answer(1_999, causes::UNKNOWN_OBJECT, false).await;
        tally.row("reading an unknown address", &answer, &(json!("C_RD_NA_1"), true));
    }

    /// Gives a command that is refused by this cause.
    pub(crate) async fn refused(&mut self, tally: &mut Tally, what: &str, said: Value, cause: u8) {
        let taken = self.ask("command", said.clone()).await;
        let (of, negative) = self.answer(address(&said), cause, said["mode"] == "select").await;
        tally.row(what, &(taken, of, negative), &(false, said["type"].clone(), true));
    }

    /// Gives a command by select and execute to a station that takes it. Where c104 misses a confirmation, because it came
    /// before c104 began to wait for it, it gives the command up half-way; then it is given again. Of its frames those of
    /// the last time are left.
    async fn give(&mut self, said: &Value) {
        let of_it = |told: &Value| told["seen"] == "frame" && told["ioa"] == said["ioa"];
        for _ in 0..10 {
            self.kept.retain(|told| !of_it(told));
            if self.ask("command", said.clone()).await {
                return;
            }
            let refused: Vec<_> = self.kept.iter().filter(|told| of_it(told) && told["negative"] == true).collect();
            assert!(refused.is_empty(), "{said}: {refused:?}");
        }
        panic!("c104 gave it up ten times: {said}");
    }

    /// All that it said so far and nobody looked for.
    pub(crate) fn unlooked(&self) -> &[Value] {
        &self.kept
    }
}

/// A point as it is added.
pub(crate) fn point(ioa: u32, type_name: &str) -> Value {
    json!({ "ca": COMMON_ADDRESS, "ioa": ioa, "type": type_name })
}

/// The fields of a short float.
pub(crate) fn short(value: f32) -> Value {
    json!([value.to_bits()])
}

fn address(said: &Value) -> u32 {
    u32::try_from(said["ioa"].as_u64().unwrap()).unwrap()
}

/// Of an object that came: type, fields, quality, and null where it has no time, or whether its time is a recent one.
fn object(told: &Value) -> Value {
    let recent = told["time"].as_i64().map(|time| (0..600_000).contains(&(now().get() - time)));
    json!([told["type"], told["fields"], told["quality"], recent])
}

/// The octets of a message that it saw.
pub(crate) fn octets(frame: &Value) -> Vec<u8> {
    let text = frame["octets"].as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).skip(6).collect()
}

/// S/E. What lib60870 explains looks for it in the first octet, which is not where a set point has it.
fn is_select(frame: &Value) -> bool {
    Asdu::parse(&octets(frame)).unwrap().command().is_some_and(|command| command.select)
}
