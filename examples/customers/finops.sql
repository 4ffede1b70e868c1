-- The side of finance and operations, with its first rows.
-- Load it with: sqlite3 finops.db < finops.sql

CREATE TABLE Currencies (
    CurrencyCode TEXT NOT NULL PRIMARY KEY,
    Name         TEXT NOT NULL
);

CREATE TABLE CustomerGroups (
    CustomerGroupId TEXT NOT NULL PRIMARY KEY,
    Description     TEXT
);

CREATE TABLE CustomersV3 (
    RecId             INTEGER PRIMARY KEY,
    CustomerAccount   TEXT NOT NULL UNIQUE,
    OrganizationName  TEXT,
    CustomerGroupId   TEXT NOT NULL REFERENCES CustomerGroups (CustomerGroupId),
    SalesCurrencyCode TEXT NOT NULL REFERENCES Currencies (CurrencyCode),
    CreditLimit       INTEGER NOT NULL DEFAULT 0,
    Email             TEXT UNIQUE,
    PartyNumber       TEXT,
    Blocked           TEXT NOT NULL DEFAULT 'No' CHECK (Blocked IN ('No', 'All'))
);

INSERT INTO Currencies VALUES
    ('CHF', 'Swiss franc'), ('EUR', 'Euro'), ('GBP', 'Pound sterling'), ('USD', 'US dollar');

INSERT INTO CustomerGroups VALUES
    ('10', 'Wholesale'), ('20', 'Major accounts'), ('30', 'Retail'), ('40', 'Internet');

-- 8,000 customers, C-00001 to C-08000. The other side has C-02501 to C-10500.
WITH RECURSIVE
    number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 8000),
    firm (i, name) AS (VALUES (0, 'Adatum'), (1, 'Contoso'), (2, 'Fabrikam'), (3, 'Litware'), (4, 'Northwind'),
        (5, 'Proseware'), (6, 'Tailspin')),
    trade (i, name) AS (VALUES (0, 'Foods'), (1, 'Textiles'), (2, 'Tools'), (3, 'Toys'), (4, 'Travel'))
INSERT INTO CustomersV3
    (CustomerAccount, OrganizationName, CustomerGroupId, SalesCurrencyCode, CreditLimit, Email, PartyNumber, Blocked)
SELECT
    printf('C-%05d', n),
    printf('%s %s %d', firm.name, trade.name, n),
    printf('%d', 10 + 10 * (n % 4)),
    CASE n % 3 WHEN 0 THEN 'CHF' WHEN 1 THEN 'EUR' ELSE 'USD' END,
    1000 * (n % 50),
    printf('c%05d@example.com', n),
    printf('P-%06d', n),
    CASE WHEN n % 200 = 7 THEN 'All' ELSE 'No' END
FROM number JOIN firm ON firm.i = n % 7 JOIN trade ON trade.i = n % 5
ORDER BY n;

-- Every hundredth has another credit limit here than on the other side.
UPDATE CustomersV3 SET CreditLimit = CreditLimit + 500 WHERE CustomerAccount LIKE '%00';

-- Two that the other side does not take: one without a name, one with a credit limit below zero.
UPDATE CustomersV3 SET OrganizationName = NULL WHERE CustomerAccount = 'C-00042';
UPDATE CustomersV3 SET CreditLimit = -1 WHERE CustomerAccount = 'C-00777';
