package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"shmring/manager"
)

// deps says what depends on what, each list sorted.
type deps manager.Graph

// turned returns who depends on each.
func (g deps) turned() deps {
	turned := make(deps)
	for _, name := range g.names() {
		for _, below := range g[name] {
			turned[below] = append(turned[below], name)
		}
	}
	return turned
}

func (g deps) names() []string { return slices.Sorted(maps.Keys(g)) }

// from returns the names and everything that a way leads to from them, sorted.
func (g deps) from(names ...string) []string {
	seen := make(map[string]bool)
	for todo := slices.Clone(names); len(todo) > 0; todo = todo[1:] {
		if !seen[todo[0]] {
			seen[todo[0]] = true
			todo = append(todo, g[todo[0]]...)
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// about returns those names that have to do with the given ones: all if none are given.
func (g deps) about(names []string) []string {
	if len(names) == 0 {
		return g.names()
	}
	all := append(g.from(names...), g.turned().from(names...)...)
	slices.Sort(all)
	return slices.Compact(all)
}

// tree draws what the names depend on; without names, what everything depends on.
func (g deps) tree(names []string) string {
	t := tree{deps: g, shown: make(map[string]bool), way: make(map[string]bool)}
	turned := g.turned()
	for _, name := range names {
		note := ""
		if above := without(turned.from(name), name); len(above) > 0 {
			note = "  (before it end: " + strings.Join(above, ", ") + ")"
		}
		t.draw(name, "", "", note)
	}
	if len(names) > 0 {
		return t.text.String()
	}
	for _, name := range g.names() {
		if len(turned[name]) == 0 {
			t.draw(name, "", "", "")
		}
	}
	for _, name := range g.names() { // what is left depends on itself
		if !t.shown[name] {
			t.draw(name, "", "", "")
		}
	}
	return t.text.String()
}

func without(names []string, name string) []string {
	return slices.DeleteFunc(names, func(other string) bool { return other == name })
}

// A tree is the drawing of a graph.
type tree struct {
	deps  deps
	text  strings.Builder
	shown map[string]bool
	way   map[string]bool // from the root to here
}

// draw draws a name behind a branch, and below it, each behind the stem, what it depends on.
func (t *tree) draw(name, branch, stem, note string) {
	below := t.deps[name]
	if t.way[name] {
		note, below = "  (a cycle: shmctl deps rm can break it)", nil
	} else if t.shown[name] && len(below) > 0 {
		note, below = note+"  (as above)", nil
	}
	fmt.Fprintf(&t.text, "%s%s%s\n", branch, name, note)
	t.shown[name] = true
	if len(below) == 0 {
		return
	}
	t.way[name] = true
	for i, next := range below {
		if i < len(below)-1 {
			t.draw(next, stem+"├─ ", stem+"│  ", "")
		} else {
			t.draw(next, stem+"└─ ", stem+"   ", "")
		}
	}
	delete(t.way, name)
}

// dot writes the graph for Graphviz.
func (g deps) dot(names []string) string {
	var b strings.Builder
	b.WriteString("digraph channels {\n")
	for _, name := range g.about(names) {
		fmt.Fprintf(&b, "  %q;\n", name)
		for _, below := range g[name] {
			fmt.Fprintf(&b, "  %q -> %q;\n", name, below)
		}
	}
	b.WriteString("}\n")
	return b.String()
}

// depsJSON is an element of what deps --json prints.
type depsJSON struct {
	Name       string   `json:"name"`
	DependsOn  []string `json:"depends_on" doc:"channels"`
	Dependents []string `json:"dependents" doc:"channels that depend on it"`
}

func (g deps) json(names []string) []depsJSON {
	turned := g.turned()
	all := []depsJSON{}
	for _, name := range g.about(names) {
		all = append(all, depsJSON{name, list(g[name]), list(turned[name])})
	}
	return all
}
