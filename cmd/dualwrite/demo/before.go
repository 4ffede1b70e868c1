package demo

import (
	"slices"
	"strings"
)

// firstRows is how many customers each side begins with, allRows how many there are on either.
const (
	firstRows = 8000
	allRows   = 10500
)

func (t *teller) twoDatabases() {
	t.chapter("Two applications, two databases")
	t.say(t.left.file + " belongs to a finance system, " + t.right.file + " to a CRM. Both have customers, and name them differently.")
	t.holds(t.number(t.left, leftCount) == firstRows && t.number(t.right, rightCount) == firstRows,
		"each side has 8,000 customers: 2,500 only finops has, 2,500 only dataverse has, 5,500 are on both sides")
	different := differences(t.rows(t.left, leftCustomers), t.rows(t.right, rightCustomers))
	t.holds(different == 55, "of those on both sides 55 differ: another credit limit")
	t.say("dualwrite.yaml pairs the tables: CustomerAccount is accountnumber. dataverse is the master, which wins where both differ.")
}

// differences counts the rows of the same account that differ. Accounts are as long as each other and come first.
func differences(left, right []string) int {
	const account = len("C-00000")
	n := 0
	for _, row := range left {
		at, found := slices.BinarySearchFunc(right, row[:account], func(r, a string) int {
			return strings.Compare(r[:account], a)
		})
		if found && right[at] != row {
			n++
		}
	}
	return n
}

func (t *teller) before() {
	t.chapter("Every map begins at Not running")
	t.command(0, "check")
	t.command(0, "list")
	for _, name := range []string{"currencies", "customer-groups", "customers"} {
		t.stands(name, "Not running")
	}
	t.write(t.left, "UPDATE CustomersV3 SET Email = 'new@example.com' WHERE CustomerAccount = 'C-03000'")
	t.holds(t.text(t.right, rightOf("emailaddress1", "C-03000")) == "c03000@example.com", "nothing flows: a change on finops does not reach dataverse")
	t.untouched("neither database has anything of ours on its tables")
}

func (t *teller) relatedMaps() {
	t.chapter("What customers depend on")
	t.command(0, "related customers")
	var related []struct{ Map string }
	t.ask(&related, "related customers")
	var names []string
	for _, r := range related {
		names = append(names, r.Map)
	}
	slices.Sort(names)
	t.holds(slices.Equal(names, []string{"currencies", "customer-groups"}), "found by the foreign keys: customer groups and currencies")
}
