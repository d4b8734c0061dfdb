package http1

// Clone returns a copy that stays valid when the connection is read again.
func (r *Request) Clone() *Request {
	size := len(r.Target) + len(r.Path) + len(r.Query) + len(r.Host) + len(r.Upgrade)
	for i := range r.Fields {
		size += len(r.Fields[i].Name) + len(r.Fields[i].Value)
	}
	all := make([]byte, 0, size)
	put := func(p []byte) []byte {
		if p == nil {
			return nil
		}
		from := len(all)
		all = append(all, p...)
		return all[from:len(all):len(all)]
	}
	c := *r
	c.Target, c.Path, c.Query, c.Host, c.Upgrade = put(r.Target), put(r.Path), put(r.Query), put(r.Host), put(r.Upgrade)
	c.Fields = make([]Field, len(r.Fields))
	for i, f := range r.Fields {
		c.Fields[i] = Field{Name: put(f.Name), Value: put(f.Value)}
	}
	return &c
}
