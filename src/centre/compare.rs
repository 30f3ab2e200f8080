//! Parameters compared when a link comes up: a terminal that was exchanged or reset in the field is found within minutes.
//!
//! Read [`Schedule`] (who is read when: pure), then [`run`], which has the clock. What was read goes to the engine, which
//! holds it against what is wanted and raises the alarm; nothing is written to a terminal.
//!
//! **Invariants:** only terminals of which something is wanted are read; no more than [`AT_ONCE`] at a time; none while its link
//! is down or an order of it is under way; a file that is on the link already is waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::stream::FuturesUnordered;
use headroom_rules::model::{Span, TerminalId, Timestamp};
use headroom_rules::view::View;
use tokio::sync::watch;

use super::handle::Handle;
use super::waking::{Waking, Woken};
use crate::sentence::sentence;

/// Terminals that are read at the same time.
const AT_ONCE: usize = 8;
/// From a link's coming up to the reading, of the supply's time: interrogation and clock come first.
const SETTLES_IN: Span = Span::from_s(10);
/// Until the next look at a terminal with an order under way.
const AFTER_ORDER: Span = Span::from_s(5);
/// After the first reading that failed; it doubles from one to the next.
const RETRY_FIRST: Span = Span::from_s(60);
/// Readings that fail one after the other, until the link comes up again.
const TRIES_MAX: u8 = 4;
/// Between two looks at the clock, of the supply's time.
const LOOK_EVERY: Span = Span::from_s(5);

#[derive(Clone, Copy, Debug, Default)]
struct Post {
    up: bool,
    due: Option<Timestamp>,
    under_way: bool,
    tries: u8,
}

/// Who is to be read when.
#[derive(Debug, Default)]
struct Schedule {
    posts: BTreeMap<TerminalId, Post>,
    /// The same times, the earliest first.
    due: BTreeSet<(Timestamp, TerminalId)>,
    under_way: usize,
}

impl Schedule {
    fn on_link(&mut self, terminal: TerminalId, up: bool, now: Timestamp) {
        let post = self.posts.entry(terminal).or_default();
        if std::mem::replace(&mut post.up, up) == up {
            return;
        }
        post.tries = 0;
        self.set(terminal, up.then(|| now.after(SETTLES_IN)));
    }

    fn set(&mut self, terminal: TerminalId, due: Option<Timestamp>) {
        let Some(post) = self.posts.get_mut(&terminal) else { return };
        if let Some(before) = std::mem::replace(&mut post.due, due) {
            self.due.remove(&(before, terminal));
        }
        self.due.extend(due.map(|at| (at, terminal)));
    }

    /// The next terminal to be read; none for now when there is none. `busy` says of whom an order is under way.
    fn next(&mut self, now: Timestamp, busy: impl Fn(TerminalId) -> bool) -> Option<TerminalId> {
        while self.under_way < AT_ONCE {
            let (_, terminal) = *self.due.first().filter(|(at, _)| *at <= now)?;
            let under_way = self.posts.get(&terminal).is_some_and(|post| post.under_way);
            if under_way || busy(terminal) {
                self.set(terminal, Some(now.after(AFTER_ORDER)));
                continue;
            }
            self.set(terminal, None);
            let Some(post) = self.posts.get_mut(&terminal) else { continue };
            post.under_way = true;
            self.under_way += 1;
            return Some(terminal);
        }
        None
    }

    /// A reading came to its end, good or bad.
    fn ended(&mut self, terminal: TerminalId, done: bool, now: Timestamp) {
        let Some(post) = self.posts.get_mut(&terminal).filter(|post| post.under_way) else { return };
        post.under_way = false;
        self.under_way -= 1;
        // A link that went down and came up meanwhile has its turn already.
        if done || !post.up || post.due.is_some() {
            return;
        }
        post.tries += 1;
        if post.tries < TRIES_MAX {
            let after = Span::new(RETRY_FIRST.get() << (post.tries - 1));
            self.set(terminal, Some(now.after(after)));
        }
    }
}

/// Keeps the schedule until told to stop.
pub(super) async fn run(handle: Handle, view: watch::Receiver<Arc<View>>, stop: watch::Receiver<bool>) {
    let clock = handle.clock.clone();
    let mut schedule = Schedule::default();
    let mut under_way = FuturesUnordered::new();
    let mut waking = Waking { view, stop, clock: clock.clone(), look_every: LOOK_EVERY };
    loop {
        let seen = Arc::clone(&waking.view.borrow());
        let busy = |terminal| seen.orders.iter().any(|order| order.terminal == terminal && !order.state.is_final());
        while let Some(terminal) = schedule.next(clock.now(), busy) {
            let handle = &handle;
            under_way.push(async move { (terminal, compare(handle, terminal).await) });
        }
        match waking.next(&mut under_way).await {
            Woken::Stop => return,
            Woken::Links => waking.links(|terminal, up, now| schedule.on_link(terminal, up, now)),
            Woken::Ended((terminal, done)) => schedule.ended(terminal, done, clock.now()),
            Woken::Time => {}
        }
    }
}

