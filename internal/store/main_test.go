package store

import (
	"fmt"
	"io"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// stateVar makes the test binary another process that holds the state directory named in it.
const stateVar = "MODHAVEN_TEST_STATE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(stateVar); dir != "" {
		os.Exit(hold(dir))
	}
	goleak.VerifyTestMain(m)
}

// hold opens a state directory, says where its spool is and how many it swept, and keeps it until stdin ends.
func hold(dir string) int {
	s, err := OpenState(dir)
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	if err := os.WriteFile(s.Spool+"/fill-1", []byte("half a file"), 0o600); err != nil {
		fmt.Println("error:", err)
		return 1
	}
	fmt.Println(s.Spool, s.Swept)
	io.Copy(io.Discard, os.Stdin)
	if err := s.Close(); err != nil {
		fmt.Println("error:", err)
		return 1
	}
	return 0
}
