//! What is to be asked of which terminal's memory when. Time goes in; nothing is read from the world.
//!
//! **Invariants:** no terminal is asked while its link is down or while it is being asked; no more than `at_once` are asked at
//! a time; what is wanted of a terminal is bounded by the days that are looked back, and tries by [`TRIES_MAX`].

use std::collections::BTreeMap;
use std::ops::Bound;

use headroom_rules::model::{Span, TerminalId, Timestamp};

use crate::config::CollectionSettings;

pub(super) const QUARTER_MS: i64 = 900_000;
pub(super) const DAY_MS: i64 = 86_400_000;
/// Tries of one terminal that fail one after the other, until the next day's.
const TRIES_MAX: u8 = 6;
/// After the first that failed; it doubles from one to the next.
const RETRY_FIRST: Span = Span::from_s(60);
/// A link is known to be down only some time after it is.
const NOTICED_WITHIN: Span = Span::from_s(60);

/// A time of at most one day (UTC): after `after`, up to `to` and with it, as quarters are named by their ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) after: Timestamp,
    pub(super) to: Timestamp,
}

/// Ask this now; [`Schedule::ended`] wants to hear of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) terminal: TerminalId,
    pub(super) stretch: Stretch,
}

#[derive(Debug)]
struct Post {
    up: bool,
    /// While it is not up. Of the time before the start nobody knows: all that is looked back.
    down_since: Timestamp,
    next_daily: Timestamp,
    /// By day (UTC), so that the same time is wanted once.
    wanted: BTreeMap<i64, Stretch>,
    under_way: bool,
    tries: u8,
    not_before: Timestamp,
}

/// All terminals that have a memory.
#[derive(Debug)]
pub(super) struct Schedule {
    settings: CollectionSettings,
    posts: BTreeMap<TerminalId, Post>,
    under_way: usize,
    /// Who was asked last: the next one's turn comes after it.
    last: Option<TerminalId>,
}

impl Schedule {
    pub(super) fn new(settings: CollectionSettings, terminals: &[TerminalId], now: Timestamp) -> Self {
        let count = i64::try_from(terminals.len()).unwrap_or(i64::MAX).max(1);
        let down_since = now.after(-look_back(settings));
        let first = today(settings, now).after(settings.at);
        let posts = (0..).zip(terminals).map(|(n, &terminal)| {
            let due = first.after(Span::new(settings.spread.get() * n / count));
            let next_daily = if due > now { due } else { due.after(Span::new(DAY_MS)) };
            let post = Post {
                up: false,
                down_since,
                next_daily,
                wanted: BTreeMap::new(),
                under_way: false,
                tries: 0,
                not_before: now,
            };
            (terminal, post)
        });
        Self { settings, posts: posts.collect(), under_way: 0, last: None }
    }

    /// The link is up or down. When one comes back, the quarters that ended without it are wanted: those alone, also of a gap
    /// shorter than a quarter.
    pub(super) fn on_link(&mut self, terminal: TerminalId, up: bool, now: Timestamp) {
        let earliest = now.after(-look_back(self.settings));
        let Some(post) = self.posts.get_mut(&terminal) else { return };
        if std::mem::replace(&mut post.up, up) == up {
            return;
        }
        if !up {
            post.down_since = now.after(-NOTICED_WITHIN);
            return;
        }
        let (last_seen, last_ended) = (quarter(post.down_since), quarter(now));
        if last_seen < last_ended {
            post.want(last_seen.max(earliest), last_ended);
        }
    }

    /// The next terminal to be asked, none for now when there is none.
    pub(super) fn next(&mut self, now: Timestamp) -> Option<Task> {
        let (settings, today) = (self.settings, today(self.settings, now));
        for post in self.posts.values_mut().filter(|post| post.next_daily <= now) {
            while post.next_daily <= now {
                post.next_daily = post.next_daily.after(Span::new(DAY_MS));
            }
            // A new day, a new chance.
            (post.tries, post.not_before) = (0, now);
            post.want(today.after(-look_back(settings)), today);
        }
        if self.under_way >= settings.at_once {
            return None;
        }
        let ready = |(_, post): &(&TerminalId, &mut Post)| {
            post.up && !post.under_way && !post.wanted.is_empty() && post.not_before <= now
        };
        let after = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let terminal = match self.posts.range_mut((after, Bound::Unbounded)).find(ready) {
            Some((&terminal, _)) => terminal,
            None => self.posts.iter_mut().find(ready).map(|(&terminal, _)| terminal)?,
        };
        let post = self.posts.get_mut(&terminal)?;
        // The newest first: it is what people look at.
        let (_, stretch) = post.wanted.pop_last()?;
        post.under_way = true;
        self.under_way += 1;
        self.last = Some(terminal);
        Some(Task { terminal, stretch })
    }

