// Modhaven is a Go module proxy: a server, and a proxy around one command. Its manual is "modhaven help".
package main

import "os"

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ()))
}
