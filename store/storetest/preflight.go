package storetest

import "github.com/dualwrite/dualwrite/store"

func preflightTests() []testCase {
	return []testCase{
		{"needs no ledger and changes nothing", preflightChangesNothing},
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
