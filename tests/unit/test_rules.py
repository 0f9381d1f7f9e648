# SPDX-License-Identifier: Apache-2.0
import re

import pytest

from nicarbon.errors import StageRuleError
from nicarbon.records import Graph, Node
from nicarbon.rules import Patterns, Rule, required
from nicarbon.stages import Matcher, StageRules

FUNCTION = "nipype.interfaces.utility.wrappers.Function"
BET = "nipype.interfaces.fsl.preprocess.BET"
FAST = "nipype.interfaces.fsl.preprocess.FAST"


def graph_of(**interfaces):
    nodes = tuple(Node(f"wf.{n}", "wf", interface) for n, interface in interfaces.items())
    return Graph("wf", "Linear", nodes, ())


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("Seg", "seg", True),
        ("seg", "segment", False),
        ("seg*", "segment", True),
        ("seg*", "my_segment", False),
        ("b?t", "rabbit", False),
        ("*seg*", "my_segment", True),
        ("*.fsl.*BET", "nipype.interfaces.fsl.preprocess.bet", True),
        ("re:^ds_", "ds_bold", True),
        ("re:seg", "my_segment", True),
        ("re:Seg$", "segment", False),
        ("a[bc]", "ac", True),
    ],
)
def test_patterns(pattern, text, fits):
    patterns = Patterns(["never", pattern, "nor*this"])
    rule = Rule("x", "here", {"interface": patterns})
    found = Matcher((rule,)).first(Node("n", interface=text))
    assert (found is rule) is fits


def write(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return path


class TestUserFile:
    def test_is_tried_before_the_builtin_rules(self, tmp_path):
        path = write(
            tmp_path,
            '[stages]\n"organoids" = "mine"\n'
            '[[rule]]\nstage = "organoids"\nnode = "ST*"\ninterface = ["BET"]\n',
        )
        rules = StageRules.load(path)
        graph = graph_of(strip=BET, other=BET, stripped=FAST)
        assert rules.classify(graph) == {
            "wf.strip": "organoids",
            "wf.other": "brain extraction",  # its name does not fit
            "wf.stripped": "segmentation",  # its interface does not fit
        }
        assert list(rules.definitions)[-2:] == ["organoids", "unclassified"]
        assert "mine.toml:3" in rules.explain(graph.nodes[0])

    def test_first_match_wins(self, tmp_path):
        path = write(
            tmp_path,
            '[[rule]]\nstage = "statistics"\nnode = "re:^a"\n'
            '[[rule]]\nstage = "registration"\nnode = "*"\n',
        )
        graph = graph_of(abc=FUNCTION, bca=FUNCTION)
        assert list(StageRules.load(path).classify(graph).values()) == [
            "statistics",
            "registration",
        ]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("stage = [", r"mine\.toml: is not valid TOML"),
            ('[[rules]]\nstage = "engine"', "unknown key 'rules'"),
            ('\n[[rule]]\nstage = "engine"\nnodes = ["a"]', r"mine\.toml:2: unknown key 'nodes'"),
            ('[[rule]]\nnode = "a"', "needs stage"),
            ('[[rule]]\nstage = "engine"', "at least one of node, workflow"),
            (
                '[[rule]]\nstage = "organoids"\nnode = "a"',
                "unknown stage 'organoids'; known are eng",
            ),
            ('[[rule]]\nstage = "engine"\nnode = "re:["', r":1: node: 're:\[' is not a reg"),
            ('[[rule]]\nstage = "engine"\nnode = 3', "must be a pattern or a list"),
            ('[[rule]]\nstage = "engine"\nnode = []', "must be a pattern or a list"),
            ('[[rule]]\nstage = "engine"\nnode = "a"\nwhole = 1', "true or false"),
            ('rule = "engine"', r"write \[\[rule\]\]"),
            ("rule = [3]", "a rule is a table"),
            ("stages = 3", r"\[stages\] must be"),
            ('[stages]\ndownstream = "x"', "its own meaning"),
        ],
    )
    def test_mistakes_are_named(self, tmp_path, text, message):
        with pytest.raises(StageRuleError, match=message):
            StageRules.load(write(tmp_path, text))

    def test_missing_and_binary_files(self, tmp_path):
        with pytest.raises(StageRuleError, match="cannot be read"):
            StageRules.load(tmp_path / "none.toml")
        (tmp_path / "mine.toml").write_bytes(b"\xff\xfe")
        with pytest.raises(StageRuleError, match="not UTF-8"):
            StageRules.load(tmp_path / "mine.toml")


@pytest.mark.parametrize(
    ("pattern", "parts"),
    [
        ("^bold$", {"bold"}),
        ("smooth|FILT|blur", {"smooth", "filt", "blur"}),
        ("(^|_)(fmap|fieldmap)(_|$)", {"map", "ieldmap"}),
        ("a[bc]def", {"def"}),
        ("(warp)+|(?:topup)?fugue", {"warp", "fugue"}),
        ("(warp)*", None),
        ("(?!copy_).*mask", {"mask"}),
        ("x|", None),
        ("(?>ab|cd)", {"ab", "cd"}),
        (r"\d+", None),
        ("ſeg", None),
    ],
)
def test_what_a_text_must_contain(pattern, parts):
    assert required(re.compile(pattern, re.IGNORECASE)) == parts
