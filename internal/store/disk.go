package store

import (
	"os"
	"runtime"
)

// disk is what a Dir does whose order matters, so that a test can watch the order and make each step fail.
type disk struct {
	sync    func(f *os.File) error
	syncDir func(dir string) error
	link    func(from, to string) error
	rename  func(from, to string) error
}

var osDisk = disk{
	sync:    (*os.File).Sync,
	syncDir: syncDir,
	link:    os.Link,
	rename:  os.Rename,
}

// syncDir makes the names in dir durable. Windows has no such call: NTFS journals names.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = f.Sync()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
