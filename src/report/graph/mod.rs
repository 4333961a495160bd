//! Draws a scanned series: its line in blue, its anomalies as red dots on top.
//!
//! In: one [`Trace`] per value column, the anomalies and some words. Out: the bytes of a PNG or SVG.
//! The same [`GraphSpec`] gives the same bytes. Writing them to disk is left to others.

mod calendar;
mod layout;
mod numbers;
mod paint;
mod scale;
mod surface;
mod text;
mod trace;

use crate::error::{Error, ErrorKind, Result};
pub use trace::Trace;

/// The form of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Pixels.
    #[default]
    Png,
    /// Shapes, which stay sharp at any size.
    Svg,
}

/// The scale of the value axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum YScale {
    /// Equal distances for equal differences.
    Linear,
    /// A symmetric logarithm: a decade for each power of ten on both sides of zero, linear near it.
    Log,
    /// [`YScale::Log`] where a few spikes would flatten all the rest, else [`YScale::Linear`].
    #[default]
    Auto,
}

/// A graph to be drawn.
#[derive(Debug, Clone)]
pub struct GraphSpec<'a> {
    /// Shown above the graph: the input's path. Any text: control characters are escaped, a long
    /// one loses its middle.
    pub title: &'a str,
    /// Shown in the legend, such as `Contamination: 0.01`; may be empty.
    pub note: &'a str,
    /// One panel below the other. At most [`MOST_PANELS`] are drawn; the graph says how many are not.
    pub panels: &'a [Panel<'a>],
    /// Time spans to be marked in every panel.
    pub bands: &'a [Band<'a>],
    /// PNG or SVG.
    pub format: Format,
    /// The scale of every panel's value axis; [`YScale::Auto`] is decided for each panel.
    pub y_scale: YScale,
}

/// One value column of a graph.
#[derive(Debug, Clone)]
pub struct Panel<'a> {
    /// The column's name.
    pub name: &'a str,
    /// What is drawn as a line. Long silences are left open and shaded, since an interpolated line
    /// would show traffic where there was none.
    pub trace: &'a Trace,
    /// Time in microseconds since 1970 (UTC) and value of each anomaly, in any order. All are
    /// counted in the legend; those of one pixel are drawn once.
    pub anomalies: &'a [(i64, f64)],
}

/// A time span to be marked, such as an incident.
#[derive(Debug, Clone, Copy)]
pub struct Band<'a> {
    /// First microsecond since 1970 (UTC).
    pub start_us: i64,
    /// Last microsecond.
    pub end_us: i64,
    /// Written at the top of the span where there is room.
    pub label: &'a str,
}

/// Most panels in one graph: a picture of a thousand columns could neither be held nor be read.
pub const MOST_PANELS: usize = 20;

/// The bytes of the graph that `spec` describes: 1500 pixels wide, and 600 high where it has one panel.
///
/// A PNG of one panel takes some milliseconds, whatever the number of rows was.
/// Values that are not finite are not drawn; a graph without panels or rows is an empty frame.
///
/// # Errors
/// [`ErrorKind::Internal`] when a library below refuses to draw, which no input should bring about.
///
/// ```
/// use isoscan::report::graph::{draw, Format, GraphSpec, Panel, Trace, YScale};
///
/// let minutes: Vec<i64> = (0..600).map(|minute| minute * 60_000_000).collect();
/// let mut values: Vec<f64> = (0..600).map(|minute| 100.0 + f64::from(minute % 60)).collect();
/// values[300] = 900.0;
/// let mut trace = Trace::new(minutes[0], minutes[599]);
/// trace.push(&minutes, &values);
/// let png = draw(&GraphSpec {
///     title: "data/network_traffic.csv",
///     note: "Contamination: 0.01",
///     panels: &[Panel { name: "value", trace: &trace, anomalies: &[(minutes[300], 900.0)] }],
///     bands: &[],
///     format: Format::Png,
///     y_scale: YScale::Auto,
/// })?;
/// assert_eq!(&png[1..4], b"PNG");
/// # Ok::<(), isoscan::error::Error>(())
/// ```
pub fn draw(spec: &GraphSpec<'_>) -> Result<Vec<u8>> {
    let size = layout::size(spec.panels.len().min(MOST_PANELS));
    match spec.format {
        Format::Png => {
            let mut buffer = vec![0; size.0 as usize * size.1 as usize * 3];
            paint::graph(spec, size, &mut surface::Pixels::new(&mut buffer, size)?)?;
            png_bytes(&buffer, size)
        }
        Format::Svg => {
            let mut document = String::new();
            let mut svg = surface::Svg::new(&mut document, size)?;
            paint::graph(spec, size, &mut svg)?;
            svg.finish()?;
            Ok(document.into_bytes())
        }
    }
}

/// The PNG file of `pixels`, three bytes each.
fn png_bytes(pixels: &[u8], (width, height): (u32, u32)) -> Result<Vec<u8>> {
    let failed = |error: png::EncodingError| {
        Error::new(ErrorKind::Internal, "a PNG could not be encoded").caused_by(error)
    };
    let mut file = Vec::with_capacity(1 << 17);
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    // Most pixels are those of the row above, so that this filter leaves runs of zeros, which the
    // fast compressor shortens best.
    encoder.set_filter(png::FilterType::Up);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(file)
}