/// Reads the terminal's parameters where any are wanted; the engine compares. Whether there is nothing more to be done.
async fn compare(handle: &Handle, terminal: TerminalId) -> bool {
    let wanted = match handle.terminal(terminal).await {
        Ok(Some(detail)) => detail.parameters.is_some_and(|parameters| parameters.wanted.is_some()),
        // It left the fleet.
        Ok(None) => false,
        Err(_) => return false,
    };
    if !wanted {
        return true;
    }
    match handle.read_parameters(terminal).await {
        Ok(parameters) => {
            let differences = parameters.differences().len();
            tracing::info!(%terminal, differences, "parameters compared after the link came up");
            true
        }
        Err(error) => {
            tracing::info!(error = sentence(&error), "parameters were not compared after the link came up");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::new(1_000_000 + seconds * 1_000)
    }

    fn terminals(count: u16) -> Vec<TerminalId> {
        (0..count).map(|n| format!("T-{n:05}").parse().unwrap()).collect()
    }

    fn all_due(schedule: &mut Schedule, seconds: i64) -> Vec<TerminalId> {
        std::iter::from_fn(|| schedule.next(at(seconds), |_| false)).collect()
    }

    #[test]
    fn a_link_that_comes_up_is_read_once_after_a_while_and_again_after_its_next_loss() {
        let (mut schedule, id) = (Schedule::default(), terminals(1)[0]);
        schedule.on_link(id, false, at(0));
        assert_eq!(all_due(&mut schedule, 100), []);
        for begin in [200, 400] {
            schedule.on_link(id, true, at(begin));
            schedule.on_link(id, true, at(begin + 5));
            assert_eq!(all_due(&mut schedule, begin + 9), []);
            assert_eq!(all_due(&mut schedule, begin + 10), [id]);
            assert_eq!(all_due(&mut schedule, begin + 11), [], "it is under way");
            schedule.ended(id, true, at(begin + 12));
            assert_eq!(all_due(&mut schedule, begin + 100), []);
            schedule.on_link(id, false, at(begin + 110));
        }
    }

    #[test]
    fn ten_thousand_links_that_come_up_together_are_read_a_few_at_a_time_and_each_once() {
        let (mut schedule, ids) = (Schedule::default(), terminals(10_000));
        ids.iter().for_each(|id| schedule.on_link(*id, true, at(0)));
        let mut read = BTreeSet::new();
        for second in 10..2_000 {
            let now = all_due(&mut schedule, second);
            assert!(now.len() <= AT_ONCE && schedule.under_way <= AT_ONCE);
            for id in now {
                assert!(read.insert(id));
                schedule.ended(id, true, at(second));
            }
        }
        assert_eq!((read.len(), schedule.due.len()), (10_000, 0));
    }

    #[test]
    fn an_order_that_is_under_way_goes_first_and_holds_up_nobody_else() {
        let (mut schedule, ids) = (Schedule::default(), terminals(2));
        ids.iter().for_each(|id| schedule.on_link(*id, true, at(0)));
        let busy = |id| id == ids[0];
        assert_eq!(schedule.next(at(10), busy), Some(ids[1]));
        assert_eq!(schedule.next(at(10), busy), None);
        assert_eq!(schedule.next(at(14), |_| false), None);
        assert_eq!(schedule.next(at(15), |_| false), Some(ids[0]));
    }

    #[test]
    fn what_fails_is_tried_again_ever_later_and_not_on_a_link_that_is_down() {
        let (mut schedule, id) = (Schedule::default(), terminals(1)[0]);
        schedule.on_link(id, true, at(0));
        let mut tried = Vec::new();
        for second in 0..2_000 {
            for id in all_due(&mut schedule, second) {
                tried.push(second);
                schedule.ended(id, false, at(second));
            }
        }
        assert_eq!(tried, [10, 70, 190, 430]);
        schedule.on_link(id, false, at(2_000));
        schedule.on_link(id, true, at(2_001));
        assert_eq!(all_due(&mut schedule, 2_011), [id]);
        // The link is lost with the reading, and comes up before that ends: its turn is that of the new link alone.
        schedule.on_link(id, false, at(2_012));
        schedule.ended(id, false, at(2_013));
        assert_eq!(all_due(&mut schedule, 3_000), []);
        schedule.on_link(id, true, at(3_000));
        assert_eq!(all_due(&mut schedule, 3_010), [id]);
        schedule.on_link(id, false, at(3_011));
        schedule.on_link(id, true, at(3_012));
        schedule.ended(id, false, at(3_013));
        assert_eq!(all_due(&mut schedule, 3_022), [id]);
    }
}
