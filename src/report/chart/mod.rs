//! Draws a scanned series: its line in blue, its anomalies as red dots on top.
//!
//! In: one [`Trace`] per value column, the anomalies and some words. Out: the bytes of a PNG or SVG.
//! The same [`GraphSpec`] gives the same bytes. Writing them to disk is left to others.

mod encode;
mod layout;
mod numbers;
mod paint;
mod scale;
mod surface;
mod text;
mod time_ticks;
mod trace;

use serde::{Deserialize, Serialize};

use crate::support::error::Result;
pub use trace::Trace;

/// The form of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GraphFormat {
    /// Pixels.
    #[default]
    Png,
    /// Shapes, which stay sharp at any size.
    Svg,
}

/// The scale of the value axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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
    /// One panel below the other. At most [`MAX_PANELS`] are drawn; the graph says how many are not.
    pub panels: &'a [Panel<'a>],
    /// Time spans to be marked in every panel.
    pub bands: &'a [Band<'a>],
    /// PNG or SVG.
    pub format: GraphFormat,
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
    /// Time in microseconds since 1970 (UTC) and value of each anomaly, in any order. The legend
    /// counts them all, once where all panels mark the same times; those of one pixel are drawn once.
    pub anomalies: &'a [(i64, f64)],
}

/// A time span to be marked, such as an incident.
#[derive(Debug, Clone, Copy)]
pub struct Band<'a> {
    /// First microsecond since 1970 (UTC).
    pub start_us: i64,
    /// Last microsecond; a band that ends before it starts is not drawn.
    pub end_us: i64,
    /// Written above the span where there is room.
    pub label: &'a str,
    /// How strongly the span is colored: from 0, pale yellow, to 1, red.
    pub alarm: f32,
}

/// Most panels in one graph: a picture of a thousand columns could neither be held nor be read.
pub const MAX_PANELS: usize = 20;

