"""ops/faults storage: a thousand random damages to exports, in a folder and in a bucket; a check has to name each.

usage: storage.py PROGRAM DIRECTORY CLUSTER SOURCE_URL MARKETPLACE_URL BUCKET_URL [--short] [--seed N]

Exports are made by the program from a real registry. Damages are done in rounds, at most one to an export, while some
exports of a round stay sound. Each damage is judged on its own: `storage check --read-data` has to name exactly its
files, each with the kind of damage, and nothing of the sound exports. Then everything is put back, and a check has to
find nothing. `check` has to name the same, and the shares of `--read-data=n/m` together as much as the whole.
"""

from __future__ import annotations

import argparse
import json
import os
import random
from pathlib import Path

from damage import BucketStore, Damage, Export, FolderStore, Harm, Store
from sweep import Tally
from world import WORKSPACE, Place, World

MODELS = 48
DAMAGES = 1000
DAMAGES_SHORT = 64
# Of the exports in a round so many are damaged, at most.
DAMAGED_SHARE = 0.8
CHECK_EVERY = 5
SHARES = 7
INTEGRITY = 8
BUCKET = "exports-under-fire"


class Ground:
    """A world of exports in one store."""

    def __init__(self, place: Place, store: str, bucket_url: str):
        self.world = World(place)
        self.store: Store = (FolderStore(self.world.storage) if store == "folder"
                             else BucketStore(bucket_url, BUCKET, "hospital one/ü"))
        if store == "bucket":
            self.settle_in_bucket(bucket_url)
        self.train()
        self.world.expect_done(self.world.run("observe"))
        self.world.expect_done(self.world.run("export"))
        self.exports = self.made()

    def settle_in_bucket(self, bucket_url: str) -> None:
        configuration = self.world.program.configuration
        settings = json.loads(configuration.read_text())
        settings["storage"] = {"url": self.store.location, "endpoint": bucket_url}
        configuration.write_text(json.dumps(settings, indent=1))

    def train(self) -> None:
        """Models of a few files each, some of them empty or in folders, no two files the same."""
        source = self.world.source
        experiment = source.experiment("study")
        for number in range(MODELS):
            name = f"model {number}"
            source.post("registered-models/create", name=name)
            version = source.add_version(name, experiment, os.urandom(random.randrange(2_000, 60_000)), "Production")
            run = source.get("model-versions/get", name=name, version=version)["model_version"]["run_id"]
            root = source.get("runs/get", run_id=run)["run"]["info"]["artifact_uri"]
            source.put_file(root, "model/data/weights.bin", os.urandom(random.randrange(17, 9_000)))
            source.put_file(root, f"plots/ü {number}.png", os.urandom(2_000))
            source.put_file(root, "empty.txt", b"")

    def made(self) -> list[Export]:
        rows = self.world.rows("select data from ledger.events where type = 'ModelExported' order by sequence")
        exports = []
        for row in rows:
            uri = row["data"]["uri"]
            folder = uri.removeprefix(f"{self.store.location}/")
            paths = self.store.files(folder)
            exports.append(Export(uri, folder, {path.removeprefix(f"{folder}/"): self.store.get(path) for path in paths}))
        if len(exports) != MODELS or any(len(export.data) < 5 for export in exports):
            raise RuntimeError(f"{len(exports)} exports, with {[len(export.data) for export in exports]} files")
        return exports

    def check(self, *arguments: str) -> tuple[int, dict[str, dict[str, str]]]:
        """Exit code, and what was named: of each export its files with the kinds of damage."""
        ended = self.world.run("storage", "check", *arguments)
        named: dict[str, dict[str, str]] = {}
        for finding in ended.report.get("findings", []):
            of_export = named.setdefault(finding["uri"], {})
            path = finding.get("file", "")
            of_export[path] = "+".join(filter(None, [of_export.get(path), finding["code"]]))
        return ended.status, named


