# SPDX-License-Identifier: Apache-2.0
"""How programs are called that run another one: wrappers, containers, interpreters. Data only.

Options are named as the programs' manual pages and help texts do. One that is missing here costs a
program its proper name, and nobody any energy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple


class Wrapper(NamedTuple):
    """How a program that starts another one is called.

    Attributes
    ----------
    takes : str
        Options whose value is the next word; ``--mca=2`` takes two.
    skips : int
        Words before the program that are neither options nor assignments (an image, a duration).
    verbs : str
        Subcommands after which the program stands; any of its other subcommands starts none.
    assigns : bool
        Whether ``NAME=value`` may stand before the program.
    """

    takes: str = ""
    skips: int = 0
    verbs: str = ""
    assigns: bool = False


IMAGE_OPTIONS = (
    "-B --bind -M --mount --env --env-file -H --home --pwd --cwd -W --workdir -S --scratch -o "
    "--overlay --network --network-args --app --security --hostname --dns --add-caps --drop-caps "
    "--apply-cgroups --blkio-weight --cpus --cpuset-cpus --cpu-shares --memory --pem-path "
    "--fusemount --device --cdi-dirs"
)
_SLURM = (
    "-A -a -B -c -C -d -D -e -G -i -J -L -m -M -n -N -o -p -q -t -T -w -W -x --account "
    "--chdir --cpu-bind --cpus-per-task --constraint --dependency --error --export --gres "
    "--gpus --input --job-name --mem --mem-per-cpu --mpi --nodelist --nodes --ntasks "
    "--ntasks-per-node --output --partition --qos --reservation --time"
)
_MPI = (
    "-n -np -c -H -host -hosts -f -ppn -perhost -hostfile -machinefile -wdir -x --n --np --host "
    "--hostfile --machinefile --map-by --bind-to --rank-by --path --prefix --wdir --display "
    "-env=2 -genv=2 --mca=2 -mca=2 --gmca=2"
)
_NUMA = "-N -m -C -i -p -w -P"
_UV = "--with --with-editable -p --python --project --directory --env-file --extra --group --index"

WRAPPERS: Mapping[str, Wrapper] = {
    "apptainer": Wrapper(IMAGE_OPTIONS, skips=1, verbs="exec"),
    "catchsegv": Wrapper(),
    "chrt": Wrapper("-T -P -D --sched-runtime --sched-period --sched-deadline", skips=1),
    "chronic": Wrapper(),
    "conda": Wrapper("-n --name -p --prefix --cwd", verbs="run"),
    "dumb-init": Wrapper("-r --rewrite"),
    "env": Wrapper("-u --unset -C --chdir", assigns=True),
    "fs_time": Wrapper("-o -l -k"),
    "fspython": Wrapper(),
    "ionice": Wrapper("-c -n -p -P -u --class --classdata"),
    "ltrace": Wrapper("-a -e -F -l -n -o -p -s -u -x"),
    "mamba": Wrapper("-n --name -p --prefix --cwd", verbs="run"),
    "micromamba": Wrapper("-n --name -p --prefix --cwd -a --attach -r --root-prefix", verbs="run"),
    "mpiexec": Wrapper(_MPI),
    "mpiexec.hydra": Wrapper(_MPI),
    "mpirun": Wrapper(_MPI),
    "nice": Wrapper("-n --adjustment"),
    "nohup": Wrapper(),
    "numactl": Wrapper(_NUMA),
    "orterun": Wrapper(_MPI),
    "pdm": Wrapper("-p --project", verbs="run"),
    "pixi": Wrapper("-e --environment --manifest-path", verbs="run"),
    "pipenv": Wrapper(verbs="run"),
    "poetry": Wrapper("-C --directory", verbs="run"),
    "prun": Wrapper(_MPI),
    "setarch": Wrapper(skips=1),
    "setsid": Wrapper(),
    "singularity": Wrapper(IMAGE_OPTIONS, skips=1, verbs="exec"),
    "srun": Wrapper(_SLURM),
    "stdbuf": Wrapper("-i -o -e --input --output --error"),
    "strace": Wrapper("-a -b -e -E -I -o -O -p -P -s -S -u -X"),
    "sudo": Wrapper("-C -D -g -h -p -R -r -t -T -u -U", assigns=True),
    "taskset": Wrapper(skips=1),
    "time": Wrapper("-f --format -o --output", assigns=True),
    "timeout": Wrapper("-s --signal -k --kill-after", skips=1),
    "tini": Wrapper("-p -e"),
    "unshare": Wrapper("-R -w -S -G --root --wd --setuid --setgid"),
    "uv": Wrapper(_UV, verbs="run"),
    "uvx": Wrapper("--from --with -p --python"),
    "xargs": Wrapper("-a -d -E -I -L -n -P -s --arg-file --delimiter --max-args --max-procs"),
    "xvfb-run": Wrapper("-e -f -n -p -s -w --server-num --server-args --error-file"),
}

RUNS_IMAGE = frozenset({"apptainer run", "singularity run"})
"""What starts an image's own program: the image is its name."""


