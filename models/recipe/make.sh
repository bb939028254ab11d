#!/usr/bin/env bash
# make.sh DATA OUT: the one command that makes the shipped model again.
#
# prepare -> pretrain -> tune (as Q8_0) -> measure. Every stage goes on where it was stopped, so
# the same command can be given again after an interruption. The same DATA, seed and settings give
# the same bytes on every machine, whatever its threads and processor.
#
#   BANTAM      the program (build/release/bantam)
#   TOKENS      learned from in the first stage (5e6)
#   EPOCHS      of the second stage over lessons.jsonl (1.4)
#   THREADS     0: one a core
#   LEAVE_OUT   a domain of CLINC150 to keep out of training (none), for personalise.py
set -euo pipefail
[ $# = 2 ] || { sed -n '2,14s/^# \{0,1\}//p' "$0" >&2; exit 64; }
recipe=$(cd "$(dirname "$0")" && pwd)
data=$1 out=$2
bantam=${BANTAM:-$recipe/../../build/release/bantam}
threads=${THREADS:-0}
texts=$out/texts
mkdir -p "$out"

if [ ! -s "$texts/manifest.json" ]; then
  python3 "$recipe/prepare.py" "$data" "$texts" ${LEAVE_OUT:+--leave-out "$LEAVE_OUT"}
fi
cmp -s "$recipe/manifest.json" "$texts/manifest.json" ||
  echo "make.sh: the texts are not those of the shipped model: see $texts/manifest.json" >&2

# What the first stage is made of, in hundredths of its tokens, and what chooses its best moment.
shares="stories=30 tell=10 made=5 prose=5 banking=10 clinc=10 slots=12 snips=3 extract=4 yesno=3
  tickets=3 arithmetic=2 nlupp=1 outside=1 router=1 smalltalk=1"
sources=()
for share in $shares; do sources+=("$texts/${share%=*}.jsonl=${share#*=}"); done
judges=()
for kind in stories tell banking clinc snips extract yesno arithmetic; do
  judges+=(--validation "$texts/$kind.dev.jsonl")
done
"$bantam" pretrain "$out/pretrained" "${sources[@]}" "${judges[@]}" --validation-rows 60 \
  --shape bantam-7m --name bantam-7m --learn-prompts --tokens "${TOKENS:-5e6}" --batch 8192 \
  --others-rate 0.01 --hold 0.5 --validate-every 60 --threads "$threads"

# Answers only, as the packed numbers that will be served; stories are played again so that they are
# not forgotten.
"$bantam" tune "$out/pretrained/model.gguf" "$texts/lessons.jsonl" "$out/tuned" --full \
  --type q8_0 --optimizer muon --rate 0.01 --batch 4096 --epochs "${EPOCHS:-1.4}" --shape line \
  --replay "$texts/tell.jsonl" --replay-share 0.06 --too-long drop \
  --validation "$texts/lessons.dev.jsonl" --validation-rows 360 --metric exact --validate-every 200 \
  --threads "$threads"

cp "$out/tuned/model.gguf" "$out/bantam-7m-Q8_0.gguf"
python3 "$recipe/evaluate.py" "$out/bantam-7m-Q8_0.gguf" "$texts" --bantam "$bantam" \
  --out "$out/evaluation" --threads "$threads"