class Fire:
    """Rounds of damages on one ground."""

    def __init__(self, ground: Ground, tally: Tally, chance: random.Random):
        self.ground, self.tally, self.chance = ground, tally, chance
        self.harm = Harm(ground.store, chance)
        self.rounds = 0

    def name(self, what: str) -> str:
        return f"{self.ground.store.name}: {what}"

    def count(self, what: str, is_good: bool, words: str) -> None:
        name = self.name(what)
        self.tally.tried[name] += 1
        if is_good:
            self.tally.survived[name] += 1
            return
        self.tally.failures.append(name)
        print(f"✗ {name}: {words}", flush=True)

    def burn(self, damages: int) -> None:
        self.sound("before any damage")
        kinds = list(self.harm.kinds)
        left = [kinds[number % len(kinds)] for number in range(damages)]
        self.chance.shuffle(left)
        while left:
            self.rounds += 1
            some = left[:int(MODELS * DAMAGED_SHARE)]
            left = left[len(some):]
            self.round(some)
            print(f"  {self.name(f'round {self.rounds}')}: {len(some)} damages, {len(left)} to go", flush=True)

    def round(self, kinds: list[str]) -> None:
        chosen = self.chance.sample(self.ground.exports, len(kinds))
        damages = [self.harm.do(kind, export, [each for each in self.ground.exports if each is not export])
                   for kind, export in zip(kinds, chosen)]
        status, named = self.ground.check("--read-data")
        self.judge(damages, status, named)
        if self.rounds % CHECK_EVERY == 1:
            self.judge_invariants(damages)
            self.judge_shares(damages)
        for damage in damages:
            self.harm.restore(damage)
        self.sound(f"after round {self.rounds}")

    def judge(self, damages: list[Damage], status: int, named: dict[str, dict[str, str]]) -> None:
        for damage in damages:
            found = named.pop(damage.export.uri, {})
            self.count(damage.kind, found == damage.expected and status == INTEGRITY,
                       f"{damage.words} in {damage.export.uri}: expected {damage.expected}, named {found}, exit code {status}")
        self.count("sound exports among damaged ones", not named, f"named without damage: {named}")

    def judge_invariants(self, damages: list[Damage]) -> None:
        """The general check names the same, file by file."""
        ended = self.ground.world.run("check", "--read-data", "--without-registry")
        said = [each["message"] for each in ended.report.get("violations", []) if each["invariant"] == "J3"]
        # Every sentence begins with the key of the file.
        wanted = sorted(f"{damage.export.folder}/{path}" for damage in damages for path in damage.expected)
        missing = [place for place in wanted if not any(message.startswith(f"{place} ") for message in said)]
        self.count("the same named by check", not missing and len(said) == len(wanted) and ended.status == INTEGRITY,
                   f"not named: {missing}; {len(said)} of {len(wanted)} sentences, exit code {ended.status}")

    def judge_shares(self, damages: list[Damage]) -> None:
        """What takes reading to find is found in one share of the data, and in no other."""
        counts = {damage.export.uri: 0 for damage in damages if "file_changed" in damage.expected.values()}
        strange = []
        for number in range(1, SHARES + 1):
            _, named = self.ground.check(f"--read-data={number}/{SHARES}")
            for uri, found in named.items():
                if "file_changed" in found.values():
                    if uri in counts:
                        counts[uri] += 1
                    else:
                        strange.append(uri)
        self.count("every share together", not strange and all(count == 1 for count in counts.values()), f"{counts} {strange}")

    def sound(self, when: str) -> None:
        status, named = self.ground.check("--read-data")
        self.count("nothing found in sound storage", status == 0 and not named, f"{when}: exit code {status}, {named}")


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("binary", "directory", "cluster", "source", "market", "bucket"):
        parser.add_argument(name)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = parser.parse_args()
    print(f"▸ seed {options.seed}: {WORKSPACE} in a folder and in a bucket, {MODELS} exports each", flush=True)
    chance = random.Random(options.seed)
    # Any will do for a server that takes any signature.
    os.environ.update(AWS_ACCESS_KEY_ID="any", AWS_SECRET_ACCESS_KEY="any")
    place = Place(options.binary, Path(options.directory), options.cluster, options.source, options.market)
    tally = Tally()
    for store in ("folder", "bucket"):
        Fire(Ground(place, store, options.bucket), tally, chance).burn(DAMAGES_SHORT if options.short else DAMAGES)
    tally.table()
    print(json.dumps({"faults": "storage", "figures": tally.figures()}), flush=True)


if __name__ == "__main__":
    main()
