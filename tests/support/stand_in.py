# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for the commands of batch systems, which really run the scripts that they are given.

One program under many names: `install` puts them into a folder for the PATH. Jobs run at once,
each after those that it depends on, by a process of its own; what they are and how they ended
stands in files below STAND_IN_DIR, where `Job.cancel` and tests find them.
"""

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

COMMANDS = {
    "slurm": ("sbatch", "squeue", "sacct"),
    "sge": ("qsub", "qstat"),
    "pbs": ("qsub", "qstat"),
    "lsf": ("bsub", "bjobs"),
    "oar": ("oarsub", "oarstat"),
    "condor": ("condor_qsub", "condor_q", "condor_submit_dag"),
}
ENDED = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT")
SAFETY_S = 120


def install(folder, system):
    """Put the commands of one batch system into a folder."""
    folder = Path(folder)
    folder.mkdir(parents=True)
    for name in COMMANDS[system]:
        words = [sys.executable, "-S", "-E", str(Path(__file__).resolve()), system, name]
        path = folder / name
        path.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        path.chmod(0o755)
    return folder


class Job:
    """One job: its folder holds what it is and how far it is."""

    def __init__(self, state, number):
        self.number = int(number)
        self.folder = Path(state) / str(number)

    @classmethod
    def new(cls, state):
        """Make a job with the next number."""
        number = 101
        while True:
            with contextlib.suppress(FileExistsError):
                (Path(state) / str(number)).mkdir(parents=True)
                return cls(state, number)
            number += 1

    def put(self, name, value):
        """Keep a fact, whole or not at all."""
        part = self.folder / f"{name}.{os.getpid()}.part"
        part.write_text(json.dumps(value))
        part.rename(self.folder / name)

    def get(self, name, default=None):
        """Return a fact."""
        try:
            return json.loads((self.folder / name).read_text())
        except FileNotFoundError:
            return default

    @property
    def state(self):
        """How far it is, in Slurm's words."""
        return self.get("state", "PENDING")

    @property
    def over(self):
        return self.state in ENDED

    def submit(self, command, out, err, after=(), environ=(), all_ok=True):
        """Run a command later, in a process that is nobody's child."""
        self.put("command", command)
        self.put("submitted", time.time())
        sys.stdout.flush()
        if os.fork():
            return
        os.setsid()
        devnull = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(devnull, fd)
        if os.fork():
            os._exit(0)
        try:
            self._serve(command, out, err, [Job(self.folder.parent, n) for n in after], environ)
        finally:
            os._exit(0)

    def _serve(self, command, out, err, after, environ):
        give_up = time.monotonic() + SAFETY_S
        while not all(job.over for job in after):
            if time.monotonic() > give_up or self.over:
                return
            time.sleep(0.02)
        if any(job.state != "COMPLETED" for job in after):
            self.put("state", "CANCELLED")
            return
        time.sleep(float(os.environ.get("STAND_IN_WAIT_S", "0")))
        if self.over:
            return
        env = {**os.environ, **dict(environ), "STAND_IN_JOB": str(self.number)}
        code = self._attempt(command, out, err, env)
        while self.state == "REQUEUED":
            self.put("restarts", self.get("restarts", 0) + 1)
            self.put("submitted", time.time())
            env["SLURM_RESTART_COUNT"] = str(self.get("restarts"))
            time.sleep(float(os.environ.get("STAND_IN_WAIT_S", "0")))
            code = self._attempt(command, out, err, env)
        if not self.over:
            self.put("exit", code)
            self.put("ended", time.time())
            self.put("state", "COMPLETED" if code == 0 else "FAILED")

    def _attempt(self, command, out, err, env):
        self.put("started", time.time())
        self.put("state", "RUNNING")
        with open(out, "ab") as stdout, open(err, "ab") as stderr:
            return subprocess.Popen(
                command, stdout=stdout, stderr=stderr, env=env, start_new_session=True
            ).wait()

    def row(self):
        """Return the present attempt as an account has it."""
        keys = ("state", "exit", "submitted", "started", "ended")
        return {key: self.get(key) for key in keys} | {"state": self.state}

    def cancel(self, state="CANCELLED"):
        """Kill it as a batch system does: every process of it, at once."""
        self.put("state", state)
        self.put("ended", time.time())
        # Tests that run beside each other have jobs of one number.
        marks = {f"STAND_IN_JOB={self.number}", f"STAND_IN_DIR={self.folder.parent}"}
        for path in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if marks <= set(path.read_bytes().decode(errors="replace").split("\0")):
                    os.kill(int(path.parent.name), signal.SIGKILL)

    def requeue(self):
        """Kill it, and let it run once more under the same number."""
        self.put("earlier", [*self.get("earlier", []), {**self.row(), "ended": time.time()}])
        self.cancel("REQUEUED")


