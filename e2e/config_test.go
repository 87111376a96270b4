package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// canary stands where secrets stand, and must never be printed.
const canary = "canary-4711-secret"

// Every mistake is told in one run, by variable, with the value and what would be right.
func TestAllMistakesAtOnce(t *testing.T) {
	t.Parallel()
	rows := []struct{ name, value, right string }{
		{"UPSTREAM_URL", "ftp://api:9000", "want http://host[:port][/base]"},
		{"UPSTREAM_HOST", "a b", "want nothing, preserve, or host[:port]"},
		{"UPSTREAM_TIMEOUT", "30", "a duration needs a unit; want e.g. 30s"},
		{"UPSTREAM_CONNECT_TIMEOUT", "0s", "want more than 0"},
		{"UPSTREAM_MAX_CONNS", "0", "want 1 or more"},
		{"UPSTREAM_CA_FILE", "/none.pem", "want a readable PEM file"},
		{"LISTEN_ADDR", "8080", "want host:port"},
		{"ADMIN_ADDR", "localhost", "want host:port"},
		{"PROBE_ADDR", "unix://probe.sock", "want unix:///path/to.sock"},
		{"REWRITE_LOCATION", "2", "want true or false"},
		{"ACCESS_LOG", "maybe", "want true or false"},
		{"MAX_OBJECT_BYTES", "0", "want 1 or more"},
		{"POOL_QUEUE_BYTES", "lots", "want e.g. 64MiB"},
		{"POOL_WORKERS", "-1", "want 0 or more"},
		{"POOL_QUEUE", "0", "want 1 or more"},
		{"SHUTDOWN_DELAY", "-1s", "want 0s or more"},
		{"SHUTDOWN_TIMEOUT", "0s", "want 1ms or more"},
		{"DEFAULT_TTL", "-1s", "want 0s or more"},
		{"STALE_WHILE_REVALIDATE", "soon", "not a duration; want 0s or more"},
		{"STALE_IF_ERROR", "1", "a duration needs a unit"},
		{"KEEP_STALE", "1d", "not a duration"},
		{"L1_MAX_BYTES", "64Mb/s", "want e.g. 64MiB"},
		{"L1_MAX_TTL", "x", "not a duration"},
		{"REDIS_URL", "http://redis:6379", "want redis://"},
		{"REDIS_MODE", "ring", "want single, cluster or sentinel"},
		{"REDIS_PASSWORD_FILE", "/none.txt", "no such file"},
		{"REDIS_POOL_SIZE", "many", "not a whole number"},
		{"KEY_PREFIX", "a{b", "want 1 to 64 characters"},
		{"L2_TIMEOUT", "50", "a duration needs a unit; want 1ms or more"},
		{"L2_MAX_TTL", "0s", "want 1ms or more"},
		{"LOG_LEVEL", "loud", "want debug, info, warn or error"},
		{"LOG_FORMAT", "xml", "want text or json"},
	}
	var env []string
	for _, row := range rows {
		env = append(env, row.name+"="+row.value)
	}
	for _, args := range [][]string{nil, {"-check"}} {
		code, stdout, stderr := run(t, args, env...)
		equal(t, "exit code", code, 2)
		equal(t, "standard output", stdout, "")
		contains(t, "message", stderr, fmt.Sprintf("%d mistakes in the configuration:\n", len(rows)))
		equal(t, "lines", strings.Count(stderr, "\n"), len(rows)+1)
		for _, row := range rows {
			line := lineWith(stderr, fmt.Sprintf("  %s=%q: ", row.name, row.value))
			if line == "" {
				t.Errorf("%s=%s is not reported:\n%s", row.name, row.value, stderr)
			} else if !strings.Contains(line, row.right) {
				t.Errorf("%s: %q does not say %q", row.name, line, row.right)
			}
		}
	}
}

func lineWith(text, prefix string) string {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, prefix) {
			return line
		}
	}
	return ""
}

