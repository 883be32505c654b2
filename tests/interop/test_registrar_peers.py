"""Foreign programs against a running sztb-registrar: openssl's DTLS, libcoap's EST client."""

import shutil
import socket
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs7
from world.processes import Daemon, free_port, program, run

from sztb.pki import certificates
from sztb.pki.csr import make_csr
from tests.fakes.pki import key, make_pki

pytestmark = pytest.mark.interop


class Site:
    """A registrar process that lets a listed device enrol without a voucher."""

    def __init__(self, folder):
        self.folder, self.pki = folder, make_pki()
        self.device = self.pki.device("LISTED-1")
        self.port = free_port(socket.SOCK_DGRAM, 0)
        self.config = folder / "site" / "registrar.toml"
        self._write_device()
        run([*program("registrar"), "init", str(self.config.parent), "--port", str(self.port)])
        text = self.config.read_text()
        assert "# enroll_without_voucher = false" in text
        self.config.write_text(
            text.replace("# enroll_without_voucher = false", "enroll_without_voucher = true")
        )
        config = ("--config", str(self.config))
        command = [*program("registrar"), "manufacturer", "add", "maker", *config]
        run([*command, "--anchor", str(folder / "maker.pem")])
        run(
            [*program("registrar"), "device", "add", "LISTED-1", "--manufacturer", "maker", *config]
        )
        self.daemon = Daemon.start("registrar", [*program("registrar"), "run", *config], folder)

    def _write_device(self):
        chain = "".join(certificates.pem(one).decode() for one in self.device.path[:2])
        (self.folder / "device.pem").write_text(chain)
        (self.folder / "device.key").write_bytes(self.device.key.to_pem())
        (self.folder / "maker.pem").write_bytes(certificates.pem(self.pki.idevid_ca.certificate))
        subject = self.device.certificate.subject
        (self.folder / "request.der").write_bytes(make_csr(key("interop ldevid"), subject))

    def coap(self, client, method, path, *arguments):
        answer = self.folder / "answer"
        answer.unlink(missing_ok=True)
        done = subprocess.run(
            [
                client, "-c", "device.pem", "-j", "device.key", "-C", "site/ca.pem",
                "-m", method, "-o", "answer", "-B", "10", *arguments,
                f"coaps://[::1]:{self.port}/{path}",
            ],
            cwd=self.folder, capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        return (answer.read_bytes() if answer.exists() else b""), done.stdout + done.stderr


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("interop"))
    yield site
    assert site.daemon.stop() == 0


def tool(name):
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (Debian: libcoap3-bin, openssl)")
    return found


@pytest.mark.rule("R-01", "R-02")
def test_openssl_completes_a_handshake_with_the_mandatory_suite(site):
    done = subprocess.run(
        [
            tool("openssl"), "s_client", "-dtls1_2", "-connect", f"[::1]:{site.port}",
            "-cipher", "ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0", "-curves", "P-256",
            "-cert", "device.pem", "-cert_chain", "device.pem", "-key", "device.key",
            "-CAfile", "site/ca.pem", "-verify_return_error",
        ],
        cwd=site.folder, input="Q\n", capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Cipher is ECDHE-ECDSA-AES128-CCM8" in done.stdout
    assert "Verify return code: 0 (ok)" in done.stdout


@pytest.mark.rule("E-41")
def test_openssl_without_a_certificate_is_refused(site):
    done = subprocess.run(
        [tool("openssl"), "s_client", "-dtls1_2", "-connect", f"[::1]:{site.port}",
         "-cipher", "ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0"],
        input="Q\n", capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert "alert" in done.stderr


@pytest.mark.parametrize("client", ["coap-client-openssl", "coap-client-gnutls"])
class TestLibcoap:
    """EST-coaps by libcoap's command line."""

    @pytest.mark.rule("R-05", "R-07", "E-38", "E-39", "E-40")
    def test_crts(self, site, client):
        domain = x509.load_pem_x509_certificate((site.folder / "site/ca.pem").read_bytes())
        answer, output = site.coap(tool(client), "get", ".well-known/est/crts", "-A", "281")
        assert pkcs7.load_der_pkcs7_certificates(answer) == [domain], output
        answer, output = site.coap(tool(client), "get", ".well-known/est/crts", "-A", "287")
        assert x509.load_der_x509_certificate(answer) == domain, output

    @pytest.mark.rule("R-05", "R-07", "R-34", "E-42")
    def test_sen(self, site, client):
        body = ("-t", "286", "-A", "287", "-f", "request.der")
        answer, output = site.coap(tool(client), "post", ".well-known/est/sen", *body)
        issued = x509.load_der_x509_certificate(answer)
        domain = x509.load_pem_x509_certificate((site.folder / "site/ca.pem").read_bytes())
        issued.verify_directly_issued_by(domain)
        assert issued.public_key() == key("interop ldevid").public_key, output
        assert issued.subject.rfc4514_string() == site.device.certificate.subject.rfc4514_string()

    @pytest.mark.rule("R-05")
    def test_discovery(self, site, client):
        path = ".well-known/core?rt=ace.est*"
        answer, _ = site.coap(tool(client), "get", path)
        assert b"rt=ace.est.crts" in answer.replace(b'"', b"")

    def test_unknown_formats_are_told(self, site, client):
        _, output = site.coap(
            tool(client), "post", ".well-known/est/sen", "-t", "50", "-f", "request.der"
        )
        assert "4.15" in output
