package journal

import "slices"

// ring holds the last entries of those that it was given.
type ring struct {
	most    int
	entries []Entry
	next    int // the oldest one, once there are as many as it holds
}

func (r *ring) push(e Entry) {
	if len(r.entries) < r.most {
		r.entries = append(r.entries, e)
		return
	}
	r.entries[r.next] = e
	r.next = (r.next + 1) % r.most
}

// list returns the entries, oldest first.
func (r *ring) list() []Entry {
	return slices.Concat(r.entries[r.next:], r.entries[:r.next])
}
