# SPDX-License-Identifier: Apache-2.0
"""Print CPU seconds and duration of every node execution in a run folder."""

import json
import sys
from pathlib import Path

for path in sorted(Path(sys.argv[1]).glob("nodes-*.jsonl")):
    started = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue  # A line that a kill cut off.
        if record["kind"] == "start":
            started[record["span"]] = record
        elif record["kind"] == "end" and record["span"] in started:
            start = started.pop(record["span"])
            duration_s = (record["t_monotonic_ns"] - start["t_monotonic_ns"]) / 1e9
            print(start["node"], record["outcome"], record["cpu_s"], duration_s, sep="\t")
    for start in started.values():
        print(start["node"], "running or killed", "n/a", "n/a", sep="\t")
