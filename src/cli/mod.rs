//! What the user typed, and how it is answered: arguments in, exit code out.

pub mod console;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::error::ErrorKind as UsageError;
use clap::{Args, Parser, Subcommand, ValueEnum};

use self::console::{Bar, say};
use crate::config::Plan;
use crate::detect::{DetectOptions, Detector, Severity, ThresholdRule};
use crate::evaluate::{self, Measures};
use crate::forest::{ForestParams, SampleSize};
use crate::format::timestamp::TimeForm;
use crate::format::{ReadOptions, Zone};
use crate::generate;
use crate::input::discover;
use crate::report::chart::{GraphFormat, YScale};
use crate::report::tables::ScoresFormat;
use crate::report::terminal;
use crate::report::{Graphs, OutputOptions};
use crate::run;
use crate::run::bench;
use crate::run::progress::Progress;
use crate::runtime::cancel::CancelToken;
use crate::runtime::panics;
use crate::state::outcome::Outcome;
use crate::storage::atomic;
use crate::support::error::{Error, ErrorKind, Result, printable};

/// Scans archives of network-traffic logs for anomalies: floods, data being carried off, services
/// gone silent
///
/// Unsupervised (isolation forest), over any number of files in one run. Exit codes: 0 every input was
/// scanned; 1 some input failed or nothing was found to scan; 2 wrong usage; 3 with --fail-on: such an
/// incident was found; 130 or 143 the run was interrupted, and what was finished is whole.
#[derive(Debug, Parser)]
#[command(name = "isoscan", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Scan logs: a graph and a table of anomalies for each file, and one table for all
    Scan(Box<ScanArgs>),
    /// Make labelled synthetic traffic: for demonstrations, tests and benchmarks
    Generate(GenerateArgs),
    /// Hold a detector's scores and alarms against labelled events: how many found, how many false
    Evaluate(EvaluateArgs),
    /// Measure each stage of a scan on given files: rows and bytes a second, peak memory
    Bench(BenchArgs),
}

#[derive(Debug, Args)]
struct ScanArgs {
    /// Files, folders (walked to any depth), quoted globs, or - for standard input
    #[arg(value_name = "PATH", help_heading = "Input")]
    paths: Vec<PathBuf>,

    /// The same as PATH, repeatable
    #[arg(long, value_name = "PATH", help_heading = "Input")]
    input: Vec<PathBuf>,

    /// Read paths from LIST, one a line; - reads them from standard input
    #[arg(long, value_name = "LIST", help_heading = "Input")]
    files_from: Option<PathBuf>,

