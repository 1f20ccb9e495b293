import subprocess
import sys
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect_canfar import CanfarCredentials, CanfarJobConfiguration, CanfarWorker
from prefect_canfar.configuration import complain_of_loopback, job_labels, job_name
from pydantic import SecretStr

RUN = UUID("f16854e2-f4f8-4471-87c0-376cc7e606d6")


def request(**fields: Any) -> dict[str, Any]:
    env = {"PREFECT_API_URL": "https://prefect.example.org/api"}
    configuration = CanfarJobConfiguration(**{"image": "i/p:3", "env": env, **fields})
    return configuration.request(FlowRun(id=RUN, flow_id=uuid4(), name="brave otter"))


def test_a_job_has_what_the_variables_ask_for() -> None:
    assert request(cores=2, memory_gb=8, gpus=1, gpu_kind="a100", time_seconds=60, job_token=True, group="survey") == {
        "name": f"pf-{RUN}-brave-otter",
        "image": "i/p:3",
        "cmd": "prefect",
        "args": ["flow-run", "execute"],
        "env": {"PREFECT_API_URL": "https://prefect.example.org/api"},
        "labels": {},
        "cores": 2,
        "memoryGb": 8,
        "gpus": 1,
        "gpuKind": "a100",
        "timeSeconds": 60,
        "graceSeconds": 30,
        "group": "survey",
        "jobToken": True,
    }


def test_the_entry_point_of_an_image_may_run_the_command() -> None:
    body = request(use_entrypoint=True, command="prefect flow-run execute 'a b'")
    assert "cmd" not in body
    assert body["args"] == ["prefect", "flow-run", "execute", "a b"]


@pytest.mark.parametrize("name", ["brave otter", "Ünï_çode / slash", "x" * 200, "-", ""])
def test_names_are_what_the_platform_takes(name: str) -> None:
    made = job_name(RUN, name)
    assert len(made) <= 63
    assert made.startswith(f"pf-{RUN}")
    assert made == made.strip("-")
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_labels_are_what_the_platform_takes() -> None:
    many = {f"prefect.io/{number}": "v" * 300 for number in range(40)}
    taken = job_labels({"no blanks here": "x", **many})
    assert len(taken) == 32
    assert {len(value) for value in taken.values()} == {255}
    assert "no blanks here" not in taken


@pytest.mark.parametrize("url", ["http://127.0.0.1:4200/api", "http://localhost:4200/api", "http://[::1]:4200/api"])
def test_a_loopback_address_is_refused_unless_the_job_is_on_the_network_of_the_machine(url: str) -> None:
    with pytest.raises(ValueError, match="Set it to an address that jobs reach"):
        complain_of_loopback(url, None)
    complain_of_loopback(url, "host")
    complain_of_loopback("https://prefect.example.org/api", "isolated")
    with pytest.raises(ValueError, match="PREFECT_API_URL is not set"):
        complain_of_loopback("", None)


def test_the_template_of_a_pool_has_every_variable() -> None:
    template = CanfarWorker.get_default_base_job_template()
    assert template["job_configuration"] == {name: f"{{{{ {name} }}}}" for name in CanfarJobConfiguration.model_fields}
    assert set(template["variables"]["properties"]) == set(CanfarJobConfiguration.model_fields)
    assert template["variables"]["required"] == ["image"]


def test_a_token_is_in_no_text() -> None:
    credentials = CanfarCredentials(url="https://batch.example.org", token=SecretStr("s3cr3t"))
    configuration = CanfarJobConfiguration(image="i", credentials=credentials)
    assert "s3cr3t" not in f"{configuration!r} {configuration} {configuration.model_dump_json()}"


def test_prefect_finds_the_type_by_the_installed_package() -> None:
    program = "from prefect.workers.base import BaseWorker; print(BaseWorker.get_all_available_worker_types())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "'canfar'" in done.stdout
