//! The pictures: their size, what is drawn in which colour, and that any name can be lettered.

use std::io::Cursor;

use crate::traffic::{blank_time, calm, csv, lines, traffic};
use crate::workdir::Workdir;

const BLUE: [u8; 3] = [37, 99, 235];
const RED: [u8; 3] = [220, 20, 30];

/// Width, height and pixels of a PNG.
fn decode(bytes: Vec<u8>) -> (u32, u32, Vec<[u8; 3]>) {
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().unwrap();
    let mut buffer = vec![0; reader.output_buffer_size()];
    let frame = reader.next_frame(&mut buffer).unwrap();
    let channels = frame.color_type.samples();
    assert!(channels >= 3, "{:?}", frame.color_type);
    let pixels = buffer[..frame.buffer_size()].chunks_exact(channels);
    let pixels = pixels.map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
    (frame.width, frame.height, pixels)
}

fn count(pixels: &[[u8; 3]], color: [u8; 3]) -> usize {
    pixels.iter().filter(|&&pixel| pixel == color).count()
}

/// Checks that every element of an XML text is closed, in order, and that its text is escaped; returns
/// what it says between the tags.
fn xml_text(xml: &str) -> String {
    let mut open: Vec<&str> = Vec::new();
    let mut said = String::new();
    let mut rest = xml;
    while let Some(start) = rest.find('<') {
        let (text, tag) = rest.split_at(start);
        assert!(!text.contains('>'), "{text}");
        said.push_str(text);
        let mut quoted = false;
        let end = tag
            .find(|character| {
                quoted ^= character == '"';
                character == '>' && !quoted
            })
            .expect("a tag that is not closed");
        let inner = &tag[1..end];
        if let Some(name) = inner.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name.trim()));
        } else if !inner.ends_with('/') && !inner.starts_with(['?', '!']) {
            open.push(inner.split_whitespace().next().unwrap());
        }
        assert!(!inner.contains('<'), "{inner}");
        rest = &tag[end + 1..];
    }
    assert_eq!(open, Vec::<&str>::new());
    for entity in said.split('&').skip(1) {
        let name = entity.split(';').next().unwrap();
        assert!(
            ["amp", "lt", "gt", "quot", "apos"].contains(&name) || name.starts_with('#'),
            "&{entity}"
        );
    }
    said
}

#[test]
fn a_graph_is_1500_by_600_pixels_with_a_blue_line_and_red_points() {
    let work = Workdir::with(&[("in.csv", &csv(&traffic()))]);
    work.run("scan in.csv -q").ends(0);
    let (width, height, pixels) = decode(work.bytes("output/in_graph_0.01.png"));
    assert_eq!((width, height), (1500, 600));
    assert!(count(&pixels, BLUE) > 1500, "{}", count(&pixels, BLUE));
    let red = count(&pixels, RED);
    assert!(red > 4 * 10, "{red}");

    // Without an anomaly there is red in the legend at most.
    work.run("scan in.csv -q --threshold 1 -o calm").ends(0);
    let (.., pixels) = decode(work.bytes("calm/in_graph_threshold_1.png"));
    assert!(
        count(&pixels, RED) < red / 2,
        "{} {red}",
        count(&pixels, RED)
    );
}

#[test]
fn an_anomaly_stays_visible_however_many_rows_share_its_pixel() {
    // More than ten rows a pixel, and one of them far above all others.
    let work = Workdir::new();
    let mut rows = calm(20_000);
    rows[12_360].value = 9e6;
    work.write("in.csv", csv(&rows));
    work.run("scan in.csv -q -c 0.00005 --trees 3000 --y-scale linear")
        .ends(0);
    assert_eq!(work.json("output/summary.json")["totals"]["anomalies"], 1);
    let (width, _, pixels) = decode(work.bytes("output/in_graph_0.00005.png"));
    // It stands at 62 % of the width between the axes, away from the legend.
    let red = pixels
        .iter()
        .enumerate()
        .filter(|&(_, &pixel)| pixel == RED);
    let columns = red.map(|(at, _)| at % width as usize);
    let at_the_spike = columns
        .filter(|column| (850..1000).contains(column))
        .count();
    assert!(at_the_spike >= 10, "{at_the_spike}");
}

#[test]
fn several_columns_get_a_panel_each() {
    let text = lines("timestamp,bytes,packets", &traffic(), |row| {
        format!(
            "{},{},{}",
            blank_time(row.time_us),
            row.value,
            5000.0 - row.value % 300.0
        )
    });
    let work = Workdir::with(&[("in.csv", &text)]);
    work.run("scan in.csv -q --value-column bytes").ends(0);
    let (_, _, one) = decode(work.bytes("output/in_graph_0.01.png"));
    work.run("scan in.csv -q --value-column bytes --value-column packets")
        .ends(0);
    let (width, _, two) = decode(work.bytes("output/in_graph_0.01.png"));
    assert_eq!(width, 1500);
    assert!(count(&two, BLUE) > count(&one, BLUE));
    work.run("scan in.csv -q --value-column bytes --value-column packets --graph-format svg")
        .ends(0);
    let said = xml_text(&work.text("output/in_graph_0.01.svg"));
    assert!(said.contains("bytes") && said.contains("packets"), "{said}");
}

