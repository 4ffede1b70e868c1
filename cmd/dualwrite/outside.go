package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dualwrite/dualwrite/config"
	"github.com/dualwrite/dualwrite/replication"
	"github.com/dualwrite/dualwrite/worker"
)

// outside is how the program reaches the real config file, Temporal and databases.
func outside() reach {
	return reach{config: config.Load, temporal: dialEnvironment, engine: openLedgers}
}

// openEngine opens the databases of a config. The function that it returns closes them.
func openEngine(ctx context.Context, file *config.File) (*replication.Engine, func(), error) {
	stores, err := worker.OpenStores(ctx, file.Link.Sides, file.URLs)
	if err != nil {
		return nil, nil, err
	}
	done := func() { _ = worker.CloseStores(stores) } // nothing is lost: what counts was committed
	return &replication.Engine{Link: file.Link, Stores: stores, Now: time.Now}, done, nil
}

// openLedgers is openEngine for commands.
func openLedgers(ctx context.Context, file *config.File) (ledgers, func(), error) {
	e, done, err := openEngine(ctx, file)
	if err != nil {
		return nil, nil, err
	}
	return engine{e}, done, nil
}

// explainConfig tells what is wrong with the config file.
func (p *program) explainConfig(err error) error {
	var wrong *config.Error
	if errors.As(err, &wrong) {
		return &failure{exitUsage, "config", err.Error(), wrong.Hint}
	}
	return &failure{exitUsage, "config", fmt.Sprintf("the config cannot be read: %s", err), "--config names the file, dualwrite.yaml unless it is given"}
}
