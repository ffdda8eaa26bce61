package doctor

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var writePage = flag.Bool("write", false, "write docs/doctor-codes.md")

func TestPage(t *testing.T) {
	const name = "../../docs/doctor-codes.md"
	if *writePage {
		if err := os.WriteFile(name, []byte(page()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(b) != page() {
		t.Errorf("%s is not what the catalogue says; go generate ./internal/doctor makes it", name)
	}
}

//go:generate go test -run TestPage -write .

// page returns docs/doctor-codes.md: the catalogue for people. Names in braces stand for what a report fills in.
func page() string {
	var b strings.Builder
	b.WriteString("<!-- Made by go generate ./internal/doctor from its catalogue. -->\n\n# The doctor's codes\n\nThe first two digits of a code are the exit status of its class. {Names} stand for\nwhat a report fills in.\n")
	class := Class("")
	for _, e := range Catalogue() {
		if e.Class() != class {
			class = e.Class()
			fmt.Fprintf(&b, "\n## %s\n", class)
		}
		fmt.Fprintf(&b, "\n### %s\n\n%s.\n\n%s\n", e.Code, strings.ToUpper(e.Summary[:1])+e.Summary[1:], e.Meaning)
		for i, r := range e.Fixes {
			if i == 0 {
				b.WriteByte('\n')
			}
			fmt.Fprintf(&b, "- %s: %s%s\n", map[Who]string{You: "You", Network: "Your network team", Owner: "The service's owner"}[r.Who], r.Title, codeSpan(r.Command))
		}
		for i, o := range e.Or {
			if i == 0 {
				b.WriteString("\nWhat looks the same:\n\n")
			}
			fmt.Fprintf(&b, "- %s: %s\n", o.Class, o.Tell)
		}
	}
	return b.String()
}

func codeSpan(command string) string {
	if command == "" {
		return ""
	}
	return ": `" + command + "`"
}
