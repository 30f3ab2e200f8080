//! One controlled station over one connection, or over several of a redundancy group (60870-5-104 ed. 2, 10): all are
//! kept connected and tested, one transfers data, and when it is lost the next one does.
//!
//! **Invariant:** commands and questions go over the connection that transfers, or are refused; nothing waits for a later
//! one.

use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use headroom_rules::model::Timestamp;
use headroom_rules::orders::{NotSent, Outcome};
use rand::RngExt;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep_until, timeout};

use super::asks::{Ask, Askers, Work};
use super::backoff::Backoff;
use super::switchover::Once;
use super::way::{Address, Call, Dialling, Way};
use super::wire::{self, Stream, Wire};
use super::{AckTicket, Acks, LinkHandler, Malformed, now, stopped};
use crate::iec104::asdu::{Command, Object};
use crate::iec104::budget::Budget;
use crate::iec104::config::LinkConfig;
use crate::iec104::controlling::{Output, Session, State};

/// Most I frames of a link that wait to be stored before its socket is read again. An honest station stops at its k, 12 by
/// default; one that does not is held by TCP.
const UNDURABLE_MAX: u64 = 256;
/// Between two calls of a station that take each other's place.
const REPLACE_EVERY: Duration = Duration::from_secs(10);

/// Dials the configured address; otherwise as [`run_link`].
pub async fn run_controlling<H: LinkHandler>(
    config: LinkConfig,
    work: impl Into<Work>,
    clock: impl Fn() -> Timestamp + Send + 'static,
    handler: H,
    stop: watch::Receiver<bool>,
) {
    let ways = vec![Way::<Wire>::dial(Address(config.address.clone()))];
    run_link(config, ways, work, clock, handler, stop).await;
}

