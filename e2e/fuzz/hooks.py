"""What schemathesis is told about values that fit their schema, so that it gets past them: a random name is no name that
a job may have, and a wait of 300 seconds tests nothing that one of a tenth does not. What does not fit is left alone."""

import os

import schemathesis

# What would end the test: the tokens that it uses, and their user.
OWN = set(os.environ.get("FUZZ_OWN", "").split())


def operation_of(context):
    return context.operation.definition.raw.get("operationId", "").rpartition(".")[2]


def is_text(value, longest):
    return isinstance(value, str) and 1 <= len(value) <= longest


def is_number(value, least, most):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most


def with_good_job(values):
    if is_text(values.get("name"), 63):
        values["name"] = "fuzz"
    if is_text(values.get("image"), 512):
        values["image"] = "localhost/test/busybox:1"
    if is_number(values.get("replicas"), 4, 10_000):
        values["replicas"] = 3
    return values


@schemathesis.hook
def map_body(context, body):
    if operation_of(context) == "submitJobs" and isinstance(body, dict):
        return with_good_job(body)
    if operation_of(context) == "submitJobBatch" and isinstance(body, dict) and isinstance(body.get("jobs"), list):
        return {**body, "jobs": [with_good_job(job) if isinstance(job, dict) else job for job in body["jobs"]]}
    return body


@schemathesis.hook
def map_query(context, query):
    if not isinstance(query, dict):
        return query
    operation = operation_of(context)
    if operation == "createSession":
        return with_good_job(query)
    if operation == "waitForJob" and is_number(query.get("timeout", 30), 0.1, 300):
        query["timeout"] = 0.1
    # A log is followed until its job has ended; what comes of that the tests of logs see.
    if operation == "readJobLog" and query.get("follow") is True:
        query["follow"] = False
    return query


# No such log: the answer to a place in it is 410 at once, in place of a stream that goes on until its reader leaves.
OTHER_LOG = "0000000000000000-1"


@schemathesis.hook
def before_call(context, case, kwargs):
    operation = case.operation.definition.raw.get("operationId", "")
    if operation == "followChanges" and case.method == "GET":
        if not (case.headers or {}).get("Last-Event-ID") and not (case.query or {}).get("after"):
            case.query = {**(case.query or {}), "after": OTHER_LOG}
    if operation == "waitForJobs" and isinstance(case.body, dict) and is_number(case.body.get("timeout", 30), 0.1, 300):
        case.body = {**case.body, "timeout": 0.1}
    for name, value in (case.path_parameters or {}).items():
        if isinstance(value, str) and value in OWN and case.method != "GET":
            case.path_parameters[name] = "zzzzzzzzzzzz"
