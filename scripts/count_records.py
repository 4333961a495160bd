"""Counts the records of network logs by rules of its own: python3 scripts/count_records.py FILE...

Prints a line a file, with tabs: path, format, records, dropped lines, lines of other kinds. Reads plain, .gz, .bz2 and .xz files with the
standard library alone and shares no code with the readers, so that `cargo run --release --example count_records FILE...` can be
compared with it: scripts/count_records.py --compare COUNTS FILE... prints what differs.
"""

import bz2
import ipaddress
import json
import lzma
import re
import sys
import zlib
from datetime import datetime

CLF = re.compile(
    rb'^(?:(?P<front>"[^"]*"|[^"\[=]*?[^"\[= ])(?: .*?)? |)\[(?P<time>[^\]]+)\] ?(?P<rest>.*)$'
)
REQUEST = re.compile(rb'^"(?:[^"\\]|\\.)*" +(\d{3}|-) +(\d+|-)(?: |$)')
SSL = re.compile(rb'^\S+ \S+ \S+ "(?:[^"\\]|\\.)*" +(\d+|-)')
NPM = re.compile(rb'^(?:\S.*? )?\d{3} - [A-Z]+ \S+ \S+ "(?:[^"\\]|\\.)*".*\[Client [^\]]+\].*\[Length (\d+|-)\]')


def content(path):
    """The unpacked bytes of a file; of a cut one what there is."""
    with open(path, "rb") as file:
        packed = file.read()
    if packed[:2] == b"\x1f\x8b":
        text = b""
        while packed[:2] == b"\x1f\x8b":
            member = zlib.decompressobj(wbits=31)
            text += member.decompress(packed)
            packed = member.unused_data
        return text
    if packed[:3] == b"BZh":
        return bz2.decompress(packed)
    if packed[:6] == b"\xfd7zXZ\0":
        return lzma.decompress(packed)
    return packed


def is_number(text):
    return re.fullmatch(rb"\d+", text) is not None


def is_seconds(text):
    try:
        float(text)
        return True
    except ValueError:
        return False


def is_address(text):
    try:
        ipaddress.ip_address(text.decode("ascii"))
        return True
    except ValueError:
        return False


def is_time(text):
    text = text.decode("latin-1").strip()
    for form in ("%d/%b/%Y:%H:%M:%S %z", "%d/%b/%Y:%H:%M:%S"):
        try:
            datetime.strptime(text, form)
            return True
        except ValueError:
            pass
    try:
        datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
        return len(text) >= 10
    except ValueError:
        return re.fullmatch(r"\d{10}(\.\d+)?|\d{13}", text) is not None


def zeek_tsv(lines):
    records = dropped = other = 0
    names, unset, path = [], b"-", b"conn"
    for line in lines:
        if line.strip().startswith(b"#"):
            head = line.strip().split(b"\t")
            if head[0] == b"#fields":
                names = head[1:]
            elif head[0] == b"#unset_field":
                unset = head[1]
            elif head[0] == b"#path":
                path = head[1]
            continue
        if path != b"conn":
            other += 1
            continue
        cells = dict(zip(names, line.split(b"\t")))
        wanted = [name for name in names if name.startswith((b"orig_", b"resp_")) or name in (b"ts", b"duration")]
        whole = [b"orig_bytes", b"resp_bytes", b"orig_pkts", b"resp_pkts", b"orig_ip_bytes", b"resp_ip_bytes", b"id.orig_p", b"id.resp_p"]
        good = all(name in cells for name in wanted if not name.endswith(b"_addr"))
        good = good and is_seconds(cells.get(b"ts", b""))
        good = good and all(cells.get(name, unset) == unset or is_number(cells[name]) for name in whole)
        good = good and (cells.get(b"duration", unset) == unset or is_seconds(cells[b"duration"]))
        records, dropped = records + good, dropped + (not good)
    if path != b"conn" and not records:
        return ("refused", 0, 0, 0)
    return ("zeek", records, dropped, other)


def as_objects(lines):
    for line in lines:
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        yield value if isinstance(value, dict) else None


