// Package dualwrite_test holds the layout of the tree to what ARCHITECTURE.md says of it.
package dualwrite_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/dualwrite/dualwrite/"

// rule says what packages may import of ours, and what must not be among their dependencies at all.
type rule struct {
	folder string   // and everything below it that has no rule of its own
	ours   []string // folders of ours that may be imported; with "/..." what is below them too
	never  []string // beginnings of import paths that must not be reached, not even through others
	why    string
}

func rules() []rule {
	const temporal, sqlite, pgx = "go.temporal.io/", "modernc.org/", "github.com/jackc/"
	return []rule{
		{"tablemap", nil, []string{temporal, sqlite}, "tablemap holds the words of the product, which every other package uses"},
		{"config", []string{"tablemap"}, []string{temporal, sqlite}, "config turns YAML into tablemap and knows nothing else"},
		{"store", []string{"tablemap"}, []string{temporal, sqlite}, "store is the contract: it knows no database and no orchestration"},
		{"store/storetest", []string{"store", "tablemap"}, []string{temporal, sqlite}, "the behaviour suite must fit every store, so it knows none"},
		{"store/memory", []string{"store", "tablemap"}, []string{temporal, sqlite}, "a store knows the contract only: never Temporal, never another store"},
		{"store/sqlite", []string{"store", "tablemap"}, []string{temporal}, "a store knows the contract only: never Temporal, never another store"},
		{"store/postgres", []string{"store", "tablemap"}, []string{temporal, sqlite}, "a store knows the contract only: never Temporal, never another store"},
		{"store/postgres/postgrestest", nil, []string{temporal, sqlite}, "throw-away servers know nothing of what is tested on them"},
		{"replication", []string{"store", "tablemap"}, []string{temporal, sqlite, pgx, module + "store/"},
			"the engine reaches databases through package store only and is driven by whoever steps it, so that it can be simulated"},
		{"workflows", []string{"tablemap"}, []string{sqlite, module + "store", module + "replication"},
			"workflows are deterministic: they reach the engine by the methods of tablemap.Activities only"},
		{"workflows/workflowstest", []string{"tablemap", "workflows"}, []string{module + "replication"}, "tests of workflows need no engine"},
		{"activities", []string{"replication", "store", "tablemap"}, []string{module + "workflows", module + "store/"},
			"activities are Temporal's view of the engine, and nothing else"},
		{"starter", []string{"tablemap", "workflows"}, []string{module + "replication", module + "store"},
			"starter speaks to Temporal only, so that anything may command maps"},
		{"worker", []string{"activities", "config", "replication", "starter", "store/...", "tablemap", "workflows"}, nil,
			"worker wires everything below the program"},
		{"cmd/dualwrite", []string{"activities", "cmd/dualwrite/...", "config", "examples/...", "replication", "starter", "store", "tablemap",
			"worker", "workflows"}, nil, "the program names no store: worker opens them"},
		{"cmd/dualwrite/devserver", nil, []string{temporal}, "devserver runs a process and knows no client of it"},
		{"examples", nil, nil, "examples are files to read"},
		{"bench", []string{"e2e/harness", "store/postgres/postgrestest"}, nil, "benchmarks use the built program, as end-to-end tests do"},
		{"e2e/checker", nil, []string{temporal, sqlite, pgx}, "the checker judges the engine and must not share its mistakes"},
		{"e2e/converge", []string{"e2e/checker", "e2e/harness", "store/postgres/postgrestest"}, nil, "the convergence test uses the built program, as end-to-end tests do"},
		{"e2e", []string{"cmd/dualwrite/devserver", "e2e/harness", "store/postgres/postgrestest"}, nil, "end-to-end tests use the built program: of ours nothing but what starts Temporal"},
	}
}

// pkg is what `go list -json` says of a package.
type pkg struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func TestImports(t *testing.T) {
	t.Parallel()
	all := rules()
	for _, p := range list(t) {
		if p.ImportPath+"/" == module { // this test
			continue
		}
		folder := strings.TrimPrefix(p.ImportPath, module)
		r := ruleOf(all, folder)
		require.NotEmpty(t, r.folder, "%s has no rule: say in layout_test.go and ARCHITECTURE.md what it may import", folder)
		for _, imported := range p.Imports {
			ours, found := strings.CutPrefix(imported, module)
			if found && !r.allows(ours) {
				t.Errorf("%s imports %s: %s", folder, ours, r.why)
			}
		}
		for _, dep := range p.Deps {
			for _, never := range r.never {
				if strings.HasPrefix(dep, never) {
					t.Errorf("%s depends on %s: %s", folder, dep, r.why)
				}
			}
		}
	}
}

// allows reports whether a folder of ours may be imported.
func (r rule) allows(folder string) bool {
	for _, ours := range r.ours {
		base, below := strings.CutSuffix(ours, "/...")
		if folder == base || below && strings.HasPrefix(folder, base+"/") {
			return true
		}
	}
	return false
}

// ruleOf is the rule of the nearest folder.
func ruleOf(all []rule, folder string) rule {
	for ; folder != "."; folder = path.Dir(folder) {
		for _, r := range all {
			if r.folder == folder {
				return r
			}
		}
	}
	return rule{}
}

func list(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", "./...").Output()
	require.NoError(t, err, "go list")
	var packages []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		packages = append(packages, p)
	}
	require.NotEmpty(t, packages)
	return packages
}

