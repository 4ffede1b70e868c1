// Package starter is the client of the workflows: it starts them, sends commands and reads statuses. The command line
// uses it; so may any other front.
package starter

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/log"

	"github.com/dualwrite/dualwrite/tablemap"
	"github.com/dualwrite/dualwrite/workflows"
)

// Starter talks to the workflows of one link.
type Starter struct {
	client client.Client
	link   string
}

// New makes a Starter on a connection, which stays the caller's.
func New(c client.Client, link string) *Starter { return &Starter{client: c, link: link} }

// Connection is a connection to Temporal.
type Connection struct {
	client.Client
	Address   string
	Namespace string
}

// Dial connects to Temporal as the `temporal` command would: environment, config file, profile. An *Error of
// CodeTemporalDown says that nothing answers there.
func Dial(ctx context.Context, logger log.Logger) (*Connection, error) {
	options, err := envconfig.LoadDefaultClientOptions()
	if err != nil {
		return nil, &Error{CodeFailed, "Temporal's client configuration cannot be read: " + err.Error(),
			"see TEMPORAL_CONFIG_FILE and `temporal config list`", err}
	}
	return DialOptions(ctx, options, logger)
}

// DialOptions connects with options of the caller's.
func DialOptions(ctx context.Context, options client.Options, logger log.Logger) (*Connection, error) {
	options.Logger = logger
	if options.HostPort == "" {
		options.HostPort = client.DefaultHostPort
	}
	if options.Namespace == "" {
		options.Namespace = client.DefaultNamespace
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	c, err := client.DialContext(ctx, options)
	if err != nil {
		return nil, &Error{CodeTemporalDown, "Temporal does not answer at " + options.HostPort, startTemporal, err}
	}
	return &Connection{Client: c, Address: options.HostPort, Namespace: options.Namespace}, nil
}

// dialTimeout bounds the wait for a server.
const dialTimeout = 5 * time.Second

// Send sends a command and waits until the status has changed, not until a long copy has ended. It repeats the request
// under the same id while the map is between two runs; without an id it makes one.
func (s *Starter) Send(ctx context.Context, name string, r workflows.Request) (tablemap.Report, error) {
	if r.ID == "" {
		r.ID = NewID()
	}
	command := r.Command
	r.Command = ""
	var report tablemap.Report
	err := s.persist(ctx, name, func(ctx context.Context) error {
		handle, err := s.client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
			WorkflowID:   workflows.MapID(s.link, name),
			UpdateID:     r.ID,
			UpdateName:   string(command),
			Args:         []any{r},
			WaitForStage: client.WorkflowUpdateStageCompleted,
		})
		if err != nil {
			return err
		}
		return handle.Get(ctx, &report)
	})
	return report, explain(err, name)
}

// Status is a map's report without live counters.
func (s *Starter) Status(ctx context.Context, name string) (tablemap.Report, error) {
	var report tablemap.Report
	silent := false // the server waited in vain for a worker, which answers within milliseconds if it is not too busy
	err := s.persist(ctx, name, func(ctx context.Context) error {
		value, err := s.client.QueryWorkflow(ctx, workflows.MapID(s.link, name), "", workflows.QueryStatus)
		if err != nil {
			silent = silent || ctx.Err() == nil && isTimeout(err)
			return err
		}
		return value.Get(&report)
	})
	if silent && isTimeout(err) {
		return report, &Error{CodeNoWorker, "no worker answers", startWorker, err}
	}
	return report, explain(err, name)
}

// Limits of the pause between two looks of Await, which grows with the time that has passed.
const (
	leastPause = 50 * time.Millisecond
	mostPause  = time.Second
)

// Await polls a map until it has one of the statuses. each, if given, is called with every report.
func (s *Starter) Await(ctx context.Context, name string, each func(tablemap.Report), statuses ...tablemap.Status) (tablemap.Report, error) {
	for began := time.Now(); ; {
		report, err := s.Status(ctx, name)
		if err != nil {
			return report, err
		}
		if each != nil {
			each(report)
		}
		for _, status := range statuses {
			if report.Status == status {
				return report, nil
			}
		}
		if err := sleep(ctx, min(max(time.Since(began)/20, leastPause), mostPause)); err != nil {
			return report, explain(err, name)
		}
	}
}

// Limits of persist.
const (
	firstRepeat = 50 * time.Millisecond
	lastRepeat  = time.Second
	patience    = 30 * time.Second // with a map that is between two runs, and a worker or a server that is busy
)

// persist repeats a call while the map is between two runs of its workflow, or nobody has had time for it.
func (s *Starter) persist(ctx context.Context, name string, call func(context.Context) error) error {
	began := time.Now()
	for wait := firstRepeat; ; wait = min(2*wait, lastRepeat) {
		err := call(ctx)
		if err == nil || time.Since(began) > patience {
			return err
		}
		again, err := s.worthRepeating(ctx, name, err)
		if !again {
			return err
		}
		if sleep(ctx, wait) != nil {
			return err
		}
	}
}

// worthRepeating tells a run that has just ended from a map that is not there.
func (s *Starter) worthRepeating(ctx context.Context, name string, err error) (bool, error) {
	var missing *serviceerror.NotFound
	if !errors.As(err, &missing) {
		return passing(err), err
	}
	d, describeErr := s.client.DescribeWorkflowExecution(ctx, workflows.MapID(s.link, name), "")
	if describeErr != nil {
		return false, describeErr
	}
	open := d.GetWorkflowExecutionInfo().GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING
	return open, err
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// NewID makes an id for a request: 16 hex digits.
func NewID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
