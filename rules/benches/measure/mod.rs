//! What a benchmark measured: repetitions of each figure, told as a table and as one line of JSON.

use std::io::Write as _;

use serde_json::{Map, Value, json};

/// Whether a short run is asked for.
pub(crate) fn quick() -> bool {
    std::env::args().any(|argument| argument == "--quick")
}

/// All figures of one benchmark.
pub(crate) struct Report {
    bench: &'static str,
    figures: Vec<Figure>,
}

struct Figure {
    group: String,
    key: &'static str,
    what: &'static str,
    /// One for each repetition.
    samples: Vec<f64>,
}

impl Figure {
    /// Of an even number, the lower of the two in the middle: a value that was measured.
    fn median(&self) -> f64 {
        let mut sorted = self.samples.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted[(sorted.len() - 1) / 2]
    }

    fn least(&self) -> f64 {
        self.samples.iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn most(&self) -> f64 {
        self.samples.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }
}

impl Report {
    pub(crate) fn new(bench: &'static str) -> Self {
        Self { bench, figures: Vec::new() }
    }

    /// One more repetition of a figure. `key` ends in its unit, as `view_us`; one that ends in `_ratio` has none.
    pub(crate) fn add(&mut self, group: &str, key: &'static str, what: &'static str, sample: f64) {
        match self.figures.iter_mut().find(|figure| figure.group == group && figure.key == key) {
            Some(figure) => figure.samples.push(sample),
            None => self.figures.push(Figure { group: group.to_owned(), key, what, samples: vec![sample] }),
        }
    }

    /// The table, then the line.
    pub(crate) fn print(&self) {
        let mut text = String::new();
        let mut group = "";
        for figure in &self.figures {
            if figure.group != group {
                group = &figure.group;
                text += &format!(
                    "\n{:<62}{:>11}{:>11}{:>11}{:>4}\n",
                    group.replace('_', " "),
                    "median",
                    "least",
                    "most",
                    "n"
                );
            }
            let [median, least, most] = [figure.median(), figure.least(), figure.most()].map(readable);
            text += &format!("  {:<60}{median:>11}{least:>11}{most:>11}{:>4}\n", figure.what, figure.samples.len());
        }
        let mut groups = Map::new();
        for figure in &self.figures {
            let [median, min, max] = [figure.median(), figure.least(), figure.most()].map(rounded);
            let of_group = groups.entry(figure.group.clone()).or_insert_with(|| json!({}));
            of_group[figure.key] = json!({ "median": median, "min": min, "max": max, "n": figure.samples.len() });
        }
        let line = json!({ "bench": self.bench, "quick": quick(), "figures": Value::Object(groups) });
        writeln!(std::io::stdout().lock(), "{text}\n{line}").expect("stdout takes the figures");
    }
}

/// To four digits: more is noise.
fn rounded(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

fn readable(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}
