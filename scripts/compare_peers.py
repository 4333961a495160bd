#!/usr/bin/env python3
"""Compares isoscan with its peers over the same generated files, in turn, in one run.

    python3 -m venv ~/isoscan-peers
    ~/isoscan-peers/bin/pip install -r scripts/requirements.txt
    cargo build --release
    ~/isoscan-peers/bin/python scripts/compare_peers.py --rows 10000000

Every contender is a process of its own: its wall time is measured from start to exit, its peak memory
is what the system reports. The polars read and the forests also report the time of their work alone,
without the start of Python. Medians of several rounds; in each round every contender runs once.
"""

import argparse
import csv
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent


# The contenders' own work. Each is run as `compare_peers.py --worker NAME FILE OUT THREADS` and prints
# one line of JSON.


def work_original(path, out, _threads):
    """The original algorithm: pandas, scikit-learn with its defaults, matplotlib."""
    start = time.perf_counter()
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import pandas as pd
    from sklearn.ensemble import IsolationForest

    frame = pd.read_csv(path, parse_dates=["timestamp"])
    forest = IsolationForest(contamination=0.01, random_state=42)
    frame["anomaly"] = forest.fit_predict(frame[["value"]])
    anomalies = frame[frame["anomaly"] == -1]
    figure, axes = plt.subplots(figsize=(15, 6))
    axes.plot(frame["timestamp"], frame["value"], color="blue", alpha=0.6, label="Normal Traffic")
    axes.scatter(anomalies["timestamp"], anomalies["value"], color="red", label="Anomaly")
    axes.legend()
    figure.savefig(f"{out}.png")
    anomalies.to_csv(f"{out}.csv", index=False)
    return {"seconds": time.perf_counter() - start}


def work_polars_read(path, _out, _threads):
    """The bare read of both columns by the polars wheel."""
    import polars as pl

    start = time.perf_counter()
    frame = pl.scan_csv(path).collect(engine="streaming")
    return {"seconds": time.perf_counter() - start, "rows": frame.height}


def work_isotree(path, out, threads):
    """isotree on the same file: read by polars, 100 trees, the same share of rows flagged."""
    start = time.perf_counter()
    import numpy as np
    import polars as pl
    from isotree import IsolationForest

    frame = pl.read_csv(path)
    values = frame["value"].cast(pl.Float64).to_numpy().reshape(-1, 1)
    forest = IsolationForest(
        ntrees=100, sample_size=256, ndim=1, missing_action="fail", nthreads=threads, random_seed=42
    )
    forest.fit(values)
    scores = forest.predict(values)
    threshold = np.percentile(scores, 99)
    frame.filter(pl.Series(scores > threshold)).write_csv(f"{out}.csv")
    return {"seconds": time.perf_counter() - start}


def zeek_columns(path):
    """Names of the columns of a Zeek log, and the lines above the first row."""
    lines = 0
    with open(path) as file:
        for line in file:
            if not line.startswith("#"):
                break
            lines += 1
            if line.startswith("#fields"):
                names = line.rstrip("\n").split("\t")[1:]
    return names, lines


