"""Fills a workspace of the demo: seed_demo.py dev01|dev02. What was made is printed as one JSON object.

Three models in each; dev01 promotes by stage Production and alias champion, dev02 by alias production.
"""

import json
import sys
from dataclasses import asdict

from clinical import Logged, Plan, alias, make, report, stage

READMISSION = "Risk of readmission within 30 days of discharge. Für die Visite – nicht zur alleinigen Entscheidung."
SEPSIS = "Early warning of sepsis on the ward. 敗血症の早期警告 ⚠️"
STAY = "Expected progression one year after baseline, ± 95 % CI; données: Efron et al. 2004"


def dev01() -> list[Logged]:
    first = make(Plan("readmission-risk", "logistic", "breast cancer", 1, READMISSION, "first cohort"))
    second = make(Plan("readmission-risk", "logistic", "breast cancer", 4, READMISSION, "recalibrated – 2ᵉ cohorte"))
    stage("readmission-risk", first.version, "Production")
    stage("readmission-risk", second.version, "Production")
    calm = make(Plan("sepsis-alert", "forest", "breast cancer", 2, SEPSIS, "quiet thresholds"))
    eager = make(Plan("sepsis-alert", "forest", "breast cancer", 3, SEPSIS, "eager thresholds", with_dataset=False))
    alias("sepsis-alert", "champion", calm.version)
    alias("sepsis-alert", "challenger", eager.version)
    stay = make(Plan("length-of-stay", "ridge", "diabetes", 1, STAY))
    stage("length-of-stay", stay.version, "Production")
    return [first, second, calm, eager, stay]


def dev02() -> list[Logged]:
    triage = make(Plan("triage", "logistic", "breast cancer", 2, "Who is seen first? Ärztliche Freigabe liegt vor."))
    alias("triage", "production", triage.version)
    slow = make(Plan("Diabète – progression", "ridge", "diabetes", 2, STAY, "alpha 2"))
    fast = make(Plan("Diabète – progression", "ridge", "diabetes", 9, STAY, "alpha 9"))
    alias("Diabète – progression", "production", fast.version)
    screening = make(Plan("tumour-screening", "forest", "breast cancer", 5, "Not released yet."))
    return [triage, slow, fast, screening]


if __name__ == "__main__":
    report(json.dumps([asdict(logged) for logged in {"dev01": dev01, "dev02": dev02}[sys.argv[1]]()]))
