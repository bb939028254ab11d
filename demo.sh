#!/usr/bin/env bash
# ./demo.sh: from a bare Debian 12 to a real answer.
#
# Installs what packages.txt lists, builds build/release/bantam, asks the shipped model a few
# things, starts the server, asks once more over HTTP and ends. With --serve the server stays up.
# Safe to run again: nothing is installed or built twice.
set -euo pipefail
cd "$(dirname "$0")"
. tools/setup.sh

stay_up=no
case "${1:-}" in
  "") ;;
  --serve) stay_up=yes ;;
  *) die "there is no option $1" "./demo.sh, or ./demo.sh --serve" ;;
esac
model=bantam-7m
bantam=build/release/bantam

install_packages packages.txt
if [ ! -x $bantam ]; then
  say "Building (build/release, a few minutes)"
  configure release
fi
build release bantam | sed -u '/ninja: no work to do/d; /Entering directory/d; /Re-checking globbed/d'

# ask SYSTEM USER: the greedy answer, beside what was asked.
ask() {
  printf '  %-68s ' "$2"
  $bantam run $model --system "$1" --temperature 0 --quiet "$2"
}

say "Support tickets: which intent? (one of 77, fine-grained)"
ask "Name the banking intent." "I ordered my card two weeks ago and it still has not come"
ask "Name the banking intent." "Why was I charged twice for the same coffee?"
ask "Name the banking intent." "The machine at the station kept my card"
ask "Name the banking intent." "How do I change my PIN?"
ask "Name the banking intent." "I cannot remember my passcode and I am locked out"

say "Everyday requests: which intent? (one of 150)"
ask "Name the intent." "please set an alarm for six tomorrow morning"
ask "Name the intent." "how do you say good morning in italian"
ask "Name the intent." "put milk and eggs on my shopping list"

say "Intent and slots as JSON (names in small letters it still copies badly)"
ask "Extract intent and slots as JSON." "book a table for four at an italian place in boston tonight"
ask "Extract intent and slots as JSON." "play some jazz by miles davis"
ask "Extract intent and slots as JSON." "will it rain in paris on friday"

say "Fields of a message as JSON, and a ticket sorted"
ask "Extract name, order as JSON." "Hello, Nora Lindqvist here. Where is order 48213-K?"
ask "Sort the ticket as JSON." "Hi, the box with my new kettle came open and empty. Regards, Ada Brown"

say "A story"
$bantam run $model --system "Tell a story." --temperature 0.7 --seed 7 --max-tokens 120 \
  --quiet \
  "One day, a little duck found a red boat by the pond."

say "The server"
port=${BANTAM_PORT:-8080}
mkdir -p build
$bantam serve $model --port "$port" >build/serve.log 2>&1 &
server=$!
trap 'kill $server 2>/dev/null || true; wait $server 2>/dev/null || true' EXIT
for _ in $(seq 100); do
  curl -sf "http://127.0.0.1:$port/health" >/dev/null 2>&1 && break
  kill -0 $server 2>/dev/null ||
    die "the server did not start: $(tail -n 1 build/serve.log)" "choose another port: BANTAM_PORT=8081 ./demo.sh"
  sleep 0.05
done
request='{"model": "bantam-7m", "temperature": 0, "messages": [
  {"role": "system", "content": "Name the banking intent."},
  {"role": "user", "content": "My transfer has not arrived yet"}]}'
printf "\$ curl http://127.0.0.1:%s/v1/chat/completions -H 'Content-Type: application/json' -d '%s'\n" \
  "$port" "$request"
curl -sS --fail-with-body "http://127.0.0.1:$port/v1/chat/completions" \
  -H 'Content-Type: application/json' -d "$request" ||
  die "the server did not answer" "see build/serve.log"
echo

if [ $stay_up = yes ]; then
  say "Serving on http://127.0.0.1:$port until Ctrl-C"
  wait $server
else
  say "Done. Next: ./demo.sh --serve, build/release/bantam help"
fi
