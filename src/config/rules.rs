//! `rules.toml`: limits, how to shed and restore, and users' own rules.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use headroom_rules::calendar::Calendar;
use headroom_rules::model::{Inventory, NodeId, Power, PriorityClass, Span};
use headroom_rules::own::Own;
use headroom_rules::policy::{FAIRNESS_WEEKS, Flow, LimitRule, PassCaps, Policy, Substitute};

use super::calendar;
use super::error::ConfigErrors;
use super::flow;
use super::measures;
use super::notices;
use super::own;
use super::reader::{Section, Source, read_file};

const S: &str = "whole number of seconds";
const MINUTES: &str = "whole number of minutes";
const PERCENT: &str = "whole number of %";
const DAY_S: i64 = 86_400;

/// What a limit rule has where its entry says nothing else: figures customary with utilities, not quoted from a standard.
struct Defaults;

impl Defaults {
    const READING_AGE_MAX_S: i64 = 120;
    /// Two quarter-hours~: a meter moves in its last digit from one reading to the next.
    const FROZEN_AFTER_MIN: i64 = 30;
    const SUBSTITUTE_MAX_MIN: i64 = 15;
    const ORDER_EXPIRY_S: i64 = 120;
    const SELECT_TIMEOUT_S: i64 = 30;
    const WARNING_PERCENT: u8 = 90;
    const FORECAST_MIN: i64 = 0;
    const DELAY_S: i64 = 60;
    const HYSTERESIS_PERCENT: u8 = 5;
    /// The effect of a trip is measured two minutes later (Q/GDW 1376.1 control records).
    const VERIFY_AFTER_S: i64 = 120;
    const EFFECT_PERCENT_MIN: u8 = 50;
    const PASSES_MAX: u8 = 3;
    const OFF_TIME_MIN_S: i64 = 900;
    const ON_TIME_MIN_S: i64 = 600;
    const RESTORE_BELOW_PERCENT: u8 = 80;
    const RESTORE_HOLD_S: i64 = 600;
    const RESTORE_STEP_S: i64 = 120;
    /// Of the time from one stage to the next.
    const RESTORE_SPREAD_PERCENT: i64 = 50;
    const COLD_LOAD_PERCENT: u16 = 150;
    const COLD_LOAD_LEARN: bool = true;
    const SETTLE_S: i64 = 300;
}

/// Steps that users' rules may take in one tick.
const STEPS: std::ops::RangeInclusive<i64> = 10_000..=100_000_000;

/// Reads rules. With a fleet, every limited node has to be in it.
///
/// # Errors
/// Everything that is wrong with the file.
pub fn read(file: &Path, fleet: Option<&Inventory>) -> Result<Policy, ConfigErrors> {
    parse(file, &read_file(file)?, fleet)
}

/// As [`read`], from the text of `file`.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(file: &Path, text: &str, fleet: Option<&Inventory>) -> Result<Policy, ConfigErrors> {
    Source::parse(file, text, |top| {
        let mut policy = Policy {
            limits: Vec::new(),
            calendar: top.section("calendar").and_then(|section| calendar::take(&section)),
            flow: top.section("flow").map_or(Flow::GENEROUS, |section| flow::take_flow(&section)),
            groups: top.section("group").as_ref().map(flow::take_groups).unwrap_or_default(),
            notice_texts: top.section("notice").as_ref().map(notices::take_texts).unwrap_or_default(),
            baseline: Span::from_s(Policy::BASELINE_MIN * 60),
            reading_age_max: Span::from_s(Defaults::READING_AGE_MAX_S),
            frozen_after: Span::from_s(Defaults::FROZEN_AFTER_MIN * 60),
            substitute: Substitute::None,
            substitute_max: Span::from_s(Defaults::SUBSTITUTE_MAX_MIN * 60),
            order_expiry: Span::from_s(Defaults::ORDER_EXPIRY_S),
            select_timeout: Span::from_s(Defaults::SELECT_TIMEOUT_S),
            fairness_weeks: FAIRNESS_WEEKS,
            own: Own::default(),
        };
        if let Some(section) = top.section("general") {
            general(&section, &mut policy);
        }
        let floors = fleet.map(floors_below).unwrap_or_default();
        let mut lines = BTreeMap::new();
        for section in top.sections("limit") {
            let Some(rule) = limit(&section, policy.calendar.as_ref()) else { continue };
            if let Some(first) = lines.insert(rule.node, section.line_of("node")) {
                section
                    .fault("node", format_args!("has a limit at line {first} already: wanted one limit for each node"));
            }
            if fleet.is_some_and(|fleet| !fleet.nodes.contains_key(&rule.node)) {
                section.fault("node", "not in the fleet: wanted the id of one of its nodes");
            }
            cannot_be_kept(&section, &rule, floors.get(&rule.node).copied().unwrap_or_default());
            policy.limits.push(rule);
        }
        if let Some(fleet) = fleet {
            measures::windows_fit(&top, policy.calendar.as_ref(), fleet);
        }
        let steps_max = policy.own.steps_max;
        policy.own = Own { steps_max, ..own::take(&top, file, fleet, &policy.limits, &floors) };
        top.end();
        Some(policy)
    })
}