/// The bytes of the graph that `spec` describes: 1500 pixels wide, and 600 high where it has one panel.
///
/// A PNG of one panel takes some milliseconds, whatever the number of rows was.
/// Values that are not finite are not drawn; a graph without panels or rows is an empty frame.
///
/// # Errors
/// [`ErrorKind::Internal`](crate::support::error::ErrorKind::Internal) when a library below refuses to draw,
/// which no input should bring about.
///
/// ```
/// use isoscan::report::chart::{draw, GraphFormat, GraphSpec, Panel, Trace, YScale};
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
///     format: GraphFormat::Png,
///     y_scale: YScale::Auto,
/// })?;
/// assert_eq!(&png[1..4], b"PNG");
/// # Ok::<(), isoscan::Error>(())
/// ```
pub fn draw(spec: &GraphSpec<'_>) -> Result<Vec<u8>> {
    let size = layout::size(spec.panels.len().min(MAX_PANELS));
    match spec.format {
        GraphFormat::Png => {
            let mut buffer = vec![0; size.0 as usize * size.1 as usize * 3];
            paint::graph(spec, size, &mut surface::Pixels::new(&mut buffer, size)?)?;
            encode::png_file(&buffer, size)
        }
        GraphFormat::Svg => {
            let mut document = String::new();
            let mut svg = surface::Svg::new(&mut document, size)?;
            paint::graph(spec, size, &mut svg)?;
            svg.finish()?;
            Ok(document.into_bytes())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTE: i64 = 60_000_000;
    const START: i64 = 1_397_088_240_000_000;

    /// Width, height and the red, green and blue bytes of a PNG file.
    pub(super) fn decoded(file: &[u8]) -> (u32, u32, Vec<u8>) {
        let mut decoder = png::Decoder::new(file);
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size()];
        let info = reader.next_frame(&mut pixels).unwrap();
        (info.width, info.height, pixels)
    }

    /// Number of clearly red and of clearly blue pixels.
    fn red_and_blue(pixels: &[u8]) -> (usize, usize) {
        let (pixels, _) = pixels.as_chunks::<3>();
        let red = |&&[r, g, b]: &&[u8; 3]| r > 180 && g < 60 && b < 60;
        let blue = |&&[r, g, b]: &&[u8; 3]| b > 180 && r < 80 && g < 130;
        (
            pixels.iter().filter(red).count(),
            pixels.iter().filter(blue).count(),
        )
    }

    fn trace_of(rows: &[(i64, f64)]) -> Trace {
        let first_us = rows.iter().map(|row| row.0).min().unwrap_or(0);
        let last_us = rows.iter().map(|row| row.0).max().unwrap_or(0);
        let (times, values): (Vec<i64>, Vec<f64>) = rows.iter().copied().unzip();
        let mut trace = Trace::new(first_us, last_us);
        trace.push(&times, &values);
        trace
    }

    fn spiked_rows() -> Vec<(i64, f64)> {
        (0..1000)
            .map(|at| {
                (
                    START + at * MINUTE,
                    if at == 500 {
                        900.0
                    } else {
                        100.0 + (at % 60) as f64
                    },
                )
            })
            .collect()
    }

    fn draw_one(
        rows: &[(i64, f64)],
        anomalies: &[(i64, f64)],
        title: &str,
        format: GraphFormat,
        y_scale: YScale,
    ) -> Vec<u8> {
        let panel = Panel {
            name: "value",
            trace: &trace_of(rows),
            anomalies,
        };
        draw(&GraphSpec {
            title,
            note: "Contamination: 0.01",
            panels: &[panel],
            bands: &[Band {
                start_us: START,
                end_us: START + 60 * MINUTE,
                label: "high",
                alarm: 0.7,
            }],
            format,
            y_scale,
        })
        .unwrap()
    }

    #[test]
    fn a_graph_is_1500_by_600_with_a_blue_line_and_a_red_dot() {
        let rows = spiked_rows();
        let (width, height, with) = decoded(&draw_one(
            &rows,
            &rows[500..501],
            "a",
            GraphFormat::Png,
            YScale::Linear,
        ));
        let (_, _, without) = decoded(&draw_one(&rows, &[], "a", GraphFormat::Png, YScale::Linear));
        assert_eq!((width, height), (1500, 600));
        let (with, without) = (red_and_blue(&with), red_and_blue(&without));
        assert!(with.0 - without.0 > 25, "{with:?} {without:?}");
        assert!(with.1 > 1000, "{with:?}");
    }

    #[test]
    fn panels_stand_below_each_other_up_to_a_limit() {
        let trace = trace_of(&spiked_rows());
        let panels = vec![
            Panel {
                name: "value",
                trace: &trace,
                anomalies: &[]
            };
            1000
        ];
        let heights = [0, 1, 2, 3, 1000].map(|count| {
            let spec = GraphSpec {
                title: "a",
                note: "",
                panels: &panels[..count],
                bands: &[],
                format: GraphFormat::Png,
                y_scale: YScale::Auto,
            };
            decoded(&draw(&spec).unwrap()).1
        });
        assert_eq!(heights, [600, 600, 772, 802, 4712]);
    }

    #[test]
    fn an_svg_escapes_markup_in_the_title() {
        let title = "<script>alert('\"&')</script>\n.csv";
        let svg = draw_one(&spiked_rows(), &[], title, GraphFormat::Svg, YScale::Auto);
        let svg = String::from_utf8(svg).unwrap();
        assert!(!svg.contains("<script"));
        assert!(svg.contains("&lt;script&gt;alert(&apos;&quot;&amp;&apos;)&lt;/script&gt;\\n.csv"));
        assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
    }

    #[test]
    fn the_same_graph_gives_the_same_bytes() {
        let rows = spiked_rows();
        let draw = |format| draw_one(&rows, &rows[490..510], "a", format, YScale::Auto);
        for format in [GraphFormat::Png, GraphFormat::Svg] {
            assert_eq!(draw(format), draw(format));
        }
    }

    #[test]
    fn a_million_anomalies_are_drawn_as_few_dots() {
        let rows: Vec<(i64, f64)> = (0..1_000_000)
            .map(|at| (START + at, (at * 7919 % 104_729) as f64))
            .collect();
        let svg = draw_one(&rows, &rows, "a", GraphFormat::Svg, YScale::Auto);
        assert!(svg.len() < 25_000_000, "{}", svg.len());
        assert!(
            String::from_utf8(svg)
                .unwrap()
                .contains("Anomaly (1,000,000)")
        );
    }

    fn any_value() -> impl Strategy<Value = f64> {
        prop_oneof![
            any::<f64>(),
            -1e9..1e9,
            Just(0.0),
            Just(1e308),
            Just(-1e308),
            Just(5e-324)
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_times_values_or_titles_break_it(
            rows in prop::collection::vec((prop_oneof![any::<i64>(), 0..10i64], any_value()), 0..40),
            anomalies in prop::collection::vec((any::<i64>(), any_value()), 0..5),
            title in ".{0,200}",
        ) {
            for format in [GraphFormat::Png, GraphFormat::Svg] {
                for y_scale in [YScale::Linear, YScale::Log, YScale::Auto] {
                    draw_one(&rows, &anomalies, &title, format, y_scale);
                }
            }
        }
    }
}
