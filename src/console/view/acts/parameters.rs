//! A terminal's parameters, what is wanted beside what it has.

use headroom_rules::model::TerminalId;
use headroom_rules::view::{ParameterLine, TerminalParameters};

use super::{before, fields};
use crate::console::client::compared;
use crate::console::state::{Change, Form, State, Step};
use crate::console::view::overlay::Lines;
use crate::console::view::text;

pub(super) fn look(state: &State, form: &Form, terminal: TerminalId, change: Option<&Change>) -> Lines {
    let theme = state.theme;
    let none = TerminalParameters::default();
    let detail = state.detail.as_ref().filter(|detail| detail.summary.id == terminal);
    let known = detail.and_then(|detail| detail.parameters.as_ref()).unwrap_or(&none);
    let differs = !known.differences().is_empty();
    let style = if differs { theme.medium() } else { theme.strong() };
    let mut lines = vec![(format!("{terminal}: parameters {}", compared(known)), style)];
    if let (Some(at), false) = (known.wanted_at, known.wanted_by.is_empty()) {
        lines.push((format!("wanted by {} since {}Z", known.wanted_by, text::date_clock(at)), theme.normal()));
    }
    if let Some(at) = known.read_at {
        lines.push((format!("read back {} ago", text::age(state.now(), at)), theme.normal()));
    }
    lines.extend(known.failed.iter().map(|why| (format!("✖ the last try: {why}"), theme.medium())));
    lines.extend(fields(state, form));
    let entry = "Enter looks at the change once more; without one, at sending what is wanted again. F5 reads back.";
    lines.extend(before(form, &Step::Entry, entry, theme.normal()));
    let all = known.lines();
    if let Some(change) = change.filter(|_| form.step != Step::Entry) {
        let was = all.iter().find(|line| line.key == change.key);
        let was = was.map_or("not in force", |line| if line.wanted.is_empty() { &line.read } else { &line.wanted });
        lines.push(if change.key.is_empty() {
            ("Send once more all that is wanted, and read it back.".to_owned(), theme.strong())
        } else {
            (format!("{}: {was} -> {}", change.key, change.value), theme.strong())
        });
        let words = "The rest stays as it is wanted, or else as it was read. The terminal is asked what it then has.";
        lines.extend(before(form, &Step::Confirm, words, theme.normal()));
        lines.extend(before(form, &Step::Confirm, "y sends it now, Esc leaves it.", theme.strong()));
        return lines;
    }
    if all.is_empty() {
        lines.push(("Nothing is wanted or known of them.".to_owned(), theme.normal()));
        return lines;
    }
    let columns = |key: &str, wanted: &str, read: &str| {
        format!("{} {} {}", text::fit(key, 30), text::fit(wanted, 18), text::fit(read, 18))
    };
    lines.push((format!("  {}", columns("KEY", "WANTED", "READ BACK")), theme.title()));
    let (differing, same): (Vec<&ParameterLine>, Vec<&ParameterLine>) = all.iter().partition(|line| line.differs);
    for line in differing.into_iter().chain(same) {
        let (shape, style) = if line.differs { ("≠", theme.medium()) } else { (" ", theme.normal()) };
        let value = |value: &str| if value.is_empty() { "—".to_owned() } else { value.to_owned() };
        lines.push((format!("{shape} {}", columns(&line.key, &value(&line.wanted), &value(&line.read))), style));
    }
    lines
}
