"""A DAG that is paused."""

from datetime import datetime

from airflow import DAG

try:
    from airflow.providers.standard.operators.empty import EmptyOperator
except ImportError:
    from airflow.operators.empty import EmptyOperator

with DAG("homeostat_paused", schedule=None, start_date=datetime(2024, 1, 1), catchup=False, is_paused_upon_creation=True):
    EmptyOperator(task_id="train")
