package postgres_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/store/postgres/postgrestest"
	"github.com/dualwrite/dualwrite/store/storetest"
)

// remarksNow are the codes of what a diagnosis finds.
func (u *users) remarksNow(t *testing.T) []store.RemarkCode {
	t.Helper()
	c, err := u.store.Diagnose(t.Context())
	require.NoError(t, err)
	out := []store.RemarkCode{}
	for _, r := range c.Remarks {
		require.NotEmpty(t, r.Message)
		require.NotEmpty(t, r.Hint)
		out = append(out, r.Code)
	}
	return out
}

// A slot that nobody reads, one that is gone while tables are captured, and one that is left when none is.
func TestDiagnoseSlots(t *testing.T) {
	t.Parallel()
	const drop = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()"
	u := newUsers(t)
	require.NoError(t, u.exec("CREATE TABLE items (id int PRIMARY KEY)"))
	require.NoError(t, u.store.Capture(t.Context(), *u.relation(t, "items")))
	require.Equal(t, []store.RemarkCode{store.RemarkLogUnread}, u.remarksNow(t))
	require.NoError(t, u.exec(drop))
	require.Equal(t, []store.RemarkCode{store.RemarkLogLost}, u.remarksNow(t))

	require.NoError(t, u.exec("ALTER TABLE items REPLICA IDENTITY DEFAULT"))
	require.Equal(t, []store.RemarkCode{store.RemarkCaptureChanged, store.RemarkLogLost}, u.remarksNow(t))

	require.NoError(t, u.store.Release(t.Context(), "public.items"))
	require.Empty(t, u.remarksNow(t))
	u.leaveSlot(t)
	require.Equal(t, []store.RemarkCode{store.RemarkSlotIdle}, u.remarksNow(t))
	require.NoError(t, u.store.Release(t.Context()))
	require.Empty(t, u.remarksNow(t))
}

// A log that is read and kept all the same, a transaction that stays open, and the slot of another database that nobody reads.
func TestDiagnoseWhatKeepsLog(t *testing.T) {
	t.Parallel()
	u, other := newUsers(t), newUsers(t)
	for _, o := range []*users{u, other} {
		require.NoError(t, o.exec("CREATE TABLE items (id int PRIMARY KEY)"))
		require.NoError(t, o.store.Capture(t.Context(), *o.relation(t, "items")))
	}
	log, err := u.store.Open(t.Context(), "")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, log.Close()) })
	require.Empty(t, u.remarksNow(t))

	u.store.BeImpatient()
	require.Subset(t, u.remarksNow(t), []store.RemarkCode{store.RemarkLogHeld, store.RemarkSlotElsewhere})
	require.NotContains(t, u.remarksNow(t), store.RemarkTransaction)
	tx, err := u.begin()
	require.NoError(t, err)
	require.NoError(t, tx.Exec(storetest.Statement{Op: store.Insert, Table: "items", Set: storetest.Values{"id": store.Int(1)}}))
	require.Contains(t, u.remarksNow(t), store.RemarkTransaction)
	require.NoError(t, tx.Rollback())
}

// A certificate that ends soon is told of, one that does not is not.
func TestDiagnoseCertificate(t *testing.T) {
	t.Parallel()
	c, _ := own(t, nil, "")
	for days, want := range map[int][]store.RemarkCode{10: {store.RemarkCertificate}, 20: {}} {
		certify(t, c, time.Duration(days)*24*time.Hour)
		u := &users{url: strings.Replace(c.URL("postgres"), "sslmode=disable", "sslmode=require", 1)}
		require.NoError(t, u.open())
		require.Equal(t, want, u.remarksNow(t))
		require.NoError(t, u.store.Close())
	}
	plain := &users{url: c.URL("postgres")}
	require.NoError(t, plain.open())
	require.Empty(t, plain.remarksNow(t), "no TLS")
	require.NoError(t, plain.store.Close())
}

// certify gives a server a certificate that is valid for so long, and has it talk TLS.
func certify(t *testing.T, c *postgrestest.Cluster, valid time.Duration) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(valid)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	data := filepath.Join(c.Folder(), "data")
	owner, err := os.Stat(data)
	require.NoError(t, err)
	for name, block := range map[string]*pem.Block{"server.crt": {Type: "CERTIFICATE", Bytes: certificate}, "server.key": {Type: "PRIVATE KEY", Bytes: private}} {
		path := filepath.Join(data, name)
		require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(block), 0o600))
		of := owner.Sys().(*syscall.Stat_t)
		require.NoError(t, os.Chown(path, int(of.Uid), int(of.Gid)))
	}
	u := &users{url: c.URL("postgres")}
	require.NoError(t, u.exec("ALTER SYSTEM SET ssl = on"))
	require.NoError(t, c.Stop(postgrestest.Fast))
	require.NoError(t, c.Run())
}
