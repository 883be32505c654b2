"""POST /skg and POST /skc: the CA makes the key (est.md 10; off by default, E-34)."""

from sztb.codepoints.media import CERTS_ONLY, PKCS8, PKIX_CERT
from sztb.codepoints.resources import Operation
from sztb.errors import Refusal, Refused, Unavailable
from sztb.est.identity import check_enrol_identity
from sztb.est.messages import asked_key_format, encode_serverkeygen
from sztb.pki.csr import SERVER_KEY_POLICY, check_csr

from .clients import Client
from .enroll import CsrCall, enrolled, journal_entry, open_gate, request_id
from .records import EnrollRequest, GeneratedKey, Pending, ProofOfPossession, Rejected
from .site import Site


async def serverkeygen(site: Site, client: Client, call: CsrCall) -> bytes:
    """Return the key and its certificate as one multipart-core body (E-32, E-33).

    Raises:
        Refused: NOT_FOUND when it is off (est-D5); else as `enroll.simpleenroll`.
    """
    if not site.rules.est.serverkeygen:
        raise Refused(Refusal.NOT_FOUND, "serverkeygen is off")
    pledge = await open_gate(site, client)
    csr = check_csr(call.body, policy=SERVER_KEY_POLICY)  # E-32: its key and signature do not count
    check_enrol_identity(csr, pledge.certificate, pledge.manufacturer.serial_attribute)
    if asked_key_format(csr) is not PKCS8:  # est-D17: never in the clear instead
        raise Refused(Refusal.CSR, "encrypted keys are not made here")
    now = site.now()
    request = EnrollRequest(
        call.operation,
        csr,
        pledge.device,
        pledge.certificate,
        ProofOfPossession.ABSENT,
        request_id(call.operation, pledge.certificate, csr.spki),
    )
    along = enrolled(pledge.device, now, pledge.manufacturer.name)
    outcome = await site.ca.generate_key(request, now, along)
    match outcome:
        case GeneratedKey():
            site.log(journal_entry(pledge.device, outcome.certificate, now))
            return _encode(call.operation, outcome)
        case Pending():
            raise Unavailable("the CA needs time", outcome.retry_after)
        case Rejected():
            raise Refused(outcome.refusal, outcome.detail)


def _encode(operation: Operation, made: GeneratedKey) -> bytes:
    form = PKIX_CERT if operation is Operation.SERVERKEYGEN_CERT else CERTS_ONLY
    return encode_serverkeygen(PKCS8, made.private_key, form, made.certificate)
