"""Kills scans at random moments, thousands of times, and checks what they leave behind.

For a nightly run beside `cargo test`, which does the same a few dozen times. Needs Python's standard library
and a built isoscan:

    cargo build --release
    python3 scripts/faults.py --kills 2000

A round makes an archive of small logs, scans it once undisturbed, and then again and again with a signal at
a random moment: mostly SIGKILL, sometimes SIGINT or SIGTERM, with and without `--resume`, and now and then
another change: an input rewritten, an output removed, cut short or changed, the state cut short. After each:

- every file under a final name is whole, and of an unchanged input byte for byte what it should be;
- SIGINT and SIGTERM end the scan within two seconds, with exit code 130 or 143, a summary that says
  `interrupted` and no temporary file.

Every few kills a scan with `--resume` runs to its end: then all outputs are those of the undisturbed scan, but
for the times and the arguments in `summary.json`, and no temporary file is left. Prints the counts; the exit
code is 1 where a check failed, and the folder of that round is kept.
"""

import argparse
import json
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from pathlib import Path

RUN_OUTPUTS = {"anomalies.csv", "anomalies.parquet", "incidents.csv", "incidents.parquet", "summary.json"}


class Broken(Exception):
    """A promise that did not hold."""


def check(holds, what):
    if not holds:
        raise Broken(what)