def work_polars_group(path, _out, _threads):
    """The bare group by of bucket and host, two sums and a count, of a Zeek connection log."""
    import polars as pl

    names, lines = zeek_columns(path)
    start = time.perf_counter()
    frame = (
        pl.scan_csv(path, separator="\t", skip_rows=lines, has_header=False, new_columns=names,
                    null_values="-", comment_prefix="#", quote_char=None, infer_schema_length=10_000)
        .group_by(
            (pl.col("ts") // 300).alias("bucket"), pl.col("id.orig_h"))
        .agg(pl.col("orig_ip_bytes").sum(), pl.col("resp_ip_bytes").sum(), pl.len())
        .collect()
    )
    return {"work": time.perf_counter() - start, "version": pl.__version__, "rows": frame.height}


def work_duckdb_group(path, _out, threads):
    """The same by DuckDB."""
    import duckdb

    names, lines = zeek_columns(path)
    kinds = {"ts": "DOUBLE", "orig_ip_bytes": "UBIGINT", "resp_ip_bytes": "UBIGINT"}
    columns = ", ".join(f"'{name}': '{kinds.get(name, 'VARCHAR')}'" for name in names)
    start = time.perf_counter()
    connection = duckdb.connect(config={"threads": threads})
    rows = connection.execute(
        f"""SELECT floor(ts / 300) AS bucket, "id.orig_h", sum(orig_ip_bytes), sum(resp_ip_bytes), count(*)
        FROM read_csv('{path}', delim='\t', header=false, skip={lines}, nullstr='-', quote='', escape='',
                      comment='#', columns={{{columns}}}) GROUP BY ALL"""
    ).fetchnumpy()
    return {"work": time.perf_counter() - start, "version": duckdb.__version__, "rows": len(rows["bucket"])}


def traffic(rows, columns):
    """Seeded rows for the forests: ordinary ones, and one in a hundred far out; with labels."""
    import numpy as np

    random = np.random.default_rng(7)
    values = random.lognormal(12.0, 0.5, (rows, columns))
    labels = random.random(rows) < 0.01
    values[labels] *= random.uniform(2.0, 20.0, (int(labels.sum()), columns))
    return values, labels


def work_sklearn_line(_path, _out, threads):
    """scikit-learn's scores of a million values, one column."""
    from sklearn.ensemble import IsolationForest

    values, _ = traffic(1_000_000, 1)
    forest = IsolationForest(n_estimators=100, max_samples=256, random_state=42, n_jobs=threads)
    start = time.perf_counter()
    forest.fit(values)
    fitted = time.perf_counter()
    forest.score_samples(values)
    return {"fit": fitted - start, "seconds": time.perf_counter() - fitted}


def work_isotree_line(_path, _out, threads):
    """isotree's scores of a million values, one column."""
    from isotree import IsolationForest

    values, _ = traffic(1_000_000, 1)
    forest = IsolationForest(
        ntrees=100, sample_size=256, ndim=1, missing_action="fail", nthreads=threads, random_seed=42
    )
    start = time.perf_counter()
    forest.fit(values)
    fitted = time.perf_counter()
    forest.predict(values)
    return {"fit": fitted - start, "seconds": time.perf_counter() - fitted}


WORKERS = {
    "original": work_original,
    "isotree": work_isotree,
    "polars read": work_polars_read,
    "polars group by": work_polars_group,
    "duckdb group by": work_duckdb_group,
    "scikit-learn, 1 million values": work_sklearn_line,
    "isotree, 1 million values": work_isotree_line,
}


# The comparison.


def run(command):
    """Runs a command; returns its wall seconds, peak memory in MiB, and what it printed."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"failed with {process.returncode}: {' '.join(map(str, command))}")
    return {"wall": seconds, "peak": usage.ru_maxrss / 1024, "output": output.decode()}


def worker(name, path, out, threads):
    result = run([sys.executable, __file__, "--worker", name, str(path), str(out), str(threads)])
    result.update(json.loads(result["output"]))
    return result


def flagged(path):
    with open(path, newline="") as file:
        return {row["timestamp"] for row in csv.DictReader(file)}


def jaccard(one, other):
    return len(one & other) / len(one | other) if one | other else 1.0


def spread(values):
    return f"{statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def compare(args):
    isoscan = Path(args.isoscan)
    threads = len(os.sched_getaffinity(0))
    lines = [
        f"{args.rows:,} rows, {args.rounds} rounds in turn, {threads} threads, "
        f"{platform.machine()}, Python {platform.python_version()}; seconds as median (range).",
        "",
        "| contender | whole process | its work alone | peak MiB | isoscan is faster by |",
        "| --- | --- | --- | --- | --- |",
    ]
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        log = folder / "traffic.csv"
        step = "1" if args.rows > 100_000 else "300"
        run([isoscan, "generate", log, "--rows", str(args.rows), "--step", step])
        names = ["isoscan scan", "polars read"]
        if not args.skip_original:
            names += ["isotree", "original"]
        results = {name: [] for name in names}
        for round_number in range(args.rounds):
            for name in names:
                if name in ("isotree", "original") and round_number >= args.original_rounds:
                    continue
                if name == "isoscan scan":
                    result = run([isoscan, "scan", log, "-o", folder / "out", "-q"])
                else:
                    result = worker(name, log, folder / name, threads)
                results[name].append(result)
                print(f"{name}: {result['wall']:.3f} s", file=sys.stderr)
        ours = statistics.median(result["wall"] for result in results["isoscan scan"])
        for name in names:
            walls = [result["wall"] for result in results[name]]
            work = [result["seconds"] for result in results[name] if "seconds" in result]
            base = statistics.median(work if name == "polars read" else walls)
            lines.append(
                f"| {name} | {spread(walls)} | {spread(work) if work else ''} "
                f"| {max(result['peak'] for result in results[name]):.0f} | {base / ours:.2f} x |"
            )
        lines.append("")
        lines.append(
            "For the polars read, the work alone is compared: reading both columns, without the start "
            "of Python. isoscan's figure is the whole process: reading, judging, drawing, writing."
        )
        if not args.skip_original:
            found = flagged(folder / "out" / "traffic_graph_anomalies_0.01.csv")
            for name in ["original", "isotree"]:
                theirs = flagged(folder / f"{name}.csv")
                lines.append("")
                lines.append(
                    f"Of the rows that isoscan ({len(found):,}) and {name} ({len(theirs):,}) flag, "
                    f"{100 * jaccard(found, theirs):.1f} % are the same (Jaccard)."
                )
    if not args.skip_forests:
        lines += ["", *forests(args, threads)]
    text = "\n".join(lines) + "\n"
    print(text)
    if args.markdown:
        Path(args.markdown).write_text(text)


def forests(args, threads):
    lines = [
        "| scoring, 100 trees of 256, one column | seconds | million values/s |",
        "| --- | --- | --- |",
    ]
    for name in ["scikit-learn, 1 million values", "isotree, 1 million values"]:
        seconds = [worker(name, "-", "-", threads)["seconds"] for _ in range(args.rounds)]
        lines.append(f"| {name} | {spread(seconds)} | {1 / statistics.median(seconds):.2f} |")
    return lines


def compare_logs(args, threads):
    """Record logs: isoscan's table and its whole scan against the bare group by."""
    path, isoscan = args.logs, args.isoscan
    times = {}
    with tempfile.TemporaryDirectory() as folder:
        table, out = Path(folder) / "table.parquet", Path(folder) / "out"
        contenders = {
            "polars group by": lambda: worker("polars group by", path, table, threads),
            "duckdb group by": lambda: worker("duckdb group by", path, table, threads),
            "isoscan aggregate": lambda: run(
                [isoscan, "aggregate", path, "--by", "src", "--every", "5m", "-q", "-o", table]),
            "isoscan scan": lambda: run([isoscan, "scan", path, "-q", "-o", out]),
        }
        for _ in range(args.rounds):
            for name, contender in contenders.items():
                times.setdefault(name, []).append(contender())
    fastest = min(statistics.median(t["wall"] for t in times[name]) for name in ("polars group by", "duckdb group by"))
    print(f"{path}: {Path(path).stat().st_size / 1e6:.0f} MB, {threads} threads, {args.rounds} rounds\n")
    print("| contender | wall seconds (range) | of the faster group by | peak MiB |\n| --- | --- | --- | --- |")
    for name, results in times.items():
        walls = [result["wall"] for result in results]
        peak = max(result["peak"] for result in results)
        print(f"| {name} | {spread(walls)} | {statistics.median(walls) / fastest:.2f} | {peak:.0f} |")


def main():
    if sys.argv[1:2] == ["--worker"]:
        name, path, out, threads = sys.argv[2:6]
        print(json.dumps(WORKERS[name](path, out, int(threads))))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--original-rounds", type=int, default=1, help="rounds with the original and isotree")
    parser.add_argument("--skip-original", action="store_true", help="and isotree on the file")
    parser.add_argument("--skip-forests", action="store_true")
    target = os.environ.get("CARGO_TARGET_DIR", HERE.parent / "target")
    parser.add_argument("--isoscan", default=Path(target) / "release" / "isoscan")
    parser.add_argument("--markdown", help="write the table to this file")
    parser.add_argument("--logs", metavar="FILE", help="compare on this Zeek connection log (TSV, unpacked) alone")
    args = parser.parse_args()
    if args.logs:
        compare_logs(args, len(os.sched_getaffinity(0)))
    else:
        compare(args)


if __name__ == "__main__":
    main()
