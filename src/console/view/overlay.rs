//! What lies over the body: help, quitting, an acknowledgement's remark, the control dialogue, a node's limit.

use headroom_rules::model::Power;
use headroom_rules::orders::OrderState;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Paragraph};

use super::{acts, text};
use crate::console::keys;
use crate::console::layout;
use crate::console::state::{
    Dialogue, LimitDialogue, LimitStage, Overlay, ResumeDialogue, ResumeStage, Stage, State, Wish,
};

/// Paragraphs with their looks.
pub(super) type Lines = Vec<(String, Style)>;

pub(super) fn draw(state: &State, frame: &mut Frame, area: Rect) {
    let Some(overlay) = &state.overlay else { return };
    let (title, lines, scroll) = content(state, overlay);
    let (lines, area) = laid_out(overlay, lines, area);
    let most = lines.len().saturating_sub(usize::from(area.height.saturating_sub(2)));
    let scroll = scroll.min(u16::try_from(most).unwrap_or(u16::MAX));
    let mut block = Block::bordered().title(format!(" {title} ")).padding(ratatui::widgets::Padding::horizontal(1));
    if most > 0 && matches!(overlay, Overlay::Act(_)) {
        let more = most - usize::from(scroll);
        let words = if more == 0 { " end ".to_owned() } else { format!(" {more} more lines: PgDn ") };
        block = block.title_bottom(Line::raw(words).right_aligned());
    }
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(lines).block(block).scroll((scroll, 0)), area);
}

/// Title, text, and how far it is scrolled.
fn content(state: &State, overlay: &Overlay) -> (&'static str, Lines, u16) {
    match overlay {
        Overlay::Help { scroll } => ("Keys", help(state), *scroll),
        Overlay::Quit => ("Quit?", quit(state), 0),
        Overlay::Comment { alarm, input } => {
            let cause = state.view.alarms.iter().find(|a| a.id == *alarm).map(|a| a.cause.to_string());
            let lines = vec![
                (format!("{alarm} {}", cause.unwrap_or_default()), state.theme.strong()),
                ("A remark, if wanted:".to_owned(), state.theme.normal()),
                (format!("> {}▏", input.value()), state.theme.strong()),
            ];
            ("Acknowledge", lines, 0)
        }
        Overlay::Dialogue(dialogue) => ("Control", control(state, dialogue), 0),
        Overlay::Limit(dialogue) => ("Limit", limit(state, dialogue), 0),
        Overlay::Resume(dialogue) => ("Resume automatic control", resume(state, dialogue), dialogue.scroll),
        Overlay::Act(act) => {
            let (title, lines) = acts::lines(state, act);
            (title, lines, act.form.scroll)
        }
    }
}

/// The text as it is wrapped, and where it lies: an act takes no more than it needs.
fn laid_out(overlay: &Overlay, lines: Lines, area: Rect) -> (Vec<Line<'static>>, Rect) {
    let mut lies = layout::overlay(overlay, area);
    let lines = wrapped(lines, lies.width);
    if matches!(overlay, Overlay::Act(_)) {
        let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX).min(lies.height);
        lies = Rect { y: lies.y + (lies.height - height) / 2, height, ..lies };
    }
    (lines, lies)
}

/// How far the overlay can be scrolled: its last line is then the last on the screen.
pub(crate) fn scroll_max(state: &State) -> u16 {
    let Some(overlay) = &state.overlay else { return 0 };
    let (_, lines, _) = content(state, overlay);
    let (lines, area) = laid_out(overlay, lines, Rect::new(0, 0, state.size.0, state.size.1));
    u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_sub(area.height.saturating_sub(2))
}

/// The lines in an overlay of this width.
fn wrapped(lines: Lines, width: u16) -> Vec<Line<'static>> {
    let width = usize::from(width).saturating_sub(4);
    lines
        .into_iter()
        .flat_map(|(paragraph, style)| {
            // Columns of the help are already cut; wrapping would take their gaps out.
            if text::width(&paragraph) <= width {
                vec![Line::styled(paragraph, style)]
            } else {
                text::wrap(&paragraph, width).into_iter().map(|line| Line::styled(line, style)).collect()
            }
        })
        .collect()
}