// Mistakes that come about between variables, or in files, one run each.
func TestMistakesInCombination(t *testing.T) {
	t.Parallel()
	text := write(t, "text.pem", "no PEM at all\n")
	empty := write(t, "empty", "\n")
	ca := newAuthority(t)
	other := newAuthority(t)
	const up, secure = "UPSTREAM_URL=http://api:9000", "UPSTREAM_URL=https://api:9000"
	for _, row := range []struct{ env, want string }{
		{"", "  UPSTREAM_URL (not set): required; want e.g. http"},
		{"UPSTREAM_URL=", "  UPSTREAM_URL (not set): required"},
		{"UPSTREAM_URL=api:9000", `  UPSTREAM_URL="api:9000": want http`},
		{"UPSTREAM_URL=http://", `  UPSTREAM_URL="http://": want http`},
		{"UPSTREAM_URL=http://api:99999", `want a port from 1 to 65535`},
		{"UPSTREAM_URL=http://api/?x=1", `has a query or a fragment`},
		{"UPSTREAM_URL=unix://relative.sock", `want http`},
		{"UPSTREAM_URL=http://user:" + canary + "@api", `holds a user name or password`},
		{up + " | UPSTREAM_CA_FILE=" + ca.file, "  UPSTREAM_CA_FILE=\"" + ca.file + "\": want nothing, or an https:// UPSTREAM_URL"},
		{up + " | UPSTREAM_SERVER_NAME=x", `  UPSTREAM_SERVER_NAME="x": want nothing, or an https:// UPSTREAM_URL`},
		{secure + " | UPSTREAM_CA_FILE=" + text, "want a PEM file with at least one certificate"},
		{secure + " | UPSTREAM_CERT_FILE=" + ca.file, "  UPSTREAM_KEY_FILE (not set): want the key that belongs to UPSTREAM_CERT_FILE"},
		{secure + " | UPSTREAM_KEY_FILE=" + ca.key, "  UPSTREAM_CERT_FILE (not set): want the certificate that belongs to UPSTREAM_KEY_FILE"},
		{secure + " | UPSTREAM_CERT_FILE=" + ca.file + " | UPSTREAM_KEY_FILE=" + other.key, "want a PEM certificate that fits UPSTREAM_KEY_FILE"},
		{up + " | REDIS_URL=redis://u:" + canary + "@h:1/x", "  REDIS_URL=\"redis://u:***@h:1/x\": "},
		{up + " | REDIS_URL=redis://u:" + canary + "@h | REDIS_PASSWORD_FILE=" + write(t, "password", "x"), "  REDIS_PASSWORD_FILE"},
		{up + " | REDIS_URL=redis://h | REDIS_PASSWORD_FILE=" + empty, "is empty"},
		{up + " | REDIS_URL=redis://h:99999", `port "99999": want one from 1 to 65535`},
		{up + " | REDIS_URL=redis://h/1?db=2", "the database stands in it twice"},
		{up + " | REDIS_MODE=cluster", `  REDIS_MODE="cluster": want REDIS_URL, too`},
		{up + " | REDIS_CA_FILE=" + ca.file, `": want REDIS_URL, too`},
		{up + " | REDIS_READ_REPLICAS=true", `  REDIS_READ_REPLICAS="true": want REDIS_URL, too`},
		{up + " | GOGC=abc", `  GOGC="abc": want a number of percent`},
		{up + " | ADMIN_TOKEN=" + canary + "\x01x", `  ADMIN_TOKEN="***": `},
		{up + " | KEY_PREFIX=" + strings.Repeat("k", 65), "want 1 to 64 characters"},
	} {
		code, _, stderr := run(t, nil, fields(row.env)...)
		equal(t, row.env+": exit code", code, 2)
		contains(t, row.env, stderr, "1 mistake in the configuration:\n", row.want)
		if strings.Contains(stderr, canary) {
			t.Errorf("%s: the secret is in the message:\n%s", row.env, stderr)
		}
	}
}

// A name that is one slip away from a known one is warned about; others are nobody's business.
func TestTypos(t *testing.T) {
	t.Parallel()
	code, _, stderr := run(t, []string{"-check"}, "UPSTREAM_URL=http://api", "UPSTREAM_TIMOUT=1s", "REDIS_ULR=redis://h",
		"l1_max_bytes=1", "EDITOR=vi", "SOMETHING_ELSE=1")
	equal(t, "exit code", code, 0)
	contains(t, "warnings", stderr,
		"UPSTREAM_TIMOUT is set but not known; did you mean UPSTREAM_TIMEOUT?\n",
		"REDIS_ULR is set but not known; did you mean REDIS_URL?\n",
		"l1_max_bytes is set but not known; did you mean L1_MAX_BYTES?\n")
	equal(t, "lines", strings.Count(stderr, "\n"), 3)
}

