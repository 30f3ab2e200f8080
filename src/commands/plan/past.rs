//! `headroom plan NODE --from T --to T --data FOLDER`: a past window, as it was and as it would have been.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use headroom_rules::model::{Energy, NodeId, Power, Span, Timestamp};
use headroom_rules::output::Happening;

use super::super::say;
use super::plan_lines;
use crate::config::ServeConfig;
use crate::export::{Offset, When};
use crate::replay::Course;
use crate::replay::past::{Asked, Past, Source, past};

/// What is asked, and of which folder.
#[derive(Debug)]
pub struct Options {
    /// The node.
    pub node: NodeId,
    /// From then on …
    pub from: When,
    /// … and before then.
    pub to: When,
    /// The data folder; that of `config` where it is not given.
    pub data: Option<PathBuf>,
    /// What the centre runs on: its data folder and its zone.
    pub config: Option<PathBuf>,
    /// How far clocks are ahead of UTC; those of `config`, or else UTC, where it is not given.
    pub offset: Option<Offset>,
    /// Other rules.
    pub rules: Option<PathBuf>,
    /// Under which limit; the rules' own where none is given.
    pub limit_kw: Option<u32>,
    /// As JSON.
    pub json: bool,
}

/// Reckons it and prints what comes of it.
///
/// # Errors
/// A window that is none or not covered, an unknown node, faults of the rules or of the journal, in a sentence.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let Options { node, from, to, data, config, offset, rules, limit_kw, json } = options;
    let serve = config.as_deref().map(ServeConfig::read).transpose()?;
    let of_zone = serve.as_ref().map(|serve| Offset::of_minutes(serve.collection.utc_offset_minutes));
    let offset = offset.or(of_zone).unwrap_or_default();
    let store = serve.as_ref().map(|serve| serve.store.clone()).unwrap_or_default();
    let folder = data.or(serve.map(|serve| serve.data)).context("wanted --data FOLDER or --config FILE with --from")?;
    let limit = limit_kw.and_then(|kw| i32::try_from(kw).ok()).map(Power::from_kw);
    let asked = Asked { folder, node, from: from.at(offset), to: to.at(offset), offset, rules, limit, store };
    let past = past(&asked).await?;
    if json {
        say(&format!("{}\n", serde_json::to_string_pretty(&past)?));
    } else {
        say(&in_words(&past, offset));
    }
    Ok(())
}

/// A table of 80 columns, then the plans that would have been.
fn in_words(past: &Past, offset: Offset) -> String {
    let Past { node, from, to, source, limit, was, would_be } = past;
    let at = |at: Timestamp| offset.show(at);
    let of_days = to.since(*from) > Span::from_s(86_400);
    let short = |when: Timestamp| clock(&at(when), of_days);
    let mut text =
        format!("{node} from {}\n{:>width$} {}\n", at(*from), "to", at(*to), width = node.as_str().len() + 5);
    let by = match source {
        Source::Journal => "the journal",
        Source::Store => "the store's curve of loads and the last fleet",
    };
    let _ = writeln!(text, "reckoned from {by}; see the end\n");
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{:<34}{:>22}{:>22}", "", "as it was", "as it would be");
    let mut line = |what: &str, of: &dyn Fn(&Course) -> String| {
        let _ = writeln!(text, "{what:<34}{:>22}{:>22}", of(was), of(would_be));
    };
    line("limit in force", &|course| match course.limit {
        None => "none".to_owned(),
        Some((lowest, highest)) if lowest == highest => lowest.to_string(),
        Some((lowest, highest)) => format!("{} to {highest}", kw(lowest)),
    });
    line("highest load", &|course| course.peak.map_or_else(|| "not known".to_owned(), |(peak, _)| peak.to_string()));
    line("  at", &|course| course.peak.map_or_else(String::new, |(_, when)| short(when)));
    line("above the limit in force", &|course| span(course.over_ms));
    line("  at most at a stretch", &|course| span(course.over_longest_ms));
    if let Some(limit) = limit {
        line(&format!("above {limit}"), &|course| course.over_asked_ms.map_or_else(String::new, span));
    }
    if was.unknown_ms > 0 || would_be.unknown_ms > 0 {
        line("load not known", &|course| span(course.unknown_ms));
    }
    line("plans that shed", &|course| course.plans.to_string());
    line("rounds tripped by rules", &|course| course.tripped_by_rules.to_string());
    line("  by people", &|course| course.tripped_by_people.to_string());
    line("power taken off", &|course| course.taken_off.to_string());
    line("  at most at once", &|course| course.off_most.to_string());
    line("energy not supplied", &|course| Energy::new(course.curtailed_wh).to_string());
    line("customers affected", &|course| course.customers.to_string());
    line("rounds affected", &|course| course.rounds.to_string());
    line("  off for at most", &|course| span(course.off_longest_ms));
    line("  off already at the beginning", &|course| course.off_before.to_string());
    line("  still off at the end", &|course| course.off_after.to_string());
    line("rules that gave up", &|course| course.futile.to_string());
    if was.refused > 0 || would_be.refused > 0 {
        line("plans that the checker refused", &|course| course.refused.to_string());
    }
    for event in &would_be.told {
        let Happening::Planned { node, load, .. } = &event.what else { continue };
        let _ = write!(text, "\nwould be at {}, {node} at {load}:\n{}", short(event.at), plan_lines(event));
    }
    text.push_str(match source {
        Source::Journal => {
            "\nWhat would have been takes each terminal to obey within a second, and each round\n\
             to draw on what it drew at its trip: no cold load, and nobody who moved a load\n\
             because of the limit. Customers are counted, not the people they are.\n"
        }
        Source::Store => {
            "\nThe journal does not go back that far. What would have been is reckoned from the\n\
             means of minutes: what is above the limit for the rule's delay goes at once, and\n\
             is back when the load is low. Rounds and customers are counted by the powers of\n\
             now, the least important first; schedules, safety floors, turns, tags and limits\n\
             of other nodes are not looked at. Trips count from when they were wanted.\n"
        }
    });
    text
}

fn kw(power: Power) -> String {
    power.to_string().trim_end_matches(" kW").to_owned()
}

fn span(ms: i64) -> String {
    Span::new(ms).to_string()
}

/// Without the fractions of a second: 18:05:12, or 01-31 18:05:12.
fn clock(shown: &str, with_date: bool) -> String {
    shown.get(if with_date { 5..19 } else { 11..19 }).unwrap_or_default().replace('T', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_fits_into_eighty_columns() {
        let from = Timestamp::new(1_700_000_000_000);
        let course = Course {
            limit: Some((Power::from_kw(8_000), Power::from_kw(12_500))),
            peak: Some((Power::from_kw(13_000), from)),
            over_ms: 4_000_000,
            over_asked_ms: Some(5_000_000),
            unknown_ms: 1_000,
            curtailed_wh: 12_345_678,
            refused: 1,
            ..Course::default()
        };
        let past = Past {
            node: "FEEDER-NORTH-12".parse().unwrap(),
            from,
            to: from.after(Span::from_s(3_600)),
            source: Source::Store,
            limit: Some(Power::from_kw(12_000)),
            was: course.clone(),
            would_be: course,
        };
        let text = in_words(&past, "+08:00".parse().unwrap());
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        for line in [
            "limit in force                      8000.0 to 12500.0 kW  8000.0 to 12500.0 kW",
            "  at                                            06:13:20              06:13:20",
            "above 12000.0 kW                              1 h 23 min            1 h 23 min",
            "energy not supplied                          12345.7 kWh           12345.7 kWh",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
