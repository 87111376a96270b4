package environ

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/caarlos0/env/v11"
)

var duration = reflect.TypeFor[time.Duration]()

// parsers replace those of env that take too little or too much: its int has 32 bits, its bool knows no "off", its
// floats include NaN, which is within all bounds.
var parsers = map[reflect.Type]env.ParserFunc{
	reflect.TypeFor[bool]():    func(text string) (any, error) { return parseBool(text) },
	reflect.TypeFor[int]():     func(text string) (any, error) { return strconv.Atoi(text) },
	reflect.TypeFor[uint]():    func(text string) (any, error) { return parseUint(text) },
	reflect.TypeFor[float64](): func(text string) (any, error) { return parseFloat(text) },
}

func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "on", "yes":
		return true, nil
	case "off", "no":
		return false, nil
	}
	return strconv.ParseBool(strings.ToLower(text))
}

func parseUint(text string) (uint, error) {
	n, err := strconv.ParseUint(text, 10, strconv.IntSize)
	return uint(n), err
}

func parseFloat(text string) (float64, error) {
	f, err := strconv.ParseFloat(text, 64)
	if err == nil && (math.IsNaN(f) || math.IsInf(f, 0)) {
		err = errors.New("not finite")
	}
	return f, err
}

// parse lets env parse text, or the default when text is empty, into a struct that has this one field. Field by field,
// because env's errors name the field alone, and fields of the same name stand in many structs.
func (v *variable) parse(text string) (reflect.Value, error) {
	field := v.field
	field.Anonymous, field.Index, field.Offset, field.PkgPath = false, nil, 0, ""
	one := reflect.New(reflect.StructOf([]reflect.StructField{field}))
	one.Elem().Field(0).Set(v.value)

	environment := map[string]string{}
	if text != "" {
		environment[v.name] = text
	}
	err := env.ParseWithOptions(one.Interface(), env.Options{
		Environment: environment, Prefix: v.prefix, FuncMap: parsers,
	})
	if parse, ok := errors.AsType[env.ParseError](err); ok {
		err = parse.Err
	}
	parsed := one.Elem().Field(0)
	if words, ok := parsed.Interface().([]string); ok && text != "" {
		parsed.Set(reflect.ValueOf(trimmed(words)))
	}
	return parsed, err
}

// trimmed drops white space around each word, and empty words.
func trimmed(words []string) []string {
	kept := make([]string, 0, len(words))
	for _, word := range words {
		if word = strings.TrimSpace(word); word != "" {
			kept = append(kept, word)
		}
	}
	return kept
}

// fill sets the field from text, or else to the default. It returns what is wrong, and what would be right.
func (v *variable) fill() (reason string) {
	v.value.Set(v.def)
	switch {
	case v.text == "" && v.required:
		return "required" + v.want()
	case v.text == "":
		return ""
	case strings.ContainsFunc(v.text, v.forbids):
		return "has a control character in it" + v.want()
	}
	parsed, err := v.parse(v.text)
	if err != nil {
		return v.explain(err)
	}
	if reason = v.check(v.text, parsed); reason == "" {
		v.value.Set(parsed)
	}
	return reason
}

// forbids tells whether no value of v may have c in it.
func (v *variable) forbids(c rune) bool {
	return unicode.IsControl(c) && (!v.long || c != '\n' && c != '\r' && c != '\t')
}

func (v *variable) lineEnd(c rune) bool { return c == '\n' || c == '\r' }

// check holds a value against oneof, min and max.
func (v *variable) check(text string, value reflect.Value) (reason string) {
	words := []string{text}
	if list, ok := value.Interface().([]string); ok {
		words = list
	}
	for _, word := range words {
		if v.oneof != nil && !slices.Contains(v.oneof, word) {
			return "not known" + v.want()
		}
	}
	switch {
	case v.low.IsValid() && compare(value, v.low) < 0:
		return "too small" + v.want()
	case v.high.IsValid() && compare(value, v.high) > 0:
		return "too large" + v.want()
	}
	return ""
}

func compare(a, b reflect.Value) int {
	switch {
	case a.CanInt():
		return cmp.Compare(a.Int(), b.Int())
	case a.CanUint():
		return cmp.Compare(a.Uint(), b.Uint())
	}
	return cmp.Compare(a.Float(), b.Float())
}

// explain says why the text did not parse.
func (v *variable) explain(err error) string {
	t := v.field.Type
	switch {
	case v.oneof != nil:
		return "not known" + v.want()
	case unmarshals(t):
		if v.secret == whole {
			return "not valid" + v.want()
		}
		reason := strings.TrimPrefix(err.Error(), path.Base(t.PkgPath())+": ")
		if strings.Contains(reason, "want") {
			return reason
		}
		return reason + v.want()
	case errors.Is(err, strconv.ErrRange) && strings.HasPrefix(v.text, "-"):
		return "too small" + v.want()
	case errors.Is(err, strconv.ErrRange):
		return "too large" + v.want()
	case t == duration:
		if _, err := strconv.ParseFloat(v.text, 64); err == nil {
			return "a duration needs a unit" + v.want()
		}
		return "not a duration" + v.want()
	case t.Kind() == reflect.Bool:
		return "not a boolean" + v.want()
	case t.Kind() == reflect.Float32 || t.Kind() == reflect.Float64:
		return "not a number" + v.want()
	}
	return "not a whole number" + v.want()
}

// want says what would be right, as the end of a reason; "" when there is nothing to say.
func (v *variable) want() string {
	var parts []string
	if bounds := v.bounds(); bounds != "" {
		parts = append(parts, bounds)
	}
	if example := v.example(); example != "" {
		parts = append(parts, "e.g. "+example)
	}
	if parts == nil {
		return ""
	}
	return "; want " + strings.Join(parts, ", ")
}

// bounds names the values allowed, where the tags or the type limit them.
func (v *variable) bounds() string {
	low, high := v.tag("min"), v.tag("max")
	switch {
	case v.oneof != nil:
		return alternatives(v.oneof)
	case v.field.Type.Kind() == reflect.Bool:
		return "true or false"
	case low != "" && high != "":
		return low + " to " + high
	case low != "":
		return low + " or more"
	case high != "":
		return high + " or less"
	}
	return ""
}

// example is a value that would be right, where bounds has not said enough.
func (v *variable) example() string {
	t, def := v.field.Type, v.tag("envDefault")
	plain := number(t) && !unmarshals(t)
	switch {
	case v.oneof != nil || t.Kind() == reflect.Bool:
		return ""
	case v.tag("example") != "":
		return v.tag("example")
	case t == duration:
		return "30s, 1m30s"
	case plain && v.bounds() != "":
		return ""
	case def != "" && def != "0":
		return def
	case plain:
		return "10"
	}
	return ""
}

func alternatives(words []string) string {
	last := len(words) - 1
	if last == 0 {
		return words[0]
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// format writes a value as the environment would have it.
func format(value reflect.Value) string {
	switch x := value.Interface().(type) {
	case time.Duration:
		return formatDuration(x)
	case []string:
		return strings.Join(x, ",")
	case interface{ MarshalText() ([]byte, error) }:
		if text, err := x.MarshalText(); err == nil {
			return string(text)
		}
	}
	return fmt.Sprint(value.Interface())
}

// formatDuration drops the zeros that Duration.String leaves at the end: 10m, not 10m0s.
func formatDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