/// The table of keys, screen by screen.
fn help(state: &State) -> Lines {
    use keys::Context::{
        Acts, Alarms, CheckBack, Comment, Confirm, Decide, Detail, EntryLook, Events, Filter, GroupApprove,
        GroupExecute, Help, Limit, LimitConfirm, Metering, Node, Orders, Overview, Quit, Resume, ReviewCap, Terminals,
    };
    let everywhere = |b: &keys::Binding| b.contexts.contains(&Overview) && b.contexts.contains(&Events);
    let line = |b: &keys::Binding| (format!("  {}{}", text::fit(&b.names(), 14), b.long()), state.theme.normal());
    let mut lines = vec![("Everywhere".to_owned(), state.theme.title())];
    lines.extend(keys::TABLE.iter().filter(|b| everywhere(b)).map(line));
    for (name, context) in [
        ("Overview", Overview),
        ("Node", Node),
        ("Limit: figure and reason", Limit),
        ("Limit: last look", LimitConfirm),
        ("Terminals", Terminals),
        ("Filter", Filter),
        ("Terminal", Detail),
        ("Control: review (Tab with a cap only)", ReviewCap),
        ("Control: checked back", CheckBack),
        ("Alarms", Alarms),
        ("Acknowledge", Comment),
        ("Orders", Orders),
        ("Events", Events),
        ("Meter reading", Metering),
        ("Acts: proposals, group orders, targets, tags", Acts),
        ("Act: fields (F5 where the centre reckons)", EntryLook),
        ("Act: last look", Confirm),
        ("Proposal: last look", Decide),
        ("Group order: the second person", GroupApprove),
        ("Group order: execute", GroupExecute),
        ("Resume automatic control", Resume),
        ("Quit", Quit),
        ("Help", Help),
    ] {
        lines.push((name.to_owned(), state.theme.title()));
        lines.extend(keys::bindings(context).filter(|b| !everywhere(b)).map(line));
    }
    lines.push(("Mouse".to_owned(), state.theme.title()));
    for (what, does) in keys::MOUSE {
        lines.push((format!("  {}{does}", text::fit(what, 14)), state.theme.normal()));
    }
    lines
}

fn quit(state: &State) -> Lines {
    let mut lines = vec![("Orders of yours are selected and not executed:".to_owned(), state.theme.strong())];
    for order in state.my_selected() {
        lines.push((format!("  {} {}: {}", order.id, order.terminal, order.action), state.theme.normal()));
    }
    lines.push(("y: quit, they expire by themselves.  w: withdraw them now.".to_owned(), state.theme.normal()));
    lines
}

fn control(state: &State, dialogue: &Dialogue) -> Lines {
    let theme = state.theme;
    let mut lines = review(state, dialogue);
    lines.push((String::new(), theme.normal()));
    match &dialogue.stage {
        Stage::Review => {
            let caret = |here: bool| if here { "▏" } else { "" };
            if dialogue.wish == Wish::Cap {
                let text = format!("Cap in kW (0 lifts it): {}{}", dialogue.cap.value(), caret(dialogue.in_cap));
                lines.push((text, theme.strong()));
            }
            let text = format!("Why, for the audit log: {}{}", dialogue.reason.value(), caret(!dialogue.in_cap));
            lines.push((text, theme.strong()));
            lines.push(("Nothing has been sent yet.".to_owned(), theme.normal()));
        }
        Stage::Asking => lines.push(("◌ Asking the centre to select …".to_owned(), theme.active())),
        Stage::Ended { sentence } => lines.push((format!("✖ {sentence}"), theme.medium())),
        Stage::Following { order: id, executing, cancelling } => {
            lines.extend(following(state, *id, *executing, *cancelling));
        }
    }
    if let Some(note) = &dialogue.note {
        lines.push((format!("! {note}"), theme.medium()));
    }
    lines
}

