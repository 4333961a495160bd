//! Text of any origin made fit to be drawn, and measured in the embedded font.

use std::collections::HashMap;
use std::sync::OnceLock;

use ab_glyph::{Font, FontRef, GlyphId, PxScale, ScaleFont, point};

use crate::support::error::{Error, ErrorKind, Result, printable};

/// DejaVu Sans; its licence lies beside it.
static FONT_FILE: &[u8] = include_bytes!("../font/DejaVuSans.ttf");

/// What viewers of an SVG are asked for: the embedded font, or one as wide.
pub(super) const FAMILY: &str = "DejaVu Sans, Verdana, sans-serif";

/// Characters at either end of a long text that are looked at when it is shortened.
const LOOKED_AT: usize = 300;

/// Positions within a pixel at which a glyph may begin.
const SUBPIXELS: f32 = 4.0;

/// The embedded font.
pub(super) struct Face {
    font: FontRef<'static>,
}

impl Face {
    /// The font, parsed once per process.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] when the font file that was compiled in is broken.
    pub(super) fn get() -> Result<&'static Self> {
        static FACE: OnceLock<Option<Face>> = OnceLock::new();
        FACE.get_or_init(|| {
            let font = FontRef::try_from_slice(FONT_FILE).ok()?;
            Some(Self { font })
        })
        .as_ref()
        .ok_or_else(|| Error::new(ErrorKind::Internal, "the embedded font cannot be read"))
    }

    /// Width of `text` in pixels at `size` pixels per em.
    pub(super) fn width(&self, text: &str, size: f32) -> f32 {
        let mut end = 0.0;
        self.place(text, size, |_, _, next| end = next);
        end
    }

    /// `text`, or its beginning and end around an ellipsis such that it is at most `width` wide.
    ///
    /// The end gets the larger half: that is where a path names its file.
    pub(super) fn shortened(&self, text: &str, size: f32, width: f32) -> String {
        if text.len() <= 4 * LOOKED_AT && self.width(text, size) <= width {
            return text.to_string();
        }
        let characters: Vec<char> = text.chars().collect();
        let most = (2 * LOOKED_AT).min(characters.len().saturating_sub(1));
        let with_kept = |kept: usize| {
            let head = kept * 2 / 5;
            let (head, tail) = (
                &characters[..head],
                &characters[characters.len() - (kept - head)..],
            );
            let ellipsis = std::iter::once(&'…');
            head.iter().chain(ellipsis).chain(tail).collect::<String>()
        };
        let sizes: Vec<usize> = (0..=most).collect();
        let fitting = sizes.partition_point(|&kept| self.width(&with_kept(kept), size) <= width);
        with_kept(fitting.saturating_sub(1))
    }

    /// Calls `draw` for each glyph of `text` with its pen position and that of the next one.
    fn place(&self, text: &str, size: f32, mut draw: impl FnMut(GlyphId, f32, f32)) {
        let scaled = self.font.as_scaled(self.scale(size));
        let mut pen = 0.0;
        let mut previous = None;
        for character in text.chars() {
            let glyph = scaled.glyph_id(character);
            if let Some(previous) = previous {
                pen += scaled.kern(previous, glyph);
            }
            let next = pen + scaled.h_advance(glyph);
            draw(glyph, pen, next);
            (pen, previous) = (next, Some(glyph));
        }
    }

    fn scale(&self, size: f32) -> PxScale {
        self.font
            .pt_to_px_scale(size * 0.75)
            .unwrap_or(PxScale::from(size))
    }
}

/// The glyphs drawn so far, as coverage: digits and letters come again and again.
#[derive(Default)]
pub(super) struct GlyphCache {
    glyphs: HashMap<(u16, u32, u8), Coverage>,
}

/// The covered pixels of a glyph relative to its pen position, each with its share covered.
type Coverage = Vec<(i32, i32, f32)>;

impl GlyphCache {
    /// Calls `paint` with x, y and the share covered for each pixel of `text`, whose pen starts at
    /// `left` on the line `baseline`.
    pub(super) fn draw(
        &mut self,
        text: &str,
        size: f32,
        (left, baseline): (f32, i32),
        mut paint: impl FnMut(i32, i32, f32),
    ) -> Result<()> {
        let face = Face::get()?;
        face.place(text, size, |glyph, pen, _| {
            let steps = ((left + pen) * SUBPIXELS).round() as i32;
            let column = steps.div_euclid(SUBPIXELS as i32);
            let within = steps.rem_euclid(SUBPIXELS as i32) as u8;
            let coverage = self
                .glyphs
                .entry((glyph.0, size.to_bits(), within))
                .or_insert_with(|| face.coverage(glyph, size, f32::from(within) / SUBPIXELS));
            for &(x, y, share) in coverage.iter() {
                paint(column + x, baseline + y, share);
            }
        });
        Ok(())
    }
}

impl Face {
    fn coverage(&self, glyph: GlyphId, size: f32, shift: f32) -> Coverage {
        let glyph = glyph.with_scale_and_position(self.scale(size), point(shift, 0.0));
        let mut coverage = Vec::new();
        if let Some(outline) = self.font.outline_glyph(glyph) {
            let corner = outline.px_bounds().min;
            outline.draw(|x, y, share| {
                if share > 0.0 {
                    let (x, y) = (corner.x as i32 + x as i32, corner.y as i32 + y as i32);
                    coverage.push((x, y, share.min(1.0)));
                }
            });
        }
        coverage
    }
}

/// `text` on one line, without characters that steer a terminal, the direction of writing or an
/// XML parser.
pub(super) fn one_line(text: &str) -> String {
    printable(text).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_loses_its_middle_and_keeps_more_of_its_end() {
        let face = Face::get().unwrap();
        let path = "archive/2014/april/edge-router-07/interface-eth0/network_traffic.csv";
        assert_eq!(face.shortened(path, 16.0, 1000.0), path);
        assert_eq!(
            face.shortened(path, 16.0, 300.0),
            "archive/2014/…0/network_traffic.csv"
        );
        for width in [20.0, 100.0, 250.0, 500.0] {
            assert!(face.width(&face.shortened(path, 16.0, width), 16.0) <= width);
        }
    }

    #[test]
    fn a_text_of_a_million_characters_is_shortened_at_once() {
        let shortened = Face::get()
            .unwrap()
            .shortened(&"ä".repeat(1_000_000), 16.0, 300.0);
        assert!(shortened.chars().count() < 60);
    }

    #[test]
    fn nothing_fits_no_width() {
        let face = Face::get().unwrap();
        assert_eq!(face.shortened("abc", 16.0, 0.0), "…");
        assert_eq!(face.shortened("", 16.0, 0.0), "");
    }

    #[test]
    fn control_characters_and_those_that_xml_forbids_are_replaced() {
        assert_eq!(
            one_line("a\nb\u{1b}\u{202e}\u{ffff}日"),
            "a\\nb\\u{1b}\\u{202e}\u{fffd}日"
        );
    }

    #[test]
    fn a_character_that_the_font_lacks_leaves_a_mark() {
        let mut pixels = 0;
        GlyphCache::default()
            .draw("日", 16.0, (0.0, 20), |_, _, _| pixels += 1)
            .unwrap();
        assert!(pixels > 20);
    }
}
