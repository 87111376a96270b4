package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"unicode/utf8"

	"github.com/nearside-cache/nearside/proxy/admin"
	"github.com/nearside-cache/nearside/proxy/environ"
)

const purgeUsage = `Purge stored responses on all sidecars, through the one at ADMIN_ADDR, with ADMIN_TOKEN.

Usage:
  nearside purge -uri /v1/foods/17 -uri http://data-api:8000/v1/foods/18
  nearside purge -prefix /v1/foods/
  nearside purge -tag food-17 -wait 2s
  nearside purge -all -soft

Selectors of one kind at a time. The answer is printed as it came. Exit code: 0 = confirmed, 1 = not confirmed in
time, or refused, 2 = wrong usage.

`

// list is a flag that may be given several times.
type list []string

func (l *list) String() string     { return fmt.Sprint(*l) }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

// purge asks the sidecar that runs with this environment to purge.
func purge(args, env []string) int {
	flags := flag.NewFlagSet("purge", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	var uris, prefixes, tags list
	flags.Var(&uris, "uri", "")
	flags.Var(&prefixes, "prefix", "")
	flags.Var(&tags, "tag", "")
	all := flags.Bool("all", false, "")
	soft := flags.Bool("soft", false, "")
	wait := flags.String("wait", "", "")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Print(purgeUsage)
		return exitOK
	case err != nil:
		return fail(exitUsage, fmt.Errorf("purge: %w; see nearside purge -help", err))
	case flags.NArg() > 0:
		return fail(exitUsage, fmt.Errorf("purge: unknown argument %q; see nearside purge -help", flags.Arg(0)))
	}
	kind, selectors, err := oneKind(uris, prefixes, tags, *all)
	if err != nil {
		return fail(exitUsage, err)
	}
	var cfg struct{ Admin admin.Config }
	if _, err := environ.Parse(&cfg, env); err != nil {
		return fail(exitUsage, err)
	}
	answer, err := admin.Purge(cfg.Admin, kind, selectors, *soft, *wait)
	if answer != "" {
		fmt.Fprintln(os.Stdout, answer)
	}
	if err != nil {
		return fail(exitFailed, fmt.Errorf("purge: %w", err))
	}
	return exitOK
}

// oneKind returns the kind of selectors that was given.
func oneKind(uris, prefixes, tags list, all bool) (kind string, selectors []string, err error) {
	given := 0
	for _, k := range []struct {
		name  string
		names list
	}{{"uri", uris}, {"prefix", prefixes}, {"tag", tags}} {
		for _, name := range k.names {
			if !utf8.ValidString(name) { // JSON would make something else of it
				return "", nil, fmt.Errorf("purge: -%s %q is not in UTF-8; what of a URL is not can be percent-encoded", k.name, name)
			}
		}
		if len(k.names) > 0 {
			kind, selectors = k.name, k.names
			given++
		}
	}
	if all {
		kind = "all"
		given++
	}
	if given != 1 {
		return "", nil, errors.New("purge: want one of -uri, -prefix, -tag and -all; see nearside purge -help")
	}
	return kind, selectors, nil
}
