"""The front door: what `import asrkit` costs, what it offers, and which way imports point."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

import asrkit

PACKAGE = Path(asrkit.__file__).parent
MODULES = {
    ".".join(("asrkit", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
HEAVY = ("torch", "transformers", "torchaudio", "soundfile", "av", "jiwer", "ipywidgets", "anywidget", "silero_vad")


def in_a_fresh_interpreter(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def is_for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def imports_of(module: str, *, only_top: bool = False) -> set[str]:
    """Modules that the module imports when it runs, as absolute names; those for type checkers do not count."""
    path = MODULES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if is_for_type_checkers(node) or (only_top and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] if node.level else ""
            origin = ".".join(part for part in (above, node.module) if part)
            for alias in node.names:
                inner = f"{origin}.{alias.name}"
                found.add(inner if inner in MODULES else origin)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text()))
    return found


def lazy_names() -> dict[str, str]:
    """What ``__init__`` shows to type checkers: name to module."""
    tree = ast.parse(MODULES["asrkit"].read_text())
    [block] = [node for node in tree.body if is_for_type_checkers(node)]
    return {
        alias.name: f".{node.module}"
        for node in ast.walk(block)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_import_loads_nothing_heavy():
    code = "import asrkit, json, sys; print(json.dumps(list(sys.modules)))"

    loaded = set(json.loads(in_a_fresh_interpreter(code)))

    assert "pandas" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_a_frame_with_canned_answers_needs_no_transformers():
    code = (
        "import asrkit, json, sys, numpy as np, pandas as pd\n"
        "df = pd.DataFrame({'audio': [(np.zeros(8_000), 8_000)]})\n"
        "assert df.asr.transcribe('audio', model=asrkit.Canned(['a']))['hypothesis'].tolist() == ['a']\n"
        "print(json.dumps(list(sys.modules)))"
    )

    loaded = set(json.loads(in_a_fresh_interpreter(code)))

    assert loaded.isdisjoint({"transformers", "av", "jiwer", "ipywidgets", "anywidget"})


def test_all_is_sorted_and_is_what_is_there():
    assert asrkit.__all__ == sorted(asrkit.__all__)
    assert lazy_names() == asrkit._LAZY
    assert set(asrkit.__all__) == set(asrkit._LAZY)


@pytest.mark.parametrize("name", asrkit.__all__)
def test_every_name_is_the_one_of_its_module(name):
    module = import_module(lazy_names()[name], "asrkit")

    assert getattr(asrkit, name) is getattr(module, name)
    assert name in module.__all__
    assert name in dir(asrkit)


@pytest.mark.parametrize("module", [name for name in MODULES if not name.endswith("__main__")])
def test_what_a_module_lists_is_there(module):
    loaded = import_module(module)

    assert [name for name in getattr(loaded, "__all__", []) if not hasattr(loaded, name)] == []


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'asrkit' has no attribute 'transcrib'"):
        asrkit.transcrib  # noqa: B018  the access is what is tested


def test_no_public_name_hides_a_module():
    stems = {name.removeprefix("asrkit.") for name in MODULES if name.count(".") == 1}

    assert stems.isdisjoint(asrkit.__all__)


def test_imports_go_round_in_no_circle():
    graph = {module: imports_of(module) & set(MODULES) - {module} for module in MODULES}

    order = list(TopologicalSorter(graph).static_order())

    path = ["asrkit.source", "asrkit.audio", "asrkit.backends.base", "asrkit.batch", "asrkit.frame"]
    assert [module for module in order if module in path] == path


def test_only_the_doorway_knows_pandas():
    knowing = {module for module in MODULES if "pandas" in imports_of(module, only_top=True)}

    assert "asrkit.frame" in knowing
    assert knowing <= {"asrkit.frame", "asrkit.cli"}


@pytest.mark.parametrize("module", [name for name in MODULES if name == "asrkit.batch" or ".backends" in name])
def test_what_works_on_clips_has_not_heard_of_frames(module):
    assert imports_of(module).isdisjoint({"pandas", "asrkit.frame"})
