#!/bin/bash
# Every link of the documentation to a file of the repository leads to one.
set -uo pipefail
cd "$(dirname "$0")/../.."
bad=0
for page in README.md CONTRIBUTING.md docs/*.md; do
  while read -r target; do
    target=${target%%#*}
    [ -z "$target" ] || [ -e "$(dirname "$page")/$target" ] || { echo "  $page: no $target"; bad=1; }
  done < <(grep -oE '\]\([^)]+\)' "$page" | sed -E 's/^\]\(//; s/\)$//' | grep -vE '^(https?|mailto):')
done
if [ $bad = 0 ]; then
  echo "pass links: the documentation's links lead somewhere"
else
  echo "fail links: see above"
  exit 1
fi
