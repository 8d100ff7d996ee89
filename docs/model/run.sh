#!/bin/sh
# Checks every model of this directory. The "run:" lines in the head of a model say which
# variants there are and what the search has to report for each; anything else is a failure:
# an error in a clean variant, and just as much a mutant that passes or fails in another way.
#
#   run.sh             all variants but those marked full; about a minute of processor time
#   run.sh --full      all variants, the large ones included (some minutes, 4 GB of memory)
#   run.sh wake eof    only these models
#
# A run line:  run: EXPECT [full] [live] [hash] [-DNAME ...]
#   EXPECT  clean, assert (an assertion fails), deadlock (a process waits for ever),
#           cycle (something promised to happen eventually never does)
#   full    only with --full
#   live    search for cycles under weak fairness, against the model's ltl formula
#   hash    store 8-byte hashes of states: less memory, tiny chance to overlook a state
set -u

here=$(cd "$(dirname "$0")" && pwd)
full=no
only=""
for arg in "$@"; do
	case $arg in
	--full) full=yes ;;
	-h | --help) sed -n '2,16s/^# \{0,1\}//p' "$0"; exit 0 ;;
	-*) echo "run.sh: unknown option $arg (see --help)" >&2; exit 2 ;;
	*) only="$only ${arg%.pml}" ;;
	esac
done

for tool in spin gcc; do
	command -v $tool >/dev/null || {
		echo "run.sh: $tool is not installed; on Debian and Ubuntu: apt-get install spin gcc" >&2
		exit 2
	}
done

tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM

# verdict FILE prints what a search reported, in the words of the run lines.
verdict() {
	if grep -q 'max search depth too small\|out of memory\|hash table is full' "$1"; then
		echo incomplete
	elif grep -q 'pan:.*assertion violated' "$1"; then
		echo assert
	elif grep -q 'pan:.*invalid end state' "$1"; then
		echo deadlock
	elif grep -q 'pan:.*acceptance cycle\|pan:.*non-progress cycle' "$1"; then
		echo cycle
	elif grep -q 'errors: 0' "$1"; then
		echo clean
	else
		echo broken
	fi
}

# check MODEL EXPECT WORD... runs one variant and prints one row of the table.
check() {
	model=$1 expect=$2
	shift 2
	# Most searches take less time than an optimizing compiler would.
	live=no hash="" defs="" opt=-O0
	for word in "$@"; do
		case $word in
		full) [ $full = yes ] || return 0; opt=-O2 ;;
		live) live=yes ;;
		hash) hash=-DHC4 ;;
		-D*) defs="$defs $word" ;;
		*) echo "run.sh: $model: what is '$word' in a run line?" >&2; exit 2 ;;
		esac
	done
	dir=$tmp/$model.$rows
	mkdir "$dir" && cp "$here/$model.pml" "$dir" && cd "$dir" || exit 2
	# shellcheck disable=SC2086
	{
		if [ $live = yes ]; then
			kind="-DNFAIR=3" flags="-a -f"
		else
			# Deadlocks and assertions need no never claim.
			kind="-DSAFETY -DNOCLAIM" flags=""
		fi
		spin -a $defs "$model.pml" >spin.log 2>&1 &&
			gcc $opt -w -DMEMLIM=12000 $kind $hash -o pan pan.c >gcc.log 2>&1 &&
			./pan -m400000 -w22 $flags >pan.log 2>&1
	}
	touch pan.log
	got=$(verdict pan.log)
	states=$(awk '/states, stored/ {print $1; exit}' pan.log)
	time=$(awk '/elapsed time/ {print $4; exit}' pan.log)
	note=ok
	if [ "$got" != "$expect" ]; then
		note="FAILED: expected $expect"
		failed=$((failed + 1))
		cat spin.log gcc.log 2>/dev/null | head -5 >&2
		grep '^pan:' pan.log | head -5 >&2
	fi
	variant="$defs"
	[ $live = yes ] && variant="$variant (live)"
	printf '%-18s %-34s %-9s %12s %8s  %s\n' \
		"$model" "${variant:- (as the protocol is)}" "$got" "${states:--}" "${time:--}" "$note"
	rows=$((rows + 1))
	[ "$got" = "$expect" ] && case $expect in
	clean) clean=$((clean + 1)) total=$((total + ${states:-0})) ;;
	*) mutants=$((mutants + 1)) ;;
	esac
	cd "$tmp" && rm -rf "$dir"
}

# record writes what was seen, if SHMRING_EVIDENCE names a directory and all models ran.
record() {
	[ -n "${SHMRING_EVIDENCE:-}" ] && [ -z "$only" ] && [ $failed -eq 0 ] || return 0
	cat >"$SHMRING_EVIDENCE/models.json" <<-END
		{
		  "name": "models",
		  "title": "models of the protocol, searched exhaustively, and what breaks them",
		  "guarantees": ["G1", "G2", "G3", "G4", "G5", "G6", "G7", "G10", "G12", "G13", "G18"],
		  "counts": {
		    "models": $models,
		    "variants": $rows,
		    "clean": $clean,
		    "states": $total,
		    "mutants": $mutants,
		    "failed": $failed
		  },
		  "note": "$(spin -V | head -1); full: $full",
		  "started": "$started",
		  "seconds": $(($(date +%s) - began)),
		  "kernel": "$(uname -r)",
		  "go": "",
		  "arch": "$(uname -m)",
		  "cpus": $(nproc),
		  "commit": "${SHMRING_COMMIT:-}"
		}
	END
}

rows=0 failed=0 models=0 clean=0 mutants=0 total=0
began=$(date +%s) started=$(date -u +%Y-%m-%dT%H:%M:%SZ)
printf '%-18s %-34s %-9s %12s %8s\n' model variant result states seconds
for file in "$here"/*.pml; do
	model=$(basename "$file" .pml)
	case " ${only:-$model} " in *" $model "*) ;; *) continue ;; esac
	sed -n 's/^ \* run: //p' "$file" >"$tmp/lines"
	models=$((models + 1))
	[ -s "$tmp/lines" ] || { echo "run.sh: $model.pml has no run line" >&2; exit 2; }
	while read -r line; do
		# shellcheck disable=SC2086
		check "$model" $line
	done <"$tmp/lines"
done

[ $rows -gt 0 ] || { echo "run.sh: no such model:$only" >&2; exit 2; }
record
echo "$rows variants checked, $failed not as expected"
[ $failed -eq 0 ]
