"""
Credentials are cut out before anything is written. No I/O but of the key file.

A value becomes `cut-` and 8 hex digits of its HMAC under this data folder's secret key, so that two calls
with one key can be told to belong together and nobody can go back from there. Cut are:

* the values of the header fields that carry credentials; a scheme (`Bearer`), the first part of a
  subprotocol and the words of a challenge (`realm`) stay;
* the values of query parameters that do;
* the same values where they come back in captured bytes of either side, in one piece or in several, with
  JSON escapes in them, and in responses in base64;
* the string values of the body fields that do, in JSON, in event streams of it, in forms and in their parts;
* whole JSON texts that are keys by their form, in fields of any name.

What a key looks like inside a text, such as a prompt, does not count: what people and models write stays.
"""

from __future__ import annotations

from arc_proxy.cut.cutter import HELD_BYTES_MAX, BodyForm, Cutter, cut_whole
from arc_proxy.cut.fingerprints import Fingerprints
from arc_proxy.cut.heads import cut_header, cut_query, is_secret_header
from arc_proxy.cut.multipart import MultipartCutter, new_cutter
from arc_proxy.cut.secret_key import load_secret_key
from arc_proxy.cut.secrets import Secrets

__all__ = [
    "HELD_BYTES_MAX",
    "BodyForm",
    "Cutter",
    "Fingerprints",
    "MultipartCutter",
    "Secrets",
    "cut_header",
    "cut_query",
    "cut_whole",
    "is_secret_header",
    "load_secret_key",
    "new_cutter",
]
