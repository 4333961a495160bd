#!/usr/bin/env python3
"""Damages valid inputs at random and checks what isoscan makes of them.

Each batch is a folder of damaged files (bytes flipped, cut out, repeated, spliced in from another file, cut
off) among healthy ones, scanned in one run. Checked of every run: it ends within 20 seconds, by the exit code
that its summary calls for, without a panic; each failure is told on one line that names the file; and every
healthy neighbour is scanned with all its rows. A damaged gzip or zstd file is an error or gives the rows of the
whole: never fewer in silence.

    python scripts/mutate.py target/release/isoscan --files 10000 --seed 1

Needs nothing but Python; zstd and parquet come from files given with --sample (any number; CSV and gzip are
made here). Prints what became of the damaged files by kind. A failing batch is kept, with the command that
shows it again.
"""

import argparse
import gzip
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

HEALTHY = 5
SECONDS = 20


def rows(count):
    """Lines of a log that has a few odd values."""
    lines = ["timestamp,value,host"]
    for number in range(count):
        minute, second = divmod(number, 60)
        value = 90000.0 if number % 97 == 50 else 1000 + number * 7919 % 503 + number % 4 / 4
        lines.append(f"2026-01-01 {minute // 60:02}:{minute % 60:02}:{second:02},{value},host-{number % 7}")
    return ("\n".join(lines) + "\n").encode()


def quoted(text):
    """The same lines with every cell in quotes."""
    lines = text.decode().splitlines()
    return "".join(",".join(f'"{cell}"' for cell in line.split(",")) + "\n" for line in lines).encode()


def damaged(chance, content, others):
    """One to three random wounds; the content may by chance be none the worse."""
    content = bytearray(content)
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        size = max(len(content), 1)
        place = chance.randrange(size)
        length = min(chance.choice([1, 2, 4, 16, 64, 1000, 70000]), size)
        kind = chance.randrange(8)
        if kind == 0 and content:
            content[place % len(content)] ^= 1 << chance.randrange(8)
        elif kind == 1 and content:
            content[place % len(content)] = chance.choice(b"\0\n\r\",;\t\\\xff\xfe09-")
        elif kind == 2:
            del content[place:place + length]
        elif kind == 3:
            content[place:place] = content[place:place + length] * chance.choice([1, 2, 50])
        elif kind == 4:
            other = chance.choice(others)
            start = chance.randrange(len(other))
            content[place:place] = other[start:start + length]
        elif kind == 5:
            del content[place:]
        elif kind == 6:
            content[place:place + length] = chance.randbytes(length)
        else:
            content[place:place + length] = bytes(length)
    return bytes(content)