    /// Name of the timestamp column, without regard to case
    #[arg(
        long,
        value_name = "NAME",
        default_value = "timestamp",
        help_heading = "Input"
    )]
    timestamp_column: String,

    /// Name of a value column, without regard to case; repeat it to judge several together
    #[arg(
        long,
        value_name = "NAME",
        default_value = "value",
        help_heading = "Input"
    )]
    value_column: Vec<String>,

    /// Form of the timestamps, as %d.%m.%Y %H:%M:%S, or epoch_s, epoch_ms, epoch_us, epoch_ns, iso;
    /// recognised if not given
    #[arg(long, value_name = "FORMAT", help_heading = "Input")]
    timestamp_format: Option<String>,

    /// Zone of timestamps that name none: UTC, +02:00 or Europe/Berlin
    #[arg(
        long,
        value_name = "ZONE",
        default_value = "UTC",
        help_heading = "Input"
    )]
    timezone: String,

    #[command(flatten)]
    detection: DetectionArgs,

    /// Folder below which everything is written
    #[arg(
        short,
        long,
        value_name = "DIR",
        default_value = "output",
        help_heading = "Output"
    )]
    out_dir: PathBuf,

    /// Base name of a single input's outputs, in place of the input's own
    #[arg(long, value_name = "NAME", help_heading = "Output")]
    output: Option<String>,

    /// Which files get a graph
    #[arg(
        long,
        value_name = "WHICH",
        value_enum,
        default_value = "all",
        help_heading = "Output"
    )]
    graphs: GraphsArg,

    /// Draw graphs as pixels or as vectors
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        default_value = "png",
        help_heading = "Output"
    )]
    graph_format: GraphFormatArg,

    /// Scale of the value axis; auto takes a logarithmic one where a few spikes flatten all else
    #[arg(
        long,
        value_name = "SCALE",
        value_enum,
        default_value = "auto",
        help_heading = "Output"
    )]
    y_scale: YScaleArg,

    /// Write the score of every row as well, to <stem>_scores.<FORMAT>
    #[arg(long, value_name = "FORMAT", value_enum, help_heading = "Output")]
    scores: Option<ScoresArg>,

    /// Report incidents of this severity and above: low, medium, high or critical
    #[arg(
        long,
        value_name = "SEVERITY",
        default_value = "low",
        help_heading = "Output"
    )]
    min_severity: Severity,

    /// Exit with code 3 where an incident of this severity or above was found
    #[arg(long, value_name = "SEVERITY", help_heading = "Output")]
    fail_on: Option<Severity>,

    /// Put an apostrophe before text cells that a spreadsheet would run as formulas
    #[arg(long, help_heading = "Output")]
    csv_safe: bool,

    /// Print the summary as JSON on standard output
    #[arg(long, help_heading = "Output")]
    json: bool,

    /// Threads to use; 0 takes all there are
    #[arg(
        short = 'j',
        long,
        value_name = "N",
        default_value_t = 0,
        allow_negative_numbers = true,
        help_heading = "Running"
    )]
    threads: usize,

    /// Most memory to take, as 512M or 2G; rows beyond it are set aside in a scratch file in the
    /// output folder
    #[arg(
        long, value_name = "SIZE", default_value = "512M", value_parser = parse_size,
        help_heading = "Running"
    )]
    max_memory: u64,

    /// Do only what is missing: leave sources that an earlier run with the same settings has scanned, and
    /// that are still the same, as they are
    #[arg(long, help_heading = "Running")]
    resume: bool,

    /// Most bytes that one input may have once it is unpacked, as 2G; a larger one is an error
    ///
    /// A guard against small files that unpack to endless ones. There is no limit unless one is set:
    /// memory stays bounded in any case.
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = "Running")]
    max_input_bytes: Option<u64>,

    /// List what would be scanned, with the recognised form, and write nothing
    #[arg(long, help_heading = "Running")]
    dry_run: bool,

    /// Say nothing but errors
    #[arg(short, long, conflicts_with = "verbose", help_heading = "Running")]
    quiet: bool,

    /// Say for each file what was recognised, dropped and passed over
    #[arg(short, long, help_heading = "Running")]
    verbose: bool,

    /// Colour on the terminal; auto obeys NO_COLOR
    #[arg(
        long,
        value_name = "WHEN",
        value_enum,
        default_value = "auto",
        help_heading = "Running"
    )]
    color: ColorArg,
}

/// What is looked for, and how: the same for whatever runs a detector.
#[derive(Debug, Args)]
struct DetectionArgs {
    /// What a row is compared with
    #[arg(
        long,
        value_name = "DETECTOR",
        value_enum,
        default_value = "value",
        help_heading = "Detection"
    )]
    detector: DetectorArg,

    /// Share of rows expected to be anomalous, in (0, 0.5], or auto
    ///
    /// The threshold is the (1 - RATE) quantile of each file's scores, exactly as scikit-learn takes
    /// it. Rows that tie with it are not flagged; the counts expected and found are in the summary.
    /// With auto there is no rate to guess: calm files have next to no anomalies.
    #[arg(
        short,
        long,
        alias = "c",
        value_name = "RATE",
        default_value = "0.01",
        allow_negative_numbers = true,
        help_heading = "Detection"
    )]
    contamination: ThresholdRule,

    /// Flag rows whose score is above SCORE (0 to 1), in place of a rate
    #[arg(
        long,
        value_name = "SCORE",
        conflicts_with = "contamination",
        allow_negative_numbers = true,
        help_heading = "Detection"
    )]
    threshold: Option<f64>,

    /// Number of trees; more of them make two seeds agree better [default: 1000, or 200 with several
    /// value columns]
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        help_heading = "Detection"
    )]
    trees: Option<NonZeroUsize>,

    /// Rows that each tree sees: a count, or a share of all rows such as 0.1
    #[arg(
        long,
        value_name = "N",
        default_value = "256",
        allow_negative_numbers = true,
        help_heading = "Detection"
    )]
    sample_size: SampleSize,

    /// Seed of everything random; the same seed gives the same bytes
    #[arg(
        long,
        value_name = "N",
        default_value_t = 42,
        allow_negative_numbers = true,
        help_heading = "Detection"
    )]
    seed: u64,
}

