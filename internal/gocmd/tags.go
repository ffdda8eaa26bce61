package gocmd

import (
	"bytes"
	"encoding/xml"
	"html"
	"strings"
)

// goImports returns the fields of the go-import tags in the head of a page: prefix, tool, address and perhaps a directory. It reads HTML as the go
// command does, as far as its XML decoder gets.
func goImports(page []byte) (tags [][]string) {
	d := xml.NewDecoder(bytes.NewReader(page))
	d.Strict = false
	for {
		token, err := d.RawToken()
		if err != nil {
			return tags
		}
		switch e := token.(type) {
		case xml.EndElement:
			if strings.EqualFold(e.Name.Local, "head") {
				return tags
			}
		case xml.StartElement:
			if strings.EqualFold(e.Name.Local, "body") {
				return tags
			}
			if fields := strings.Fields(attribute(e, "content")); strings.EqualFold(e.Name.Local, "meta") &&
				attribute(e, "name") == "go-import" && (len(fields) == 3 || len(fields) == 4) {
				tags = append(tags, fields)
			}
		}
	}
}

// attribute returns the first value of an attribute.
func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if strings.EqualFold(a.Name.Local, name) {
			return a.Value
		}
	}
	return ""
}

// tagPage is the inverse of goImports.
func tagPage(tags [][]string) string {
	var b strings.Builder
	b.WriteString("<html><head>\n")
	for _, fields := range tags {
		b.WriteString(`<meta name="go-import" content="` + html.EscapeString(strings.Join(fields, " ")) + "\">\n")
	}
	b.WriteString("</head></html>\n")
	return b.String()
}