def zeek_json(lines):
    records = dropped = 0
    for value in as_objects(lines):
        good = value is not None and "ts" in value
        records, dropped = records + good, dropped + (not good)
    return ("zeek", records, dropped, 0)


def eve(lines):
    values = [(value or {}).get("event", value) if value else None for value in as_objects(lines)]
    kinds = [value.get("event_type") for value in values if value]
    kind = "netflow" if "netflow" in kinds and "flow" not in kinds[:200] else "flow"
    records = sum(value is not None and value.get("event_type") == kind for value in values)
    dropped = sum(value is None for value in values)
    return ("suricata", records, dropped, len(values) - records - dropped)


def vpc(lines):
    names = None
    records = dropped = other = 0
    default = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
    for line in lines:
        cells = line.decode("latin-1").split()
        if cells and re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", cells[0]):
            cells = cells[1:]
        if "srcaddr" in cells:
            names = cells
            continue
        row = dict(zip(names or default.split(), cells))
        status = row.get("log-status", "OK")
        if len(cells) < len(names or default.split()) or not row["start"].isdigit():
            dropped += 1
        elif status in ("NODATA", "SKIPDATA"):
            other += 1
        else:
            good = all(row[name].isdigit() for name in ("bytes", "packets", "end") if name in row)
            records, dropped = records + good, dropped + (not good)
    return ("vpc", records, dropped, other)


def nfdump_csv(lines):
    if lines[0].startswith(b"ts,te,td,pr,val"):
        return ("refused", 0, 0, 0)
    rows = [line for line in lines if is_address((line.split(b",") + [b""] * 9)[3]) or b"." in line or b"::" in line]
    summary = [line for line in lines if line.startswith((b"Summary", b"flows,bytes"))]
    rows = [line for line in rows if line not in summary and not line.startswith((b"ts,", b"firstSeen", b"cnt,"))]
    good = sum(line.count(b",") >= 8 for line in rows)
    return ("nfdump", good, len(rows) - good, 0)


def nfdump_json(text):
    values = json.loads(text)
    records = sum(value["type"] == "FLOW" for value in values)
    return ("nfdump", records, 0, len(values) - records)


def is_request(line):
    match = CLF.match(line)
    while match:
        if is_time(match["time"]):
            rest = match["rest"]
            if match.start("time") > 1:
                return REQUEST.match(rest) is not None
            return NPM.match(rest) is not None or SSL.match(rest) is not None
        # A bracket that is no time is part of a name.
        line = line[: match.start("time") - 1] + b"(" + line[match.start("time") :]
        match = CLF.match(line)
    return False


def access(lines):
    records = sum(is_request(line) for line in lines)
    return ("access", records, len(lines) - records, 0)


def w3c(lines):
    names = [b"date", b"time"]
    records = dropped = 0
    for line in lines:
        if line.startswith(b"#Fields:"):
            names = line.split()[1:]
        elif not line.startswith(b"#"):
            cells = line.split(b"\t") if b"\t" in line else line.split(b" ")
            good = len(cells) >= len(names) and is_time(cells[names.index(b"date")] + b" " + cells[names.index(b"time")])
            records, dropped = records + good, dropped + (not good)
    return ("w3c", records, dropped, 0)


