"""JSON in little memory: compressed over a dictionary of what KAZOO's documents have in common.

A document of an account is short, and most of it are names of fields that every other one has, too. Over the
dictionary (RFC 1951, preset) it takes a third of what it takes alone.
"""

import zlib
from typing import Final

from crossbar_appstore.json_codec import Json, dumps, dumps_exactly, loads, loads_trusted

_LEVEL: Final = 1
_LARGE: Final = 65_536
"""Bytes of JSON above which compressing would hold up other requests."""
_COMPRESSED: Final = b"\0"
"""What is compressed begins with this byte, or the next one; no JSON does."""
_EXACTLY: Final = b"\1"
"""What is compressed, and was made by ``dumps_exactly``."""

# What is common comes last: the nearer the shorter. Only ever used within one process, so it may change at any time.
_DICTIONARY: Final = (
    b'"call_restriction":{"action":"inherit"},"notifications":{"email":{"send_to":"voicemail":{"preflow":{"always":'
    b'"topup":{"threshold":"amount":"caller_id":{"external":{"internal":{"number":"+1"dial_plan":{"ringtones":{'
    b'"music_on_hold":{"media_id":"contact_list":{"exclude":false},"call_forward":{"enabled":false,"substitute":true,'
    b'"require_keypress":true,"keep_caller_id":false},"hotdesk":{"keep_logged_in_elsewhere":false,"vm_to_email_enabled":'
    b'"verified":false,"first_name":"last_name":"email":"username":"presence_id":"priv_level":"user","admin",'
    b'"pvt_md5_auth":"pvt_sha1_auth":"appearance":"ui_help":"ui_flags":{"ui_metadata":{"version":"4.3-","ui":"monster-ui",'
    b'"origin":"common"},"authority":"service_plan","vendor_account","enabled":true,"vendor_id":"overrides":{'
    b'"plans":{},"quantities":{"account":{},"cascade":{},"manual":{}},"pvt_status":"good_standing","bookkeepers":{'
    b'"billing_id":"items":{"transactions":[],"pvt_dirty":false,"pvt_deleted":false,"pvt_tree":["pvt_vsn":2,'
    b'"blacklist":["apps":{"name":"allowed_users":"specific","users":[{"id":"allowed_users":"admins","users":[]},"'
    b'":{"allowed_users":"all","users":[]},"'
    b'{"timezone":"America/Los_Angeles","Europe/","UTC","language":"de-DE","en-US","name":"realm":"sip.example.com",'
    b'"pvt_wnm_allow_additions":false,"pvt_trial_expires":"pvt_notification_preference":"teletype",'
    b'"pvt_request_id":"pvt_is_authenticated":true,"pvt_auth_user_id":"pvt_auth_account_id":"pvt_document_hash":"pvt_node":'
    b'"pvt_vsn":"1","pvt_api_key":"pvt_signature_secret":"pvt_tree":["],"pvt_enabled":true,"pvt_reseller":false,'
    b'"pvt_reseller_id":"pvt_superduper_admin":false,"pvt_alphanum_name":"'
    b'"pvt_account_id":"","pvt_account_db":"account%2F","pvt_created":6384,"pvt_modified":6384,'
    b'"pvt_type":"user","service","apps_store","account","_rev":"1-","_id":"'
)


def pack(value: Json) -> bytes:
    """An object or array as bytes."""
    exactly = dumps_exactly(value)
    text = exactly if exactly is not None else dumps(value)
    if len(text) > _LARGE:
        return text
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS, zdict=_DICTIONARY)
    return (_COMPRESSED if exactly is None else _EXACTLY) + compressor.compress(text) + compressor.flush()


def unpack(packed: bytes) -> Json:
    """The same value, parsed anew."""
    form = packed[:1]
    if form not in (_COMPRESSED, _EXACTLY):
        return loads(packed)
    text = zlib.decompressobj(-zlib.MAX_WBITS, zdict=_DICTIONARY).decompress(packed[1:])
    return loads_trusted(text) if form == _EXACTLY else loads(text)
