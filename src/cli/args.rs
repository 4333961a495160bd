//! What can be typed: commands, and groups of flags that commands share.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use clap::builder::PossibleValue;
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::values::{Every, parse_count, parse_every, parse_size, parse_yes_no};
use crate::detect::{Detector, Severity, ThresholdRule};
use crate::forest::SampleSize;
use crate::generate::records::{LogFormat, Rotation};
use crate::group::{By, Measure};
use crate::input::logs::Join;
use crate::report::Graphs;
use crate::report::ScoresFormat;
use crate::report::chart::{GraphFormat, YScale};
use crate::report::summary::ExitCodes;

/// Scans archives of network-traffic logs for anomalies: floods, data being carried off, services
/// gone silent
///
/// Unsupervised (isolation forest), over any number of files in one run. Exit codes: 0 every input was
/// scanned; 1 some input failed or nothing was found to scan; 2 wrong usage; 3 with --fail-on: an incident
/// of that severity was found; 130 or 143 the run was interrupted, and what was finished is whole.
#[derive(Debug, Parser)]
#[command(
    name = "isoscan",
    version,
    propagate_version = true,
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub struct Cli {
    /// What is to be done.
    #[command(subcommand)]
    pub command: Command,
}

/// A command with its arguments.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Scan logs: a graph and a table of anomalies for each file, and one table for all
    Scan(Box<ScanArgs>),
    /// Sum record logs into the table of series, one row an entity and bucket of time
    Aggregate(Box<AggregateArgs>),
    /// Make labelled synthetic traffic for demonstrations, tests and benchmarks
    Generate(GenerateArgs),
    /// Compare a detector's scores and alarms with labelled events: how many found, how many false
    Evaluate(Box<EvaluateArgs>),
    /// Measure each stage of a scan on given files: rows and bytes a second, peak memory
    Bench(Box<BenchArgs>),
    /// Print this help, or that of a command
    Help(HelpArgs),
    /// Print the version
    Version,
    /// Print a text that the arguments ask for, such as the help of `scan -h`.
    #[command(skip)]
    Print(String),
}

/// Arguments of `scan`.
#[derive(Debug, Args)]
pub struct ScanArgs {
    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    pub records: RecordArgs,
    #[command(flatten)]
    pub detection: DetectionArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub running: RunningArgs,
    #[command(flatten)]
    pub scan: ScanRunningArgs,
    #[command(flatten)]
    pub talk: TalkArgs,
}

/// Arguments of `aggregate`.
#[derive(Debug, Args)]
#[command(
    after_help = "The table has the columns log, by, entity, timestamp, every and the measures, one row a bucket; 'isoscan scan' reads it, also several as their sum."
)]
pub struct AggregateArgs {
    /// File to write: the ending .parquet or .csv says in which form
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,

    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    pub records: RecordArgs,
    #[command(flatten)]
    pub running: RunningArgs,
    #[command(flatten)]
    pub talk: TalkArgs,
}

/// Arguments of `evaluate`.
#[derive(Debug, Args)]
#[command(
    after_help = "PATH is the results of a scan with --scores (files or folders), or data to run the detector on now."
)]
pub struct EvaluateArgs {
    /// Labels: isoscan's own (*.labels.json), or windows as in the Numenta Anomaly Benchmark
    ///
    /// A folder stands for all *.labels.json in it. Repeatable.
    #[arg(long, value_name = "FILE", required = true)]
    pub labels: Vec<PathBuf>,

    /// Leave out VUS-PR, which takes long where there are many events
    #[arg(long)]
    pub no_vus: bool,

    /// Print the evaluation as JSON
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    pub detection: DetectionArgs,
    #[command(flatten)]
    pub running: RunningArgs,
}

/// Arguments of `bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Runs of each stage; the medians are reported
    #[arg(long, value_name = "N", value_parser = parse_count, default_value = "5")]
    pub runs: NonZeroUsize,

    /// Print the measurements as JSON
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    pub detection: DetectionArgs,
    #[command(flatten)]
    pub running: RunningArgs,
}

