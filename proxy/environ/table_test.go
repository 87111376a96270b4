package environ_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/nearside-cache/nearside/proxy/environ"
)

type shown struct {
	URL  string `env:"URL" required:"true" doc:"where the cache gets what it has not, which takes more words than one line holds"`
	Part struct {
		Workers int           `env:"WORKERS" default:"by cores" min:"0" doc:"a | b"`
		Wait    time.Duration `env:"WAIT" envDefault:"10m" doc:"the pause"`
		Deeper  struct {
			Text string `env:"TEXT" envDefault:"a default of twenty-five" doc:"on its own line"`
		}
	} `envPrefix:"PART_" doc:"One part"`
	Key   string `env:"KEY" secret:"true" envDefault:"hush"`
	Redis string `env:"REDIS" secret:"url"`
}

func TestTable(t *testing.T) {
	want := "[{URL required where the cache gets what it has not, which takes more words than one line holds  true false}" +
		" {PART_WORKERS by cores a | b One part false false} {PART_WAIT 10m the pause One part false true}" +
		" {PART_TEXT a default of twenty-five on its own line Part.Deeper false true}" +
		" {KEY ***   false true} {REDIS    false false}]"
	for _, target := range []any{shown{}, &shown{}} {
		if got := fmt.Sprint(environ.Table(target)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestText(t *testing.T) {
	want := `  URL           required  where the cache gets what it has not, which takes more words than one line
                          holds

One part
  PART_WORKERS  by cores  a | b
  PART_WAIT     10m       the pause

Part.Deeper
  PART_TEXT     a default of twenty-five
                          on its own line

  KEY           ***
  REDIS
`
	if got := environ.Text(environ.Table(shown{})); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTextKeepsToItsWidth(t *testing.T) {
	rows := []environ.Row{{Name: "A_NAME", Default: "none", Doc: strings.Repeat("ö ", 100)}}
	lines := strings.Split(strings.TrimSpace(environ.Text(rows)), "\n")
	for _, line := range lines {
		if n := utf8.RuneCountInString(line); n > 100 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if len(lines) != 3 { // 100 words of 2 columns in 84
		t.Errorf("%d lines", len(lines))
	}
}

func TestMarkdown(t *testing.T) {
	want := "| Variable | Default | Meaning |\n|---|---|---|\n" +
		"| `URL` | required | where the cache gets what it has not, which takes more words than one line holds |\n" +
		"\n**One part**\n\n| Variable | Default | Meaning |\n|---|---|---|\n" +
		"| `PART_WORKERS` | by cores | a \\| b |\n" +
		"| `PART_WAIT` | `10m` | the pause |\n" +
		"\n**Part.Deeper**\n\n| Variable | Default | Meaning |\n|---|---|---|\n" +
		"| `PART_TEXT` | `a default of twenty-five` | on its own line |\n" +
		"\n| Variable | Default | Meaning |\n|---|---|---|\n" +
		"| `KEY` | `***` |   |\n| `REDIS` |   |   |\n"
	if got := environ.Markdown(environ.Table(shown{})); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestEffective(t *testing.T) {
	for _, row := range []struct{ set, want string }{
		{"", "  PART_WORKERS=(by cores)"},
		{"PART_WORKERS=4", "* PART_WORKERS=4"},
		{"", "  PART_WAIT=10m"},
		{"PART_WAIT=600s", "  PART_WAIT=10m"},
		{"PART_WAIT=120m", "* PART_WAIT=2h"},
		{"PART_WAIT=0", "* PART_WAIT=0s"},
		{"PART_WAIT=1h0m1s", "* PART_WAIT=1h0m1s"},
		{"PART_WAIT=1h10m", "* PART_WAIT=1h10m"},
		{"", "  KEY=***"},
		{"KEY=abc", "* KEY=***"},
		{"", "  REDIS="},
		{"REDIS=redis://:p@h", "* REDIS=redis://:***@h"},
		{"", "* URL=http://h"},
	} {
		var c shown
		if _, err := environ.Parse(&c, []string{"URL=http://h", row.set}); err != nil {
			t.Fatal(err)
		}
		if got := environ.Lines(environ.Effective(&c)); !strings.Contains("\n"+got, "\n"+row.want+"\n") {
			t.Errorf("%s: got\n%swant %s", row.set, got, row.want)
		}
	}
}

func TestEffectiveOfTypes(t *testing.T) {
	var c config
	set := []string{must, "POOL_QUEUE=2k", "REDIS_NODES=x, y", "ACCESS_LOG=yes", "RATIO=1e-1"}
	if _, err := environ.Parse(&c, set); err != nil {
		t.Fatal(err)
	}
	got := environ.Lines(environ.Effective(c))
	for _, want := range []string{"* POOL_QUEUE=2k", "* REDIS_NODES=x,y", "* ACCESS_LOG=true", "* RATIO=0.1", "  POOL_LEVEL="} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
}
