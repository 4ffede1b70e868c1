package sqlite

import (
	"io/fs"
	"os"
	"time"
)

// settled is how old a file's time must be before the file counts as unchanged: within a tick of the kernel's clock
// another write leaves the time as it is.
const settled = 50 * time.Millisecond

// watch tells cheaply, without a statement, that nothing has been written to the database.
type watch struct {
	wal, main string
	seen      [2]stamp
	safe      bool // what was seen was old enough
}

// stamp is what a write changes of a file.
type stamp struct {
	size int64
	time time.Time
}

func newWatch(path string) *watch { return &watch{wal: path + "-wal", main: path} }

// quiet reports that neither file has been written to since it last reported otherwise. Then what the database is must
// be looked at after the call, not before.
func (w *watch) quiet() bool {
	now := [2]stamp{stampOf(os.Stat(w.wal)), stampOf(os.Stat(w.main))}
	if now == w.seen && w.safe {
		return true
	}
	w.seen, w.safe = now, true
	for _, s := range now {
		w.safe = w.safe && time.Since(s.time) > settled
	}
	return false
}

func stampOf(info fs.FileInfo, err error) stamp {
	if err != nil {
		return stamp{}
	}
	return stamp{info.Size(), info.ModTime()}
}
