-- The side of Dataverse, with its first rows.
-- Load it with: sqlite3 dataverse.db < dataverse.sql

CREATE TABLE transactioncurrency (
    transactioncurrencyid INTEGER PRIMARY KEY,
    isocurrencycode       TEXT NOT NULL UNIQUE,
    currencyname          TEXT NOT NULL
);

CREATE TABLE msdyn_customergroup (
    msdyn_customergroupid INTEGER PRIMARY KEY,
    msdyn_groupid         TEXT NOT NULL UNIQUE,
    msdyn_description     TEXT
);

CREATE TABLE contact (
    contactid       INTEGER PRIMARY KEY,
    accountnumber   TEXT NOT NULL UNIQUE,
    fullname        TEXT NOT NULL,
    customergroupid TEXT NOT NULL REFERENCES msdyn_customergroup (msdyn_groupid),
    currencycode    TEXT NOT NULL REFERENCES transactioncurrency (isocurrencycode),
    creditlimit     INTEGER NOT NULL DEFAULT 0 CHECK (creditlimit >= 0),
    emailaddress1   TEXT,
    partynumber     TEXT,
    statecode       INTEGER NOT NULL DEFAULT 0 CHECK (statecode IN (0, 1)),
    ownerid         INTEGER NOT NULL
);

INSERT INTO transactioncurrency (isocurrencycode, currencyname) VALUES
    ('EUR', 'Euro'), ('CHF', 'Swiss franc'), ('USD', 'US dollar'), ('JPY', 'Yen');

INSERT INTO msdyn_customergroup (msdyn_groupid, msdyn_description) VALUES
    ('40', 'Internet'), ('30', 'Retail'), ('20', 'Major accounts'), ('10', 'Wholesale'), ('50', 'Partners');

-- 8,000 contacts, C-02501 to C-10500. The other side has C-00001 to C-08000.
WITH RECURSIVE
    number (n) AS (SELECT 2501 UNION ALL SELECT n + 1 FROM number WHERE n < 10500),
    firm (i, name) AS (VALUES (0, 'Adatum'), (1, 'Contoso'), (2, 'Fabrikam'), (3, 'Litware'), (4, 'Northwind'),
        (5, 'Proseware'), (6, 'Tailspin')),
    trade (i, name) AS (VALUES (0, 'Foods'), (1, 'Textiles'), (2, 'Tools'), (3, 'Toys'), (4, 'Travel'))
INSERT INTO contact
    (accountnumber, fullname, customergroupid, currencycode, creditlimit, emailaddress1, partynumber, statecode, ownerid)
SELECT
    printf('C-%05d', n),
    printf('%s %s %d', firm.name, trade.name, n),
    printf('%d', 10 + 10 * (n % 4)),
    CASE n % 3 WHEN 0 THEN 'CHF' WHEN 1 THEN 'EUR' ELSE 'USD' END,
    1000 * (n % 50),
    printf('c%05d@example.com', n),
    CASE WHEN n <= 8000 THEN printf('P-%06d', n) END,
    CASE WHEN n % 200 = 7 THEN 1 ELSE 0 END,
    1 + n % 9
FROM number JOIN firm ON firm.i = n % 7 JOIN trade ON trade.i = n % 5
ORDER BY n DESC;

-- One that the other side does not take: its e-mail address is that of another customer there.
UPDATE contact SET emailaddress1 = 'c00100@example.com' WHERE accountnumber = 'C-09999';
