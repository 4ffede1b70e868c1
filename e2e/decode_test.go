package e2e_test

import (
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// decoded replaces what Temporal sends as base64 by what it says.
func decoded(text string) string {
	return regexp.MustCompile(`"data":\s*"([A-Za-z0-9+/=]+)"`).ReplaceAllStringFunc(text, func(match string) string {
		inner := regexp.MustCompile(`"([A-Za-z0-9+/=]+)"$`).FindStringSubmatch(match)[1]
		plain, err := base64.StdEncoding.DecodeString(inner)
		if err != nil {
			return match
		}
		return string(plain)
	})
}

// read reads JSON that a command has printed.
func read[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	require.NoError(t, json.Unmarshal([]byte(text), &v), text)
	return v
}

// containsAll reports whether a text has all parts.
func containsAll(text string, parts ...string) bool {
	for _, p := range parts {
		if !strings.Contains(text, p) {
			return false
		}
	}
	return true
}

// dedent takes two blanks off each line.
func dedent(text string) string {
	out := ""
	for line := range strings.Lines(text) {
		out += strings.TrimPrefix(line, "  ")
	}
	return out
}
