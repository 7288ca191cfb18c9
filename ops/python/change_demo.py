"""Changes a workspace of the demo as its owners would: change_demo.py dev01|dev02|restore.

Says in one line what it did, in the words of the demo.
"""

import sys

from clinical import alias, report, stage
from mlflow.tracking import MlflowClient


def dev01() -> str:
    stage("readmission-risk", "2", "Archived")
    stage("length-of-stay", "1", "Archived")
    alias("sepsis-alert", "champion", "2")
    return "dev01 archives readmission-risk v2 (v1 is Production again) and length-of-stay v1, moves champion of sepsis-alert to v2"


def dev02() -> str:
    MlflowClient().delete_model_version("triage", "1")
    alias("Diabète – progression", "production", "1")
    return "dev02 deletes triage v1, moves production of Diabète – progression back to v1"


def restore() -> str:
    stage("readmission-risk", "2", "Production")
    return "dev01 puts readmission-risk v2 back into Production"


if __name__ == "__main__":
    report({"dev01": dev01, "dev02": dev02, "restore": restore}[sys.argv[1]]())