#[derive(Debug, Args)]
struct EvaluateArgs {
    /// Results of a scan with --scores (files or folders), or data to run the detector over now
    #[arg(value_name = "RESULTS|PATH", required = true)]
    paths: Vec<PathBuf>,

    /// Labels: isoscan's own (*.labels.json) or windows as of the Numenta Anomaly Benchmark; a folder
    /// stands for all *.labels.json in it; repeatable
    #[arg(long, value_name = "FILE", required = true)]
    labels: Vec<PathBuf>,

    #[command(flatten)]
    detection: DetectionArgs,

    /// Name of the timestamp column, without regard to case
    #[arg(long, value_name = "NAME", default_value = "timestamp")]
    timestamp_column: String,

    /// Name of a value column, without regard to case; repeat it to judge several together
    #[arg(long, value_name = "NAME", default_value = "value")]
    value_column: Vec<String>,

    /// Leave out VUS-PR, which takes long where events are many
    #[arg(long)]
    no_vus: bool,

    /// Threads to use; 0 takes all there are
    #[arg(short = 'j', long, value_name = "N", default_value_t = 0)]
    threads: usize,

    /// Print the evaluation as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct BenchArgs {
    /// Files, folders or quoted globs
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,

    /// Runs of each stage; the medians are reported
    #[arg(long, value_name = "N", default_value = "5")]
    runs: NonZeroUsize,

    /// Name of the timestamp column, without regard to case
    #[arg(long, value_name = "NAME", default_value = "timestamp")]
    timestamp_column: String,

    /// Name of a value column, without regard to case; repeat it to judge several together
    #[arg(long, value_name = "NAME", default_value = "value")]
    value_column: Vec<String>,

    /// Threads to use; 0 takes all there are
    #[arg(short = 'j', long, value_name = "N", default_value_t = 0)]
    threads: usize,

    /// Print the measurements as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct GenerateArgs {
    /// The file to write, or with --files or --sample the folder; - writes a single file's rows to
    /// standard output, without labels
    #[arg(value_name = "PATH")]
    path: PathBuf,

    /// Write the sample data that ships with isoscan
    #[arg(long, conflicts_with_all = ["rows", "files", "seed", "step", "start", "columns", "events", "calm"])]
    sample: bool,

    /// Rows in each file
    #[arg(long, value_name = "N", default_value_t = 4032)]
    rows: u64,

    /// Write N files into the folder PATH
    #[arg(long, value_name = "N")]
    files: Option<u64>,

    /// Seconds between rows
    #[arg(long, value_name = "SECONDS", default_value_t = 300.0)]
    step: f64,

    /// First timestamp, UTC
    #[arg(long, value_name = "TIME", default_value = "2026-03-02 00:00:00")]
    start: String,

    /// Write bytes, packets and flows in place of one value column
    #[arg(long)]
    columns: bool,

    /// Events in each file, as flood,silence: spike, flood, exfiltration, drop, silence, shift, pattern
    /// [default: spike,flood,exfiltration,drop,silence]
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    events: Vec<generate::EventKind>,

    /// Write traffic without events
    #[arg(long, conflicts_with = "events")]
    calm: bool,

