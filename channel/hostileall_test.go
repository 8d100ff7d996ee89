package channel_test

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// exercised are the calls of the tables.
var exercised = func() callTable {
	all := make(callTable)
	for _, table := range []callTable{
		senderCalls, receiverCalls, observerCalls, controllerCalls, eventCalls, openCalls,
	} {
		maps.Copy(all, table)
	}
	return all
}()

// along are calls that others of the tables or the parties make on their way, or that
// touch no segment.
var along = []string{
	"Open", "OpenEvent", "OpenEventFile", "OpenFile", "Channel.Close", "Event.Close", "Event.Name",
	"Event.Path",
	"Event.Replaced", "Channel.Sender", "Channel.TrySender", "Channel.Receiver",
	"Channel.TryReceiver", "Channel.MaxMessage", "Channel.Size", "Channel.Name", "Channel.Path",
	"Channel.Replaced", "Lease.Bytes", "Lease.Commit", "Lease.Abort", "Message.Clone",
	"Message.Position", "Message.Redelivered", "Message.Release", "Message.Sent",
	"Reader.Close", "NewPlain", "NewReader", "NewTyped", "NewWriter",
	// Values and codecs without a segment.
	"Binary.Append", "Binary.Decode", "Binary.Size", "Plain.Append", "Plain.Decode",
	"Copy", "Participant.Doing", "Participant.String",
	"Plain.Size", "ChangeKind.String", "Kind.String", "DiscardedError.Error",
	"DiscardedError.Unwrap", "OpError.Error", "OpError.Timeout", "OpError.Unwrap",
	"PeerError.Error", "PeerError.Is",
}

// publicCalls lists the exported functions and methods of this package.
func publicCalls(t *testing.T) []string {
	t.Helper()
	files, err := fs.Glob(os.DirFS("."), "*.go")
	require.NoError(t, err)
	var names []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(gotoken.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || !f.Name.IsExported() {
				continue
			}
			if f.Recv == nil {
				names = append(names, f.Name.Name)
			} else if of := receiverName(f.Recv.List[0].Type); ast.IsExported(of) {
				names = append(names, of+"."+f.Name.Name)
			}
		}
	}
	return names
}

// receiverName returns the name of the type of a method.
func receiverName(of ast.Expr) string {
	switch of := of.(type) {
	case *ast.StarExpr:
		return receiverName(of.X)
	case *ast.IndexExpr:
		return receiverName(of.X)
	case *ast.IndexListExpr:
		return receiverName(of.X)
	case *ast.Ident:
		return of.Name
	}
	return ""
}

func TestHostileWriterMeetsEveryPublicCall(t *testing.T) {
	names := publicCalls(t)
	for _, name := range names {
		_, ok := exercised[name]
		assert.True(t, ok || slices.Contains(along, name),
			"%s is new: have a party of the hostile writer's test make it", name)
	}
	for _, name := range along {
		assert.Contains(t, names, name, "it is gone")
	}
}
