package environ

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// common are variables that stand in many environments for reasons of their own.
var common = []string{
	"PATH", "HOME", "HOST", "HOSTNAME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "PWD", "OLDPWD", "SHLVL", "TZ",
	"TMPDIR", "MAIL", "EDITOR", "PAGER", "DISPLAY", "PORT", "PORTS", "DEBUG", "CI", "ENV", "NAME", "MODE", "NO_PROXY",
}

const (
	shortName = 6  // shorter known names differ from too much else by one letter
	longName  = 16 // from here on two slips are allowed
)

// typos warns about variables that are set, unknown, and nearly known.
func (s *spec) typos(set map[string]string) []string {
	var warnings []string
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if _, known := s.names[name]; known || slices.Contains(common, name) {
			continue
		}
		if meant := s.nearest(name); meant != "" {
			warnings = append(warnings, fmt.Sprintf("%s is set but not known; did you mean %s?", name, meant))
		}
	}
	return warnings
}

// nearest returns the known variable that name was probably meant to be, or "".
func (s *spec) nearest(name string) string {
	meant, least := "", 3
	for _, v := range s.vars {
		slips := 1
		if len(v.name) < shortName {
			slips = 0
		} else if len(v.name) >= longName {
			slips = 2
		}
		if d := distance(strings.ToUpper(name), strings.ToUpper(v.name), slips); d <= slips && d < least {
			meant, least = v.name, d
		}
	}
	return meant
}

// distance counts the slips that turn a into b: a byte too many, too few or wrong, or two neighbours swapped
// (Damerau-Levenshtein, in the form that edits no place twice). It returns limit+1 when the lengths alone say more.
func distance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			wrong := 1
			if a[i-1] == b[j-1] {
				wrong = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+wrong)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