def check(folder, out, names, run, whole):
    """What is wrong with a run, or nothing."""
    text = run.stderr.decode("utf-8", "replace")
    for word in ("panicked", "internal error", "RUST_BACKTRACE", "memory allocation"):
        if word in text:
            return f"{word} in: {text[:2000]}"
    if run.returncode not in (0, 1):
        return f"exit code {run.returncode}: {text[:2000]}"
    summary = json.loads((out / "summary.json").read_bytes())
    failed = [item for item in summary["inputs"] if item["status"] == "error"]
    if len(summary["inputs"]) != len(names):
        return f"{len(summary['inputs'])} inputs in the summary of {len(names)}"
    if run.returncode != (1 if failed else 0):
        return f"exit code {run.returncode} with {len(failed)} failures"
    lines = text.splitlines()
    for item in failed:
        named = [line for line in lines if line.startswith(f"isoscan: {item['path']}: ")]
        if len(named) != 1 or len(named[0]) > 1000:
            return f"{item['path']} is told {len(named)} times: {named[:2]}"
    for item in summary["inputs"]:
        name = pathlib.Path(item["path"]).name
        if name.startswith("healthy") and item.get("rows") != whole["healthy"]:
            return f"{name} has {item.get('rows')} rows: {item}"
        if item["status"] == "ok" and names[name] in ("gzip", "zstd"):
            found = item["rows"] + item["dropped_rows"]
            if found < whole[names[name]]:
                return f"{name} lost rows in silence: {found} of {whole[names[name]]}"
        # Every line is a row, the header, blank, or part of a record of several lines.
        if item["status"] == "ok" and names[name] == "csv":
            lines_there = (folder / name).read_bytes().count(b"\n")
            if item["rows"] + item["dropped_rows"] > lines_there + 1:
                return f"{name} has more rows than lines: {item}"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("isoscan", type=pathlib.Path)
    parser.add_argument("--files", type=int, default=2000, help="damaged files in all")
    parser.add_argument("--batch", type=int, default=50, help="damaged files in a run")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sample", type=pathlib.Path, action="append", default=[], help="a valid file to damage")
    options = parser.parse_args()
    binary = options.isoscan.resolve()

    text = rows(400)
    long = rows(20000)
    samples = [("csv", text), ("csv", quoted(text)), ("csv", long), ("gzip", gzip.compress(text, mtime=0))]
    samples.append(("gzip", gzip.compress(text[:5000], mtime=0) + gzip.compress(text[5000:], mtime=0)))
    whole = {"healthy": 400, "gzip": 400}
    for path in options.sample:
        content = path.read_bytes()
        form = "parquet" if content[:4] == b"PAR1" else "zstd" if content[:4] == b"\x28\xb5\x2f\xfd" else "other"
        samples.append((form, content))
        if form == "zstd":
            with tempfile.TemporaryDirectory() as folder:
                command = [binary, "scan", path.resolve(), "-q", "--graphs", "none", "-o", "out"]
                subprocess.run(command, cwd=folder, check=True)
                item = json.loads((pathlib.Path(folder) / "out/summary.json").read_bytes())["inputs"][0]
            total = item["rows"] + item["dropped_rows"]
            whole["zstd"] = min(whole.get("zstd", total), total)
    others = [content for _, content in samples]

    tally = {}
    left = options.files
    number = 0
    while left > 0:
        chance = random.Random(f"{options.seed}/{number}")
        root = pathlib.Path(tempfile.mkdtemp(prefix="isoscan-mutate-"))
        folder, out = root / "in", root / "out"
        folder.mkdir()
        names = {}
        for place in range(min(options.batch, left)):
            form, content = chance.choice(samples)
            name = f"{place:03}-{form}.csv"
            (folder / name).write_bytes(damaged(chance, content, others))
            names[name] = form
        for place in range(HEALTHY):
            name = f"healthy-{place}.csv"
            (folder / name).write_bytes(text)
            names[name] = "healthy"
        command = [binary, "scan", "in", "-o", "out", "-q", "--max-input-bytes", "1G"]
        command += chance.choice([["--graphs", "none"], ["--graphs", "all"], ["--scores", "csv", "--graphs", "none"]])
        try:
            run = subprocess.run(command, cwd=root, capture_output=True, timeout=SECONDS)
            wrong = check(folder, out, names, run, whole)
        except subprocess.TimeoutExpired:
            wrong = f"no end within {SECONDS} seconds"
        if wrong:
            print(f"seed {options.seed}, batch {number}: {wrong}\nkept: cd {root} && {' '.join(map(str, command))}")
            sys.exit(1)
        for item in json.loads((out / "summary.json").read_bytes())["inputs"]:
            key = (names[pathlib.Path(item["path"]).name], item["status"])
            tally[key] = tally.get(key, 0) + 1
        shutil.rmtree(root)
        left -= options.batch
        number += 1
    print(f"seed {options.seed}: {options.files} damaged files in {number} runs, nothing wrong")
    for (form, status), count in sorted(tally.items()):
        print(f"  {form:8} {status:6} {count}")


if __name__ == "__main__":
    main()