// contract is the table of variables and defaults that users rely on.
var contract = map[string]string{
	"UPSTREAM_URL": "required", "UPSTREAM_HOST": "", "UPSTREAM_TIMEOUT": "30s", "UPSTREAM_CONNECT_TIMEOUT": "2s", "UPSTREAM_MAX_CONNS": "512",
	"UPSTREAM_CA_FILE": "", "UPSTREAM_CERT_FILE": "", "UPSTREAM_KEY_FILE": "", "UPSTREAM_SERVER_NAME": "",
	"LISTEN_ADDR": "127.0.0.1:8080", "ADMIN_ADDR": "127.0.0.1:8081", "ADMIN_TOKEN": "", "PROBE_ADDR": "off", "REWRITE_LOCATION": "true",
	"REDIS_URL": "", "REDIS_MODE": "by the URL", "REDIS_PASSWORD_FILE": "", "REDIS_POOL_SIZE": "by cores", "KEY_PREFIX": "nearside",
	"L1_MAX_BYTES": "64MiB", "L1_MAX_TTL": "none", "L2_TIMEOUT": "50ms", "L2_MAX_TTL": "24h", "DEFAULT_TTL": "0s",
	"STALE_WHILE_REVALIDATE": "0s", "STALE_IF_ERROR": "0s", "KEEP_STALE": "10m", "MAX_OBJECT_BYTES": "8MiB",
	"POOL_WORKERS": "by cores", "POOL_QUEUE": "4096", "POOL_QUEUE_BYTES": "64MiB", "LOG_LEVEL": "info", "LOG_FORMAT": "text",
	"ACCESS_LOG": "false", "SHUTDOWN_DELAY": "1s", "SHUTDOWN_TIMEOUT": "10s",
}

var helpRow = regexp.MustCompile(`(?m)^  ([A-Z][A-Z0-9_]+) +((?:\S+ )*\S+|)(?:  |$)`)

// -help shows every variable with its default and its meaning.
func TestHelp(t *testing.T) {
	t.Parallel()
	code, text, stderr := run(t, []string{"-help"})
	equal(t, "exit code", code, 0)
	equal(t, "standard error", stderr, "")
	seen := map[string]string{}
	for _, m := range helpRow.FindAllStringSubmatch(text, -1) {
		seen[m[1]] = m[2]
	}
	for name, want := range contract {
		got, there := seen[name]
		if !there {
			t.Errorf("%s is not in -help", name)
			continue
		}
		if want == "" { // then the meaning follows
			want = got
			equal(t, name+" has a default", strings.Contains(text, "  "+name+strings.Repeat(" ", 26-len(name))+" "), true)
		}
		equal(t, "default of "+name, got, want)
	}
	for line := range strings.Lines(text) {
		if n := len([]rune(strings.TrimRight(line, "\n"))); n > 100 {
			t.Errorf("a line of %d columns: %s", n, line)
		}
	}
	for _, args := range [][]string{{"--help"}, {"-h"}, {"help"}} {
		_, same, _ := run(t, args)
		equal(t, strings.Join(args, " "), same, text)
	}
}

