# SPDX-License-Identifier: Apache-2.0
import ast
import importlib.util
from pathlib import Path

import pytest

from nicarbon.records import Graph, Node
from nicarbon.stages import Matcher, StageRules, in_words

_spec = importlib.util.spec_from_file_location(
    "stage_table", Path(__file__).with_name("stage_table.py")
)
table = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(table)

_spec = importlib.util.spec_from_file_location(
    "benchmark_stages", Path(__file__).parents[2] / "benchmarks" / "stages.py"
)
benchmark = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(benchmark)

FUNCTION = "nipype.interfaces.utility.wrappers.Function"
MATHS = "nipype.interfaces.fsl.maths.MathsCommand"
BET = "nipype.interfaces.fsl.preprocess.BET"
FAST = "nipype.interfaces.fsl.preprocess.FAST"
SINK = "nipype.interfaces.io.DataSink"
MERGE = "nipype.interfaces.utility.base.Merge"
PLOT = "nireports.interfaces.PlotMosaic"
TSNR = "nipype.algorithms.confounds.TSNR"
FLIRT = "nipype.interfaces.fsl.preprocess.FLIRT"


@pytest.fixture(scope="module")
def rules():
    return StageRules.load()


@pytest.fixture(scope="module")
def nodes():
    return [row for row in benchmark.labelled() if row.computes]


def graph_of(edges, **interfaces):
    nodes = tuple(Node(f"wf.{n}", "wf", interface) for n, interface in interfaces.items())
    pairs = [pair.split(">") for pair in edges.split()]
    return Graph("wf", "Linear", nodes, tuple((f"wf.{a}", f"wf.{b}") for a, b in pairs))


def stage_of(rules, graph, name):
    return rules.classify(graph)[f"wf.{name}"]


@pytest.mark.parametrize(("workflow", "name", "interface", "stage"), table.rows(table.NODES))
def test_nodes(rules, workflow, name, interface, stage):
    node = Node(f"main.{workflow}.{name}", f"main.{workflow}", interface)
    assert rules.classify(Graph("main", "", (node,), ())) == {node.name: stage}, rules.explain(
        node
    )


@pytest.mark.parametrize(("program", "stage"), table.rows(table.PROGRAMS))
def test_programs(rules, program, stage):
    node = Node(Path(program).name, program=program)
    assert rules.classify(Graph("", "command", (node,), ())) == {node.name: stage}


def test_every_stage_is_exercised(rules):
    named = {row[-1] for row in table.rows(table.NODES)}
    assert named == set(rules.definitions)


def test_a_name_alone_is_classified_where_the_graph_was_lost(rules):
    node = Node("main.bold_hmc_wf.mcflirt")
    assert rules.classify(Graph("", "", (node,), ())) == {node.name: "motion correction"}


def test_iterables_and_indices_do_not_hide_the_name(rules):
    node = Node("main.smooth.aI.a0[2]", "main", FUNCTION)
    assert set(rules.classify(Graph("", "", (node,), ())).values()) == {"smoothing and filtering"}


