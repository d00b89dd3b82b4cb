"""What the commands say of signing for Bedrock, in this process."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from arc_proxy.cli.folder import find_folder, read_secret
from arc_proxy.token import is_api_token
from tests.fake_bedrock import NOTHING_ELSE, Account

ACCOUNT = Account("AKIDMACHINE000000001", "machine/secret+key")


@pytest.fixture
def machine(arc):
    """A machine with bedrock in its settings and no credentials, in the environment that `arc` made."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(NOTHING_ELSE)
    os.environ["ARC_BEDROCK"] = "true"


def test_serve_without_botocore_says_how_to_get_it(arc, machine, monkeypatch):
    monkeypatch.setitem(sys.modules, "botocore", None)
    done = arc("serve", "--port", "0")
    assert done.code == 2
    assert done.out == ""
    assert "pip install 'arc-proxy[bedrock]'" in done.err


def test_doctor_without_botocore(arc, machine, monkeypatch):
    monkeypatch.setitem(sys.modules, "botocore", None)
    done = arc("doctor")
    assert done.code == 1
    assert "✗ bedrock" in done.out
    assert "pip install 'arc-proxy[bedrock]'" in done.out


def test_doctor_without_credentials(arc, machine):
    done = arc("doctor")
    assert done.code == 1
    assert "is on, but cannot sign: there are no AWS credentials on this machine" in done.out
    assert "aws sso login" in done.out


def test_doctor_with_credentials(arc, machine):
    os.environ.update(ACCOUNT.environ)
    done = arc("doctor")
    assert done.code == 0
    assert "signs with the credentials that end in 0001" in done.out
    assert ACCOUNT.secret not in done.out


def test_doctor_says_nothing_of_it_where_it_is_off(arc, machine):
    os.environ["ARC_BEDROCK"] = "false"
    assert "signs with" not in arc("doctor").out
    assert "cannot sign" not in arc("doctor").out


def test_env_leads_bedrocks_clients_to_a_proxy_that_signs(arc, machine):
    variables = json.loads(arc("env", "--json").out)
    assert variables["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"] == "http://127.0.0.1:8000/bedrock"
    os.environ["ARC_BEDROCK"] = "false"
    assert "AWS_ENDPOINT_URL_BEDROCK_RUNTIME" not in arc("env").out


def test_a_bearer_key_would_never_come(arc, machine):
    """boto3 sends one over HTTPS alone, and fails where it is led to a plain address."""
    os.environ.update(ACCOUNT.environ, AWS_BEARER_TOKEN_BEDROCK="ABSK0123456789")
    done = arc("env")
    assert "AWS_ENDPOINT_URL_BEDROCK_RUNTIME" not in done.out
    assert "# Bedrock is left out: AWS_BEARER_TOKEN_BEDROCK is set" in done.out
    doctor = arc("doctor")
    assert "! AWS_BEARER_TOKEN_BEDROCK" in doctor.out
    assert "ABSK0123456789" not in doctor.out + done.out + done.err


def test_the_token_for_programs_elsewhere(arc):
    done = arc("open", "--token")
    assert done.code == 0
    folder = find_folder(Path(os.environ["ARC_DATA_DIR"]), {})
    assert is_api_token(read_secret(folder), done.out.strip())