    /// Seed of everything random; the same seed gives the same bytes
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum DetectorArg {
    /// The values of the whole file: an isolation forest on the value, as the original script
    Value,
    /// The past alone: time of day, level and change; alarms as a stream would raise them
    Context,
    /// The shapes of the whole file: stretches of rows unlike all others
    Shape,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum GraphsArg {
    All,
    Anomalous,
    None,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum GraphFormatArg {
    Png,
    Svg,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum YScaleArg {
    Linear,
    Log,
    Auto,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ScoresArg {
    Csv,
    Parquet,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ColorArg {
    Auto,
    Always,
    Never,
}

/// Does what `arguments`, the first of which is the program's name, ask for; returns the exit code.
///
/// # Errors
/// What stopped the run as a whole, a fault of isoscan among it. Errors of single files are reported where
/// they happen.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Result<u8> {
    panics::guarded(|| answer(arguments))
}

fn answer(arguments: impl IntoIterator<Item = OsString>) -> Result<u8> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(answer)
            if matches!(
                answer.kind(),
                UsageError::DisplayHelp | UsageError::DisplayVersion
            ) =>
        {
            return to_stdout(&answer.to_string()).map(|()| 0);
        }
        Err(refusal) => return Err(one_line_refusal(&refusal)),
    };
    match cli.command {
        Command::Scan(args) => {
            let typed = arguments
                .iter()
                .skip(1)
                .map(|a| a.to_string_lossy().into_owned());
            scan(*args, typed.collect())
        }
        Command::Generate(args) => generate(&args).map(|()| 0),
        Command::Evaluate(args) => assess(&args).map(|()| 0),
        Command::Bench(args) => measure(&args).map(|()| 0),
    }
}

/// The exit code that an error of [`run`] stands for: 2 for wrong usage, 1 else.
pub fn exit_code(error: &Error) -> u8 {
    match error.kind() {
        ErrorKind::Setting => 2,
        _ => 1,
    }
}

fn scan(args: ScanArgs, typed: Vec<String>) -> Result<u8> {
    let plan = args.plan()?;
    let voice = Voice::new(&args);
    use_threads(args.threads);
    if args.dry_run {
        return dry_run(&plan);
    }
    let stop = CancelToken::new();
    stop.on_signals()?;
    let summary = match run::scan(&plan, typed, &voice, &stop) {
        Err(error) if error.kind() == ErrorKind::Interrupted => {
            voice.say(&error.to_string());
            return Ok(stop.exit_code());
        }
        ended => ended?,
    };
    if args.json {
        to_stdout(&summary.to_json())?;
    }
    if args.verbose {
        for skipped in summary
            .inputs
            .iter()
            .filter(|input| input.status == "skipped")
        {
            let reason = skipped.note.as_deref().unwrap_or_default();
            voice.say(&format!(
                "passed over {}: {reason}",
                printable(&skipped.path)
            ));
        }
    }
    if !args.quiet {
        let table = terminal::table(&summary, &plan.outputs.folder, voice.colour);
        say(table.trim_end_matches('\n'));
    }
    if summary.status == "interrupted" {
        let totals = &summary.totals;
        voice.say(&format!(
            "interrupted: {} of {} inputs were scanned (--resume does the others)",
            totals.ok,
            summary.inputs.len()
        ));
        return Ok(stop.exit_code());
    }
    Ok(summary.exit_code(args.fail_on))
}

fn assess(args: &EvaluateArgs) -> Result<()> {
    use_threads(args.threads);
    let mut plan = Plan::new(&args.paths);
    plan.ingest
        .timestamp_column
        .clone_from(&args.timestamp_column);
    plan.ingest.value_columns.clone_from(&args.value_column);
    plan.detect = args.detection.options(args.value_column.len())?;
    let measures = Measures {
        volume: !args.no_vus,
        ..Measures::default()
    };
    let evaluation = evaluate::measure(&plan, &args.labels, &measures)?;
    to_stdout(&match args.json {
        true => evaluate::json(&evaluation),
        false => evaluate::text(&evaluation),
    })
}

fn measure(args: &BenchArgs) -> Result<()> {
    use_threads(args.threads);
    let mut plan = Plan::new(&args.paths);
    plan.ingest
        .timestamp_column
        .clone_from(&args.timestamp_column);
    plan.ingest.value_columns.clone_from(&args.value_column);
    plan.detect.forest = ForestParams::new(
        ForestParams::default_trees(args.value_column.len()).get(),
        SampleSize::default(),
        plan.detect.forest.seed(),
    )?;
    let measured = bench::measure(&plan, args.runs.get())?;
    to_stdout(&match args.json {
        true => measured.to_json(),
        false => measured.to_table(),
    })
}

/// Sets the number of threads; 0 leaves it to the machine.
fn use_threads(threads: usize) {
    if threads > 0 {
        // A pool that is already there, as in a test, stays as it is.
        let _ = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build_global();
    }
}

fn generate(args: &GenerateArgs) -> Result<()> {
    let sink = |path: &std::path::Path, fill: &mut generate::Fill<'_>| {
        atomic::write(path, |file| fill(file)).map(|_| ())
    };
    if args.sample {
        for (path, labels) in generate::write_sample(&args.path, &sink)? {
            say(&format!(
                "{}: {} events",
                printable(&path.to_string_lossy()),
                labels.events.len()
            ));
        }
        return Ok(());
    }
    let spec = args.spec()?;
    if args.path == std::path::Path::new("-") {
        let traffic = generate::Traffic::new(spec)?;
        let mut out = std::io::BufWriter::with_capacity(1 << 18, std::io::stdout().lock());
        return written_to_stdout(traffic.write_csv(&mut out).and_then(|()| out.flush()));
    }
    match args.files {
        Some(files) => generate::write_files(&spec, files, &args.path, &sink),
        None => generate::write_file(spec, &args.path, &sink).map(|_| ()),
    }
}

impl GenerateArgs {
    fn spec(&self) -> Result<generate::TrafficSpec> {
        let refuse = |text: String| Error::new(ErrorKind::Setting, text);
        if !(1e-6..=1e9).contains(&self.step) {
            return Err(refuse(format!(
                "--step {} is outside 0.000001 to 1000000000 seconds",
                self.step
            )));
        }
        let usual = generate::TrafficSpec::default();
        Ok(generate::TrafficSpec {
            rows: self.rows,
            seed: self.seed,
            step_us: (self.step * 1e6).round() as i64,
            start_us: parse_time(&self.start).ok_or_else(|| {
                refuse(format!(
                    "--start {:?} is no time such as 2026-03-02 00:00:00",
                    self.start
                ))
            })?,
            columns: match self.columns {
                true => generate::Columns::Counters,
                false => usual.columns,
            },
            events: match (self.calm, self.events.as_slice()) {
                (true, _) => generate::EventPlan::Placed(Vec::new()),
                (false, []) => usual.events,
                (false, kinds) => generate::EventPlan::Seeded(kinds.to_vec()),
            },
            ..usual
        })
    }
}

/// A number of bytes: `1048576`, `512M`, `1.5GiB`. The units are powers of 1024.
fn parse_size(text: &str) -> std::result::Result<u64, String> {
    let rule = || "a number of bytes such as 512M or 2G is wanted".to_owned();
    let text = text.trim().to_ascii_lowercase();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let scale: u32 = match text[digits.len()..]
        .trim_end_matches('b')
        .trim_end_matches('i')
    {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err(rule()),
    };
    let number: f64 = digits.trim().parse().map_err(|_| rule())?;
    let bytes = number * (1u64 << scale) as f64;
    (bytes >= 1.0 && bytes < u64::MAX as f64)
        .then_some(bytes as u64)
        .ok_or_else(rule)
}

/// The instant that `text` names, in microseconds UTC.
fn parse_time(text: &str) -> Option<i64> {
    let form = TimeForm::recognise([text.as_bytes()], Zone::UTC)?;
    form.parser().parse(text.as_bytes())
}

fn dry_run(plan: &Plan) -> Result<u8> {
    let preview = run::preview(plan)?;
    let mut list = String::new();
    let mut failed = preview.found.failed;
    for (source, form) in preview.sources {
        match form {
            Ok(form) => list.push_str(&format!("{}\t{form}\n", printable(&source.name()))),
            Err(error) => failed.push(error),
        }
    }
    to_stdout(&list)?;
    for skipped in preview.found.skipped {
        let path = printable(&skipped.path.to_string_lossy());
        say(&format!("isoscan: passed over {path}: {}", skipped.reason));
    }
    for error in &failed {
        say(&format!("isoscan: {error}"));
    }
    Ok(u8::from(!failed.is_empty()))
}

impl DetectionArgs {
    /// The settings for rows of so many value columns.
    fn options(&self, columns: usize) -> Result<DetectOptions> {
        let trees = self.trees.unwrap_or(ForestParams::default_trees(columns));
        Ok(DetectOptions {
            detector: match self.detector {
                DetectorArg::Value => Detector::Value,
                DetectorArg::Context => Detector::Context,
                DetectorArg::Shape => Detector::Shape,
            },
            forest: ForestParams::new(trees.get(), self.sample_size, self.seed)?,
            threshold: match self.threshold {
                Some(score) => ThresholdRule::Score(score),
                None => self.contamination,
            },
        })
    }
}

impl ScanArgs {
    fn plan(&self) -> Result<Plan> {
        let mut inputs = self.paths.clone();
        inputs.extend(self.input.iter().cloned());
        if let Some(list) = &self.files_from {
            inputs.extend(discover::read_list(list)?);
            if inputs.is_empty() {
                return Err(Error::new(ErrorKind::NotFound, "the list names no file").at(list));
            }
        }
        let mut plan = Plan {
            inputs,
            ingest: ReadOptions {
                timestamp_column: self.timestamp_column.clone(),
                value_columns: self.value_column.clone(),
                timestamp_format: self.timestamp_format.clone(),
                zone: self.timezone.parse::<Zone>()?,
                max_bytes: self.max_input_bytes,
            },
            detect: self.detection.options(self.value_column.len())?,
            outputs: OutputOptions {
                folder: self.out_dir.clone(),
                base_name: self.output.clone(),
                graphs: match self.graphs {
                    GraphsArg::All => Graphs::All,
                    GraphsArg::Anomalous => Graphs::Anomalous,
                    GraphsArg::None => Graphs::None,
                },
                graph_format: match self.graph_format {
                    GraphFormatArg::Png => GraphFormat::Png,
                    GraphFormatArg::Svg => GraphFormat::Svg,
                },
                y_scale: match self.y_scale {
                    YScaleArg::Linear => YScale::Linear,
                    YScaleArg::Log => YScale::Log,
                    YScaleArg::Auto => YScale::Auto,
                },
                scores: self.scores.map(|scores| match scores {
                    ScoresArg::Csv => ScoresFormat::Csv,
                    ScoresArg::Parquet => ScoresFormat::Parquet,
                }),
                min_severity: self.min_severity,
                csv_safe: self.csv_safe,
            },
            workers: match self.threads {
                0 => std::thread::available_parallelism().map_or(1, usize::from),
                threads => threads,
            },
            max_memory: self.max_memory,
            resume: self.resume,
        };
        plan.fit_addresses(crate::config::address_limit())?;
        plan.check()?;
        Ok(plan)
    }
}

/// Speaks to the person at the terminal while a scan runs.
struct Voice {
    bar: Option<Bar>,
    verbose: bool,
    quiet: bool,
    colour: bool,
}

impl Voice {
    fn new(args: &ScanArgs) -> Self {
        let colour = match args.color {
            ColorArg::Always => true,
            ColorArg::Never => false,
            ColorArg::Auto => {
                let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                std::io::stderr().is_terminal() && !unwanted
            }
        };
        Self {
            bar: (!args.quiet).then(Bar::new),
            verbose: args.verbose,
            quiet: args.quiet,
            colour,
        }
    }

    fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.line(&format!("isoscan: {text}")),
            None => say(&format!("isoscan: {text}")),
        }
    }
}

