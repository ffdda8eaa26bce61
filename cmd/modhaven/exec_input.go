package main

import (
	"io"
	"os"
)

// An input is the standard input of a command that may be run again.
type input struct {
	file  *os.File // to be wound back to at; nil where nothing need be or can be
	at    int64
	again bool // it can be read again from where it began
}

// beginOf looks where a command's standard input begins. What a terminal or /dev/null gives is not the same each time for anybody; a pipe
// that was read is empty.
func beginOf(in io.Reader) input {
	f, ok := in.(*os.File)
	if in == nil {
		return input{again: true}
	}
	if !ok {
		return input{}
	}
	info, err := f.Stat()
	switch {
	case err != nil: // it is closed
		return input{again: true}
	case info.Mode()&os.ModeCharDevice != 0:
		return input{again: true}
	case !info.Mode().IsRegular():
		return input{}
	}
	at, err := f.Seek(0, io.SeekCurrent)
	return input{f, at, err == nil}
}

// rewind reports whether the command finds again what it found at first.
func (in input) rewind() bool {
	if in.file == nil || !in.again {
		return in.again
	}
	_, err := in.file.Seek(in.at, io.SeekStart)
	return err == nil
}