ALB = re.compile(
    rb'^(?:https?|h2|grpcs|wss?) \d{4}-\d\d-\d\dT\S+ \S+ \S+:\d+ \S+(?: -?\d+(?:\.\d+)?){3} (?:\d{3}|-) (?:\d{3}|-) \d+ \d+ "'
)
NLB = re.compile(rb"^tls 2\.0 \d{4}-\d\d-\d\dT\S+ \S+ \S+ \S+:\d+ \S+ (?:\d+|-) \S+ \d+ \d+ ")
CLB = re.compile(rb'^\d{4}-\d\d-\d\dT\S+Z \S+ (?:\S+:\d+|-) \S+(?: -?\d+(?:\.\d+)?){3} (?:\d+|-) (?:\d+|-) \d+ \d+ "')
S3 = re.compile(
    rb'^\S+ \S+ \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] \S+ \S+ \S+ (?:REST|BATCH|S3|WEBSITE|SOAP)\.\S+ \S+ (?:"[^"]*"|-) (?:\d+|-) \S+ (?:\d+|-) '
)
HAPROXY = re.compile(
    rb"(?:^|[ :])\S+:\d+ \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d\.\d+\] \S+ \S+/\S+ \+?-?\d+(?:/\+?-?\d+){2,4} (?:-?\d+ )?\+?\d+ "
)
HAPROXY_OTHER = re.compile(rb"\[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d\.\d+\] \S+: |(?:^|\]: )(?:Proxy|Server|Stopping|Pausing|Connect from) ")
SQUID = re.compile(rb"^\d{9,}\.\d+ +-?\d+ \S+ \S+/\d+ \d+ \S+ ")
FILTERLOG = re.compile(
    rb"filterlog.* (?:[^, ]*,){6}(?:block|reject|pass|match),\w+,(?:4(?:,[^,]*){8},\d+,[\d.]+,[\d.]+|6(?:,[^,]*){5},\d+,[0-9a-fA-F:]+,[0-9a-fA-F:]+)"
)
PACKET = re.compile(rb" SRC=[0-9a-fA-F.:]+ DST=[0-9a-fA-F.:]+ LEN=\d+ .*PROTO=\S+")
SYSLOG = re.compile(rb"^(?:<\d+>)?(?:1 )?(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\S+) ")
TUPLE = re.compile(rb'"(\d{10}|\d{13}),[^",]+,[^",]+,\d*,\d*,(?:[TU],[IO],[AD](?:,[BCE][^"]*)?|\d+,[IO],[BCED],[^"]*)"')


def lines_like(name, lines, record, other=None):
    """Counts lines that a pattern fits, and among the rest those of another."""
    records = sum(1 for line in lines if record.search(line))
    others = sum(1 for line in lines if not record.search(line) and other is not None and other.search(line))
    return (name, records, len(lines) - records - others, others)


def argus(lines):
    separator = b"\t" if b"\t" in lines[0] else b","
    names = lines[0].split(separator)
    rows = [dict(zip(names, line.split(separator))) for line in lines[1:] if line.count(separator) + 1 >= len(names)]
    management = sum(1 for row in rows if row[b"Proto"].strip() == b"man")
    good = sum(1 for row in rows if is_seconds(row[b"Dur"]) and is_number(row[b"TotBytes"].strip() or b"0"))
    return ("argus", good - management, len(lines) - 1 - good, management)


def packets(lines):
    """Packets of netfilter; UFW's audit tells the packet again that the next line blocks."""
    audits = [line for line in lines if b"[UFW AUDIT]" in line]
    rest = [line for line in lines if b"[UFW AUDIT]" not in line]
    name, records, dropped, other = lines_like("iptables", rest, PACKET, SYSLOG)
    return (name, records, dropped, other + len(audits))


def json_values(text):
    """The JSON values of a text, one after the other."""
    decoder, at, values = json.JSONDecoder(), 0, []
    text = text.decode("utf-8", "replace").strip()
    while at < len(text):
        try:
            value, at = decoder.raw_decode(text, at)
        except ValueError:
            break
        values.extend(value if isinstance(value, list) else [value])
        while at < len(text) and text[at] in " \r\n\t,":
            at += 1
    return values


def gcp(text):
    values = json_values(text)
    payloads = [value.get("jsonPayload", value) for value in values]
    records = sum(1 for value in payloads if "src_ip" in value.get("connection", {}) and "bytes_sent" in value)
    return ("gcp", records, 0, len(values) - records)


