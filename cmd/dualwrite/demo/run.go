package demo

import "slices"

func (t *teller) firstRun() {
	t.chapter("Run customers with its related maps: copy both ways, then write live")
	t.command(4, "run customers --related")
	t.stands("currencies", "Running")
	t.stands("customer-groups", "Running")
	t.holds(true, "the parents have run first, and are Running")
	s := t.stands("customers", "Not running")
	t.holds(s.InitialSync.State == "failed", "some customers break a constraint of the other side: the exit code is 4, the map is Not running")
	t.holds(t.text(t.left, leftOf("CreditLimit", "C-05000")) == t.text(t.right, rightOf("creditlimit", "C-05000")),
		"where both sides differed, both now have what the master had")
	t.holds(t.number(t.left, leftCount) == allRows-1 && t.number(t.right, rightCount) == allRows-2, "every good row is on both sides all the same")
}

func (t *teller) failedRows() {
	t.chapter("The failed rows, each with its reason")
	t.command(0, "errors customers")
	var failures []struct {
		Code, Column string
		Key          map[string]any
	}
	t.ask(&failures, "errors customers")
	var codes []string
	for _, f := range failures {
		codes = append(codes, f.Code)
	}
	slices.Sort(codes)
	t.holds(slices.Equal(codes, []string{"check", "not_null", "unique"}), "three rows: one without a name, one with a credit limit below zero, one with another's e-mail address")
}

func (t *teller) fixAndRerun() {
	t.chapter("Fix the causes, run again")
	t.write(t.left, "UPDATE CustomersV3 SET OrganizationName = 'Adatum Tools 42' WHERE CustomerAccount = 'C-00042'",
		"UPDATE CustomersV3 SET CreditLimit = 27000 WHERE CustomerAccount = 'C-00777'")
	t.write(t.right, "UPDATE contact SET emailaddress1 = 'c09999@example.com' WHERE accountnumber = 'C-09999'")
	t.command(0, "run customers")
	s := t.stands("customers", "Running")
	written := int64(0)
	for _, l := range s.InitialSync.Legs {
		written += l.Inserted + l.Updated
	}
	t.holds(written <= 3, "the rerun wrote only what was missing")
	t.agree()
}

// agree checks that both sides have the same customers, by the applications' own reading.
func (t *teller) agree() {
	left, right := t.rows(t.left, leftCustomers), t.rows(t.right, rightCustomers)
	t.holds(len(left) > 0 && slices.Equal(left, right), "both sides have the same %d customers, column by column", len(left))
}

func (t *teller) live() {
	t.chapter("Live, in both directions")
	t.write(t.left, "UPDATE CustomersV3 SET CreditLimit = 99000 WHERE CustomerAccount = 'C-00001'")
	took := t.becomes(t.right, rightOf("creditlimit", "C-00001"), "99000")
	t.holds(true, "dataverse has it %.0f ms later", float64(took.Microseconds())/1000)
	t.write(t.right, "INSERT INTO contact (accountnumber, fullname, customergroupid, currencycode, ownerid) VALUES ('C-20000', 'Wingtip Toys', '50', 'JPY', 3)")
	took = t.becomes(t.left, leftOf("OrganizationName", "C-20000"), "Wingtip Toys")
	t.holds(true, "finops has it %.0f ms later", float64(took.Microseconds())/1000)
}
