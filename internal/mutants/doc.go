//go:build linux

// Command mutants breaks the rules of the library one at a time and looks whether the
// tests notice.
//
// A mutant is a file in testdata/mutants: a rule, a change of the source that breaks it,
// and the tests that must fail then. Each is built by an overlay, so that no file of the
// tree changes, and each of its tests must pass without the mutant and fail with it. A
// test that hangs fails; a mutant that does not build is an error of the mutant. One that
// survives means that a rule is held by no test.
//
//	go run ./internal/mutants                 # all; some minutes
//	go run ./internal/mutants -run 'M05|R'    # those whose name matches
//	go run ./internal/mutants -write          # and write docs/MUTANTS.md
//
// With SHMRING_EVIDENCE a record of a whole run is stored there.
//
// A mutant looks like this; old and new text are whole lines, and the old ones stand
// once in the file. It may change several places. One that has no change says with note
// why, or with model which variant of a model shows the rule.
//
//	rule: what must hold
//	tags: fault
//	race: yes
//	test: ring TestOrderOfASend
//	test: ring TestEverySchedule/one_sender
//	-- ring/claim.go --
//	old text
//	-- instead --
//	new text
package main
