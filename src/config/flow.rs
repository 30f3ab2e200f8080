//! `[flow]` and `[group]` of `rules.toml`: how fast orders go out, and when they take two people.

use std::fmt::Write as _;

use headroom_rules::model::{Power, Span};
use headroom_rules::policy::{Flow, GroupRules};

use super::reader::Section;

const ORDERS: &str = "whole number of orders";
const SELECTS: &str = "whole number of selects";
const MOST: i64 = 1_000_000;
const ROUNDS_MOST: i64 = 20_000;
const EXPIRY_S_MAX: i64 = 86_400;

pub(super) fn take_flow(section: &Section<'_>) -> Flow {
    let bound = |key, default: Option<u32>, of| default.map(|default| section.int_or(key, default, of, 1..=MOST));
    let flow = Flow {
        orders_per_min: bound("orders_per_min", Flow::GENEROUS.orders_per_min, ORDERS),
        orders_per_min_feeder: bound("orders_per_min_feeder", Flow::GENEROUS.orders_per_min_feeder, ORDERS),
        selects_max: bound("selects_max", Flow::GENEROUS.selects_max, SELECTS),
        selects_max_feeder: bound("selects_max_feeder", Flow::GENEROUS.selects_max_feeder, SELECTS),
    };
    section.end();
    flow
}

pub(super) fn take_groups(section: &Section<'_>) -> GroupRules {
    let default = GroupRules::default();
    let kw = default.second_person_above.map_or(0, |power| power.get() / 1_000);
    let above: i32 = section.int_or(
        "second_person_above_kw",
        i32::try_from(kw).unwrap_or(i32::MAX),
        "whole number of kW",
        0..=10_000_000,
    );
    let rounds = default.second_person_rounds.unwrap_or(0);
    let rules = GroupRules {
        second_person_above: Some(Power::from_kw(above)),
        second_person_rounds: Some(section.int_or(
            "second_person_rounds",
            rounds,
            "whole number of rounds",
            0..=ROUNDS_MOST,
        )),
        expiry: Span::from_s(section.int_or(
            "expiry_s",
            default.expiry.s(),
            "whole number of seconds",
            1..=EXPIRY_S_MAX,
        )),
        growth_percent: section.int_or("growth_percent", default.growth_percent, "whole number of %", 0..=1_000),
    };
    section.end();
    rules
}

/// Both tables, every figure that is set written out.
pub(super) fn to_toml(flow: &Flow, groups: &GroupRules) -> String {
    let mut text = String::from("\n[flow]\n");
    let bounds = [
        ("orders_per_min", flow.orders_per_min),
        ("orders_per_min_feeder", flow.orders_per_min_feeder),
        ("selects_max", flow.selects_max),
        ("selects_max_feeder", flow.selects_max_feeder),
    ];
    // Writing to a string cannot fail. What has no bound gets one that nothing reaches.
    for (key, bound) in bounds {
        let _ = writeln!(text, "{key} = {}", bound.map_or(MOST, i64::from));
    }
    text.push_str("\n[group]\n");
    let kw = groups.second_person_above.map_or(10_000_000, |power| power.get() / 1_000);
    let rounds = groups.second_person_rounds.map_or(ROUNDS_MOST, i64::from);
    let _ = writeln!(text, "second_person_above_kw = {kw}\nsecond_person_rounds = {rounds}");
    let expiry = groups.expiry.s().max(1);
    let _ = writeln!(text, "expiry_s = {expiry}\ngrowth_percent = {}", groups.growth_percent);
    text
}