// -check prints what is in effect, in the order of -help, with secrets hidden.
func TestCheck(t *testing.T) {
	t.Parallel()
	_, markdown, _ := run(t, []string{"-help", "markdown"})
	code, text, stderr := run(t, []string{"-check"}, "UPSTREAM_URL=http://api:9000/v1", "REDIS_URL=redis://user:"+canary+"@redis:6379/2",
		"ADMIN_TOKEN="+canary, "L1_MAX_BYTES=1024KiB", "L2_TIMEOUT=0.1s", "ACCESS_LOG=on", "KEEP_STALE=10m")
	equal(t, "exit code", code, 0)
	equal(t, "standard error", stderr, "")
	contains(t, "-check", text,
		"* UPSTREAM_URL=http://api:9000/v1\n", "* REDIS_URL=redis://user:***@redis:6379/2\n", "* ADMIN_TOKEN=***\n",
		"* L1_MAX_BYTES=1MiB\n", "* L2_TIMEOUT=100ms\n", "* ACCESS_LOG=true\n", "  KEEP_STALE=10m\n", "  POOL_WORKERS=(by cores)\n",
		"  UPSTREAM_HOST=\n")
	if strings.Contains(text+stderr, canary) {
		t.Errorf("the secret is in -check:\n%s", text)
	}
	var names, want []string
	for line := range strings.Lines(text) {
		name, _, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(line, "*")), "=")
		names = append(names, name)
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Z0-9_]+)`").FindAllStringSubmatch(markdown, -1) {
		want = append(want, m[1])
	}
	equal(t, "variables", strings.Join(names, " "), strings.Join(want, " "))
}

// The table in the README is the one that the binary prints.
func TestReadmeTable(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, begin := strings.Cut(string(readme), "<!-- variables -->\n")
	table, _, end := strings.Cut(rest, "<!-- /variables -->")
	if !begin || !end {
		t.Fatal("the README has no <!-- variables --> … <!-- /variables -->")
	}
	code, markdown, _ := run(t, []string{"-help", "markdown"})
	equal(t, "exit code", code, 0)
	for line := range strings.Lines(markdown) {
		if !strings.Contains(table, line) {
			t.Errorf("the README lacks this line of nearside -help markdown:\n%s", line)
		}
	}
	for line := range strings.Lines(table) {
		if !strings.Contains(markdown, line) {
			t.Errorf("nearside -help markdown lacks this line of the README:\n%s", line)
		}
	}
	if !t.Failed() && strings.TrimSpace(table) != strings.TrimSpace(markdown) {
		t.Error("the README's table has another order than nearside -help markdown")
	}
}

func TestVersionAndArguments(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		args string
		code int
		part string
	}{
		{"-version", 0, "nearside 1.2.3-e2e go1."},
		{"--version", 0, "nearside 1.2.3-e2e go1."},
		{"-verison", 2, `unknown argument`},
		{"serve", 2, `unknown argument`},
		{"-check -check", 2, ""},
	} {
		code, stdout, stderr := run(t, strings.Fields(row.args), "UPSTREAM_URL=http://api")
		equal(t, row.args+": exit code", code, row.code)
		contains(t, row.args, stdout+stderr, row.part)
	}
}

// -health tells whether the sidecar at ADMIN_ADDR is well; it needs no other variable.
func TestHealthCommand(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	s := nearside(t, o.env())
	code, stdout, stderr := run(t, []string{"-health"}, "ADMIN_ADDR="+s.admin)
	equal(t, "exit code of a running one", code, 0)
	equal(t, "output", stdout+stderr, "")
	_, port, _ := strings.Cut(s.admin, ":")
	code, _, _ = run(t, []string{"-health"}, "ADMIN_ADDR=:"+port)
	equal(t, "exit code, by an address of all interfaces", code, 0)
	s.stop()
	code, _, stderr = run(t, []string{"-health"}, "ADMIN_ADDR="+s.admin)
	equal(t, "exit code of a stopped one", code, 1)
	contains(t, "message", stderr, "connection refused")
	equal(t, "lines on standard error", strings.Count(stderr, "\n"), 1)
}

// A port that is taken, or a socket that is served, ends the start with 1 and says which.
func TestBusyAddresses(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	socket := filepath.Join(t.TempDir(), "busy.sock")
	s := nearside(t, o.env(), "ADMIN_ADDR=unix://"+socket)
	for _, env := range []string{"LISTEN_ADDR=" + s.addr, "ADMIN_ADDR=" + s.addr, "PROBE_ADDR=" + s.addr,
		"LISTEN_ADDR=unix://" + socket, "LISTEN_ADDR=unix://" + t.TempDir(), "LISTEN_ADDR=unix:///none/x.sock"} {
		code, _, stderr := run(t, nil, o.env(), env)
		equal(t, env+": exit code", code, 1)
		_, addr, _ := strings.Cut(env, "=")
		contains(t, env, stderr, "cannot listen at "+addr)
	}
	status, _ := ask(t, s.admin, "/healthz")
	equal(t, "health of the one whose addresses were wanted", status, 200)
}

// Clients, admin and upstream may each be at a unix socket.
func TestUnixSockets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	o := serveOrigin(t, listenUnix(t, at("up.sock")))
	o.says("/x", reply("body", "Cache-Control: max-age=60"))
	o.on("/moved", func(c *call) { c.say(reply("", "Status: 302", "Location: http://"+c.field("Host")+"/x")) })
	env := []string{"UPSTREAM_URL=unix://" + at("up.sock"), "LISTEN_ADDR=unix://" + at("clients.sock"), "ADMIN_ADDR=unix://" + at("admin.sock")}

	s := nearside(t, env...)
	equal(t, "address of the clients' listener", s.addr, at("clients.sock"))
	s.get("/x").wants(200, "fwd=uri-miss; fwd-status=200; stored", "body")
	equal(t, "Host at the origin", o.last("/x").field("Host"), "localhost")
	s.settled()
	s.get("/x").wants(200, "hit; detail=L1", "body")
	equal(t, "Location", s.get("/moved", "Host: app.test").field("Location"), "http://app.test/x")
	code, _, _ := run(t, []string{"-health"}, "ADMIN_ADDR=unix://"+at("admin.sock"))
	equal(t, "-health at the socket", code, 0)

	s.wantCode = -1 // what a crash leaves behind is no obstacle
	s.signal(syscall.SIGKILL)
	s.wait()
	if _, err := os.Stat(at("clients.sock")); err != nil {
		t.Fatalf("no socket file was left behind: %v", err)
	}
	s = nearside(t, env...)
	equal(t, "body after the restart", s.get("/x").body, "body")
	s.stop()
	if _, err := os.Stat(at("clients.sock")); err == nil {
		t.Error("the socket file is still there after a stop")
	}
}

// Logs are lines of text or of JSON; the access log has one for each request; no secret is in them.
func TestLogs(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	o.says("/x", reply("body", "Cache-Control: max-age=60"))
	r := newRedis(t)
	if err := r.client.ConfigSet(t.Context(), "requirepass", canary).Err(); err != nil {
		t.Fatal(err)
	}
	s := nearside(t, o.env(), "REDIS_URL=unix://:"+canary+"@"+r.Socket(), "ADMIN_TOKEN="+canary, "ACCESS_LOG=on", "LOG_LEVEL=debug")
	for range 2 {
		s.get("/x?a=1", "Authorization: Bearer "+canary, "Cookie: session="+canary)
		s.get("/x")
		s.settled()
	}
	s.send("GET /x HTTP/1.1\r\nAuthorization: " + canary + "\r\nno field\r\n\r\n")
	s.do("GET /x", "Proxy-Authorization: Basic "+canary)
	equal(t, "operations on L2 that failed", s.metric(`l2_operations_total{operation="put",result="error"}`), 0)
	equal(t, "responses that L2 took", s.metric(`l2_operations_total{operation="put",result="done"}`), 1)
	_, metrics := ask(t, s.admin, "/metrics")
	eventually(t, "six lines of the access log", func() bool { return strings.Count(s.stderr.String(), "msg=request ") == 6 })
	contains(t, "access log", s.stderr.String(), "method=GET target=/x status=200 outcome=hit", "tier=L1", "target=\"/x?a=1\"", "outcome=miss")
	s.stop()
	for what, text := range map[string]string{"log": s.stderr.String(), "standard output": s.stdout.String(), "metrics": metrics} {
		if strings.Contains(text, canary) {
			t.Errorf("the secret is in the %s:\n%s", what, text)
		}
	}

	s = nearside(t, o.env(), "LOG_FORMAT=json", "LOG_LEVEL=info")
	s.get("/x")
	s.stop()
	for line := range strings.Lines(s.stderr.String()) {
		if !strings.HasPrefix(line, `{"time":`) || !strings.HasSuffix(line, "}\n") {
			t.Errorf("a line that is no JSON: %s", line)
		}
	}
	equal(t, "lines of an access log that is off", strings.Count(s.stderr.String(), `"msg":"request"`), 0)
}
