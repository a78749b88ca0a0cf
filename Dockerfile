# One image for all five processes, and for the commands of `tokaut`. docs/operating/containers.md says how to run it.
#
#   docker build -t tokaut .        podman build -t tokaut .        buildah build -t tokaut .
#
# BASE is Debian 13, slim. Behind a proxy that has an authority of its own, give the file of the authorities to trust
# while the packages are fetched: --secret id=authorities,src=/etc/ssl/certs/ca-certificates.crt
ARG BASE=debian:trixie-slim

FROM ${BASE} AS python
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates python3 \
    && rm -rf /usr/lib/python3.*/test /usr/lib/python3.*/pydoc_data /var/cache/debconf/*-old \
        /var/lib/apt/lists/* /var/cache/apt/* /var/cache/ldconfig /var/log/*

FROM python AS build
RUN apt-get update && apt-get install -y --no-install-recommends binutils make python3-venv
WORKDIR /opt/tokaut
COPY Makefile LICENSE README.md pyproject.toml requirements.lock requirements-tools.lock ./
COPY console console
COPY flows flows
COPY gateway gateway
COPY locales locales
COPY reports reports
COPY runtime runtime
COPY tokaut tokaut
COPY workers workers
# The packages of requirements.lock, by their hashes. Removed: symbols for a debugger, sources of compiled modules, the
# packages' own tests, of Twilio's client all products but the one that sends SMS, and of Pillow, which draws no picture
# here, two formats and its fonts. Compiled here, for the image is read-only when it runs: the modules that processes import.
RUN --mount=type=secret,id=authorities,target=/run/secrets/authorities \
    if [ -s /run/secrets/authorities ]; then \
        export PIP_CERT=/run/secrets/authorities SSL_CERT_FILE=/run/secrets/authorities; \
    fi \
    && PYTHONDONTWRITEBYTECODE=1 make install \
    && rm -rf .uv \
    && packages=$(echo .venv/lib/python3.*/site-packages) \
    && find "$packages" -name '*.so*' -type f -exec strip --strip-unneeded {} + \
    && find "$packages" -type f \( -name '*.pyx' -o -name '*.pxd' -o -name '*.c' -o -name '*.h' -o -name '*.pyi' \) -delete \
    && find "$packages" -type d \( -name test -o -name tests -o -name testing \) -prune -exec rm -rf {} + \
    && find "$packages"/twilio/rest -mindepth 1 -maxdepth 1 -type d ! -name api -exec rm -rf {} + \
    && rm -f "$packages"/PIL/_avif.*.so "$packages"/pillow.libs/libavif-*.so* \
        "$packages"/PIL/_webp.*.so "$packages"/pillow.libs/libwebp*.so* \
        "$packages"/PIL/_imagingft.*.so "$packages"/pillow.libs/libharfbuzz-*.so* "$packages"/pillow.libs/libfreetype-*.so* \
    && .venv/bin/python -c 'from twilio.rest import Client; Client("AC0", "-").messages' \
    && for module in gateway.asgi gateway.server gunicorn.app.wsgiapp workers.main console.app tokaut.__main__ \
        tokaut.commands.migrate tokaut.commands.check tokaut.healthcheck; do \
        .venv/bin/python -c "import $module" || exit 1; \
    done

FROM python
# As the units have them: an account that opens no report, one that delivers, one whose staff read.
RUN for account in web:10001 worker:10002 console:10003; do \
        groupadd --gid "${account#*:}" "tokaut-${account%:*}" \
        && useradd --uid "${account#*:}" --gid "${account#*:}" --no-create-home --home-dir /var/lib/tokaut \
            --shell /usr/sbin/nologin "tokaut-${account%:*}" \
        || exit 1; \
    done \
    && rm -f /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /etc/subuid- /etc/subgid- \
    && rm -rf /var/log/*
COPY --from=build /opt/tokaut /opt/tokaut
COPY docs/deploy/container/prepare.sh /opt/tokaut/docs/deploy/container/
ENV PATH=/opt/tokaut/.venv/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    TOKAUT_DATA=/var/lib/tokaut
WORKDIR /opt/tokaut
USER 10001:10001
# Each process has its own command and its own health check, in compose.yaml and in docs/deploy/kubernetes.
CMD ["tokaut", "--help"]
