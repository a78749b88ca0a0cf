# From nginx.conf to a proxy on a host of its own, before several web hosts (operating/deploy.md, Several hosts):
#     sed -f docs/deploy/nginx-hosts.sed docs/deploy/nginx.conf > /etc/nginx/nginx.conf
# CHANGE in the result: the address of each web host, besides the lines that nginx.conf marks.
#
# A host that refuses a connection, or does not accept one within a second, gets no request for ten seconds; the request
# goes to the next host. A request that was sent is never sent again: what became of it is unknown here. Web answers
# within five seconds, so a host that has not answered after six is treated in the same way.
s|^\( *\)server unix:/run/tokaut/web.sock;.*|\1zone web 64k;\n\1server 10.0.0.11:8000 max_fails=1 fail_timeout=10s; # CHANGE\n\1server 10.0.0.12:8000 max_fails=1 fail_timeout=10s; # CHANGE|
s|proxy_next_upstream off;|proxy_next_upstream error timeout;|
s|proxy_connect_timeout 2s;|proxy_connect_timeout 1s;|
s|proxy_read_timeout 20s;|proxy_read_timeout 6s;|
