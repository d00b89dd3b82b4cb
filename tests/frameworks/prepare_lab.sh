#!/usr/bin/env bash
# A virtual environment per agent framework and an npm folder per coding agent, for the tests beside this file;
# one for the vendors' SDKs in each language, and one for aimock, a provider:
#
#     tests/frameworks/prepare_lab.sh FOLDER [framework ...]      (no name: all of them)
#     ARC_CLIENTS_LAB=FOLDER make test
#
# Takes a minute with uv from PyPI, and as long with npm. What is there already stays.
set -euo pipefail
lab="${1:?usage: prepare_lab.sh FOLDER [framework ...]}"
shift
mkdir -p "$lab"

packages() {
  case "$1" in
    python-sdks) echo openai anthropic google-genai ollama boto3 websockets ;;
    openai-agents) echo openai-agents ;;
    pydantic-ai) echo 'pydantic-ai-slim[openai,anthropic,google]' ;;
    langgraph) echo langgraph langchain langchain-openai ;;
    langchain) echo langchain langgraph langchain-openai langchain-anthropic langchain-google-genai ;;
    llamaindex) echo llama-index-core llama-index-llms-openai ;;
    autogen) echo autogen-agentchat 'autogen-ext[openai]' ;;
    crewai) echo 'crewai[anthropic]' ;;
    claude-code) echo @anthropic-ai/claude-code ;;
    codex) echo @openai/codex ;;
    node-sdks)
      echo openai @anthropic-ai/sdk @google/genai ws ai zod
      echo @ai-sdk/openai @ai-sdk/anthropic @ai-sdk/openai-compatible
      ;;
    aimock) echo @copilotkit/aimock@1.43.0 ;;
    *) echo "prepare_lab.sh: no framework is called $1" >&2; return 1 ;;
  esac
}

[ $# -gt 0 ] || set -- python-sdks openai-agents pydantic-ai langgraph langchain llamaindex autogen crewai \
  claude-code codex node-sdks aimock
if [ ! -x "$lab/.uv/bin/uv" ]; then
  python3 -m venv "$lab/.uv"
  "$lab/.uv/bin/pip" install -q uv
fi
for framework in "$@"; do
  [ -e "$lab/$framework/.ready" ] && continue
  wanted="$(packages "$framework")"
  case "$framework" in
    claude-code | codex | node-sdks | aimock)
      mkdir -p "$lab/$framework"
      # shellcheck disable=SC2086 - several packages
      npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$lab/$framework" $wanted
      # Claude Code's own script puts the program of this platform in place.
      install="$lab/$framework/node_modules/${wanted%% *}/install.cjs"
      [ ! -e "$install" ] || node "$install"
      touch "$lab/$framework/.ready"
      continue
      ;;
  esac
  "$lab/.uv/bin/uv" venv -q --clear --python python3 "$lab/$framework"
  # shellcheck disable=SC2086 - several packages
  "$lab/.uv/bin/uv" pip install -q --python "$lab/$framework/bin/python" $wanted
  touch "$lab/$framework/.ready"
done
