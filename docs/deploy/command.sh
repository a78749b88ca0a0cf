#!/bin/sh
# /usr/local/bin/tokaut: any command, beside the shipped units, under the account and with the settings that it needs.
# Run it as root, and give whole paths. docs/operating/deploy.md says which account that is.
set -eu

# An account, options of systemd-run, and what is run.
as() {
    account=$1
    shift
    exec systemd-run --quiet --collect --wait --pipe --pty --uid="$account" --gid=tokaut \
        -p WorkingDirectory=/opt/tokaut -p EnvironmentFile=/etc/tokaut/tokaut.env "$@"
}

python=/opt/tokaut/.venv/bin/python
tokaut="$python -m tokaut"
worker='-p EnvironmentFile=/etc/tokaut/worker.env -p EnvironmentFile=-/etc/tokaut/clock.env
    -E TOKAUT_DATA=/var/lib/tokaut-worker -E TOKAUT_KEYS=/etc/tokaut/keys -E TOKAUT_WEB_KEYS=/etc/tokaut/web-keys'
console='-p EnvironmentFile=/etc/tokaut/console.env
    -E TOKAUT_DATA=/var/lib/tokaut-console -E TOKAUT_KEYS=/etc/tokaut/console-keys'
all='-E TOKAUT_PHONE_PEPPER_FILE=/var/lib/tokaut-web/pepper
    -E TOKAUT_SESSION_KEY_FILE=/etc/tokaut/secrets/web/session_key
    -E TOKAUT_STORE_KEY_FILE=/etc/tokaut/secrets/web/store_key
    -E AFRICASTALKING_TOKEN_FILE=/etc/tokaut/secrets/web/africastalking_token
    -E KANNEL_TOKEN_FILE=/etc/tokaut/secrets/web/kannel_token
    -E TWILIO_AUTH_TOKEN_FILE=/etc/tokaut/secrets/web/twilio_auth_token
    -E USSD_TOKEN_FILE=/etc/tokaut/secrets/web/ussd_token
    -E TOKAUT_CONSOLE_KEY_FILE=/etc/tokaut/secrets/console/console_key'
owner=/etc/tokaut/postgresql/owner

# shellcheck disable=SC2086  # the lists above are words
case "${1-} ${2-}" in
"check --worker") ;;
"check "*) as root $worker $all /usr/bin/env ${TOKAUT_MODE:+"TOKAUT_MODE=$TOKAUT_MODE"} $tokaut "$@" ;;
"staff "*) as tokaut-console $console -p StateDirectory=tokaut-console -p StateDirectoryMode=0700 $tokaut "$@" ;;
"restore "*) as root $worker $tokaut "$@" ;;
"migrate "*) [ ! -e $owner ] || as root -E TOKAUT_DATA=/var/lib/tokaut-worker -E DATABASE_URL_FILE=$owner $tokaut "$@" ;;
"roles "* | "redis "*) exec $python -P -m tokaut "$@" ;; # here, and nothing that lies here is run
esac
as tokaut-worker $worker -p StateDirectory=tokaut-worker -p StateDirectoryMode=0700 $tokaut "$@"