/// Runs for ever: connects over all `ways`, serves, reconnects with exponential back-off and jitter; ends when `stop`
/// turns true, closing with STOPDT.
pub async fn run_link<S: Stream, H: LinkHandler>(
    config: LinkConfig,
    ways: Vec<Way<S>>,
    work: impl Into<Work>,
    clock: impl Fn() -> Timestamp + Send + 'static,
    handler: H,
    mut stop: watch::Receiver<bool>,
) {
    let Work { mut commands, mut asks } = work.into();
    let mut group = Group::new(config, ways, clock, handler);
    let wake = Arc::clone(&group.wake);
    let (mut open, mut asked) = (true, true);
    loop {
        group.settle().await;
        if group.stopping && !group.any_linked() {
            break;
        }
        let deadline = group.look(now());
        let due = async {
            match deadline {
                Some(at) => sleep_until(at.into()).await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = stopped(&mut stop), if !group.stopping => group.stop(),
            () = wake.notified() => group.durable(),
            command = commands.recv(), if open => match command {
                Some(command) => group.submit(command).await,
                None => open = false,
            },
            ask = asks.recv(), if asked => match ask {
                Some(ask) => group.ask(ask),
                None => asked = false,
            },
            (member, event) = poll_fn(|cx| group.poll(cx)) => group.on_event(member, event).await,
            () = due => group.on_deadline(),
        }
    }
    commands.close();
    while let Some(command) = commands.recv().await {
        group.refuse(command, NotSent::Stopping).await;
    }
    asks.close();
    while let Some(ask) = asks.recv().await {
        ask.refuse(NotSent::Stopping);
    }
}

/// A station with all its connections.
struct Group<S, C, H> {
    config: LinkConfig,
    clock: C,
    handler: H,
    members: Vec<Member<S>>,
    /// The member that transfers data, or is asked to.
    lead: Option<usize>,
    askers: Askers,
    stopping: bool,
    /// Over all connections: else each new one would bring a new burst.
    budget: Budget,
    wake: Arc<Notify>,
    /// Only where there are several connections.
    once: Option<Box<Once>>,
}

struct Member<S> {
    way: Way<S>,
    backoff: Backoff,
    replaced_at: Option<Instant>,
    state: Connection<S>,
}

enum Connection<S> {
    /// Until then where we dial, until it calls where the station does.
    None(Option<Instant>),
    Dialling(Dialling<S>, Instant),
    Linked(Box<Link<S>>),
}

struct Link<S> {
    stream: S,
    peer: String,
    session: Session,
    acks: Arc<Acks>,
    since: Instant,
    /// Frames that the budget knows of.
    charged: u64,
    /// Not read for the time being.
    held: bool,
    /// What the peer owes may lie unread, for which it is not to blame: since then its time does not run.
    excused: Option<Instant>,
    /// Since when more has come than the budget allows.
    behind_since: Option<Instant>,
}

impl<S> Link<S> {
    /// Gives back the time up to `at` in which the peer was not heard.
    fn excuse(&mut self, at: Instant) {
        if let Some(since) = self.excused.replace(at) {
            self.session.not_read(at.saturating_duration_since(since));
        } else {
            self.excused = None;
        }
    }
}

enum Event<S> {
    Dial,
    Dialled(Result<S, String>),
    Called(Call<S>),
    /// The session was told.
    Read,
}

/// What one read brought, until it is reported.
#[derive(Default)]
struct Batch {
    objects: Vec<Object>,
    received: Option<u64>,
}

impl<S: Stream, C: Fn() -> Timestamp + Send + 'static, H: LinkHandler> Group<S, C, H> {
    fn new(config: LinkConfig, ways: Vec<Way<S>>, clock: C, handler: H) -> Self {
        let once = (ways.len() > 1).then(Box::default);
        let member = |way| {
            let at = matches!(way, Way::Dial(_)).then(now);
            Member { way, backoff: Backoff::default(), replaced_at: None, state: Connection::None(at) }
        };
        Self {
            budget: Budget::new(config.objects_per_s, config.objects_burst, now()),
            config,
            clock,
            handler,
            members: ways.into_iter().map(member).collect(),
            lead: None,
            askers: Askers::default(),
            stopping: false,
            wake: Arc::default(),
            once,
        }
    }

    fn links(&mut self) -> impl Iterator<Item = &mut Box<Link<S>>> {
        self.members.iter_mut().filter_map(|member| match &mut member.state {
            Connection::Linked(link) => Some(link),
            _ => None,
        })
    }

    fn link(&mut self, member: usize) -> Option<&mut Box<Link<S>>> {
        match &mut self.members.get_mut(member)?.state {
            Connection::Linked(link) => Some(link),
            _ => None,
        }
    }

    fn any_linked(&mut self) -> bool {
        self.links().next().is_some()
    }

    async fn refuse(&mut self, command: Command, why: NotSent) {
        self.handler.outcome(command.id, Outcome::NotSent { step: command.step, why }, None).await;
    }

    async fn submit(&mut self, command: Command) {
        let wall = (self.clock)();
        match self.lead.and_then(|lead| self.link(lead)) {
            Some(link) => {
                link.session.set_wall(wall);
                link.session.submit(now(), command);
            }
            None => self.refuse(command, NotSent::NoLink).await,
        }
    }

    fn ask(&mut self, ask: Ask) {
        let wall = (self.clock)();
        let lead = self.lead.and_then(|lead| self.members.get_mut(lead));
        match lead.map(|member| &mut member.state) {
            Some(Connection::Linked(link)) => {
                link.session.set_wall(wall);
                self.askers.ask(&mut link.session, now(), ask);
            }
            _ => ask.refuse(NotSent::NoLink),
        }
    }

    fn stop(&mut self) {
        self.stopping = true;
        for member in &mut self.members {
            match &mut member.state {
                Connection::Linked(link) => link.session.stop(now()),
                state => *state = Connection::None(None),
            }
        }
    }

    fn durable(&mut self) {
        for link in self.links() {
            link.session.durable(now(), link.acks.durable.load(Ordering::Acquire));
        }
    }

    fn on_deadline(&mut self) {
        let wall = (self.clock)();
        for link in self.links() {
            link.session.set_wall(wall);
            link.excuse(now());
            link.session.on_deadline(now());
        }
    }

    /// Says who is not to be read now, and until when nothing is due.
    fn look(&mut self, at: Instant) -> Option<Instant> {
        let ready_at = self.budget.ready_at(at);
        let t1 = self.config.timers.t1();
        let spent = ready_at > at;
        let mut due = None::<Instant>;
        let mut wanted = |when: Instant| due = Some(due.map_or(when, |due| due.min(when)));
        for member in &mut self.members {
            match &mut member.state {
                Connection::None(when) => {
                    when.map(&mut wanted);
                }
                Connection::Dialling(..) => {}
                Connection::Linked(link) => {
                    let unstored = link.session.undurable() > UNDURABLE_MAX;
                    link.held = unstored || spent;
                    // Not for ever: who sends so much that no answer of its own comes through has no link.
                    link.excuse(at);
                    let excused = unstored || spent && at < *link.behind_since.get_or_insert(at) + t1;
                    link.excused = excused.then_some(at);
                    if spent {
                        wanted(ready_at);
                    }
                    link.session.next_deadline().map(&mut wanted);
                }
            }
        }
        due
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(usize, Event<S>)> {
        for (at, member) in self.members.iter_mut().enumerate() {
            if let Way::Calls(calls) = &mut member.way
                && !self.stopping
                && let Poll::Ready(Some(call)) = calls.poll_recv(cx)
            {
                return Poll::Ready((at, Event::Called(call)));
            }
            match &mut member.state {
                Connection::None(Some(when)) if *when <= now() => return Poll::Ready((at, Event::Dial)),
                Connection::Dialling(dialling, _) => {
                    if let Poll::Ready(result) = dialling.as_mut().poll(cx) {
                        return Poll::Ready((at, Event::Dialled(result)));
                    }
                }
                Connection::Linked(link) if !link.held => {
                    let Link { stream, session, behind_since, .. } = &mut **link;
                    let clock = &self.clock;
                    let read = wire::poll_read(stream, cx, |read| {
                        session.set_wall(clock());
                        match read {
                            Ok([]) => session.close("the peer closed the connection"),
                            Ok(bytes) => session.on_bytes(now(), bytes),
                            Err(error) => session.close(&format!("read: {error}")),
                        }
                    });
                    match read {
                        Poll::Ready(()) => return Poll::Ready((at, Event::Read)),
                        // All that it has sent so far is read.
                        Poll::Pending => *behind_since = None,
                    }
                }
                _ => {}
            }
        }
        Poll::Pending
    }

    async fn on_event(&mut self, at: usize, event: Event<S>) {
        let Some(member) = self.members.get_mut(at) else { return };
        match event {
            Event::Read => {}
            Event::Dial => {
                if let Way::Dial(dial) = &member.way {
                    let (dialling, t0) = (dial.dial(), self.config.timers.t0());
                    let within = async move {
                        let late = |_| format!("no answer within t0 = {} s", t0.as_secs());
                        timeout(t0, dialling).await.map_err(late).flatten()
                    };
                    member.state = Connection::Dialling(Box::pin(within), now());
                }
            }
            Event::Dialled(Ok(stream)) => {
                let peer = address(&member.way).to_owned();
                self.connected(at, stream, peer);
            }
            Event::Dialled(Err(why)) => {
                let Connection::Dialling(_, since) = member.state else { return };
                let reason = format!("connect to {}: {why}", address(&member.way));
                self.over(at, since);
                self.report_end(at, &reason).await;
            }
            Event::Called(Call { stream, peer }) => {
                if let Connection::Linked(link) = &mut member.state {
                    if member.replaced_at.is_some_and(|at| now() < at + REPLACE_EVERY) {
                        let (every_s, linked) = (REPLACE_EVERY.as_secs(), &link.peer);
                        tracing::warn!(%peer, %linked, every_s, "a station called again too soon: refused");
                        return;
                    }
                    member.replaced_at = Some(now());
                    link.session.close(&format!("it called again, from {peer}"));
                    self.settle_member(at).await;
                }
                self.connected(at, stream, peer);
            }
        }
    }

    fn connected(&mut self, at: usize, stream: S, peer: String) {
        let acks = Arc::new(Acks { durable: AtomicU64::new(0), wake: Arc::clone(&self.wake) });
        let session = Session::standby(self.config.clone(), now(), (self.clock)());
        let (since, charged, held, excused, behind_since) = (now(), 0, false, None, None);
        let link = Link { stream, peer, session, acks, since, charged, held, excused, behind_since };
        if let Some(member) = self.members.get_mut(at) {
            member.state = Connection::Linked(Box::new(link));
        }
    }

    /// Lets one connection transfer data where none does.
    fn elect(&mut self) {
        let linked = |member: &Member<S>| matches!(member.state, Connection::Linked(_));
        if !self.stopping
            && self.lead.is_none()
            && let Some(next) = self.members.iter().position(linked)
        {
            self.lead = Some(next);
            if let Some(link) = self.link(next) {
                link.session.start(now());
            }
        }
    }

    /// Writes and reports all that the sessions have, until nothing is left.
    async fn settle(&mut self) {
        loop {
            self.elect();
            let lead = self.lead;
            for member in 0..self.members.len() {
                self.settle_member(member).await;
            }
            if lead == self.lead {
                return;
            }
        }
    }

    async fn settle_member(&mut self, at: usize) {
        let Some(Member { state: Connection::Linked(link), .. }) = self.members.get_mut(at) else { return };
        let mut out = Out {
            budget: &mut self.budget,
            once: &mut self.once,
            askers: &mut self.askers,
            handler: &mut self.handler,
        };
        let Some(reason) = out.flush(link, self.config.timers.t1()).await else { return };
        wire::farewell(&mut link.stream).await;
        let since = link.since;
        self.over(at, since);
        self.report_end(at, &reason).await;
    }

    /// A connection or an attempt is over.
    fn over(&mut self, at: usize, since: Instant) {
        let Some(member) = self.members.get_mut(at) else { return };
        member.state = Connection::None(match member.way {
            Way::Dial(_) if !self.stopping => {
                Some(member.backoff.ended(since, now(), rand::rng().random_range(0.5..=1.0)))
            }
            Way::Dial(_) | Way::Calls(_) => None,
        });
    }

    async fn report_end(&mut self, at: usize, reason: &str) {
        let led = self.lead.take_if(|lead| *lead == at).is_some();
        if led && let Some(once) = &mut self.once {
            once.lost();
        }
        let takes_over = self.links().next().map(|link| link.peer.clone());
        match takes_over {
            Some(to) if led => tracing::info!(to, reason, "the link is lost, another of its group takes over"),
            Some(_) => tracing::debug!(reason, "a link in reserve ended"),
            None => self.handler.link(false, reason).await,
        }
    }
}

fn address<S: Stream>(way: &Way<S>) -> &str {
    match way {
        Way::Dial(dial) => dial.address(),
        Way::Calls(_) => "",
    }
}

/// Where goes what a connection brings.
struct Out<'a, H> {
    budget: &'a mut Budget,
    once: &'a mut Option<Box<Once>>,
    askers: &'a mut Askers,
    handler: &'a mut H,
}

