"""`scripts/onboard` as a user runs it, and the world it keeps started by hand as README says."""

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
import time
from hashlib import sha256

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID
from world.build import World
from world.processes import program, run

from pledge.enroll import reenroll
from pledge.link import ProvenLink, Rejected
from pledge.state import DirectoryStore
from sztb.codepoints.coap import Code
from sztb.codepoints.resources import Operation
from tests.fakes import namespace

from .pledges import QUIET, SimulatedPledge, registrar_of
from .programs import ROOT

SCRIPT = ROOT / "scripts" / "onboard.py"
NUMBERS = ["SZ-00001", "SZ-00002", "SZ-00003"]
STEPS = ["discovery", "handshake", "rv", "vs", "sen", "es"]
REFUSED = 4  # exit code of a pledge
WHY_NOT = namespace.why_not()


def onboard(*arguments):
    """Run the script and return its last line, read as JSON."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--pledges", "3", "--json", *arguments],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    if "address already in use" in done.stderr:
        pytest.skip("another world on this machine took the same port at the same moment")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def check_report(report, via):
    """What design.md 1 promises of the JSON."""
    assert {key: report[key] for key in ("profile", "via", "pledges", "onboarded")} == {
        "profile": "cbrski", "via": via, "pledges": 3, "onboarded": 3,
    }  # fmt: skip
    assert report["seconds"] > 0
    assert report["per_second"] > 0
    assert [device["serial_number"] for device in report["devices"]] == NUMBERS
    for device in report["devices"]:
        assert device["outcome"] == "onboarded"
        assert len(bytes.fromhex(device["ldevid_sha256"])) == 32
        assert [step["name"] for step in device["steps"]] == STEPS
        assert all(step["seconds"] >= 0 for step in device["steps"])
        moved = [step for step in device["steps"] if step["name"] != "discovery"]
        assert all(step["bytes_sent"] > 0 < step["bytes_received"] for step in moved)


@pytest.mark.rule("J-01", "D-01", "P-01")
@pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
def test_through_a_join_proxy():
    report = onboard("--via", "stateful")
    check_report(report, "stateful")
    discovery = [device["steps"][0] for device in report["devices"]]
    assert all(step["bytes_sent"] > 0 < step["bytes_received"] for step in discovery)


def check_ldevid(world, number, digest):
    """Read by another library's code only."""
    current = world.device(number) / "state" / "current"
    ldevid = x509.load_pem_x509_certificates((current / "ldevid.pem").read_bytes())[0]
    factory = (world.device(number) / "factory" / "idevid.pem").read_bytes()
    idevid = x509.load_pem_x509_certificates(factory)[0]
    ca = x509.load_pem_x509_certificate(world.domain_ca.read_bytes())
    ldevid.verify_directly_issued_by(ca)
    assert ldevid.subject == idevid.subject
    named = ldevid.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)
    assert [each.value for each in named] == [number]
    key = serialization.load_pem_private_key((current / "key.pem").read_bytes(), None)
    assert ldevid.public_key() == key.public_key() != idevid.public_key()
    assert sha256(ldevid.public_bytes(serialization.Encoding.DER)).hexdigest() == digest


def check_key_stayed(world, number):
    """The private key is in the device's state directory, in no form anywhere else."""
    own = (world.device(number) / "state").resolve()
    pem = (own / "current" / "key.pem").read_bytes()
    raw = serialization.load_pem_private_key(pem, None).private_numbers().private_value
    raw = raw.to_bytes(32, "big")
    written = pem.splitlines()[2], base64.b64encode(raw)[:40], raw.hex().encode(), raw
    others = [path for path in world.folder.rglob("*") if own not in path.resolve().parents]
    others = [path for path in others if path.is_file()]
    assert len(others) > 20
    for path in others:
        content = path.read_bytes()
        assert not any(form in content for form in written), path
    assert (own / "current" / "key.pem").stat().st_mode & 0o777 == 0o600


