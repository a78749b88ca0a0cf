# From docs/deploy/nginx.conf and nginx-console.conf to the files of the container.
# Two webs with a socket each. A call that finds one of them stopped goes to the other: nothing of it was sent yet.
s|^\( *\)server unix:/run/tokaut/web.sock;.*|\1server unix:/run/tokaut/web-1.sock;\n\1server unix:/run/tokaut/web-2.sock;|
s|proxy_next_upstream off;|proxy_next_upstream error;|
# nginx has no account of root here, and its folders are in memory.
/^user /d
s|/run/nginx.pid|/tmp/nginx.pid|
s|^http {|&\n    client_body_temp_path /tmp/body;\n    proxy_temp_path /tmp/proxy;\n    fastcgi_temp_path /tmp/fastcgi;\n    uwsgi_temp_path /tmp/uwsgi;\n    scgi_temp_path /tmp/scgi;|
# The console is a container of its own.
s|# include /etc/nginx/tokaut-console.conf;|include /etc/nginx/tokaut-console.conf;|
s|server 127.0.0.1:8100;.*|server console:8100;|
s|console-fullchain.pem|fullchain.pem|
s|console-privkey.pem|privkey.pem|
# A container need not have IPv6.
/listen \[::\]/d
