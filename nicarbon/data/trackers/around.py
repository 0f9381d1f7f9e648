# SPDX-License-Identifier: Apache-2.0
"""Run a command inside a tracker: ``python around.py TRACKER ANSWER FOLDER COMMAND ...``.

``python around.py tasks FOLDER`` measures with CodeCarbon from one line of its input to the next.

It is run by the interpreter in which the tracker is installed. What the tracker says is written to
ANSWER as JSON, what it writes by itself goes to FOLDER. Where the tracker's own code asks for the
network it is refused, and whom it asked for is in the answer. If the tracker does not start, the
command is not run. ``nicarbon ANSWER "" ARGUMENTS`` is the same for nicarbon, which runs the
command by itself.
"""

import importlib
import json
import os
import subprocess
import sys
import traceback
from importlib.metadata import PackageNotFoundError, version

J_PER_KWH = 3.6e6
asked = []


def watch(event, args):
    """Refuse the network to this process and to what it forks, and keep whom it wanted."""
    host = None
    if event == "socket.getaddrinfo":
        host = args[0]
    elif event == "socket.connect" and isinstance(args[1], tuple):
        host = args[1][0]
    if host is None:
        return
    host = host.decode(errors="replace") if isinstance(host, bytes) else str(host)
    if host not in ("localhost", "127.0.0.1", "::1", "0.0.0.0"):
        if host not in asked:
            asked.append(host)
        raise OSError(101, "Network is unreachable")


class CodeCarbon:
    """Its default, online tracker; it reads every second, as loads here are short."""

    distribution = "codecarbon"

    def __init__(self, folder, mode, **options):
        """Start nothing yet."""
        module = importlib.import_module("codecarbon")
        self.tracker = module.EmissionsTracker(
            tracking_mode=mode,
            output_dir=folder,
            log_level="critical",
            allow_multiple_runs=True,
            measure_power_secs=1,
            **options,
        )

    def start(self):
        """Begin."""
        self.tracker.start()

    def stop(self):
        """Return the joules of each part."""
        self.tracker.stop()
        return self.joules(self.tracker.final_emissions_data)

    @staticmethod
    def joules(data):
        """Return the joules of each part of what it found."""
        return {p: getattr(data, f"{p}_energy") * J_PER_KWH for p in ("cpu", "ram", "gpu")}

    def tasks(self, lines, out):
        """Measure from each line, which names it, to the next; each line is answered.

        It reads at both by itself. Its first task looks at the machine first, for a second or two
        that are in its energy and not in its duration: that one is of nothing, before any line.
        """
        self.tracker.start_task("first")
        self.tracker.stop_task("first")

        def answer(**found):
            print(json.dumps(found), file=out, flush=True)

        answer(version=version(self.distribution))
        for line in lines:
            self.tracker.start_task(line.strip())
            answer(began=line.strip())
            next(lines, None)
            data = self.tracker.stop_task(line.strip())
            answer(duration_s=data.duration, energy_j=self.joules(data))


class CarbonTracker:
    """One epoch is the whole command; the PUE that it multiplies into joules is taken out."""

    distribution = "carbontracker"

    def __init__(self, folder, mode):
        """Start nothing yet."""
        module = importlib.import_module("carbontracker.tracker")
        self.pue = importlib.import_module("carbontracker.constants").PUE_2023
        self.tracker = module.CarbonTracker(
            epochs=1, epochs_before_pred=0, monitor_epochs=2, log_dir=folder, verbose=0
        )

    def start(self):
        """Begin."""
        self.tracker.epoch_start()

    def stop(self):
        """Return the joules."""
        self.tracker.epoch_end()
        energy_kwh = float(sum(self.tracker.tracker.total_energy_per_epoch()))
        self.tracker.stop()
        return {"all": energy_kwh / self.pue * J_PER_KWH}


class ImpactTracker:
    """Its monitor is a process of its own; the PUE is taken out here as well."""

    distribution = "experiment-impact-tracker"

    def __init__(self, folder, mode):
        """Start nothing yet."""
        name = "experiment_impact_tracker"
        module = importlib.import_module(f"{name}.compute_tracker")
        self.utils = importlib.import_module(f"{name}.utils")
        self.pue = importlib.import_module(f"{name}.emissions.constants").PUE
        self.folder = folder
        self.tracker = module.ImpactTracker(folder)

    def start(self):
        """Begin."""
        self.tracker.launch_impact_monitor()

    def stop(self):
        """Return the joules."""
        from datetime import datetime

        info = dict(self.tracker.initial_info, experiment_end=datetime.now())
        self.tracker.get_latest_info_and_check_for_errors()
        found = self.utils.gather_additional_info(info, self.folder)
        return {"all": float(found["total_power"]) / self.pue * J_PER_KWH}


TRACKERS = {
    "codecarbon-machine": (CodeCarbon, "machine"),
    "codecarbon-process": (CodeCarbon, "process"),
    "carbontracker": (CarbonTracker, ""),
    "experiment-impact-tracker": (ImpactTracker, ""),
}


def said(error):
    """Return what an error says, in the tracker's own words, and where."""
    where = ""
    for frame in traceback.extract_tb(error.__traceback__):
        if "site-packages" in frame.filename:
            where = f" ({os.path.basename(frame.filename)}, {frame.name})"
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}{where}"


def main():
    """Run the command inside the tracker; the command is run where the tracker fails, too."""
    if sys.argv[1] == "tasks":
        tasks(sys.argv[2])
        return
    name, answer, folder, *command = sys.argv[1:]
    if name == "nicarbon":
        sys.exit(nicarbon(answer, command))
    kind, mode = TRACKERS[name]
    found = {"problem": "", "energy_j": None, "asked": asked}
    try:
        found["version"] = version(kind.distribution)
    except PackageNotFoundError:
        found["version"] = None
    out = sys.stdout
    sys.stdout = sys.stderr
    sys.addaudithook(watch)
    tracker = None
    try:
        tracker = kind(folder, mode)
        tracker.start()
    except (Exception, SystemExit) as error:
        found["problem"] = said(error)
    if not found["problem"]:
        subprocess.call(command, stdout=out)
        try:
            energy_j = tracker.stop()
            if any(value != value for value in energy_j.values()):
                raise ValueError("its energy is not a number")
            found["energy_j"] = energy_j
        except (Exception, SystemExit) as error:
            found["problem"] = said(error)
    write(answer, found)


def tasks(folder):
    """Measure with CodeCarbon, between lines."""
    out = sys.stdout
    sys.stdout = sys.stderr
    sys.addaudithook(watch)
    CodeCarbon(folder, "machine", save_to_file=False).tasks(iter(sys.stdin.readline, ""), out)


def nicarbon(answer, arguments):
    """Run one of nicarbon's verbs; its energy is in its run folder."""
    from nicarbon.cli import main as verb

    sys.addaudithook(watch)
    code = verb(arguments)
    write(answer, {"problem": "", "asked": asked})
    return code


def write(answer, found):
    """Write an answer whole or not at all."""
    with open(f"{answer}.new", "w", encoding="utf-8") as file:
        json.dump(found, file)
    os.replace(f"{answer}.new", answer)


if __name__ == "__main__":
    main()
