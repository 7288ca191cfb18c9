"""What the story of ops/demo leaves behind: the marketplace promotes what the sources mean, and nothing else."""

import os

import pytest

pytestmark = pytest.mark.skipif("MARKETPLACE_SCENARIO" in os.environ, reason="only on the world made here")

# Source workspace and model → the source version that is current at the end; None is withdrawn.
MEANT = {
    ("dev01", "readmission-risk"): "2",
    ("dev01", "sepsis-alert"): "2",
    ("dev01", "length-of-stay"): None,
    ("dev02", "triage"): None,
    ("dev02", "Diabète – progression"): "1",
}
# Every version that was current in some run, once.
IMPORTED = {
    ("dev01", "readmission-risk"): ["1", "2"],
    ("dev01", "sepsis-alert"): ["1", "2"],
    ("dev01", "length-of-stay"): ["1"],
    ("dev02", "triage"): ["1"],
    ("dev02", "Diabète – progression"): ["1", "2"],
}


def copies(world):
    """(workspace, model) → its marketplace versions, as (source version, is promoted)."""
    found = {}
    for model in world.marketplace.values():
        for number, version in model["versions"].items():
            tags = version["tags"]
            key = (tags["marketplace.source.workspace"], tags["marketplace.source.model"])
            promoted = version["stage"] == "Production" or number in model["aliases"].values()
            found.setdefault(key, []).append((tags["marketplace.source.version"], promoted))
    return found


def test_every_sync_ends_well(demo):
    assert demo.exits == [0, 0, 0, 0], "\n".join(demo.outputs)


def test_every_version_that_was_current_is_imported_once(demo):
    assert {key: sorted(number for number, _ in versions) for key, versions in copies(demo).items()} == IMPORTED


def test_the_marketplace_promotes_what_the_sources_mean(demo):
    promoted = {key: [number for number, is_promoted in found if is_promoted] for key, found in copies(demo).items()}
    assert promoted == {key: [number] if number else [] for key, number in MEANT.items()}


def test_names_carry_their_workspace(demo):
    names = {f"{workspace}.{model}" for workspace, model in MEANT}
    assert set(demo.marketplace) == names