impl<H: LinkHandler> Out<'_, H> {
    /// Writes and reports all that the session has; the reason once it is over.
    async fn flush<S: Stream>(&mut self, link: &mut Link<S>, t1: Duration) -> Option<String> {
        let mut bytes = Vec::new();
        let mut batch = Batch::default();
        let mut objects = 0;
        let mut ended = None;
        loop {
            let output = link.session.next_output();
            if let Some(Output::Bytes(more)) = output {
                bytes.extend(more);
                continue;
            }
            // Bytes come first: all of one turn leave in one write, before anybody is told that they did.
            if !bytes.is_empty()
                && let Err(why) = wire::write(&mut link.stream, &std::mem::take(&mut bytes), t1).await
            {
                link.session.close(&why);
            }
            match output {
                Some(Output::Objects { objects: more, received }) => {
                    objects += more.len();
                    batch.add(more, received);
                }
                Some(output) => {
                    // Objects go before what followed them on the wire.
                    self.report(&mut batch, &link.acks).await;
                    self.tell(output, &link.acks, &link.peer, &mut ended).await;
                }
                None if link.session.is_closed() && ended.is_none() => {}
                None => break,
            }
        }
        self.report(&mut batch, &link.acks).await;
        let frames = usize::try_from(link.session.frames() - link.charged).unwrap_or(usize::MAX);
        link.charged = link.session.frames();
        self.budget.take(now(), objects.max(frames));
        ended
    }

    async fn tell(&mut self, output: Output, acks: &Arc<Acks>, peer: &str, ended: &mut Option<String>) {
        match output {
            Output::Sent(command) => self.handler.written(command),
            Output::Outcome { command, outcome, received } => {
                let ack = received.map(|received| AckTicket { acks: Arc::clone(acks), received });
                self.handler.outcome(command, outcome, ack).await;
            }
            Output::State(State::Started) => self.handler.link(true, &format!("started with {peer}")).await,
            Output::State(State::Closed { reason }) => *ended = Some(reason),
            Output::Malformed { bytes, why, ended } => {
                let what = if ended { Malformed::Ended } else { Malformed::Skipped };
                self.handler.malformed(&bytes, &why, what);
            }
            Output::Unknown { bytes } => {
                self.handler.malformed(&bytes, "type identification not supported", Malformed::UnknownType);
            }
            Output::Answered { request, answer } => self.askers.answered(request, answer),
            Output::File { request, result } => self.askers.filed(request, result),
            Output::Bytes(_)
            | Output::Objects { .. }
            | Output::State(State::Connected | State::Interrogated | State::Stopped) => {}
        }
    }

    async fn report(&mut self, batch: &mut Batch, acks: &Arc<Acks>) {
        let Some(received) = batch.received.take() else { return };
        let mut objects = std::mem::take(&mut batch.objects);
        if let Some(once) = self.once {
            once.take(&mut objects);
        }
        self.handler.objects(&objects, AckTicket { acks: Arc::clone(acks), received }).await;
    }
}

impl Batch {
    fn add(&mut self, objects: Vec<Object>, received: u64) {
        if self.objects.is_empty() {
            self.objects = objects;
        } else {
            self.objects.extend(objects);
        }
        self.received = Some(received);
    }
}