class Site:
    """The kept world, started by hand, with the operator's commands."""

    def __init__(self, world, nursery):
        self.world, self.nursery = world, nursery
        text = world.registrar_config.read_text()
        world.registrar_port = int(text.partition("\nport = ")[2].split()[0])
        nursery.serve_world(world)

    def operator(self, *arguments):
        return run([
            *program("registrar"), *arguments, "--config", str(self.world.registrar_config)
        ])  # fmt: skip

    def set_policy(self, mode):
        """As README: edit the file, SIGHUP."""
        config, log = self.world.registrar_config, self.world.folder / "logs" / "registrar.log"
        text = config.read_text().replace('mode = "open"', f'mode = "{mode}"\nretry_seconds = 1')
        assert mode in text
        config.write_text(text)
        reloads = log.read_text().count("reloaded")
        self.world.daemons["registrar"].signal(signal.SIGHUP)
        until(lambda: log.read_text().count("reloaded") > reloads)

    def new_device(self, number):
        """Mint one, configure it, plug it in."""
        place = self.world.folder / "new"
        run([
            *program("masa"), "device", "mint", "--config", str(self.world.masa_config),
            "--serial", number, "--out", str(place),
        ])  # fmt: skip
        return NewDevice(self, place / number, place / f"{number}.toml")

    def standing(self, number):
        listed = json.loads(self.operator("device", "list", "--json"))["devices"]
        found = [each for each in listed if each["serial_number"] == number]
        return found[0]["standing"] if found else None


class NewDevice:
    """A device that was not there when the world was built."""

    def __init__(self, site, factory, config):
        self.config, self.log = config, config.with_suffix(".log")
        run([
            *program("pledge"), "init", "--config", str(config), "--factory", str(factory),
            "--state", str(config.with_suffix(".state")),
        ])  # fmt: skip
        self.process = site.nursery.start(
            "pledge", "run", "--once", "--config", str(config),
            "--registrar", registrar_of(site.world).text, log=self.log,
        )  # fmt: skip

    def is_onboarded(self):
        status = run([*program("pledge"), "status", "--json", "--config", str(self.config)])
        return json.loads(status)["onboarded"]


def until(condition):
    """Wait for what another process does."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def check_new_device_waits(site):
    """R-31, R-40: nobody gets in before the operator says so."""
    device = site.new_device("NEW-1")
    until(lambda: "registrar-undecided" in device.log.read_text())
    assert site.standing("NEW-1") == "waiting"
    assert not device.is_onboarded()
    site.operator("device", "approve", "NEW-1")
    assert device.process.wait() == os.EX_OK, device.log.read_text()
    assert device.is_onboarded()
    assert site.standing("NEW-1") == "approved"
    told = json.loads(site.operator("device", "show", "NEW-1", "--json"))
    events = [entry["event"] for entry in told["journal"]]
    assert events.count("admission") == 1, "the operator is told once"


def check_refused_device_gives_up(site):
    """R-30: 4.06 from an operator is final."""
    device = site.new_device("NEW-2")
    until(lambda: site.standing("NEW-2") == "waiting")
    site.operator("device", "refuse", "NEW-2")
    assert device.process.wait() == REFUSED, device.log.read_text()
    assert not device.is_onboarded()
    assert "4.06" in device.log.read_text()


def check_revoked_ldevid_is_not_renewed(site):
    """E-27: the proof that it is the same device is a valid certificate."""
    place = site.world.device(NUMBERS[0])
    pledge = SimulatedPledge(place / "factory")
    held = DirectoryStore.look(place / "state").credential()
    assert asyncio.run(renew(site, pledge, held))
    site.operator("ca", "revoke", f"{held.certificate.serial_number:x}")
    with pytest.raises(Rejected) as caught:
        asyncio.run(renew(site, pledge, held))
    assert caught.value.answer.code == Code.FORBIDDEN


async def renew(site, pledge, held):
    """POST /sren over a connection with the LDevID."""
    endpoint, environment = registrar_of(site.world), pledge.device.environment
    link = await ProvenLink.connect(endpoint, held.tls, held.anchors, environment)
    try:
        return await reenroll(link, pledge.device, held, Operation.SIMPLEREENROLL, QUIET)
    finally:
        await link.close()


@pytest.mark.rule("P-32", "E-29", "R-30", "R-31", "R-40", "P-16", "P-45", "E-27")
def test_straight_to_the_registrar_and_on_by_hand(tmp_path, nursery):
    """One test, because its servers have fixed ports."""
    world = World(tmp_path / "world", "direct")
    report = onboard("--via", "direct", "--keep", str(world.folder))
    check_report(report, "direct")
    for device in report["devices"]:
        check_ldevid(world, device["serial_number"], device["ldevid_sha256"])
        check_key_stayed(world, device["serial_number"])
    site = Site(world, nursery)
    site.set_policy("approve")
    check_new_device_waits(site)
    check_refused_device_gives_up(site)
    check_revoked_ldevid_is_not_renewed(site)
    assert world.stop() == {"registrar": 0, "masa": 0}
