//! The demo on a terminal: a picture that moves, and keys that stop and start operators.

use std::time::Duration;

use anyhow::Context;
use crossterm::event::{Event, EventStream, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use futures::StreamExt;
use hearth_sim::demo::{Demo, OperatorView, SlotView, State, Verdict, View};
use hearth_types::Slot;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Paragraph, Row, Table, Wrap};

use super::plain::blocks;

/// Pictures a second, at most.
const REDRAW: Duration = Duration::from_millis(100);
const EMBER: Color = Color::Rgb(255, 155, 94);
const MUTED: Color = Color::DarkGray;

/// Shows the demo until `q`, then gives the verdict.
pub(crate) async fn watch(mut demo: Demo) -> anyhow::Result<Verdict> {
    let mut terminal =
        ratatui::try_init().context("cannot draw on this terminal; try hearth demo --slots 12")?;
    // Also when the demo is dropped from outside.
    let restored = Restored;
    drive(&mut demo, &mut terminal).await?;
    drop(restored);
    Ok(demo.verdict())
}

/// Gives the terminal back when dropped.
struct Restored;

impl Drop for Restored {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

async fn drive(demo: &mut Demo, terminal: &mut ratatui::DefaultTerminal) -> anyhow::Result<()> {
    let mut keys = EventStream::new();
    let mut redraw = tokio::time::interval(REDRAW);
    redraw.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = demo.next() => {}
            _ = redraw.tick() => { terminal.draw(|frame| draw(frame, demo.view()))?; }
            key = keys.next() => match key {
                Some(Ok(Event::Key(key))) if key.kind == KeyEventKind::Press => {
                    if ends(key) {
                        return Ok(());
                    }
                    if let KeyCode::Char(digit @ '1'..='9') = key.code {
                        demo.toggle(u8::try_from(digit.to_digit(10).unwrap_or_default())?)?;
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error).context("cannot read keys"),
                None => return Ok(()),
            },
        }
    }
}

fn ends(key: KeyEvent) -> bool {
    let control_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    control_c || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)
}

fn draw(frame: &mut Frame, view: &View) {
    let operators = u16::try_from(view.operators.len()).unwrap_or(u16::MAX);
    let areas = Layout::vertical([
        Constraint::Length(3),
        Constraint::Length(operators + 3),
        Constraint::Min(5),
        Constraint::Length(3),
    ])
    .split(frame.area());
    let [top, ring, slots, foot] = areas[..] else { return };
    frame.render_widget(headline(view), top);
    frame.render_widget(operator_table(view), ring);
    frame.render_widget(slot_table(view, usize::from(slots.height.saturating_sub(3))), slots);
    let keys =
        "Press an operator's number to stop it (as by a power cut) or to start it again. q ends the demo.";
    frame
        .render_widget(Paragraph::new(keys).wrap(Wrap { trim: true }).fg(MUTED).block(Block::bordered()), foot);
}

fn headline(view: &View) -> Paragraph<'static> {
    let lit = view.running() >= view.threshold;
    let (mark, colour) = if lit { ("▲ ", EMBER) } else { ("△ ", Color::Red) };
    let line = Line::from(vec![Span::from(mark).fg(colour), Span::from(view.sentence()).bold()]);
    Paragraph::new(line)
        .block(Block::bordered().title(" Hearth demo: one cluster, real nodes, a simulated chain "))
}

fn operator_table(view: &View) -> Table<'static> {
    let others = view.operators.len().saturating_sub(1);
    let row = |operator: &OperatorView| {
        let (mark, word, style) = match operator.state {
            State::Running => ("●", "here", Style::new().fg(EMBER)),
            State::Starting => ("◐", "starting", Style::new().fg(Color::Yellow)),
            State::Stopped => ("○", "stopped", Style::new().fg(Color::Red)),
        };
        let pid = operator.pid.map_or_else(|| "–".into(), |pid| pid.to_string());
        let signed = operator.last_signed.map_or_else(|| "–".into(), |slot| format!("slot {slot}"));
        Row::new([
            Cell::from(format!("{mark} operator {}", operator.number)).style(style),
            Cell::from(word).style(style),
            Cell::from(format!("{} of {others}", operator.peers.len())),
            Cell::from(signed),
            Cell::from(pid).fg(MUTED),
        ])
    };
    let widths = [
        Constraint::Length(16),
        Constraint::Length(10),
        Constraint::Length(12),
        Constraint::Length(14),
        Constraint::Min(8),
    ];
    Table::new(view.operators.iter().map(row), widths)
        .header(heading(["operator", "state", "sees peers", "last signed", "process"]))
        .block(Block::bordered().title(" Operators "))
}

fn slot_table(view: &View, rows: usize) -> Table<'static> {
    let newest = view.slots.iter().rev().take(rows).map(|(slot, seen)| slot_row(*slot, seen));
    let widths = [
        Constraint::Length(6),
        Constraint::Length(8),
        Constraint::Length(7),
        Constraint::Length(10),
        Constraint::Length(10),
        Constraint::Length(12),
        Constraint::Min(18),
    ];
    Table::new(newest, widths)
        .header(heading(["slot", "leader", "round", "decided", "handed in", "signed by", "included"]))
        .block(Block::bordered().title(" Duties, newest first "))
}

fn slot_row(slot: Slot, seen: &SlotView) -> Row<'static> {
    let dash = || "–".to_owned();
    let millis = |times: &std::collections::BTreeMap<u8, u64>| {
        times.values().min().map_or_else(dash, |ms| format!("{ms} ms"))
    };
    let signers: Vec<String> = seen.signers.iter().map(u8::to_string).collect();
    let waiting = seen.failures.is_empty() && seen.included < seen.duties;
    let (included, style) = match seen.distance {
        _ if seen.duties == 0 => ("no duty".into(), Style::new().fg(MUTED)),
        Some(distance) if seen.included == seen.duties => {
            let many = if seen.duties > 1 { format!("{} ", seen.duties) } else { String::new() };
            (format!("✓ {many}{}", blocks(distance)), Style::new().fg(Color::Green))
        }
        _ if waiting => ("waiting".into(), Style::new().fg(MUTED)),
        _ => {
            let why = seen.failures.values().next().cloned().unwrap_or_default();
            (format!("✗ missed: {why}"), Style::new().fg(Color::Red))
        }
    };
    Row::new([
        Cell::from(slot.to_string()),
        Cell::from(seen.leader.map_or_else(dash, |leader| leader.to_string())),
        Cell::from(seen.round.map_or_else(dash, |round| round.to_string())),
        Cell::from(millis(&seen.decided_ms)),
        Cell::from(millis(&seen.submitted_ms)),
        Cell::from(if signers.is_empty() { dash() } else { signers.join(" ") }),
        Cell::from(included).style(style),
    ])
}

fn heading<const N: usize>(names: [&'static str; N]) -> Row<'static> {
    Row::new(names).style(Style::new().fg(MUTED).add_modifier(Modifier::ITALIC))
}
