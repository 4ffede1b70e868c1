package main

import (
	"context"
	"errors"
	"io/fs"

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
	stores, err := worker.OpenStores(ctx, addresses(file))
	if err != nil {
		return nil, nil, err
	}
	done := func() { _ = worker.CloseStores(stores) } // nothing is lost: what counts was committed
	return &replication.Engine{Link: file.Link, Stores: stores, Now: worker.Clock()}, done, nil
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
	var all []*failure
	for _, problem := range config.Problems(err) {
		place := *problem
		place.Hint = ""
		all = append(all, fail(exitUsage, "config", place.Error(), problem.Hint))
	}
	if len(all) > 0 {
		all[0].also = all[1:]
		return all[0]
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fail(exitUsage, "config", "there is no config file "+p.config, "write one (examples/customers/dualwrite.yaml is a start), or name another with --config")
	}
	return fail(exitUsage, "config", err.Error(), "--config names the file, dualwrite.yaml unless it is given")
}

// addresses are how the two sides are reached.
func addresses(file *config.File) [2]worker.Address {
	var out [2]worker.Address
	for i, side := range file.Link.Sides {
		out[i] = worker.Address{Side: side, URL: file.URLs[i], Replication: file.Replication[i]}
	}
	return out
}
