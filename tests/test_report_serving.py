"""report --watch: the page over HTTP, for this machine alone; nothing else of the folder."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from report_helpers import NOTES, make_run, rows_of_history, rows_of_metrics

from minigan.__main__ import main
from minigan.report.serving import HOST, Page, make_server
from minigan.training.folder import RunFolder

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("watched") / "run", epochs=2, notes=NOTES[:200])


@pytest.fixture(scope="module")
def server(run):
    with make_server(run, 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(server, path="/", host=None, method="GET"):
    """The status, the headers and the text of an answer."""
    connection = http.client.HTTPConnection(HOST, server.server_port, timeout=20)
    connection.putrequest(method, path, skip_host=True)
    if host != "":
        connection.putheader("Host", host or f"{HOST}:{server.server_port}")
    connection.endheaders()
    answer = connection.getresponse()
    content = answer.read().decode()
    connection.close()
    return answer.status, dict(answer.getheaders()), content


def test_the_page_is_served_with_a_policy_and_follows_the_run(server, run):
    status, headers, text = ask(server)
    assert (
        status == 200 and headers["Content-Type"] == "text/html; charset=utf-8" and text.startswith("<!doctype html>")
    )
    assert "connect-src &#x27;self&#x27;" in text and headers["X-Frame-Options"] == "DENY"
    assert ask(server, "/version")[2] == headers["X-Version"] and not (run / "report.html").exists()
    RunFolder(run).write_history(rows_of_history(3))
    assert ask(server, "/version")[2] != headers["X-Version"]
    data = re.search(r'id="data-plots">(.*?)</script>', ask(server)[2])[1]
    assert json.loads(data)["losses"]["curves"][0]["x"] == [1.0, 2.0, 3.0]


def test_a_change_of_any_table_is_seen(tmp_path):
    """Also of one that is written in place: then the folder itself does not change."""
    run = make_run(tmp_path / "run", metrics=rows_of_metrics())
    page = Page(run)
    for name in ("history.csv", "metrics.csv", "evaluation.json", "notes.txt"):
        before = page.version()
        with open(run / name, "a") as file:
            file.write(" ")
        assert page.version() != before, name


@pytest.mark.parametrize(
    "path",
    [
        "/config.json",
        "/samples/epoch_001.png",
        "/../run/config.json",
        "/%2e%2e/",
        "/?x",
        "/.lock",
        "*",
        "http://127.0.0.1/",
    ],
)
def test_no_file_of_the_folder_is_served(server, path):
    status, _, text = ask(server, path)
    assert status == 404 and text == "There is only the page itself, at /.\n"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "127.0.0.1:1", "[::1]:{port}", ""]
)
def test_another_host_is_refused(server, host):
    for path in ("/", "/version", "/config.json"):
        status, _, text = ask(server, path, host.format(port=server.server_port))
        assert status == 403 and "mlp-gan" not in text


def test_other_methods_change_nothing(server):
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "HEAD"):
        assert ask(server, method=method)[0] == 501


def test_it_listens_on_this_machine_alone(server):
    assert server.socket.getsockname()[0] == "127.0.0.1"


def test_a_folder_that_goes_away_is_told(tmp_path):
    run = make_run(tmp_path / "run", epochs=1)
    with make_server(run, 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            run.rename(tmp_path / "elsewhere")
            status, _, text = ask(server)
            assert status == 503 and "is not the folder of a run" in text
        finally:
            server.shutdown()
            thread.join()


def test_wrong_calls(run, tmp_path, capsys):
    def error_of(*arguments):
        with pytest.raises(SystemExit) as end:
            main(["report", *map(str, arguments)])
        assert end.value.code == 2
        return capsys.readouterr().err

    assert "is not the folder of a run" in error_of(tmp_path, "--watch")
    assert "--watch shows one run" in error_of(run, tmp_path, "--watch")
    assert "--watch writes no file" in error_of(run, "--watch", "--out", "a.html")
    assert "expected a port from 0 to 65535" in error_of(run, "--watch", "--port", "70000")
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        error = error_of(run, "--watch", "--port", taken.getsockname()[1])
    assert error.count("\n") == 1 and "Choose another one: --port 0" in error


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ctrl_c_ends_it_in_one_line(run):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "minigan", "report", str(run), "--watch", "--port", "0"]
    # a program that was started in the background ignores Ctrl-C, and so do those that it starts
    listen = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, **listen)
    address = process.stderr.readline()
    assert re.match(r"http://127\.0\.0\.1:\d+/ shows .* Ctrl-C ends this\.\n", address)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 0 and process.stderr.read() == "stopped following the run\n"