/// Arguments of `generate`.
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// File to write, or with --files, --rotate or --sample the folder; - writes to standard output, without
    /// labels
    #[arg(value_name = "PATH")]
    pub path: PathBuf,

    /// Write the sample data that ships with isoscan
    #[arg(long, conflicts_with_all = [
        "format", "rows", "files", "seed", "step", "start", "columns", "events", "calm", "hosts", "records", "hours",
        "rotate",
    ])]
    pub sample: bool,

    /// First timestamp, UTC
    #[arg(long, value_name = "TIME", default_value = "2026-03-02 00:00:00")]
    pub start: String,

    /// Events, as flood,silence
    ///
    /// In each series: spike, flood, exfiltration, drop, silence, shift, pattern [default:
    /// spike,flood,exfiltration,drop,silence]. In a record log, each at a host of its own: flood, exfiltration,
    /// scan, silence [default: all].
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    pub events: Vec<String>,

    /// Write traffic without events
    #[arg(long, conflicts_with = "events")]
    pub calm: bool,

    /// Seed of everything random; the same seed gives the same bytes
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,

    #[command(flatten)]
    pub series: SeriesArgs,
    #[command(flatten)]
    pub records: RecordLogArgs,
}

/// What series are made.
#[derive(Debug, Args)]
#[command(next_help_heading = "Series")]
pub struct SeriesArgs {
    /// Rows in each file
    #[arg(long, value_name = "N", default_value_t = 4032)]
    pub rows: u64,

    /// Write N files into the folder PATH
    #[arg(long, value_name = "N")]
    pub files: Option<u64>,

    /// Seconds between rows
    #[arg(long, value_name = "SECONDS", default_value_t = 300.0)]
    pub step: f64,

    /// Write bytes, packets and flows in place of one value column
    #[arg(long)]
    pub columns: bool,
}

/// What record log is made.
#[derive(Debug, Args)]
#[command(next_help_heading = "Record logs")]
pub struct RecordLogArgs {
    /// Write a record log of a network in this format, in place of series
    #[arg(long, value_name = "FORMAT", value_enum, conflicts_with_all = ["rows", "files", "step", "columns"])]
    pub format: Option<LogFormat>,

    /// Hosts of the network
    #[arg(long, value_name = "N", default_value_t = 100, requires = "format")]
    pub hosts: usize,

    /// Records in all, about, without those of the events
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1_000_000,
        requires = "format"
    )]
    pub records: u64,

    /// Hours that the log lasts
    #[arg(long, value_name = "N", default_value_t = 240, requires = "format")]
    pub hours: u64,

    /// Begin a new part this often, below the folder PATH, gzipped and named as by the exporter
    #[arg(
        long,
        value_name = "WHEN",
        value_enum,
        default_value = "never",
        requires = "format"
    )]
    pub rotate: Rotation,
}

/// Arguments of `help`.
#[derive(Debug, Args)]
pub struct HelpArgs {
    /// The command to print the help of
    #[arg(value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// What is read, and how: shared by all commands that read logs.
#[derive(Debug, Args)]
#[command(next_help_heading = "Input")]
pub struct InputArgs {
    /// Files, folders (with all folders below), quoted globs, or - for standard input
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// The same as PATH, repeatable
    #[arg(long, value_name = "PATH")]
    pub input: Vec<PathBuf>,

    /// Read paths from LIST, one a line; - reads them from standard input
    #[arg(long, value_name = "LIST")]
    pub files_from: Option<PathBuf>,

    /// The list of --files-from is separated by NUL bytes, as find -print0 writes it
    #[arg(short = '0', long, requires = "files_from")]
    pub null: bool,

    /// Leave out files and folders that GLOB matches: their names, or with a slash in GLOB their paths; repeatable
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,

    /// Which record logs are one: each file, the parts of a rotated log, all files of a folder, or all
    /// [default: rotated]
    #[arg(long, value_name = "file|rotated|folder|all")]
    pub join: Option<Join>,

    /// Name of the record log, in place of its path without dates and rotation
    #[arg(long, value_name = "NAME")]
    pub log: Option<String>,

    /// Fail where a file of a folder is skipped because it holds something else
    #[arg(long)]
    pub strict: bool,

    /// Name of the timestamp column; upper and lower case are the same
    #[arg(long, value_name = "NAME", default_value = "timestamp")]
    pub timestamp_column: String,

    /// Name of a value column; upper and lower case are the same. Repeat it to judge several together
    #[arg(long, value_name = "NAME", default_value = "value")]
    pub value_column: Vec<String>,

    /// Format of the timestamps: '%d.%m.%Y %H:%M:%S', epoch_s, epoch_ms, epoch_us, epoch_ns or iso
    /// [default: recognised]
    #[arg(long, value_name = "FORMAT")]
    pub timestamp_format: Option<String>,

    /// Time zone of timestamps that name none: UTC, +02:00 or Europe/Berlin
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub timezone: String,

    /// Whether the comma in numbers is the decimal comma [default: recognised; where it can be both, an error]
    #[arg(
        long, value_name = "yes|no", num_args = 0..=1, require_equals = true, default_missing_value = "yes",
        value_parser = parse_yes_no
    )]
    pub decimal_comma: Option<bool>,

    /// Largest size of one input after unpacking, as 2G; a larger one is an error [default: no limit]
    ///
    /// Protects against small files that unpack to endless ones. Memory stays bounded in any case.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub max_input_bytes: Option<u64>,
}

