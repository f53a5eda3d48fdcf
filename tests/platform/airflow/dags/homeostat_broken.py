"""A DAG whose file is broken after it was read once."""

from datetime import datetime

from airflow import DAG

try:
    from airflow.providers.standard.operators.empty import EmptyOperator
except ImportError:
    from airflow.operators.empty import EmptyOperator

with DAG("homeostat_broken", schedule=None, start_date=datetime(2024, 1, 1), catchup=False):
    EmptyOperator(task_id="train")
