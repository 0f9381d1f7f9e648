# SPDX-License-Identifier: Apache-2.0
"""The facts of a run folder, as frozen structs; `nicarbon.reader` reads them.

A module for each kind of file. Nothing here computes energy, and nothing here touches a file.
"""

from nicarbon.records.graphs import Graph, Node
from nicarbon.records.jobs import Driver, Job, JobFact, JobFacts, Submitted, Unmetered
from nicarbon.records.nodes import Cached, End, Process, Start
from nicarbon.records.run import IMPORTED, NodeFile, RunFacts, RunInfo, SampleFile
from nicarbon.records.samples import (
    Close,
    Gone,
    GpuUse,
    Host,
    Interpreted,
    Marker,
    Sample,
    Sightings,
    Traced,
)
from nicarbon.records.sensors import Domain, Model, Sensor

__all__ = [
    "IMPORTED",
    "Cached",
    "Close",
    "Domain",
    "Driver",
    "End",
    "Gone",
    "GpuUse",
    "Graph",
    "Host",
    "Interpreted",
    "Job",
    "JobFact",
    "JobFacts",
    "Marker",
    "Model",
    "Node",
    "NodeFile",
    "Process",
    "RunFacts",
    "RunInfo",
    "Sample",
    "SampleFile",
    "Sensor",
    "Sightings",
    "Start",
    "Submitted",
    "Traced",
    "Unmetered",
]
