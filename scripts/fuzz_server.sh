#!/usr/bin/env bash
# Sends a running server about 10,000 requests made from its own OpenAPI description (schemathesis, in an environment of
# its own) and says where an answer is a 5xx or disagrees with the description:
#
#     anyrank index corpus.jsonl -o my.index && anyrank serve -p tiny --index my.index --port 8126 &
#     SCHEMATHESIS=/path/to/schemathesis scripts/fuzz_server.sh http://127.0.0.1:8126 [REQUESTS-A-PATH] [SECONDS]
#
# A valid request may still be refused for what only this server's model or index knows (dimensions, the fields of
# filters), and the server reads more than it describes (documents as objects without a text): so 400 and 422 are no failures of /embeddings and /search, 413 is a refusal
# too, and the accepted requests that it reports as violations are to be looked at, not all mended.
set -euo pipefail
config=$(mktemp --suffix .toml)
trap 'rm -f "$config"' EXIT
cat > "$config" <<'TOML'
[checks]
negative_data_rejection.expected-statuses = ["400", "401", "403", "404", "405", "413", "422", "429", "5xx"]

[[operations]]
include-path-regex = "(embeddings|/search)$"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404", "413", "422", "429"]
TOML
"${SCHEMATHESIS:-schemathesis}" --config-file "$config" run "${1:?the address of a server}/openapi.json" \
  --max-examples "${2:-340}" --max-time "${3:-1800}" --phases examples,coverage,fuzzing --checks all \
  --continue-on-failure --suppress-health-check all --request-timeout 60 --workers 2
