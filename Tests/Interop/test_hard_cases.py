"""The hard cases end right, or fail with a reason and exit code 3; nothing of theirs disturbs the rest."""

import os

import pytest

pytestmark = pytest.mark.skipif("MARKETPLACE_SCENARIO" in os.environ, reason="only on the world made here")

BROKEN = {"hollow", "headless"}
WORKSPACES = ("dev03", "dev04")
PARTIAL = 3


def promoted_at_source(world, workspace):
    return {
        name
        for name, model in world.sources[workspace].items()
        for version in model["versions"].values()
        if version["stage"] == "Production"
    }


def copied(world, workspace):
    return {pair.model for pair in world.pairs({workspace})}


def test_a_model_without_its_files_fails_the_run_and_names_itself(hard):
    assert hard.exits == [PARTIAL, PARTIAL], "\n".join(hard.outputs)
    for name in BROKEN:
        assert name in hard.outputs[0]


@pytest.mark.parametrize("workspace", WORKSPACES)
def test_everything_else_that_is_promoted_arrives(hard, workspace):
    assert copied(hard, workspace) == promoted_at_source(hard, workspace) - BROKEN


@pytest.mark.parametrize("workspace", WORKSPACES)
def test_two_models_of_one_run_stay_two_models(hard, workspace):
    twins = {pair.model: pair.copy["predicts"] for pair in hard.pairs({workspace}) if pair.model.startswith("twins-")}
    assert set(twins) == {"twins-careful", "twins-bold"}
    assert twins["twins-careful"] != twins["twins-bold"]


@pytest.mark.parametrize("workspace", WORKSPACES)
def test_a_second_run_copies_nothing_again(hard, workspace):
    numbers = [(pair.model, pair.version) for pair in hard.pairs({workspace})]
    assert len(numbers) == len(set(numbers))


def test_what_was_there_before_is_untouched(hard, demo):
    before = {name for name in demo.marketplace if demo.marketplace[name]["versions"]}
    assert all(hard.marketplace[name] == demo.marketplace[name] for name in before)