class TestDownstream:
    def test_generic_nodes_take_the_stage_of_their_user(self, rules):
        graph = graph_of("op1>op2 op2>b", op1=MATHS, op2=MATHS, b=BET)
        assert stage_of(rules, graph, "op1") == "brain extraction"

    def test_the_majority_of_users_wins(self, rules):
        graph = graph_of("op>b op>f1 op>f2", op=MATHS, b=BET, f1=FAST, f2=FAST)
        assert stage_of(rules, graph, "op") == "segmentation"

    def test_ties_go_to_the_first_in_the_vocabulary(self, rules):
        graph = graph_of("op>f op>b", op=MATHS, b=BET, f=FAST)
        assert stage_of(rules, graph, "op") == "brain extraction"

    def test_lists_are_looked_through(self, rules):
        graph = graph_of("op>m m>f", op=MATHS, m=MERGE, f=FAST)
        assert stage_of(rules, graph, "op") == "segmentation"

    @pytest.mark.parametrize("bystander", [SINK, PLOT])
    def test_sinks_and_pictures_do_not_outvote_users(self, rules, bystander):
        graph = graph_of("op>x op>y op>f", op=MATHS, x=bystander, y=bystander, f=FAST)
        assert stage_of(rules, graph, "op") == "segmentation"

    def test_a_check_does_not_outvote_users(self, rules):
        graph = graph_of("op>x op>y op>f", op=MATHS, x=TSNR, y=TSNR, f=FAST)
        assert stage_of(rules, graph, "op") == "segmentation"

    def test_what_is_only_checked_is_quality_control(self, rules):
        graph = graph_of("op>x op>p", op=MATHS, x=TSNR, p=PLOT)
        assert stage_of(rules, graph, "op") == "quality control"

    def test_what_only_a_picture_uses_is_reporting(self, rules):
        assert stage_of(rules, graph_of("op>x", op=MATHS, x=PLOT), "op") == "reporting"

    def test_the_last_operation_belongs_to_what_came_before(self, rules):
        graph = graph_of("f>op op>s", f=FAST, op=MATHS, s=SINK)
        assert stage_of(rules, graph, "op") == "segmentation"

    def test_alone_it_is_unclassified(self, rules):
        assert stage_of(rules, graph_of("", op=MATHS), "op") == "unclassified"

    def test_a_circle_is_no_error(self, rules):
        graph = graph_of("a>b b>a", a=MATHS, b=MATHS)
        assert set(rules.classify(graph).values()) == {"unclassified"}

    def test_edges_to_unknown_nodes_are_ignored(self, rules):
        graph = graph_of("f>ghost ghost>op", f=FAST, op=MATHS)
        assert stage_of(rules, graph, "op") == "unclassified"

    def test_an_operation_keeps_its_own_stage(self, rules):
        graph = graph_of("r>f", r=FLIRT, f=FAST)
        assert stage_of(rules, graph, "r") == "registration"


def test_the_users_own_stage_wins(rules):
    node = Node("wf.strip", "wf", BET, stage="segmentation")
    assert rules.classify(Graph("", "", (node,), ())) == {"wf.strip": "segmentation"}
    assert "given by the user" in rules.explain(node)


def test_whole_programs_are_marked(rules):
    nodes = (Node("recon-all", program="recon-all"), Node("bet", program="bet"))
    assert rules.wholes(Graph("", "", nodes, ())) == ("recon-all",)


def test_task_classes_of_pydra_have_the_stages_of_nipypes_interfaces():
    # The task classes of pydra-tasks-freesurfer 0.3.1, -fsl 0.3.4, -ants 0.2.2 and -fastsurfer
    # 0.2.2, with their executables; the stages were gone through by hand.
    lines = Path(__file__).with_name("pydra_stages.tsv").read_text().splitlines()[1:]
    rules = StageRules.load()
    wrong = []
    for line in lines:
        interface, program, stage = line.split("\t")
        node = Node("main/sub[0]/node", "main.sub", interface, program)
        rule = rules.rule_of(node)
        if rule is None or rule.stage != stage:
            wrong.append((interface, rule and rule.stage, stage))
    assert wrong == []
    assert len(lines) == 229


def test_a_surface_step_with_an_atlas_in_its_name_makes_a_surface():
    steps = {"WhitePreAparc_lh": "surface reconstruction", "AParc-to-ASeg_aparc": "parcellation"}
    nodes = tuple(Node(f"recon-all.{name}", "recon-all", "recon-all step") for name in steps)
    found = StageRules.load().classify(Graph("", "", nodes, ()))
    assert found == {f"recon-all.{name}": stage for name, stage in steps.items()}


class TestWords:
    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("HeadMask", "head_mask"),
            ("PETCoregistration", "pet_coregistration"),
            ("MergeDWIs", "merge_dwis"),
            ("5a-ComputeB0Average", "5a_compute_b0_average"),
            ("export_5tt", "export_5tt"),
            ("already_words", "already_words"),
        ],
    )
    def test_a_name_is_read_as_words(self, name, words):
        assert in_words(name) == words

    @pytest.mark.parametrize("name", ["skull_strip", "SkullStrip", "2-SkullStrip"])
    def test_each_way_to_write_a_name_says_the_same(self, rules, name):
        node = Node(f"wf.{name}", "wf", FUNCTION)
        assert rules.classify(Graph("", "", (node,), ())) == {node.name: "brain extraction"}

    def test_a_class_that_no_rule_knows_is_read_as_a_name(self, rules):
        node = Node("wf.step", "wf", "lab.interfaces.SkullStripper")
        assert rules.classify(Graph("", "", (node,), ())) == {node.name: "brain extraction"}
        assert "class skull_stripper: node" in rules.explain(node)

    def test_the_nodes_own_name_goes_before_its_unknown_class(self, rules):
        node = Node("wf.skull_strip", "wf", "lab.interfaces.SmoothImage")
        assert rules.classify(Graph("", "", (node,), ())) == {node.name: "brain extraction"}

    def test_an_unknown_class_goes_before_what_the_workflow_is_for(self, rules):
        node = Node("wf.hmc_wf.step", "wf.hmc_wf", "lab.interfaces.MergeDWIs")
        assert rules.classify(Graph("", "", (node,), ())) == {node.name: "input and output"}

    def test_a_name_is_a_functions_where_the_class_tells_nothing(self, rules):
        node = Node("wf.copy_files", "wf", "lab.interfaces.Thing")
        assert rules.classify(Graph("", "", (node,), ())) == {node.name: "input and output"}
        assert "(node re:" in rules.explain(node)
        assert "interface" not in rules.explain(node)

    def test_a_class_that_does_whatever_it_is_given_is_no_name(self, rules):
        node = Node("wf.step", "wf", FUNCTION)
        assert rules.classify(Graph("", "", (node,), ())) == {node.name: "unclassified"}


