//! What customers below a node were asked to do themselves, in lines of the node's screen.

use headroom_rules::measures::{Measure, MeasureKind};
use headroom_rules::model::{NodeId, Power};
use ratatui::text::Line;

use super::acts::measure_named;
use super::text;
use crate::console::state::State;

/// Measures named at most; the screen of acts has them all.
const NAMED: usize = 4;

/// Nothing where nothing stands.
pub(super) fn lines(state: &State, id: NodeId, width: usize) -> Vec<Line<'static>> {
    let standing: Vec<&Measure> = state.view.measures.iter().filter(|it| it.node == id && it.ended.is_none()).collect();
    if standing.is_empty() {
        return Vec::new();
    }
    let theme = state.theme;
    let line = |words: String, style| Line::styled(text::fit(&format!(" {words}"), width), style);
    let sum = |of: &dyn Fn(&Measure) -> Power| standing.iter().map(|it| of(it)).sum::<Power>();
    let pending = sum(&|it| if it.is_judged() { Power::ZERO } else { (it.expected - it.gone).max(Power::ZERO) });
    let kinds = MeasureKind::ALL.into_iter().filter_map(|kind| {
        let count = standing.iter().filter(|it| it.agreed.kind == kind).count();
        (count > 0).then(|| format!("{count} {kind}"))
    });
    let kinds: Vec<String> = kinds.collect();
    let gone = sum(&|it| it.gone);
    let head = format!("MEASURES  {}: {gone} gone, {pending} still to come (7 lists them)", kinds.join(", "));
    let mut lines = vec![line(head, theme.strong())];
    for it in standing.iter().take(NAMED) {
        let style = if it.fell_short() { theme.active() } else { theme.normal() };
        let words = format!(
            "{} {}, {}, {} gone, until {}Z",
            it.id,
            measure_named(state, it),
            it.stage(),
            it.gone,
            text::clock(it.until)
        );
        lines.push(line(words, style));
    }
    lines
}
