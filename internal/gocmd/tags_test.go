package gocmd

import (
	"reflect"
	"strings"
	"testing"
)

func TestGoImports(t *testing.T) {
	for page, want := range map[string]string{
		`<meta name="go-import" content="a.example/m git https://a.example/m.git">`:                                                          "a.example/m git https://a.example/m.git",
		`<META Name=go-import CONTENT=" a git  b sub ">`:                                                                                     "a git b sub",
		`<!doctype html><head><meta charset=utf-8><meta name="go-import" content="a git b"></head><meta name="go-import" content="x git y">`: "a git b",
		`<body><meta name="go-import" content="a git b">`:                                                                                    "",
		`<meta name="go-import" content="a git">`:                                                                                            "",
		`<meta name="go-source" content="a git b">`:                                                                                          "",
		`<meta name="go-import" content="a git &quot;b&amp;">`:                                                                               `a git "b&`,
		`<meta name="go-import" content="a git b"><`:                                                                                         "a git b",
		"": "",
	} {
		var got []string
		for _, tag := range goImports([]byte(page)) {
			got = append(got, strings.Join(tag, " "))
		}
		if strings.Join(got, "; ") != want {
			t.Errorf("%s: got %q, want %q", page, got, want)
		}
	}
}

// FuzzGoImports has what the go command is given have the tags that were found, and no more.
func FuzzGoImports(f *testing.F) {
	f.Add(`<head><meta name="go-import" content="a.example/m git https://a.example/m.git sub"></head>`)
	f.Add(`<meta name="go-import" content="&lt;/head> &#34; >">`)
	f.Fuzz(func(t *testing.T, page string) {
		tags := goImports([]byte(page))
		if again := goImports([]byte(tagPage(tags))); !reflect.DeepEqual(tags, again) {
			t.Errorf("%q became %q", tags, again)
		}
	})
}
