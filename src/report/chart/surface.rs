//! The few strokes that a graph is made of, on pixels or as SVG.
//!
//! plotters holds both canvases. Lines, dots and text on pixels are anti-aliased here, since its own
//! rasteriser knows whole pixels only and drops the space in front of each letter.

use ab_glyph_rasterizer::{Point as RasterPoint, Rasterizer, point};
use plotters::backend::{BitMapBackend, DrawingBackend, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontDesc, FontFamily, FontStyle, RGBColor, ShapeStyle, TextStyle};

use super::text::{FAMILY, Face, GlyphCache};
use crate::support::error::{Error, ErrorKind, Result};

/// A place on the canvas: x to the right and y downwards, in pixels.
pub(super) type Place = (f32, f32);

/// A rectangle in whole pixels; `right` and `bottom` lie just outside of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    pub left: i32,
    pub top: i32,
    pub right: i32,
    pub bottom: i32,
}

/// Which part of a text stands at the place given for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Center,
    Right,
}

/// How a text looks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lettering {
    /// Pixels per em.
    pub size: f32,
    pub color: RGBColor,
    pub align: Align,
}

/// Something to draw on.
pub(super) trait Surface {
    /// Fills `area` with `color`, `opacity` from 0 (not at all) to 1.
    fn fill(&mut self, area: Area, color: RGBColor, opacity: f64) -> Result<()>;

    /// A line through `places`, `width` pixels wide.
    fn line(&mut self, places: &[Place], width: f32, color: RGBColor) -> Result<()>;

    /// Filled circles.
    fn dots(&mut self, centers: &[Place], radius: f32, color: RGBColor) -> Result<()>;

    /// `text` with the middle of its capitals at `place`.
    fn text(&mut self, text: &str, place: Place, lettering: Lettering) -> Result<()>;
}

/// Pixels: three bytes each, red, green, blue.
pub(super) struct Pixels<'a> {
    canvas: BitMapBackend<'a>,
    size: (u32, u32),
    glyphs: GlyphCache,
}

impl<'a> Pixels<'a> {
    /// A white canvas of `width x height` pixels on `buffer`, which has three bytes for each.
    pub(super) fn new(buffer: &'a mut [u8], size: (u32, u32)) -> Result<Self> {
        buffer.fill(0xff);
        Ok(Self {
            canvas: BitMapBackend::with_buffer_and_format(buffer, size).map_err(refused)?,
            size,
            glyphs: GlyphCache::default(),
        })
    }

    /// The part of the canvas that `places` and `around` pixels on each side of them take.
    fn area_around(&self, places: &[Place], around: f32) -> Area {
        let bounds = |coordinate: fn(&Place) -> f32, end: u32| {
            let low = places.iter().map(coordinate).fold(f32::INFINITY, f32::min);
            let high = places.iter().map(coordinate).fold(0.0, f32::max);
            let low = (low - around).floor().max(0.0) as i32;
            let high = (high + around).ceil() as i32 + 1;
            (low, high.min(end as i32).max(low))
        };
        let (left, right) = bounds(|place| place.0, self.size.0);
        let (top, bottom) = bounds(|place| place.1, self.size.1);
        Area {
            left,
            top,
            right,
            bottom,
        }
    }
}

fn fill(canvas: &mut impl DrawingBackend, area: Area, color: RGBColor, opacity: f64) -> Result<()> {
    let (from, to) = ((area.left, area.top), (area.right, area.bottom));
    canvas
        .draw_rect(from, to, &color.mix(opacity), true)
        .map_err(refused)
}

impl Surface for Pixels<'_> {
    fn fill(&mut self, area: Area, color: RGBColor, opacity: f64) -> Result<()> {
        fill(&mut self.canvas, area, color, opacity)
    }

    fn line(&mut self, places: &[Place], width: f32, color: RGBColor) -> Result<()> {
        let area = self.area_around(places, width);
        let (columns, rows) = (area.right - area.left, area.bottom - area.top);
        let mut mask = Rasterizer::new(columns as usize, rows as usize);
        for pair in places.windows(2) {
            add_segment(&mut mask, pair[0], pair[1], width, area);
        }
        let mut brush = Brush::new(&mut self.canvas, color);
        mask.for_each_pixel(|at, share| {
            // Most pixels of the area are not covered, but for what is left of rounded sums.
            if share > FAINTEST {
                let (x, y) = (at as i32 % columns, at as i32 / columns);
                brush.touch(area.left + x, area.top + y, share);
            }
        });
        brush.finish()
    }

    fn dots(&mut self, centers: &[Place], radius: f32, color: RGBColor) -> Result<()> {
        for &center in centers {
            let area = self.area_around(&[center], radius);
            let mut brush = Brush::new(&mut self.canvas, color);
            for y in area.top..area.bottom {
                for x in area.left..area.right {
                    let distance = (x as f32 + 0.5 - center.0).hypot(y as f32 + 0.5 - center.1);
                    brush.touch(x, y, radius + 0.5 - distance);
                }
            }
            brush.finish()?;
        }
        Ok(())
    }

    fn text(&mut self, text: &str, place: Place, lettering: Lettering) -> Result<()> {
        let width = Face::get()?.width(text, lettering.size);
        let left = match lettering.align {
            Align::Left => place.0,
            Align::Center => place.0 - width / 2.0,
            Align::Right => place.0 - width,
        };
        // Capitals are 0.73 em high.
        let baseline = (place.1 + 0.365 * lettering.size).round() as i32;
        let mut brush = Brush::new(&mut self.canvas, lettering.color);
        let pen = (left, baseline);
        self.glyphs.draw(text, lettering.size, pen, |x, y, share| {
            brush.touch(x, y, share);
        })?;
        brush.finish()
    }
}