    /// A task came to its end, good or bad. True when the terminal is given up until its next day.
    pub(super) fn ended(&mut self, task: Task, done: bool, now: Timestamp) -> bool {
        let Some(post) = self.posts.get_mut(&task.terminal).filter(|post| post.under_way) else { return false };
        post.under_way = false;
        self.under_way -= 1;
        if done {
            post.tries = 0;
            return false;
        }
        post.want(task.stretch.after, task.stretch.to);
        post.tries += 1;
        if post.tries >= TRIES_MAX {
            post.tries = 0;
            post.wanted.clear();
            return true;
        }
        post.not_before = now.after(Span::new(RETRY_FIRST.get() << (post.tries - 1)));
        false
    }

    /// Stretches that wait.
    pub(super) fn waiting(&self) -> usize {
        self.posts.values().map(|post| post.wanted.len()).sum()
    }
}

impl Post {
    fn want(&mut self, after: Timestamp, to: Timestamp) {
        let mut after = after;
        while after < to {
            let day = after.get().div_euclid(DAY_MS);
            let end = Timestamp::new((day + 1).saturating_mul(DAY_MS)).min(to);
            let stretch = self.wanted.entry(day).or_insert(Stretch { after, to: end });
            (stretch.after, stretch.to) = (stretch.after.min(after), stretch.to.max(end));
            after = end;
        }
    }
}

const fn look_back(settings: CollectionSettings) -> Span {
    Span::new(settings.look_back_days as i64 * DAY_MS)
}

/// The end of the last quarter that ended by then.
fn quarter(at: Timestamp) -> Timestamp {
    Timestamp::new(at.get().div_euclid(QUARTER_MS) * QUARTER_MS)
}