impl Progress for Voice {
    fn started(&self, sources: u64) {
        if let Some(bar) = &self.bar {
            bar.started(sources);
        }
    }

    fn source_ended(&self, outcome: &Outcome) {
        match outcome {
            Outcome::Failed { error, .. } => self.say(&error.to_string()),
            Outcome::Done(done) => {
                let name = printable(&done.source.name());
                if self.verbose {
                    if done.kept {
                        self.say(&format!("{name}: scanned before and still the same"));
                    }
                    self.say(&format!(
                        "{name}: {}; {} rows, {} dropped, {} anomalies above {:.4}",
                        done.form,
                        done.rows,
                        done.dropped.rows,
                        done.anomalies.rows(),
                        done.threshold
                    ));
                    for row in &done.dropped.first {
                        self.say(&format!(
                            "{name}: line {}: dropped: {}",
                            row.line, row.reason
                        ));
                    }
                }
                if !self.quiet {
                    for note in &done.notes {
                        self.say(&format!("{name}: {note}"));
                    }
                }
            }
        }
        if let Some(bar) = &self.bar {
            bar.source_ended(outcome);
        }
    }

    fn ended(&self) {
        if let Some(bar) = &self.bar {
            bar.ended();
        }
    }
}

/// A refusal of clap's on one line, without its heading and its hints at `--help`.
fn one_line_refusal(refusal: &clap::Error) -> Error {
    let text = refusal.render().to_string();
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
        .filter(|line| !line.is_empty())
        .collect();
    let joined = lines.join(" ").replace(" tip: ", "; tip: ");
    let text = joined.strip_prefix("error: ").unwrap_or(&joined);
    let hint = match refusal.kind() {
        UsageError::DisplayHelpOnMissingArgumentOrSubcommand => {
            "no command: try 'isoscan scan PATH' or 'isoscan --help'"
        }
        _ => text,
    };
    Error::new(ErrorKind::Setting, hint)
}

