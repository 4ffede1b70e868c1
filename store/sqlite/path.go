package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/dualwrite/dualwrite/store"
)

// scheme begins the URLs of this store.
const scheme = "sqlite:"

// Path returns the absolute path of the database file that a URL names: sqlite:/absolute/path, sqlite:relative/path or
// sqlite:///absolute/path. %XX stands for a byte, as in every URL; a % that is not followed by two hex digits is itself.
func Path(address string) (string, error) {
	rest, ok := strings.CutPrefix(address, scheme)
	if !ok {
		return "", fmt.Errorf("address of a SQLite database must begin with %s", scheme)
	}
	if authority, ok := strings.CutPrefix(rest, "//"); ok {
		if !strings.HasPrefix(authority, "/") {
			return "", errors.New("address of a SQLite database names a host: write sqlite:/path or sqlite:path")
		}
		rest = authority
	}
	if strings.Contains(rest, "?") {
		return "", errors.New("address of a SQLite database has options, and there are none (a ? in a file name is written %3F)")
	}
	path := unescape(rest)
	switch {
	case path == "":
		return "", errors.New("address of a SQLite database names no file")
	case strings.ContainsRune(path, 0):
		return "", errors.New("address of a SQLite database has a NUL in it")
	}
	return filepath.Abs(path)
}

func unescape(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		if len(s) >= 3 && s[0] == '%' {
			if one, err := url.PathUnescape(s[:3]); err == nil {
				b.WriteString(one)
				s = s[3:]
				continue
			}
		}
		b.WriteByte(s[0])
		s = s[1:]
	}
	return b.String()
}

// stat returns the identity of the database file, or says in a sentence why there is none.
func stat(path string) (fs.FileInfo, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("database %s does not exist: dualwrite never creates a database, the application must have done so", path)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("database %s cannot be reached: the worker's user lacks the permission to enter its directory", path)
	case err != nil:
		return nil, fmt.Errorf("look at database: %w", err)
	case info.IsDir():
		return nil, fmt.Errorf("database %s is a directory: name the file in it", path)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("database %s is not a regular file", path)
	}
	// A file that cannot be written is opened by SQLite all the same, and can then never be written by that connection.
	if syscall.Access(path, mayWrite) != nil {
		return nil, cannotBeWritten(path)
	}
	return info, nil
}

const mayWrite = 2 // W_OK of access(2)

func cannotBeWritten(path string) error {
	return fmt.Errorf("database %s cannot be written: the worker's user needs the permission to write it and its directory", path)
}

// explain turns what SQLite says when a database cannot be opened into a sentence for the operator.
func explain(path string, err error) error {
	switch code(err) & 0xff {
	case codeNotADatabase:
		return fmt.Errorf("database %s is not a SQLite database, or is encrypted", path)
	case codeCantOpen, codePerm, codeAuth:
		return fmt.Errorf("database %s cannot be opened: the worker's user needs the permission to read and write it and its directory", path)
	case codeReadOnly:
		return cannotBeWritten(path)
	case codeBusy, codeLocked:
		return store.Busy(fmt.Errorf("database %s is locked by another process", path))
	case codeCorrupt:
		return fmt.Errorf("database %s is damaged: run PRAGMA integrity_check on it", path)
	}
	return fmt.Errorf("open database %s: %w", path, err)
}
