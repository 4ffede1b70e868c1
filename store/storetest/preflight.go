package storetest

import "github.com/dualwrite/dualwrite/store"

func preflightTests() []testCase {
	return []testCase{
		{"needs no ledger and changes nothing", preflightChangesNothing},
		{"a diagnosis lists captured tables, and finds nothing wrong with them", diagnosisWell},
		{"a diagnosis finds a table that has lost its capture", diagnosisUncaptured},
	}
}

func preflightChangesNothing(b *bundle) {
	b.create(items())
	before := b.table("items")
	rel := b.relation("items", 1, "id", "name")
	use := store.Use{Relation: rel, Captured: true, Written: true}
	first, err := b.Store.Preflight(b.ctx, use)
	b.must(err)
	again, err := b.Store.Preflight(b.ctx, use)
	b.must(err)
	b.want("remarks", again, first)
	for _, r := range first {
		if r.Code == "" || r.Message == "" || r.Hint == "" || (r.Table != "" && r.Table != rel.Table) {
			b.Fatalf("a remark is incomplete: %+v", r)
		}
	}
	b.want("table", b.table("items"), before)
	b.capture(rel)
	later, err := b.Store.Preflight(b.ctx, use)
	b.must(err)
	b.want("remarks on a captured table", later, first)
}

func diagnosisWell(b *bundle) {
	before, err := b.Store.Diagnose(b.ctx)
	b.must(err)
	b.want("condition without a ledger", before, store.Condition{})
	rel := b.followItems()
	for range 2 { // the second shows that the first changed nothing
		c, err := b.Store.Diagnose(b.ctx)
		b.must(err)
		b.want("remarks", len(c.Remarks), 0)
		b.want("captured tables", len(c.Captured), 1)
		found, err := b.Store.Describe(b.ctx, c.Captured...)
		b.must(err)
		b.want("captured table", found[c.Captured[0]].Name, c.Captured[0])
	}
	b.must(b.retry(func() error { return b.Store.Release(b.ctx, rel.Table) }))
	after, err := b.Store.Diagnose(b.ctx)
	b.must(err)
	b.want("captured tables after the release", len(after.Captured), 0)
}

func diagnosisUncaptured(b *bundle) {
	if b.Uncapture == nil {
		return
	}
	b.followItems()
	b.must(b.Uncapture("items"))
	c, err := b.Store.Diagnose(b.ctx)
	b.must(err)
	if len(c.Remarks) != 1 || c.Remarks[0].Code != store.RemarkCaptureChanged || c.Remarks[0].Hint == "" {
		b.Fatalf("remarks: %+v", c.Remarks)
	}
}