/// Blends one color into single pixels.
struct Brush<'b, 'a> {
    canvas: &'b mut BitMapBackend<'a>,
    color: RGBColor,
    outcome: Result<()>,
}

/// Shades between not covered and covered: enough for smooth edges, few enough for a PNG's table
/// of colors.
const SHADES: f32 = 12.0;

/// Below this share covered a pixel stays as it is.
const FAINTEST: f32 = 0.5 / SHADES;

impl<'b, 'a> Brush<'b, 'a> {
    fn new(canvas: &'b mut BitMapBackend<'a>, color: RGBColor) -> Self {
        Self {
            canvas,
            color,
            outcome: Ok(()),
        }
    }

    /// Covers `share` of a pixel: none of it up to 0, all of it from 1.
    fn touch(&mut self, x: i32, y: i32, share: f32) {
        // Rounded by a cast: this runs for every pixel of every line, and `round` is a call.
        let shade = ((share * SHADES + 0.5) as i32).min(SHADES as i32);
        if shade >= 1 {
            let color = self.color.mix(f64::from(shade) / f64::from(SHADES));
            if let Err(error) = self.canvas.draw_pixel((x, y), color.to_backend_color()) {
                self.outcome = Err(refused(error));
            }
        }
    }

    fn finish(self) -> Result<()> {
        self.outcome
    }
}

/// Adds the outline of a line from `from` to `to` to `mask`, which covers `area`.
fn add_segment(mask: &mut Rasterizer, from: Place, to: Place, width: f32, area: Area) {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx.hypot(dy);
    if length == 0.0 {
        return;
    }
    let (aside_x, aside_y) = (-dy / length * width / 2.0, dx / length * width / 2.0);
    let corner = |end: Place, side: f32| -> RasterPoint {
        point(
            end.0 + side * aside_x - area.left as f32,
            end.1 + side * aside_y - area.top as f32,
        )
    };
    // All outlines run the same way round, so that they add up instead of cutting holes into each
    // other.
    let corners = [
        corner(from, 1.0),
        corner(to, 1.0),
        corner(to, -1.0),
        corner(from, -1.0),
    ];
    for at in 0..4 {
        mask.draw_line(corners[at], corners[(at + 1) % 4]);
    }
}

/// An SVG document.
pub(super) struct Svg<'a> {
    canvas: SVGBackend<'a>,
}

impl<'a> Svg<'a> {
    /// A white page of `width x height` whose text goes to `document`.
    pub(super) fn new(document: &'a mut String, size: (u32, u32)) -> Result<Self> {
        let mut svg = Self {
            canvas: SVGBackend::with_string(document, size),
        };
        let page = Area {
            left: 0,
            top: 0,
            right: size.0 as i32,
            bottom: size.1 as i32,
        };
        svg.fill(page, RGBColor(255, 255, 255), 1.0)?;
        Ok(svg)
    }

    /// Closes the document.
    pub(super) fn finish(mut self) -> Result<()> {
        self.canvas.present().map_err(refused)
    }
}

impl Surface for Svg<'_> {
    fn fill(&mut self, area: Area, color: RGBColor, opacity: f64) -> Result<()> {
        fill(&mut self.canvas, area, color, opacity)
    }

    fn line(&mut self, places: &[Place], width: f32, color: RGBColor) -> Result<()> {
        let mut places: Vec<(i32, i32)> = places.iter().map(whole).collect();
        places.dedup();
        let style = ShapeStyle {
            color: color.to_rgba(),
            filled: false,
            stroke_width: width.round().max(1.0) as u32,
        };
        self.canvas.draw_path(places, &style).map_err(refused)
    }

    fn dots(&mut self, centers: &[Place], radius: f32, color: RGBColor) -> Result<()> {
        for center in centers {
            self.canvas
                .draw_circle(whole(center), radius.round() as u32, &color, true)
                .map_err(refused)?;
        }
        Ok(())
    }

    fn text(&mut self, text: &str, place: Place, lettering: Lettering) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        // plotters counts a font's size from the foot of a "g" to the top of an "Å".
        let size = f64::from(lettering.size) * 1.24;
        let font = FontDesc::new(FontFamily::Name(FAMILY), size, FontStyle::Normal);
        let horizontal = match lettering.align {
            Align::Left => HPos::Left,
            Align::Center => HPos::Center,
            Align::Right => HPos::Right,
        };
        let style = TextStyle::from(font)
            .color(&lettering.color)
            .pos(Pos::new(horizontal, VPos::Center));
        // Its center is that of small letters; capitals reach 0.09 em further.
        let place = (place.0, place.1 + 0.09 * lettering.size);
        self.canvas
            .draw_text(text, &style, whole(&place))
            .map_err(refused)
    }
}

fn whole(place: &Place) -> (i32, i32) {
    (place.0.round() as i32, place.1.round() as i32)
}

fn refused(error: impl std::error::Error) -> Error {
    Error::new(
        ErrorKind::Internal,
        format!("a graph could not be drawn: {error}"),
    )
}
