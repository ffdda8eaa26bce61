package main

import (
	"strings"

	"github.com/modhaven/modhaven/internal/proxy"
)

// A verified is what came of one object.
type verified struct {
	object proxy.Object
	proxy.Finding
	tried bool  // to repair it
	out   bool  // it left the store
	err   error // why it did not, or is not there anew
}

// doneText is a line about what is not as it should be, "" where it is.
func (v *verification) doneText(d verified) string {
	var text string
	switch name := d.object.File.String(); {
	case d.object.Stranger:
		return oneLine(v.msg.Sprintf("%s: it is no file of a module; nobody is served of it", d.object.Name))
	case d.Verdict == proxy.Rotten:
		text = v.msg.Sprintf("%s is WRONG: %s", name, d.Why)
	case d.Verdict == proxy.Unreadable:
		text = v.msg.Sprintf("%s CANNOT BE READ: %s", name, d.Why)
	default:
		return ""
	}
	switch {
	case !d.tried:
	case d.err == nil:
		text += v.msg.Text("; it was fetched again")
	case d.out:
		text += v.msg.Sprintf("; it is out of the store, and was not fetched again: %s", d.err.Error())
	default:
		text += v.msg.Sprintf("; it is STILL IN THE STORE: %s", d.err.Error())
	}
	return oneLine(text)
}

// A verifySum counts what came of files.
type verifySum struct {
	files                                    int   // without strangers and what is gone
	bytes, read                              int64 // of files, and of all
	good, noted, rotten, unreadable, fetched int
	strangers                                int
}

func (s *verifySum) add(d verified) {
	s.read += d.object.Size
	if d.object.Stranger {
		s.strangers++
		return
	}
	switch d.Verdict {
	case proxy.Good:
		s.good++
	case proxy.Noted:
		s.noted++
	case proxy.Rotten:
		s.rotten++
	case proxy.Unreadable:
		s.unreadable++
	case proxy.Gone:
		return
	}
	s.files++
	s.bytes += d.object.Size
	if d.tried && d.err == nil {
		s.fetched++
	}
}

// left returns how many are not as they should be after all.
func (s *verifySum) left() int { return s.rotten + s.unreadable - s.fetched }

// sumText is the last line.
func (v *verification) sumText() string {
	s := &v.sum
	parts := []string{v.msg.Sprintf("%d good", s.good)}
	if s.noted > 0 {
		parts = append(parts, v.msg.Sprintf("%d noted for the first time", s.noted))
	}
	parts = append(parts, v.msg.Sprintf("%d wrong", s.rotten))
	if s.unreadable > 0 {
		parts = append(parts, v.msg.Sprintf("%d that cannot be read", s.unreadable))
	}
	files := number(s.files, v.msg.Text("1 file"), v.msg.Sprintf("%d files", s.files))
	text := v.msg.Sprintf("verified %s, %s: %s", files, bytesText(s.bytes), strings.Join(parts, ", "))
	if s.fetched > 0 {
		text += v.msg.Sprintf("; %d fetched again", s.fetched)
	}
	if s.strangers > 0 {
		text += v.msg.Sprintf("; %d that are no files of modules", s.strangers)
	}
	return text
}
