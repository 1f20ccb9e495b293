"""Settings of the plugin: `--canfar-…` on the command line, `canfar-…` in a profile."""

# Snakemake makes options of the types, and does not know `str | None`.
# ruff: noqa: UP045

from dataclasses import dataclass, field
from typing import Optional

from snakemake_interface_executor_plugins.settings import CommonSettings, ExecutorSettingsBase

common_settings = CommonSettings(
    non_local_exec=True,
    implies_no_shared_fs=False,
    job_deploy_sources=True,
    # Variables go into the environment of the job, never into its command line.
    pass_envvar_declarations_to_cmd=False,
    # True would run `pip install` of every installed storage plugin before each job: --canfar-install-storage.
    auto_deploy_default_storage_provider=False,
    init_seconds_before_status_checks=0,
)


@dataclass
class ExecutorSettings(ExecutorSettingsBase):
    """Options of the executor. The token has no option: it comes from CANFAR_TOKEN or from the saved login."""

    url: Optional[str] = field(
        default=None,
        metadata={
            "help": "Address of the platform. Default: CANFAR_URL, or the server of the saved login. "
            "The token comes from CANFAR_TOKEN or the saved login, never from the command line.",
        },
    )
    api: str = field(
        default="auto",
        metadata={
            "help": "Interface of the platform: 'v1' (/api/v1), 'skaha' (/skaha/v1, as at CANFAR), or 'auto': "
            "v1 where the server has it.",
            "choices": ["auto", "v1", "skaha"],
        },
    )
    image: Optional[str] = field(
        default=None,
        metadata={"help": "Image of jobs without an image of their own. Default: --container-image."},
    )
    use_rule_container: bool = field(
        default=False,
        metadata={
            "help": "Run the jobs of a rule in the image of its 'container:' directive. "
            "The resource canfar_image of a rule goes before it.",
        },
    )
    python: Optional[str] = field(
        default=None,
        metadata={
            "help": "Python with Snakemake in the jobs. Default: the Python of this process if it is below a shared "
            "root, else 'python3' of the image.",
        },
    )
    shared_roots: str = field(
        default="/arc",
        metadata={
            "help": "Folders that jobs see too, separated by commas. HERE=THERE where a folder has another path in the "
            "jobs, such as /mnt/arc=/arc. Default: /arc.",
        },
    )
    group: Optional[str] = field(
        default=None, metadata={"help": "Group to charge. The resource canfar_group of a rule goes before it."}
    )
    network: Optional[str] = field(
        default=None, metadata={"help": "Network of the jobs. The resource canfar_network of a rule goes before it."}
    )
    when: Optional[str] = field(
        default=None,
        metadata={"help": "'off-peak': start jobs only then. The resource canfar_when of a rule goes before it."},
    )
    time_margin: int = field(
        default=120,
        metadata={"help": "Seconds that the time limit of a job has beyond the runtime of its rule. Default: 120."},
    )
    infrastructure_retries: int = field(
        default=3,
        metadata={
            "help": "How often a job is submitted again after it was evicted or lost, or could not start. "
            "These do not count as --retries. Default: 3.",
        },
    )
    cancel_queued_on_error: bool = field(
        default=False,
        metadata={"help": "Cancel jobs that only wait as soon as a job has failed for good without --keep-going."},
    )
    log_tail_kb: int = field(
        default=64,
        metadata={"help": "How much of the end of a log is fetched after a failure, in KiB. Default: 64."},
    )
    keep_logs: str = field(
        default="failed",
        metadata={
            "help": "Jobs whose logs are fetched to .snakemake/canfar/logs: 'failed' or 'all'. Default: failed.",
            "choices": ["failed", "all"],
        },
    )
    install_storage: bool = field(
        default=False,
        metadata={"help": "Run 'pip install' of the installed storage plugins before each job."},
    )
