package workflows

import (
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// Interceptors must be given to every worker and replayer of these workflows. Signals of different names reach a Go
// workflow through channels of their own, which forget the order of arrival; for TableMap they are put into one
// channel instead, so that pause, resume, pause ends in Paused.
func Interceptors() []interceptor.WorkerInterceptor {
	return []interceptor.WorkerInterceptor{&arrivalOrder{}}
}

// Register makes the workflows known to a worker or a replayer.
func Register(w worker.WorkflowRegistry) {
	w.RegisterWorkflowWithOptions(TableMap, workflow.RegisterOptions{Name: TypeTableMap})
	w.RegisterWorkflowWithOptions(Link, workflow.RegisterOptions{Name: TypeLink})
	w.RegisterWorkflowWithOptions(RunRelated, workflow.RegisterOptions{Name: TypeRunRelated})
	w.RegisterWorkflowWithOptions(RunMap, workflow.RegisterOptions{Name: TypeRunMap})
}

// arrivals is the channel of all signals to a TableMap.
const arrivals = "arrivals"

// signals is the channel in which signals arrive. It also names the signals to those who ask what there is.
func signals(ctx workflow.Context) workflow.ReceiveChannel {
	for _, command := range Commands() {
		workflow.GetSignalChannelWithOptions(ctx, string(command), workflow.SignalChannelOptions{Description: about(command)})
	}
	return workflow.GetSignalChannelWithOptions(ctx, arrivals,
		workflow.SignalChannelOptions{Description: "the others in the order of their arrival; not to be sent"})
}

// arrival is a signal as it came.
type arrival struct {
	Name string `json:"name"`
	Data []byte `json:"data,omitempty"` // of its payload; none for a bare signal
}

type arrivalOrder struct {
	interceptor.WorkerInterceptorBase
}

func (a *arrivalOrder) InterceptWorkflow(ctx workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	if workflow.GetInfo(ctx).WorkflowType.Name != TypeTableMap {
		return next
	}
	in := &oneChannel{}
	in.Next = next
	return in
}

type oneChannel struct {
	interceptor.WorkflowInboundInterceptorBase
}

func (o *oneChannel) HandleSignal(ctx workflow.Context, in *interceptor.HandleSignalInput) error {
	a := arrival{Name: in.SignalName}
	if payloads := in.Arg.GetPayloads(); len(payloads) > 0 {
		a.Data = payloads[0].GetData()
	}
	payload, err := converter.GetDefaultDataConverter().ToPayloads(a)
	if err != nil {
		return err
	}
	return o.Next.HandleSignal(ctx, &interceptor.HandleSignalInput{SignalName: arrivals, Arg: payload})
}
