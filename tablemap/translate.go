package tablemap

// Translate returns what a text of the given side is on the other one by the column's value map; false when the map
// does not say. Without a value map it is the same text. Towards the left, a text that several others stand for has no
// translation: such maps flow to the right only.
func (c *Column) Translate(from Side, text string) (string, bool) {
	if len(c.Values) == 0 {
		return text, true
	}
	if from == Left {
		out, ok := c.Values[text]
		return out, ok
	}
	found, n := "", 0
	for left, right := range c.Values {
		if right == text {
			found, n = left, n+1
		}
	}
	return found, n == 1
}
