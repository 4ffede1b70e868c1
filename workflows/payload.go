package workflows

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/dualwrite/dualwrite/tablemap"
)

// Limits of a request's payload.
const (
	maxPayload = 4 << 10 // bytes
	maxID      = 200     // bytes of requestId and replyTo
)

// decode reads the payload of a command by hand, because whoever may signal may send anything. None, an empty one and
// JSON null are a bare command.
func decode(command tablemap.Command, payload []byte) (Request, error) {
	r := Request{}
	data := bytes.TrimSpace(payload)
	switch {
	case len(data) > maxPayload:
		return Request{Command: command}, fmt.Errorf("payload is longer than %d bytes", maxPayload)
	case len(data) > 0 && !bytes.Equal(data, []byte("null")):
		if err := strictly(data, &r); err != nil {
			return Request{Command: command}, fmt.Errorf("payload cannot be read: %w", err)
		}
	}
	r.Command = command
	if len(r.ID) > maxID || len(r.ReplyTo) > maxID {
		return Request{Command: command}, fmt.Errorf("requestId or replyTo is longer than %d bytes", maxID)
	}
	return r, nil
}

// strictly reads one JSON object whose fields are all known: a misspelt option must not be taken for its absence.
func strictly(data []byte, to *Request) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON object")
	}
	return nil
}

// check says what is wrong with a request whatever the status is.
func (s *State) check(r Request) error {
	if r.Master != "" && !slices.Contains(s.Config.Sides[:], r.Master) {
		return fmt.Errorf("there is no side %q; the sides are %s and %s", r.Master, s.Config.Sides[0], s.Config.Sides[1])
	}
	return nil
}

// master is the winner of conflicts that a run asks for.
func (s *State) master(r Request) tablemap.Side {
	switch r.Master {
	case "":
		return s.Config.Master
	case s.Config.Sides[tablemap.Left]:
		return tablemap.Left
	}
	return tablemap.Right
}

// Commands are all commands, each the name of a signal and of an Update.
func Commands() []tablemap.Command {
	return []tablemap.Command{tablemap.Run, tablemap.Pause, tablemap.Resume, tablemap.Stop, tablemap.SkipSync, tablemap.Discard}
}

// same compares two definitions as they are written.
func same(a, b tablemap.Map) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
