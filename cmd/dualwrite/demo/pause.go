package demo

import (
	"cmp"
	"fmt"
	"time"
)

func (t *teller) pause() {
	t.chapter("Pause: changes are queued")
	t.command(0, "pause customers")
	t.write(t.left, "UPDATE CustomersV3 SET CreditLimit = 1 WHERE CustomerAccount = 'C-00002'",
		"UPDATE CustomersV3 SET CreditLimit = 2 WHERE CustomerAccount = 'C-00002'",
		"DELETE FROM CustomersV3 WHERE CustomerAccount = 'C-00003'")
	t.write(t.right, "UPDATE contact SET fullname = 'Renamed in the CRM' WHERE accountnumber = 'C-00004'")
	t.say("And the same customer in both, so that they contradict each other:")
	t.write(t.left, "UPDATE CustomersV3 SET OrganizationName = 'Named by finops' WHERE CustomerAccount = 'C-00005'")
	t.write(t.right, "UPDATE contact SET fullname = 'Named by dataverse' WHERE accountnumber = 'C-00005'")
	t.queued(4, 2)
	t.command(0, "status customers")
	t.stands("customers", "Paused")
	t.holds(t.text(t.right, rightOf("creditlimit", "C-00002")) == "2000" &&
		t.text(t.left, leftOf("OrganizationName", "C-00003")) != t.text(t.right, rightOf("fullname", "C-00003")),
		"nothing has arrived: 4 changes wait on the way to dataverse, 2 on the way to finops")
}

// queued waits until that many changes of customers are queued in each direction.
func (t *teller) queued(toRight, toLeft int64) {
	const every = 100 * time.Millisecond
	for began := time.Now(); t.err == nil; t.wait(every) {
		s := t.status("customers")
		if len(s.Streams) == 2 && s.Streams[0].Queued == toRight && s.Streams[1].Queued == toLeft {
			return
		}
		if t.err == nil && time.Since(began) > patience {
			t.fail("the queues of customers hold %+v, not %d and %d changes", s.Streams, toRight, toLeft)
		}
	}
}

func (t *teller) resume() {
	t.chapter("Resume: the queue is played back, in order")
	t.command(0, "resume customers")
	t.stands("customers", "Running")
	t.holds(t.text(t.right, rightOf("creditlimit", "C-00002")) == "2", "C-00002 has its last credit limit")
	t.holds(t.number(t.right, "SELECT count(*) FROM contact WHERE accountnumber = 'C-00003'") == 0, "C-00003 is deleted on dataverse too")
	t.holds(t.text(t.left, leftOf("OrganizationName", "C-00004")) == "Renamed in the CRM", "C-00004 has its new name on finops too")
	t.queued(0, 0)
}

func (t *teller) conflict() {
	t.chapter("The conflict: the master wins, and nothing is lost")
	t.becomes(t.left, leftOf("OrganizationName", "C-00005"), "Named by dataverse")
	t.command(0, "conflicts customers --limit 1")
	var conflicts []struct {
		Winner          string
		Winning, Losing map[string]any
	}
	t.ask(&conflicts, "conflicts customers --limit 1")
	t.holds(len(conflicts) == 1 && conflicts[0].Winner == "dataverse" && conflicts[0].Winning["fullname"] == "Named by dataverse" &&
		fmt.Sprint(cmp.Or(conflicts[0].Losing["OrganizationName"], conflicts[0].Losing["organizationname"])) == "Named by finops", "dataverse has won; both images are kept")
	t.say("`dualwrite conflicts customers --restore ID` would write the loser back as a new change.")
}

func (t *teller) verify() {
	t.chapter("Compare both sides, while they are live")
	for _, name := range []string{"currencies", "customer-groups", "customers"} {
		t.command(0, "verify "+name)
	}
	t.agree()
}

func (t *teller) stop() {
	t.chapter("Stop")
	t.command(0, "stop customers --related")
	t.untouched("nothing of ours is left on the tables; the data stays")
}
