package environ

import (
	"reflect"
	"strings"
)

// A Setting is the value that a variable has in effect.
type Setting struct {
	Name    string
	Value   string // as the environment would have it, secrets hidden; the table's words in parentheses for a default that has some
	Default bool   // the value is what it would be were the variable not set
}

// String is NAME=value.
func (s Setting) String() string { return s.Name + "=" + s.Value }

// Effective reads the values out of target, a struct or a pointer to one, in the order of its fields.
func Effective(target any) []Setting {
	// The defaults come from an empty struct: in target the fields are filled.
	now := read(addressable(target))
	empty := read(reflect.New(addressable(target).Type()).Elem())
	settings := make([]Setting, len(now.vars))
	for i, v := range now.vars {
		def := empty.vars[i].def
		s := Setting{Name: v.name, Default: reflect.DeepEqual(v.value.Interface(), def.Interface())}
		switch {
		case s.Default && v.tag("default") != "":
			s.Value = "(" + v.tag("default") + ")"
		case s.Default:
			s.Value = v.secret.redact(v.tag("envDefault"))
		default:
			s.Value = v.secret.redact(format(v.value))
			if v.long {
				s.Value = strings.Join(strings.FieldsFunc(s.Value, v.lineEnd), " ")
			}
		}
		settings[i] = s
	}
	return settings
}

// Lines sets the settings one to a line, with a star before each that is not the default.
func Lines(settings []Setting) string {
	var b strings.Builder
	for _, s := range settings {
		mark := "  "
		if !s.Default {
			mark = "* "
		}
		b.WriteString(strings.TrimRight(mark+s.String(), " ") + "\n")
	}
	return b.String()
}
