//go:build race

package e2e_test

// raceEnabled has the program built with the race detector too.
const raceEnabled = true
