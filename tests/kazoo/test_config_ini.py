import pytest

from crossbar_appstore.kazoo.config_ini import KazooConfig, parse_ini, read_config_ini


def read(text: str, *, host: str = "apps001.example.com", zone: str = "local") -> KazooConfig:
    return read_config_ini(text, host=host, zone=zone)


def test_read_config_ini_uses_kazoos_defaults() -> None:
    assert read("") == KazooConfig("localhost", "5984", None, None, None)


def test_read_config_ini_follows_config_of_the_data_section() -> None:
    config = read("[data]\nconfig = couchdb3\n[bigcouch]\nip = one\n[couchdb3]\nip = two\nusername = admin\n")
    assert (config.ip, config.username) == ("two", "admin")


def test_read_config_ini_ignores_empty_values() -> None:
    config = read('[bigcouch]\nip = ""\nusername =\n')
    assert (config.ip, config.username) == ("localhost", None)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("key = plain", "plain"),
        ("  key=tight  ", "tight"),
        ('key = "quoted" ; comment', "quoted"),
        ("key = 'single # no comment'", "single # no comment"),
        ("key = bare ; comment", "bare"),
        ("key = bare # comment", "bare"),
        ("key = a;b#c", "a;b#c"),
        ("key = a=b", "a=b"),
        ('key = "unclosed', '"unclosed'),
        ("key = plain ; it's a comment", "plain"),
    ],
)
def test_parse_ini_values_comments_and_quotes(line: str, value: str) -> None:
    [section] = parse_ini(f"\ufeff; first\n\n[s] ; comment\n# second\n{line}\n")
    assert section.name == "s"
    assert section.values == {"key": [value]}


@pytest.mark.parametrize("text", ["key = value\n", "[s]\nno equals sign\n", "[s\n"])
def test_parse_ini_rejects_a_malformed_line(text: str) -> None:
    with pytest.raises(ValueError, match=r"line \d"):
        parse_ini(text)


HOSTS_AND_ZONES = """
[bigcouch]
ip = generic
[bigcouch]
zone = east
ip = eastern
[bigcouch]
host = apps001.example.com
ip = mine
[bigcouch]
host = apps002.example.com
ip = another
"""


@pytest.mark.parametrize(
    ("host", "zone", "ip"),
    [
        ("apps001.example.com", "east", "mine"),
        ("apps003.example.com", "east", "eastern"),
        ("apps003.example.com", "west", "generic"),
    ],
)
def test_read_config_ini_prefers_host_over_zone_over_generic_section(host: str, zone: str, ip: str) -> None:
    assert read(HOSTS_AND_ZONES, host=host, zone=zone).ip == ip


def test_read_config_ini_ignores_sections_of_other_hosts() -> None:
    assert read("[bigcouch]\nhost = elsewhere\nip = elsewhere\n").ip == "localhost"


ZONES = """
[zone]
name = east
uri = amqp://first.east
uri = amqp://second.east
[zone]
name = west
amqp_uri = amqp://west
"""


@pytest.mark.parametrize(("zone", "uri"), [("east", "amqp://first.east"), ("west", "amqp://west"), ("south", None)])
def test_read_config_ini_broker_from_the_zone_section(zone: str, uri: str | None) -> None:
    assert read(ZONES, zone=zone).amqp_uri == uri


def test_read_config_ini_prefers_first_uri_of_amqp_section() -> None:
    assert read("[amqp]\nuri = amqp://one\nuri = amqp://two\n" + ZONES, zone="east").amqp_uri == "amqp://one"


def test_read_config_ini_amqp_section_without_uri_uses_the_zone() -> None:
    assert read("[amqp]\nuse_federation = false\n" + ZONES, zone="west").amqp_uri == "amqp://west"


def test_kazoo_config_repr_contains_no_password() -> None:
    assert "secret" not in repr(read("[bigcouch]\npassword = secret\n[amqp]\nuri = amqp://u:secret@broker\n"))
