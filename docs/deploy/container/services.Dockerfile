# What compose.yaml runs beside Tokaut, from Debian's own packages: one image for each --target.
ARG BASE=debian:trixie-slim

FROM ${BASE} AS postgresql
RUN groupadd --gid 10011 postgres \
    && useradd --uid 10011 --gid 10011 --no-create-home --home-dir /var/lib/postgresql --shell /bin/sh postgres \
    && apt-get update \
    && mkdir -p /etc/postgresql-common \
    && echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf \
    && apt-get install -y --no-install-recommends postgresql-17 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
COPY docs/deploy/container/postgresql.sh /usr/local/bin/postgresql.sh
USER 10011:10011
STOPSIGNAL SIGINT
CMD ["sh", "/usr/local/bin/postgresql.sh"]

FROM ${BASE} AS valkey
RUN apt-get update \
    && apt-get install -y --no-install-recommends valkey-server \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
USER 10012:10012
# As docs/operating.md says, and on all addresses of the container: only its network reaches it, and only with a user.
CMD ["valkey-server", "--bind", "*", "--protected-mode", "no", "--dir", "/data", \
    "--appendonly", "yes", "--auto-aof-rewrite-min-size", "1mb", "--save", "", \
    "--maxmemory-policy", "noeviction", "--aclfile", "/etc/valkey-users/users.acl"]

FROM ${BASE} AS nginx
RUN apt-get update \
    && apt-get install -y --no-install-recommends nginx-light \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/* /etc/nginx/sites-enabled \
    && mkdir /var/log/nginx \
    && ln -s /dev/stdout /var/log/nginx/access.log \
    && ln -s /dev/stderr /var/log/nginx/error.log
# The files of docs/deploy, with the names and addresses of the containers.
COPY docs/deploy/nginx.conf docs/deploy/nginx-console.conf docs/deploy/container/nginx.sed /etc/nginx/
ARG PUBLIC_HOST=tokaut.example
ARG CONSOLE_HOST=desk.example
RUN cd /etc/nginx \
    && mv nginx-console.conf tokaut-console.conf \
    && sed -i -f nginx.sed nginx.conf tokaut-console.conf \
    && sed -i "s/tokaut\.example/$PUBLIC_HOST/; s/desk\.example/$CONSOLE_HOST/" nginx.conf tokaut-console.conf
USER 10013:10001
CMD ["nginx", "-e", "stderr", "-g", "daemon off;"]
