//go:build unix

package proxy

import "golang.org/x/sys/unix"

// diskSpace returns how many bytes a user may still write where a directory is, and how many that disk has.
func diskSpace(dir string) (free, all int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), int64(st.Blocks) * int64(st.Bsize), nil
}
