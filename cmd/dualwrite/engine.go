package main

import (
	"context"

	"github.com/dualwrite/dualwrite/replication"
)

var _ ledgers = engine{}

// engine is the engine as commands see it.
type engine struct{ *replication.Engine }

func (e engine) Retry(ctx context.Context, mapName string, key map[string]string) (retry, error) {
	r, err := e.NewRetry(ctx, mapName, key)
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (e engine) Preview(ctx context.Context, mapName string) (verification, error) {
	v, err := e.NewPreview(ctx, mapName)
	if err != nil {
		return nil, err
	}
	return v, nil
}

func (e engine) Verify(ctx context.Context, mapName string, mode replication.VerifyMode) (verification, error) {
	v, err := e.NewVerify(ctx, mapName, mode)
	if err != nil {
		return nil, err
	}
	return v, nil
}
