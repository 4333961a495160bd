//! Pixels -> the bytes of a PNG file.
//!
//! A graph has few colors and large equal areas: stored as one byte for each pixel with a table of
//! colors, it takes a third of the time and a fifth of the space of three bytes for each.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::ZlibEncoder;

use crate::support::error::{Error, ErrorKind, Result};

/// Red, green and blue.
type Rgb = [u8; 3];

/// Leading bits of each channel in which colors have to agree to be stored as one. With five the
/// difference is that between two shades at the edge of a letter; two are enough for any image.
const FINEST_BITS: u32 = 5;
const COARSEST_BITS: u32 = 2;

/// Most colors that a PNG's table holds.
const MAX_COLORS: usize = 256;

/// How hard to compress. On graphs of a thousand rows, 1.4 ms give 44 KB at level 1, 2.0 ms give 30 KB at
/// level 2, 4.1 ms give 28 KB at level 4; the png crate's own fast mode takes 1.5 ms for 70 KB.
const LEVEL: u32 = 2;

/// The PNG file of an image `width` pixels wide, whose `buffer` has three bytes for each pixel.
pub(super) fn png_file(buffer: &[u8], (width, height): (u32, u32)) -> Result<Vec<u8>> {
    let failed = |error: png::EncodingError| {
        Error::new(ErrorKind::Internal, "a PNG could not be encoded").caused_by(error)
    };
    let (pixels, _) = buffer.as_chunks::<3>();
    let runs = runs(pixels);
    let table = ColorTable::of(&runs);
    let mut file = Vec::with_capacity(1 << 16);
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(table.colors.concat());
    let mut writer = encoder.write_header().map_err(failed)?;
    let data = compressed(&table.indexes(&runs), width as usize)
        .map_err(|cause| failed(png::EncodingError::IoError(cause)))?;
    writer
        .write_chunk(png::chunk::IDAT, &data)
        .map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(file)
}

/// The compressed rows of an image. Rows are left unfiltered: equal rows of equal indexes compress better than
/// the differences that a filter makes of a line's edges.
fn compressed(indexes: &[u8], width: usize) -> io::Result<Vec<u8>> {
    const NO_FILTER: u8 = 0;
    let mut rows = Vec::with_capacity(indexes.len() + indexes.len() / width.max(1));
    for row in indexes.chunks(width.max(1)) {
        rows.push(NO_FILTER);
        rows.extend_from_slice(row);
    }
    let mut encoder = ZlibEncoder::new(Vec::with_capacity(1 << 16), Compression::new(LEVEL));
    encoder.write_all(&rows)?;
    encoder.finish()
}

/// The colors of an image, at most [`MAX_COLORS`].
///
/// Similar colors share a place: those that agree in the leading `bits` of each channel.
struct ColorTable {
    bits: u32,
    colors: Vec<Rgb>,
    /// For each [`cell`] of similar colors its place in `colors`.
    places: Vec<u16>,
}

impl ColorTable {
    /// The finest table that is small enough.
    fn of(runs: &[Run]) -> Self {
        (COARSEST_BITS..=FINEST_BITS)
            .rev()
            .map(|bits| Self::with_bits(runs, bits))
            .find(|table| table.colors.len() <= MAX_COLORS)
            .unwrap_or_else(|| Self::with_bits(runs, COARSEST_BITS))
    }

    fn with_bits(runs: &[Run], bits: u32) -> Self {
        const UNSEEN: u16 = u16::MAX;
        let mut places = vec![UNSEEN; 1 << (3 * bits)];
        let mut colors = Vec::new();
        for run in runs {
            let place = &mut places[cell(run.color, bits)];
            if *place == UNSEEN {
                *place = colors.len() as u16;
                colors.push(run.color);
            }
        }
        Self {
            bits,
            colors,
            places,
        }
    }

    /// The place of each pixel's color.
    fn indexes(&self, runs: &[Run]) -> Vec<u8> {
        let mut indexes = Vec::with_capacity(runs.iter().map(|run| run.length).sum());
        for run in runs {
            let place = self.places[cell(run.color, self.bits)] as u8;
            indexes.resize(indexes.len() + run.length, place);
        }
        indexes
    }
}

/// Neighbouring pixels of one color.
struct Run {
    color: Rgb,
    length: usize,
}

fn runs(pixels: &[Rgb]) -> Vec<Run> {
    let runs = pixels.chunk_by(|a, b| a == b);
    runs.map(|run| Run {
        color: run[0],
        length: run.len(),
    })
    .collect()
}

/// The number of the group of similar colors that `color` belongs to.
fn cell(color: Rgb, bits: u32) -> usize {
    color.iter().fold(0, |cell, &channel| {
        cell << bits | usize::from(channel >> (8 - bits))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::chart::tests::decoded;

    #[test]
    fn few_colors_come_back_as_they_were() {
        let image = [255, 255, 255, 37, 99, 235, 220, 20, 30, 255, 255, 255];
        let file = png_file(&image, (2, 2)).unwrap();
        assert_eq!(decoded(&file), (2, 2, image.to_vec()));
    }

    #[test]
    fn any_number_of_colors_comes_back_almost_as_it_was() {
        let image: Vec<u8> = (0..64u32 * 64)
            .flat_map(|at| [(at % 64) as u8 * 4, (at / 64) as u8 * 4, 128])
            .collect();
        let (_, _, back) = decoded(&png_file(&image, (64, 64)).unwrap());
        assert!(back.iter().zip(&image).all(|(a, b)| a.abs_diff(*b) < 64));
    }
}
