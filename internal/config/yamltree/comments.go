package yamltree

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
)

// Comments reads the doc comments of the types and struct fields in the Go
// packages at these folders, as descriptions for [Schema]. The keys are
// "pkg.Type" and "pkg.Type.Field". It is meant for the schema's generator, which
// runs where the source is.
func Comments(dirs ...string) (map[string]string, error) {
	out := map[string]string{}
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", dir, err)
		}
		if len(files) == 0 {
			return nil, fmt.Errorf("read the comments of %s: %w", dir, fs.ErrNotExist)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return nil, fmt.Errorf("read the comments: %w", err)
			}
			addComments(out, file)
		}
	}
	return out, nil
}

func addComments(out map[string]string, file *ast.File) {
	for _, decl := range file.Decls {
		types, ok := decl.(*ast.GenDecl)
		if !ok || types.Tok != token.TYPE {
			continue
		}
		for _, spec := range types.Specs {
			t := spec.(*ast.TypeSpec)
			name := file.Name.Name + "." + t.Name.Name
			doc := t.Doc
			if doc == nil {
				doc = types.Doc
			}
			add(out, name, doc)
			fields, ok := t.Type.(*ast.StructType)
			if !ok {
				continue
			}
			for _, f := range fields.Fields.List {
				for _, id := range f.Names {
					add(out, name+"."+id.Name, f.Doc, f.Comment)
				}
			}
		}
	}
}

// add keeps the first of the comments that says something, in one line.
func add(out map[string]string, name string, comments ...*ast.CommentGroup) {
	for _, c := range comments {
		if text := strings.Join(strings.Fields(c.Text()), " "); text != "" {
			out[name] = text
			return
		}
	}
}
