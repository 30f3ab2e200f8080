//! `headroom plan`: what a limit rule would do now, or would have done at some time; nothing of it is done.

pub mod past;

use std::fmt::Write as _;

use headroom_rules::model::NodeId;
use headroom_rules::output::{Event, Happening};
use headroom_rules::view::DryRun;

use super::say;
use crate::console;
use crate::printable::printable;

/// What is asked, and of whom.
#[derive(Debug)]
pub struct Options {
    /// The centre's API.
    pub url: String,
    /// The operator's token.
    pub token: String,
    /// The node.
    pub node: NodeId,
    /// Under which limit; the one in force where none is given.
    pub limit_kw: Option<u32>,
    /// As JSON.
    pub json: bool,
}

/// Asks the centre and prints what it says.
///
/// # Errors
/// No centre, no access, or nothing to reckon with, in a sentence.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let Options { url, token, node, limit_kw, json } = options;
    let run = console::dry_run(&url, token, node, limit_kw).await?;
    if json {
        say(&format!("{}\n", serde_json::to_string_pretty(&run)?));
    } else {
        say(&in_words(&run));
    }
    Ok(())
}

fn in_words(run: &DryRun) -> String {
    let DryRun { node, at, load, limit, target, level, measures, plans, shed, rounds, customers, missing, refused } =
        run;
    let level = level.map_or_else(|| "below it".to_owned(), |level| format!("level {level}"));
    let mut text = format!("{node} at {at}: load {load}, limit {limit}, {level}; plans aim at {target}\n");
    for line in measures.lines() {
        text.push_str(&printable(&line));
        text.push('\n');
    }
    for event in plans {
        text.push('\n');
        text.push_str(&plan_lines(event));
    }
    // Writing to a string cannot fail.
    let _ = write!(text, "\nin all {shed} from {rounds} rounds of {customers} customers");
    let _ = match refused {
        Some(why) => writeln!(text, "; then the checker would refuse: {why}"),
        None if missing.get() > 0 => writeln!(text, "; {missing} too little: the operator would be called"),
        None => writeln!(text),
    };
    text.push_str("nothing of it was done\n");
    text
}

/// A plan with the reason for each round that it sheds and each that it spares; nothing for another event.
fn plan_lines(event: &Event) -> String {
    let Happening::Planned { pass, wanted, expected, shed, spared, outlook, .. } = &event.what else {
        return String::new();
    };
    let mut text = format!("plan {pass}: {wanted} wanted, {expected} from {} rounds\n", shed.len());
    let lines = outlook.iter().flat_map(|outlook| outlook.lines()).map(|line| format!("  {line}"));
    let shed = shed.iter().map(|choice| format!("  shed    {choice}"));
    let spared = spared.iter().map(|finding| format!("  spared  {finding}"));
    for line in lines.chain(shed).chain(spared) {
        text.push_str(&printable(&line));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use headroom_rules::model::{Power, Timestamp};
    use headroom_rules::outlook::Level;

    use super::*;

    #[test]
    fn what_would_be_missing_is_said() {
        let run = DryRun {
            node: "F1".parse().unwrap(),
            at: Timestamp::new(0),
            load: Power::from_kw(1_000),
            limit: Power::from_kw(900),
            target: Power::from_kw(855),
            level: Some(Level::Yellow),
            measures: Default::default(),
            plans: Vec::new(),
            shed: Power::from_kw(100),
            rounds: 4,
            customers: 3,
            missing: Power::from_kw(45),
            refused: None,
        };
        let expected = "F1 at 1970-01-01T00:00:00.000Z: load 1000.0 kW, limit 900.0 kW, level yellow; plans aim at 855.0 kW\n\n\
                        in all 100.0 kW from 4 rounds of 3 customers; 45.0 kW too little: the operator would be called\n\
                        nothing of it was done\n";
        assert_eq!(in_words(&run), expected);
    }
}