// TestSteppable: the engine and the reference store start no goroutine and read no clock, so that a seeded scheduler
// can step them and every run of a seed is the same.
func TestSteppable(t *testing.T) {
	t.Parallel()
	clocks := []string{"time.Now", "time.Since", "time.Sleep", "time.After", "time.NewTimer", "time.NewTicker", "time.AfterFunc"}
	for name, file := range sources(t, "replication") {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s starts a goroutine, which no scheduler could step", name)
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && slices.Contains(clocks, x.Name+"."+n.Sel.Name) {
					t.Errorf("%s uses %s.%s: time comes in by Engine.Now", name, x.Name, n.Sel.Name)
				}
			}
			return true
		})
	}
}

// sources are the parsed files of one folder, less its tests.
func sources(t *testing.T, folder string) map[string]*ast.File {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "*.go"))
	require.NoError(t, err)
	files := map[string]*ast.File{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		files[name], err = parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
	}
	return files
}

// TestArchitecture: what ARCHITECTURE.md names in `code` exists. A name with a slash is a path; a name of the form
// package.Symbol or package.Type.Method, where we have the package, is one of its symbols.
func TestArchitecture(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("ARCHITECTURE.md")
	require.NoError(t, err)
	require.LessOrEqual(t, bytes.Count(text, []byte("\n")), 200, "ARCHITECTURE.md is read in one go: at most 200 lines")
	exported := symbols(t)
	isPath := regexp.MustCompile(`^[a-z0-9_.-]+(/[A-Za-z0-9_.*-]*)+$`)
	isSymbol := regexp.MustCompile(`^([a-z]+)(\.[A-Z][A-Za-z0-9]*){1,2}$`)
	found := 0
	for _, name := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(string(text), -1) {
		switch m := isSymbol.FindStringSubmatch(name[1]); {
		case m != nil && exported[m[1]] != nil:
			found++
			require.Contains(t, exported[m[1]], strings.TrimPrefix(name[1], m[1]+"."), "ARCHITECTURE.md names %s", name[1])
		case isPath.MatchString(name[1]):
			found++
			matches, err := filepath.Glob(name[1])
			require.NoError(t, err)
			require.NotEmpty(t, matches, "ARCHITECTURE.md names %s, which is not there", name[1])
		}
	}
	require.Greater(t, found, 30, "names in ARCHITECTURE.md")
}

// symbols are the exported names of every package, by the package's name: Symbol, Type.Method.
func symbols(t *testing.T) map[string]map[string]bool {
	t.Helper()
	all := map[string]map[string]bool{}
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !entry.IsDir() || name == "tools" || strings.HasPrefix(name, ".git") || entry.Name() == "testdata" {
			if entry.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		for _, file := range sources(t, name) {
			if all[file.Name.Name] == nil {
				all[file.Name.Name] = map[string]bool{}
			}
			for _, d := range file.Decls {
				declared(d, all[file.Name.Name])
			}
		}
		return nil
	})
	require.NoError(t, err)
	return all
}

// declared adds the names of a declaration.
func declared(d ast.Decl, names map[string]bool) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		name := d.Name.Name
		if d.Recv != nil {
			receiver := d.Recv.List[0].Type
			if star, ok := receiver.(*ast.StarExpr); ok {
				receiver = star.X
			}
			if of, ok := receiver.(*ast.Ident); ok {
				name = of.Name + "." + name
			}
		}
		names[name] = true
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.ValueSpec:
				for _, n := range s.Names {
					names[n.Name] = true
				}
			case *ast.TypeSpec:
				names[s.Name.Name] = true
				members(s, names)
			}
		}
	}
}

// members adds the methods of an interface and the fields of a struct.
func members(s *ast.TypeSpec, names map[string]bool) {
	var list *ast.FieldList
	switch of := s.Type.(type) {
	case *ast.InterfaceType:
		list = of.Methods
	case *ast.StructType:
		list = of.Fields
	default:
		return
	}
	for _, field := range list.List {
		for _, n := range field.Names {
			names[s.Name.Name+"."+n.Name] = true
		}
	}
}

// TestChecksAreDocumented: what `check` can find is in docs/checks.md, with the same severity.
func TestChecksAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/checks.md")
	require.NoError(t, err)
	golden, err := os.ReadFile("replication/testdata/findings.golden")
	require.NoError(t, err)
	for line := range strings.Lines(string(golden)) {
		code, severity, _ := strings.Cut(strings.TrimSpace(line), " ")
		require.Contains(t, string(page), "\n| `"+code+"` | "+severity+" |", "docs/checks.md")
	}
}

// TestLinks: what a page links to in the tree is there.
func TestLinks(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)#]+)[^)]*\)`)
	pages := 0
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md", "examples/*/*.md"} {
		names, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, name := range names {
			pages++
			text, err := os.ReadFile(name)
			require.NoError(t, err)
			for _, m := range link.FindAllStringSubmatch(string(text), -1) {
				if strings.Contains(m[1], "://") {
					continue
				}
				_, err := os.Stat(filepath.Join(filepath.Dir(name), m[1]))
				require.NoError(t, err, "%s links to %s", name, m[1])
			}
		}
	}
	require.Greater(t, pages, 10)
}

// TestRootStaysSmall counts what `ls` shows of a fresh clone.
func TestRootStaysSmall(t *testing.T) {
	t.Parallel()
	ignored, err := os.ReadFile(".gitignore")
	require.NoError(t, err)
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	var root []string
	for _, e := range entries {
		if name := e.Name(); name[0] != '.' && !strings.Contains("\n"+string(ignored), "\n/"+name) {
			root = append(root, name)
		}
	}
	require.Less(t, len(root), 26, "a newcomer reads the root of the tree first: %v", root)
}