/// What is going to happen, to whom.
fn review(state: &State, dialogue: &Dialogue) -> Lines {
    let theme = state.theme;
    let wish = match (dialogue.action, dialogue.wish) {
        (Some(action), _) => action.to_string(),
        (None, Wish::Trip(round)) => format!("trip round {round}"),
        (None, Wish::Restore(round)) => format!("restore round {round}"),
        (None, Wish::Cap) => "set the power cap".to_owned(),
    };
    let mut lines = vec![(format!("{}: {wish}", dialogue.terminal), theme.strong())];
    let Some(terminal) = state.terminal(dialogue.terminal) else {
        lines.push(("This terminal is not in the view any more.".to_owned(), theme.medium()));
        return lines;
    };
    let customer = terminal.customer.as_ref().map_or("none", |c| c.as_str());
    let class = terminal.priority.map_or_else(|| "—".to_owned(), |class| class.to_string());
    lines.push((format!("Customer     {} ({customer}), class {class}", terminal.name), theme.normal()));
    lines.push(if terminal.guaranteed {
        ("Guaranteed   YES: a trip will be refused".to_owned(), theme.medium())
    } else {
        ("Guaranteed   no".to_owned(), theme.normal())
    });
    lines.push((
        format!(
            "Load         {} kW ({}), contract {} kW, floor {}",
            text::kw(terminal.power),
            text::quality(terminal.quality, terminal.stale, terminal.frozen),
            text::kw(terminal.contract),
            terminal.safety_floor
        ),
        theme.normal(),
    ));
    if !terminal.link_up {
        lines.push(("Link         ✖ DOWN: the select will be refused".to_owned(), theme.medium()));
    }
    let (Wish::Trip(number) | Wish::Restore(number)) = dialogue.wish else { return lines };
    let Some(round) = terminal.rounds.iter().find(|r| r.round == number) else { return lines };
    if let Some(why) = acts::forbids::why(state, dialogue.terminal, number, matches!(dialogue.wish, Wish::Trip(_))) {
        lines.push((format!("✖ It will be refused: {why}"), theme.medium()));
    }
    let (shape, position) = text::position(round.position);
    lines.push((
        format!("Round {number}      {}: {shape} {position}, {} kW behind it", round.name, text::kw(round.power)),
        theme.normal(),
    ));
    if let (Wish::Trip(_), Some(load), Some(power)) = (dialogue.wish, terminal.power, round.power) {
        let left = load - power;
        let (words, style) = if left < terminal.safety_floor {
            ("BELOW the safety floor", theme.medium())
        } else {
            ("above the safety floor", theme.normal())
        };
        let left = if left < Power::ZERO { Power::ZERO } else { left };
        lines.push((format!("Would leave  about {left}, {words}"), style));
    }
    lines
}

fn limit(state: &State, dialogue: &LimitDialogue) -> Lines {
    let theme = state.theme;
    let wish = match dialogue.stage {
        LimitStage::Confirm(limit) | LimitStage::Asking(limit) | LimitStage::Done(limit) => {
            format!("set the limit to {limit}")
        }
        LimitStage::Entry | LimitStage::Failed(_) => "set the limit".to_owned(),
    };
    let mut lines = vec![(format!("{}: {wish}", dialogue.node), theme.strong())];
    let Some(node) = state.node(dialogue.node) else {
        lines.push(("This node is not in the view any more.".to_owned(), theme.medium()));
        return lines;
    };
    let figure = |name: &str, power: Option<Power>| (format!("{name:12} {} kW", text::kw(power)), theme.normal());
    lines.push(figure("Load now", node.load.power()));
    lines.push(figure("In force", node.limit));
    lines.push(figure("Rating", node.rated));
    lines.push((String::new(), theme.normal()));
    let why = |caret: &str| (format!("Why, for the audit log: {}{caret}", dialogue.reason.value()), theme.strong());
    let caret = |here: bool| if here { "▏" } else { "" };
    match &dialogue.stage {
        LimitStage::Entry => {
            let text = format!("Limit in kW: {}{}", dialogue.limit.value(), caret(!dialogue.in_reason));
            lines.push((text, theme.strong()));
            lines.push(why(caret(dialogue.in_reason)));
            lines.push(("The rating ends the setting. Nothing has been sent yet.".to_owned(), theme.normal()));
        }
        LimitStage::Confirm(limit) => {
            lines.push(why(""));
            lines.push(match node.load.power() {
                Some(load) if load > *limit => {
                    (format!("The load is {} OVER that: the rule will shed.", load - *limit), theme.medium())
                }
                Some(load) => (format!("Leaves a headroom of {}.", *limit - load), theme.normal()),
                None => ("The load is not known: no limit is kept until it is.".to_owned(), theme.medium()),
            });
            lines.push(("y sets it now, Esc leaves it as it is.".to_owned(), theme.strong()));
        }
        LimitStage::Asking(_) => lines.push(("◌ Asking the centre …".to_owned(), theme.active())),
        LimitStage::Done(limit) => lines.push((format!("✔ The limit is {limit} now."), theme.strong())),
        LimitStage::Failed(sentence) => lines.push((format!("✖ {sentence}"), theme.medium())),
    }
    if let Some(note) = &dialogue.note {
        lines.push((format!("! {note}"), theme.medium()));
    }
    lines
}

