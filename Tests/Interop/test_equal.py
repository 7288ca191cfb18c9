"""Source, storage and marketplace are equal, as MLflow's own client reads them, after the demo and in the hard cases."""

import os

import pytest
from compare import ASPECTS, storage_holds_the_source, storage_matches_its_manifests

WORLDS = ["described"] if os.environ.get("MARKETPLACE_SCENARIO") else ["demo", "hard"]
# The second world contains the first; what was compared there is not compared again.
WORKSPACES = {"demo": {"dev01", "dev02"}, "hard": {"dev03", "dev04"}, "described": None}


def pairs(request, name):
    found = list(request.getfixturevalue(name).pairs(WORKSPACES[name]))
    assert found, "the marketplace holds nothing that names its source"
    return found


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("aspect", ASPECTS)
def test_equal(request, world, aspect):
    differences = [each for pair in pairs(request, world) for each in ASPECTS[aspect](pair)]
    assert not differences, "\n".join(differences)


@pytest.mark.parametrize("world", WORLDS)
def test_storage_holds_what_its_manifests_name(request, world):
    differences = storage_matches_its_manifests(request.getfixturevalue(world).storage)
    assert not differences, "\n".join(differences)


@pytest.mark.parametrize("world", WORLDS)
def test_storage_holds_every_byte_of_the_source(request, world):
    found = request.getfixturevalue(world)
    differences = [each for pair in pairs(request, world) for each in storage_holds_the_source(found, pair)]
    assert not differences, "\n".join(differences)
