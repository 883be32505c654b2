"""manufacturer add, list, enable, disable, remove."""

import pytest

from tests.fakes.pki import make_pki
from tests.registrar.cli.conftest import PKI, Site

ROOT = PKI.manufacturer_root.certificate


def test_nothing_yet_says_what_to_do(site: Site) -> None:
    assert "manufacturer add NAME --anchor FILE" in site.run("manufacturer", "list").stdout
    assert site.json("manufacturer", "list") == {"manufacturers": []}


def test_add_with_defaults(site: Site, anchor: str) -> None:
    site.run("manufacturer", "add", "acme", "--anchor", anchor)
    [shown] = site.json("manufacturer", "list")["manufacturers"]
    assert shown["anchors"][0]["subject"] == ROOT.subject.rfc4514_string()
    assert shown["enabled"]
    assert not shown["ignore_lifetime"]  # nothing reduced by default
    assert shown["serial_attribute"] == "2.5.4.5"
    assert shown["audit"]["required"]
    table = site.run("manufacturer", "list").stdout
    assert "acme" in table
    assert "as the IDevID says" in table


@pytest.mark.rule("R-37", "R-61")
def test_add_with_everything(site: Site, anchor: str) -> None:
    web = site.pem("web.pem", make_pki("other").manufacturer_root.certificate)
    site.run(
        "manufacturer", "add", "acme", "--anchor", anchor, "--masa-url", "masa.example:9443",
        "--default-masa-url", "m.example", "--masa-anchor", web, "--serial-field", "CN",
        "--ignore-lifetime", "--no-client-certificate", "--known-domain", "AAAA",
        "--nonceless-domain", "BBBB", "--accept-unknown-domains", "--accept-incomplete-log",
        "--ignore-history",
    )  # fmt: skip
    [shown] = site.json("manufacturer", "list")["manufacturers"]
    assert shown["masa_url"] == "masa.example:9443"
    assert shown["default_masa_url"] == "m.example"
    assert len(shown["masa_tls_anchors"]) == 1
    assert shown["serial_attribute"] == "2.5.4.3"
    assert shown["ignore_lifetime"]
    assert not shown["masa_client_certificate"]
    assert shown["audit"] == {
        "required": False,
        "known_domain_ids": ["AAAA", "BBBB"],
        "allow_unknown_domains": True,
        "nonceless_domain_ids": ["BBBB"],
        "allow_arbitrary_truncation": True,
    }


BAD = [
    (["--masa-url", "https://user@masa.example/"], "host:port"),
    (["--serial-field", "serial"], "dotted OID"),
    (["--masa-anchor", "{leaf}"], "is not a CA"),
]


@pytest.mark.parametrize(("options", "says"), BAD)
def test_wrong_values(site: Site, anchor: str, options: list[str], says: str) -> None:
    leaf = site.pem("leaf.pem", PKI.device().certificate)
    options = [option.format(leaf=leaf) for option in options]
    assert says in site.error("manufacturer", "add", "acme", "--anchor", anchor, *options)
    assert site.json("manufacturer", "list") == {"manufacturers": []}


def test_a_dotted_oid_is_a_serial_field(site: Site, anchor: str) -> None:
    site.run("manufacturer", "add", "a", "--anchor", anchor, "--serial-field", "2.5.4.97")
    [shown] = site.json("manufacturer", "list")["manufacturers"]
    assert shown["serial_attribute"] == "2.5.4.97"


def test_not_a_certificate_names_the_file(site: Site) -> None:
    (site.folder / "x.pem").write_text("hello")
    said = site.error("manufacturer", "add", "acme", "--anchor", str(site.folder / "x.pem"))
    assert "x.pem" in said


def test_the_same_name_again_needs_replace(site: Site, anchor: str) -> None:
    add = ("manufacturer", "add", "acme", "--anchor", anchor)
    site.run(*add)
    assert "--replace" in site.error(*add, "--masa-url", "m.example")
    site.run(*add, "--masa-url", "m.example", "--replace")
    assert site.json("manufacturer", "list")["manufacturers"][0]["masa_url"] == "m.example"
    assert "m.example" in site.run("manufacturer", "list").stdout


def test_an_anchor_of_somebody_else(site: Site, anchor: str) -> None:
    site.run("manufacturer", "add", "acme", "--anchor", anchor)
    assert "belongs to acme" in site.error("manufacturer", "add", "copycat", "--anchor", anchor)


def test_disable_and_enable(site: Site, anchor: str) -> None:
    site.run("manufacturer", "add", "acme", "--anchor", anchor)
    for command, enabled in (("disable", False), ("enable", True)):
        site.run("manufacturer", command, "acme")
        assert site.json("manufacturer", "list")["manufacturers"][0]["enabled"] is enabled
    assert "manufacturer list" in site.error("manufacturer", "disable", "nobody")


def test_remove(site: Site, anchor: str) -> None:
    site.run("manufacturer", "add", "acme", "--anchor", anchor)
    site.run("manufacturer", "remove", "acme")
    assert "no manufacturer 'acme'" in site.error("manufacturer", "remove", "acme")
    noted = [(one["event"], one["detail"]) for one in site.json("journal", "list")["journal"]]
    assert noted == [("manufacturer-removed", "acme"), ("manufacturer-accepted", "acme")]