/// How the records of flow and request logs become series.
#[derive(Debug, Args)]
#[command(next_help_heading = "Record logs")]
pub struct RecordArgs {
    /// What to group records by: total, src, dst, port, proto, service, interface, vhost, client, status
    /// [default: flows total,src,dst; requests total,vhost,client]
    #[arg(long, value_name = "KEY", value_delimiter = ',')]
    pub by: Vec<By>,

    /// Length of a bucket, as 5m, or of one key, as src=15m [default: 5m for total, 15m for other keys]
    ///
    /// Repeatable. No bucket is shorter than the time that the exporter sums over.
    #[arg(long, value_name = "DURATION", value_delimiter = ',', value_parser = parse_every)]
    pub every: Vec<Every>,

    /// What to sum and count: flows, bytes, bytes_out, bytes_in, packets, failed, peers, ports, requests,
    /// status_4xx, status_5xx [default: by format]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub measure: Vec<Measure>,

    /// Entities of each key that are judged by themselves on a day: those that were most active in the week
    /// before; the others are summed as '(other)'
    #[arg(long, value_name = "N", default_value = "1000")]
    pub top: NonZeroUsize,

    /// Draw graphs of the N worst entities of each record log, of those with anomalies
    #[arg(long, value_name = "N", default_value = "200")]
    pub max_graphs: usize,

    /// Whether flows that are reported twice within one input count twice
    #[arg(long, value_name = "WHAT", value_enum, default_value = "drop")]
    pub duplicates: Duplicates,

    /// Each record stands for N, as the exporter sampled 1 in N: amounts and counts are multiplied
    #[arg(long, value_name = "N", default_value = "1")]
    pub sampling: NonZeroU64,

    /// Largest share of rows or lines that cannot be used; an input with more fails
    #[arg(long, value_name = "SHARE", default_value = "0.2")]
    pub max_dropped: f64,

    /// Format of record logs, in place of recognition
    #[arg(long, value_name = "NAME")]
    pub format: Option<String>,
}

/// Whether a repeated flow counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Duplicates {
    /// Once.
    Drop,
    /// Each time that it is reported.
    Keep,
}

/// What is looked for, and how: shared by all commands that run a detector.
#[derive(Debug, Args)]
#[command(next_help_heading = "Detection")]
pub struct DetectionArgs {
    /// What a row is compared with [default: value; context for record logs]
    #[arg(long, value_name = "DETECTOR", value_enum)]
    pub detector: Option<Detector>,

    /// Share of rows expected to be anomalous, in (0, 0.5], or auto [default: 0.01; auto for record logs]
    ///
    /// The threshold is the (1 - RATE) quantile of each file's scores, exactly as in scikit-learn. Rows that
    /// tie with it are not flagged; the summary gives the expected and the found count. With auto
    /// there is no rate to guess: calm files have next to no anomalies.
    #[arg(
        short,
        long,
        alias = "c",
        value_name = "RATE",
        allow_negative_numbers = true
    )]
    pub contamination: Option<ThresholdRule>,

    /// Flag rows whose score is above SCORE (0 to 1), in place of a rate
    #[arg(
        long,
        value_name = "SCORE",
        conflicts_with = "contamination",
        allow_negative_numbers = true
    )]
    pub threshold: Option<f64>,

    /// Grow so many trees [default: the limit of infinitely many; 200 with several value columns]
    #[arg(long, value_name = "N", value_parser = parse_count, allow_negative_numbers = true)]
    pub trees: Option<NonZeroUsize>,

    /// Rows that each tree sees: a count, or a share of all rows such as 0.1
    #[arg(
        long,
        value_name = "N",
        default_value = "256",
        allow_negative_numbers = true
    )]
    pub sample_size: SampleSize,

    /// Seed of everything random; the same seed gives the same bytes
    #[arg(
        long,
        value_name = "N",
        default_value_t = 42,
        allow_negative_numbers = true
    )]
    pub seed: u64,
}

