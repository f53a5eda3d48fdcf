"""A DAG that takes only some confs."""

from datetime import datetime

from airflow import DAG

try:
    from airflow.sdk import Param
except ImportError:
    from airflow.models.param import Param

try:
    from airflow.providers.standard.operators.empty import EmptyOperator
except ImportError:
    from airflow.operators.empty import EmptyOperator

with DAG(
    "homeostat_strict",
    schedule=None,
    start_date=datetime(2024, 1, 1),
    catchup=False,
    params={"epochs": Param(1, type="integer", minimum=1)},
):
    EmptyOperator(task_id="train")
