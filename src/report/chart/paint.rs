//! Puts a graph together: header, panels with grid, line and dots, and the time axis below.

use plotters::style::RGBColor;

use super::layout::{self, Axes, TimeScale};
use super::scale::{Ticks, ValueScale};
use super::surface::{Align, Area, Lettering, Place, Surface};
use super::text::{Face, one_line};
use super::time_ticks::{self, TimeTick};
use super::{Band, GraphSpec, MAX_PANELS, Panel};
use crate::report::grouped;
use crate::support::error::Result;

const BLUE: RGBColor = RGBColor(37, 99, 235);
const RED: RGBColor = RGBColor(220, 20, 30);
const YELLOW: RGBColor = RGBColor(234, 179, 8);
const ORANGE: RGBColor = RGBColor(245, 158, 11);
const VERMILION: RGBColor = RGBColor(234, 88, 12);
const DARK_ORANGE: RGBColor = RGBColor(180, 83, 9);
const INK: RGBColor = RGBColor(17, 24, 39);
const GREY: RGBColor = RGBColor(75, 85, 99);
const FRAME: RGBColor = RGBColor(156, 163, 175);
const GRID: RGBColor = RGBColor(226, 229, 234);
const FAINT_GRID: RGBColor = RGBColor(241, 243, 246);
const SILENCE: RGBColor = RGBColor(107, 114, 128);
const WHITE: RGBColor = RGBColor(255, 255, 255);

const TITLE_SIZE: f32 = 17.0;
const TEXT_SIZE: f32 = 13.0;
const LABEL_SIZE: f32 = 12.0;

const LINE_WIDTH: f32 = 1.4;
const ROW_RADIUS: f32 = 2.4;
const DOT_RADIUS: f32 = 3.6;
const RIM: f32 = 1.2;

/// Series of at most this many rows get a small dot at each row.
const FEW_ROWS: u64 = 100;

/// Above this many dots, those that come within [`COARSE`] pixels of another one are left out: they
/// would lie under it all but the rim.
const MANY_DOTS: usize = 10_000;
const COARSE: i32 = 3;

/// Pixels of height for each label of a value axis.
const LABEL_HEIGHT: i32 = 52;

/// Draws all of `spec` on a surface of `size`.
pub(super) fn graph(
    spec: &GraphSpec<'_>,
    size: (u32, u32),
    surface: &mut impl Surface,
) -> Result<()> {
    let panels = &spec.panels[..spec.panels.len().min(MAX_PANELS)];
    let time = TimeScale::around(panels.iter().map(|panel| panel.trace));
    let ticks = time_ticks::ticks(time.first_us, time.last_us, time.width());
    let frames = layout::frames(panels.len(), size.1);
    for (at, (panel, &frame)) in panels.iter().zip(&frames).enumerate() {
        let value = value_scale(panel, spec);
        let axes = Axes { frame, time, value };
        let name_end = paint_panel(panel, spec.bands, &axes, &ticks, surface)?;
        if at == 0 {
            paint_band_labels(spec.bands, &axes, name_end, surface)?;
        }
    }
    if panels.is_empty() {
        outline(frames[0], surface)?;
    }
    paint_header(spec, surface)?;
    let bottom = frames.last().map_or(0, |frame| frame.bottom);
    paint_time_axis(&time, &ticks, bottom, surface)
}

fn value_scale(panel: &Panel<'_>, spec: &GraphSpec<'_>) -> ValueScale {
    let mut values: Vec<f64> = panel.trace.extremes().collect();
    // Anomalies are rows of the trace as a rule; their extremes are enough where they are not.
    let anomalies = || finite(panel.anomalies).map(|anomaly| anomaly.1);
    values.extend(anomalies().min_by(f64::total_cmp));
    values.extend(anomalies().max_by(f64::total_cmp));
    ValueScale::new(&values, spec.y_scale)
}

fn finite(anomalies: &[(i64, f64)]) -> impl Iterator<Item = (i64, f64)> + '_ {
    anomalies
        .iter()
        .copied()
        .filter(|anomaly| anomaly.1.is_finite())
}

