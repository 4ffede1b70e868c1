package worker

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/dualwrite/dualwrite/store"
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

// OpenStores opens the databases of a link by their URLs, the left side first. The names of the sides are for errors.
func OpenStores(ctx context.Context, sides, urls [2]string) ([2]store.Store, error) {
	var stores [2]store.Store
	for i, side := range sides {
		s, err := openStore(ctx, side, urls[i])
		if err != nil {
			return [2]store.Store{}, errors.Join(err, CloseStores(stores))
		}
		stores[i] = s
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
func openStore(ctx context.Context, side, address string) (store.Store, error) {
	scheme, _, found := strings.Cut(address, ":")
	if !found {
		return nil, &URLError{side, "its URL has no scheme", urlForms}
	}
	switch strings.ToLower(scheme) {
	case "sqlite":
		s, err := sqlite.Open(ctx, address)
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", side, err)
		}
		return s, nil
	case "postgres", "postgresql", "mysql", "mariadb":
		return nil, &URLError{side, scheme + " databases are not supported yet by this build", "use a SQLite file: sqlite:/path/file.db"}
	}
	if _, err := url.Parse(scheme + ":"); err != nil {
		return nil, &URLError{side, "its URL has no scheme", urlForms} // what precedes the colon may be anything
	}
	return nil, &URLError{side, fmt.Sprintf("there is no kind of database %q", scheme), urlForms}
}

const urlForms = "write sqlite:/path/file.db"
