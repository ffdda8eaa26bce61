package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// nginxConfig is nginx as one would run it to serve these files fast: sendfile, a worker a
// core, open files remembered, no access log, connections kept. The user line matters
// only when nginx is started as root, whose workers could not read the fixtures else.
const nginxConfig = `%[1]sworker_processes auto;
daemon off;
pid %[2]s/nginx.pid;
error_log stderr;
events { worker_connections 4096; }
http {
	access_log off;
	sendfile on;
	tcp_nopush on;
	keepalive_requests 100000000;
	open_file_cache max=1000;
	default_type text/plain;
	types { application/json info; application/zip zip; }
	client_body_temp_path %[2]s/body;
	proxy_temp_path %[2]s/proxy;
	fastcgi_temp_path %[2]s/fastcgi;
	uwsgi_temp_path %[2]s/uwsgi;
	scgi_temp_path %[2]s/scgi;
	server {
		listen %[3]s;
		root %[4]s;
	}
}
`

// startNginx serves the files of root.
func (l *lab) startNginx(ctx context.Context, root string) (*server, error) {
	bin, err := lookNginx()
	if err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(l.dir, "nginx-")
	if err != nil {
		return nil, err
	}
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;\n"
	}
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, nginxConfig, user, dir, addr, root), 0o644); err != nil {
		return nil, err
	}
	p, err := l.spawn("nginx", nil, bin, "-p", dir, "-c", conf, "-e", "stderr")
	if err != nil {
		return nil, err
	}
	s := &server{p, addr}
	if err := p.until(ctx, addr, 5*time.Millisecond, 10*time.Second, s.accepts); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// accepts reports whether a connection can be made now.
func (s *server) accepts() bool {
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// lookNginx finds nginx, which Debian keeps outside of a user's PATH.
func lookNginx() (string, error) {
	for _, name := range []string{"nginx", "/usr/sbin/nginx", "/usr/local/sbin/nginx"} {
		if bin, err := exec.LookPath(name); err == nil {
			return bin, nil
		}
	}
	return "", errors.New("nginx: not found; on Debian and Ubuntu: apt-get install nginx-light")
}
