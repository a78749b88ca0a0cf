#!/bin/sh
# Once, before the first start of compose.yaml: secrets, keys, users of Redis and PostgreSQL, and a certificate for
# trials, each into the volume of the process that reads it. It makes what is missing and replaces nothing, so it may
# run at each start. It runs as root, with the right to change owners, and has no network.
set -eu
umask 077

web=10001 worker=10002 console=10003 postgresql=10011 valkey=10012 nginx=10013 outside=65534
hotlines=${HOTLINES:?name the hotlines of the country files, with blanks between them}
cd /prepared
mkdir -p web worker console owner postgresql valkey tls outside sockets metrics-web metrics-worker \
    data-web data-worker data-console data-postgresql data-valkey

# The value of a command as a file of an account, if there is no such file yet: make OWNER FILE COMMAND …
make() {
    owner=$1 file=$2
    shift 2
    rm -f "$file.new"
    [ ! -h "$file" ] || rm "$file" # a link put there by a container: root follows none
    if [ ! -s "$file" ]; then
        "$@" > "$file.new"
        mv "$file.new" "$file"
    fi
    chown "$owner:$owner" "$file"
    chmod 0400 "$file"
}

password() {
    python3 -c 'import secrets; print(secrets.token_urlsafe(32))'
}

address() {
    echo "postgresql://$1:$(cat "postgresql/$1")@postgresql:5432/tokaut"
}

# The console loses the private keys of hotlines whose staff do not read there any more; workers keep theirs.
forget() {
    for folder in console/keys/private/*; do
        case " $CONSOLE_HOTLINES " in
            *" ${folder##*/} "*) ;;
            *) rm -rf "$folder" ;;
        esac
    done
}

# Public halves for web and the console; of the private ones the console gets those of hotlines whose staff read there.
keys() {
    export TOKAUT_MODE="$TOKAUT_MODE" TOKAUT_DATA=/tmp/prepare TOKAUT_KEYS=/prepared/worker/keys
    for hotline in $hotlines _sender; do
        [ -d "worker/keys/public/$hotline" ] || tokaut keys new "$hotline"
    done
    ls worker/keys/public/_audit > /dev/null 2>&1 || tokaut keys new _audit
    tokaut keys publish /prepared/web/keys
    mkdir -p console/keys/private
    forget
    cp -r worker/keys/public console/keys/
    for hotline in $CONSOLE_HOTLINES; do
        cp -r "worker/keys/private/$hotline" console/keys/private/
    done
}

# All statements may run again: PostgreSQL gets them at each of its starts.
roles() {
    tokaut roles
    echo '\connect tokaut'
    for role in owner web worker clock console; do
        echo "ALTER ROLE tokaut_$role PASSWORD '$(cat "postgresql/tokaut_$role")';"
    done
}

hotline_secrets() {
    for hotline in $hotlines; do
        echo "$hotline $(cat "worker/hotlines/$hotline")"
    done | python3 -c 'import json, sys; print(json.dumps(dict(line.split() for line in sys.stdin)))'
}

certificate() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 90 -subj "/CN=$WEB_NAME" \
        -addext "subjectAltName=DNS:$WEB_NAME,DNS:$CONSOLE_NAME" -keyout tls/privkey.pem -out tls/fullchain.pem
}

for name in session_key store_key ussd_token; do
    make $web "web/$name" tokaut keys secret
done
make $console console/console_key tokaut keys secret
mkdir -p worker/hotlines console/hotlines
for hotline in $hotlines; do
    make $worker "worker/hotlines/$hotline" tokaut keys secret --webhook
    make $console "console/hotlines/$hotline" cat "worker/hotlines/$hotline"
done
keys

for role in owner web worker clock console; do
    make $postgresql "postgresql/tokaut_$role" password
done
rm -f postgresql/roles.sql # of this release
make $postgresql postgresql/roles.sql roles
make $worker owner/database address tokaut_owner
make $web web/database address tokaut_web
make $worker worker/database-worker address tokaut_worker
make $worker worker/database-clock address tokaut_clock
make $console console/database address tokaut_console

[ -s valkey/users.acl ] || tokaut redis acl /prepared/valkey --at redis://valkey:6379 --admin > /dev/null
make $web web/redis cat valkey/web.url
make $web web/redis-queue cat valkey/webq.url
make $worker worker/redis-worker cat valkey/worker.url
make $worker worker/redis-clock cat valkey/clock.url

[ -s tls/fullchain.pem ] || certificate
make $outside outside/hotlines.json hotline_secrets
make $outside outside/ussd_token cat web/ussd_token
make $outside outside/fullchain.pem cat tls/fullchain.pem

if [ ! -s data-web/pepper ]; then
    TOKAUT_DATA=/tmp/prepare TOKAUT_PHONE_PEPPER_FILE=/prepared/data-web/pepper tokaut keys rotate phone-pepper
fi

own() {
    owner=$1
    shift
    chown -R "$owner:$owner" "$@"
}
own $web web data-web sockets metrics-web
own $worker worker owner data-worker metrics-worker
own $console console data-console
own $postgresql postgresql data-postgresql
own $valkey valkey data-valkey
own $nginx tls
own $outside outside
chmod 0700 data-*
chmod 0750 sockets # nginx is in web's group
chmod 0755 metrics-worker # web shows these metrics and cannot write them
echo "All secrets and keys are there."
