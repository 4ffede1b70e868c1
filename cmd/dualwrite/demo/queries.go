package demo

// What both sides are to agree on: the mapped columns, in the words of the left side.
const (
	leftCustomers = `SELECT CustomerAccount, OrganizationName, CustomerGroupId, SalesCurrencyCode, CreditLimit, Email, PartyNumber, Blocked
		FROM CustomersV3 ORDER BY CustomerAccount`
	rightCustomers = `SELECT accountnumber, fullname, customergroupid, currencycode, creditlimit, emailaddress1, partynumber,
		CASE statecode WHEN 0 THEN 'No' ELSE 'All' END FROM contact ORDER BY accountnumber`
	leftGroups      = `SELECT CustomerGroupId, Description FROM CustomerGroups ORDER BY CustomerGroupId`
	rightGroups     = `SELECT msdyn_groupid, msdyn_description FROM msdyn_customergroup ORDER BY msdyn_groupid`
	leftCurrencies  = `SELECT CurrencyCode, Name FROM Currencies ORDER BY CurrencyCode`
	rightCurrencies = `SELECT isocurrencycode, currencyname FROM transactioncurrency ORDER BY isocurrencycode`
	leftCount       = `SELECT count(*) FROM CustomersV3`
	rightCount      = `SELECT count(*) FROM contact`
)

// captures counts what dualwrite puts on the tables of an application, which has nothing like it of its own: triggers; on PostgreSQL
// tables that are published, or have another replica identity.
func (a *application) captures() string {
	if a.drop != nil {
		return `SELECT (SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal) + (SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace
			AND relkind = 'r' AND (relreplident <> 'd' OR oid IN (SELECT prrelid FROM pg_publication_rel)))`
	}
	return `SELECT count(*) FROM sqlite_master WHERE type = 'trigger'`
}

// leftOf and rightOf read one column of one customer.
func leftOf(column, account string) string {
	return "SELECT " + column + " FROM CustomersV3 WHERE CustomerAccount = '" + account + "'"
}

func rightOf(column, account string) string {
	return "SELECT " + column + " FROM contact WHERE accountnumber = '" + account + "'"
}
