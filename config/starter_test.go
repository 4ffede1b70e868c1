package config_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/config"
	"github.com/dualwrite/dualwrite/tablemap"
)

func TestTakePassword(t *testing.T) {
	t.Parallel()
	for address, want := range map[string][2]string{
		"postgres://u:secret@h:5432/db?sslmode=disable": {"postgres://u:${CRM_EU_PASSWORD}@h:5432/db?sslmode=disable", "secret"},
		"postgres://u:a:b@c@h/db":                       {"postgres://u:${CRM_EU_PASSWORD}@h/db", "a:b@c"},
		"postgres://u:p%40ss@h/db":                      {"postgres://u:${CRM_EU_PASSWORD}@h/db", "p%40ss"},
		"postgres://h/db?user=u&password=x&sslmode=on":  {"postgres://h/db?user=u&password=${CRM_EU_PASSWORD}&sslmode=on", "x"},
		"mysql://u:secret@h/db":                         {"mysql://u:${CRM_EU_PASSWORD}@h/db", "secret"},
		"postgres://u@h/db":                             {"postgres://u@h/db", ""},
		"postgres://u:@h/db":                            {"postgres://u:@h/db", ""},
		"postgres://u:${PW}@h/db":                       {"postgres://u:${PW}@h/db", ""},
		"${CRM_URL}":                                    {"${CRM_URL}", ""},
		"sqlite:/data/a:b@c.db":                         {"sqlite:/data/a:b@c.db", ""},
		"sqlite:///data/a:b@c.db":                       {"sqlite:///data/a:b@c.db", ""},
	} {
		got, secret := config.TakePassword("crm-eu", address)
		require.Equal(t, want[0], got)
		require.Equal(t, want[1], secret.Value, address)
		require.Equal(t, want[1] != "", secret.Variable != "", address)
	}
	_, secret := config.TakePassword("2nd", "postgres://u:x@h/db")
	require.Equal(t, "_2ND_PASSWORD", secret.Variable, "a name that the config takes")
}

// What a starter writes is read back as it was meant, whatever tables and columns are called.
func TestStarterIsRead(t *testing.T) {
	t.Parallel()
	hostile := []string{"plain", "null", "yes", "~", "1", "a: b", "#c", " d ", "e\"f", "g'h", "[i]", "{j}", "k\nl", "*m", "&n", "!o", "%p", "@q", "`r", "-s", "- t", "ü", "${X}"}
	s := config.Starter{Link: tablemap.Link{Name: "a-b", Sides: [2]string{"finops", "true"}, Master: tablemap.Right},
		URLs: [2]string{"postgres://u:${FINOPS_PASSWORD}@h/db", "sqlite:/data/crm.db"}, Notes: map[string][]string{"map-a": {"one\n  two", "three # four"}},
		Foot: []string{"left out: x\ny"}}
	for i, name := range hostile {
		pair := func(suffix string) [2]string { return [2]string{name + suffix, suffix + name} }
		m := tablemap.Map{Name: "map-" + string(rune('a'+i)), Tables: pair(""), Key: []tablemap.Column{{Names: pair("1")}, {Names: pair("2")}}}
		if i > 0 {
			m.Columns = []tablemap.Column{{Names: pair("3"), Direction: tablemap.LeftToRight}, {Names: pair("4")}}[:i%3]
			m.Related = []string{"map-a"}
		}
		s.Link.Maps = append(s.Link.Maps, m)
	}
	text, err := s.Text()
	require.NoError(t, err)
	file, err := config.Parse("dualwrite.yaml", text, func(name string) (string, bool) { return "secret", name == "FINOPS_PASSWORD" })
	require.NoError(t, err, text)
	require.Equal(t, s.Link, file.Link, text)
	require.Equal(t, [2]string{"postgres://u:secret@h/db", "sqlite:/data/crm.db"}, file.URLs)
	require.NotContains(t, text, "secret")
	require.Contains(t, text, "\n  # one two\n  # three # four\n  map-a:")
	require.Contains(t, text, "\n# left out: x y\n")
}
