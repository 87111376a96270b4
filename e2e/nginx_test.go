package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// nginx is a real nginx that serves JSON files below /data/, with validators, fresh for a minute.
type nginx struct {
	t    *testing.T
	dir  string
	addr string
}

const nginxConfig = `
daemon off;
master_process off;
pid nginx.pid;
error_log error.log;
events { worker_connections 128; }
http {
	log_format line '$request_method $request_uri $status';
	access_log access.log line;
	client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
	server {
		listen %s;
		root www;
		default_type application/json;
		location /data/ { expires 60s; }
		location /old/ { return 301 /data/new.json; }
		location /gone { return 410; }
	}
}
`

// newNginx starts an nginx that serves files, by their names.
func newNginx(t *testing.T, files map[string]string) *nginx {
	t.Helper()
	n := &nginx{t: t, dir: t.TempDir()}
	n.addr = freePort(t)
	n.write("nginx.conf", fmt.Sprintf(nginxConfig, n.addr))
	for name, content := range files {
		n.write("www/data/"+name, content)
	}
	if err := os.MkdirAll(filepath.Join(n.dir, "tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program(t, "nginx", "nginx"), "-p", n.dir, "-c", "nginx.conf", "-e", "error.log")
	var out lines
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it has nothing to lose
		_ = cmd.Wait()         // killed
		if t.Failed() {
			t.Logf("nginx: %s%s", out.String(), n.read("error.log"))
		}
	})
	eventually(t, "nginx listens", func() bool {
		c, err := net.Dial("tcp", n.addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return n
}

// env is the variable that has a sidecar use nginx as its upstream.
func (n *nginx) env() string { return "UPSTREAM_URL=http://" + n.addr }

func (n *nginx) write(name, content string) {
	n.t.Helper()
	path := filepath.Join(n.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		n.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		n.t.Fatal(err)
	}
}

func (n *nginx) read(name string) string {
	text, _ := os.ReadFile(filepath.Join(n.dir, name)) // not there yet: empty
	return string(text)
}

// sees waits until nginx has logged exactly these requests, each "METHOD target status".
func (n *nginx) sees(requests ...string) {
	n.t.Helper()
	want := strings.Join(requests, "\n") + "\n"
	eventually(n.t, "nginx logs "+want, func() bool { return len(n.read("access.log")) >= len(want) })
	equal(n.t, "requests at nginx", n.read("access.log"), want)
}

// freePort returns an address of the loopback interface that nobody listens at.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