class TestLabelled:
    """Nodes of 28 pipelines; see tests/data/README.rst for who labelled them, and how."""

    def test_95_of_100_nodes_have_a_stage_that_their_label_accepts(self, nodes):
        differ = [row for row in nodes if not row.agrees]
        assert len(nodes) > 1100
        assert len(differ) / len(nodes) <= 0.05, differ

    def test_readers_who_knew_no_rule_agree(self, nodes):
        read = [row for row in nodes if {label[0] for label in row.readers} - {"engine"}]
        differ = [row for row in read if not any(row.found in label for label in row.readers)]
        assert len(read) > 650
        assert len(differ) / len(read) <= 0.06, differ

    def test_few_are_unclassified(self, nodes):
        assert sum(row.found == "unclassified" for row in nodes) / len(nodes) <= 0.02

    def test_labels_are_of_the_vocabulary(self, rules, nodes):
        assert {stage for row in nodes for stage in row.accepted} <= set(rules.definitions)

    def test_most_stages_are_among_the_labels(self, rules, nodes):
        assert len({row.accepted[0] for row in nodes}) >= len(rules.definitions) - 2


def test_many_names_find_the_same_rules_as_each_alone(rules, nodes):
    many = Matcher(rules._rules.rules)
    # Their classes left out, names decide; a letter beyond ASCII may fit what no letter shows.
    ends = ("", "_17", "ſ")
    asked = [Node(f"{row.name}{end}", row.name, "") for row in nodes[::12] for end in ends]
    found = [many.first(node) for node in asked]
    assert len(asked) > 200
    assert len({rule.stage for rule in found if rule}) > 10
    for node, rule in zip(asked, found, strict=True):
        assert Matcher(rules._rules.rules).first(node) is rule, node.name


def interface_classes():
    """Classes of nipype with inputs of their own, not imported: module and name, program."""
    root = Path(importlib.util.find_spec("nipype").origin).parent
    for folder in ("interfaces", "algorithms"):
        for path in sorted((root / folder).rglob("*.py")):
            module = ".".join(("nipype", *path.relative_to(root).with_suffix("").parts))
            if "tests" in path.parts or path.name in ("__init__.py", "base.py"):
                continue
            for item in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(item, ast.ClassDef):
                    given = {
                        target.id: line.value
                        for line in item.body
                        if isinstance(line, ast.Assign)
                        for target in line.targets
                        if isinstance(target, ast.Name)
                    }
                    if "input_spec" in given or "_cmd" in given:
                        program = getattr(given.get("_cmd"), "value", "")
                        yield f"{module}.{item.name}", program if isinstance(program, str) else ""


# Bases, what runs anything, makers of test images, and maps of T1, which is no stage.
NO_STAGE = {
    *("BaseInterface", "CommandLine", "FSLXCommand", "Function", "Interface", "MatlabCommand"),
    *("MpiCommandLine", "RCommand", "SEMLikeCommandLine", "SlicerCommandLine"),
    *("StdOutCommandLine", "GenerateTestImage", "RandomVol", "FitQt1"),
}


class TestNipype:
    def test_every_class_that_computes_has_a_rule(self, rules):
        found = {
            name: rules.rule_of(Node("wf.node", "wf", name, program.strip()))
            for name, program in interface_classes()
        }
        lacking = {name.rpartition(".")[2] for name, rule in found.items() if rule is None}
        assert len(found) > 600
        assert lacking <= NO_STAGE