def later_formats(text, lines):
    """Formats that are told by their lines."""
    first = lines[0].strip()
    if first.startswith(b"StartTime") and b"SrcAddr" in first:
        return argus(lines)
    if first[:1] in b"{[" and b'"flowTuples"' in text:
        return ("azure", len(TUPLE.findall(text)), 0, 0)
    if first.startswith(b"{") and b'"EdgeStartTimestamp"' in first:
        values = as_json_lines(lines)
        good = sum(1 for value in values if "ClientIP" in value and "EdgeStartTimestamp" in value)
        return ("cloudflare", good, len(lines) - good, 0)
    if first[:1] in b"{[" and b'"src_ip"' in text and b'"dest_ip"' in text and b'"bytes_sent"' in text:
        return gcp(text)
    head = lines[:200]
    most = lambda pattern, share: sum(1 for line in head if pattern.search(line)) >= share * len(head)
    for pattern in (ALB, NLB, CLB):
        if most(pattern, 0.8):
            return lines_like("elb", lines, pattern)
    if most(S3, 0.8):
        return lines_like("s3", lines, S3)
    if any(HAPROXY.search(line) for line in head) and most(re.compile(HAPROXY.pattern + b"|" + HAPROXY_OTHER.pattern), 0.8):
        return lines_like("haproxy", lines, HAPROXY, HAPROXY_OTHER)
    if most(SQUID, 0.8):
        return lines_like("squid", lines, SQUID)
    if most(FILTERLOG, 0.5):
        return lines_like("filterlog", lines, FILTERLOG, SYSLOG)
    if most(PACKET, 0.5):
        return packets(lines)
    return None


def as_json_lines(lines):
    values = []
    for line in lines:
        try:
            values.append(json.loads(line))
        except ValueError:
            pass
    return values


def count(text):
    """Format, records, dropped and other lines of a log; format '-' for anything else."""
    text = text.removeprefix(b"\xef\xbb\xbf")
    if text[:2] in (b"\x0c\xa5", b"\xa5\x0c") or text[:4] in (b"\xd4\xc3\xb2\xa1", b"\n\r\r\n", b"RRD\0"):
        return ("refused", 0, 0, 0)
    lines = [line.rstrip(b"\r") for line in text.split(b"\n") if line.strip()]
    if not lines:
        return ("-", 0, 0, 0)
    first = lines[0].strip()
    if first.startswith(b"#separator"):
        return zeek_tsv(lines)
    if first.startswith(b">== Total"):
        return ("refused", 0, 0, 0)
    if later := later_formats(text, lines):
        return later
    if first.startswith(b"[") and b'"in_bytes"' in text[:4096]:
        return nfdump_json(text)
    if first.startswith(b"{"):
        if b'"event_type"' in first:
            return eve(lines)
        if re.search(rb'"id[._]orig_h"', first) and b'"conn_state"' in first:
            return zeek_json(lines)
        return ("-", 0, 0, 0)
    if any(line.startswith(b"#Fields:") for line in lines[:10]):
        return w3c(lines)
    if re.match(rb"\d{4}-\d\d-\d\d\t\d\d:\d\d:\d\d\t[A-Z]{3}\d+", first):
        return w3c(lines)
    if b"srcaddr" in first.split() or re.match(rb"(\d{4}-\S+Z )?\d+ \d+ eni-\S+ ", first):
        return vpc(lines)
    if re.match(rb"ts,te,|firstSeen,|cnt,af,|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{4}-\d\d-\d\d \d\d:\d\d:\d\d, *\d+\.\d+,", first):
        return nfdump_csv(lines)
    head = lines[:200]
    if sum(map(is_request, head)) * 5 >= len(head) * 4:
        return access(lines)
    cells = first.split(b"\t")
    if len(cells) > 8 and is_address(cells[2]) and is_address(cells[4]):
        return ("refused", 0, 0, 0)
    return ("-", 0, 0, 0)


def main(arguments):
    if arguments[:1] == ["--compare"]:
        with open(arguments[1]) as file:
            counted = {row[0]: row[1:5] for row in (line.rstrip("\n").split("\t") for line in file)}
        differing = 0
        for path in arguments[2:]:
            expected = [str(cell) for cell in count(content(path))]
            if counted.get(path) != expected:
                differing += 1
                print(path, "here", *expected, "counted", *(counted.get(path) or ["nothing"]), sep="\t")
        print(f"{len(arguments) - 2} files, {differing} differ")
        return 1 if differing else 0
    for path in arguments:
        print(path, *count(content(path)), sep="\t")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