def jobs(state):
    """Return the jobs in the order of their numbers."""
    names = [path.name for path in Path(state).glob("[0-9]*")]
    return [Job(state, name) for name in sorted(names, key=int)]


def stop(state):
    """Leave nothing behind."""
    for job in jobs(state):
        if not job.over:
            job.cancel()


def options(arguments, with_value):
    """Split a command line into options, with or without a value, and the rest."""
    found, rest, words = {}, [], list(arguments)
    while words:
        word = words.pop(0)
        if word in with_value:
            found[word] = words.pop(0)
        elif word.startswith("--") and "=" in word:
            key, _, value = word.partition("=")
            found[key] = value
        elif word.startswith("-"):
            found[word] = True
        else:
            rest = [word, *words]
            break
    return found, rest


def sbatch(state, arguments):
    given, (script,) = options(arguments, ("-o", "-e", "-J"))
    job = Job.new(state)
    number = str(job.number)
    out = given["-o"].replace("%j", number)
    environ = {"SLURM_JOB_ID": number, "SLURM_JOBID": number, "SLURMD_NODENAME": "n1"}
    after = re.findall(r"\d+", given.get("--dependency", ""))
    print(f"Submitted batch job {number}")
    job.submit(["bash", script], out, given["-e"].replace("%j", number), after, environ)
    return 0


def squeue(state, arguments):
    job = Job(state, arguments[arguments.index("-j") + 1])
    if job.over:
        print("slurm_load_jobs error: Invalid job id specified", file=sys.stderr)
        return 1
    print(f" JOBID PARTITION NAME\n {job.number} debug x")
    return 0


def sacct(state, arguments):
    given, _ = options(arguments, ("-j", "-o"))
    for number in given["-j"].split(","):
        job = Job(state, number)
        for attempt in [*job.get("earlier", []), job.row()]:
            over = attempt["state"] in ENDED
            row = {
                "JobIDRaw": number,
                "State": "REQUEUED" if attempt in job.get("earlier", []) else attempt["state"],
                "ExitCode": f"{attempt['exit'] or 0}:0",
                "Submit": int(attempt["submitted"]),
                "Start": int(attempt["started"] or 0) or "Unknown",
                "End": int(attempt["ended"] or 0) or "Unknown" if over else "Unknown",
                "NodeList": "n1",
            }
            print("|".join(str(row.get(name, "")) for name in given["-o"].split(",")))
    return 0


def qsub_sge(state, arguments):
    given, (script,) = options(arguments, ("-o", "-e", "-N", "-hold_jid"))
    job = Job.new(state)
    out, err = (
        os.path.join(path, f"{given['-N']}.{kind}{job.number}") if os.path.isdir(path) else path
        for path, kind in ((given["-o"], "o"), (given["-e"], "e"))
    )
    environ = {"JOB_ID": str(job.number), "SGE_TASK_ID": "undefined", "RESTARTED": "0"}
    print(f'Your job {job.number} ("{given["-N"]}") has been submitted')
    job.submit(["sh", script], out, err, re.findall(r"\d+", given.get("-hold_jid", "")), environ)
    return 0


