package e2e_test

import (
	"encoding/base64"
	"regexp"
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
