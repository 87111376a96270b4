package environ

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// A variable is one field with an env tag.
type variable struct {
	name   string // with its prefix
	prefix string
	group  string

	field reflect.StructField
	value reflect.Value // the field itself, settable
	def   reflect.Value // what the field holds when the variable is not set
	text  string        // what the environment says, trimmed

	failed bool // to parse

	required  bool
	long      bool // a text of many lines
	secret    secrecy
	oneof     []string
	low, high reflect.Value // invalid when there is no bound
}

func (v *variable) tag(key string) string { return v.field.Tag.Get(key) }

// A node is one struct: its variables are vars[from:to].
type node struct {
	value    reflect.Value
	prefix   string
	from, to int
}

// A spec is what the tags of a struct say, in the order of its fields.
type spec struct {
	vars  []*variable
	nodes []node
	names map[string]int // index in vars
}

// pointer returns the struct that target points to.
func pointer(target any) reflect.Value {
	v := reflect.ValueOf(target)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		panic(fmt.Sprintf("environ: want a pointer to a struct, got %T", target))
	}
	return v.Elem()
}

// addressable returns the struct that target is or points to, copied when it is not a pointer.
func addressable(target any) reflect.Value {
	v := reflect.ValueOf(target)
	if v.Kind() != reflect.Struct {
		return pointer(target)
	}
	c := reflect.New(v.Type()).Elem()
	c.Set(v)
	return c
}

func read(target reflect.Value) *spec {
	s := &spec{names: make(map[string]int)}
	s.walk(target, "", "", "")
	return s
}

// walk adds the struct at value; path is its place below the top, heading what its group is called.
func (s *spec) walk(value reflect.Value, prefix, path, heading string) {
	from := len(s.vars)
	for i := range value.NumField() {
		field := value.Type().Field(i)
		if name, ok := field.Tag.Lookup("env"); ok && name != "-" {
			s.add(value.Field(i), field, prefix, heading)
			continue
		}
		if field.Tag.Get("env") == "-" || field.Type.Kind() != reflect.Struct {
			continue
		}
		path, heading := path, heading
		if !field.Anonymous {
			path = strings.TrimPrefix(path+"."+field.Name, ".")
			heading = path
		}
		if doc := field.Tag.Get("doc"); doc != "" {
			heading = doc
		}
		s.walk(value.Field(i), prefix+field.Tag.Get("envPrefix"), path, heading)
	}
	if len(s.vars) > from {
		s.nodes = append(s.nodes, node{value, prefix, from, len(s.vars)})
	}
}

func (s *spec) add(value reflect.Value, field reflect.StructField, prefix, group string) {
	v := &variable{name: prefix + field.Tag.Get("env"), prefix: prefix, group: group, field: field, value: value}
	bug := func(format string, args ...any) {
		panic("environ: field " + field.Name + ", variable " + v.name + ": " + fmt.Sprintf(format, args...))
	}
	switch {
	case field.Tag.Get("env") == "" || strings.ContainsAny(v.name, ",= "):
		bug("want a plain name in the env tag (for options there are tags of their own)")
	case !value.CanSet():
		bug("the field is not exported")
	case !supported(field.Type):
		bug("no way to parse a %v", field.Type)
	}
	if _, twice := s.names[v.name]; twice {
		bug("two fields have this name")
	}
	if err := v.readTags(); err != nil {
		bug("%v", err)
	}
	s.names[v.name] = len(s.vars)
	s.vars = append(s.vars, v)
}

func (v *variable) readTags() (err error) {
	if list := v.tag("oneof"); list != "" {
		v.oneof = strings.Split(list, "|")
	}
	if v.required, err = flag(v.tag("required")); err != nil {
		return fmt.Errorf("tag required: %w", err)
	}
	if v.long, err = flag(v.tag("text")); err != nil {
		return fmt.Errorf("tag text: %w", err)
	}
	if v.secret, err = readSecrecy(v.tag("secret")); err != nil {
		return err
	}
	for _, bound := range []struct {
		tag string
		to  *reflect.Value
	}{{"min", &v.low}, {"max", &v.high}} {
		text := v.tag(bound.tag)
		if text == "" {
			continue
		}
		if !number(v.field.Type) {
			return fmt.Errorf("a %v has no %s", v.field.Type, bound.tag)
		}
		if *bound.to, err = v.parse(text); err != nil {
			return fmt.Errorf("tag %s: %w", bound.tag, err)
		}
	}
	def := v.tag("envDefault")
	if v.def, err = v.parse(""); err != nil {
		return fmt.Errorf("tag envDefault: %w", err)
	}
	if def == "" {
		return nil
	}
	if v.required {
		return fmt.Errorf("it is required and has a default")
	}
	if reason := v.check(def, v.def); reason != "" {
		return fmt.Errorf("tag envDefault: %s", reason)
	}
	return nil
}

func flag(text string) (bool, error) {
	if text != "" && text != "true" {
		return false, fmt.Errorf("want true or no tag, not %q", text)
	}
	return text == "true", nil
}

var (
	unmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	list        = reflect.TypeFor[[]string]()
	numbers     = []reflect.Kind{
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64,
		reflect.Float32, reflect.Float64,
	}
)

func unmarshals(t reflect.Type) bool { return reflect.PointerTo(t).Implements(unmarshaler) }

func number(t reflect.Type) bool { return slices.Contains(numbers, t.Kind()) }

func supported(t reflect.Type) bool {
	return t.Kind() == reflect.String || t.Kind() == reflect.Bool || number(t) || t == list || unmarshals(t)
}
