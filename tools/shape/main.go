// Command shape holds Go source to the limits of the house style that can be measured, and prints what is beyond them:
// lines of a file and of a function, parameters, init functions, and tests that sleep or skip.
//
//	shape FOLDER…
package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// The limits.
const (
	fileLines     = 400
	functionLines = 60
	testLines     = 100 // of a function in a test file: tables of cases are long, not hard to read
	parameters    = 4   // after a context and a *testing.T, before a variadic list
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout))
}

// run looks at every Go file below the folders and returns the exit code.
func run(folders []string, out io.Writer) int {
	s := &shape{files: token.NewFileSet()}
	for _, folder := range folders {
		if err := filepath.WalkDir(folder, s.visit); err != nil {
			s.found = append(s.found, err.Error())
		}
	}
	for _, text := range s.found {
		fmt.Fprintln(out, text)
	}
	if len(s.found) > 0 || s.seen == 0 {
		fmt.Fprintf(out, "shape: %d findings in %d files\n", len(s.found), s.seen)
		return 1
	}
	return 0
}

// shape is a look at source files under way.
type shape struct {
	files *token.FileSet
	found []string
	seen  int
}

func (s *shape) visit(path string, entry fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	name := entry.Name()
	if entry.IsDir() && (name == "testdata" || name != "." && name != ".." && name[0] == '.') {
		return filepath.SkipDir
	}
	if entry.IsDir() || !strings.HasSuffix(name, ".go") {
		return nil
	}
	file, err := parser.ParseFile(s.files, path, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	s.seen++
	s.file(file, strings.HasSuffix(name, "_test.go"))
	return nil
}

func (s *shape) file(file *ast.File, test bool) {
	if n := s.files.File(file.Pos()).LineCount(); n > fileLines {
		s.say(file.Pos(), "file of %d lines, at most %d", n, fileLines)
	}
	lines := functionLines
	if test {
		lines = testLines
	}
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok {
			s.function(f, lines)
		}
	}
	if test {
		ast.Inspect(file, s.call)
	}
}

func (s *shape) function(f *ast.FuncDecl, lines int) {
	if n := s.files.Position(f.End()).Line - s.files.Position(f.Pos()).Line + 1; n > lines {
		s.say(f.Pos(), "%s has %d lines, at most %d", f.Name.Name, n, lines)
	}
	if n := counted(f.Type.Params); n > parameters {
		s.say(f.Pos(), "%s has %d parameters, at most %d: make it a struct", f.Name.Name, n, parameters)
	}
	if f.Recv == nil && f.Name.Name == "init" {
		s.say(f.Pos(), "an init function: have whoever needs it call it")
	}
}

// counted is how many parameters there are, less contexts, the test itself and a variadic list.
func counted(list *ast.FieldList) int {
	n := 0
	for _, field := range list.List {
		if _, variadic := field.Type.(*ast.Ellipsis); variadic {
			continue
		}
		switch dotted(field.Type) {
		case "context.Context", "workflow.Context", "testing.T", "testing.TB", "testing.B":
			continue
		}
		n += max(1, len(field.Names))
	}
	return n
}

// call finds tests that sleep or skip.
func (s *shape) call(node ast.Node) bool {
	call, ok := node.(*ast.CallExpr)
	if !ok {
		return true
	}
	switch name := dotted(call.Fun); name {
	case "time.Sleep":
		s.say(call.Pos(), "a test sleeps: wait for the condition instead")
	case "t.Skip", "t.Skipf", "t.SkipNow", "b.Skip", "tb.Skip":
		s.say(call.Pos(), "a test skips: it would not run where it counts")
	}
	return true
}

// dotted is the text of a name, of one with a qualifier, or of a pointer to either; "" for anything else.
func dotted(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.StarExpr:
		return dotted(e.X)
	case *ast.SelectorExpr:
		return dotted(e.X) + "." + e.Sel.Name
	}
	return ""
}

func (s *shape) say(at token.Pos, format string, args ...any) {
	p := s.files.Position(at)
	s.found = append(s.found, fmt.Sprintf("%s:%d: ", p.Filename, p.Line)+fmt.Sprintf(format, args...))
}