fn general(section: &Section<'_>, policy: &mut Policy) {
    let span = |key, default: Span, range| Span::from_s(section.int_or(key, default.s(), S, range));
    policy.reading_age_max = span("reading_age_max_s", policy.reading_age_max, 1..=DAY_S);
    let frozen_after_min = section.int_or("frozen_after_min", Defaults::FROZEN_AFTER_MIN, MINUTES, 0..=240);
    policy.frozen_after = Span::from_s(frozen_after_min * 60);
    let wanted = "\"none\", \"balance\" or \"last\"";
    policy.substitute = section.text_or("substitute", policy.substitute, wanted, |text| match text {
        "none" => Some(Substitute::None),
        "balance" => Some(Substitute::Balance),
        "last" => Some(Substitute::Last),
        _ => None,
    });
    let substitute_max_min = section.int_or("substitute_max_min", Defaults::SUBSTITUTE_MAX_MIN, MINUTES, 1..=1_440);
    policy.substitute_max = Span::from_s(substitute_max_min * 60);
    if section.has("substitute_max_min") && policy.substitute != Substitute::Last {
        section.fault("substitute_max_min", "holds for the last value only: wanted substitute = \"last\" beside it");
    }
    policy.order_expiry = span("order_expiry_s", policy.order_expiry, 1..=DAY_S);
    policy.select_timeout = span("select_timeout_s", policy.select_timeout, 1..=3_600);
    let baseline_min = section.int_or("baseline_min", Policy::BASELINE_MIN, "whole number of minutes", 1..=60);
    policy.baseline = Span::from_s(baseline_min * 60);
    policy.fairness_weeks = section.int_or("fairness_weeks", FAIRNESS_WEEKS, "whole number of weeks", 1..=52);
    policy.own.steps_max = section.int_or("rule_steps_max", Own::STEPS_MAX, "whole number of steps", STEPS);
    if policy.select_timeout > policy.order_expiry {
        let key = if section.has("select_timeout_s") { "select_timeout_s" } else { "order_expiry_s" };
        section.fault(key, "a select would outlive its order: wanted select_timeout_s at most order_expiry_s");
    }
    section.end();
}

/// Below each node, the sum of the safety floors: what is never shed, however high the loads are.
fn floors_below(fleet: &Inventory) -> BTreeMap<NodeId, Power> {
    let mut floors = BTreeMap::<NodeId, Power>::new();
    for customer in fleet.customers.values().filter(|customer| customer.safety_floor > Power::ZERO) {
        for node in fleet.path_up(customer.supplied_by) {
            *floors.entry(node).or_default() += customer.safety_floor;
        }
    }
    floors
}

