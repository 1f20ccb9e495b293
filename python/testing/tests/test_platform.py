from science_platform_testing import IMAGE, Platform


def test_a_platform_runs_jobs_and_leaves_nothing_behind() -> None:
    with Platform(programs={"hello": "#!/bin/sh\necho hello $1\n"}) as platform:
        lines: list[str] = []
        job = platform.jobs().run({"name": "hi", "image": IMAGE, "cmd": "hello", "args": ["ada"]}, on_log=lines.append)
        assert (job.state, lines) == ("succeeded", ["hello ada"])
        folder = platform.folder
    assert not folder.exists()
