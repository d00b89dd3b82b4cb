"""
Credentials are cut out before anything is written. No I/O but of the key file.

A value becomes `cut-` and 8 hex digits of its HMAC under this data folder's secret key, so that two calls
with one key can be told to belong together and nobody can go back from there. Cut are:

* the values of the header fields that carry credentials; a scheme (`Bearer`) and the first part of a
  subprotocol stay;
* the values of query parameters that do;
* the same values where they come back in captured bytes of either side, in one piece or in several;
* the string values of the body fields that do, in JSON and in forms.
"""

from __future__ import annotations

from arc_proxy.cut.cutter import HELD_BYTES_MAX, Cutter, cut_whole
from arc_proxy.cut.fingerprints import Fingerprints
from arc_proxy.cut.heads import cut_header, cut_query, is_secret_header
from arc_proxy.cut.secret_key import load_secret_key
from arc_proxy.cut.secrets import BodyForm, Secrets

__all__ = [
    "HELD_BYTES_MAX",
    "BodyForm",
    "Cutter",
    "Fingerprints",
    "Secrets",
    "cut_header",
    "cut_query",
    "cut_whole",
    "is_secret_header",
    "load_secret_key",
]