/// A limit below what may never be shed.
fn cannot_be_kept(section: &Section<'_>, rule: &LimitRule, floors: Power) {
    let why = |limit: Power| {
        format!(
            "{limit} is below the safety floors below the node, {floors} together, so it cannot be kept: wanted more"
        )
    };
    if rule.limit < floors {
        section.fault("limit_kw", why(rule.limit));
    }
    let steps = rule.schedule.iter().flat_map(|schedule| schedule.days.values()).flatten();
    if let Some(lowest) = steps.map(|step| step.limit).min().filter(|lowest| *lowest < floors && rule.limit >= floors) {
        section.fault("schedule", why(lowest));
    }
}

fn limit(section: &Section<'_>, calendar: Option<&Calendar>) -> Option<LimitRule> {
    let span = |key, default, range| Span::from_s(section.int_or(key, default, S, range));
    let node = section.id("node");
    let limit_kw = section.int("limit_kw", "whole number of kW", 1..=10_000_000);
    let schedule = calendar::schedule(section, calendar, limit_kw.map(Power::from_kw));
    let warning_percent = section.int_or("warning_percent", Defaults::WARNING_PERCENT, PERCENT, 1..=100);
    let forecast_min = section.int_or("forecast_min", Defaults::FORECAST_MIN, "whole number of minutes", 0..=15);
    let delay = span("delay_s", Defaults::DELAY_S, 0..=DAY_S);
    let measures = measures::take_rule(section, warning_percent);
    let notice = notices::take_rule(section, measures.asks);
    let hysteresis_percent = section.int_or("hysteresis_percent", Defaults::HYSTERESIS_PERCENT, PERCENT, 0..=50);
    let verify_after = span("verify_after_s", Defaults::VERIFY_AFTER_S, 1..=3_600);
    let effect_percent_min = section.int_or("effect_percent_min", Defaults::EFFECT_PERCENT_MIN, PERCENT, 1..=100);
    let passes_max = section.int_or("passes_max", Defaults::PASSES_MAX, "whole number of plans", 1..=50);
    let if_any = |key, of, most| if section.has(key) { section.int::<i32>(key, of, 1..=most) } else { None };
    let pass = PassCaps {
        power_max: if_any("pass_kw_max", "whole number of kW", 10_000_000).map(Power::from_kw),
        rounds_max: if_any("pass_rounds_max", "whole number of rounds", 10_000)
            .and_then(|most| u16::try_from(most).ok()),
    };
    let class = section.int_or("shed_class_from", 1u8, "priority class", 1..=5);
    let shed_class_from = PriorityClass::try_from(class).ok().filter(|_| class > 1);
    let off_time_min = span("off_time_min_s", Defaults::OFF_TIME_MIN_S, 0..=DAY_S);
    let on_time_min = span("on_time_min_s", Defaults::ON_TIME_MIN_S, 0..=DAY_S);
    let restore_below_percent =
        section.int_or("restore_below_percent", Defaults::RESTORE_BELOW_PERCENT, PERCENT, 1..=100);
    let restore_hold = span("restore_hold_s", Defaults::RESTORE_HOLD_S, 0..=DAY_S);
    let restore_step = span("restore_step_s", Defaults::RESTORE_STEP_S, 1..=DAY_S);
    let half = restore_step.percent(Defaults::RESTORE_SPREAD_PERCENT).s();
    let restore_spread = span("restore_spread_s", half, 0..=DAY_S);
    if restore_spread > restore_step {
        let key = if section.has("restore_spread_s") { "restore_spread_s" } else { "restore_step_s" };
        section.fault(key, "a stage would outlast its time: wanted restore_spread_s at most restore_step_s");
    }
    let cold_load_percent = section.int_or("cold_load_percent", Defaults::COLD_LOAD_PERCENT, PERCENT, 100..=1_000);
    let cold_load_learn = section.flag_or("cold_load_learn", Defaults::COLD_LOAD_LEARN);
    let settle = span("settle_s", Defaults::SETTLE_S, 0..=DAY_S);
    section.end();
    Some(LimitRule {
        node: node?,
        limit: Power::from_kw(limit_kw?),
        schedule,
        margin: None,
        forecast: Span::from_s(forecast_min * 60),
        warning_percent,
        delay,
        measures,
        notice,
        hysteresis_percent,
        verify_after,
        effect_percent_min,
        passes_max,
        pass,
        shed_class_from,
        off_time_min,
        on_time_min,
        restore_below_percent,
        restore_hold,
        restore_step,
        restore_spread,
        cold_load_percent,
        cold_load_learn,
        settle,
    })
}

