# Sourced by the scripts in tests/pipelines and tests/e2e: runs a pipeline and who dials into it.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export GST_PLUGIN_PATH=$root/build/gst${EXTRA_PLUGINS:+:$EXTRA_PLUGINS}
sim=$root/build/tools/egress-sim/egress-sim
work=$(mktemp -d)
pipeline=
trap '[ -z "$pipeline" ] || kill -KILL $pipeline 2>/dev/null; rm -rf "$work"' EXIT

fail() {
  echo "FAILED: $*"
  for log in "$work"/*.log; do [ -s "$log" ] && tail -n 15 "$log" | sed "s|^|${log##*/}: |"; done
  exit 1
}

# Speech needs the engine; without it the test cannot tell anything.
need_speech() {
  local speech=${ROOMAUDIO_SPEECH_DIR:-${XDG_DATA_HOME:-$HOME/.local/share}/gst-plugins-egress/speech}
  [ -d "$speech/models" ] || { echo "the speech models are not installed (tools/setup)"; exit 77; }
}

free_port() {
  /usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Starts a command in the background and waits until it listens on $PORT.
start() { # COMMAND...
  "$@" >"$work/pipeline.out" 2>"$work/pipeline.log" &
  pipeline=$!
  for _ in $(seq 300); do
    (exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null && return
    kill -0 $pipeline 2>/dev/null || fail "the pipeline did not start: $*"
    sleep 0.1
  done
  fail "nobody listens on port $PORT after 30 s: $*"
}

# Ctrl-C, as a user ends it; the pipeline has to end by itself, and well.
stop() { # [SECONDS]
  kill -INT $pipeline 2>/dev/null # it may have ended
  for _ in $(seq $((${1:-20} * 10))); do
    kill -0 $pipeline 2>/dev/null || break
    sleep 0.1
  done
  kill -0 $pipeline 2>/dev/null && fail "still runs ${1:-20} s after Ctrl-C"
  wait $pipeline
  local status=$?
  pipeline=
  [ $status -eq 0 ] || fail "ended with status $status"
  ! grep -E 'CRITICAL|WARNING \*\*' "$work/pipeline.log" || fail "the pipeline complained"
}

# What a play of egress-sim needs in every test.
dial() { # EGRESS-SIM OPTION...
  "$sim" --url "ws://127.0.0.1:$PORT/{room}/{identity}/{track}?name={name}" --stm "$work/said.stm" \
    --rttm "$work/said.rttm" --summary "$work/sim.json" "$@" >"$work/sim.log" 2>&1 ||
    fail "egress-sim $*"
}

score() { # TRANSCRIPT OPTION...
  "$root/tools/score-transcript" --reference "$work/said.stm" "$@" || fail "score of ${1##*/}"
}

# For tests with TLS: certificate.pem and key.pem.
make_certificate() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
    -keyout "$work/key.pem" -out "$work/certificate.pem" 2>/dev/null || fail "openssl"
}

need_nginx() {
  [ -e /usr/lib/nginx/modules/ngx_rtmp_module.so ] ||
    { echo "nginx with its RTMP module is not installed (tools/setup)"; exit 77; }
}

# The room's mix, as LiveKit's room composite egress publishes it.
publish() { # RTMP-URL EGRESS-SIM OPTION...
  local url=$1
  shift
  "$sim" --rtmp "$url" --wait 10 --stm "$work/said.stm" --summary "$work/sim.json" "$@" \
    >"$work/sim.log" 2>&1 || fail "egress-sim $*"
}

# Until the pipeline listens to the RTMP server on $PORT: what is published before that is lost.
wait_for_reader() {
  local hex
  hex=$(printf ':%04X' "$PORT")
  for _ in $(seq 200); do
    # A connection to that port that is established, seen from the client's side.
    awk -v port="$hex" '$3 ~ port "$" && $4 == "01" { found = 1 } END { exit !found }' \
      /proc/net/tcp && { sleep 0.3; return; }
    sleep 0.1
  done
  fail "nobody listens to the RTMP server"
}
