//! The only part of the console with a terminal, a clock and a network.

use std::io::stdout;
use std::time::{Duration, Instant};

use crossterm::event::{DisableMouseCapture, EnableMouseCapture, Event, EventStream};
use crossterm::execute;
use futures_util::StreamExt;
use ratatui::DefaultTerminal;
use tokio::sync::mpsc;

use super::client::Client;
use super::message::{Effect, Message};
use super::state::State;
use super::update::update;
use super::view;

/// The clock ticks this often.
const TICK: Duration = Duration::from_millis(100);
/// Answers on their way to the screen at most; `update` has one call of each kind under way.
const ANSWERS_MAX: usize = 64;

/// Gives the terminal back whatever happens: on quitting, on an error, and by the hook on a panic.
struct Guard;

impl Guard {
    fn take() -> anyhow::Result<(Self, DefaultTerminal)> {
        let terminal = ratatui::try_init()?;
        let guard = Self;
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let _ = execute!(stdout(), DisableMouseCapture);
            before(panic);
        }));
        execute!(stdout(), EnableMouseCapture)?;
        Ok((guard, terminal))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = execute!(stdout(), DisableMouseCapture);
        ratatui::restore();
    }
}

/// Runs until the operator quits or the process is told to stop.
pub(crate) async fn interactive(mut state: State, client: Client) -> anyhow::Result<()> {
    let (_guard, mut terminal) = Guard::take()?;
    let size = terminal.size()?;
    update(&mut state, Message::Resize(size.width, size.height));
    let started = Instant::now();
    let (answers, mut answered) = mpsc::channel(ANSWERS_MAX);
    let mut events = EventStream::new();
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut stop = std::pin::pin!(stopped());
    loop {
        terminal.draw(|frame| view::draw(&state, frame))?;
        let message = tokio::select! {
            _ = tick.tick() => None,
            answer = answered.recv() => answer,
            () = &mut stop => return Ok(()),
            event = events.next() => match event {
                Some(Ok(Event::Key(key))) => Some(Message::Key(key)),
                Some(Ok(Event::Mouse(mouse))) => Some(Message::Mouse(mouse)),
                Some(Ok(Event::Resize(width, height))) => Some(Message::Resize(width, height)),
                Some(Ok(_)) => None,
                Some(Err(error)) => return Err(error.into()),
                // The terminal is gone, and with it the operator.
                None => return Ok(()),
            },
        };
        let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut effects = update(&mut state, Message::Clock(ms));
        if let Some(message) = message {
            effects.extend(update(&mut state, message));
        }
        for effect in effects {
            if effect == Effect::Quit {
                return Ok(());
            }
            let (client, answers) = (client.clone(), answers.clone());
            tokio::spawn(async move {
                if let Some(message) = perform(&client, effect).await {
                    // The console is closing when nobody listens.
                    let _ = answers.send(message).await;
                }
            });
        }
    }
}

async fn perform(client: &Client, effect: Effect) -> Option<Message> {
    Some(match effect {
        Effect::FetchAbout => Message::About(client.about().await.ok()?),
        Effect::FetchView => match client.view_and_health().await {
            Ok((view, health)) => Message::View(Box::new(view), health),
            Err(error) => Message::Lost(error.to_string()),
        },
        Effect::FetchDetail(id) => client.detail(id).await,
        Effect::FetchTrend(id) => client.trend(id).await,
        Effect::ReadNow(id) => client.read_now(id).await,
        Effect::ReadParameters(id) => client.read_parameters(id).await,
        Effect::FetchCompleteness(day) => client.completeness(day).await,
        Effect::FetchCurve(past, from, to) => client.curve(past, from, to).await,
        Effect::Collect(id, from, to) => client.collect(id, from, to).await,
        Effect::Ask(asked, request) => client.ask(asked, request).await,
        Effect::FetchGroup(id) => client.group(id).await,
        Effect::FetchDryRun(node, limit_kw) => super::client::dry_run(client, node, limit_kw).await,
        Effect::SetParameters(id, set, reason) => client.set_parameters(id, set, reason).await,
        Effect::FetchResumption => client.resumption().await,
        Effect::Quit => return None,
    })
}

#[cfg(unix)]
async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut hup)) = (signal(SignalKind::terminate()), signal(SignalKind::hangup())) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = hup.recv() => {}
    }
}

#[cfg(not(unix))]
async fn stopped() {
    std::future::pending().await
}