/// Writes to standard output.
fn to_stdout(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    written_to_stdout(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// What writing to standard output comes to; a reader that has gone away is no error.
fn written_to_stdout(written: std::io::Result<()>) -> Result<()> {
    match written {
        Err(cause) if cause.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::new(ErrorKind::Write, "standard output cannot be written").caused_by(cause))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn plan(line: &str) -> Result<Plan> {
        let cli = Cli::try_parse_from(line.split(' ')).map_err(|e| one_line_refusal(&e))?;
        match cli.command {
            Command::Scan(args) => args.plan(),
            _ => panic!("a scan was asked for"),
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_rate_may_be_given_in_all_forms_of_the_original_script() {
        for line in [
            "scan x -c 0.003",
            "scan x --c 0.003",
            "scan x --contamination 0.003",
        ] {
            let plan = plan(&format!("isoscan {line}")).unwrap();
            assert_eq!(plan.detect.threshold.label(), "0.003");
        }
    }

    #[test]
    fn paths_come_from_arguments_and_from_input_flags() {
        let plan = plan("isoscan scan a --input b --input c").unwrap();
        assert_eq!(plan.inputs, ["a", "b", "c"].map(PathBuf::from));
    }

    #[test]
    fn sizes_are_read_with_binary_units() {
        for (text, bytes) in [
            ("512M", 512 << 20),
            ("2G", 2 << 30),
            ("1.5GiB", 3 << 29),
            ("4096", 4096),
        ] {
            assert_eq!(parse_size(text), Ok(bytes));
        }
        for text in ["", "M", "-1", "0", "12X", "1e99T", "NaN"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn refusals_are_one_line_with_rule_and_value() {
        for (line, wanted) in [
            ("scan x -c 0.7", "0.7 is outside (0, 0.5]"),
            ("scan x -c 0", "0 is outside (0, 0.5]"),
            ("scan x -c -1", "-1 is outside (0, 0.5]"),
            ("scan x -c NaN", "NaN is outside (0, 0.5]"),
            ("scan x -c few", "\"few\" is no number"),
            ("scan x --trees 0", "'0' for '--trees <N>'"),
            ("scan x --sample-size 0", "--sample-size"),
            ("scan x --timezone Mars/Base", "Mars/Base"),
            ("scan x --threshold 2", "--threshold 2 is outside [0, 1]"),
            (
                "scan x --max-memory 1M",
                "--max-memory 1048576 is too little",
            ),
            ("scan", "no input"),
            ("scan x --contaminaton 1", "--contaminaton"),
        ] {
            let error = plan(&format!("isoscan {line}")).unwrap_err();
            assert_eq!(exit_code(&error), 2, "{line}");
            let text = error.to_string();
            assert!(
                text.contains(wanted) && !text.contains('\n'),
                "{line}: {text}"
            );
        }
    }
}
