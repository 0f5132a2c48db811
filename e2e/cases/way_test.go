package cases

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// waypoint is a row of docs/A_CASE.md.
type waypoint struct {
	file      string
	functions []string // of a type's, with the type's name before a dot
}

var (
	waypointRow = regexp.MustCompile("^\\|[^|]*\\| `([^`]+\\.go)` \\|([^|]+)\\|")
	inBackticks = regexp.MustCompile("`([^`]+)`")
)

// waypoints are the rows of a part of the page.
func waypoints(text string) []waypoint {
	var all []waypoint
	for line := range strings.Lines(text) {
		row := waypointRow.FindStringSubmatch(line)
		if row == nil {
			continue
		}
		w := waypoint{file: row[1]}
		for _, name := range inBackticks.FindAllStringSubmatch(row[2], -1) {
			w.functions = append(w.functions, name[1])
		}
		all = append(all, w)
	}
	return all
}

// source is what a file of Go declares, and which names are in it besides.
type source struct{ functions, names map[string]bool }

func readSource(t *testing.T, file string) source {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "..", filepath.FromSlash(file)), nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	s := source{functions: map[string]bool{}, names: map[string]bool{}}
	declared := map[*ast.Ident]bool{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			declared[n.Name] = true
			s.functions[receiver(n)+n.Name.Name] = true
		case *ast.Ident:
			if !declared[n] {
				s.names[n.Name] = true
			}
		}
		return true
	})
	return s
}

// receiver is the name of the type that a method is of, with a dot; "" of a function.
func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	of := f.Recv.List[0].Type
	if star, ok := of.(*ast.StarExpr); ok {
		of = star.X
	}
	return fmt.Sprint(of) + "."
}

// TestACasesWay holds docs/A_CASE.md to the code: what it names exists, in the order in which one calls the
// other, and it counts right.
func TestACasesWay(t *testing.T) {
	raw, err := os.ReadFile("../../docs/A_CASE.md")
	require.NoError(t, err)
	page := string(raw)
	way, besides, ok := strings.Cut(page, "\n## ")
	require.True(t, ok)

	rows := waypoints(way)
	packages, files := map[string]bool{}, map[string]bool{}
	named := map[string]bool{}
	for i, w := range rows {
		assert.Contains(t, way, fmt.Sprintf("| %d | `%s` |", i+1, w.file), "its number")
		assert.False(t, files[w.file], "%s is there twice", w.file)
		files[w.file], packages[filepath.Dir(w.file)] = true, true
		s := readSource(t, w.file)
		for name := range s.names {
			named[name] = true
		}
		assert.NotEmpty(t, w.functions, w.file)
		for _, function := range w.functions {
			assert.True(t, s.functions[function], "%s has no %s", w.file, function)
			assert.True(t, named[function[strings.LastIndex(function, ".")+1:]], "no file as far as %s names %s", w.file, function)
		}
	}
	assert.Contains(t, way, fmt.Sprintf("\n%d files in %d packages.", len(files), len(packages)))

	others := waypoints(besides)
	assert.NotEmpty(t, others)
	for _, w := range others {
		s := readSource(t, w.file)
		for _, function := range w.functions {
			assert.True(t, s.functions[function], "%s has no %s", w.file, function)
		}
	}
}
