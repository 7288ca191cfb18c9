"""The worlds, made once a session, and the closing line."""

import json
import os
from pathlib import Path

import pytest
from compare import World
from world import Program, Registry, Theatre, read, run_directory


@pytest.fixture(scope="session")
def theatre():
    made = Theatre()
    yield made
    made.stop()


@pytest.fixture(scope="session")
def demo(theatre) -> World:
    return theatre.demo()


@pytest.fixture(scope="session")
def hard(theatre, demo) -> World:
    return theatre.hard()


@pytest.fixture(scope="session")
def described() -> World:
    """A world that stands already: MARKETPLACE_SCENARIO names a JSON file with its addresses.

    {"workspaces": [{"id", "registry", "python", "mlflow_workspace"?}], "marketplace": {"registry", "python",
    "mlflow_workspace"?}, "storage": "/…"}
    """
    scenario = json.loads(Path(os.environ["MARKETPLACE_SCENARIO"]).read_text())

    def registry(entry: dict) -> Registry:
        return Registry(
            entry.get("id", "marketplace"), entry["registry"], entry["python"], entry.get("mlflow_workspace")
        )

    program = Program(run_directory(), registry(scenario["marketplace"]))
    program.storage = Path(scenario["storage"])
    return read(program, [registry(entry) for entry in scenario["workspaces"]], [])


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    """The closing line, after everything else."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter:
        count = {name: len(reporter.stats.get(name, [])) for name in ("passed", "failed", "error")}
        print(f"{count['passed']} passed, {count['failed'] + count['error']} failed")
