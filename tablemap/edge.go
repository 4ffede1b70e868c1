package tablemap

// Edge says that map Child depends on map Parent.
type Edge struct {
	Child  string `json:"child"`
	Parent string `json:"parent"`
	Reason string `json:"reason"` // for people: which foreign key, on which side; or that the config says so
}
