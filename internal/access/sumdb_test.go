package access

import "testing"

func TestNamed(t *testing.T) {
	for _, test := range []struct {
		path, module string
		all          bool
	}{
		{"sum.golang.org/lookup/corp.example/!app@v1.0.0", "corp.example/App", false},
		{"sum.example/with/path/lookup/corp.example/data/x@v1.0.0", "corp.example/data/x", false},
		{"sum.example/lookup/corp.example/lookup/x@v1.0.0", "corp.example/lookup/x", false},
		{"sum.example/lookup/corp.example/App@v1.0.0", "", false},
		{"sum.example/lookup/corp.example", "corp.example", false},
		{"sum.example/lookup/../x@v1", "", false},
		{"sum.example/latest", "", false},
		{"sum.example/supported", "", false},
		{"sum.example/tile/8/0/000", "", false},
		{"sum.example/tile/8/data/000", "", true},
		{"sum.example/tile/8/data/x001/234.p/5", "", true},
		{"sum.example/tile/data/8", "", true},
		{"", "", false},
	} {
		if m, all := Named(test.path); m != test.module || all != test.all {
			t.Errorf("Named(%q) = %q, %v", test.path, m, all)
		}
	}
}
