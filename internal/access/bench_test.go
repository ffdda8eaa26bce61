package access

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What a request costs before it is answered, with 21 rules of which one names the module.
func BenchmarkGuard(b *testing.B) {
	dir := b.TempDir()
	tokens, people := filepath.Join(dir, "tokens"), filepath.Join(dir, "people")
	secret, err := Create(tokens, "ci", []string{"dev"}, time.Now(), time.Time{})
	if err != nil {
		b.Fatal(err)
	}
	if err := replace(people, "alice:$2a$04$"+strings.Repeat("x", 53)+"\n"); err != nil {
		b.Fatal(err)
	}
	var rules strings.Builder
	for i := range 20 {
		fmt.Fprintf(&rules, "team%d corp.example/team%d/*\n", i, i)
	}
	all, err := ParseRules(rules.String() + "dev corp.example/app")
	if err != nil {
		b.Fatal(err)
	}
	g, err := New(Options{Auth: Auth{Tokens: []string{tokens}, Passwords: []string{people}, Anonymous: true}, Rules: all, Limit: Limit{1e9, 1e9}})
	if err != nil {
		b.Fatal(err)
	}
	defer g.Close()
	for name, r := range map[string]*http.Request{"anonymous": request(), "token": bearer(secret)} {
		path := map[string]string{"anonymous": "golang.org/x/text", "token": "corp.example/app"}[name]
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				id, err := g.Check(r)
				if err == nil {
					err = g.May(id, path)
				}
				if err != nil {
					b.Fatal(err)
				}
				g.Private(path)
			}
		})
	}
}
