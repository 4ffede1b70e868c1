package worker

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/store/postgres"
	"github.com/dualwrite/dualwrite/store/sqlite"
)

// URLError says that no store can be opened by a URL of the config. It does not repeat the URL, which may hold a
// password.
type URLError struct {
	Side    string
	Message string // one clause
	Hint    string
}

func (e *URLError) Error() string { return "side " + e.Side + ": " + e.Message }

// Address is how one side is reached.
type Address struct {
	Side        string // its name, for errors
	URL         string
	Replication string // URL of the role that reads the log; "": the same
}

// OpenStores opens the databases of a link, the left side first.
func OpenStores(ctx context.Context, sides [2]Address) ([2]store.Store, error) {
	var stores [2]store.Store
	for i, side := range sides {
		s, err := openStore(ctx, side)
		if err != nil {
			return [2]store.Store{}, errors.Join(err, CloseStores(stores))
		}
		stores[i] = failing(s)
	}
	return stores, nil
}

// CloseStores closes the stores that have been opened.
func CloseStores(stores [2]store.Store) error {
	var errs []error
	for _, s := range stores {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}

// openStore opens the store for the scheme of a URL.
func openStore(ctx context.Context, at Address) (store.Store, error) {
	side := at.Side
	scheme, _, found := strings.Cut(at.URL, ":")
	if !found {
		return nil, &URLError{side, "its URL has no scheme", urlForms}
	}
	switch strings.ToLower(scheme) {
	case "sqlite":
		if at.Replication != "" {
			return nil, &URLError{side, "SQLite has no role of its own for the log", "take replication: out"}
		}
		s, err := sqlite.Open(ctx, at.URL)
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", side, err)
		}
		return s, nil
	case "postgres", "postgresql":
		if at.Replication == "" {
			at.Replication = at.URL
		}
		s, err := postgres.OpenAs(ctx, at.URL, at.Replication)
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", side, err)
		}
		return s, nil
	case "mysql", "mariadb":
		return nil, &URLError{side, scheme + " databases are not supported yet by this build", urlForms}
	}
	if _, err := url.Parse(scheme + ":"); err != nil {
		return nil, &URLError{side, "its URL has no scheme", urlForms} // what precedes the colon may be anything
	}
	return nil, &URLError{side, fmt.Sprintf("there is no kind of database %q", scheme), urlForms}
}

const urlForms = "write postgres://user:password@host:5432/database or sqlite:/path/file.db"