/// Returns where the panel's name ends.
fn paint_panel(
    panel: &Panel<'_>,
    bands: &[Band<'_>],
    axes: &Axes,
    time_ticks: &[TimeTick],
    surface: &mut impl Surface,
) -> Result<f32> {
    let room = (axes.frame.bottom - axes.frame.top) / LABEL_HEIGHT;
    let ticks = axes.value.ticks(room.max(2) as usize);
    paint_silences(panel, axes, surface)?;
    paint_grid(axes, time_ticks, &ticks, surface)?;
    paint_bands(bands, axes, surface)?;
    outline(axes.frame, surface)?;
    paint_line(panel, axes, surface)?;
    paint_anomalies(panel, axes, surface)?;
    paint_value_labels(axes, &ticks, surface)?;
    paint_name(panel, axes, &ticks, surface)
}

fn paint_silences(panel: &Panel<'_>, axes: &Axes, surface: &mut impl Surface) -> Result<()> {
    for (start_us, end_us) in panel.trace.silences() {
        surface.fill(span(axes, start_us, end_us), SILENCE, 0.13)?;
    }
    Ok(())
}

fn paint_grid(
    axes: &Axes,
    time_ticks: &[TimeTick],
    ticks: &Ticks,
    surface: &mut impl Surface,
) -> Result<()> {
    let (named, between): (Vec<_>, Vec<_>) =
        ticks.marks.iter().partition(|mark| !mark.label.is_empty());
    for mark in between {
        surface.fill(row(axes, mark.position), FAINT_GRID, 1.0)?;
    }
    for tick in time_ticks {
        let x = axes.time.x(tick.time_us) as i32;
        let column = Area {
            left: x,
            right: x + 1,
            ..axes.frame
        };
        surface.fill(column, GRID, 1.0)?;
    }
    for mark in named {
        surface.fill(row(axes, mark.position), GRID, 1.0)?;
    }
    Ok(())
}

/// The pixel row of the panel at `position` of its height.
fn row(axes: &Axes, position: f64) -> Area {
    let y = axes.y(position).round() as i32;
    Area {
        top: y,
        bottom: y + 1,
        ..axes.frame
    }
}

/// The part of the panel between two times, at least three pixels wide.
fn span(axes: &Axes, start_us: i64, end_us: i64) -> Area {
    let left = axes.time.x(start_us).round() as i32;
    let right = axes.time.x(end_us).round() as i32;
    Area {
        left,
        right: right.max(left + 3),
        ..axes.frame
    }
}

fn paint_bands(bands: &[Band<'_>], axes: &Axes, surface: &mut impl Surface) -> Result<()> {
    for band in bands.iter().filter(|band| axes.time.shows(band)) {
        let (color, opacity) = shade(band.alarm);
        surface.fill(span(axes, band.start_us, band.end_us), color, opacity)?;
    }
    Ok(())
}

/// The color and opacity of a band.
fn shade(alarm: f32) -> (RGBColor, f64) {
    match alarm {
        a if a < 0.25 => (YELLOW, 0.16),
        a if a < 0.5 => (ORANGE, 0.20),
        a if a < 0.75 => (VERMILION, 0.22),
        _ => (RED, 0.24),
    }
}

/// The labels of `bands` above the panel, right of `free_from`, as far as they leave each other room.
fn paint_band_labels(
    bands: &[Band<'_>],
    axes: &Axes,
    free_from: f32,
    surface: &mut impl Surface,
) -> Result<()> {
    let mut shown: Vec<&Band<'_>> = bands.iter().filter(|band| axes.time.shows(band)).collect();
    shown.sort_by_key(|band| (band.start_us, band.end_us));
    let mut row = LabelRow {
        y: axes.frame.top as f32 - 11.0,
        free_from,
    };
    for band in shown {
        let area = span(axes, band.start_us, band.end_us);
        let middle = (area.left + area.right) as f32 / 2.0;
        row.write(&one_line(band.label), middle, DARK_ORANGE, surface)?;
    }
    Ok(())
}

fn outline(frame: Area, surface: &mut impl Surface) -> Result<()> {
    for side in [
        Area {
            bottom: frame.top + 1,
            ..frame
        },
        Area {
            top: frame.bottom - 1,
            ..frame
        },
        Area {
            right: frame.left + 1,
            ..frame
        },
        Area {
            left: frame.right - 1,
            ..frame
        },
    ] {
        surface.fill(side, FRAME, 1.0)?;
    }
    Ok(())
}

fn paint_line(panel: &Panel<'_>, axes: &Axes, surface: &mut impl Surface) -> Result<()> {
    for stroke in panel.trace.strokes() {
        let places: Vec<Place> = stroke.into_iter().map(|point| axes.place(point)).collect();
        surface.line(&places, LINE_WIDTH, BLUE)?;
        if panel.trace.rows() <= FEW_ROWS || places.len() == 1 {
            surface.dots(&places, ROW_RADIUS, BLUE)?;
        }
    }
    Ok(())
}

fn paint_anomalies(panel: &Panel<'_>, axes: &Axes, surface: &mut impl Surface) -> Result<()> {
    let centers = distinct(panel.anomalies, axes);
    surface.dots(&centers, DOT_RADIUS + RIM, WHITE)?;
    surface.dots(&centers, DOT_RADIUS, RED)
}

/// Where the anomalies stand, each pixel once.
fn distinct(anomalies: &[(i64, f64)], axes: &Axes) -> Vec<Place> {
    let mut dots = distinct_cells(anomalies, axes, 1);
    if dots.len() > MANY_DOTS {
        dots = distinct_cells(anomalies, axes, COARSE);
    }
    dots
}

/// Of the anomalies in each square of `side` pixels one.
fn distinct_cells(anomalies: &[(i64, f64)], axes: &Axes, side: i32) -> Vec<Place> {
    let frame = axes.frame;
    let columns = ((frame.right - frame.left) / side + 1) as usize;
    let rows = ((frame.bottom - frame.top) / side + 1) as usize;
    let mut taken = vec![false; columns * rows];
    let mut dots = Vec::new();
    for anomaly in finite(anomalies) {
        let place = axes.place(anomaly);
        let column = (place.0 as i32 - frame.left) / side;
        let row = (place.1 as i32 - frame.top) / side;
        let cell = row as usize * columns + column as usize;
        if !std::mem::replace(&mut taken[cell], true) {
            dots.push(place);
        }
    }
    dots
}

fn paint_value_labels(axes: &Axes, ticks: &Ticks, surface: &mut impl Surface) -> Result<()> {
    for mark in &ticks.marks {
        let place = (
            axes.frame.left as f32 - 8.0,
            row(axes, mark.position).top as f32 + 0.5,
        );
        surface.text(
            &mark.label,
            place,
            lettering(LABEL_SIZE, GREY, Align::Right),
        )?;
    }
    Ok(())
}

/// The column's name above its panel, with what is to be known of its axis. Returns where it ends.
fn paint_name(
    panel: &Panel<'_>,
    axes: &Axes,
    ticks: &Ticks,
    surface: &mut impl Surface,
) -> Result<f32> {
    let mut remarks = Vec::new();
    if axes.value.is_log() {
        remarks.push("log scale".to_string());
    }
    if let Some(offset) = &ticks.offset {
        remarks.push(format!("labels: + {offset}"));
    }
    if panel.trace.rows() == 0 {
        remarks.push("no rows".to_string());
    }
    let remarks = if remarks.is_empty() {
        String::new()
    } else {
        format!("({})", remarks.join(", "))
    };
    let face = Face::get()?;
    let name = face.shortened(&one_line(panel.name), TEXT_SIZE, 700.0);
    let y = axes.frame.top as f32 - 11.0;
    let left = axes.frame.left as f32;
    surface.text(&name, (left, y), lettering(TEXT_SIZE, INK, Align::Left))?;
    let after = left + face.width(&name, TEXT_SIZE) + 9.0;
    surface.text(
        &remarks,
        (after, y),
        lettering(TEXT_SIZE, GREY, Align::Left),
    )?;
    Ok(after + face.width(&remarks, TEXT_SIZE) + 12.0)
}

fn paint_time_axis(
    time: &TimeScale,
    ticks: &[TimeTick],
    top: i32,
    surface: &mut impl Surface,
) -> Result<()> {
    let top = top as f32;
    let mut rows = [LabelRow::at(top + 14.0), LabelRow::at(top + 30.0)];
    for tick in ticks {
        let x = time.x(tick.time_us);
        let mark = Area {
            left: x as i32,
            right: x as i32 + 1,
            top: top as i32,
            bottom: top as i32 + 4,
        };
        surface.fill(mark, FRAME, 1.0)?;
        rows[0].write(&tick.label, x, INK, surface)?;
        rows[1].write(tick.below.as_deref().unwrap_or(""), x, GREY, surface)?;
    }
    let caption = format!(
        "Time (UTC): {}",
        time_ticks::window(time.rows_us.0, time.rows_us.1)
    );
    let middle = (layout::LEFT + layout::RIGHT) as f32 / 2.0;
    let lettering = lettering(LABEL_SIZE, GREY, Align::Center);
    surface.text(&caption, (middle, top + 52.0), lettering)
}

/// A row of centred labels that keep clear of the canvas's edges and of each other.
struct LabelRow {
    y: f32,
    free_from: f32,
}

impl LabelRow {
    fn at(y: f32) -> Self {
        Self { y, free_from: 4.0 }
    }

    fn write(
        &mut self,
        text: &str,
        x: f32,
        color: RGBColor,
        surface: &mut impl Surface,
    ) -> Result<()> {
        let half = Face::get()?.width(text, LABEL_SIZE) / 2.0;
        let x = x.min(layout::WIDTH as f32 - 4.0 - half);
        if text.is_empty() || x - half < self.free_from {
            return Ok(());
        }
        self.free_from = x + half + 8.0;
        surface.text(
            text,
            (x, self.y),
            lettering(LABEL_SIZE, color, Align::Center),
        )
    }
}

/// The title on the left, the legend on the right of the same line.
fn paint_header(spec: &GraphSpec<'_>, surface: &mut impl Surface) -> Result<()> {
    let y = layout::HEADER as f32 / 2.0 + 5.0;
    let face = Face::get()?;
    let mut right = layout::RIGHT as f32;
    for entry in legend(spec).iter().rev() {
        let text = face.shortened(&entry.text, TEXT_SIZE, 420.0);
        surface.text(&text, (right, y), lettering(TEXT_SIZE, INK, Align::Right))?;
        right -= face.width(&text, TEXT_SIZE) + entry.symbol.width();
        entry.symbol.paint((right, y), surface)?;
        right -= 22.0;
    }
    let room = right - layout::LEFT as f32 - 10.0;
    let title = face.shortened(&one_line(spec.title), TITLE_SIZE, room);
    let lettering = lettering(TITLE_SIZE, INK, Align::Left);
    surface.text(&title, (layout::LEFT as f32, y), lettering)
}

/// One entry of the legend.
struct Entry {
    symbol: Symbol,
    text: String,
}

enum Symbol {
    Line,
    Dot,
    Silence,
    None,
}

impl Symbol {
    /// Width with the space between symbol and text.
    fn width(&self) -> f32 {
        match self {
            Self::Line => 32.0,
            Self::Dot => 14.0,
            Self::Silence => 26.0,
            Self::None => 0.0,
        }
    }

    fn paint(&self, (left, y): Place, surface: &mut impl Surface) -> Result<()> {
        match self {
            Self::Line => surface.line(&[(left, y), (left + 24.0, y)], 2.0, BLUE),
            Self::Dot => surface.dots(&[(left + 5.0, y)], DOT_RADIUS + 0.4, RED),
            Self::Silence => {
                let (left, y) = (left as i32, y as i32);
                let swatch = Area {
                    left,
                    right: left + 18,
                    top: y - 6,
                    bottom: y + 6,
                };
                surface.fill(swatch, SILENCE, 0.25)
            }
            Self::None => Ok(()),
        }
    }
}

fn legend(spec: &GraphSpec<'_>) -> Vec<Entry> {
    let entry = |symbol, text: &str| Entry {
        symbol,
        text: one_line(text),
    };
    let mut entries = vec![
        entry(Symbol::Line, "Normal traffic"),
        entry(
            Symbol::Dot,
            &format!("Anomaly ({})", grouped(anomalous_rows(spec.panels))),
        ),
    ];
    if spec
        .panels
        .iter()
        .any(|panel| !panel.trace.silences().is_empty())
    {
        entries.push(entry(Symbol::Silence, "No rows"));
    }
    if !spec.note.is_empty() {
        entries.push(entry(Symbol::None, spec.note));
    }
    if spec.panels.len() > MAX_PANELS {
        let left_out = spec.panels.len() - MAX_PANELS;
        entries.push(entry(
            Symbol::None,
            &format!("{left_out} more columns not drawn"),
        ));
    }
    entries
}

/// Number of rows marked. Panels that all mark the same times show the columns of the same rows.
fn anomalous_rows(panels: &[Panel<'_>]) -> usize {
    let marks_the_same = |a: &Panel<'_>, b: &Panel<'_>| {
        let (a, b) = (a.anomalies.iter(), b.anomalies.iter());
        a.map(|row| row.0).eq(b.map(|row| row.0))
    };
    let are_same_rows = panels
        .windows(2)
        .all(|pair| marks_the_same(&pair[0], &pair[1]));
    let counts = panels.iter().map(|panel| panel.anomalies.len());
    counts
        .take(if are_same_rows { 1 } else { panels.len() })
        .sum()
}

fn lettering(size: f32, color: RGBColor, align: Align) -> Lettering {
    Lettering { size, color, align }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::chart::Trace;

    #[test]
    fn a_row_that_is_marked_in_every_panel_is_counted_once() {
        let trace = Trace::new(0, 10);
        let panel = |anomalies| Panel {
            name: "value",
            trace: &trace,
            anomalies,
        };
        let marked = |panels: &[Panel<'_>]| anomalous_rows(panels);
        assert_eq!(marked(&[]), 0);
        assert_eq!(
            marked(&[panel(&[(1, 5.0), (2, 6.0)]), panel(&[(1, 50.0), (2, 60.0)])]),
            2
        );
        assert_eq!(marked(&[panel(&[(1, 5.0)]), panel(&[(3, 6.0)])]), 2);
    }
}