/// The last midnight of the supply's zone.
fn today(settings: CollectionSettings, now: Timestamp) -> Timestamp {
    let local = now.after(settings.utc_offset());
    Timestamp::new(now.get() - local.get().rem_euclid(DAY_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-24 00:00 UTC.
    const MIDNIGHT: i64 = 1_795_478_400_000;
    const MINUTE: i64 = 60_000;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::new(MIDNIGHT + minutes * MINUTE)
    }

    fn terminals(count: u16) -> Vec<TerminalId> {
        (0..count).map(|n| format!("T-{n:03}").parse().unwrap()).collect()
    }

    fn settings() -> CollectionSettings {
        CollectionSettings { look_back_days: 1, at_once: 2, ..CollectionSettings::default() }
    }

    /// With all links up, and what the start made wanted already fetched.
    fn settled(count: u16, settings: CollectionSettings) -> (Schedule, Vec<TerminalId>) {
        let terminals = terminals(count);
        let mut schedule = Schedule::new(settings, &terminals, at(0));
        for &terminal in &terminals {
            schedule.on_link(terminal, true, at(0));
        }
        while let Some(task) = schedule.next(at(0)) {
            schedule.ended(task, true, at(0));
        }
        (schedule, terminals)
    }

    /// All that would be asked now, as minutes after midnight, each done at once.
    fn drain(schedule: &mut Schedule, now: Timestamp) -> Vec<(TerminalId, i64, i64)> {
        let mut asked = Vec::new();
        while let Some(task) = schedule.next(now) {
            let minutes = |at: Timestamp| (at.get() - MIDNIGHT) / MINUTE;
            asked.push((task.terminal, minutes(task.stretch.after), minutes(task.stretch.to)));
            schedule.ended(task, true, now);
        }
        asked
    }

    #[test]
    fn after_a_gap_the_quarters_that_ended_in_it_are_asked_for_and_no_more() {
        let (mut schedule, terminals) = settled(1, settings());
        let terminal = terminals[0];
        // From 02:07 to 03:20; then one that no quarter ended in, then one of two minutes in which one did.
        for (down, up, wanted) in
            [(127, 200, vec![(terminal, 120, 195)]), (202, 208, vec![]), (209, 211, vec![(terminal, 195, 210)])]
        {
            schedule.on_link(terminal, false, at(down));
            assert_eq!(schedule.next(at(up)), None, "not while it is down");
            schedule.on_link(terminal, true, at(up));
            // The daily round of 01:00 has not come for who was linked all night: it is past here.
            let asked = drain(&mut schedule, at(up));
            let asked: Vec<_> = asked.into_iter().filter(|(_, _, to)| *to > 0).collect();
            assert_eq!(asked, wanted, "{down}..{up}");
        }
    }

    #[test]
    fn at_the_start_all_that_is_looked_back_is_wanted_by_days_the_newest_first() {
        let terminals = terminals(1);
        let mut schedule = Schedule::new(CollectionSettings { look_back_days: 2, ..settings() }, &terminals, at(600));
        assert_eq!(drain(&mut schedule, at(600)), []);
        schedule.on_link(terminals[0], true, at(607));
        let asked: Vec<_> = drain(&mut schedule, at(607)).into_iter().map(|(_, after, to)| (after, to)).collect();
        assert_eq!(asked, [(0, 600), (-1440, 0), (-2273, -1440)].map(|(after, to)| (after, to)));
    }

    #[test]
    fn each_day_every_terminal_has_its_turn_spread_over_the_time_and_never_more_at_once() {
        let (mut schedule, terminals) = settled(10, settings());
        let (mut asked, mut most, mut under_way) = (Vec::new(), 0, Vec::new());
        for minute in 0..1_440 {
            for task in under_way.drain(..) {
                schedule.ended(task, true, at(minute));
            }
            while let Some(task) = schedule.next(at(minute)) {
                asked.push((minute, task.terminal));
                assert_eq!((task.stretch.after, task.stretch.to), (at(-1_440), at(0)));
                under_way.push(task);
            }
            most = most.max(under_way.len());
        }
        let due: Vec<_> = (0..).zip(&terminals).map(|(n, &terminal)| (60 + 3 * n, terminal)).collect();
        assert_eq!(asked, due);
        assert!(most <= 2);
        // All at the same time: two at once.
        let (mut schedule, _) = settled(10, CollectionSettings { spread: Span::ZERO, ..settings() });
        let first = [schedule.next(at(60)), schedule.next(at(60))].map(Option::unwrap);
        assert_eq!(schedule.next(at(60)), None);
        schedule.ended(first[0], true, at(60));
        assert!(schedule.next(at(60)).is_some());
    }

    #[test]
    fn the_day_is_that_of_the_supplys_zone() {
        let beijing = CollectionSettings { utc_offset_minutes: 480, ..settings() };
        let (mut schedule, _) = settled(1, beijing);
        // 01:00 there is 17:00 UTC of the day before, and midnight 16:00.
        assert_eq!(drain(&mut schedule, at(1_019)), []);
        let asked: Vec<_> = drain(&mut schedule, at(1_020)).into_iter().map(|(_, after, to)| (after, to)).collect();
        assert_eq!(asked, [(0, 960), (-480, 0)]);
    }

    #[test]
    fn what_fails_is_tried_again_ever_later_and_given_up_until_the_next_day() {
        let (mut schedule, _) = settled(1, settings());
        let mut tried = Vec::new();
        let mut given_up = None;
        for minute in 60..1_500 {
            if let Some(task) = schedule.next(at(minute)) {
                tried.push(minute);
                if schedule.ended(task, false, at(minute)) {
                    given_up = Some(minute);
                }
            }
        }
        assert_eq!(tried, [60, 61, 63, 67, 75, 91]);
        assert_eq!((given_up, schedule.waiting()), (Some(91), 0));
        assert!(schedule.next(at(1_500)).is_some(), "the next day");
    }

    #[test]
    fn one_terminal_with_much_to_tell_does_not_keep_the_others_waiting() {
        let all = terminals(2);
        let mut schedule =
            Schedule::new(CollectionSettings { at_once: 1, look_back_days: 5, ..settings() }, &all, at(0));
        for &terminal in &all {
            schedule.on_link(terminal, true, at(0));
        }
        let asked: Vec<_> = drain(&mut schedule, at(0)).into_iter().map(|(terminal, ..)| terminal).collect();
        assert_eq!(asked[..4], [all[0], all[1], all[0], all[1]]);
        assert_eq!(asked.len(), 10);
    }

    #[test]
    fn a_task_of_nobody_or_one_that_ended_before_changes_nothing() {
        let (mut schedule, _) = settled(1, settings());
        let task = schedule.next(at(60)).unwrap();
        schedule.ended(task, true, at(60));
        assert!(!schedule.ended(task, false, at(60)));
        let foreign = Task { terminal: "X".parse().unwrap(), ..task };
        assert!(!schedule.ended(foreign, false, at(60)));
        assert_eq!((schedule.under_way, schedule.waiting()), (0, 0));
    }
}
