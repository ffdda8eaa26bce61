//go:build unix

package proxy

import "golang.org/x/sys/unix"

// diskSpace returns how many bytes a user may still write where a directory is, and how many that disk has.
func diskSpace(dir string) (free, all int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, err
	}
	size := int64(st.Bsize) //nolint:unconvert // of another type on other systems
	return int64(st.Bavail) * size, int64(st.Blocks) * size, nil
}
