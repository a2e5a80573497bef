import pytest

from crossbar_appstore.kazoo.config_ini import KazooConfig, parse_ini, read_config_ini


def read(text: str, *, host: str = "apps001.example.com", zone: str = "local") -> KazooConfig:
    return read_config_ini(text, host=host, zone=zone)


def test_what_the_file_does_not_say_has_kazoos_default() -> None:
    assert read("") == KazooConfig("localhost", "5984", None, None, None)


def test_the_data_section_names_the_section_of_couchdb() -> None:
    config = read("[data]\nconfig = couchdb3\n[bigcouch]\nip = one\n[couchdb3]\nip = two\nusername = admin\n")
    assert (config.ip, config.username) == ("two", "admin")


def test_an_empty_value_counts_as_missing() -> None:
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
def test_values_comments_and_quotes(line: str, value: str) -> None:
    [section] = parse_ini(f"\ufeff; first\n\n[s] ; comment\n# second\n{line}\n")
    assert section.name == "s"
    assert section.values == {"key": [value]}


@pytest.mark.parametrize("text", ["key = value\n", "[s]\nno equals sign\n", "[s\n"])
def test_a_line_of_no_known_form_is_refused(text: str) -> None:
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
def test_a_section_of_the_host_wins_over_one_of_the_zone_over_one_for_all(host: str, zone: str, ip: str) -> None:
    assert read(HOSTS_AND_ZONES, host=host, zone=zone).ip == ip


def test_only_sections_of_other_hosts_leave_the_defaults() -> None:
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
def test_a_zone_section_names_the_broker_of_its_zone(zone: str, uri: str | None) -> None:
    assert read(ZONES, zone=zone).amqp_uri == uri


def test_the_amqp_section_wins_and_its_first_uri_is_the_primary() -> None:
    assert read("[amqp]\nuri = amqp://one\nuri = amqp://two\n" + ZONES, zone="east").amqp_uri == "amqp://one"


def test_an_amqp_section_without_uri_leaves_it_to_the_zone() -> None:
    assert read("[amqp]\nuse_federation = false\n" + ZONES, zone="west").amqp_uri == "amqp://west"


def test_no_password_is_in_the_representation() -> None:
    assert "secret" not in repr(read("[bigcouch]\npassword = secret\n[amqp]\nuri = amqp://u:secret@broker\n"))