/// What is written, and where.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Folder below which everything is written
    #[arg(short, long, value_name = "DIR", default_value = "output")]
    pub out_dir: PathBuf,

    /// Base name of a single input's outputs, in place of the input's own
    #[arg(long, value_name = "NAME")]
    pub output: Option<String>,

    /// Which files get a graph
    #[arg(long, value_name = "WHICH", value_enum, default_value = "all")]
    pub graphs: Graphs,

    /// Draw graphs as pixels or as vectors
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "png")]
    pub graph_format: GraphFormat,

    /// Scale of the value axis; auto is logarithmic where a few spikes would flatten everything else
    #[arg(long, value_name = "SCALE", value_enum, default_value = "auto")]
    pub y_scale: YScale,

    /// Write the score of every row as well, to <stem>_scores.<FORMAT>
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub scores: Option<ScoresFormat>,

    /// Report incidents of this severity and above
    #[arg(long, value_name = "SEVERITY", value_enum, default_value = "low")]
    pub min_severity: Severity,

    /// Exit with code 3 where an incident of this severity or above was found
    #[arg(long, value_name = "SEVERITY", value_enum)]
    pub fail_on: Option<Severity>,

    /// Exit with code 1 where an input of the last run into this folder is missing
    #[arg(long)]
    pub fail_on_missing: bool,

    /// What exit codes tell: single gives 1 for a failure and else 3 for an incident, bits the sum of 1 and 4
    #[arg(long, value_name = "HOW", value_enum, default_value = "single")]
    pub exit_codes: ExitCodes,

    /// Put an apostrophe before text cells that a spreadsheet would run as formulas
    #[arg(long)]
    pub csv_safe: bool,

    /// Print the summary as JSON on standard output
    #[arg(long)]
    pub json: bool,
}

/// With which means: shared by all commands that read logs.
#[derive(Debug, Args)]
#[command(next_help_heading = "Running")]
pub struct RunningArgs {
    /// Threads to use; 0 stands for one for each processor
    #[arg(
        short = 'j',
        long,
        value_name = "N",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    pub threads: usize,

    /// Most memory to use, as 512M or 2G; rows beyond it go to a scratch file in the output folder
    #[arg(long, value_name = "SIZE", default_value = "512M", value_parser = parse_size)]
    pub max_memory: u64,
}

/// What of the work is done.
#[derive(Debug, Args)]
#[command(next_help_heading = "Running")]
pub struct ScanRunningArgs {
    /// Scan only what is missing: inputs that an earlier run with the same settings has scanned, and that have
    /// not changed, keep their outputs
    #[arg(long)]
    pub resume: bool,

    /// Remove outputs of earlier runs that match no input of this one: inputs that are gone, other rates of inputs
    /// that have changed
    #[arg(long)]
    pub prune: bool,

    /// List what would be scanned, with the recognised format, and write nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// What is said on standard error.
#[derive(Debug, Args)]
#[command(next_help_heading = "Running")]
pub struct TalkArgs {
    /// Print nothing but errors
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Print for each file what was recognised, dropped and skipped
    #[arg(short, long)]
    pub verbose: bool,

    /// Color on the terminal; auto obeys NO_COLOR
    #[arg(long, value_name = "WHEN", value_enum, default_value = "auto")]
    pub color: ColorWhen,
}

/// When the terminal gets color.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal that knows color, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The names of an option's values on the command line, with a line of help where the name does not say it all.
macro_rules! choices {
    ($type:ty { $($variant:ident => $name:literal $($help:literal)?),+ $(,)? }) => {
        impl ValueEnum for $type {
            fn value_variants<'a>() -> &'a [Self] {
                &[$(Self::$variant),+]
            }

            fn to_possible_value(&self) -> Option<PossibleValue> {
                Some(match self {
                    $(Self::$variant => PossibleValue::new($name)$(.help($help))?),+
                })
            }
        }
    };
}

choices!(Detector {
    Value => "value" "All values of the file: an isolation forest on the value, as in the original script",
    Context => "context" "The past alone: time of day, level and change; alarms as a stream would raise them",
    Shape => "shape" "The shapes of the whole file: stretches of rows unlike all others",
});
choices!(Graphs { All => "all", Anomalous => "anomalous", None => "none" });
choices!(GraphFormat { Png => "png", Svg => "svg" });
choices!(YScale { Linear => "linear", Log => "log", Auto => "auto" });
choices!(ExitCodes { Single => "single", Bits => "bits" });
choices!(ScoresFormat { Csv => "csv", Parquet => "parquet" });
choices!(Severity { Low => "low", Medium => "medium", High => "high", Critical => "critical" });
choices!(LogFormat {
    Zeek => "zeek" "Zeek's conn.log",
    Vpc => "vpc" "AWS VPC flow logs, version 2",
    Nfdump => "nfdump" "nfdump -o csv",
    Suricata => "suricata" "Suricata's eve.json",
    Access => "access" "a web server's access log, combined format",
});
choices!(Rotation { Never => "never", Hourly => "hourly", Daily => "daily" });