/// What resuming would do, in full: nobody is to resume what they have not seen.
fn resume(state: &State, dialogue: &ResumeDialogue) -> Lines {
    let theme = state.theme;
    let mut lines = Lines::new();
    match &dialogue.stage {
        ResumeStage::Look => {}
        ResumeStage::Asking => return vec![("◌ Asking the centre …".to_owned(), theme.active())],
        ResumeStage::Ended(sentence) => return vec![(sentence.clone(), theme.strong())],
    }
    if let Some(stopped) = &state.view.stopped {
        let why = if stopped.reason.is_empty() { "" } else { ": " };
        let since = state.now().since(stopped.since);
        lines.push((format!("Stopped by {} {since} ago{why}{}", stopped.by, stopped.reason), theme.strong()));
    }
    lines.push((format!("Why resume, for the audit log: {}▏", dialogue.reason.value()), theme.strong()));
    match &dialogue.preview {
        None => lines.push(("◌ The centre reckons what the rules would do …".to_owned(), theme.active())),
        Some(Err(sentence)) => {
            lines.push((format!("✖ What they would do is not known: {sentence}"), theme.medium()));
            lines.push(("F5 asks again. Without it nothing is resumed.".to_owned(), theme.normal()));
        }
        Some(Ok(preview)) => {
            let begins = format!("With the loads of {}Z, within {}:", text::clock(preview.at), preview.within);
            lines.push((begins, theme.title()));
            if preview.acts.is_empty() {
                lines.push(("nothing would be shed and nothing restored.".to_owned(), theme.normal()));
            }
            for act in &preview.acts {
                lines.push((act.what.to_string(), super::lists::event_style(state, &act.what)));
            }
            lines.push(("Enter resumes, Esc leaves it stopped, F5 looks again.".to_owned(), theme.strong()));
        }
    }
    lines
}

fn following(state: &State, id: headroom_rules::orders::OrderId, executing: bool, cancelling: bool) -> Lines {
    let theme = state.theme;
    let Some(order) = state.order(id) else {
        return vec![(format!("◌ {id}: waiting for the terminal's check-back …"), theme.active())];
    };
    let left = order.expires_at.since(state.now());
    let countdown = format!("expires in {} s ({left} of the centre's time)", state.wall_s(left));
    let detail = if order.detail.is_empty() { String::new() } else { format!(": {}", order.detail) };
    let style = theme.order(order.state);
    let mut lines = vec![(format!("{id} is {}{detail}", order.state), style)];
    match order.state {
        OrderState::Approved => {
            let waiting = state.view.waiting.iter().position(|waiting| waiting.order == id);
            let place = waiting.map_or_else(String::new, |place| format!(", place {}", place + 1));
            let why = waiting.and_then(|place| state.view.waiting.get(place)).map_or("", |waiting| &waiting.why);
            lines.push((format!("◌ Waiting for its turn{place}: {why}; {countdown}"), theme.active()));
        }
        OrderState::Selecting => {
            lines.push((format!("◌ Waiting for the terminal's check-back; {countdown}"), theme.active()));
        }
        OrderState::Selected if executing => {
            lines.push(("◌ Asking the centre to execute …".to_owned(), theme.active()))
        }
        OrderState::Selected if cancelling => lines.push(("◌ Withdrawing the select …".to_owned(), theme.active())),
        OrderState::Selected if state.checked_back().is_some() => {
            lines.push((format!("✔ CHECK-BACK: {} confirmed: {}", order.terminal, order.action), theme.strong()));
            lines.push((format!("x executes it now, Esc withdraws it; {countdown}"), theme.strong()));
        }
        OrderState::Selected if !state.live() => {
            let why = state.why_not_live().unwrap_or_default();
            lines.push((format!("Execute is not offered: {why}."), theme.medium()));
        }
        OrderState::Selected if left.get() <= 0 => {
            lines.push(("The select has run out: execute is not offered.".to_owned(), theme.medium()));
        }
        OrderState::Selected => lines.push((
            format!("✖ The check-back is {} {}, not what was asked: withdraw it.", order.terminal, order.action),
            theme.high(),
        )),
        OrderState::Executing => lines.push(("◌ The execute is under way …".to_owned(), theme.active())),
        OrderState::Executed => {
            lines.push(("◌ The terminal took it; its effect is being measured …".to_owned(), theme.active()))
        }
        OrderState::Unknown => lines.push((
            "? Nobody knows whether it took effect: the point is being read, nothing is sent again.".to_owned(),
            theme.medium(),
        )),
        OrderState::Confirmed => lines.push(("✔ The effect is confirmed.".to_owned(), theme.strong())),
        OrderState::Verified => {
            lines.push(("✔ The effect is confirmed, and the power is measured to be gone.".to_owned(), theme.strong()));
        }
        OrderState::Refused | OrderState::Cancelled | OrderState::Expired => {
            lines.push(("Nothing was switched.".to_owned(), theme.normal()));
        }
        OrderState::Failed => lines.push(("✖ It did not have the wanted effect.".to_owned(), theme.high())),
    }
    if order.power_before.is_some() || order.power_after.is_some() {
        let text = format!(
            "kW behind the round: before {}, after {}",
            text::kw(order.power_before),
            text::kw(order.power_after)
        );
        lines.push((text, theme.normal()));
    }
    lines
}
