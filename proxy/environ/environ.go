// Package environ reads configuration structs from environment variables, tells all mistakes in one run, and prints
// what it knows: the table of all variables, and the values in effect. It knows the tags, not the configurations.
//
// A package describes its own part as a struct:
//
//	type Config struct {
//		URL     string        `env:"URL" required:"true" example:"http://api:9000" doc:"the API behind the cache"`
//		Timeout time.Duration `env:"TIMEOUT" envDefault:"30s" min:"1ms" doc:"the longest wait for a response"`
//		Token   string        `env:"TOKEN" secret:"true" doc:"what the admin routes ask for"`
//	}
//
// and the program composes them:
//
//	type config struct {
//		Upstream upstream.Config `envPrefix:"UPSTREAM_" doc:"Upstream"`
//		LogLevel string          `env:"LOG_LEVEL" envDefault:"info" oneof:"debug|info|warn|error" doc:"what is logged"`
//	}
//
// # Types
//
// string, bool, the ints, uints and floats, [time.Duration], []string (comma-separated), and whatever implements
// [encoding.TextUnmarshaler]. A bool is what [strconv.ParseBool] takes, or on, off, yes, no. A float is finite.
//
// # Tags
//
//   - env: the variable's name. Fields without it are left alone, but for structs, which are entered.
//   - envPrefix, on a struct: put before the names inside it.
//   - envDefault: the value of a variable that is not set.
//   - default: the text that tables show for the default instead of the value itself, such as "by cores".
//   - doc: one line. On a struct it is the heading of its group.
//   - required:"true": not set is a mistake.
//   - min, max: the bounds of a number, a duration or a TextUnmarshaler of a number kind, written as a value would be.
//   - oneof: the values allowed, separated by |.
//   - example: a value that would be right, for the text of a mistake.
//   - text:"true": the value may have many lines, and is not repeated in the text of a mistake.
//   - secret:"true": the value is never printed. secret:"url": the credentials within it are not (see [RedactURL]).
//
// # Values
//
// White space around a value is dropped, since values that come out of files often end with a newline. A variable that
// is then empty counts as not set. A control character within a value is a mistake.
//
// # Validate
//
// A struct that has a method Validate() error is asked for more, once its variables are read; those that did not parse
// are as if they were not set, and what the text of an error says about them by name is dropped. It may join errors
// ([errors.Join]); the text of each begins with the name of the variable, with or without the prefix, and a colon. The
// value need not follow, and is dropped when it does, in quotes and with a colon.
//
// Tags that contradict each other (a default that does not parse, two fields with one name) are bugs of the program,
// not of its user: all functions panic on them.
package environ

import "strings"

// Parse fills the struct that target points to from environ, which is in the form of [os.Environ]; of two entries with
// the same name the last counts. Fields whose variable is not set and which have no default keep their value.
//
// The warnings name variables that are set, are not known, and differ from a known one by a slip of the fingers or in
// case only. They come with or without an error. The error is an [*Error] with all mistakes; in target the
// variables that did not parse are then as if they were not set. Parse reads nothing but its arguments.
func Parse(target any, environ []string) (warnings []string, err error) {
	s := read(pointer(target))
	set := values(environ)
	warnings = s.typos(set)

	problems := make([]*Problem, 0)
	for _, v := range s.vars {
		v.text = strings.TrimSpace(set[v.name])
		if reason := v.fill(); reason != "" {
			v.failed = true
			problems = append(problems, v.problem(reason))
		}
	}
	for _, n := range s.nodes {
		problems = append(problems, s.validate(n)...)
	}
	if len(problems) == 0 {
		return warnings, nil
	}
	return warnings, s.failure(problems)
}

// values maps names to values. An entry without "=" is skipped.
func values(environ []string) map[string]string {
	m := make(map[string]string, len(environ))
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok {
			m[name] = value
		}
	}
	return m
}
