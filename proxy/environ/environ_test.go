package environ_test

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nearside-cache/nearside/proxy/environ"
)

// size is a TextUnmarshaler of a number kind: 2k is 2048.
type size int64

func (s *size) UnmarshalText(text []byte) error {
	digits, thousands := strings.CutSuffix(string(text), "k")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return fmt.Errorf("environ_test: not a size: %s", text)
	}
	if thousands {
		n <<= 10
	}
	*s = size(n)
	return nil
}

func (s size) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%dk", s>>10), nil }

// level is a TextUnmarshaler of a struct kind, without a way back.
type level struct{ n int }

func (l *level) UnmarshalText(text []byte) error {
	if string(text) != "high" {
		return errors.New("no such level, want high")
	}
	l.n = 9
	return nil
}

// address is a URL without user information.
type address string

func (a *address) UnmarshalText(text []byte) error {
	if u, err := url.Parse(string(text)); err != nil || u.User != nil {
		return fmt.Errorf("has a password in %s", text)
	}
	*a = address(text)
	return nil
}

type upstream struct {
	URL     string        `env:"URL" required:"true" example:"http://api:9000" doc:"the API behind the cache"`
	Timeout time.Duration `env:"TIMEOUT" envDefault:"30s" doc:"the longest wait"`
	Retry   time.Duration `env:"RETRY" envDefault:"1s" min:"1ms" max:"1m" doc:"the pause before another try"`
	Conns   int           `env:"MAX_CONNS" envDefault:"512" min:"1" doc:"connections at most"`
}

// Validate names the variables with the prefix.
func (u *upstream) Validate() error {
	if u.Timeout < u.Retry {
		return errors.New("UPSTREAM_TIMEOUT: less than UPSTREAM_RETRY")
	}
	return nil
}

type redis struct {
	URL      string   `env:"REDIS_URL" secret:"url" doc:"the second tier"`
	Mode     string   `env:"REDIS_MODE" default:"by the URL" oneof:"single|cluster" doc:"what is there"`
	Nodes    []string `env:"REDIS_NODES" envDefault:"a,b" doc:"names"`
	Password string   `env:"REDIS_PASSWORD" secret:"true" doc:"a password"`
}

// Validate repeats what a careless parser would: the URL, or pieces of it.
func (r *redis) Validate() error {
	var errs []error
	u, err := url.Parse(r.URL)
	if err != nil {
		errs = append(errs, fmt.Errorf("REDIS_URL: %w", err))
	} else if password, _ := u.User.Password(); strings.Contains(password, "/") {
		errs = append(errs, fmt.Errorf("REDIS_URL: no slash allowed in %s", password))
	}
	if r.Mode != "" && r.URL == "" {
		errs = append(errs, errors.New("REDIS_URL: required when REDIS_MODE is set"))
	}
	if len(r.Nodes) == 1 {
		errs = append(errs, fmt.Errorf("REDIS_NODES: %q: want two names", r.Nodes[0]))
	}
	if strings.HasPrefix(r.Password, "bad") {
		errs = append(errs, fmt.Errorf("REDIS_PASSWORD: %q\nbegins with bad", r.Password))
	}
	return errors.Join(errs...)
}

type config struct {
	Upstream upstream `envPrefix:"UPSTREAM_" doc:"The API"`
	Redis    redis
	Pool     struct {
		Workers int   `env:"WORKERS" default:"by cores" min:"0" max:"64" doc:"a | b"`
		Queue   size  `env:"QUEUE" envDefault:"4k" min:"1k" doc:"the queue"`
		Key     size  `env:"KEY" secret:"true" doc:"a secret number"`
		Level   level `env:"LEVEL"`
	} `envPrefix:"POOL_"`
	Log    bool     `env:"ACCESS_LOG" envDefault:"off"`
	Ratio  float64  `env:"RATIO" envDefault:"0.5" max:"1"`
	Small  uint8    `env:"SMALL_NUMBER"`
	Big    uint     `env:"BIG_NUMBER" max:"100"`
	Words  []string `env:"WORDS" oneof:"a|b"`
	URL    address  `env:"OTHER_URL" secret:"url" example:"http://h"`
	Rules  string   `env:"RULES" text:"true"`
	Other  string
	hidden int
	Off    string `env:"-"`
}

const must = "UPSTREAM_URL=http://h"

