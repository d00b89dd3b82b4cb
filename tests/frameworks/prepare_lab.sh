#!/usr/bin/env bash
# A virtual environment per agent framework and an npm folder per coding agent, for the tests beside this file:
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
    openai-agents) echo openai-agents ;;
    pydantic-ai) echo 'pydantic-ai-slim[openai]' ;;
    langgraph) echo langgraph langchain langchain-openai ;;
    langchain) echo langchain-openai langchain-anthropic ;;
    llamaindex) echo llama-index-core llama-index-llms-openai ;;
    autogen) echo autogen-agentchat 'autogen-ext[openai]' ;;
    crewai) echo crewai ;;
    claude-code) echo @anthropic-ai/claude-code ;;
    codex) echo @openai/codex ;;
    node-sdks) echo openai @anthropic-ai/sdk ai @ai-sdk/openai @ai-sdk/anthropic ;;
    *) echo "prepare_lab.sh: no framework is called $1" >&2; return 1 ;;
  esac
}

[ $# -gt 0 ] || set -- openai-agents pydantic-ai langgraph langchain llamaindex autogen crewai claude-code codex node-sdks
if [ ! -x "$lab/.uv/bin/uv" ]; then
  python3 -m venv "$lab/.uv"
  "$lab/.uv/bin/pip" install -q uv
fi
for framework in "$@"; do
  [ -e "$lab/$framework/.ready" ] && continue
  wanted="$(packages "$framework")"
  case "$framework" in
    claude-code | codex | node-sdks)
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
