package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/dualwrite/dualwrite/starter"
	"github.com/dualwrite/dualwrite/workflows"
)

// attributesPatience is how long Temporal may take until a new search attribute can be used.
const attributesPatience = 30 * time.Second

// ensureAttributes adds our search attributes where they are missing and waits until they can be used.
func ensureAttributes(ctx context.Context, conn *starter.Connection) error {
	known, err := conn.OperatorService().ListSearchAttributes(ctx,
		&operatorservice.ListSearchAttributesRequest{Namespace: conn.Namespace})
	var missing []string
	for _, name := range workflows.Attributes() {
		if known.GetCustomAttributes()[name] != enums.INDEXED_VALUE_TYPE_KEYWORD {
			missing = append(missing, name)
		}
	}
	if err == nil && len(missing) == 0 {
		return nil
	}
	if err := addAttributes(ctx, conn, missing); err != nil {
		return &starter.Error{Code: starter.CodeFailed, Err: err,
			Message: "Temporal does not take the search attributes " + fmt.Sprint(missing) + ": " + err.Error(),
			Hint:    "have its operator run: temporal operator search-attribute create --type Keyword --name " + workflows.AttributeStatus + " (and the others)"}
	}
	return awaitAttributes(ctx, conn)
}

func addAttributes(ctx context.Context, conn *starter.Connection, names []string) error {
	add := map[string]enums.IndexedValueType{}
	for _, name := range names {
		add[name] = enums.INDEXED_VALUE_TYPE_KEYWORD
	}
	_, err := conn.OperatorService().AddSearchAttributes(ctx,
		&operatorservice.AddSearchAttributesRequest{Namespace: conn.Namespace, SearchAttributes: add})
	var exists *serviceerror.AlreadyExists
	if errors.As(err, &exists) {
		return nil // another worker was faster
	}
	return err
}

// awaitAttributes waits until a query may name every attribute.
func awaitAttributes(ctx context.Context, conn *starter.Connection) error {
	ctx, cancel := context.WithTimeout(ctx, attributesPatience)
	defer cancel()
	names := slices.Clone(workflows.Attributes())
	for len(names) > 0 {
		_, err := conn.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: names[0] + " = 'x'"})
		if err == nil {
			names = names[1:]
			continue
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("wait for search attribute %s: %w", names[0], err)
		}
	}
	return nil
}
