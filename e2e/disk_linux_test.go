package e2e_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

// disk is a small file system in memory that holds the database of dataverse. Mounting it takes the rights of root.
type disk struct{ path string }

// access is what may be done to a disk.
type access uintptr

const (
	writable access = 0
	readOnly access = syscall.MS_RDONLY
)

// onDisk moves the database of dataverse to a disk of some MiB.
func onDisk(t *testing.T, l *harness.Link, size int) *disk {
	t.Helper()
	d := &disk{filepath.Join(l.Folder, "disk")}
	require.NoError(t, os.Mkdir(d.path, 0o700))
	err := syscall.Mount("none", d.path, "tmpfs", 0, fmt.Sprintf("size=%dm", size))
	require.NoError(t, err, "mount a small disk, as root with CAP_SYS_ADMIN")
	t.Cleanup(func() { _ = syscall.Unmount(d.path, syscall.MNT_DETACH) })
	data, err := os.ReadFile(l.Right.Path)
	require.NoError(t, err)
	l.Right.Path = filepath.Join(d.path, "dataverse.db")
	require.NoError(t, os.WriteFile(l.Right.Path, data, 0o600))
	l.Readdress("sqlite:dataverse.db", "sqlite:disk/dataverse.db")
	return d
}

// remount changes what may be done to the disk.
func (d *disk) remount(t *testing.T, a access) {
	t.Helper()
	require.NoError(t, syscall.Mount("none", d.path, "tmpfs", syscall.MS_REMOUNT|uintptr(a), ""))
}

func (d *disk) ballast() string { return filepath.Join(d.path, "ballast") }

// fill leaves no more than a quarter of a MiB.
func (d *disk) fill(t *testing.T) {
	t.Helper()
	left := d.left(t) - 256<<10
	require.Positive(t, left)
	require.NoError(t, os.WriteFile(d.ballast(), bytes.Repeat([]byte{1}, left), 0o600))
}

// left is how many bytes can still be written, to a page.
func (d *disk) left(t *testing.T) int {
	t.Helper()
	var s syscall.Statfs_t
	require.NoError(t, syscall.Statfs(d.path, &s))
	return int(s.Bavail) * int(s.Bsize)
}

// free makes the disk some MiB big and empties it of ballast.
func (d *disk) free(t *testing.T, size int) {
	t.Helper()
	require.NoError(t, syscall.Mount("none", d.path, "tmpfs", syscall.MS_REMOUNT, fmt.Sprintf("size=%dm", size)))
	if err := os.Remove(d.ballast()); !errors.Is(err, os.ErrNotExist) {
		require.NoError(t, err)
	}
}