class Interpreter(NamedTuple):
    """How a program that executes scripts is called.

    Attributes
    ----------
    code : str
        Options after which code stands, not a script.
    takes : str
        Options whose value is the next word.
    module : str
        The option whose value is a module to run.
    script : str
        The option whose value is a script, or begins with it and ``=``.
    clusters : bool
        Whether one-letter options may be written as one word (``-fc``).
    """

    code: str = "-c"
    takes: str = ""
    module: str = ""
    script: str = ""
    clusters: bool = True


_SHELL = Interpreter(takes="-o +o -O +O --rcfile --init-file")
_C_SHELL = Interpreter()
INTERPRETERS: Mapping[str, Interpreter] = {
    "python": Interpreter("-c", takes="-W -X --check-hash-based-pycs", module="-m"),
    "sh": _SHELL,
    "ash": _SHELL,
    "bash": _SHELL,
    "dash": _SHELL,
    "ksh": _SHELL,
    "zsh": _SHELL,
    "csh": _C_SHELL,
    "tcsh": _C_SHELL,
    "fish": Interpreter("-c --command", takes="-C -d -o -f"),
    "perl": Interpreter("-e -E"),
    "ruby": Interpreter("-e", takes="-I -r -C"),
    "node": Interpreter("-e --eval -p --print", takes="-r --require --import", clusters=False),
    "julia": Interpreter("-e -E", takes="-J -t -p -L --project --threads", clusters=False),
    "lua": Interpreter("-e", takes="-l", clusters=False),
    "Rscript": Interpreter("-e", clusters=False),
    "R": Interpreter("-e", script="-f --file", clusters=False),
    "octave": Interpreter("--eval", takes="-p --path", clusters=False),
    "java": Interpreter(
        "", takes="-cp -classpath --class-path -p --module-path --add-opens --add-exports "
        "--add-modules -agentlib", module="-m", script="-jar", clusters=False,
    ),
}  # fmt: skip

# One interpreter under many names.
ALIASES = (
    (re.compile(r"(python|pypy)w?[\d.]*[a-z]?(-dbg|-intel64)?|fspythonbin"), "python"),
    (re.compile(r"perl[\d.]+"), "perl"),
    (re.compile(r"octave-(cli|gui)[\d.\-]*|octave-[\d.]+"), "octave"),
    (re.compile(r"(bash|zsh|ksh|lua|ruby|tcsh)-?[\d.]+"), ""),
    (re.compile(r"nodejs"), "node"),
)
LOADER = re.compile(r"ld-linux.*\.so\.\d+|ld-[\d.]+\.so|ld-musl-.*\.so\.1")
LOADER_WRAPPER = Wrapper("--library-path --inhibit-rpath --audit --preload --argv0")
# Processes that belong to a program and are called after it, whatever they call themselves.
RUNTIMES = {"starter": "apptainer", "starter-suid": "apptainer", "MATLAB": "matlab"}
HELPERS = (("from multiprocessing.", "python (multiprocessing)"),)
SUFFIXES = (".bin",)
"""FreeSurfer's scripts call programs of their own name with this ending."""
ALIKE = frozenset({"run_prediction.py"})
"""Scripts that several tools have: FastSurfer's networks are told apart by their folder."""