def qstat_sge(state, arguments):
    entries = []
    for job in jobs(state):
        word = "zombie" if job.over else "running" if job.state == "RUNNING" else "pending"
        entries.append(
            f"<job_list state='{word}'><JB_job_number>{job.number}</JB_job_number>"
            "<state>x</state><JAT_start_time>2026-01-01T00:00:00</JAT_start_time>"
            "<queue_name>all.q</queue_name><slots>1</slots></job_list>"
        )
    print(f"<?xml version='1.0'?><jobs><job_info>{''.join(entries)}</job_info></jobs>")
    return 0


def qsub_pbs(state, arguments):
    given, (script,) = options(arguments, ("-o", "-e", "-N", "-W"))
    job = Job.new(state)
    folder = given.get("-o", os.path.dirname(script))
    out = os.path.join(folder, f"job.o{job.number}")
    print(f"{job.number}.server")
    after = re.findall(r"\d+(?=\.server)", given.get("-W", ""))
    environ = {"PBS_JOBID": f"{job.number}.server"}
    job.submit(["sh", script], out, out, after, environ)
    return 0


def qstat_pbs(state, arguments):
    job = Job(state, arguments[-1].partition(".")[0])
    print(f"Job Id: {job.number}.server\n    job_state = {'C' if job.over else 'R'}")
    return 0


def bsub(state, arguments):
    given, command = options(arguments, ("-o", "-e", "-J"))
    job = Job.new(state)
    print(f"Job <{job.number}> is submitted to default queue <normal>.")
    job.submit(command, given["-o"], given["-e"], environ={"LSB_JOBID": str(job.number)})
    return 0


def bjobs(state, arguments):
    job = Job(state, arguments[-1])
    word = "DONE" if job.state == "COMPLETED" else "EXIT" if job.over else "RUN"
    print(f"JOBID USER STAT\n{job.number} me {word}")
    return 0


def oarsub(state, arguments):
    given, _ = options(arguments, ("-O", "-E", "-n", "-S"))
    job = Job.new(state)
    print(json.dumps({"job_id": str(job.number)}, indent=1))
    environ = {"OAR_JOB_ID": str(job.number)}
    job.submit(["sh", given["-S"]], given["-O"], given["-E"], environ=environ)
    return 0


def oarstat(state, arguments):
    job = Job(state, arguments[-1])
    print(json.dumps({str(job.number): "Terminated" if job.over else "Running"}))
    return 0


def _condor_environ(job):
    description = job.folder / "job.ad"
    description.write_text(f'ClusterId = {job.number}\nProcId = 0\nCmd = "x"\n')
    return {"_CONDOR_JOB_AD": str(description)}


def condor_qsub(state, arguments):
    given, (script,) = options(arguments, ("-o", "-e", "-N"))
    job = Job.new(state)
    out = os.path.join(given["-o"], f"job.{job.number}")
    print(f"Your job {job.number} has been submitted")
    job.submit(["sh", script], out, out, environ=_condor_environ(job))
    return 0


def condor_q(state, arguments):
    job = Job(state, arguments[-1])
    print("-- Schedd: here" if job.over else f"-- Schedd: here\n{job.number}.0 me R")
    return 0


def condor_submit_dag(state, arguments):
    lines = [line.split() for line in Path(arguments[-1]).read_text().splitlines()]
    submits = {words[1]: words[2] for words in lines if words[0] == "JOB"}
    made = {name: Job.new(state) for name in submits}
    after = {name: [] for name in submits}
    for words in lines:
        if words[0] == "PARENT":
            child = words.index("CHILD")
            for name in words[child + 1 :]:
                after[name] += [made[parent].number for parent in words[1:child]]
    for name, path in submits.items():
        text = Path(path).read_text()
        given = dict(re.findall(r"^(\w+) *= *(.*)$", text, re.MULTILINE))
        command = [given["executable"], *shlex.split(given["arguments"])]
        made[name].submit(
            command, given["output"], given["error"], after[name], _condor_environ(made[name])
        )
    return 0


def main(system, name, arguments):
    """Be the command that was called."""
    state = os.environ["STAND_IN_DIR"]
    command = globals().get(f"{name}_{system}") or globals()[name]
    return command(state, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