def make_log(path, chance):
    """A small log of its own, with a spike or two."""
    rows = chance.randrange(40, 160)
    spikes = {chance.randrange(rows) for _ in range(2)}
    start = 1_767_225_600 + chance.randrange(86_400)
    lines = ["timestamp,value"]
    for row in range(rows):
        value = chance.randrange(50_000, 90_000) if row in spikes else chance.randrange(1_000, 1_500)
        lines.append(f"{start + 300 * row},{value}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def results(folder):
    """Every output by its name, of the summary what does not differ from run to run."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and name.parts[0] != ".isoscan":
            found[str(name)] = path.read_bytes()
    if "summary.json" in found:
        summary = json.loads(found["summary.json"])
        summary["arguments"] = summary["seconds"] = 0
        for entry in summary["inputs"]:
            entry["seconds"] = 0
        found["summary.json"] = json.dumps(summary).encode()
    return found


def is_temporary(name):
    return Path(name).name.startswith(".isoscan-")


def check_png(name, data):
    """All chunks there, their checksums right, and as many pixels as the header says."""
    check(data[:8] == b"\x89PNG\r\n\x1a\n", f"{name} is no PNG")
    at, pixels, kind = 8, b"", b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack(">I", data[at + 8 + length : at + 12 + length])
        check(zlib.crc32(kind + body) == checksum, f"{name}: a chunk is broken")
        pixels += body if kind == b"IDAT" else b""
        at += 12 + length
    check(kind == b"IEND", f"{name} is cut short")
    zlib.decompress(pixels)


def check_whole(folder, wanted, changed):
    """Whatever has a final name is whole; of inputs that have not changed, as it should be."""
    for name, data in results(folder).items() if folder.exists() else ():
        if is_temporary(name):
            continue
        check(name in wanted, f"{name} is no output")
        if name.endswith(".png"):
            check_png(name, data)
        elif name.endswith(".csv"):
            check(data.endswith(b"\n"), f"{name} does not end with a line end")
        elif name.endswith(".parquet"):
            whole = len(data) > 12 and data[:4] == data[-4:] == b"PAR1"
            check(whole and struct.unpack("<I", data[-8:-4])[0] < len(data), f"{name} is cut short")
        elif name.endswith(".json"):
            json.loads(data)
        if name not in RUN_OUTPUTS and not any(name.startswith(stem) for stem in changed):
            check(data == wanted[name], f"{name} is not what it should be")


def disturb(work, chance):
    """Changes an input, an output or the state; returns what was done, and the input's stem."""
    outputs = [p for p in (work / "output").rglob("*") if p.is_file() and ".isoscan" not in p.parts]
    outputs = [p for p in outputs if not is_temporary(p.name) and p.name not in RUN_OUTPUTS]
    records = list((work / "output/.isoscan/sources").glob("*"))
    what = chance.choice(["input", "output removed", "output cut", "output changed", "record cut"])
    if what == "input":
        log = chance.choice(sorted((work / "logs").rglob("*.csv")))
        make_log(log, chance)
        return what, str(log.relative_to(work / "logs").with_suffix("")) + "_"
    if what == "record cut" and records:
        record = chance.choice(sorted(records))
        data = record.read_bytes()
        record.write_bytes(data[: chance.randrange(len(data) + 1)])
        return what, None
    if outputs:
        path = chance.choice(sorted(outputs))
        data = bytearray(path.read_bytes())
        stem = str(path.relative_to(work / "output")).split("_graph")[0].split("_scores")[0] + "_"
        if what == "output removed" or not data:
            path.unlink()
        elif what == "output cut":
            path.write_bytes(data[: chance.randrange(len(data))])
        else:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            path.write_bytes(data)
        return what, (stem, path)
    return "nothing", None


class Round:
    def __init__(self, program, files, chance, counts):
        self.program, self.chance, self.counts = program, chance, counts
        self.work = Path(tempfile.mkdtemp(prefix="isoscan-faults-"))
        for number in range(files):
            make_log(self.work / f"logs/{number % 7}/{number:04}.csv", chance)
        self.options = chance.choice(
            [[], ["--scores", "parquet"], ["--scores", "csv", "-j", "1"], ["--graphs", "none"], ["--graph-format", "svg"]]
        )
        self.learn()

    def scan(self, *more):
        return [self.program, "scan", "logs", "-q", *self.options, *more]

    def learn(self):
        """What an undisturbed scan makes of the inputs as they are."""
        start = time.monotonic()
        kept = self.work / "output"
        aside = self.work / "aside"
        if kept.exists():
            kept.rename(aside)
        subprocess.run(self.scan(), cwd=self.work, check=True)
        self.took = time.monotonic() - start
        self.wanted = results(kept)
        shutil.rmtree(kept)
        if aside.exists():
            aside.rename(kept)

    def strike(self):
        """Starts a scan and sends it a signal at a random moment."""
        chance = self.chance
        more = ["--resume"] if chance.random() < 0.5 else []
        started = subprocess.Popen(self.scan(*more), cwd=self.work, stderr=subprocess.PIPE)
        # What is resumed takes less than the whole.
        time.sleep(chance.random() ** (2 if more else 1) * self.took)
        kind = chance.choices([signal.SIGKILL, signal.SIGINT, signal.SIGTERM], [8, 1, 1])[0]
        sent = time.monotonic()
        started.send_signal(kind)
        try:
            _, said = started.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            started.kill()
            raise Broken(f"{kind.name}: still running after 20 s") from None
        waited = time.monotonic() - sent
        check(b"panicked" not in said and b"internal error" not in said, said.decode(errors="replace"))
        code = started.returncode
        self.counts[kind.name] += 1
        if kind != signal.SIGKILL and code != 0 and code != -kind:
            check(waited < 2, f"{kind.name}: {waited:.2f} s")
            check(code == 128 + kind, f"{kind.name}: exit code {code}: {said.decode(errors='replace')}")
            left = [name for name in results(self.work / "output") if is_temporary(name)]
            check(not left, f"{kind.name}: {left} were left")
            summary = self.work / "output/summary.json"
            if b"interrupted:" in said:
                check(json.loads(summary.read_text())["status"] == "interrupted", "no word of the interruption")
        if code == 0:
            self.counts["ended before the signal"] += 1

    def finish(self):
        """Resumes to the end: nothing is missing, and nothing else is there."""
        ended = subprocess.run(self.scan("--resume"), cwd=self.work, stderr=subprocess.PIPE, check=False)
        check(ended.returncode == 0, f"--resume: {ended.stderr.decode(errors='replace')}")
        found = results(self.work / "output")
        for name in sorted(self.wanted.keys() | found.keys()):
            check(name in found, f"{name} is missing")
            check(name in self.wanted, f"{name} was left over")
            check(found[name] == self.wanted[name], f"{name} differs from an undisturbed scan's")
        self.counts["resumed to the end"] += 1

    def play(self, kills):
        changed = set()
        for number in range(1, kills + 1):
            self.strike()
            check_whole(self.work / "output", self.wanted, changed)
            if self.chance.random() < 0.15:
                what, about = disturb(self.work, self.chance)
                self.counts[what] += 1
                if what == "input":
                    changed.add(about)
                    self.learn()
                elif isinstance(about, tuple):
                    # Whoever breaks an output finds it broken until the next scan is through.
                    self.finish()
            if number % 8 == 0 or number == kills:
                self.finish()
                changed.clear()
            if self.chance.random() < 0.3:
                shutil.rmtree(self.work / "output", ignore_errors=True)
        shutil.rmtree(self.work)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default=Path(__file__).parent.parent / "target/release/isoscan", type=Path)
    parser.add_argument("--kills", default=2000, type=int, help="signals in all")
    parser.add_argument("--files", default=60, type=int, help="logs in each round")
    parser.add_argument("--seed", default=None, type=int)
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    chance, counts, left = random.Random(seed), Counter(), arguments.kills
    start = time.monotonic()
    while left > 0:
        kills = min(left, 40)
        left -= kills
        current = Round(str(arguments.program.resolve()), arguments.files, chance, counts)
        try:
            current.play(kills)
        except Broken as broken:
            print(f"BROKEN: {broken}\nin {current.work}, {dict(counts)}", file=sys.stderr)
            return 1
        counts["rounds"] += 1
    print(f"{time.monotonic() - start:.0f} s: " + ", ".join(f"{count} {name}" for name, count in sorted(counts.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