func TestValues(t *testing.T) {
	for _, row := range []struct {
		set  string
		want any
		of   func(*config) any
	}{
		{"UPSTREAM_URL= http://x \n", "http://x", func(c *config) any { return c.Upstream.URL }},
		{"UPSTREAM_TIMEOUT=1m30s", 90 * time.Second, func(c *config) any { return c.Upstream.Timeout }},
		{"UPSTREAM_TIMEOUT=", 30 * time.Second, func(c *config) any { return c.Upstream.Timeout }},
		{"UPSTREAM_TIMEOUT= \t", 30 * time.Second, func(c *config) any { return c.Upstream.Timeout }},
		{"UPSTREAM_RETRY=30s", 30 * time.Second, func(c *config) any { return c.Upstream.Retry }},
		{"POOL_WORKERS=64", 64, func(c *config) any { return c.Pool.Workers }},
		{"UPSTREAM_MAX_CONNS=5000000000", 5_000_000_000, func(c *config) any { return c.Upstream.Conns }},
		{"UPSTREAM_MAX_CONNS=1", 1, func(c *config) any { return c.Upstream.Conns }},
		{"=UPSTREAM_MAX_CONNS=1", 512, func(c *config) any { return c.Upstream.Conns }},
		{"REDIS_URL=redis://u:p=1@h", "redis://u:p=1@h", func(c *config) any { return c.Redis.URL }},
		{"REDIS_NODES=x, y,, z ,", []string{"x", "y", "z"}, func(c *config) any { return c.Redis.Nodes }},
		{"REDIS_NODES=", []string{"a", "b"}, func(c *config) any { return c.Redis.Nodes }},
		{"POOL_WORKERS=", 0, func(c *config) any { return c.Pool.Workers }},
		{"POOL_QUEUE=8k", size(8192), func(c *config) any { return c.Pool.Queue }},
		{"POOL_QUEUE=", size(4096), func(c *config) any { return c.Pool.Queue }},
		{"POOL_LEVEL=high", level{9}, func(c *config) any { return c.Pool.Level }},
		{"ACCESS_LOG=", false, func(c *config) any { return c.Log }},
		{"ACCESS_LOG=on", true, func(c *config) any { return c.Log }},
		{"ACCESS_LOG=Yes", true, func(c *config) any { return c.Log }},
		{"ACCESS_LOG=1", true, func(c *config) any { return c.Log }},
		{"ACCESS_LOG=tRUE", true, func(c *config) any { return c.Log }},
		{"RATIO=0.25", 0.25, func(c *config) any { return c.Ratio }},
		{"BIG_NUMBER=100", uint(100), func(c *config) any { return c.Big }},
		{"WORDS=b, a", []string{"b", "a"}, func(c *config) any { return c.Words }},
		{"Other=x", "kept", func(c *config) any { return c.Other }},
		{"-=x", "kept", func(c *config) any { return c.Off }},
	} {
		t.Run(row.set, func(t *testing.T) {
			c := &config{Other: "kept", Off: "kept", hidden: 1}
			if _, err := environ.Parse(c, []string{must, row.set}); err != nil {
				t.Fatal(err)
			}
			if got := row.of(c); !reflect.DeepEqual(got, row.want) {
				t.Errorf("got %#v, want %#v", got, row.want)
			}
		})
	}
}

