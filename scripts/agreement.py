#!/usr/bin/env python3
"""How well two seeds of the `value` detector agree on the rows they flag, and how well they agree with scikit-learn.

    python3 scripts/agreement.py INPUT.csv [--seeds 40] [--trees N] [--scikit-trees 10000] [--isoscan PATH]

Prints, for each rate, the mean Jaccard index (rows flagged by both, as a share of those flagged by any) over all
pairs of seeds. With --scikit-trees it adds the mean index of each seed with the consensus of so many trees of
scikit-learn's IsolationForest, grown a thousand at a time with seeds 0, 1, ... (packages: scripts/requirements.txt).
"""

import argparse
import csv
import itertools
import pathlib
import subprocess
import tempfile

RATES = ["0.001", "0.003", "0.01", "0.03"]


def flagged(isoscan, path, rate, seed, trees):
    """The time and value of every row that isoscan flags."""
    with tempfile.TemporaryDirectory() as folder:
        command = [isoscan, "scan", path, "-c", rate, "--seed", str(seed), "--graphs", "none", "-q", "-o", folder]
        if trees:
            command += ["--trees", str(trees)]
        subprocess.run(command, check=True)
        (table,) = pathlib.Path(folder).glob(f"*_graph_anomalies_{rate}.csv")
        with table.open() as lines:
            return {(row["timestamp"][:19].replace("T", " "), float(row["value"])) for row in csv.DictReader(lines)}


def consensus(path, trees):
    """The rows that scikit-learn flags at each rate, by the mean score of so many trees."""
    import numpy
    from sklearn.ensemble import IsolationForest

    with open(path) as lines:
        rows = [(row["timestamp"][:19].replace("T", " "), float(row["value"])) for row in csv.DictReader(lines)]
    values = numpy.array([[value] for _, value in rows])
    forests = [IsolationForest(n_estimators=1000, max_samples=256, random_state=seed) for seed in range(trees // 1000)]
    scores = -sum(forest.fit(values).score_samples(values) for forest in forests)
    limits = {rate: numpy.percentile(scores, 100 * (1 - float(rate))) for rate in RATES}
    return {rate: {row for row, score in zip(rows, scores) if score > limit} for rate, limit in limits.items()}


def jaccard(a, b):
    return len(a & b) / max(1, len(a | b))


def mean(numbers):
    numbers = list(numbers)
    return sum(numbers) / len(numbers)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input")
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--trees", type=int, help="grow so many trees instead of taking the limit")
    parser.add_argument("--scikit-trees", type=int, help="compare with so many trees of scikit-learn")
    parser.add_argument("--isoscan", default="target/release/isoscan")
    args = parser.parse_args()
    truth = consensus(args.input, args.scikit_trees) if args.scikit_trees else None
    between = []
    for rate in RATES:
        sets = [flagged(args.isoscan, args.input, rate, seed, args.trees) for seed in range(args.seeds)]
        between.append(mean(jaccard(a, b) for a, b in itertools.combinations(sets, 2)))
        line = f"rate {rate}: two seeds {between[-1]:.4f}"
        if truth:
            line += f", with scikit-learn's consensus {mean(jaccard(found, truth[rate]) for found in sets):.4f}"
        print(line, flush=True)
    print(f"mean of the rates: two seeds {mean(between):.4f}")


if __name__ == "__main__":
    main()
