//! One `[[calculated]]`.

use std::path::Path;

use headroom_rules::expression::Wanted;
use headroom_rules::model::{NodeId, Span};
use headroom_rules::own::{Calculated, Formula, Source};

use super::Taking;
use crate::config::reader::Section;
use crate::printable::is_printable;

impl Taking<'_> {
    pub(super) fn calculated(&mut self, section: &Section<'_>, file: &Path) -> Option<Calculated> {
        let id = self.new_id(section, file);
        let wanted = "a unit of at most 8 characters";
        let unit = section.text_or("unit", String::new(), wanted, |text| {
            (text.chars().count() <= 8 && text.chars().all(is_printable)).then(|| text.to_owned())
        });
        let formula = self.formula(section);
        section.end();
        Some(Calculated { id: id?, unit, formula: formula? })
    }

    fn formula(&self, section: &Section<'_>) -> Option<Formula> {
        let ways = ["formula", "sum_below", "highest_below", "mean_of"];
        let given: Vec<&str> = ways.into_iter().filter(|way| section.has(way)).collect();
        match given.as_slice() {
            ["formula"] => {
                let reads = self.reads(section)?;
                if let Some(each) = reads.values().find(|s| s.is_of_each_node() || s.is_of_each_terminal()) {
                    section.fault("reads", format_args!("{each}: wanted an id"));
                }
                let text = self.program(section, "formula", &reads, Wanted::Number)?;
                self.all_used(section, &reads, |_| false, &[&text]);
                Some(Formula::Text { reads, text })
            }
            ["sum_below"] => self.node_below(section, "sum_below").map(|node| Formula::SumBelow { node }),
            ["highest_below"] => self.node_below(section, "highest_below").map(|node| Formula::HighestBelow { node }),
            ["mean_of"] => {
                let of = section.text_as("mean_of", "what is read, as \"node F03 load\", no yes or no", |text| {
                    let source = text.parse::<Source>().ok()?;
                    let named = !source.is_of_each_node() && !source.is_of_each_terminal();
                    (named && !source.is_flag()).then_some(source)
                });
                let window = section.int_or("window_s", 900, "whole number of seconds", 15..=86_400);
                let block = section.flag_or("block", false);
                if window % 15 != 0 {
                    section.fault("window_s", "wanted a multiple of 15");
                }
                let of = of?;
                self.is_there(section, "mean_of", &of);
                Some(Formula::Mean { of, window: Span::from_s(window), block })
            }
            _ => {
                section.fault("formula", "wanted one of formula, sum_below, highest_below and mean_of");
                None
            }
        }
    }

    fn node_below(&self, section: &Section<'_>, key: &'static str) -> Option<NodeId> {
        let node: NodeId = section.id(key)?;
        if self.fleet.is_some_and(|fleet| !fleet.nodes.values().any(|below| below.parent == Some(node))) {
            section.fault(key, "has no nodes below it in the fleet: wanted one that has");
        }
        Some(node)
    }

    fn is_there(&self, section: &Section<'_>, key: &'static str, source: &Source) {
        if let Some(why) = self.never_known(source) {
            section.fault(key, why);
        }
    }
}
