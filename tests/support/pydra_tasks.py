# SPDX-License-Identifier: Apache-2.0
"""Tasks and workflows of pydra's for the tests, and a program that runs one of them."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

from fileformats.generic import File
from pydra.compose import python, shell, workflow
from pydra.engine.hooks import TaskHooks
from pydra.engine.submitter import Submitter


def log(line):
    """Append a line to the file that the test looks at: what was really executed."""
    path = os.environ.get("NICARBON_TEST_LOG")
    if path:
        with open(path, "a") as file:
            file.write(line + "\n")


@python.define
def Burn(x: int, cpu_s: float = 0.1) -> int:
    log(f"Burn {x}")
    until = time.process_time() + cpu_s
    while time.process_time() < until:
        pass
    return x * x


@python.define
def Double(x: int) -> int:
    log(f"Double {x}")
    return 2 * x


@python.define
def Total(xs: list) -> int:
    log("Total")
    return sum(xs) if all(isinstance(x, int) for x in xs) else sum(map(sum, xs))


@python.define
def Save(x: int) -> File:
    path = Path("out.txt").absolute()
    path.write_text(str(x))
    return path


@python.define
def Fail(x: int) -> int:
    raise ValueError(f"deliberate {x}")


@python.define
def Die(x: int) -> int:
    log(f"Die {x}")
    until = time.process_time() + 0.2
    while time.process_time() < until:
        pass
    os.kill(os.getpid(), signal.SIGKILL)


@python.define
def Nest(x: int, cache: str) -> int:
    """Run another submitter inside the task."""
    return Double(x=x)(cache_root=cache).out


@shell.define
class Copy(shell.Task["Copy.Outputs"]):
    executable = "cp"
    in_file: File = shell.arg(position=1, argstr="")

    class Outputs(shell.Outputs):
        out_file: File = shell.outarg(position=2, argstr="", path_template="copied.txt")


@workflow.define
def Inner(y: int) -> int:
    a = workflow.add(Burn(x=y, cpu_s=0.02), name="a")
    b = workflow.add(Double(x=a.out), name="b")
    return b.out


@workflow.define(outputs=["total", "copied", "inner"])
def Mixed(xs: list) -> tuple[int, File, int]:
    burn = workflow.add(Burn(cpu_s=0.05).split(x=xs).combine("x"), name="burn")
    total = workflow.add(Total(xs=burn.out), name="total")
    save = workflow.add(Save(x=total.out), name="save")
    copy = workflow.add(Copy(in_file=save.out), name="copy")
    inner = workflow.add(Inner(y=3), name="inner")
    return total.out, copy.out_file, inner.out


@workflow.define
def Middle(y: int, factors: list) -> int:
    scaled = workflow.add(Double().split(x=factors).combine("x"), name="scaled")
    total = workflow.add(Total(xs=scaled.out), name="total")
    inner = workflow.add(Inner(y=y), name="inner")
    both = workflow.add(Add(a=total.out, b=inner.out), name="both")
    return both.out


@python.define
def Add(a: int, b: int) -> int:
    return a + b


@workflow.define
def Nested(ys: list, factors: list) -> int:
    """A split over nested workflows, twice, and combined."""
    sub = workflow.add(Middle(factors=factors).split(y=ys), name="sub")
    after = workflow.add(Double(x=sub.out).combine("sub.y"), name="after")
    total = workflow.add(Total(xs=after.out), name="total")
    return total.out


@workflow.define
def Failing(x: int) -> int:
    ok = workflow.add(Burn(x=x, cpu_s=0.02), name="ok")
    bad = workflow.add(Fail(x=ok.out), name="bad")
    after = workflow.add(Double(x=bad.out), name="after")
    return after.out


@workflow.define
def Dying(x: int) -> int:
    ok = workflow.add(Double(x=x), name="ok")
    dead = workflow.add(Die(x=ok.out), name="dead")
    return dead.out


@workflow.define
def Twins(x: int) -> int:
    first = workflow.add(Burn(x=x, cpu_s=0.05), name="first")
    second = workflow.add(Burn(x=x, cpu_s=0.05), name="second")
    both = workflow.add(Add(a=first.out, b=second.out), name="both")
    return both.out


@workflow.define
def Nesting(x: int, cache: str) -> int:
    node = workflow.add(Nest(x=x, cache=cache), name="node")
    return node.out


def written(path):
    Path(path).write_text("hello")
    return path


def task(name, base):
    """Return the task of this name."""
    made = {
        "mixed": lambda: Mixed(xs=[1, 2, 3]),
        "nested": lambda: Nested(ys=list(range(20)), factors=[1, 2]),
        "failing": lambda: Failing(x=2),
        "dying": lambda: Dying(x=2),
        "twins": lambda: Twins(x=2),
        "nesting": lambda: Nesting(x=2, cache=f"{base}/inside"),
        "split": lambda: Burn(cpu_s=0.02).split(x=[1, 2]),
        "longer": lambda: Burn(cpu_s=0.02).split(x=[1, 2, 3]),
        "copy": lambda: Copy(in_file=written(f"{base}/in.txt")),
        "one": lambda: Burn(x=5, cpu_s=0.05),
    }
    return made[name]()


def hooked(line):
    return lambda *args: log(f"hook {line}")


def listing(cache):
    """Files of a cache and what is in them; of pickles, which hold times, whether they name us."""
    found = {}
    for path in sorted(Path(cache).rglob("*")):
        name, content = str(path.relative_to(cache)), path.is_file() and path.read_bytes()
        # What is written for a scheduler is in folders that have the number of a job.
        if content is False or path.suffix == ".lock" or "_scripts/" in name:
            continue
        ours = b"nicarbon" in content
        found[name] = ours if path.suffix == ".pklz" else hashlib.md5(content).hexdigest()
    return found


def submit(step):
    """Run a task as a user's script would; return what came of it."""
    base, worker, options = step["base"], step.get("worker", "debug"), step.get("options") or {}
    options = dict(options)
    if step.get("run_dir") and step.get("object"):
        import nicarbon

        worker = nicarbon.worker(worker, run_dir=step["run_dir"], **options)
        options = {}
    elif step.get("run_dir"):
        worker, options = f"nicarbon-{worker}", {**options, "run_dir": step["run_dir"]}
    if step.get("docker"):
        from pydra.environments.docker import Docker

        options["environment"] = Docker("image")
    hooks = None
    if step.get("hooks"):
        names = ("pre_run", "pre_run_task", "post_run_task", "post_run")
        hooks = TaskHooks(**{name: hooked(name) for name in names})
    if step.get("audit"):
        from pydra.utils.messenger import AuditFlag, FileMessenger

        options["audit_flags"] = AuditFlag.PROV
        options["messengers"] = FileMessenger()
        options["messenger_args"] = {"message_dir": f"{base}/messages"}
    os.makedirs(base, exist_ok=True)
    cache = f"{base}/cache"
    try:
        with Submitter(worker=worker, cache_root=cache, **options) as submitter:
            result = submitter(task(step["task"], base), hooks=hooks, raise_errors=False)
        outputs = None if result.errored else str(result.outputs).replace(str(base), "BASE")
        ended = {"errored": result.errored, "outputs": outputs}
    except Exception as error:
        ended = {"raised": type(error).__name__}
    return {**ended, "files": listing(cache)}


def executed():
    """Return what was logged, and forget it."""
    path = Path(os.environ["NICARBON_TEST_LOG"])
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return sorted(lines)


def main():
    """Run the steps in the arguments, in turn or at once; print how each ended."""
    spec = json.loads(sys.argv[1])
    if not spec["at_once"]:
        ended = [{**submit(step), "ran": executed()} for step in spec["steps"]]
    else:
        ended = [None] * len(spec["steps"])

        def one(number, step):
            ended[number] = submit(step)

        threads = [threading.Thread(target=one, args=pair) for pair in enumerate(spec["steps"])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    print("ENDED " + json.dumps(ended))