/// A `rules.toml` with every figure of the limits written out; users' own rules stay in their files. It parses back to the same when limits are whole kilowatts and spans
/// whole seconds, as those of a file are; otherwise limits are rounded down and spans up.
pub fn to_toml(policy: &Policy) -> String {
    let mut text = format!(
        "[general]\nreading_age_max_s = {}\nfrozen_after_min = {}\norder_expiry_s = {}\nselect_timeout_s = {}\nbaseline_min = {}\nfairness_weeks = {}\nrule_steps_max = {}\n",
        whole_s(policy.reading_age_max),
        whole_s(policy.frozen_after) / 60,
        whole_s(policy.order_expiry),
        whole_s(policy.select_timeout),
        (whole_s(policy.baseline) / 60).max(1),
        policy.fairness_weeks,
        policy.own.steps_max
    );
    let _ = writeln!(text, "substitute = \"{}\"", policy.substitute);
    if policy.substitute == Substitute::Last {
        let _ = writeln!(text, "substitute_max_min = {}", (whole_s(policy.substitute_max) / 60).max(1));
    }
    text.push_str(&flow::to_toml(&policy.flow, &policy.groups));
    text.push_str(&notices::texts_to_toml(&policy.notice_texts));
    text.extend(policy.calendar.as_ref().map(calendar::calendar_to_toml));
    for rule in &policy.limits {
        let percent = [
            ("warning_percent", u16::from(rule.warning_percent)),
            ("hysteresis_percent", u16::from(rule.hysteresis_percent)),
            ("effect_percent_min", u16::from(rule.effect_percent_min)),
            ("passes_max", u16::from(rule.passes_max)),
            ("shed_class_from", rule.shed_class_from.map_or(1, |class| u16::from(class.get()))),
            ("restore_below_percent", u16::from(rule.restore_below_percent)),
            ("cold_load_percent", rule.cold_load_percent),
        ];
        let spans = [
            ("delay_s", rule.delay),
            ("verify_after_s", rule.verify_after),
            ("off_time_min_s", rule.off_time_min),
            ("on_time_min_s", rule.on_time_min),
            ("restore_hold_s", rule.restore_hold),
            ("restore_step_s", rule.restore_step),
            ("restore_spread_s", rule.restore_spread),
            ("settle_s", rule.settle),
        ];
        let kw = (rule.limit.get() / 1_000).max(1);
        // Writing to a string cannot fail.
        let _ = write!(text, "\n[[limit]]\nnode = \"{}\"\nlimit_kw = {kw}\n", rule.node);
        for (key, value) in percent {
            let _ = writeln!(text, "{key} = {value}");
        }
        let caps = [
            ("pass_kw_max", rule.pass.power_max.map(|power| (power.get() / 1_000).max(1))),
            ("pass_rounds_max", rule.pass.rounds_max.map(i64::from)),
        ];
        for (key, value) in caps.into_iter().filter_map(|(key, value)| Some((key, value?))) {
            let _ = writeln!(text, "{key} = {value}");
        }
        text.push_str(&measures::rule_to_toml(&rule.measures));
        text.push_str(&notices::rule_to_toml(&rule.notice, rule.measures.asks));
        let _ = writeln!(text, "forecast_min = {}", whole_s(rule.forecast) / 60);
        for (key, value) in spans {
            let _ = writeln!(text, "{key} = {}", whole_s(value));
        }
        let _ = writeln!(text, "cold_load_learn = {}", rule.cold_load_learn);
        text.extend(rule.schedule.as_ref().map(calendar::schedule_to_toml));
    }
    text
}

fn whole_s(span: Span) -> i64 {
    let ms = span.get();
    ms / 1_000 + i64::from(ms % 1_000 > 0)
}
