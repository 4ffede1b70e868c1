package replication

import "slices"

// Limits of what is gathered before it is written.
const (
	gatherItems = readLimit     // that are left
	gatherReads = 8 * readLimit // items read for them
)

// gather leaves, of users' updates of a row that wait to be applied, the last in its place, for maps that ask for it; true
// when so little is left that more may be read first. Whatever is not such an update is applied at once.
func (r *reader) gather() bool {
	for i := range r.out[r.gathered:] {
		it := &r.out[r.gathered+i]
		if it.kind != itemChange || !it.state.def.Map.Coalesce || it.before == nil || it.after == nil || it.effect {
			return false
		}
	}
	r.gatheredOf += len(r.out) - r.gathered
	last := make(map[echoKey]int, len(r.out))
	for i := range r.out {
		it := &r.out[i]
		if it.position <= r.cursor {
			continue // an earlier attempt has applied it: what follows begins where it ended
		}
		keys := it.keys()
		k := echoKey{it.state.name, keys[0]}
		if n, found := last[k]; found && len(keys) == 1 && r.out[n].newKey() == nil {
			earlier := &r.out[n]
			it.latest = max(it.seen, it.latest)
			it.before, it.seen = earlier.before, earlier.seen
			earlier.state = nil
		}
		for _, key := range keys {
			last[echoKey{k.mapName, key}] = i
		}
	}
	r.out = slices.DeleteFunc(r.out, func(it item) bool { return it.state == nil })
	r.gathered = len(r.out)
	return len(r.out) > 0 && len(r.out) <= gatherItems && r.gatheredOf < gatherReads
}

// coalesce leaves only the last change of a key, for maps that ask for it.
func coalesce(changes []*change) []*change {
	last := make(map[echoKey]int)
	out := changes[:0:0]
	for _, c := range changes {
		k := echoKey{c.name, c.entry.Key}
		i, found := last[k]
		mergeable := c.flow.def.Map.Coalesce && c.fault == nil && c.newKey == nil && !c.retry && !c.generated()
		if found && mergeable && out[i] != nil && out[i].after.Equal(c.before) { // else the other side's row came between the two
			merged := *c
			merged.latest = c.saw()
			merged.before, merged.entry.Seen = out[i].before, out[i].entry.Seen
			merged.rawBefore, merged.entry.Before = out[i].rawBefore, out[i].entry.Before
			out[i], c = nil, &merged
		}
		delete(last, k)
		if mergeable {
			last[k] = len(out)
		}
		out = append(out, c)
	}
	kept := out[:0]
	for _, c := range out {
		if c != nil {
			kept = append(kept, c)
		}
	}
	return kept
}
