"""Combine the coverage data of a test run and hold codecs, decisions and machines to their floor.

Branch coverage of at least FLOOR per cent is asked of everything that is not a shell (the parts
with sockets, processes and command lines, whose tests run in processes of their own).
"""

import io
import sys

import coverage

FLOOR = 95.0
FULL = (
    "sztb/codepoints/*",
    "sztb/encoding/*",
    "sztb/pki/*",
    "sztb/envelope/*",
    "sztb/voucher/*",
    "sztb/brski/*",
    "sztb/est/*",
    "sztb/discovery/*",
    "sztb/errors.py",
    "sztb/transport/associations.py",
    "sztb/transport/coap/*",
    "pledge/voucher_check.py",
    "pledge/voucher_request.py",
    "pledge/policy.py",
    "pledge/waiting.py",
    "join_proxy/stateful.py",
    "join_proxy/limits.py",
    "join_proxy/icmp.py",
    "registrar/policy/*",
    "registrar/pvr.py",
    "registrar/rvr.py",
    "registrar/audit_evaluation.py",
    "registrar/csr_rules.py",
    "registrar/device_states.py",
    "masa/pinning.py",
    "masa/policy/*",
    "masa/rvr.py",
    "masa/prior_request.py",
    "masa/voucher.py",
)


def main() -> int:
    """Print both figures; exit 1 when the floor is missed."""
    data = coverage.Coverage()
    data.combine(keep=False)
    data.load()
    overall = data.report(file=io.StringIO())
    table = io.StringIO()
    strict = data.report(include=list(FULL), file=table, skip_covered=True, show_missing=True)
    print(
        f"branch coverage: {strict:.1f} % of codecs, decisions and machines; {overall:.1f} % of all"
    )
    if strict < FLOOR:
        print(table.getvalue())
        print(f"error: below the floor of {FLOOR:.0f} %", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
