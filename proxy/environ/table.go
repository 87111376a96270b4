package environ

import (
	"cmp"
	"fmt"
	"strings"
	"unicode/utf8"
)

// A Row describes one variable.
type Row struct {
	Name     string // with its prefix
	Default  string // as its tags put it; "required" for a variable that must be set; may be empty
	Doc      string
	Group    string // the heading of its struct, or the path of field names; empty at the top
	Required bool

	literal bool // Default may be set as it stands
}

// Table describes the variables of target, a struct or a pointer to one, in the order of its fields.
func Table(target any) []Row {
	s := read(addressable(target))
	rows := make([]Row, len(s.vars))
	for i, v := range s.vars {
		rows[i] = Row{Name: v.name, Doc: v.doc(), Group: v.group, Required: v.required}
		switch text, def := v.tag("default"), v.secret.redact(v.tag("envDefault")); {
		case v.required:
			rows[i].Default = "required"
		case text != "":
			rows[i].Default = text
		default:
			rows[i].Default, rows[i].literal = def, def != ""
		}
	}
	return rows
}

// doc is the variable's meaning, with the values that are allowed unless it speaks of them.
func (v *variable) doc() string {
	doc := v.tag("doc")
	for _, value := range v.oneof {
		if !strings.Contains(doc, value) {
			return doc + ": " + alternatives(v.oneof)
		}
	}
	return doc
}

const (
	width      = 100 // of the text, in columns
	maxDefault = 20  // of the column of defaults; a longer one moves its meaning to the next line
)

// Text sets the rows for a terminal: a heading for each group, columns that align, and lines of at most 100 columns
// (unless one word is longer).
func Text(rows []Row) string {
	names, defaults := 0, 0
	for _, row := range rows {
		names = max(names, utf8.RuneCountInString(row.Name))
		if n := utf8.RuneCountInString(row.Default); n <= maxDefault {
			defaults = max(defaults, n)
		}
	}
	indent := 2 + names + 2 + defaults + 2
	var b strings.Builder
	for i, row := range rows {
		if i == 0 || row.Group != rows[i-1].Group {
			heading(&b, i, row.Group, row.Group)
		}
		line := fmt.Sprintf("  %-*s  %-*s", names, row.Name, defaults, row.Default)
		if utf8.RuneCountInString(row.Default) > defaults && row.Doc != "" {
			b.WriteString(line + "\n")
			line = ""
		}
		for _, part := range wrap(row.Doc, width-indent) {
			b.WriteString(strings.TrimRight(fmt.Sprintf("%-*s  %s", indent-2, line, part), " ") + "\n")
			line = ""
		}
	}
	return b.String()
}

// wrap breaks text between words into lines of at most n columns, where words allow. There is at least one line.
func wrap(text string, n int) []string {
	lines := []string{""}
	for _, word := range strings.Fields(text) {
		last := &lines[len(lines)-1]
		switch {
		case *last == "":
			*last = word
		case utf8.RuneCountInString(*last)+1+utf8.RuneCountInString(word) <= n:
			*last += " " + word
		default:
			lines = append(lines, word)
		}
	}
	return lines
}

// Markdown sets the rows as one table for each group, below a line with its heading in bold.
func Markdown(rows []Row) string {
	var b strings.Builder
	for i, row := range rows {
		if i == 0 || row.Group != rows[i-1].Group {
			heading(&b, i, row.Group, "**"+row.Group+"**\n")
			b.WriteString("| Variable | Default | Meaning |\n|---|---|---|\n")
		}
		def := cell(row.Default)
		if row.literal {
			def = "`" + def + "`"
		}
		b.WriteString("| `" + row.Name + "` | " + cmp.Or(def, " ") + " | " + cmp.Or(cell(row.Doc), " ") + " |\n")
	}
	return b.String()
}

// heading begins a group: an empty line between groups, and the text for those that have a name.
func heading(b *strings.Builder, i int, group, text string) {
	if i > 0 {
		b.WriteByte('\n')
	}
	if group != "" {
		b.WriteString(text + "\n")
	}
}

func cell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}
