package postgres

import (
	"context"

	"github.com/dualwrite/dualwrite/store"
)

// BeImpatient makes diagnoses speak of any log that is kept and of any transaction that is open.
func (s *Store) BeImpatient() { s.patience = patience{held: -1, open: "0", ends: usualPatience.ends} }

// SettingIn is a setting of a view's session.
func SettingIn(ctx context.Context, v store.View, name string) (string, error) {
	return v.(*View).c.text(ctx, "SELECT pg_catalog.current_setting($1)", textParam(name))
}

// Setting is one of a session outside of views.
func (s *Store) Setting(ctx context.Context, name string) (value string, err error) {
	err = s.reading(ctx, func(c *session) error {
		value, err = c.text(ctx, "SELECT pg_catalog.current_setting($1)", textParam(name))
		return err
	})
	return value, err
}
