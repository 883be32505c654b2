"""Devices in the test's own process: every step is the pledge's code, one attempt at a time."""

import itertools

from pledge.bootstrap import ENROLLMENT_NOT_ACCEPTED, VOUCHER_NOT_ACCEPTED
from pledge.daemon import make_device
from pledge.enroll import enroll, report_failure, report_success
from pledge.environment import real_environment
from pledge.link import ProvisionalLink
from pledge.progress import Progress
from pledge.settings import Settings
from pledge.timeline import Timeline
from pledge.voucher_check import check_voucher
from pledge.voucher_request import (
    NONCE_LENGTH,
    make_pvr,
    obtain_voucher,
    proximity_leaf,
    sent_request,
)
from sztb.brski import telemetry
from sztb.brski.telemetry import VoucherStatus
from sztb.codepoints.resources import Operation
from sztb.daemon.journal import Journal
from sztb.discovery.offers import Endpoint
from sztb.errors import Malformed, Refused

QUIET = Progress(moved=lambda: None, waiting=lambda: None)


class SimulatedPledge:
    """One device.

    Attributes:
        nonces: of every voucher it ever accepted.
        credentials: everything it ever enrolled for; the last one is in force.
    """

    def __init__(self, factory, **environment):
        settings = Settings(factory_dir=factory)
        self.device = make_device(settings, real_environment(**environment), Journal("pledge"))
        self.nonces, self.credentials = [], []

    async def onboard(self, endpoint):
        """Make one attempt; raises `SztbError` where it fails."""
        environment = self.device.environment
        link = await ProvisionalLink.connect(endpoint, self.device.factory.tls, environment)
        try:
            proven, pin = await self.prove(link)
            credential = await self.enroll(proven, pin)
            await report_success(self.device, credential, endpoint, proven)
        finally:
            await link.close()

    async def prove(self, link):
        """From the provisional to the proven link."""
        device, environment = self.device, self.device.environment
        nonce = environment.random_bytes(NONCE_LENGTH)
        proximity = proximity_leaf(link.peer_chain, device.proximity)
        pvr = make_pvr(device.factory, nonce, proximity, None)
        voucher = await obtain_voucher(link, pvr.raw, environment, QUIET)
        sent = sent_request(device.factory, nonce, proximity)
        try:
            pin = check_voucher(voucher, sent, device.factory.voucher_anchors, device.policy, None)
            self.nonces.append(nonce)
            proven = link.resolve(pin)
        except (Refused, Malformed):
            status = VoucherStatus(status=False, reason=VOUCHER_NOT_ACCEPTED)
            await link.report_refused_voucher(status)
            raise
        status = telemetry.encode_cbor(VoucherStatus(status=True))
        await proven.report(Operation.VOUCHER_STATUS, status)
        return proven, pin

    async def enroll(self, proven, pin):
        """Get an LDevID."""
        timeline = Timeline(self.device.environment.monotonic, 0.0)
        try:
            enrolled = await enroll(proven, self.device, pin, timeline, QUIET)
        except (Refused, Malformed):
            await report_failure(proven, self.device, ENROLLMENT_NOT_ACCEPTED)
            raise
        self.credentials.append(enrolled.credential)
        return enrolled.credential


def serial_numbers(count, prefix="SN"):
    """Return as many serial numbers."""
    return [f"{prefix}-{number:03}" for number in itertools.islice(itertools.count(1), count)]


def registrar_of(world):
    """Where a world's registrar is."""
    return Endpoint("::1", world.registrar_port)