func TestWhatFollowsFromAnotherMistakeIsDropped(t *testing.T) {
	for _, row := range []struct{ retry, want string }{
		{"2ms", `UPSTREAM_TIMEOUT="1ms": less than UPSTREAM_RETRY`},
		{"x", `UPSTREAM_RETRY="x": not a duration; want 1ms to 1m, e.g. 30s, 1m30s`},
	} {
		_, err := environ.Parse(&config{}, []string{must, "UPSTREAM_TIMEOUT=1ms", "UPSTREAM_RETRY=" + row.retry})
		if want := "1 mistake in the configuration:\n  " + row.want; fmt.Sprint(err) != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestLastEntryCounts(t *testing.T) {
	c := &config{}
	if _, err := environ.Parse(c, []string{must, "RATIO=x", "RATIO=0.75"}); err != nil || c.Ratio != 0.75 {
		t.Errorf("got %v, %v", c.Ratio, err)
	}
}

func TestFieldsWithoutDefaultKeepTheirValue(t *testing.T) {
	c := &config{Small: 7, Log: true}
	if _, err := environ.Parse(c, []string{must}); err != nil || c.Small != 7 || c.Log {
		t.Errorf("got %v, %v, %v; want 7, the default false, no error", c.Small, c.Log, err)
	}
}

// TestLongText: a text keeps its lines, and is shown in one.
func TestLongText(t *testing.T) {
	c := &config{}
	if _, err := environ.Parse(c, []string{must, "RULES=a\n\tb\r\nc"}); err != nil || c.Rules != "a\n\tb\r\nc" {
		t.Errorf("got %q, %v", c.Rules, err)
	}
	if got := environ.Lines(environ.Effective(c)); !strings.Contains(got, "* RULES=a \tb c\n") {
		t.Errorf("shown as\n%s", got)
	}
}

func TestProblems(t *testing.T) {
	for _, row := range []struct{ set, want string }{
		{"UPSTREAM_URL=", `UPSTREAM_URL (not set): required; want e.g. http://api:9000`},
		{"UPSTREAM_URL= \n", `UPSTREAM_URL (not set): required; want e.g. http://api:9000`},
		{"UPSTREAM_URL=http://a\nb", `UPSTREAM_URL="http://a\nb": has a control character in it; want e.g. http://api:9000`},
		{"UPSTREAM_TIMEOUT=5 s", `UPSTREAM_TIMEOUT="5 s": not a duration; want e.g. 30s, 1m30s`},
		{"UPSTREAM_TIMEOUT=5", `UPSTREAM_TIMEOUT="5": a duration needs a unit; want e.g. 30s, 1m30s`},
		{"UPSTREAM_RETRY=1d", `UPSTREAM_RETRY="1d": not a duration; want 1ms to 1m, e.g. 30s, 1m30s`},
		{"UPSTREAM_RETRY=0", `UPSTREAM_RETRY="0": too small; want 1ms to 1m, e.g. 30s, 1m30s`},
		{"UPSTREAM_RETRY=-1s", `UPSTREAM_RETRY="-1s": too small; want 1ms to 1m, e.g. 30s, 1m30s`},
		{"UPSTREAM_RETRY=61s", `UPSTREAM_RETRY="61s": too large; want 1ms to 1m, e.g. 30s, 1m30s`},
		{"UPSTREAM_MAX_CONNS=many", `UPSTREAM_MAX_CONNS="many": not a whole number; want 1 or more`},
		{"UPSTREAM_MAX_CONNS=1.5", `UPSTREAM_MAX_CONNS="1.5": not a whole number; want 1 or more`},
		{"UPSTREAM_MAX_CONNS=0", `UPSTREAM_MAX_CONNS="0": too small; want 1 or more`},
		{"UPSTREAM_MAX_CONNS=99999999999999999999", `UPSTREAM_MAX_CONNS="99999999999999999999": too large; want 1 or more`},
		{"UPSTREAM_MAX_CONNS=-99999999999999999999", `UPSTREAM_MAX_CONNS="-99999999999999999999": too small; want 1 or more`},
		{"REDIS_MODE=Cluster", `REDIS_MODE="Cluster": not known; want single or cluster`},
		{"REDIS_NODES=x,", `REDIS_NODES="x,": want two names`},
		{"REDIS_MODE=single", `REDIS_URL (not set): required when REDIS_MODE is set`},
		{"REDIS_PASSWORD=bad word", `REDIS_PASSWORD="***": "***" begins with bad`},
		{"REDIS_PASSWORD=a\x00b", `REDIS_PASSWORD="***": has a control character in it`},
		{"REDIS_URL=redis://u:pa ss%zz@h", `REDIS_URL="redis://u:***@h": parse "redis://u:***@h": net/url: invalid userinfo`},
		{"REDIS_URL=redis://u:long/word@h", `REDIS_URL="redis://u:***@h": parse "redis://u:***@h": invalid port ":***" after host`},
		{"REDIS_URL=redis://u:no%2Fword@h", `REDIS_URL="redis://u:***@h": no slash allowed in ***`},
		{"REDIS_URL=redis://u:7@h:x", `REDIS_URL="redis://u:***@h:x": parse "redis://u:***@h:x": invalid port ":x" after host`},
		{"REDIS_URL=redis://u:q7@h:x", `REDIS_URL="redis://u:***@h:x": parse "redis://u:***@h:x": invalid port ":x" after host`},
		{"REDIS_PASSWORD=bad", `REDIS_PASSWORD="***": "***" begins with ***`},
		{"OTHER_URL=http://u:hush@h", `OTHER_URL="http://u:***@h": has a password in http://u:***@h; want e.g. http://h`},
		{"POOL_WORKERS=65", `POOL_WORKERS="65": too large; want 0 to 64`},
		{"POOL_QUEUE=4Kx", `POOL_QUEUE="4Kx": not a size: 4Kx; want 1k or more, e.g. 4k`},
		{"POOL_QUEUE=1", `POOL_QUEUE="1": too small; want 1k or more, e.g. 4k`},
		{"POOL_KEY=abcdef", `POOL_KEY="***": not valid`},
		{"POOL_LEVEL=low", `POOL_LEVEL="low": no such level, want high`},
		{"ACCESS_LOG=maybe", `ACCESS_LOG="maybe": not a boolean; want true or false`},
		{"RATIO=half", `RATIO="half": not a number; want 1 or less`},
		{"RATIO=1.01", `RATIO="1.01": too large; want 1 or less`},
		{"RATIO=NaN", `RATIO="NaN": not a number; want 1 or less`},
		{"RATIO=-Inf", `RATIO="-Inf": not a number; want 1 or less`},
		{"SMALL_NUMBER=256", `SMALL_NUMBER="256": too large; want e.g. 10`},
		{"SMALL_NUMBER=ten", `SMALL_NUMBER="ten": not a whole number; want e.g. 10`},
		{"BIG_NUMBER=101", `BIG_NUMBER="101": too large; want 100 or less`},
		{"BIG_NUMBER=-1", `BIG_NUMBER="-1": not a whole number; want 100 or less`},
		{"WORDS=a,c", `WORDS="a,c": not known; want a or b`},
		{"WORDS=" + strings.Repeat("x", 200), `WORDS="` + strings.Repeat("x", 120) + `"...: not known; want a or b`},
		{"RULES=a\x00b", `RULES: has a control character in it`},
	} {
		t.Run(row.set, func(t *testing.T) {
			_, err := environ.Parse(&config{}, []string{must, row.set})
			if got, want := fmt.Sprint(err), "1 mistake in the configuration:\n  "+row.want; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestAllProblemsInTheOrderOfTheTable(t *testing.T) {
	_, err := environ.Parse(&config{}, []string{
		"RATIO=2", "REDIS_PASSWORD=bad", "POOL_WORKERS=-1", "UPSTREAM_TIMEOUT=1", "REDIS_MODE=x", "REDIS_URL=:",
	})
	want := `7 mistakes in the configuration:
  UPSTREAM_URL (not set): required; want e.g. http://api:9000
  UPSTREAM_TIMEOUT="1": a duration needs a unit; want e.g. 30s, 1m30s
  REDIS_URL=":": parse ":": missing protocol scheme
  REDIS_MODE="x": not known; want single or cluster
  REDIS_PASSWORD="***": "***" begins with ***
  POOL_WORKERS="-1": too small; want 0 to 64
  RATIO="2": too large; want 1 or less`
	if fmt.Sprint(err) != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	failure, ok := errors.AsType[*environ.Error](err)
	if !ok || len(failure.Problems) != 7 || failure.Problems[4].Name != "REDIS_PASSWORD" || failure.Problems[4].Value != "***" {
		t.Errorf("the error is not an *Error that names its problems: %#v", err)
	}
}

// pair has two mistakes: one names its variables, without their prefix; the other names none.
type pair struct {
	Low  int `env:"LOW" envDefault:"1"`
	High int `env:"HIGH" envDefault:"9"`
}

// Pair is asked twice when it is embedded: by its own name, and as what embeds it.
type Pair pair

func (p Pair) Validate() error { return pair(p).Validate() }

func (p pair) Validate() error {
	if p.Low > p.High {
		return errors.Join(errors.New("LOW: above HIGH"), fmt.Errorf("no name: %w, %w", errors.New("x"), errors.New("y")))
	}
	return nil
}

func TestValidate(t *testing.T) {
	type nested struct {
		Pair
		Ports pair `envPrefix:"PORT_"`
	}
	for _, row := range []struct{ set, want string }{
		{"LOW=9", ""},
		{"LOW=10", "LOW=\"10\": above HIGH\n  no name: x, y"},
		{"HIGH=0", "LOW (default 1): above HIGH\n  no name: x, y"},
		{"PORT_LOW=10", "PORT_LOW=\"10\": above HIGH\n  no name: x, y"},
		{"PORT_LOW=10 PORT_HIGH=x", "PORT_HIGH=\"x\": not a whole number; want e.g. 9\n  no name: x, y"},
		{"PORT_LOW=x PORT_HIGH=0", "PORT_LOW=\"x\": not a whole number; want e.g. 1\n  no name: x, y"},
		{"LOW=10 PORT_HIGH=x", "LOW=\"10\": above HIGH\n  PORT_HIGH=\"x\": not a whole number; want e.g. 9\n  no name: x, y"},
	} {
		t.Run(row.set, func(t *testing.T) {
			_, err := environ.Parse(&nested{}, strings.Fields(row.set))
			_, got, _ := strings.Cut(fmt.Sprint(cmp.Or(err, errors.New(""))), "\n  ")
			if got != row.want {
				t.Errorf("got  %s\nwant %s", got, row.want)
			}
		})
	}
}

func TestEmbeddedAndNotExported(t *testing.T) {
	var c struct{ pair }
	_, err := environ.Parse(&c, []string{"LOW=10"})
	if want := "2 mistakes in the configuration:\n  LOW=\"10\": above HIGH\n  no name: x, y"; fmt.Sprint(err) != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestWarnings(t *testing.T) {
	for _, row := range []struct{ set, want string }{
		{"UPSTREAM_TIMOUT", "UPSTREAM_TIMEOUT"},
		{"UPSTREAM_TIMEOTU", "UPSTREAM_TIMEOUT"},
		{"UPSTRAEM_TIMOUT", "UPSTREAM_TIMEOUT"},
		{"UPSTREAM_URI", "UPSTREAM_URL"},
		{"upstream_url", "UPSTREAM_URL"},
		{"Upstream_Ulr", "UPSTREAM_URL"},
		{"UPSTREAM-URL", "UPSTREAM_URL"},
		{"REDIS_UR", "REDIS_URL"},
		{"REDIS_URLS", "REDIS_URL"},
		{"word", ""},
		{"words", "WORDS"},
		{"ratio", "RATIO"},
		{"UPSTRAEM_ULR", ""},
		{"UPSTREAM_PORT", ""},
		{"RATIO", ""},
		{"PORT", ""},
		{"PATH", ""},
		{"HOME", ""},
		{"NOTHING_LIKE_IT", ""},
	} {
		t.Run(row.set, func(t *testing.T) {
			warnings, _ := environ.Parse(&config{}, []string{must, row.set + "=0.1"})
			want := "[]"
			if row.want != "" {
				want = "[" + row.set + " is set but not known; did you mean " + row.want + "?]"
			}
			if fmt.Sprint(warnings) != want {
				t.Errorf("got %v, want %v", warnings, want)
			}
		})
	}
}

func TestShortNamesAreNotGuessed(t *testing.T) {
	var c struct {
		A string `env:"HOST"`
		B string `env:"PORTAL"`
	}
	warnings, err := environ.Parse(&c, []string{"HOSTS=1", "Host=1", "PORT=1", "PORTS=1", "PORTALS=1"})
	want := "[Host is set but not known; did you mean HOST? PORTALS is set but not known; did you mean PORTAL?]"
	if fmt.Sprint(warnings) != want || err != nil {
		t.Errorf("got %v, %v, want %v", warnings, err, want)
	}
}

func TestNearestOfTwo(t *testing.T) {
	var c struct {
		A string `env:"SERVER_ADDRESS_ONE"`
		B string `env:"SERVER_ADDRESS_TWO"`
		C string `env:"SERVER_ADDRESS_TWX"`
	}
	for _, row := range []struct{ set, want string }{
		{"SERVER_ADDRESS_TWE", "SERVER_ADDRESS_TWO"},
		{"SERVER_ADDRESS_TXX", "SERVER_ADDRESS_TWX"},
		{"SERVER_ADDRESS_OXE", "SERVER_ADDRESS_ONE"},
	} {
		warnings, _ := environ.Parse(&c, []string{row.set + "="})
		if want := "[" + row.set + " is set but not known; did you mean " + row.want + "?]"; fmt.Sprint(warnings) != want {
			t.Errorf("got %v, want %v", warnings, want)
		}
	}
}

func TestRedactURL(t *testing.T) {
	for _, row := range []struct{ url, want string }{
		{"", ""},
		{"redis://h:6379/0", "redis://h:6379/0"},
		{"redis://u@h", "redis://***@h"},
		{"redis://u:p@h:1/0", "redis://u:***@h:1/0"},
		{"redis://:p@h", "redis://:***@h"},
		{"redis://u:@h", "redis://u:@h"},
		{"redis://u:p:q@r@h", "redis://u:***@h"},
		{"redis://u:p/q?r#s@h", "redis://u:***@h"},
		{"u:p@h:6379", "u:***@h:6379"},
		{"redis://h?db=1&sentinel_password=x&addr=h2", "redis://h?db=1&sentinel_password=***&addr=h2"},
		{"redis://u:p@h?Token=x", "redis://u:***@h?Token=***"},
		{"redis://h?password=", "redis://h?password="},
		{"unix:///run/redis.sock", "unix:///run/redis.sock"},
	} {
		if got := environ.RedactURL(row.url); got != row.want {
			t.Errorf("%s: got %s, want %s", row.url, got, row.want)
		}
	}
}

func TestBugsPanic(t *testing.T) {
	type twice struct {
		A int `env:"A"`
		B int `env:"A"`
	}
	for _, row := range []struct {
		name   string
		target any
	}{
		{"no struct", new(int)},
		{"nil", (*config)(nil)},
		{"twice", &twice{}},
		{"options", &struct {
			A int `env:"A,required"`
		}{}},
		{"no name", &struct {
			A int `env:""`
		}{}},
		{"not exported", &struct {
			a int `env:"A"`
		}{}},
		{"not exported struct", &struct{ a upstream }{}},
		{"type", &struct {
			A chan int `env:"A"`
		}{}},
		{"pointer", &struct {
			A *int `env:"A"`
		}{}},
		{"default", &struct {
			A int `env:"A" envDefault:"x"`
		}{}},
		{"default below min", &struct {
			A int `env:"A" envDefault:"1" min:"2"`
		}{}},
		{"default not one of", &struct {
			A string `env:"A" envDefault:"x" oneof:"y|z"`
		}{}},
		{"required with default", &struct {
			A string `env:"A" envDefault:"x" required:"true"`
		}{}},
		{"required", &struct {
			A string `env:"A" required:"yes"`
		}{}},
		{"secret", &struct {
			A string `env:"A" secret:"URL"`
		}{}},
		{"min", &struct {
			A int `env:"A" min:"x"`
		}{}},
		{"max of a string", &struct {
			A string `env:"A" max:"10"`
		}{}},
	} {
		t.Run(row.name, func(t *testing.T) {
			defer func() {
				if text := fmt.Sprint(recover()); !strings.HasPrefix(text, "environ: ") {
					t.Errorf("got %s, want a panic of this package", text)
				}
			}()
			_, _ = environ.Parse(row.target, nil)
		})
	}
}

// FuzzParse looks for panics, and for secrets in what is printed.
func FuzzParse(f *testing.F) {
	f.Add("redis", "x", "5 s", "UPSTREAM_TIMOUT=1\x00A=B", "bad", uint8(0))
	f.Add("@?/#%zz", "://", "1h", "", "\n", uint8(3))
	f.Fuzz(func(t *testing.T, secret, host, value, more, password string, field uint8) {
		const marker = "S3CR3T"
		for _, text := range []string{secret, host, value, more, password} {
			if strings.Contains(text, "3C") {
				t.Skip("the marker is in what is not secret")
			}
		}
		names := environ.Table(config{})
		env := append(strings.Split(more, "\x00"),
			names[int(field)%len(names)].Name+"="+value,
			"REDIS_URL=redis://u:"+marker+secret+"@"+host,
			"REDIS_PASSWORD="+password+marker,
			"POOL_KEY="+marker,
		)
		c := &config{}
		warnings, err := environ.Parse(c, env)
		printed := fmt.Sprint(warnings, err, environ.Effective(c))
		if strings.Contains(printed, marker[:5]) {
			t.Errorf("a secret was printed: %s", printed)
		}
	})
}
