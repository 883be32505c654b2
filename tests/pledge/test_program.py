"""sztb-pledge as a program: commands, exit codes, signals, a real link."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from pledge.__main__ import main
from pledge.daemon import parse_endpoint
from pledge.settings import TEMPLATE, Settings
from pledge.state import DirectoryStore, State
from sztb.codepoints.coap import Code
from sztb.codepoints.resources import Operation
from sztb.daemon.settings import load
from sztb.discovery.offers import Endpoint
from sztb.errors import Malformed
from sztb.transport.exchange import Answer
from tests.fakes import namespace
from tests.fakes.pki import make_pki
from tests.fakes.registrar import FakeRegistrar
from tests.pledge.test_identity import write_factory
from tests.pledge.test_state import credential

ROOT = Path(__file__).parents[2]
WHY_NOT = namespace.why_not()


@pytest.fixture
def folder(tmp_path):
    """A device with factory data and configuration."""
    write_factory(tmp_path / "factory")
    (tmp_path / "pledge.toml").write_text('factory_dir = "factory"\nstate_dir = "state"\n')
    return tmp_path


def command(folder, *arguments):
    """Run a short command in this process; returns exit code and output."""
    result = CliRunner().invoke(main, [*arguments, "--config", str(folder / "pledge.toml")])
    return result.exit_code, result.output


class Program:
    """sztb-pledge in a process of its own."""

    def __init__(self, process):
        self.process = process

    @classmethod
    async def start(cls, folder, *arguments, environment=()):
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable, "-m", "pledge", "run", "--config", str(folder / "pledge.toml"),
                *arguments, stderr=asyncio.subprocess.PIPE, cwd=ROOT,
                env=os.environ | dict(environment),
            )
        )  # fmt: skip

    async def end(self):
        async with asyncio.timeout(30):
            _, err = await self.process.communicate()
        return self.process.returncode, err.decode()


async def run(folder, *arguments):
    return await (await Program.start(folder, *arguments)).end()


# init, check, status, reset


def test_init_writes_a_working_configuration(tmp_path):
    config = tmp_path / "new" / "pledge.toml"
    write_factory(tmp_path / "factory")
    made = CliRunner().invoke(
        main, ["init", "--config", str(config), "--factory", str(tmp_path / "factory")]
    )
    assert made.exit_code == 0, made.output
    settings = load(config, Settings)
    assert settings.factory_dir == tmp_path / "factory"
    again = CliRunner().invoke(main, ["init", "--config", str(config)])
    assert again.exit_code == 1
    assert "exists already" in again.output


def test_the_template_names_only_real_keys(tmp_path):
    text = TEMPLATE.format(factory="/f", state="/s").replace("\n# ", "\n")
    lines = [line for line in text.splitlines() if "=" in line or line.startswith("[")]
    config = tmp_path / "x.toml"
    config.write_text("\n".join(lines))
    assert load(config, Settings).trusted_clock


def test_check(folder):
    code, output = command(folder, "check")
    assert code == 0
    assert "device: SN-1" in output
    assert "state: factory" in output


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "pledge.toml"),
        ('state_dri = "x"', "did you mean 'state_dir'"),
        ('factory_dir = "elsewhere"', "No such file"),
        ('[discovery]\nregistrar = "registrar.example:5684"', "registrar address"),
        ('[voucher]\nnonceless = "sometimes"', "nonceless"),
    ],
)
def test_check_finds_mistakes(folder, text, message):
    config = folder / "pledge.toml"
    base = "" if "factory_dir" in text else 'factory_dir = "factory"\n'
    config.write_text(base + text + "\n")
    code, output = command(folder, "check")
    assert code == 1
    assert message in output


def test_status_before_the_first_start(folder):
    code, output = command(folder, "status")
    assert code == 0
    assert "factory state" in output
    assert json.loads(command(folder, "status", "--json")[1])["onboarded"] is False


def test_reset_deletes_what_the_domain_gave(folder):
    store = DirectoryStore.open(folder / "state")
    store.commit(credential(), State())
    store.close()
    assert "belongs to the domain" in command(folder, "status")[1]
    assert command(folder, "check")[1].count("state: onboarded") == 1
    code, output = command(folder, "reset", "--yes")
    assert (code, output.strip()) == (0, "device SN-1 is in factory state")
    assert "factory state" in command(folder, "status")[1]
    assert (folder / "factory" / "idevid.key").exists()


def test_reset_asks_first(folder):
    store = DirectoryStore.open(folder / "state")
    store.commit(credential(), State())
    store.close()
    result = CliRunner().invoke(
        main, ["reset", "--config", str(folder / "pledge.toml")], input="n\n"
    )
    assert result.exit_code == 1
    assert "belongs to the domain" in command(folder, "status")[1]


def test_reset_of_a_running_device_is_refused(folder):
    store = DirectoryStore.open(folder / "state")
    code, output = command(folder, "reset", "--yes")
    store.close()
    assert code == 1
    assert "used by another process" in output


def test_reset_runs_its_hook(folder):
    told = add_hook(folder, "reset")
    assert command(folder, "reset", "--yes")[0] == 0
    assert told.exists()


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("[2001:db8::1]:5684", Endpoint("2001:db8::1", 5684)),
        ("[fe80::1%lo]:61616", Endpoint("fe80::1", 61616, 1)),
        ("192.0.2.1:5684", Endpoint("192.0.2.1", 5684)),
    ],
)
def test_addresses(text, endpoint):
    assert parse_endpoint(text) == endpoint


@pytest.mark.parametrize(
    "text", ["", "::1", "[::1]", "[::1]:0", "[::1]:99999", "[::1]:+1", "host:1", "[fe80::1%none]:1"]
)
def test_no_addresses(text):
    with pytest.raises(Malformed):
        parse_endpoint(text)


# run


PKI = make_pki()


async def test_once_onboards_and_ends_with_0(folder):
    registrar = FakeRegistrar(PKI)
    async with registrar.serve() as endpoint:
        code, err = await run(folder, "--once", "--registrar", endpoint.text)
    assert code == 0, err
    assert registrar.operations == ["rv", "vs", "sen", "es"]
    assert json.loads(command(folder, "status", "--json")[1])["enrollment_reported"]


def add_hook(folder, event):
    """Let a hook write its reason, or nothing, to a file."""
    told = folder / f"told {event}"
    script = f"import os; open({str(told)!r}, 'w').write(os.environ.get('SZTB_REASON', ''))"
    with (folder / "pledge.toml").open("a") as config:
        config.write(f"[hooks]\n{event} = {[sys.executable, '-c', script]}\n")
    return told


async def test_the_onboarded_hook_is_run(folder):
    told = add_hook(folder, "onboarded")
    async with FakeRegistrar(PKI).serve() as endpoint:
        await run(folder, "--once", "--registrar", endpoint.text)
    assert told.exists()


async def test_nobody_there_ends_with_3(folder):
    told = add_hook(folder, "failed")
    code, _ = await run(folder, "--once", "--give-up-after", "1", "--registrar", "[::1]:9")
    assert code == 3
    assert "gave up after" in told.read_text()
    assert "Last problem" in command(folder, "status")[1]


async def test_refused_ends_with_4(folder):
    registrar = FakeRegistrar(PKI)
    registrar.on(Operation.REQUEST_VOUCHER, Answer(Code.FORBIDDEN, b"not yours"))
    async with registrar.serve() as endpoint:
        code, err = await run(folder, "--once", "--registrar", endpoint.text)
    assert code == 4
    assert "not yours" in err


async def test_errors_end_with_1_and_wrong_usage_with_2(folder):
    assert (await run(folder, "--registrar", "nonsense"))[0] == 1
    assert (await run(folder, "--nonsense"))[0] == 2


async def _until(condition):
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # another process
            await asyncio.sleep(0.01)


async def test_a_signal_ends_it_cleanly_while_it_waits(folder):
    registrar = FakeRegistrar(PKI)
    registrar.on(Operation.REQUEST_VOUCHER, Answer(Code.SERVICE_UNAVAILABLE, max_age=60))
    async with registrar.serve() as endpoint:
        program = await Program.start(folder, "--registrar", endpoint.text)
        await _until(lambda: registrar.requests)
        program.process.send_signal(signal.SIGTERM)
        code, err = await program.end()
    assert (code, "Traceback" in err) == (0, False)


async def test_it_stays_and_tells_the_service_manager(folder, tmp_path):
    registrar = FakeRegistrar(PKI)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        loop = asyncio.get_running_loop()
        async with registrar.serve() as endpoint:
            program = await Program.start(
                folder, "--registrar", endpoint.text,
                environment={"NOTIFY_SOCKET": str(tmp_path / "notify")},
            )  # fmt: skip
            told = []
            async with asyncio.timeout(20):
                while "STATUS=onboarded" not in told:
                    told.append((await loop.sock_recv(manager, 100)).decode())
            program.process.send_signal(signal.SIGTERM)
            code, _ = await program.end()
    assert code == 0
    assert told[0].startswith("READY=1")


@pytest.mark.rule("P-01")
async def test_a_killed_device_starts_again_and_an_onboarded_one_does_not(folder):
    registrar = FakeRegistrar(PKI)
    registrar.on(Operation.SIMPLEENROLL, Answer(Code.SERVICE_UNAVAILABLE, max_age=60))
    async with registrar.serve() as endpoint:
        program = await Program.start(folder, "--registrar", endpoint.text)
        await _until(lambda: registrar.asked(Operation.SIMPLEENROLL))
        program.process.kill()
        await program.end()
        registrar.on(Operation.SIMPLEENROLL, registrar.usual)
        assert (await run(folder, "--once", "--registrar", endpoint.text))[0] == 0
        asked = len(registrar.requests)
        assert (await run(folder, "--once", "--registrar", endpoint.text))[0] == 0
    assert len(registrar.requests) == asked
    assert len({each.payload for each in registrar.asked(Operation.REQUEST_VOUCHER)}) == 2


@pytest.mark.rule("P-34")
async def test_a_report_that_was_held_up_is_sent_at_the_next_start(folder):
    registrar = FakeRegistrar(PKI)
    async with registrar.serve() as endpoint:
        await run(folder, "--once", "--registrar", endpoint.text)
        store = DirectoryStore.open(folder / "state")
        store.update(msgspec.structs.replace(store.state, report_due=True))
        store.close()
        registrar.requests.clear()
        code, err = await run(folder, "--once", "--registrar", endpoint.text)
    assert code == 0, err
    assert registrar.operations == ["es"]


async def test_a_timeline_that_cannot_be_written_is_no_reason_to_fail(folder):
    async with FakeRegistrar(PKI).serve() as endpoint:
        where = ["--timeline-json", str(folder / "missing" / "file")]
        code, err = await run(folder, "--once", "--registrar", endpoint.text, *where)
    assert code == 0
    assert "record-written" in err


async def test_a_second_process_on_the_same_state_is_refused(folder):
    store = DirectoryStore.open(folder / "state")
    code, err = await run(folder, "--registrar", "[::1]:9")
    store.close()
    assert code == 1
    assert "used by another process" in err


async def test_the_encrypted_key_is_opened_with_the_password_file(folder):
    write_factory(folder / "factory", idevid_key=PKI.device().key.to_pem(b"secret"))
    (folder / "password").write_bytes(b"secret\n")
    with (folder / "pledge.toml").open("a") as config:
        config.write('key_password_file = "password"\n')
    assert command(folder, "check")[0] == 0


# On a real link


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    if WHY_NOT:
        pytest.skip(WHY_NOT)
    scenario = Path(__file__).with_name("link_scenario.py")
    env = dict(os.environ)
    os.environ["PYTHONPATH"] = str(ROOT)
    try:
        done = namespace.run(scenario, str(tmp_path_factory.mktemp("link")))
    finally:
        os.environ.clear()
        os.environ.update(env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.rule("P-01", "D-01", "D-02")
def test_it_finds_its_registrar_on_the_link(seen):
    code, _, err = seen["run"]
    assert code == 0, err
    assert seen["operations"] == ["rv", "vs", "sen", "es"]
    assert "fe80::" in seen["peer"]


@pytest.mark.rule("P-03", "J-28")
def test_a_port_that_does_not_answer_does_not_hold_it_up(seen):
    outcomes = [record["outcome"] for record in seen["timeline"]]
    assert outcomes[-1] == "onboarded"
    assert outcomes[:-1] in ([], ["failed"])


def test_discovery_is_the_first_step_of_the_timeline(seen):
    steps = seen["timeline"][-1]["steps"]
    assert [step["name"] for step in steps] == ["discovery", "handshake", "rv", "vs", "sen", "es"]
    assert steps[0]["bytes_sent"] >= 36
    assert steps[0]["bytes_received"] >= 24


def test_status_names_the_registrar(seen):
    code, out, _ = seen["status"]
    assert code == 0
    assert json.loads(out)["registrar"].startswith("[fe80::")


@pytest.mark.rule("P-01")
def test_an_onboarded_device_does_not_look_again(seen):
    assert seen["again"][0] == 0


@pytest.mark.rule("D-08")
def test_alone_on_the_link_it_gives_up_with_3(seen):
    assert seen["lonely"][0] == 3


def test_help_tells_the_exit_codes():
    done = subprocess.run(
        [sys.executable, "-m", "pledge", "run", "--help"],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    assert "refused this device" in done.stdout
