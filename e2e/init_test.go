package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

// A config made by init runs as it is: tables paired by name, keys, related maps; what cannot be mapped is left out. A
// preview says beforehand what the run then does, and changes nothing.
func TestAcceptanceInitAndPreview(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, initAndPreview, harness.Postgres, harness.PostgresSQLite)
}

func initAndPreview(t *testing.T, pair harness.Pair) {
	l := harness.New(t, harness.Setup{Pair: pair, Left: shop + goods + `CREATE TABLE alone (id INTEGER NOT NULL PRIMARY KEY);
		CREATE TABLE keyless (note TEXT);`, Right: shop + `CREATE TABLE keyless (note TEXT);
		INSERT INTO currency VALUES ('EUR', 'Euro!'), ('CHF', 'Swiss franc');`, Maps: "currency: {}"})
	sides := []string{"--left", "finops=" + l.Left.URL(), "--right", "dataverse=" + l.Right.URL()}
	before, err := os.ReadFile(l.Config)
	require.NoError(t, err)
	mistake{2, "config_exists", "already", "--force"}.says(t, l, append([]string{"init"}, sides...)...)
	after, err := os.ReadFile(l.Config)
	require.NoError(t, err)
	require.Equal(t, string(before), string(after), "a config is not overwritten")
	mistake{2, "usage", "--right", "finops=postgres"}.says(t, l, "init", "--force", sides[0], sides[1])
	mistake{2, "usage", "same database", "its own"}.says(t, l, "init", "--force", sides[0], sides[1], "--right", "dataverse="+l.Left.URL())

	var made struct {
		Config  string
		Maps    []string
		LeftOut []struct{ Side, Table, Reason string }
	}
	l.Read(&made, append([]string{"init", "--force"}, sides...)...)
	require.Equal(t, l.Config, made.Config)
	require.ElementsMatch(t, []string{"grp", "currency", "pricelist", "customer", "orders"}, made.Maps)
	require.Less(t, indexOf(made.Maps, "customer"), indexOf(made.Maps, "orders"), "parents first")
	require.Len(t, made.LeftOut, 2)
	l.Readdress("link: finops-dataverse", "link: "+l.Name) // the server is shared
	l.Do("check")

	var planned struct{ OnlyLeft, OnlyRight, Different, Equal int }
	l.Read(&planned, "preview", "currency")
	require.Equal(t, [4]int{1, 1, 1, 0}, [4]int{planned.OnlyLeft, planned.OnlyRight, planned.Different, planned.Equal})
	require.Contains(t, l.Do("preview", "currency"), "a run would give 1 row of finops the values of dataverse")
	l.Work()
	l.Do("run", "orders", "--related")
	stands(t, l, "orders Running, customer Running, grp Running, currency Running")
	require.Equal(t, []string{"CHF", "EUR", "USD"}, l.Left.Rows("SELECT code FROM currency ORDER BY code"))
	require.Equal(t, "Euro!", l.Left.Text("SELECT name FROM currency WHERE code = 'EUR'"))
	l.Read(&planned, "preview", "orders")
	require.Equal(t, [4]int{0, 0, 0, 1000}, [4]int{planned.OnlyLeft, planned.OnlyRight, planned.Different, planned.Equal})
}

func indexOf(list []string, one string) int {
	for i, name := range list {
		if name == one {
			return i
		}
	}
	return -1
}

// No password gets into a config that init writes, nor into what it says; the config wants it from the environment.
func TestInitKeepsPasswordsOut(t *testing.T) {
	t.Parallel()
	l := harness.New(t, harness.Setup{Pair: harness.Postgres, Left: shop, Right: shop, Maps: "currency: {}"})
	url := strings.Replace(l.Left.URL(), "@", ":canary%2F17@", 1)
	require.Contains(t, url, "canary", "the server trusts whoever connects, so any password will do")
	path := filepath.Join(l.Folder, "new.yaml")
	r := l.Exits(0, "init", "--config", path, "--left", "fin-ops="+url, "--right", "dataverse="+l.Right.URL())
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NotContains(t, r.Out+r.Err+string(text), "canary")
	require.Contains(t, string(text), ":${FIN_OPS_PASSWORD}@")
	require.Contains(t, r.Out, "FIN_OPS_PASSWORD")
	require.Contains(t, l.Exits(2, "check", "--config", path).Err, "FIN_OPS_PASSWORD")
	r = l.Exits(1, "init", "--config", filepath.Join(l.Folder, "other.yaml"), "--left", "finops=postgres://u:canary@127.0.0.1:1/db", "--right", "dataverse="+l.Right.URL())
	require.NotContains(t, r.Err, "canary")
	require.Len(t, strings.Split(strings.TrimSpace(r.Err), "\n"), 2, "a sentence and its mend: %s", r.Err)
	require.NoFileExists(t, filepath.Join(l.Folder, "other.yaml"))
}
