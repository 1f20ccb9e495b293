"""A Prefect worker that runs flows as batch jobs of a science platform."""

from .configuration import CanfarCredentials, CanfarJobConfiguration, CanfarVariables
from .worker import CanfarWorker, CanfarWorkerResult

__all__ = ["CanfarCredentials", "CanfarJobConfiguration", "CanfarVariables", "CanfarWorker", "CanfarWorkerResult"]
