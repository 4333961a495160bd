#!/usr/bin/env python3
"""How many events of each kind every detector finds in generated traffic, and how many alarms are false.

    python scripts/quality.py [--files 20] [--rows 8064] [--isoscan PATH] [--data DIR --labels FILE]

For each kind of event, files with one such event each are made with `isoscan generate`, and each detector
is held against their labels with `isoscan evaluate`, at the automatic threshold. With --data and --labels the
same is done for labelled data at hand, such as the Numenta Anomaly Benchmark. Prints Markdown.
Needs nothing but Python's standard library.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

DETECTORS = ["value", "context", "shape"]
KINDS = ["spike", "flood", "exfiltration", "drop", "silence", "shift", "pattern"]


def run(*command):
    """The standard output of a command; stops the script where it fails."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout


def evaluated(isoscan, detector, labels, data, *more):
    command = [isoscan, "evaluate", "--detector", detector, "-c", "auto", "--labels", labels, "--json"]
    return json.loads(run(*command, *more, data))


def minutes(seconds):
    return "-" if seconds is None else f"{seconds / 60:.0f} min"


def by_kind(isoscan, files, rows):
    """Rows of the table: what was found, how soon, and what was false."""
    with tempfile.TemporaryDirectory() as folder:
        for number, kind in enumerate(KINDS):
            run(isoscan, "generate", Path(folder) / kind, "--files", files, "--rows", rows,
                "--events", kind, "--seed", 1000 + number)
        run(isoscan, "generate", Path(folder) / "calm", "--files", files, "--rows", rows, "--calm")
        yield ["kind", *DETECTORS]
        yield ["---"] * (1 + len(DETECTORS))
        false = {detector: [0, 0] for detector in DETECTORS}
        for kind in [*KINDS, "calm"]:
            cells = []
            for detector in DETECTORS:
                found = evaluated(isoscan, detector, Path(folder) / kind, Path(folder) / kind, "--no-vus")
                false[detector][0] += found["totals"]["alarms"]["false_alarms"]
                false[detector][1] += found["totals"]["rows"]
                if kind == "calm":
                    continue
                event = found["kinds"][0]
                delay = minutes(event["median_time_to_detection_s"])
                cells.append(f"{event['found']} of {event['events']}, {delay}")
            if cells:
                yield [kind, *cells]
        rates = [f"{10000 * count / rows:.2f}" for count, rows in false.values()]
        yield ["false alarms in 10,000 rows", *rates]


def on_data(isoscan, data, labels):
    yield ["detector", "NAB standard", "low FP", "low FN", "at its own level", "VUS-PR", "AUC-PR", "best F1"]
    yield ["---"] * 8
    for detector in DETECTORS:
        totals = evaluated(isoscan, detector, labels, data)["totals"]
        nab, ranking = totals["nab"], totals["ranking"]
        yield [
            detector,
            *(f"{nab[profile]['score']:.1f}" for profile in ("standard", "low_FP", "low_FN")),
            f"{totals['nab_of_alarms']['standard']:.1f}",
            *(f"{ranking[name]:.3f}" for name in ("vus_pr", "auc_pr", "best_f1")),
        ]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20, help="files for each kind of event")
    parser.add_argument("--rows", type=int, default=8064, help="rows in each file, five minutes apart")
    parser.add_argument("--isoscan", default="isoscan", help="the program")
    parser.add_argument("--data", help="labelled data to measure besides")
    parser.add_argument("--labels", help="its labels")
    arguments = parser.parse_args()
    tables = [by_kind(arguments.isoscan, arguments.files, arguments.rows)]
    if arguments.data and arguments.labels:
        tables.append(on_data(arguments.isoscan, arguments.data, arguments.labels))
    for table in tables:
        for cells in table:
            print("| " + " | ".join(cells) + " |", flush=True)
        print()


if __name__ == "__main__":
    main()
