//! Where the parts of a graph stand on its canvas, and the way from time and value to pixels.

use super::Band;
use super::scale::ValueScale;
use super::surface::{Area, Place};
use super::trace::{COLUMNS, Trace};

/// Width of every graph.
pub(super) const WIDTH: u32 = 1500;

/// Height of a graph with one panel.
const HEIGHT: u32 = 600;

/// Heights of a panel where there are two, and where there are more.
const PANEL_OF_TWO: u32 = 330;
const PANEL_OF_MANY: u32 = 230;

/// Space for the title and the legend.
pub(super) const HEADER: i32 = 42;

/// Space above each panel for its name.
pub(super) const NAME: i32 = 24;

/// Space below the lowest panel for the labels of the time axis.
pub(super) const FOOTER: i32 = 70;

/// Space left of the panels for the labels of the value axis.
pub(super) const LEFT: i32 = 84;

/// Pixels between the frame and the first and last time.
const INSIDE: i32 = 10;

/// Right edge of the panels.
pub(super) const RIGHT: i32 = LEFT + COLUMNS as i32 + 2 * INSIDE;

/// Width and height of a graph with `panels` panels.
pub(super) fn size(panels: usize) -> (u32, u32) {
    let around = (HEADER + FOOTER) as u32;
    let height = match panels {
        0 | 1 => HEIGHT,
        2 => around + 2 * PANEL_OF_TWO,
        many => around + many as u32 * PANEL_OF_MANY,
    };
    (WIDTH, height)
}

/// The frames of all panels, from the top to the bottom, on a canvas `height` pixels high.
pub(super) fn frames(panels: usize, height: u32) -> Vec<Area> {
    let panels = panels.max(1) as i32;
    let each = (height as i32 - HEADER - FOOTER) / panels;
    (0..panels)
        .map(|at| Area {
            left: LEFT,
            top: HEADER + at * each + NAME,
            right: RIGHT,
            bottom: HEADER + (at + 1) * each,
        })
        .collect()
}

/// The time axis: the same for all panels of a graph.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct TimeScale {
    /// Time at the left end.
    pub first_us: i64,
    /// Time at the right end, always later.
    pub last_us: i64,
    /// The times of the first and the last row.
    pub rows_us: (i64, i64),
}

impl TimeScale {
    /// The window that holds those of all `traces`; a minute around a single moment.
    pub(super) fn around<'a>(traces: impl Iterator<Item = &'a Trace>) -> Self {
        let windows: Vec<(i64, i64)> = traces.map(Trace::window_us).collect();
        let first_us = windows.iter().map(|window| window.0).min().unwrap_or(0);
        let last_us = windows.iter().map(|window| window.1).max().unwrap_or(0);
        const HALF_MINUTE: i64 = 30_000_000;
        let around = if first_us < last_us { 0 } else { HALF_MINUTE };
        Self {
            first_us: first_us.saturating_sub(around),
            last_us: last_us.saturating_add(around),
            rows_us: (first_us, last_us),
        }
    }

    /// Where `time_us` stands; times outside are drawn at the edge.
    pub(super) fn x(&self, time_us: i64) -> f32 {
        let since = time_us
            .clamp(self.first_us, self.last_us)
            .abs_diff(self.first_us);
        let share = since as f64 / self.last_us.abs_diff(self.first_us) as f64;
        (f64::from(LEFT + INSIDE) + share * COLUMNS as f64) as f32
    }

    /// Whether any part of `band` lies in the window.
    pub(super) fn shows(&self, band: &Band<'_>) -> bool {
        band.start_us <= band.end_us
            && band.start_us <= self.last_us
            && band.end_us >= self.first_us
    }

    /// Pixels from the first to the last time.
    pub(super) fn width(&self) -> f64 {
        COLUMNS as f64
    }
}

/// The way from a row to its place in one panel.
#[derive(Debug, Clone)]
pub(super) struct Axes {
    pub frame: Area,
    pub time: TimeScale,
    pub value: ValueScale,
}

impl Axes {
    pub(super) fn place(&self, (time_us, value): (i64, f64)) -> Place {
        (self.time.x(time_us), self.y(self.value.position(value)))
    }

    /// The height at `position`: 0 at the bottom of the frame, 1 at its top.
    pub(super) fn y(&self, position: f64) -> f32 {
        let height = f64::from(self.frame.bottom - self.frame.top);
        (f64::from(self.frame.bottom) - position * height) as f32
    }
}
