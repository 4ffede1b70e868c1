package postgrestest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

// guard is a process that outlives this one by a moment: when its input ends, because end was called or because this
// process is no more, it stops the server and removes the folder.
type guard struct {
	command *exec.Cmd
	input   io.WriteCloser
}

// script reads ids of server processes, an empty line when one has ended; the last is the one to stop. A server that was
// killed has left shared memory behind.
const script = `
while read -r said; do server=$said; done
exec 2>/dev/null
if [ -n "$server" ]; then
	kill -s QUIT "$server"
	for i in $(seq 200); do kill -s 0 "$server" || break; sleep 0.05; done
	kill -s KILL "$server"
fi
memory=$(sed -n '7s/^ *[0-9][0-9]*  *\([0-9][0-9]*\)$/\1/p' "$1/data/postmaster.pid")
[ -z "$memory" ] || ipcrm -m "$memory"
for i in 1 2 3 4 5; do rm -rf "$1" && break; sleep 1; done # somebody may still write there
`

// watch starts the guard of a folder. It keeps standard output, so that whoever reads what the tests print, as go test
// does, waits for it too and finds nothing running.
func watch(folder string) (*guard, error) {
	g := &guard{command: exec.Command("/bin/sh", "-c", script, "sh", folder)}
	g.command.Dir = "/"
	g.command.Stdout = os.Stdout
	g.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	input, err := g.command.StdinPipe()
	if err == nil {
		g.input, err = input, g.command.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("start guard of %s: %w", folder, err)
	}
	return g, nil
}

// runs tells which server process is to be stopped, and ended that there is none. A guard that is no more needs no telling.
func (g *guard) runs(pid int) { _, _ = fmt.Fprintln(g.input, pid) }

func (g *guard) ended() { _, _ = fmt.Fprintln(g.input) }

func (g *guard) end() error { return errors.Join(g.input.Close(), g.command.Wait()) }