#[test]
fn a_vector_graph_is_well_formed_and_says_what_it_shows() {
    let work = Workdir::with(&[("in.csv", &csv(&traffic()))]);
    work.run("scan in.csv -q --graph-format svg -c 0.01")
        .ends(0);
    let svg = work.text("output/in_graph_0.01.svg");
    let said = xml_text(&svg);
    assert!(svg.contains("width=\"1500\"") && svg.contains("height=\"600\""));
    assert!(said.contains("in.csv"), "{said}");
    assert!(said.contains("Contamination: 0.01"), "{said}");
}

#[test]
fn markup_in_a_name_stays_text() {
    let work = Workdir::new();
    let name = "<script>alert('1')<&amp;.csv";
    work.write(&name.replace('/', ""), csv(&traffic()));
    work.run_args(&["scan", name, "-q", "--graph-format", "svg"])
        .ends(0);
    let svg = work
        .files("output")
        .into_iter()
        .find(|name| name.ends_with(".svg"))
        .unwrap();
    let svg = work.text(&format!("output/{svg}"));
    assert!(!svg.contains("<script"));
    xml_text(&svg);
}

#[test]
fn any_name_can_be_drawn() {
    let work = Workdir::new();
    let text = csv(&traffic());
    let long = format!(
        "{}/{}.csv",
        ["a-long-folder-name"; 9].join("/"),
        "x".repeat(180)
    );
    let names = [
        "Übersicht/трафик.csv",
        "ネットワーク.csv",
        "🚀 .csv",
        "e\u{301}\u{202e}.csv",
        long.as_str(),
    ];
    for name in names {
        work.write(&format!("logs/{name}"), &text);
    }
    for format in ["png", "svg"] {
        work.run(&format!("scan logs -q --graph-format {format} -o {format}"))
            .ends(0);
        let graphs: Vec<String> = work
            .files(format)
            .into_iter()
            .filter(|name| name.ends_with(format))
            .collect();
        assert_eq!(graphs.len(), names.len());
        for graph in graphs {
            let bytes = work.bytes(&format!("{format}/{graph}"));
            match format {
                "png" => assert_eq!(decode(bytes).0, 1500),
                _ => drop(xml_text(std::str::from_utf8(&bytes).unwrap())),
            }
        }
    }
}

#[test]
fn every_scale_draws_every_kind_of_values() {
    let work = Workdir::new();
    type ValueOf = fn(usize) -> f64;
    let kinds: [(&str, ValueOf); 6] = [
        ("ordinary", |at| (at * 37 % 101) as f64),
        ("negative", |at| -((at * 37 % 101) as f64) - 1.0),
        ("constant", |_| 5.0),
        ("zero", |_| 0.0),
        ("huge", |at| if at % 50 == 0 { f64::MAX } else { -f64::MAX }),
        ("tiny", |at| at as f64 * 5e-324),
    ];
    for (name, value) in kinds {
        let rows = calm(120);
        let text: String = rows
            .iter()
            .enumerate()
            .map(|(at, row)| format!("{},{:e}\n", blank_time(row.time_us), value(at)))
            .collect();
        work.write(
            &format!("logs/{name}.csv"),
            format!("timestamp,value\n{text}"),
        );
    }
    let mut pictures = Vec::new();
    for scale in ["linear", "log", "auto"] {
        work.run(&format!("scan logs -q --y-scale {scale} -o {scale}"))
            .ends(0);
        for (name, _) in kinds {
            let bytes = work.bytes(&format!("{scale}/{name}_graph_0.01.png"));
            assert_eq!(decode(bytes.clone()).1, 600);
            if name == "ordinary" {
                pictures.push(bytes);
            }
        }
    }
    // Values within two powers of ten need no logarithm.
    assert!(pictures[0] != pictures[1] && pictures[0] == pictures[2]);
}

#[test]
fn any_span_of_time_can_be_drawn() {
    let work = Workdir::new();
    let spans: [(&str, i64); 5] = [
        ("micro", 1),
        ("second", 1_000_000),
        ("day", 86_400_000_000),
        ("decades", 40 * 86_400_000_000),
        ("same", 0),
    ];
    for (name, step_us) in spans {
        let rows: String = (0..150)
            .map(|at| {
                let time = crate::traffic::time(at * step_us, "%Y-%m-%d %H:%M:%S%.6f");
                format!("{time},{}\n", at * 37 % 101)
            })
            .collect();
        work.write(
            &format!("logs/{name}.csv"),
            format!("timestamp,value\n{rows}"),
        );
    }
    work.write(
        "logs/ages.csv",
        "timestamp,value\n0001-01-01 00:00:00,1\n9999-12-31 23:59:59,2\n",
    );
    work.run("scan logs -q").ends(0);
    for (name, _) in spans {
        decode(work.bytes(&format!("output/{name}_graph_0.01.png")));
    }
    decode(work.bytes("output/ages_graph_0.01.png"));
}
