//! A script that does what it is told, and tells what it sees.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::relay::Relay;
use crate::peer::{Peer, free_port};

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

    /// All that it said so far and nobody looked for.
    pub(crate) fn unlooked(&self) -> &[Value] {
        &self.kept
    }
}
