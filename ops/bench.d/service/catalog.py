"""ops/bench catalog: ten thousand models with a hundred thousand versions, as people and programs ask for them.

usage: catalog.py PROGRAM DIRECTORY CLUSTER_DIRECTORY [--short]

One client asks over one connection, as a browser does that follows links: words, beginnings and typing errors, facets, pages, single
models, what was in the middle of the history. Given is the 95th of a hundred times that it takes until the answer is there; beside each, in turn,
the same from the view of the catalog in bare SQL over one connection. The first page has to be small, with everything that it needs.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import re
import time
from pathlib import Path
from urllib.parse import quote

from database import Cluster
from mix import START_MS, Event, Model, Version, Workspace
from service import Service
from wire import Call, Connection

MODELS, MODELS_SHORT = 154, 12
VERSIONS = 10
WORKSPACES = 65
ROUNDS = 100
GOAL_MS = 50
PAGE_BYTES_MAX = 100_000
SUBJECTS = ["sepsis", "readmission", "mortality", "fall", "delirium", "stroke", "length-of-stay", "pressure-ulcer", "no-show", "pneumonia",
            "glucose", "potassium", "bleeding", "dialysis", "triage", "weaning", "pain", "frailty", "discharge", "transfusion", "arrhythmia", "cough"]
KINDS = ["risk", "score", "forecast", "alert", "ranking", "segmentation", "summary"]


class Hospital(Workspace):
    """A workspace in which every model was promoted, exported, imported and is available."""

    def __init__(self, name: str, models: int):
        super().__init__(name, 7)
        self.models = [Model(name, n, self.chance) for n in range(models)]
        for number, model in enumerate(self.models):
            model.name = f"{SUBJECTS[number % len(SUBJECTS)]}-{KINDS[number // len(SUBJECTS)]}"

    def history(self, model: Model) -> list[Event]:
        events: list[Event] = []
        for _ in range(VERSIONS):
            self.now += 60_000
            events.append(self.ModelVersionRegistered_of(model))
            events.append(self.described(model, model.versions[-1].number))
        events.append(self.described(model, None))
        version = model.versions[-1]
        events.append(self.event("StageTransitioned", model, self.of(model, version) | self.bracket() | {"from": "None", "to": "Production"}, occurred=True))
        model.waiting_export = [version]
        for kind in ("ModelExported", "ModelImported", "MarketplacePromotionSet"):
            events.append(getattr(self, kind)([model]))
        return events

    def ModelVersionRegistered_of(self, model: Model) -> Event:
        version = Version(len(model.versions) + 1, self.now)
        model.versions.append(version)
        run = self.chance.randbytes(16).hex()
        return self.event("ModelVersionRegistered", model, self.of(model, version) | self.bracket() | {
            "model_created": model.created, "run_id": run, "source": f"mlflow-artifacts:/7/{run}/artifacts/model"})

    def described(self, model: Model, version: int | None) -> Event:
        subject = {} if version is None else {"version": version}
        words = " ".join(self.chance.sample(SUBJECTS, 3))
        return self.event("ModelDescribed", model, {"model": model.id, "name": model.name} | subject | {
            "description": f"Estimates {model.name.replace('-', ' ')} from laboratory values, also seen with {words}.",
            "owner": self.chance.choice(["clinical-analytics", "nursing", "radiology", "pharmacy"]),
            "tags": {"task": self.chance.choice(["classification", "regression"]), "tier": str(self.chance.randrange(3))},
            "flavors": self.chance.choice([["python_function", "sklearn"], ["python_function", "xgboost"], ["pytorch"]]),
            "run_name": f"train-{version}", "experiment": model.name, "metrics": {"auc": round(self.chance.random(), 4)},
            "signature": {"inputs": '[{"type":"double","name":"age"}]', "outputs": '[{"type":"double"}]'},
            "params": {"C": "1.0", "max_iter": "200"}} | self.bracket())


class Bench:
    def __init__(self, service: Service, models: int):
        self.service, self.models = service, models
        self.sql = Connection(service.conninfo)
        self.figures: list[dict] = []
        self.chance = random.Random(3)

    def fill(self) -> None:
        start, count = time.perf_counter(), 0
        self.names: list[tuple[str, str, str]] = []
        for n in range(1, WORKSPACES + 1):
            hospital = Hospital(f"dev{n:02d}", self.models)
            self.sql.run(f"select ledger.open_workspace('{hospital.name}')")
            self.sql.append(Call([hospital.connect()], START_MS))
            for model in hospital.models:
                events = hospital.history(model)
                self.sql.append(Call(events, START_MS))
                count += len(events)
                self.names.append((hospital.name, model.name, model.id))
            self.sql.run("select ledger.seal()")
        self.sql.run("vacuum analyze")
        print(f"{len(self.names):,} models with {len(self.names) * VERSIONS:,} versions, {count:,} events, in {time.perf_counter() - start:.0f} s", flush=True)

    def get(self, path: str, accept: str = "text/html") -> bytes:
        self.connection.request("GET", path, headers={"Accept": accept})
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status}: {body[:300]!r}")
        return body

    def figure(self, name: str, ours, beside, goal: bool = True, rounds: int = ROUNDS) -> None:
        """The 95th of a hundred times, of each in turn; what is asked differs from time to time."""
        took: dict[str, list[float]] = {"ours": [], "beside": []}
        for _ in range(rounds):
            workspace, model, identity = self.chance.choice(self.names)
            for who, what in (("ours", ours), ("beside", beside)):
                start = time.perf_counter()
                what(workspace, model, identity)
                took[who].append((time.perf_counter() - start) * 1_000)
        p95 = {who: sorted(times)[int(len(times) * 0.95) - 1] for who, times in took.items()}
        print(f"  {name:<44} p95 {p95['ours']:8.1f} ms   bare SQL {p95['beside']:8.1f} ms", flush=True)
        self.figures.append({"name": name, "ours": round(p95["ours"], 2), "baseline": round(p95["beside"], 2), "unit": "ms, p95",
                             "ratio": round(p95["beside"] / p95["ours"], 2), "goal": GOAL_MS if goal else None,
                             "met": p95["ours"] < GOAL_MS if goal else None})

    def measure(self) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=60)
        start = time.perf_counter()
        first = self.get("/models")
        print(f"  the first page after the start, which reads the catalog: {time.perf_counter() - start:.2f} s", flush=True)
        assets = set(re.findall(rb'(?:href|src)="(/assets/[^"]+)"', first))
        size = len(first) + sum(len(self.get(path.decode(), "*/*")) for path in assets)
        self.figures.append({"name": "first page with everything", "ours": size, "baseline": PAGE_BYTES_MAX, "unit": "bytes",
                             "ratio": round(PAGE_BYTES_MAX / size, 2), "goal": PAGE_BYTES_MAX, "met": size < PAGE_BYTES_MAX})
        print(f"  the first page with everything: {size:,} bytes", flush=True)
        catalog = "select workspace, name, marketplace_name, state, description from marketplace.catalog where"
        order = "order by marketplace_name limit 25"

        def like(word: str) -> str:
            return f"{catalog} (name ilike '%{word}%' or description ilike '%{word}%') {order}"

        def misspelt(word: str) -> str:
            place = len(word) // 2
            return word[:place] + "x" + word[place + 1:]

        self.figure("search: a word", lambda w, m, i: self.get(f"/models?q={m.split('-')[0]}"), lambda w, m, i: self.sql.run(like(m.split("-")[0])))
        self.figure("search: two words and the beginning of one", lambda w, m, i: self.get(f"/models?q={w}+{m.split('-')[0]}+{m.split('-')[-1][:3]}"),
                    lambda w, m, i: self.sql.run(like(m.split("-")[0])))
        self.figure("search: a typing error", lambda w, m, i: self.get(f"/models?q={misspelt(max(m.split('-'), key=len))}"),
                    lambda w, m, i: self.sql.run(like(m.split("-")[0])))
        self.figure("search: as an object", lambda w, m, i: self.get(f"/models?q={m.split('-')[0]}", "application/json"),
                    lambda w, m, i: self.sql.run(like(m.split("-")[0])))
        self.figure("facets of everything", lambda w, m, i: self.get("/models"),
                    lambda w, m, i: self.sql.run("select workspace, count(*) from marketplace.catalog group by 1; select owner, count(*) from marketplace.catalog group by 1"))
        self.figure("a facet, and a page further on", lambda w, m, i: self.get(f"/models?workspace={w}&page=3&order=newest"),
                    lambda w, m, i: self.sql.run(f"{catalog} workspace = '{w}' order by recorded_at desc limit 25 offset 50"))
        self.figure("a model's page", lambda w, m, i: self.get("/models/" + quote(f"{w}.{m}")),
                    lambda w, m, i: self.sql.run(f"select * from marketplace.model_versions where workspace = '{w}' and model = '{i}';"
                                                 f"select * from marketplace.catalog where workspace = '{w}' and model = '{i}'"))
        self.figure("why a version is there", lambda w, m, i: self.get("/models/" + quote(f"{w}.{m}") + "/versions/3"),
                    lambda w, m, i: self.sql.run(f"select * from marketplace.stage_history where workspace = '{w}' and model = '{i}'"))
        last = int(self.sql.run("select max(last_position) from ledger.seal")[0][0])
        self.figure("search in the middle of the history", lambda w, m, i: self.get(f"/models?q={m.split('-')[0]}&as_of={last // 2}"),
                    lambda w, m, i: self.sql.run(f"select name from marketplace.catalog_at({last // 2}) where name ilike '%{m.split('-')[0]}%' limit 25"), goal=False)
        self.figure("what happened lately", lambda w, m, i: self.get("/changes"),
                    lambda w, m, i: self.sql.run(f"select * from marketplace.model_history_between({last - 2_000}, {last}) order by recorded_at desc limit 100"))
        self.figure("every workspace and its freshness", lambda w, m, i: self.get("/workspaces"), lambda w, m, i: self.sql.run("select * from marketplace.workspaces"))
        self.figure("what differs between a tenth of the history and now", lambda w, m, i: self.get(f"/changes?from={last - last // 10}&to={last}"),
                    lambda w, m, i: self.sql.run(f"select * from marketplace.catalog_changes({last - last // 10}, {last})"), goal=False, rounds=10)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("directory", type=Path)
    parser.add_argument("cluster")
    parser.add_argument("--short", action="store_true")
    options = parser.parse_args()
    service = Service(options.program, options.directory / "catalog", Cluster(options.cluster), history=False)
    bench = Bench(service, MODELS_SHORT if options.short else MODELS)
    bench.fill()
    service.start()
    bench.measure()
    print(f"  memory of the service: {service.memory() // 1_048_576} MB", flush=True)
    service.stop()
    print(json.dumps({"bench": "catalog", "figures": bench.figures}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
